//! The size that a claim needs: power of a paired difference, by its normal approximation.
//!
//! With the standard error `se` over n prompts, a true difference `d` is shown at the two-sided level `1 - confidence` with the chance
//! `power` where `|d| = (z(1 - (1 - confidence) / 2) + z(power)) * se`; and `se` falls with the root of n (Cohen, Statistical Power Analysis for
//! the Behavioral Sciences, 1988, chapter 2). `se` is that of near-duplicate groups, so that prompts that repeat each other do not count twice.

use crate::significance::normal::quantile;

/// The chance with which a true difference shall be shown.
pub const POWER: f64 = 0.8;

/// The smallest true difference that is shown with a chance of [`POWER`], at the standard error that a set gives.
///
/// ```
/// use router_eval::significance::smallest_detectable;
/// // 100 prompts, 10 of them won and 5 lost: variance 0.15 - 0.05^2 = 0.1475, standard error 0.0384; 1.960 + 0.842 of them.
/// let standard_error = (0.1475f64 / 100.0).sqrt();
/// assert!((smallest_detectable(standard_error, 0.95) - 0.1076).abs() < 5e-5);
/// ```
pub fn smallest_detectable(standard_error: f64, confidence: f64) -> f64 {
    (quantile(1.0 - (1.0 - confidence) / 2.0) + quantile(POWER)) * standard_error
}

/// How many prompts like the `prompts` at hand show a true difference of `delta` with a chance of [`POWER`]; `None` where there is no
/// difference, or no spread to tell from.
///
/// ```
/// use router_eval::significance::prompts_needed;
/// // The same 100 prompts: 0.05 needs 100 * (0.1076 / 0.05)^2 = 463.
/// let standard_error = (0.1475f64 / 100.0).sqrt();
/// assert_eq!(prompts_needed(0.05, standard_error, 100, 0.95), Some(464));
/// assert_eq!(prompts_needed(0.0, standard_error, 100, 0.95), None);
/// ```
pub fn prompts_needed(delta: f64, standard_error: f64, prompts: usize, confidence: f64) -> Option<usize> {
    let ratio = smallest_detectable(standard_error, confidence) / delta.abs();
    (delta != 0.0 && standard_error > 0.0 && ratio.is_finite())
        .then(|| (prompts as f64 * ratio * ratio).ceil() as usize)
}

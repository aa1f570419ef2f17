//! The exponential function and what is made of it: logistic function, cross-entropy, softmax.
//!
//! Of additions, products and choices alone, without calls: the compiler takes as many numbers at a time as a vector holds, and
//! the bits are the same on every machine, which the C library's functions do not promise. Those that take a slice run in
//! vectors as wide as the processor has.
#![allow(clippy::inline_always, reason = "what is called instead of inlined is compiled for the narrowest vectors")]

use pulp::{Arch, Simd, WithSimd};

/// exp(x) of numbers that are not above 0, at most an ulp or two off; 0 below -708, where exp is all but 0.
///
/// exp(x) = 2^n exp(r), n being x / ln 2 rounded and r what is left, at most half of ln 2 (Cody and Waite, Software Manual for
/// the Elementary Functions, 1980, chapter 6); exp(r) by Taylor's series up to r^13.
#[inline(always)]
pub(crate) fn exp_of_negative(x: f64) -> f64 {
    /// ln 2 in two parts, of which the first has enough zeros that n times it is exact.
    const LN_2: (f64, f64) = (6.931_471_803_691_238e-1, 1.908_214_929_270_587_7e-10);
    /// Adding and taking off 1.5 * 2^52 rounds to a whole number, which its lowest bits then hold.
    const ROUND: f64 = 6_755_399_441_055_744.0;
    const TAYLOR: [f64; 12] = [
        1.0 / 6_227_020_800.0,
        1.0 / 479_001_600.0,
        1.0 / 39_916_800.0,
        1.0 / 3_628_800.0,
        1.0 / 362_880.0,
        1.0 / 40_320.0,
        1.0 / 5_040.0,
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
    ];
    // A choice, not a maximum, which would make a number of what is none.
    let bounded = if x < -708.0 { -708.0 } else { x };
    let shifted = bounded * std::f64::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (bounded - n * LN_2.0) - n * LN_2.1;
    let mut series = TAYLOR[0];
    for &coefficient in &TAYLOR[1..] {
        series = series * r + coefficient;
    }
    let power = (shifted.to_bits().wrapping_add(1023)) << 52;
    let value = (1.0 + (r + r * r * series)) * f64::from_bits(power);
    if x < -708.0 { 0.0 } else { value }
}

/// [`exp_of_negative`] in single precision: series up to r^7, 0 below -87.
#[inline(always)]
fn exp_of_negative_f32(x: f32) -> f32 {
    const LN_2: (f32, f32) = (0.693_359_4, -2.121_944_4e-4);
    const ROUND: f32 = 12_582_912.0;
    const TAYLOR: [f32; 6] = [1.0 / 5_040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5];
    let bounded = if x < -87.0 { -87.0 } else { x };
    let shifted = bounded * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (bounded - n * LN_2.0) - n * LN_2.1;
    let mut series = TAYLOR[0];
    for &coefficient in &TAYLOR[1..] {
        series = series * r + coefficient;
    }
    let power = (shifted.to_bits().wrapping_add(127)) << 23;
    let value = (1.0 + (r + r * r * series)) * f32::from_bits(power);
    if x < -87.0 { 0.0 } else { value }
}

/// ln(1 + x) of numbers in [0, 1], an ulp or two off: 2 artanh(x / (2 + x)) by its series up to the 15th power.
#[inline(always)]
fn ln_1p_of_unit(x: f32) -> f32 {
    const SERIES: [f32; 7] = [1.0 / 15.0, 1.0 / 13.0, 1.0 / 11.0, 1.0 / 9.0, 1.0 / 7.0, 1.0 / 5.0, 1.0 / 3.0];
    let ratio = x / (2.0 + x);
    let square = ratio * ratio;
    let mut series = SERIES[0];
    for &coefficient in &SERIES[1..] {
        series = series * square + coefficient;
    }
    2.0 * (ratio + ratio * square * series)
}

/// The logistic function, 1 / (1 + exp(-z)). In [0, 1] for every z that is a number.
#[inline(always)]
pub fn sigmoid(logit: f32) -> f32 {
    // Of the two forms, the one whose exponential cannot overflow.
    let small = exp_of_negative_f32(-logit.abs());
    let share = 1.0 / (1.0 + small);
    if logit < 0.0 { small * share } else { share }
}

/// Cross-entropy of the target `quality` in [0, 1] under the logit: log(1 + exp(z)) - quality * z, without overflow.
#[inline(always)]
pub fn cross_entropy(logit: f32, quality: f32) -> f32 {
    let positive = if logit < 0.0 { 0.0 } else { logit };
    positive - quality * logit + ln_1p_of_unit(exp_of_negative_f32(-logit.abs()))
}

/// Puts [`sigmoid`] of every number in its place.
pub(crate) fn sigmoids(logits: &mut [f32]) {
    struct Sigmoids<'a>(&'a mut [f32]);
    impl WithSimd for Sigmoids<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) {
            for logit in self.0 {
                *logit = sigmoid(*logit);
            }
        }
    }
    Arch::new().dispatch(Sigmoids(logits));
}

/// Adds `share` times [`sigmoid`] of every logit to `sums`, over the shorter length.
pub(crate) fn add_sigmoids(sums: &mut [f32], share: f32, logits: &[f32]) {
    struct AddSigmoids<'a>(&'a mut [f32], f32, &'a [f32]);
    impl WithSimd for AddSigmoids<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) {
            let Self(sums, share, logits) = self;
            for (sum, &logit) in sums.iter_mut().zip(logits) {
                *sum += share * sigmoid(logit);
            }
        }
    }
    Arch::new().dispatch(AddSigmoids(sums, share, logits));
}

/// Logits with the quality and the weight of each, of the same length. What has no weight counts for nothing, whatever its
/// quality.
#[derive(Clone, Copy)]
pub(crate) struct Weighted<'a> {
    pub(crate) logits: &'a [f32],
    pub(crate) targets: &'a [f32],
    pub(crate) weights: &'a [f32],
}

/// The weighted sum of [`cross_entropy`], added up in the order of the logits.
pub(crate) fn weighted_cross_entropy(of: Weighted<'_>) -> f64 {
    /// Numbers at a time: they are computed in vectors and added one after the other.
    const CHUNK: usize = 64;
    struct Losses<'a>(Weighted<'a>, &'a mut [f32; CHUNK]);
    impl WithSimd for Losses<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) {
            let Self(Weighted { logits, targets, weights }, out) = self;
            for (((out, &logit), &target), &weight) in out.iter_mut().zip(logits).zip(targets).zip(weights) {
                let loss = cross_entropy(logit, target);
                *out = if weight > 0.0 { loss } else { 0.0 };
            }
        }
    }
    let (mut losses, mut sum) = ([0.0f32; CHUNK], 0.0f64);
    let chunks = of.logits.chunks(CHUNK).zip(of.targets.chunks(CHUNK)).zip(of.weights.chunks(CHUNK));
    for ((logits, targets), weights) in chunks {
        Arch::new().dispatch(Losses(Weighted { logits, targets, weights }, &mut losses));
        for (&loss, &weight) in losses.iter().zip(weights) {
            sum += f64::from(weight) * f64::from(loss);
        }
    }
    sum
}

/// `scale` times the derivative of [`weighted_cross_entropy`] by every logit.
pub(crate) fn weighted_cross_entropy_gradient(of: Weighted<'_>, scale: f32) -> Vec<f32> {
    struct Gradient<'a>(Weighted<'a>, f32, &'a mut [f32]);
    impl WithSimd for Gradient<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) {
            let Self(Weighted { logits, targets, weights }, scale, out) = self;
            for (((out, &logit), &target), &weight) in out.iter_mut().zip(logits).zip(targets).zip(weights) {
                let derivative = scale * weight * (sigmoid(logit) - target);
                *out = if weight > 0.0 { derivative } else { 0.0 };
            }
        }
    }
    let mut out = vec![0.0; of.logits.len()];
    Arch::new().dispatch(Gradient(of, scale, &mut out));
    out
}

/// Turns logits, divided by `temperature`, into probabilities, in place, and gives the most likely place (ties to the lowest)
/// and its probability. There is at least one.
pub fn softmax(logits: &mut [f32], temperature: f32) -> (usize, f32) {
    struct Exponentials<'a>(&'a mut [f32], f32, f32);
    impl WithSimd for Exponentials<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) {
            let Self(logits, highest, temperature) = self;
            for logit in logits {
                *logit = exp_of_negative_f32((*logit - highest) / temperature);
            }
        }
    }
    let mut best = (0, f32::NEG_INFINITY);
    for (at, &logit) in logits.iter().enumerate() {
        if logit > best.1 {
            best = (at, logit);
        }
    }
    Arch::new().dispatch(Exponentials(&mut *logits, best.1, temperature));
    let total: f32 = logits.iter().sum();
    for probability in logits {
        *probability /= total;
    }
    (best.0, 1.0 / total)
}

/// Replaces every number by exp(number - `highest`), `highest` being none below any of them, and gives their sum, added in
/// their order.
pub(crate) fn exponentiate(values: &mut [f64], highest: f64) -> f64 {
    struct Exponentials<'a>(&'a mut [f64], f64);
    impl WithSimd for Exponentials<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) {
            for value in self.0 {
                *value = exp_of_negative(*value - self.1);
            }
        }
    }
    Arch::new().dispatch(Exponentials(&mut *values, highest));
    values.iter().sum()
}

/// The sum, in their order, of exp((number - `highest`) * `factor`), `highest` being none below any of them.
pub(crate) fn sum_of_exponentials(values: &[f32], highest: f64, factor: f64) -> f64 {
    /// Numbers at a time: they are computed in vectors and added one after the other.
    const CHUNK: usize = 64;
    struct Exponentials<'a>(&'a [f32], f64, f64, &'a mut [f64; CHUNK]);
    impl WithSimd for Exponentials<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) {
            let Self(values, highest, factor, out) = self;
            for (out, &value) in out.iter_mut().zip(values) {
                *out = exp_of_negative((f64::from(value) - highest) * factor);
            }
        }
    }
    let (mut exponentials, mut sum) = ([0.0f64; CHUNK], 0.0f64);
    for values in values.chunks(CHUNK) {
        Arch::new().dispatch(Exponentials(values, highest, factor, &mut exponentials));
        sum = exponentials.iter().zip(values).fold(sum, |sum, (exponential, _)| sum + exponential);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponentials_are_those_of_the_library() {
        for at in 0..199_900 {
            let x = -f64::from(at) * 0.003_541_7;
            let (found, expected) = (exp_of_negative(x), x.exp());
            assert!((found - expected).abs() <= 1e-15 * expected, "{x}: {found} {expected}");
        }
        assert_eq!(exp_of_negative(0.0).to_bits(), 1.0f64.to_bits());
        assert_eq!(exp_of_negative(-0.0).to_bits(), 1.0f64.to_bits());
        assert_eq!(exp_of_negative(f64::NEG_INFINITY), 0.0);
        assert_eq!(exp_of_negative(-1e300), 0.0);
        assert!(exp_of_negative(f64::NAN).is_nan());
        assert!((exp_of_negative(-1.0) - 0.367_879_441_171_442_33).abs() < 1e-16);
    }

    #[test]
    fn single_precision_is_within_two_ulps_of_double() {
        for at in 0..200_000u32 {
            let x = -(at as f32) * 0.000_434_9;
            let (found, expected) = (f64::from(exp_of_negative_f32(x)), f64::from(x).exp());
            assert!((found - expected).abs() <= 2.4e-7 * expected, "exp {x}: {found} {expected}");
            let z = if at % 2 == 0 { x } else { -x };
            let (found, expected) = (f64::from(sigmoid(z)), 1.0 / (1.0 + (-f64::from(z)).exp()));
            assert!((found - expected).abs() <= 3.6e-7 * expected, "sigmoid {z}: {found} {expected}");
            let unit = at as f32 / 200_000.0;
            let (found, expected) = (f64::from(ln_1p_of_unit(unit)), f64::from(unit).ln_1p());
            assert!((found - expected).abs() <= 2.4e-7 * expected, "ln {unit}: {found} {expected}");
        }
        assert_eq!(exp_of_negative_f32(-0.0).to_bits(), 1.0f32.to_bits());
        assert_eq!(exp_of_negative_f32(f32::NEG_INFINITY), 0.0);
        assert_eq!(sigmoid(0.0), 0.5);
    }

    #[test]
    fn extreme_logits_stay_finite_and_what_is_no_number_stays_none() {
        for z in [-1e30f32, -200.0, 0.0, 200.0, 1e30] {
            assert!((0.0..=1.0).contains(&sigmoid(z)));
            assert!(cross_entropy(z, 0.5).is_finite());
        }
        assert!((cross_entropy(0.0, 0.3) - 2f32.ln()).abs() < 1e-7);
        assert!((cross_entropy(50.0, 1.0) / (-50f32).exp() - 1.0).abs() < 1e-6);
        assert!(sigmoid(f32::NAN).is_nan() && cross_entropy(f32::NAN, 0.5).is_nan());
    }

    #[test]
    fn slices_have_the_bits_of_single_numbers() {
        let logits: Vec<f32> = (0..203).map(|at| ((at * 37 % 101) as f32 - 50.0) / 3.0).collect();
        let targets: Vec<f32> = (0..203).map(|at| if at % 7 == 0 { f32::NAN } else { (at % 5) as f32 / 4.0 }).collect();
        let weights: Vec<f32> = (0..203).map(|at| if at % 7 == 0 { 0.0 } else { 1.0 + (at % 3) as f32 }).collect();
        let mut found = logits.clone();
        sigmoids(&mut found);
        let mut sums = vec![1.0f32; 203];
        add_sigmoids(&mut sums, 0.25, &logits);
        let of = Weighted { logits: &logits, targets: &targets, weights: &weights };
        let (gradient, mut loss) = (weighted_cross_entropy_gradient(of, 0.5), 0.0f64);
        for at in 0..203 {
            assert_eq!(found[at].to_bits(), sigmoid(logits[at]).to_bits());
            assert_eq!(sums[at].to_bits(), (1.0 + 0.25 * sigmoid(logits[at])).to_bits());
            if weights[at] > 0.0 {
                loss += f64::from(weights[at]) * f64::from(cross_entropy(logits[at], targets[at]));
                let expected = 0.5 * weights[at] * (sigmoid(logits[at]) - targets[at]);
                assert_eq!(gradient[at].to_bits(), expected.to_bits());
            } else {
                assert_eq!(gradient[at], 0.0);
            }
        }
        assert_eq!(weighted_cross_entropy(of).to_bits(), loss.to_bits());
    }

    #[test]
    fn softmax_gives_shares_and_the_first_of_the_largest() {
        let mut logits = [1.0f32, 3.0, 3.0, -200.0];
        let (best, probability) = softmax(&mut logits, 2.0);
        let total = 2.0 + (-1f32).exp();
        assert_eq!(best, 1);
        assert!((probability - 1.0 / total).abs() < 1e-6 && (logits[0] - (-1f32).exp() / total).abs() < 1e-6);
        assert!((logits.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        let expected: f64 = (0..100).map(|at| (-2.0 * f64::from(at)).exp()).sum();
        let values: Vec<f32> = (0..100u8).map(|at| 5.0 - f32::from(at)).collect();
        assert!((sum_of_exponentials(&values, 5.0, 2.0) - expected).abs() < 1e-14);
        let mut values = [0.5, -1.0, 2.0];
        let sum = exponentiate(&mut values, 2.0);
        assert!((sum - (1.0 + (-1.5f64).exp() + (-3f64).exp())).abs() < 1e-15);
    }
}

//! Intervals of shares and means that several parts of the framework report.

/// The quantile of the standard normal distribution at 0.975.
const NORMAL_975: f64 = 1.959_963_984_540_054;

/// The 95% Wilson score interval (Wilson 1927; Brown, Cai and DasGupta 2001, equation 4) of a mean in [0, 1] over `count`
/// observations, which may be an effective number; [0, 1] without one. For graded observations it is conservative, since their
/// variance is at most that of 0/1 observations.
///
/// ```
/// let [low, high] = router_core::statistics::wilson(0.8, 10.0);
/// assert!((low - 0.490).abs() < 5e-4 && (high - 0.943).abs() < 5e-4);
/// ```
pub fn wilson(mean: f64, count: f64) -> [f64; 2] {
    if count.is_nan() || count <= 0.0 {
        return [0.0, 1.0];
    }
    let z = NORMAL_975;
    let center = mean + z * z / (2.0 * count);
    let half = z * (mean * (1.0 - mean) / count + z * z / (4.0 * count * count)).max(0.0).sqrt();
    let scale = 1.0 + z * z / count;
    [((center - half) / scale).clamp(0.0, 1.0), ((center + half) / scale).clamp(0.0, 1.0)]
}

/// The probability of `count` or more successes in `trials` independent trials of probability `share`: the upper tail of the
/// binomial distribution. 1 for no success; 0 and 1 are probabilities too. O(trials), in O(1) memory; terms that are below
/// 1e-300 of the largest one count as zero.
///
/// ```
/// // 1 - 0.9^3, and three sixes in three throws.
/// assert!((router_core::statistics::binomial_upper_tail(1, 3, 0.1) - 0.271).abs() < 1e-12);
/// assert!((router_core::statistics::binomial_upper_tail(3, 3, 1.0 / 6.0) - 1.0 / 216.0).abs() < 1e-12);
/// ```
pub fn binomial_upper_tail(count: u64, trials: u64, share: f64) -> f64 {
    if count == 0 || share >= 1.0 {
        return if count <= trials { 1.0 } else { 0.0 };
    }
    if count > trials || share.is_nan() || share <= 0.0 {
        return 0.0;
    }
    let odds = share / (1.0 - share);
    let mode = (((trials as f64 + 1.0) * share).floor() as u64).min(trials);
    // Terms in proportion to the one at the mode: no factorial is needed, and nothing overflows.
    let (mut all, mut tail) = (0.0, 0.0);
    let mut add = |at: u64, term: f64| {
        all += term;
        if at >= count {
            tail += term;
        }
    };
    add(mode, 1.0);
    let mut term = 1.0;
    for at in mode..trials {
        term *= (trials - at) as f64 / (at + 1) as f64 * odds;
        if term < 1e-300 {
            break;
        }
        add(at + 1, term);
    }
    term = 1.0;
    for at in (0..mode).rev() {
        term *= (at + 1) as f64 / (trials - at) as f64 / odds;
        if term < 1e-300 {
            break;
        }
        add(at, term);
    }
    tail / all
}

/// The share of successes that `count` of `trials` or fewer would come from with probability `tail`: the upper end of the
/// one-sided Clopper-Pearson interval (Biometrika 26, 1934) at confidence 1 - `tail`. 1 where all succeeded, and without a
/// trial. 60 evaluations of the binomial tail.
///
/// ```
/// // Without a success in 100 trials: 1 - 0.05^(1/100), the "rule of three".
/// let bound = router_core::statistics::binomial_upper_bound(0, 100, 0.05);
/// assert!((bound - 0.029_513).abs() < 1e-6);
/// ```
pub fn binomial_upper_bound(count: u64, trials: u64, tail: f64) -> f64 {
    if count >= trials {
        return 1.0;
    }
    let (mut low, mut high) = (0.0f64, 1.0f64);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if 1.0 - binomial_upper_tail(count + 1, trials, middle) > tail {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tail by its definition, for small numbers.
    fn by_hand(count: u64, trials: u64, share: f64) -> f64 {
        let choose = |k: u64| (0..k).fold(1.0, |product, at| product * (trials - at) as f64 / (at + 1) as f64);
        (count..=trials).map(|k| choose(k) * share.powi(k as i32) * (1.0 - share).powi((trials - k) as i32)).sum()
    }

    #[test]
    fn tails_are_those_of_the_definition() {
        for trials in [1, 2, 7, 30] {
            for count in 0..=trials {
                for share in [0.001, 0.1, 0.5, 0.97] {
                    let (found, expected) = (binomial_upper_tail(count, trials, share), by_hand(count, trials, share));
                    assert!((found - expected).abs() < 1e-12, "{count} of {trials} at {share}: {found} {expected}");
                }
            }
        }
    }

    #[test]
    fn large_numbers_and_ends_are_no_trouble() {
        // The median of a symmetric distribution: (1 + the middle term) / 2, the middle term being 0.0079788 by Stirling.
        let half = binomial_upper_tail(5_000, 10_000, 0.5);
        assert!((half - 0.503_989_3).abs() < 1e-6, "{half}");
        assert_eq!(binomial_upper_tail(1_000_000, 1_000_000, 0.001), 0.0);
        assert_eq!(binomial_upper_tail(0, 10, 0.0), 1.0);
        assert_eq!(binomial_upper_tail(1, 10, 0.0), 0.0);
        assert_eq!(binomial_upper_tail(10, 10, 1.0), 1.0);
        assert_eq!(binomial_upper_tail(11, 10, 0.5), 0.0);
    }

    #[test]
    fn the_bound_is_where_the_tail_is_spent() {
        for (count, trials, tail) in [(0u64, 50u64, 0.05), (3, 40, 0.01), (39, 40, 0.001)] {
            let bound = binomial_upper_bound(count, trials, tail);
            let spent = 1.0 - binomial_upper_tail(count + 1, trials, bound);
            assert!((spent - tail).abs() < 1e-9, "{count} of {trials}: {spent}");
        }
        assert_eq!(binomial_upper_bound(5, 5, 0.01), 1.0);
        assert_eq!(binomial_upper_bound(0, 0, 0.01), 1.0);
    }
}

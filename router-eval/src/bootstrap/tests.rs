use super::*;

fn mean_interval(strata: Vec<(&[u32], &[f64])>, resamples: usize, confidence: f64) -> (f64, [f64; 2]) {
    let mut terms = Vec::new();
    let strata: Vec<Stratum> = strata
        .into_iter()
        .map(|(groups, values)| {
            let mut stratum = Stratum::new(groups);
            let sum = stratum.column(values.iter().copied());
            let count = stratum.column(values.iter().map(|_| 1.0));
            terms.push(Some((sum, count)));
            stratum
        })
        .collect();
    let sums = resample(&strata, resamples, &Seed::root(0));
    let mean = Mean(terms);
    (sums.point(&mean).unwrap(), sums.interval(&[&mean], confidence, |means| means.first().copied()).unwrap())
}

fn own_groups(n: usize) -> Vec<u32> {
    (0..n as u32).collect()
}

/// 0 or 1 with a rate of 0.3, from a plain counter: the truth of the normal approximation is known.
fn coin(n: usize) -> Vec<f64> {
    (0..n).map(|i| if (i * 7919) % 10 < 3 { 1.0 } else { 0.0 }).collect()
}

#[test]
fn a_large_sample_agrees_with_the_normal_approximation() {
    let values = coin(4000);
    let (point, [low, high]) = mean_interval(vec![(&own_groups(4000), &values)], 10_000, 0.95);
    let error = (0.3f64 * 0.7 / 4000.0).sqrt();
    assert!((point - 0.3).abs() < 1e-12);
    assert!((low - (0.3 - 1.96 * error)).abs() < 0.03 * 3.92 * error, "{low}");
    assert!((high - (0.3 + 1.96 * error)).abs() < 0.03 * 3.92 * error, "{high}");
}

#[test]
fn a_tiny_sample_agrees_with_the_enumeration_of_all_resamples() {
    // All 4^4 resamples of four values, their means sorted: the exact bootstrap distribution.
    let values = [0.0, 0.1, 0.4, 1.0];
    let mut exact: Vec<f64> = Vec::new();
    for code in 0..256usize {
        exact.push((0..4).map(|digit| values[(code >> (2 * digit)) & 3]).sum::<f64>() / 4.0);
    }
    exact.sort_unstable_by(f64::total_cmp);
    for confidence in [0.5, 0.8, 0.9] {
        let (_, [low, high]) = mean_interval(vec![(&own_groups(4), &values)], 200_000, confidence);
        // The share of the exact distribution below each end is what the confidence says, within the atoms at the ends.
        let tail = (1.0 - confidence) / 2.0;
        let below = |x: f64| exact.iter().filter(|&&value| value < x - 1e-9).count() as f64 / 256.0;
        let to = |x: f64| exact.iter().filter(|&&value| value <= x + 1e-9).count() as f64 / 256.0;
        assert!(below(low) <= tail + 0.005 && tail - 0.005 <= to(low), "{confidence}: {low}");
        assert!(below(high) <= 1.0 - tail + 0.005 && 1.0 - tail - 0.005 <= to(high), "{confidence}: {high}");
    }
}

#[test]
fn resampling_groups_together_widens_the_interval() {
    // Ten copies of each of 100 values: as independent rows the error is too small by the square root of ten.
    let values: Vec<f64> = (0..1000).map(|i| coin(100)[i / 10]).collect();
    let groups: Vec<u32> = (0..1000).map(|i| i / 10).collect();
    let (_, [low, high]) = mean_interval(vec![(&groups, &values)], 4_000, 0.95);
    let (_, [alone_low, alone_high]) = mean_interval(vec![(&own_groups(1000), &values)], 4_000, 0.95);
    let ratio = (high - low) / (alone_high - alone_low);
    assert!((ratio - 10f64.sqrt()).abs() < 0.25, "{ratio}");
}

#[test]
fn strata_are_pooled_as_a_macro_mean() {
    let (small, large) = (vec![1.0; 10], coin(1000));
    let (point, [low, high]) = mean_interval(vec![(&own_groups(10), &small), (&own_groups(1000), &large)], 4_000, 0.95);
    assert!((point - 0.65).abs() < 1e-12);
    // Only the large one varies, and it counts for half.
    let half = 1.96 * (0.21f64 / 1000.0).sqrt() / 2.0;
    assert!((low - (0.65 - half)).abs() < 0.1 * half && (high - (0.65 + half)).abs() < 0.1 * half, "{low} {high}");
}

#[test]
fn threads_do_not_change_a_byte() {
    let values = coin(500);
    let run = || mean_interval(vec![(&own_groups(500), &values)], 500, 0.95);
    let one = router_core::parallel::with_threads(1, run).unwrap();
    let two = router_core::parallel::with_threads(2, run).unwrap();
    assert_eq!(one, two);
}

#[test]
fn equal_columns_are_kept_once() {
    let mut stratum = Stratum::new(&own_groups(3));
    assert_eq!(stratum.column([1.0, 2.0, 3.0]), stratum.column([1.0, 2.0, 3.0]));
    assert_ne!(stratum.column([1.0, 2.0, 3.0]), stratum.column([1.0, 2.0, 4.0]));
}

#[test]
fn the_p_value_and_the_standard_error_agree_with_the_normal_approximation() {
    // 400 differences of which 10% are +1 and 6% are -1: mean 0.04, variance 0.16 - 0.0016.
    let values: Vec<f64> = (0..400)
        .map(|at| {
            if at % 50 < 5 {
                1.0
            } else if at % 50 < 8 {
                -1.0
            } else {
                0.0
            }
        })
        .collect();
    let mut stratum = Stratum::new(&own_groups(400));
    let term = (stratum.column(values.iter().copied()), stratum.column(values.iter().map(|_| 1.0)));
    let mean = Mean(vec![Some(term)]);
    let sums = resample(&[stratum], 20_000, &Seed::root(0));
    let found = sums.distribution(&[&mean], |means| means.first().copied()).unwrap();
    let error = (0.1584f64 / 400.0).sqrt();
    assert!((found.standard_error() - error).abs() < 0.02 * error);
    // z = 2.01: 0.044 on two sides.
    assert!((found.p_value() - 0.044).abs() < 0.008, "{}", found.p_value());
}

#[test]
fn nothing_differs_from_itself() {
    let found = Distribution(vec![0.0; 99]);
    assert_eq!((found.p_value(), found.standard_error(), found.interval(0.95)), (1.0, 0.0, [0.0, 0.0]));
    // All of 99 resamples above zero: 2 * 1 / 100.
    assert!((Distribution(vec![0.5; 99]).p_value() - 0.02).abs() < 1e-12);
}

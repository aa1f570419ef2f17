//! Temperature and threshold, from held-out rows.

/// One held-out prompt under a threshold: its confidence, and what assigning it gains over not assigning it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gain {
    /// The highest task probability.
    pub(super) confidence: f32,
    /// Realised quality of the task's best model less that of the best model over all prompts.
    pub(super) gain: f64,
}

/// The threshold at which the sum of the gains of all prompts of at least that confidence is highest, ties to the lowest;
/// 0 and 1 are tried beside every confidence that occurs.
pub(super) fn best_threshold(mut gains: Vec<Gain>) -> f32 {
    gains.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
    let mut sum = 0.0;
    let mut best = (1.0f32, gains.iter().filter(|gain| gain.confidence >= 1.0).map(|gain| gain.gain).sum::<f64>());
    for same in gains.chunk_by(|a, b| a.confidence.total_cmp(&b.confidence).is_eq()) {
        sum += same.iter().map(|gain| gain.gain).sum::<f64>();
        if let Some(gain) = same.first()
            && sum >= best.1
        {
            best = (gain.confidence, sum);
        }
    }
    // Whatever is at most the lowest confidence assigns everything; 0 says so at any temperature.
    if sum >= best.1 { 0.0 } else { best.0 }
}

/// The temperature that minimises the mean cross-entropy of `rows`: each the logits of a prompt and its task.
///
/// Targets are smoothed as by Platt (1999): of n rows, each gives 1 / (n + 2) of its target evenly to all tasks. Without that,
/// tasks that are told apart without error would drive the temperature to 0 and every confidence to 1, and no threshold could
/// tell sure from unsure. The cross-entropy is convex in 1 / temperature, so golden-section search over it finds the minimum;
/// [1/20, 20] is searched. 1 where there is no row.
pub(super) fn best_temperature(rows: &[(&[f32], usize)]) -> f32 {
    if rows.is_empty() {
        return 1.0;
    }
    let smoothing = 1.0 / (rows.len() as f64 + 2.0);
    let loss = |inverse: f64| -> f64 {
        rows.iter().map(|&(logits, task)| cross_entropy(logits, task, smoothing, inverse)).sum()
    };
    let ratio = (5f64.sqrt() - 1.0) / 2.0;
    let (mut low, mut high) = (0.05f64.ln(), 20f64.ln());
    let (mut left, mut right) = (high - ratio * (high - low), low + ratio * (high - low));
    let (mut of_left, mut of_right) = (loss(left.exp()), loss(right.exp()));
    for _ in 0..60 {
        if of_left <= of_right {
            (high, right, of_right) = (right, left, of_left);
            left = high - ratio * (high - low);
            of_left = loss(left.exp());
        } else {
            (low, left, of_left) = (left, right, of_right);
            right = low + ratio * (high - low);
            of_right = loss(right.exp());
        }
    }
    (-f64::midpoint(low, high)).exp() as f32
}

/// Against the target that gives 1 - `smoothing` to `task` and the rest evenly to all tasks, `inverse` being 1 / temperature.
fn cross_entropy(logits: &[f32], task: usize, smoothing: f64, inverse: f64) -> f64 {
    let highest = f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    let total: f64 = logits.iter().map(|&logit| ((f64::from(logit) - highest) * inverse).exp()).sum();
    let mean = logits.iter().map(|&logit| f64::from(logit)).sum::<f64>() / logits.len().max(1) as f64;
    let of_task = logits.get(task).map_or(highest, |&logit| f64::from(logit));
    let target = (1.0 - smoothing) * of_task + smoothing * mean;
    total.ln() - (target - highest) * inverse
}

#[cfg(test)]
mod tests {
    use super::*;

    fn threshold(gains: &[(f32, f64)]) -> f32 {
        best_threshold(gains.iter().map(|&(confidence, gain)| Gain { confidence, gain }).collect())
    }

    #[test]
    fn the_threshold_keeps_what_gains() {
        assert_eq!(threshold(&[(0.9, 1.0), (0.5, -1.0), (0.7, 1.0), (0.3, 0.5)]), 0.7);
        assert_eq!(threshold(&[(0.9, 1.0), (0.5, -0.5), (0.3, 1.0)]), 0.0, "everything is worth it");
        assert_eq!(threshold(&[(0.9, -1.0), (0.5, -0.5)]), 1.0, "nothing is worth it");
        assert_eq!(threshold(&[(0.9, 1.0), (0.5, 0.0), (0.4, 0.0), (0.3, -1.0)]), 0.4, "ties to the lowest");
        assert_eq!(threshold(&[(0.9, 1.0), (0.9, -2.0)]), 1.0, "equal confidences stand and fall together");
        assert_eq!(threshold(&[]), 0.0);
    }

    #[test]
    fn the_temperature_is_the_one_that_made_the_labels() {
        // Two tasks, logits (x, 0): of 100 prompts, 73 are of task 0, so that p = 0.73 less the smoothing is calibrated.
        let p: f64 = 0.73 * (1.0 - 1.0 / 102.0) + 0.5 / 102.0;
        for x in [0.5f32, 0.9946, 4.0] {
            let logits = [x, 0.0];
            let rows: Vec<(&[f32], usize)> = (0..100).map(|i| (&logits[..], usize::from(i >= 73))).collect();
            let expected = f64::from(x) / (p / (1.0 - p)).ln();
            assert!((f64::from(best_temperature(&rows)) - expected).abs() < 1e-3);
        }
        // Without an error in 98 rows, confidence stays at 1 - 0.5 / 100.
        let rows: Vec<(&[f32], usize)> = (0..98).map(|_| (&[1.0f32, 0.0][..], 0)).collect();
        assert!((f64::from(best_temperature(&rows)) - 1.0 / (0.995f64 / 0.005).ln()).abs() < 1e-3);
        assert_eq!(best_temperature(&[]), 1.0);
    }
}

//! Windows of a stream, tested against training.
#![allow(clippy::indexing_slicing, reason = "bins are numbered by the reference that the counts were made for")]

use serde::Serialize;

use crate::drift::reference::{DriftReference, HeldOutDistribution, Observation};
use crate::error::{Error, ErrorKind, Result};
use crate::statistics::{binomial_upper_bound, binomial_upper_tail};

/// Tests that share a window's level.
const TESTS: f64 = 3.0;

/// The share of a test's level that is spent on not knowing the training share exactly.
const SPENT_ON_REFERENCE: f64 = 0.1;

/// The share of no task in a window, against training.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct NoTaskTest {
    /// Prompts of the window without a task.
    pub without_task: u64,
    /// Their share.
    pub share: f64,
    /// The share among held-out training prompts.
    pub training_share: f64,
    /// Probability of at least so many without drift: exact binomial, one-sided.
    pub p_value: f64,
}

/// The distribution of a number in a window, against training.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct DistributionTest {
    /// How far the window's distribution function is above that of training, at most: the one-sided Kolmogorov-Smirnov
    /// statistic over the bins of the reference, in [0, 1].
    pub statistic: f64,
    /// Probability of at least so much without drift.
    pub p_value: f64,
}

/// A window of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Window {
    /// The number of its first prompt in the stream, from 0.
    pub start: u64,
    /// Prompts in it.
    pub prompts: u64,
    /// More prompts without a task than in training?
    pub no_task: NoTaskTest,
    /// Is the classifier less confident than in training?
    pub confidence: DistributionTest,
    /// Do prompts lie further from the nearest task center than in training?
    pub similarity: DistributionTest,
    /// Probability of anything so far from training by any of the three without drift, at most: three times the smallest
    /// p-value (Bonferroni), at most 1.
    pub p_value: f64,
    /// Whether that is at or below the level.
    pub warning: bool,
}

/// Watches a stream of prompts, window by window, in constant memory: at most 64 counters a number, whatever the window.
///
/// Three one-sided tests share the level of a window (Bonferroni), so that without drift a window warns with a probability of at most
/// `level`; over many windows expect that share of them to warn.
///
/// - *No task*: the exact binomial probability of at least as many prompts without a task. The training share is itself
///   estimated: the test takes its upper Clopper-Pearson bound at a tenth of the level and adds that tenth to the p-value
///   (Berger and Boos, JASA 89, 1994).
/// - *Distance* and *confidence*: the two-sample Kolmogorov-Smirnov statistic D+ between window and training, of the cosine to the
///   nearest task center and of the classifier's confidence, toward lower values. p = exp(-2 n m / (n + m) D+^2)
///   (Smirnov 1944). D+ is taken at the bins' ends, where it is at most the statistic of all values: the test is a little
///   conservative.
///
/// Only the directions that harm are tested: a stream that is nearer to the tasks than held-out training prompts were (because it
/// repeats them, say) is no alarm.
///
/// ```
/// # use router_core::testkit::{components, world::MinimalWorld};
/// # use router_core::{Registry, RouterBuilder, drift::DriftMonitor};
/// # use router_core::testkit::components::*;
/// # fn main() -> router_core::Result<()> {
/// # let mut registry = Registry::new();
/// # components::register(&mut registry)?;
/// # let dataset = MinimalWorld::easy(60, 1)?.dataset;
/// # let unfitted = RouterBuilder::new(&registry).embedder(MinimalEmbedder {}).discoverer(MinimalDiscoverer {})
/// #     .classifier(MinimalClassifier {}).task_scores(MinimalEstimator {}).aggregator(MinimalAggregator {})
/// #     .policy(MinimalPolicy {}).build()?;
/// # let router = unfitted.fit_blocking(&dataset, &unfitted.context())?;
/// let reference = router.drift_reference().expect("fitted by this release");
/// let mut monitor = DriftMonitor::new(reference, 20, 0.01)?;
/// for observation in router.observe_blocking(dataset.prompts())? {
///     if let Some(window) = monitor.observe(observation) {
///         assert!(!window.warning, "training prompts are no drift");
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct DriftMonitor<'a> {
    reference: &'a DriftReference,
    window: u64,
    level: f64,
    /// The training share of no task at its upper bound.
    share_bound: f64,
    start: u64,
    prompts: u64,
    without_task: u64,
    confidence: Vec<u64>,
    similarity: Vec<u64>,
}

impl<'a> DriftMonitor<'a> {
    /// A monitor of windows of `window` prompts that warns at `level`.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for a window of no prompt or a level outside (0, 1).
    pub fn new(reference: &'a DriftReference, window: u64, level: f64) -> Result<Self> {
        if window == 0 {
            return Err(
                Error::new(ErrorKind::Usage, "a window of no prompt").help("at least 1; 100 and more tell something")
            );
        }
        if !(level > 0.0 && level < 1.0) {
            return Err(Error::new(ErrorKind::Usage, format!("a level of {level}")).help("above 0 and below 1: 0.01"));
        }
        let spent = SPENT_ON_REFERENCE * level / TESTS;
        Ok(Self {
            reference,
            window,
            level,
            share_bound: binomial_upper_bound(reference.without_task(), reference.prompts(), spent),
            start: 0,
            prompts: 0,
            without_task: 0,
            confidence: vec![0; reference.confidence().counts().len()],
            similarity: vec![0; reference.similarity().counts().len()],
        })
    }

    /// Counts one prompt, and gives its window if it fills it. O(log bins), and O(window) at a window's end.
    pub fn observe(&mut self, observation: Observation) -> Option<Window> {
        self.prompts += 1;
        self.without_task += u64::from(observation.no_task);
        self.confidence[self.reference.confidence().bin(observation.confidence)] += 1;
        self.similarity[self.reference.similarity().bin(observation.similarity)] += 1;
        if self.prompts >= self.window { self.finish() } else { None }
    }

    /// The window so far, if a prompt is in it; the next prompt begins another.
    pub fn finish(&mut self) -> Option<Window> {
        if self.prompts == 0 {
            return None;
        }
        let spent = SPENT_ON_REFERENCE * self.level / TESTS;
        let tail = binomial_upper_tail(self.without_task, self.prompts, self.share_bound);
        let no_task = NoTaskTest {
            without_task: self.without_task,
            share: self.without_task as f64 / self.prompts as f64,
            training_share: self.reference.without_task() as f64 / self.reference.prompts().max(1) as f64,
            p_value: (tail + spent).min(1.0),
        };
        let confidence = kolmogorov_smirnov(self.reference.confidence(), &self.confidence);
        let similarity = kolmogorov_smirnov(self.reference.similarity(), &self.similarity);
        let smallest = no_task.p_value.min(confidence.p_value).min(similarity.p_value);
        let p_value = (TESTS * smallest).min(1.0);
        let window = Window {
            start: self.start,
            prompts: self.prompts,
            no_task,
            confidence,
            similarity,
            p_value,
            warning: p_value <= self.level,
        };
        self.start += self.prompts;
        (self.prompts, self.without_task) = (0, 0);
        self.confidence.fill(0);
        self.similarity.fill(0);
        Some(window)
    }
}

/// How far the distribution function of `window` is above that of `reference`, over the bins of the reference.
fn kolmogorov_smirnov(reference: &HeldOutDistribution, window: &[u64]) -> DistributionTest {
    let (n, m) = (reference.total() as f64, window.iter().sum::<u64>() as f64);
    if n == 0.0 || m == 0.0 {
        return DistributionTest { statistic: 0.0, p_value: 1.0 };
    }
    let (mut below_reference, mut below_window, mut statistic) = (0u64, 0u64, 0.0f64);
    for (&in_reference, &in_window) in reference.counts().iter().zip(window) {
        below_reference += in_reference;
        below_window += in_window;
        statistic = statistic.max(below_window as f64 / m - below_reference as f64 / n);
    }
    DistributionTest { statistic, p_value: (-2.0 * n * m / (n + m) * statistic * statistic).exp() }
}

#[cfg(test)]
mod tests {
    use rand::RngExt as _;

    use super::*;
    use crate::drift::reference::Centers;
    use crate::seed::Seed;
    use crate::types::matrix::Matrix;
    use crate::types::task::TaskMap;

    fn reference(observations: &[Observation]) -> DriftReference {
        DriftReference::new(observations, Centers::new(&TaskMap::none(0), Matrix::zeros(0, 2).view(), 0..0))
    }

    /// `count` prompts: `share` of them without a task, similarity and probability uniform in [low, 1].
    fn draw(count: usize, share: f64, low: f32, seed: &str) -> Vec<Observation> {
        let mut stream = Seed::root(7).stream(seed);
        (0..count)
            .map(|_| Observation {
                no_task: stream.random_bool(share),
                confidence: low + (1.0 - low) * stream.random::<f32>(),
                similarity: low + (1.0 - low) * stream.random::<f32>(),
            })
            .collect()
    }

    /// The share of windows that warn, each of a stream of its own against a reference of its own.
    fn alarms(
        runs: usize,
        training: usize,
        window: u64,
        share: f64,
        level: f64,
        drifted: impl Fn(usize) -> Vec<Observation>,
    ) -> f64 {
        let warned = (0..runs).filter(|&run| {
            let reference = reference(&draw(training, share, 0.0, &format!("training {run}")));
            let mut monitor = DriftMonitor::new(&reference, window, level).unwrap();
            let windows: Vec<Window> =
                drifted(run).into_iter().filter_map(|observation| monitor.observe(observation)).collect();
            assert_eq!(windows.len(), 1);
            windows[0].warning
        });
        warned.count() as f64 / runs as f64
    }

    #[test]
    fn without_drift_no_more_windows_warn_than_the_level_says() {
        // 1,000 windows a case. Three standard errors of a share of 0.05: 0.02.
        for (training, window, share) in [(300, 100, 0.1), (2_000, 200, 0.0), (200, 1_000, 0.02), (1_000, 50, 0.3)] {
            let found = alarms(1_000, training, window, share, 0.05, |run| {
                draw(window as usize, share, 0.0, &format!("stream {run}"))
            });
            assert!(found <= 0.07, "{training} training prompts, windows of {window}: {found}");
        }
    }

    #[test]
    fn drift_of_each_kind_is_found() {
        let window = 200;
        let more_without = alarms(100, 2_000, 200, 0.05, 0.01, |run| draw(window, 0.2, 0.0, &format!("stream {run}")));
        assert!(more_without >= 0.95, "{more_without}");
        // Further away: similarity and probability lower by a fifth of their range.
        let lower = alarms(100, 2_000, 200, 0.05, 0.01, |run| {
            let shift = |value: f32| 0.8 * value;
            draw(window, 0.05, 0.0, &format!("stream {run}"))
                .into_iter()
                .map(|one| Observation { similarity: shift(one.similarity), ..one })
                .collect()
        });
        assert!(lower >= 0.8, "{lower}");
        // Nearer is no alarm.
        let nearer = alarms(100, 2_000, 200, 0.05, 0.01, |run| draw(window, 0.0, 0.5, &format!("stream {run}")));
        assert_eq!(nearer, 0.0);
    }

    #[test]
    fn windows_follow_each_other_and_the_last_may_be_short() {
        let reference = reference(&draw(500, 0.1, 0.0, "training"));
        let mut monitor = DriftMonitor::new(&reference, 100, 0.01).unwrap();
        let mut windows: Vec<Window> =
            draw(250, 0.1, 0.0, "stream").into_iter().filter_map(|observation| monitor.observe(observation)).collect();
        windows.extend(monitor.finish());
        let places: Vec<(u64, u64)> = windows.iter().map(|window| (window.start, window.prompts)).collect();
        assert_eq!(places, [(0, 100), (100, 100), (200, 50)]);
        assert_eq!(monitor.finish(), None);
        // A window does not depend on the ones before it.
        let mut fresh = DriftMonitor::new(&reference, 100, 0.01).unwrap();
        let second: Vec<Window> = draw(250, 0.1, 0.0, "stream")
            .into_iter()
            .skip(100)
            .filter_map(|observation| fresh.observe(observation))
            .collect();
        assert_eq!(Window { start: 100, ..second[0] }, windows[1]);
    }

    #[test]
    fn the_statistic_is_that_of_scipy() {
        // scipy.stats.ks_2samp(window, reference, alternative="greater") of reference 1..8 and window [1, 1, 2, 5]: D+ = 0.5.
        let reference = HeldOutDistribution::new(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
        let mut window = vec![0; reference.counts().len()];
        for value in [1.0, 1.0, 2.0, 5.0] {
            window[reference.bin(value)] += 1;
        }
        let test = kolmogorov_smirnov(&reference, &window);
        assert!((test.statistic - 0.5).abs() < 1e-12, "{test:?}");
        // exp(-2 * 8 * 4 / 12 * 0.25)
        assert!((test.p_value - (-4.0f64 / 3.0).exp()).abs() < 1e-12);
    }

    #[test]
    fn impossible_monitors_are_refused() {
        let reference = reference(&draw(10, 0.1, 0.0, "training"));
        for (window, level) in [(0, 0.01), (10, 0.0), (10, 1.0), (10, f64::NAN)] {
            assert_eq!(DriftMonitor::new(&reference, window, level).unwrap_err().kind(), ErrorKind::Usage);
        }
    }
}

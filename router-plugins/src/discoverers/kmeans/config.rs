//! Parameters of the k-means discoverer, and the choice of k.

use rand::seq::index::sample;
use router_core::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cluster::{Clusters, Lloyd};
use crate::neighbors::normalized;

/// Numbers of clusters that are tried.
const CANDIDATES: [usize; 12] = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64];
/// Prompts at most that the choice of k looks at.
const SAMPLE: usize = 5_000;
/// Restarts for every k that is tried.
const TRIAL_RESTARTS: usize = 4;
/// Clusters hold this many prompts at least, on average, where k is chosen.
const PROMPTS_A_CLUSTER: usize = 10;
/// Times that the prompts are halved to choose k.
const SPLITS: usize = 3;
/// Outcomes of the mean over all clusters that a cluster's mean counts, as in the task profiles.
const SHRINKAGE: f64 = 10.0;

/// Parameters of the `kmeans` discoverer; see the [module](super).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KmeansConfig {
    /// Number of tasks; as many as there are different prompts where there are fewer. Chosen by
    /// held-out outcomes if left out, which is the default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65_536))]
    pub k: Option<usize>,
    /// How often clustering starts anew; the best result counts. Default 4.
    #[schemars(range(min = 1, max = 1000))]
    pub restarts: usize,
    /// The most iterations of a restart. Default 100.
    #[schemars(range(min = 1, max = 100_000))]
    pub iterations: usize,
}

impl Default for KmeansConfig {
    fn default() -> Self {
        Self { k: None, restarts: 4, iterations: 100 }
    }
}

impl PluginConfig for KmeansConfig {
    const NAME: &'static str = "kmeans";
    const SUMMARY: &'static str = "Spherical k-means of the embeddings, k chosen on held-out outcomes";
    const SOURCE: &'static str = "Dhillon and Modha, Machine Learning 42 (2001)";
    const EXAMPLE: &'static str = "k = 12\nrestarts = 8\n";
}

impl KmeansConfig {
    fn check(&self) -> Result<()> {
        for (field, value) in [("k", self.k.unwrap_or(1)), ("restarts", self.restarts), ("iterations", self.iterations)]
        {
            if value == 0 {
                return Err(Error::new(ErrorKind::Config, "0 is out of range")
                    .at_field(field)
                    .help("allowed: at least 1"));
            }
        }
        Ok(())
    }

    fn best(&self, points: &Matrix, k: usize, restarts: usize, purpose: &str, cx: &FitContext) -> Result<Clusters> {
        let mut stream = cx.stream(purpose);
        let lloyd = Lloyd { points: points.view(), k, iterations: self.iterations };
        let mut best = lloyd.run(&mut stream, cx)?;
        for _ in 1..restarts {
            let next = lloyd.run(&mut stream, cx)?;
            if next.objective() > best.objective() {
                best = next;
            }
        }
        Ok(best)
    }

    /// The k of the smallest held-out error; `points` are the rows `rows` of `set`.
    fn choose_k(&self, set: &TrainingSet, rows: &[usize], points: &Matrix, cx: &FitContext) -> Result<usize> {
        let judged = points.rows().min(SAMPLE);
        let most = judged / PROMPTS_A_CLUSTER;
        let candidates: Vec<usize> = CANDIDATES.into_iter().filter(|&k| k == 1 || k <= most).collect();
        let bar = cx.begin("choosing k", Some((candidates.len() * SPLITS) as u64));
        let mut errors = vec![0.0; candidates.len()];
        for split in 0..SPLITS {
            let drawn = sample(&mut cx.stream(&format!("split {split}")), points.rows(), judged).into_vec();
            let (learn, judge) = drawn.split_at(judged.div_ceil(2));
            let half = |drawn: &[usize]| {
                let of_set: Vec<usize> = drawn.iter().filter_map(|&at| rows.get(at).copied()).collect();
                (points.gather(drawn), of_set)
            };
            let ((learn, learn_rows), (judge, judge_rows)) = (half(learn), half(judge));
            for (error, &k) in errors.iter_mut().zip(&candidates) {
                let clusters = self.best(&learn, k, TRIAL_RESTARTS, &format!("split {split} {k}"), cx)?;
                let centers = Lloyd { points: learn.view(), k, iterations: 1 }.centers(clusters.labels(), k);
                let assigned = Lloyd { points: judge.view(), k, iterations: 1 }.assign(&centers);
                let means = TaskMeans::of(set.outcomes(), &learn_rows, clusters.labels(), k);
                *error += means.squared_error(set.outcomes(), &judge_rows, assigned.labels());
                bar.advance(1);
            }
        }
        let mut best = (1, f64::INFINITY);
        for (&k, &error) in candidates.iter().zip(&errors) {
            if error < best.1 {
                best = (k, error);
            }
        }
        Ok(best.0)
    }
}

/// Every model's mean quality on every cluster, pulled to its mean over all.
struct TaskMeans {
    means: Matrix,
    /// Whether a model was seen at all.
    seen: Vec<bool>,
}

impl TaskMeans {
    fn of(outcomes: &Outcomes, rows: &[usize], labels: &[u32], k: usize) -> Self {
        let m = outcomes.models();
        let mut sums = vec![(0.0f64, 0.0f64); (k + 1) * m];
        for (&row, &label) in rows.iter().zip(labels) {
            for outcome in outcomes.row(row) {
                // The last block is of all clusters.
                for cluster in [label as usize, k] {
                    if let Some(sum) = sums.get_mut(cluster * m + outcome.model) {
                        sum.0 += f64::from(outcome.weight) * f64::from(outcome.quality);
                        sum.1 += f64::from(outcome.weight);
                    }
                }
            }
        }
        let all: Vec<(f64, f64)> = sums.split_off(k * m);
        let mut means = Matrix::zeros(k, m);
        for ((to, &(total, weight)), &(of_all, weight_of_all)) in
            means.as_mut_slice().iter_mut().zip(&sums).zip(all.iter().cycle())
        {
            let prior = if weight_of_all > 0.0 { of_all / weight_of_all } else { 0.0 };
            *to = ((total + SHRINKAGE * prior) / (weight + SHRINKAGE)) as f32;
        }
        Self { means, seen: all.iter().map(|&(_, weight)| weight > 0.0).collect() }
    }

    fn squared_error(&self, outcomes: &Outcomes, rows: &[usize], labels: &[u32]) -> f64 {
        let mut error = 0.0;
        for (&row, &label) in rows.iter().zip(labels) {
            for outcome in outcomes.row(row) {
                if self.seen.get(outcome.model).copied().unwrap_or(false) {
                    let off = f64::from(outcome.quality - self.means.get(label as usize, outcome.model));
                    error += f64::from(outcome.weight) * off * off;
                }
            }
        }
        error
    }
}

impl TaskDiscoverer for KmeansConfig {
    fn discover(&self, set: &TrainingSet, cx: &FitContext) -> Result<TaskMap> {
        self.check()?;
        cx.check_cancelled()?;
        let all = normalized(set.embeddings());
        let rows: Vec<usize> = (0..all.rows()).filter(|&row| all.row(row).iter().any(|&value| value != 0.0)).collect();
        if rows.is_empty() {
            return Ok(TaskMap::none(set.len()));
        }
        let points = all.gather(&rows);
        let k = match self.k {
            Some(k) => k,
            None => self.choose_k(set, &rows, &points, cx)?,
        };
        let clusters = self.best(&points, k, self.restarts, "clusters", cx)?;
        let mut labels = vec![None; set.len()];
        for (&row, &cluster) in rows.iter().zip(clusters.labels()) {
            if let Some(label) = labels.get_mut(row) {
                *label = Some(cluster);
            }
        }
        Ok(TaskMap::from_labels(&labels))
    }
}

router_core::register!(DiscovererRole, KmeansConfig);

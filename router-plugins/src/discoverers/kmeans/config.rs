//! Parameters of the k-means discoverer, and the choice of k.

use rand::seq::index::sample;
use router_core::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::clustering::Lloyd;
use crate::discoverers::held_out::{self, Split};
use crate::neighbors::normalized;
use crate::ranges::out_of_range;

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
    const COST: &'static str =
        "O(n k d) an iteration and restart, and again for every k that is tried on a part; memory O((n + k) d)";
    const EXAMPLE: &'static str = "k = 12\nrestarts = 8\n";
}

impl KmeansConfig {
    fn check(&self) -> Result<()> {
        for (field, value) in [("k", self.k.unwrap_or(1)), ("restarts", self.restarts), ("iterations", self.iterations)]
        {
            if value == 0 {
                return out_of_range(field, &0, "at least 1");
            }
        }
        Ok(())
    }

    /// The k of the smallest held-out error; `rows` are the prompts to
    /// cluster, `points` the embeddings of all prompts of `set`, of unit length.
    fn choose_k(&self, set: &TrainingSet, rows: &[usize], points: &Matrix, cx: &FitContext) -> Result<usize> {
        let judged = rows.len().min(SAMPLE);
        let most = judged / PROMPTS_A_CLUSTER;
        let candidates: Vec<usize> = CANDIDATES.into_iter().filter(|&k| k == 1 || k <= most).collect();
        let bar = cx.begin("choosing k", Some((candidates.len() * SPLITS) as u64));
        let mut errors = vec![0.0; candidates.len()];
        for split in 0..SPLITS {
            let purpose = format!("split {split}");
            let drawn = sample(&mut cx.stream(&purpose), rows.len(), judged);
            let mut learn: Vec<usize> = drawn.iter().filter_map(|at| rows.get(at).copied()).collect();
            let judge = learn.split_off(judged.div_ceil(2));
            let halves = Split { learn, judge };
            let learn = points.gather(&halves.learn);
            for (error, &k) in errors.iter_mut().zip(&candidates) {
                let lloyd = Lloyd { points: learn.view(), k, iterations: self.iterations };
                let clusters = lloyd.best(TRIAL_RESTARTS, &mut cx.stream(&format!("{purpose} {k}")), cx)?;
                let labels: Vec<Option<u32>> = clusters.labels().iter().copied().map(Some).collect();
                *error += held_out::judge(set, points, &halves, &labels).squared_error;
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
            None => self.choose_k(set, &rows, &all, cx)?,
        };
        let lloyd = Lloyd { points: points.view(), k, iterations: self.iterations };
        let clusters = lloyd.best(self.restarts, &mut cx.stream("clusters"), cx)?;
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

//! Parameters of the k-means discoverer, and the choice of k.

use rand::seq::index::sample;
use router_core::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cluster::{Clusters, Lloyd};
use crate::graph::adjusted_rand_index;
use crate::neighbors::normalized;

/// Numbers of clusters that are tried.
const CANDIDATES: [usize; 11] = [2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64];
/// Prompts at most that the choice of k looks at.
const SAMPLE: usize = 5_000;
/// Restarts for every k that is tried.
const TRIAL_RESTARTS: usize = 2;
/// Clusters hold this many prompts at least, on average, where k is chosen.
const PROMPTS_A_CLUSTER: usize = 10;
/// Times that the prompts are halved to choose k.
const SPLITS: usize = 3;
/// How much less than the best agreement still speaks for a larger k.
const SLACK: f64 = 0.05;

/// Parameters of the `kmeans` discoverer; see the [module](super).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KmeansConfig {
    /// Number of tasks; as many as there are different prompts where there are fewer. Chosen by
    /// how well it repeats on halves of the prompts if left out, which is the default.
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
    const SUMMARY: &'static str = "Spherical k-means of the embeddings, k chosen by stability if left out";
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

    fn choose_k(&self, points: &Matrix, cx: &FitContext) -> Result<usize> {
        let judged = points.rows().min(SAMPLE);
        let most = judged / PROMPTS_A_CLUSTER;
        let candidates: Vec<usize> = CANDIDATES.into_iter().filter(|&k| k <= most).collect();
        let bar = cx.begin("choosing k", Some((candidates.len() * SPLITS) as u64));
        let mut agreements = vec![0.0; candidates.len()];
        for split in 0..SPLITS {
            let rows = sample(&mut cx.stream(&format!("split {split}")), points.rows(), judged).into_vec();
            let (a, b) = rows.split_at(judged / 2);
            let (a, b) = (points.gather(a), points.gather(b));
            for (agreement, &k) in agreements.iter_mut().zip(&candidates) {
                let of = |half: &Matrix, name| self.best(half, k, TRIAL_RESTARTS, &format!("{name} {split} {k}"), cx);
                let (clusters, own) = (of(&a, "a")?, of(&b, "b")?);
                let [a, b] = [&a, &b].map(|half| Lloyd { points: half.view(), k, iterations: self.iterations });
                let foreign = b.assign(&a.centers(clusters.labels(), k));
                *agreement += adjusted_rand_index(own.labels(), foreign.labels())? / SPLITS as f64;
                bar.advance(1);
            }
        }
        let best = agreements.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let largest = candidates.iter().zip(&agreements).rfind(|&(_, &agreement)| agreement >= best - SLACK);
        Ok(largest.map_or(1, |(&k, _)| k))
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
            None => self.choose_k(&points, cx)?,
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

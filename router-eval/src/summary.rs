//! What an evaluation found: the document that `router eval --json` prints.

use std::collections::BTreeMap;

use router_core::cost::CostKind;
use serde::{Deserialize, Serialize};

use crate::latency::Latency;
use crate::metrics::agreement::Agreement;
use crate::metrics::noise_ceiling::NoiseCeiling;
use crate::metrics::{Metrics, SingleModels};
use crate::robustness::Robustness;
use crate::significance::Claim;

/// The result of an evaluation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The names of the data sets evaluated on.
    pub data: Vec<String>,
    /// Folds of the cross-validation, or the most benchmarks of a data set where they are left out; `None` for train -> test.
    pub folds: Option<usize>,
    /// Whether a whole benchmark was held out at a time.
    #[serde(default)]
    pub leave_benchmark_out: bool,
    /// The root seeds that routers were fitted under.
    pub seeds: Vec<u64>,
    /// Prompts evaluated on.
    pub prompts: usize,
    /// Models chosen from, by distinct name over all data sets.
    pub models: usize,
    /// Decisions of the first router, over all seeds, that have no score: the outcome of the chosen pair is missing, or no
    /// model was eligible.
    pub unscored: usize,
    /// The routers, the configuration's own first.
    pub routers: Vec<Entry>,
    /// The references.
    pub references: Vec<Entry>,
    /// Output tokens assumed for a call whose cost is estimated and whose tokens were not measured.
    pub nominal_output_tokens: u32,
    /// Models without a known cost on the training data: left out of `cheapest` and the mix.
    pub unpriced_models: Vec<String>,
    /// What a reader must know to read the numbers right, a sentence each.
    pub notes: Vec<String>,
    /// Test prompts that stand in the training data too; `None` for cross-validation, whose folds keep them together.
    pub leakage: Option<Leakage>,
    /// What it was trained on; `None` for cross-validation.
    pub train: Option<DataSummary>,
    /// What it was evaluated on, in the order of `data`.
    pub test: Vec<DataSummary>,
    /// Quality on every benchmark.
    pub benchmarks: Vec<BenchmarkSummary>,
    /// How the intervals were made.
    pub bootstrap: BootstrapSummary,
    /// What single models give; `None` where no cost is known.
    #[serde(default)]
    pub single_models: Option<SingleModels>,
    /// How often routers decide alike.
    #[serde(default)]
    pub agreement: Vec<Agreement>,
    /// How much of the oracle's lead chance would explain, a data set each, in the order of `data`.
    #[serde(default)]
    pub noise_ceilings: Vec<Option<NoiseCeiling>>,
    /// What changed prompts do to routers; empty unless it was asked for.
    #[serde(default)]
    pub robustness: Vec<Robustness>,
}

/// One router's or reference's result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The name.
    pub name: String,
    /// The router whose cost this reference matches, for the cost-matched mix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matched_to: Option<String>,
    /// Mean quality of the chosen models in [0, 1]; over several data sets the mean of their means.
    pub quality: Option<f64>,
    /// Its interval.
    pub quality_ci: Option<[f64; 2]>,
    /// Mean US dollars a call; `None` where the cost of any chosen pair is unknown.
    pub cost_usd: Option<f64>,
    /// How the cost is known.
    pub cost_kind: CostKind,
    /// (quality - best single) / (oracle - best single) over the prompts scored for it and for best single; `None` where the
    /// denominator is under 0.005.
    pub gap_closed: Option<f64>,
    /// Its interval.
    pub gap_closed_ci: Option<[f64; 2]>,
    /// Paired difference from the best single model.
    pub vs_best_single: Option<Difference>,
    /// Paired difference from the tuned nearest neighbors.
    pub vs_knn: Option<Difference>,
    /// The share of decisions that each model got; models that got none are left out. Sums to 1, or is empty.
    pub distribution: BTreeMap<String, f64>,
    /// Time of a decision in a batch, the embedding of the prompt included; `None` for references that read no prompt.
    pub microseconds_per_prompt: Option<f64>,
    /// Decisions over all seeds without a score.
    pub unscored: usize,
    /// The quality under each seed alone, in the order of the summary's seeds.
    pub quality_by_seed: Vec<Option<f64>>,
    /// The standard deviation of the quality over seeds; `None` for fewer than two.
    pub quality_seed_sd: Option<f64>,
    /// The quality on each data set, in the order of the summary's.
    pub quality_by_data: Vec<Option<f64>>,
    /// How far the difference from the best single model goes; `None` for references.
    #[serde(default)]
    pub claim_vs_best_single: Option<Claim>,
    /// The same for the tuned nearest neighbors.
    #[serde(default)]
    pub claim_vs_knn: Option<Claim>,
    /// Times of single decisions; `None` for references.
    #[serde(default)]
    pub latency: Option<Latency>,
    /// The further metrics.
    #[serde(default)]
    pub metrics: Metrics,
}

impl Entry {
    /// The name that tables, plots and `decisions.csv` give it: unique in an evaluation. A mix that is matched to another
    /// than the first router says so.
    pub fn label(&self, first_router: &str) -> String {
        match &self.matched_to {
            Some(router) if router != first_router => format!("{}: {router}", self.name),
            _ => self.name.clone(),
        }
    }
}

/// A paired difference in quality over the prompts scored in both.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// Mean difference.
    pub delta: f64,
    /// Its interval.
    pub ci: [f64; 2],
}

impl Difference {
    /// Whether the interval excludes zero.
    pub fn is_significant(&self) -> bool {
        self.ci[0] > 0.0 || self.ci[1] < 0.0
    }
}

/// A data set that took part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DataSummary {
    /// Its name.
    pub name: String,
    /// Its prompts.
    pub prompts: usize,
    /// Its models.
    pub models: usize,
    /// Groups of near duplicates, a prompt without any being a group of its own.
    pub groups: usize,
    /// SHA-256 of prompts, models and outcomes.
    pub fingerprint: String,
}

/// Mean quality on one benchmark.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BenchmarkSummary {
    /// The data set.
    pub data: String,
    /// The benchmark; `None` for prompts of no named one.
    pub benchmark: Option<String>,
    /// Its prompts.
    pub prompts: usize,
    /// Quality by [`Entry::label`]; entries that were scored on none of its prompts are left out.
    pub quality: BTreeMap<String, f64>,
}

/// Test prompts that were trained on.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Leakage {
    /// Test prompts whose text, apart from case, punctuation and spacing, stands in the training data.
    pub exact: usize,
    /// Test prompts with a near duplicate in the training data, the exact ones included; `None` if nobody looked.
    pub near: Option<usize>,
    /// Quality by [`Entry::label`] over the other test prompts; empty if there is no duplicate.
    pub quality_without: BTreeMap<String, f64>,
    /// Paired difference of every router from the best single model over the other test prompts, by label; empty if there is no
    /// duplicate.
    #[serde(default)]
    pub vs_best_single_without: BTreeMap<String, Difference>,
}

/// How intervals were made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BootstrapSummary {
    /// Resamples.
    pub resamples: usize,
    /// Coverage.
    pub confidence: f64,
    /// The seed.
    pub seed: u64,
}

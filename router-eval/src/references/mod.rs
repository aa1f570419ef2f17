//! What every router is held against.
//!
//! | reference | what it does | what it needs |
//! |---|---|---|
//! | `random` | any model, all alike; its expected quality in closed form | nothing |
//! | `cheapest` | the model with the lowest mean call cost on train | a price |
//! | `best-single` | the model with the best mean quality on train | outcomes |
//! | `cost-matched-mix` | a static mixture on train's cost-quality hull that costs what a router costs ([`hull`]) | prices |
//! | `knn` | nearest neighbors on the router's own embedding, tuned by cross-validation inside | the plugin `neighbors` |
//! | `benchmark-label` | the best model on train for the prompt's true benchmark, which no router sees | benchmarks |
//! | `oracle` | the best observed outcome of every prompt; ties go to the cheaper model | the answers |

mod fixed;
pub(crate) mod hull;
mod persist;

pub(crate) use fixed::Cell;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use router_core::artifact::ArtifactReader;
use router_core::cost::call_cost;
use router_core::traits::StoredEstimator;
use router_core::{
    Error, ErrorKind, Estimates, EstimatorRole, FitContext, MatrixView, ModelIndex, ModelPool, PromptsView, QueryBatch,
    Registry, Result, TaskDistribution, Tasks, TrainingSet,
};

use crate::forecast::{Forecast, PricedModels};
use crate::leakage;
use crate::summary::DataSummary;

/// The registered estimator that the `knn` reference is made of.
const NEIGHBORS: &str = "neighbors";

/// Prompts that the nearest neighbors estimate together.
const BATCH: usize = 256;

/// What the references learned from the training prompts. Fitted on the same rows and embeddings as the routers beside them.
pub struct References {
    models: ModelPool,
    nominal_output_tokens: u32,
    /// Weighted mean quality on train, a model; `None` where never seen.
    mean_quality: Vec<Option<f64>>,
    /// Weighted mean US dollars a call on train, a model; `None` where unknown.
    mean_cost: Vec<Option<f64>>,
    /// Weighted mean quality on train by benchmark, a model.
    benchmarks: BTreeMap<String, Vec<Option<f64>>>,
    best_single: ModelIndex,
    /// Hashes of the normalized training texts.
    texts: BTreeSet<u64>,
    train: DataSummary,
    knn: Box<dyn StoredEstimator>,
}

impl References {
    /// The slot of an artifact that holds the references.
    pub const SLOT: &'static str = "references";

    /// Fits the references to `set`. `nominal_output_tokens` is the configuration's own, for costs that were not measured.
    ///
    /// Cost: O(outcomes), and one fit of the estimator `neighbors` with its defaults, but that its search is exact at any number of prompts.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownPlugin`] if `registry` has no estimator `neighbors`; what its fit reports.
    pub fn fit(set: &TrainingSet, registry: &Registry, nominal_output_tokens: u32, cx: &FitContext) -> Result<Self> {
        // Evaluations ask many prompts at once, which the exact search answers long before a graph of many points would be
        // built. Another crate's plugin of that name need not know of searches.
        let (neighbors, _) = registry
            .build::<EstimatorRole>(NEIGHBORS, serde_json::json!({ "search": "exact" }))
            .or_else(|_| registry.build::<EstimatorRole>(NEIGHBORS, serde_json::json!({})))
            .map_err(|error| error.context("the reference `knn`"))?;
        let knn = neighbors.fit(set, &Tasks::none(set), &cx.child("references/knn"))?;

        let m = set.models().len();
        let mut costs = Means::new(m);
        let mut benchmarks: BTreeMap<&str, Means> = BTreeMap::new();
        for (row, outcome) in set.outcomes().iter() {
            let prompt = set.prompt(row);
            let weight = f64::from(outcome.weight);
            if let Some(benchmark) = &prompt.benchmark {
                let means = benchmarks.entry(benchmark).or_insert_with(|| Means::new(m));
                means.add(outcome.model, f64::from(outcome.quality), weight);
            }
            if let Some(model) = set.models().get(outcome.model)
                && let Some((cost, _)) = call_cost(outcome, prompt, model, nominal_output_tokens)
            {
                costs.add(outcome.model, cost, weight);
            }
        }
        let groups: BTreeSet<u32> = (0..set.len()).map(|row| set.group(row)).collect();
        let whole = set.len() == set.dataset().prompts().len();
        Ok(Self {
            models: set.models().clone(),
            nominal_output_tokens,
            mean_quality: set.outcomes().mean_quality().into_iter().map(|mean| mean.map(|(mean, _)| mean)).collect(),
            mean_cost: costs.finish(),
            benchmarks: benchmarks.into_iter().map(|(name, means)| (name.to_owned(), means.finish())).collect(),
            best_single: set.outcomes().best_single(),
            texts: set.prompts().map(leakage::fingerprint).collect(),
            train: DataSummary {
                name: set.dataset().name().to_owned(),
                prompts: set.len(),
                models: m,
                groups: groups.len(),
                fingerprint: if whole {
                    set.dataset().fingerprint()
                } else {
                    set.dataset().subset(set.rows()).fingerprint()
                },
            },
            knn,
        })
    }

    /// Loads the references that `router train` stored in the artifact in `directory`, in slot [`SLOT`](Self::SLOT).
    ///
    /// # Errors
    /// [`ErrorKind::Incompatible`] if the artifact was stored without references; otherwise as
    /// [`Router::load`](router_core::Router::load).
    pub fn load_from(directory: impl AsRef<Path>, registry: &Registry) -> Result<Self> {
        let directory = directory.as_ref();
        let reader = ArtifactReader::open(directory, registry)?;
        let file = format!("{}.safetensors", Self::SLOT);
        if !reader.manifest().files.contains_key(&file) {
            return Err(Error::new(ErrorKind::Incompatible, "the artifact holds no references to compare with")
                .in_file(directory)
                .help("train again with `router train`, or evaluate with `--config` and `--train`"));
        }
        let references = reader.read_slot(Self::SLOT, |_, slot| slot.load::<Self>())?;
        if references.models.models() != reader.manifest().models {
            return Err(Error::new(ErrorKind::Artifact, "the references do not belong to this pool of models")
                .in_file(directory)
                .help("the artifact is damaged or of another origin; train again"));
        }
        Ok(references)
    }

    /// The models that the references know, in the order of every estimate's columns.
    pub fn models(&self) -> &ModelPool {
        &self.models
    }

    /// The model of the best mean quality on train, ties to the lowest index.
    pub fn best_single(&self) -> ModelIndex {
        self.best_single
    }

    /// The model of the lowest mean call cost on train, ties to the better, then to the lowest index; `None` if no cost is
    /// known.
    pub fn cheapest(&self) -> Option<ModelIndex> {
        let quality = |model: ModelIndex| self.mean_quality.get(model).copied().flatten().unwrap_or(0.0);
        self.mean_cost
            .iter()
            .enumerate()
            .filter_map(|(model, cost)| Some((model, (*cost)?)))
            .min_by(|a, b| a.1.total_cmp(&b.1).then(quality(b.0).total_cmp(&quality(a.0))).then(a.0.cmp(&b.0)))
            .map(|(model, _)| model)
    }

    /// The best model on train for `benchmark`, ties to the lowest index; the best single model for a benchmark that train
    /// does not know, or none.
    pub fn best_for(&self, benchmark: Option<&str>) -> ModelIndex {
        let known = benchmark.and_then(|benchmark| self.benchmarks.get(benchmark));
        known.and_then(|means| best(means)).unwrap_or(self.best_single)
    }

    /// The names of the models without a known cost on train.
    pub fn unpriced(&self) -> Vec<String> {
        self.models
            .models()
            .iter()
            .zip(&self.mean_cost)
            .filter(|(_, cost)| cost.is_none())
            .map(|(model, _)| model.name.clone())
            .collect()
    }

    /// Output tokens of a call whose cost is estimated.
    pub fn nominal_output_tokens(&self) -> u32 {
        self.nominal_output_tokens
    }

    pub(crate) fn train(&self) -> &DataSummary {
        &self.train
    }

    pub(crate) fn training_texts(&self) -> &BTreeSet<u64> {
        &self.texts
    }

    /// The cheapest model and the best single one, among those of known cost on train.
    pub(crate) fn priced(&self) -> Option<PricedModels> {
        let known: Vec<Option<f64>> =
            self.mean_quality.iter().zip(&self.mean_cost).map(|(quality, cost)| cost.and(*quality)).collect();
        Some(PricedModels { cheapest: self.cheapest()?, best: best(&known)? })
    }

    /// What the tuned nearest neighbors choose for `prompts` with their embeddings, n x d, and what they expect: the highest
    /// expected quality, ties to the model that is cheaper on train, then to the lowest index. Their expected cost of a model is
    /// its mean on train.
    ///
    /// # Errors
    /// What the estimator reports; [`ErrorKind::NonFinite`].
    pub(crate) fn knn(
        &self,
        prompts: PromptsView<'_>,
        embeddings: MatrixView<'_>,
    ) -> Result<(Vec<ModelIndex>, Forecast)> {
        use rayon::prelude::*;

        let starts: Vec<usize> = (0..prompts.len()).step_by(BATCH).collect();
        let batches: Vec<Estimates> = starts
            .into_par_iter()
            .map(|start| {
                let end = prompts.len().min(start + BATCH);
                let mut tasks = TaskDistribution::new();
                tasks.reset(end - start, 0);
                let batch = QueryBatch {
                    prompts: prompts.slice(start, end),
                    embeddings: embeddings.slice_rows(start, end),
                    tasks: &tasks,
                };
                let mut estimates = Estimates::new();
                self.knn.estimate(&batch, &mut estimates)?;
                estimates.view().check_finite("the reference `knn`")?;
                Ok(estimates)
            })
            .collect::<Result<_>>()?;
        let costs: Vec<f32> =
            self.mean_cost.iter().map(|cost| cost.map_or(f32::INFINITY, |cost| cost as f32)).collect();
        let mut forecast = Forecast::blank(prompts.len(), self.models.len());
        let mut chosen = Vec::with_capacity(prompts.len());
        for estimates in &batches {
            for at in 0..estimates.quality().rows() {
                let quality = estimates.quality();
                forecast.quality.row_mut(chosen.len()).copy_from_slice(quality.row(at));
                forecast.cost_usd.row_mut(chosen.len()).copy_from_slice(&costs);
                chosen.push(self.best_or_cheaper(quality.row(at)));
            }
        }
        Ok((chosen, forecast))
    }

    fn best_or_cheaper(&self, quality: &[f32]) -> ModelIndex {
        let cost = |model: ModelIndex| self.mean_cost.get(model).copied().flatten().unwrap_or(f64::INFINITY);
        (0..quality.len())
            .zip(quality)
            .max_by(|a, b| a.1.total_cmp(b.1).then(cost(b.0).total_cmp(&cost(a.0))).then(b.0.cmp(&a.0)))
            .map_or(self.best_single, |(model, _)| model)
    }
}

impl std::fmt::Debug for References {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("References")
            .field("train", &self.train)
            .field("best_single", &self.models.name(self.best_single))
            .field("cheapest", &self.cheapest().map(|model| self.models.name(model)))
            .finish_non_exhaustive()
    }
}

/// The index of the highest mean, ties to the lowest index.
fn best(means: &[Option<f64>]) -> Option<ModelIndex> {
    means
        .iter()
        .enumerate()
        .filter_map(|(model, mean)| Some((model, (*mean)?)))
        .max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)))
        .map(|(model, _)| model)
}

/// Weighted means, one a model.
struct Means(Vec<(f64, f64)>);

impl Means {
    fn new(models: usize) -> Self {
        Self(vec![(0.0, 0.0); models])
    }

    fn add(&mut self, model: ModelIndex, value: f64, weight: f64) {
        if let Some(sum) = self.0.get_mut(model) {
            sum.0 += value * weight;
            sum.1 += weight;
        }
    }

    fn finish(self) -> Vec<Option<f64>> {
        self.0.into_iter().map(|(sum, weight)| (weight > 0.0).then(|| sum / weight)).collect()
    }
}

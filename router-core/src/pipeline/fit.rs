//! Fitting a router.

use std::collections::HashMap;
use std::sync::Arc;

use crate::config::RouterConfig;
use crate::context::FitContext;
use crate::cost::{CostModel, FittedLength, OutputLength};
use crate::embedding_cache::{Counting, check_embeddings};
use crate::error::{Error, ErrorKind, Result};
use crate::pipeline::builder::RouterBuilder;
use crate::pipeline::crossfit::{self, HeldOut};
use crate::pipeline::drift;
use crate::pipeline::newcomer::Placements;
use crate::pipeline::router::Router;
use crate::registry::Registry;
use crate::tasks::{self, TaskCards, Tasks};
use crate::traits::{
    AggregatorEvidence, DynAggregator, DynEmbedder, DynPolicy, DynQualityEstimator, DynTaskClassifier, PartInfo,
    PolicyEvidence, StoredClassifier, StoredEmbedder, StoredEstimator, TaskDiscoverer,
};
use crate::types::dataset::{Dataset, TrainingSet};
use crate::types::matrix::{Embeddings, Matrix};
use crate::types::prompt::{Prompt, PromptContent};

/// Prompts embedded between two looks at the cancel token, and the most that is lost of the embeddings when the process is killed.
const EMBED_BATCH: usize = 128;

/// Folds over which the classifier is cross-fitted at most: it happens in every fold of the estimators' cross-fitting again, and
/// assignments need less precision than estimates.
const ASSIGNMENT_FOLDS: usize = 3;

/// A composed router that has seen no data yet. It cannot route.
pub struct UnfittedRouter {
    pub(crate) config: RouterConfig,
    pub(crate) embedder: Box<dyn DynEmbedder>,
    pub(crate) discoverer: Option<Box<dyn TaskDiscoverer>>,
    pub(crate) classifier: Option<Box<dyn DynTaskClassifier>>,
    /// Slot path, registered name, component; the task scores first.
    pub(crate) estimators: Vec<(String, String, Box<dyn DynQualityEstimator>)>,
    pub(crate) aggregator: Box<dyn DynAggregator>,
    pub(crate) policy: Box<dyn DynPolicy>,
    pub(crate) output_tokens: Option<Box<dyn DynQualityEstimator>>,
}

/// Everything between embedding and aggregation, fitted on one set of rows.
pub(crate) struct Stages {
    pub(crate) tasks: Tasks,
    /// What the classifier makes of these rows while it has not seen them, where it was cross-fitted.
    pub(crate) held_out: Option<HeldOut>,
    pub(crate) classifier: Option<Box<dyn StoredClassifier>>,
    pub(crate) parts: Vec<(PartInfo, Box<dyn StoredEstimator>)>,
}

impl UnfittedRouter {
    /// The router that `config` describes, with components from `registry`.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownPlugin`] and [`ErrorKind::Config`] with the field's path in the configuration.
    pub fn from_config(config: &RouterConfig, registry: &Registry) -> Result<Self> {
        RouterBuilder::from_config(config, registry)?.build()
    }

    /// The configuration with every default filled in.
    pub fn config(&self) -> &RouterConfig {
        &self.config
    }

    /// Whether the embedder learns from the training texts.
    pub fn embedder_learns(&self) -> bool {
        self.embedder.learns()
    }

    /// A context under this configuration's seed.
    pub fn context(&self) -> FitContext {
        FitContext::new(self.config.seed)
    }

    /// Fits every component to `dataset`, driving the embedder on this thread. See [`fit`](Self::fit).
    pub fn fit_blocking(&self, dataset: &Arc<Dataset>, cx: &FitContext) -> Result<Router> {
        pollster::block_on(self.fit(dataset, cx))
    }

    /// Fits every component to `dataset`. Only embedding may await; the rest computes on the calling thread and rayon's pool.
    ///
    /// # Errors
    /// [`ErrorKind::Data`] for an empty data set or no outcome; whatever a component reports; [`ErrorKind::Cancelled`].
    pub async fn fit(&self, dataset: &Arc<Dataset>, cx: &FitContext) -> Result<Router> {
        let (embedder, embeddings) = self.embed(dataset, cx).await?;
        let set = TrainingSet::new(Arc::clone(dataset), Arc::new(embeddings.vectors))?;
        self.fit_embedded(&set, embedder, cx)
    }

    /// Fits the embedder to the texts of `dataset` and embeds them, n x d: each content once, and through the cache of `cx` if it
    /// has one.
    ///
    /// # Errors
    /// [`ErrorKind::Embedding`] if the embedder answers another shape than it promised; [`ErrorKind::NonFinite`].
    pub async fn embed(&self, dataset: &Dataset, cx: &FitContext) -> Result<(Arc<dyn StoredEmbedder>, Embeddings)> {
        let prompts: Vec<&Prompt> = dataset.prompts().iter().collect();
        let embedder = self.fit_embedder(&prompts, cx).await?;
        let embeddings = embed_in_batches(&*embedder, &prompts, cx).await?;
        Ok((embedder, embeddings))
    }

    async fn fit_embedder(&self, prompts: &[&Prompt], cx: &FitContext) -> Result<Arc<dyn StoredEmbedder>> {
        let texts: Vec<_> = prompts.iter().map(|prompt| prompt.text()).collect();
        let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
        Ok(Arc::from(self.embedder.fit(&texts, &cx.child("embedder")).await?))
    }

    /// Fits everything but the embedder to prompts that are embedded already.
    ///
    /// If the embedder learns and a component needs cross-fitted estimates, the embedder is fitted anew in every fold,
    /// blocking; embedders that learn do no I/O.
    ///
    /// # Errors
    /// As [`fit`](Self::fit); [`ErrorKind::Shape`] if `embedder` has another dimension than the embeddings.
    pub fn fit_embedded(
        &self,
        set: &TrainingSet,
        embedder: Arc<dyn StoredEmbedder>,
        cx: &FitContext,
    ) -> Result<Router> {
        if embedder.dimension() != set.embeddings().cols() {
            return Err(Error::shape("dimension of the embeddings", embedder.dimension(), set.embeddings().cols()));
        }
        let parts = self.part_infos();
        let learns_parts = self.aggregator.needs_cross_fit(&parts);
        let learns_policy = self.policy.needs_cross_fit();
        let stages = self.fit_stages(set, cx)?;
        cx.check_cancelled()?;

        let folds = if learns_parts || learns_policy {
            crossfit::cross_fit_folds(set, self.config.cross_fit.folds, &cx.child("cross_fit"))
        } else {
            None
        };
        let cross_fitted = match &folds {
            Some(folds) => Some(crossfit::cross_fit(self, set, folds, &cx.child("cross_fit"))?),
            None => None,
        };
        let aggregator_cx = cx.child("aggregator");
        let aggregator = self
            .aggregator
            .fit(&AggregatorEvidence { set, parts: &parts, cross_fitted: cross_fitted.as_deref() }, &aggregator_cx)?;

        let costs = CostModel::fit(set, self.config.cost.nominal_output_tokens);
        let held_out = match (&folds, &cross_fitted) {
            (Some(folds), Some(cross_fitted)) if learns_policy => {
                Some(crossfit::aggregate_held_out(&*self.aggregator, set, &parts, cross_fitted, folds, &aggregator_cx)?)
            }
            _ => None,
        };
        let length = match &self.output_tokens {
            Some(estimator) => OutputLength::fit(
                &**estimator,
                set,
                &stages.tasks,
                stages.classifier.as_deref(),
                &self.config,
                &cx.child("cost/output_tokens"),
            )?,
            None => None,
        };
        let calibration = length.as_ref().map(|fitted| fitted.length.calibration.clone());
        let costs = costs.with_output_length(calibration);
        let mut cost_usd = Matrix::zeros(set.len(), set.models().len());
        for (row, prompt) in set.prompts().enumerate() {
            let lengths = length.as_ref().map_or(&[][..], |length| length.held_out.row(row));
            costs.expected_row(prompt.approximate_tokens(), lengths, cost_usd.row_mut(row));
        }
        let policy = self.policy.fit(
            &PolicyEvidence {
                set,
                cross_fitted: held_out.as_ref().map(crate::types::estimates::Estimates::view),
                cost_usd: cost_usd.view(),
                known_cost: &costs.known().collect::<Vec<_>>(),
            },
            &cx.child("policy"),
        )?;

        let resamples = self.config.tasks.stability_resamples;
        let stability = match &self.discoverer {
            Some(discoverer) if resamples > 0 => {
                let map = stages.tasks.map();
                tasks::stability(&**discoverer, set, map, resamples, &cx.child("stability"))?
            }
            _ => Vec::new(),
        };
        let drift = drift::reference(self, set, &stages, &cx.child("drift"))?;
        let cards = TaskCards::new(set, &stages.tasks, &stability, &self.config.tasks);
        let data_fingerprint = if set.len() == set.dataset().prompts().len() {
            set.dataset().fingerprint()
        } else {
            set.dataset().subset(set.rows()).fingerprint()
        };
        Ok(Router {
            config: self.config.clone(),
            embedder,
            pool: set.models().clone(),
            classifier: stages.classifier,
            parts: stages.parts,
            aggregator,
            policy,
            costs,
            placements: Placements::default(),
            output_length: length.map(|FittedLength { length, .. }| length),
            cards,
            drift,
            data_fingerprint,
            prompts: set.len(),
            training_tasks: Some(stages.tasks.map().clone()),
        })
    }

    /// The parts that an aggregator will get, in order.
    pub(crate) fn part_infos(&self) -> Vec<PartInfo> {
        self.estimators
            .iter()
            .map(|(slot, name, estimator)| PartInfo {
                slot: slot.clone(),
                name: name.clone(),
                stage: estimator.stage(),
            })
            .collect()
    }

    /// Discovery, classifier and estimators on the rows of `set`.
    pub(crate) fn fit_stages(&self, set: &TrainingSet, cx: &FitContext) -> Result<Stages> {
        let tasks = match &self.discoverer {
            Some(discoverer) => {
                let map = discoverer.discover(set, &cx.child("discoverer"))?;
                Tasks::profile(set, map, &self.config.tasks)?
            }
            None => Tasks::none(set),
        };
        cx.check_cancelled()?;
        let classifier = match &self.classifier {
            Some(classifier) => {
                let fitted = classifier.fit(set, &tasks, &cx.child("classifier"))?;
                if fitted.tasks() != tasks.count() {
                    return Err(Error::new(
                        ErrorKind::Internal,
                        format!("the classifier knows {} tasks where {} were found", fitted.tasks(), tasks.count()),
                    ));
                }
                Some(fitted)
            }
            None => None,
        };
        cx.check_cancelled()?;
        let held_out = match &self.classifier {
            Some(classifier) if tasks.count() > 0 => {
                let cx = cx.child("classifier/held_out");
                crossfit::cross_fit_folds(set, self.config.cross_fit.folds.min(ASSIGNMENT_FOLDS), &cx)
                    .map(|folds| crossfit::assign(&**classifier, set, tasks.map(), &self.config.tasks, folds, &cx))
                    .transpose()?
            }
            _ => None,
        };
        let tasks = match &held_out {
            Some(held_out) => tasks.with_assigned(held_out.assigned.clone())?,
            None => tasks,
        };
        cx.check_cancelled()?;
        let mut parts = Vec::with_capacity(self.estimators.len());
        for (info, (slot, _, estimator)) in self.part_infos().into_iter().zip(&self.estimators) {
            let fitted = estimator.fit(set, &tasks, &cx.child(slot))?;
            if fitted.models() != set.models().len() {
                return Err(Error::new(
                    ErrorKind::Internal,
                    format!("{slot} knows {} models where the pool has {}", fitted.models(), set.models().len()),
                ));
            }
            parts.push((info, fitted));
            cx.check_cancelled()?;
        }
        Ok(Stages { tasks, held_out, classifier, parts })
    }

    /// The embeddings of every row of `set` by an embedder that is fitted on the rows `train` alone, if the embedder learns.
    pub(crate) fn embed_anew(&self, set: &TrainingSet, train: &[usize], cx: &FitContext) -> Result<Option<Matrix>> {
        if !self.embedder.learns() {
            return Ok(None);
        }
        let train: Vec<&Prompt> = train.iter().map(|&row| set.prompt(row)).collect();
        let all: Vec<&Prompt> = set.prompts().collect();
        pollster::block_on(async {
            let embedder = self.fit_embedder(&train, cx).await?;
            Ok(Some(embed_in_batches(&*embedder, &all, cx).await?.vectors))
        })
    }
}

/// Embeds `prompts` batch by batch, each content once, through the context's cache if it has one, and checks what comes back.
/// A batch is in the cache before the next one begins, so that work that is cut off resumes there.
///
/// # Errors
/// [`crate::ErrorKind::Cancelled`]; [`crate::ErrorKind::Shape`] or [`crate::ErrorKind::NonFinite`] for vectors that are none; whatever the
/// embedder reports.
pub async fn embed_in_batches(
    embedder: &dyn StoredEmbedder,
    prompts: &[&Prompt],
    cx: &FitContext,
) -> Result<Embeddings> {
    let dimension = embedder.dimension();
    let (distinct, place) = distinct_contents(prompts);
    let cache = cx.embedding_cache().map(Counting::new);
    let bar = cx.begin("embedding", Some(distinct.len() as u64));
    let mut data = Vec::with_capacity(distinct.len() * dimension);
    let mut truncated = Vec::new();
    for (at, batch) in distinct.chunks(EMBED_BATCH).enumerate() {
        cx.check_cancelled()?;
        let part = match &cache {
            Some(cache) => embedder.embed_through(cache, batch).await?,
            None => embedder.embed_prompts(batch).await?,
        };
        check_embeddings(&part, batch.len(), dimension)?;
        truncated.extend(part.truncated.iter().map(|row| row + at * EMBED_BATCH));
        data.extend_from_slice(part.vectors.as_slice());
        bar.advance(batch.len() as u64);
        if let Some(found) = cache.as_ref().map(Counting::found).filter(|&found| found > 0) {
            bar.message(&format!("{found} from the cache"));
        }
    }
    let embeddings = Embeddings { vectors: Matrix::from_vec(distinct.len(), dimension, data)?, truncated };
    Ok(if distinct.len() == prompts.len() { embeddings } else { embeddings.gather(&place) })
}

/// The first prompt of every content, in their order, and for every prompt the position of its content among them.
fn distinct_contents<'a>(prompts: &[&'a Prompt]) -> (Vec<&'a Prompt>, Vec<usize>) {
    let mut positions: HashMap<&PromptContent, usize> = HashMap::with_capacity(prompts.len());
    let mut distinct = Vec::with_capacity(prompts.len());
    let place = prompts
        .iter()
        .map(|&prompt| {
            *positions.entry(&prompt.content).or_insert_with(|| {
                distinct.push(prompt);
                distinct.len() - 1
            })
        })
        .collect();
    (distinct, place)
}

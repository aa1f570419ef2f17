//! Aggregators: the estimates of several estimators to one.

use serde::{Deserialize, Serialize};

use crate::artifact::{ErasedPersist, Persist};
use crate::context::FitContext;
use crate::error::Result;
use crate::traits::estimator::Stage;
use crate::types::dataset::TrainingSet;
use crate::types::estimates::{Estimates, EstimatesView};
use crate::types::model::ModelPool;

/// What one part of an aggregate is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartInfo {
    /// The slot of the estimator: `task_scores` or `estimators/0`.
    pub slot: String,
    /// The registered name of the estimator.
    pub name: String,
    /// The stage it speaks for.
    pub stage: Stage,
}

/// What an aggregator may learn from.
#[derive(Debug, Clone, Copy)]
pub struct AggregatorEvidence<'a> {
    /// The training prompts and their outcomes, n rows.
    pub set: &'a TrainingSet,
    /// The parts, in the order in which their estimates will come.
    pub parts: &'a [PartInfo],
    /// The cross-fitted estimates of every part, n rows: each row was estimated by estimators that had not seen it.
    /// Present if [`Aggregator::needs_cross_fit`] said so and the set was large enough to be split.
    pub cross_fitted: Option<&'a [Estimates]>,
}

/// Learns how to make one estimate of several.
pub trait Aggregator: Send + Sync {
    /// What fitting returns.
    type Fitted: FittedAggregator + Persist;

    /// Whether fitting needs cross-fitted estimates of `parts`. They cost a full fit a fold.
    fn needs_cross_fit(&self, parts: &[PartInfo]) -> bool;

    /// Fits to the evidence.
    fn fit(&self, evidence: &AggregatorEvidence<'_>, cx: &FitContext) -> Result<Self::Fitted>;
}

/// An aggregator that is ready.
pub trait FittedAggregator: Send + Sync {
    /// Makes one estimate of `parts`, which come in the order seen in fitting and agree in shape; resets `out` to it.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Shape`] for another number of parts.
    fn aggregate(&self, parts: &[EstimatesView<'_>], out: &mut Estimates) -> Result<()>;

    /// The weight that each part has, summing to 1, if this aggregator has fixed weights.
    fn weights(&self) -> Option<&[f32]> {
        None
    }

    /// What fitting found and a person should know, a sentence each; `pool` is the one that was fitted on.
    fn findings(&self, pool: &ModelPool) -> Vec<String> {
        let _ = pool;
        Vec::new()
    }
}

/// A fitted aggregator that can be stored: the object-safe form. Implemented for all that are both.
pub trait StoredAggregator: FittedAggregator + ErasedPersist {}

impl<T: FittedAggregator + Persist> StoredAggregator for T {}

/// The object-safe form of [`Aggregator`]. Implemented for every one.
pub trait DynAggregator: Send + Sync {
    /// See [`Aggregator::needs_cross_fit`].
    fn needs_cross_fit(&self, parts: &[PartInfo]) -> bool;

    /// See [`Aggregator::fit`].
    fn fit(&self, evidence: &AggregatorEvidence<'_>, cx: &FitContext) -> Result<Box<dyn StoredAggregator>>;
}

impl<T: Aggregator> DynAggregator for T {
    fn needs_cross_fit(&self, parts: &[PartInfo]) -> bool {
        Aggregator::needs_cross_fit(self, parts)
    }

    fn fit(&self, evidence: &AggregatorEvidence<'_>, cx: &FitContext) -> Result<Box<dyn StoredAggregator>> {
        Ok(Box::new(Aggregator::fit(self, evidence, cx)?))
    }
}

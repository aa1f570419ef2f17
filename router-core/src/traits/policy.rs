//! Policies: estimates to decisions.

use crate::artifact::{ErasedPersist, Persist};
use crate::context::FitContext;
use crate::error::{Error, ErrorKind, Result};
use crate::pipeline::Newcomer;
use crate::types::constraints::Choice;
use crate::types::dataset::TrainingSet;
use crate::types::decision::Decision;
use crate::types::estimates::EstimatesView;
use crate::types::model::ModelPool;

/// What a policy may learn from.
#[derive(Debug, Clone, Copy)]
pub struct PolicyEvidence<'a> {
    /// The training prompts and their outcomes, n rows.
    pub set: &'a TrainingSet,
    /// The cross-fitted aggregate estimates, n rows: neither the estimators nor the aggregator had seen the row they
    /// estimated. Present if [`Policy::needs_cross_fit`] said so and the set was large enough to be split.
    pub cross_fitted: Option<EstimatesView<'a>>,
    /// The expected cost in US dollars of every pair, n x m, as [`Choice::cost_usd`].
    pub cost_usd: crate::types::matrix::MatrixView<'a>,
    /// Which models have a known price.
    pub known_cost: &'a [bool],
}

/// Learns how to choose.
pub trait Policy: Send + Sync {
    /// What fitting returns.
    type Fitted: FittedPolicy + Persist;

    /// Whether fitting needs cross-fitted estimates. They cost a full fit a fold.
    fn needs_cross_fit(&self) -> bool {
        false
    }

    /// Fits to the evidence; a policy without thresholds of its own ignores it.
    fn fit(&self, evidence: &PolicyEvidence<'_>, cx: &FitContext) -> Result<Self::Fitted>;
}

/// A policy that is ready.
pub trait FittedPolicy: Send + Sync {
    /// Writes a decision for every request of `choice` into `out`, of the same length: the plan, an ordered fallback, the
    /// score and the reasons. Decisions are cleared before, keeping their memory. Only eligible models appear in a decision;
    /// a request without any gets [`Plan::NoEligibleModel`](crate::Plan::NoEligibleModel). Ties go to the cheaper model,
    /// then to the lowest index.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Shape`] if `out` has another length than `choice`.
    fn choose(&self, choice: &Choice<'_>, out: &mut [Decision]) -> Result<()>;

    /// The same policy with one more model, the last of the pool, that joined without training. Its outcomes are few and chosen:
    /// a policy must not take it for one of the models whose worth its fit has shown.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Unsupported`], which is the default, if what was learned cannot be carried over to another pool.
    fn with_model(&self, newcomer: &Newcomer<'_>) -> Result<Box<dyn StoredPolicy>> {
        let name = &newcomer.model.name;
        Err(Error::new(ErrorKind::Unsupported, format!("this policy cannot take `{name}`, which it was not fitted on"))
            .help("train again with outcomes of the model, or use another policy"))
    }

    /// What fitting found and a person should know, a sentence each; `pool` is the one that was fitted on.
    fn findings(&self, pool: &ModelPool) -> Vec<String> {
        let _ = pool;
        Vec::new()
    }
}

/// A fitted policy that can be stored: the object-safe form. Implemented for all that are both.
pub trait StoredPolicy: FittedPolicy + ErasedPersist {}

impl<T: FittedPolicy + Persist> StoredPolicy for T {}

/// The object-safe form of [`Policy`]. Implemented for every one.
pub trait DynPolicy: Send + Sync {
    /// See [`Policy::needs_cross_fit`].
    fn needs_cross_fit(&self) -> bool;

    /// See [`Policy::fit`].
    fn fit(&self, evidence: &PolicyEvidence<'_>, cx: &FitContext) -> Result<Box<dyn StoredPolicy>>;
}

impl<T: Policy> DynPolicy for T {
    fn needs_cross_fit(&self) -> bool {
        Policy::needs_cross_fit(self)
    }

    fn fit(&self, evidence: &PolicyEvidence<'_>, cx: &FitContext) -> Result<Box<dyn StoredPolicy>> {
        Ok(Box::new(Policy::fit(self, evidence, cx)?))
    }
}

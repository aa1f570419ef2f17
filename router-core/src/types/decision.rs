//! Decisions: where a prompt goes, what to try next, and why.

use serde::Serialize;

use crate::types::model::ModelIndex;

/// One step of a cascade: ask `model`, and stop if its answer scores at least `accept_at`. The best-scored answer so far is the result.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct CascadeStep {
    /// The model to ask.
    pub model: ModelIndex,
    /// The score of an answer, in [0, 1], at which the cascade stops.
    pub accept_at: f32,
}

/// Where a prompt goes.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Plan {
    /// Nowhere: no model is eligible for the request.
    #[default]
    NoEligibleModel,
    /// To one model.
    One(ModelIndex),
    /// To several models at once; somebody merges or picks the answers. An evaluation scores the best of them, at the sum of the costs.
    Set(Vec<ModelIndex>),
    /// To one model after another, until an answer is good enough. An evaluation takes the outcomes for the scores of the answers.
    Cascade(Vec<CascadeStep>),
}

impl Plan {
    /// All models that the plan asks, in order.
    pub fn models(&self) -> Vec<ModelIndex> {
        match self {
            Self::NoEligibleModel => Vec::new(),
            Self::One(model) => vec![*model],
            Self::Set(models) => models.clone(),
            Self::Cascade(steps) => steps.iter().map(|step| step.model).collect(),
        }
    }
}

/// Why a decision came out as it did.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "reason")]
#[non_exhaustive]
pub enum Reason {
    /// The chosen model has the highest expected quality.
    HighestQuality,
    /// The chosen model has the highest quality - lambda * cost.
    HighestUtility {
        /// Quality given up for a US dollar saved.
        lambda: f64,
    },
    /// The guard let the prompt leave the best single model: the expected gain over it reaches the guard's threshold.
    GuardLeft {
        /// The best single model of the training data among the eligible ones.
        single: ModelIndex,
        /// Expected utility of the chosen model less that of the single one.
        gain: f64,
        /// The gain from which a prompt leaves.
        threshold: f64,
    },
    /// The guard kept the best single model: no expected gain over it reaches the guard's threshold.
    GuardKept {
        /// The best single model of the training data among the eligible ones, which was chosen.
        single: ModelIndex,
        /// The highest expected utility of another model less that of the single one; it may be negative.
        gain: f64,
        /// The gain from which a prompt leaves.
        threshold: f64,
    },
    /// In training no threshold passed the guard's test: always the best single model.
    GuardShut {
        /// The best single model of the training data among the eligible ones, which was chosen.
        single: ModelIndex,
        /// The level of the test.
        level: f64,
    },
    /// Another model would have been chosen, but is not eligible for this request.
    Constrained {
        /// The model that would have been chosen.
        instead_of: ModelIndex,
    },
    /// The model that answered before in the conversation was kept: the chosen one's gain does not exceed the cost of a switch.
    Stayed {
        /// The model that would have been chosen.
        instead_of: ModelIndex,
        /// Its score less that of the model that was kept.
        gain: f32,
    },
    /// Another model than the chosen one is asked, by a random draw: exploration.
    Explored {
        /// The model that was chosen.
        instead_of: ModelIndex,
    },
    /// The prompt belongs to no discovered task; what holds for all prompts decided.
    NoTask,
    /// The prompt was longer than the encoder's limit, and only the part within it was read.
    Truncated,
    /// Parts of the prompt are no text (images, audio, files), and were not read.
    PartsNotRead {
        /// How many.
        parts: u32,
    },
    /// A policy's own reason, in its own words.
    Other {
        /// The words.
        text: String,
    },
}

/// A decision for one request.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Decision {
    /// Where the prompt goes.
    pub plan: Plan,
    /// What to try if that fails, best first, the planned models left out. Only eligible models.
    pub fallback: Vec<ModelIndex>,
    /// The policy's score of the planned model or models: expected utility, on the scale of quality.
    pub score: f32,
    /// Why.
    pub reasons: Vec<Reason>,
}

impl Decision {
    /// The first model that the plan asks; `None` if no model is eligible.
    pub fn model(&self) -> Option<ModelIndex> {
        match &self.plan {
            Plan::NoEligibleModel => None,
            Plan::One(model) => Some(*model),
            Plan::Set(models) => models.first().copied(),
            Plan::Cascade(steps) => steps.first().map(|step| step.model),
        }
    }

    /// All models that may be asked, those of the plan first, then the fallback: the eligible ones, best first.
    pub fn order(&self) -> Vec<ModelIndex> {
        let mut order = self.plan.models();
        order.extend(&self.fallback);
        order
    }

    /// Makes this an empty decision, keeping the memory.
    pub fn clear(&mut self) {
        self.plan = Plan::NoEligibleModel;
        self.fallback.clear();
        self.score = 0.0;
        self.reasons.clear();
    }
}

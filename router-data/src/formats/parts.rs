//! What a data set consists of, part by part, so that a format can say what it carries.

use router_core::{Dataset, PromptContent};

/// A part of a data set that a format may carry or not. Prompts, model names and qualities every format carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The prompts' own ids.
    PromptIds,
    /// The order of the prompts.
    PromptOrder,
    /// The order of the models.
    ModelOrder,
    /// Benchmarks.
    Benchmarks,
    /// Conversations as such; otherwise their text alone.
    Conversations,
    /// Descriptions of prompts.
    Descriptions,
    /// Tags of prompts.
    PromptTags,
    /// Measured costs of calls.
    Costs,
    /// Counts of tokens.
    Tokens,
    /// Weights of outcomes.
    Weights,
    /// Propensities of logged calls.
    Propensities,
    /// Models' prices.
    Prices,
    /// Models' context windows.
    ContextWindows,
    /// Models' latencies and rates.
    Speeds,
    /// Tags of models.
    ModelTags,
    /// Prompts without any outcome.
    PromptsWithoutOutcomes,
    /// Models without any outcome.
    ModelsWithoutOutcomes,
}

impl Part {
    /// Every part.
    pub const ALL: [Self; 17] = [
        Self::PromptIds,
        Self::PromptOrder,
        Self::ModelOrder,
        Self::Benchmarks,
        Self::Conversations,
        Self::Descriptions,
        Self::PromptTags,
        Self::Costs,
        Self::Tokens,
        Self::Weights,
        Self::Propensities,
        Self::Prices,
        Self::ContextWindows,
        Self::Speeds,
        Self::ModelTags,
        Self::PromptsWithoutOutcomes,
        Self::ModelsWithoutOutcomes,
    ];

    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::PromptIds => "prompt ids",
            Self::PromptOrder => "order of prompts",
            Self::ModelOrder => "order of models",
            Self::Benchmarks => "benchmarks",
            Self::Conversations => "conversations as such",
            Self::Descriptions => "descriptions",
            Self::PromptTags => "tags of prompts",
            Self::Costs => "costs",
            Self::Tokens => "tokens",
            Self::Weights => "weights",
            Self::Propensities => "propensities",
            Self::Prices => "prices",
            Self::ContextWindows => "context windows",
            Self::Speeds => "speeds",
            Self::ModelTags => "tags of models",
            Self::PromptsWithoutOutcomes => "prompts without outcomes",
            Self::ModelsWithoutOutcomes => "models without outcomes",
        }
    }

    /// How many prompts, models or outcomes of `dataset` have this part; none for an order, which is no loss worth a word.
    pub fn count(self, dataset: &Dataset) -> usize {
        let prompts = dataset.prompts();
        let models = dataset.models().models();
        let outcomes = || dataset.outcomes().iter().map(|(_, outcome)| outcome);
        match self {
            Self::PromptIds => prompts.len(),
            Self::PromptOrder | Self::ModelOrder => 0,
            Self::Benchmarks => prompts.iter().filter(|prompt| prompt.benchmark.is_some()).count(),
            Self::Conversations => {
                prompts.iter().filter(|prompt| matches!(prompt.content, PromptContent::Messages(_))).count()
            }
            Self::Descriptions => prompts.iter().filter(|prompt| prompt.description.is_some()).count(),
            Self::PromptTags => prompts.iter().filter(|prompt| !prompt.tags.is_empty()).count(),
            Self::Costs => outcomes().filter(|outcome| outcome.cost_usd.is_some()).count(),
            Self::Tokens => {
                outcomes().filter(|outcome| outcome.input_tokens.is_some() || outcome.output_tokens.is_some()).count()
            }
            Self::Weights => outcomes().filter(|outcome| outcome.weight != 1.0).count(),
            Self::Propensities => outcomes().filter(|outcome| outcome.propensity.is_some()).count(),
            Self::Prices => models
                .iter()
                .filter(|model| model.input_usd_per_mtok.is_some() || model.output_usd_per_mtok.is_some())
                .count(),
            Self::ContextWindows => models.iter().filter(|model| model.context_window.is_some()).count(),
            Self::Speeds => models
                .iter()
                .filter(|model| model.latency_seconds.is_some() || model.output_tokens_per_second.is_some())
                .count(),
            Self::ModelTags => models.iter().filter(|model| !model.tags.is_empty()).count(),
            Self::PromptsWithoutOutcomes => {
                (0..prompts.len()).filter(|&row| dataset.outcomes().row(row).is_empty()).count()
            }
            Self::ModelsWithoutOutcomes => {
                let mut seen = vec![false; models.len()];
                for outcome in outcomes() {
                    if let Some(seen) = seen.get_mut(outcome.model) {
                        *seen = true;
                    }
                }
                seen.iter().filter(|seen| !**seen).count()
            }
        }
    }
}

/// A part of a data set that an export leaves behind, and how many prompts, models or outcomes had it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loss {
    /// The part.
    pub part: Part,
    /// How many had it.
    pub count: usize,
}

/// What of `dataset` is not among what is carried.
pub(super) fn losses(carried: &[Part], dataset: &Dataset) -> Vec<Loss> {
    let lost = Part::ALL.into_iter().filter(|part| !carried.contains(part));
    lost.map(|part| Loss { part, count: part.count(dataset) }).filter(|loss| loss.count > 0).collect()
}

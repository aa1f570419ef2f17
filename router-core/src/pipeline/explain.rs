//! Why a decision came out as it did, in numbers that a person can read.

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::pipeline::inference::Prediction;
use crate::pipeline::router::Router;
use crate::traits::PromptsView;
use crate::types::constraints::{Constraints, ExpectedCall, Ineligible};
use crate::types::decision::{Decision, Reason};
use crate::types::matrix::Embeddings;
use crate::types::prompt::Prompt;
use crate::types::task::TaskId;

/// Most tasks listed in an explanation.
const TASKS_SHOWN: usize = 5;

/// Everything behind one decision.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// The prompt.
    pub prompt_id: String,
    /// The first model asked; null if none is eligible.
    pub model: Option<String>,
    /// All models that the plan asks, in order.
    pub plan: Vec<String>,
    /// What to try next, best first.
    pub fallback: Vec<String>,
    /// The policy's score.
    pub score: f32,
    /// Why, a sentence each.
    pub reasons: Vec<String>,
    /// The task it was assigned to; null if none.
    pub task: Option<TaskId>,
    /// The probability of no task; null in a router without tasks.
    pub probability_of_no_task: Option<f32>,
    /// The likeliest tasks.
    pub tasks: Vec<TaskExplanation>,
    /// The parts of the estimates, in the order of every model's `parts`.
    pub parts: Vec<String>,
    /// The weight of every part, if the aggregator has fixed weights.
    pub weights: Option<Vec<f32>>,
    /// Every model, by falling quality.
    pub models: Vec<ModelExplanation>,
}

/// How likely a task is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TaskExplanation {
    /// The task.
    pub task: TaskId,
    /// Its probability.
    pub probability: f32,
    /// Its keywords.
    pub keywords: Vec<String>,
}

/// What was expected of one model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelExplanation {
    /// The model.
    pub model: String,
    /// Expected quality.
    pub quality: f32,
    /// Its standard error, where known.
    pub standard_error: Option<f32>,
    /// Expected cost in US dollars; null where the price is unknown.
    pub cost_usd: Option<f32>,
    /// What each part expected; empty for a model that joined the router without training.
    pub parts: Vec<f32>,
    /// Why it may not be chosen; null if it may.
    pub ineligible: Option<Ineligible>,
}

impl Router {
    /// Decides for one prompt and tells everything behind the decision.
    ///
    /// # Errors
    /// As [`Router::route`].
    pub async fn explain(&self, prompt: &Prompt, constraints: &Constraints) -> Result<Explanation> {
        let prompts = std::slice::from_ref(prompt);
        let embeddings = self.embed(prompts).await?;
        let mut explanations = self.explain_embedded(prompts, &embeddings, std::slice::from_ref(constraints))?;
        explanations.pop().ok_or_else(|| Error::shape("explanations", 1, 0))
    }

    /// As [`explain`](Self::explain) for prompts whose embeddings are at hand. `constraints` holds one entry a prompt, or is empty
    /// where nothing is constrained.
    ///
    /// # Errors
    /// As [`Router::route_embedded`].
    pub fn explain_embedded(
        &self,
        prompts: &[Prompt],
        embeddings: &Embeddings,
        constraints: &[Constraints],
    ) -> Result<Vec<Explanation>> {
        let view = PromptsView::all(prompts);
        let prediction = self.predict_embedded(view, embeddings.vectors.view())?;
        let mut decisions = vec![Decision::default(); prompts.len()];
        self.route_embedded(view, embeddings, constraints, &mut decisions)?;
        let unconstrained = Constraints::default();
        prompts
            .iter()
            .zip(decisions)
            .enumerate()
            .map(|(row, (prompt, decision))| {
                let constraints = constraints.get(row).unwrap_or(&unconstrained);
                self.explanation(row, prompt, constraints, &prediction, decision)
            })
            .collect()
    }

    /// [`explain`](Self::explain) on this thread, without a runtime.
    pub fn explain_blocking(&self, prompt: &Prompt, constraints: &Constraints) -> Result<Explanation> {
        pollster::block_on(self.explain(prompt, constraints))
    }

    fn explanation(
        &self,
        row: usize,
        prompt: &Prompt,
        constraints: &Constraints,
        prediction: &Prediction,
        decision: Decision,
    ) -> Result<Explanation> {
        let name = |model: usize| self.pool.name(model).to_owned();
        let known: Vec<bool> = self.costs.known().collect();
        let tokens = prompt.approximate_tokens();
        let mut models: Vec<ModelExplanation> = (0..self.pool.len())
            .map(|model| {
                let known = known.get(model).copied().unwrap_or(false) || prediction.aggregate.cost_usd().is_some();
                let cost_usd = known.then(|| prediction.cost_usd.get(row, model));
                let quality = prediction.aggregate.quality().get(row, model);
                let expected = ExpectedCall { prompt_tokens: tokens, cost_usd, quality };
                ModelExplanation {
                    model: name(model),
                    quality,
                    standard_error: prediction
                        .aggregate
                        .variance()
                        .map(|variance| variance.get(row, model).max(0.0).sqrt()),
                    cost_usd,
                    parts: if model < self.fitted_models() {
                        prediction.parts.iter().map(|part| part.quality().get(row, model)).collect()
                    } else {
                        Vec::new()
                    },
                    ineligible: constraints.ineligible(&self.pool, model, expected),
                }
            })
            .collect();
        models.sort_by(|a, b| b.quality.total_cmp(&a.quality));
        let mut tasks: Vec<TaskExplanation> = Vec::new();
        let has_tasks = prediction.tasks.tasks() > 0;
        if has_tasks {
            let mut order: Vec<(usize, f32)> =
                prediction.tasks.probabilities(row).iter().copied().enumerate().collect();
            order.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            for (task, probability) in order.into_iter().take(TASKS_SHOWN).filter(|&(_, probability)| probability > 0.0)
            {
                let task = TaskId(task as u32);
                let keywords = self.cards.get(task)?.keywords.clone();
                tasks.push(TaskExplanation { task, probability, keywords });
            }
        }
        let plan = decision.plan.models().into_iter().map(name).collect();
        Ok(Explanation {
            prompt_id: prompt.id.clone(),
            model: decision.model().map(name),
            plan,
            fallback: decision.fallback.iter().map(|&model| name(model)).collect(),
            score: decision.score,
            reasons: decision.reasons.iter().map(|reason| self.describe(reason)).collect(),
            task: has_tasks.then(|| prediction.tasks.assigned(row)).flatten(),
            probability_of_no_task: has_tasks.then(|| prediction.tasks.probability_of_none(row)),
            tasks,
            parts: self.parts().map(|part| format!("{} ({})", part.slot, part.name)).collect(),
            weights: self.part_weights().map(<[f32]>::to_vec),
            models,
        })
    }

    /// `reason` as a sentence.
    pub fn describe(&self, reason: &Reason) -> String {
        match reason {
            Reason::HighestQuality => "highest expected quality".to_owned(),
            Reason::HighestUtility { lambda } => {
                format!("highest expected quality - {lambda} * cost in US dollars")
            }
            Reason::GuardLeft { single, gain, threshold } => format!(
                "expected gain of {gain:.4} over `{}`, the best single model: reaches the guard's threshold of {threshold:.4}",
                self.pool.name(*single)
            ),
            Reason::GuardKept { single, gain, threshold } => format!(
                "the best single model is `{}`: the highest expected gain over it, {gain:.4}, is below the guard's threshold of \
                 {threshold:.4}",
                self.pool.name(*single)
            ),
            Reason::GuardShut { single, level } => format!(
                "always the best single model, `{}`: in training no threshold passed the guard's test at level {level}",
                self.pool.name(*single)
            ),
            Reason::Constrained { instead_of } => {
                format!(
                    "`{}` would have been chosen, but is not eligible for this request",
                    self.pool.name(*instead_of)
                )
            }
            Reason::Stayed { instead_of, gain } => format!(
                "the conversation stays with the model that answered before: the gain of `{}`, {gain:.4}, is not worth the switch",
                self.pool.name(*instead_of)
            ),
            Reason::Explored { instead_of } => {
                format!(
                    "exploration: a random draw asks another model than `{}`, which was chosen",
                    self.pool.name(*instead_of)
                )
            }
            Reason::NoTask => "the prompt belongs to no discovered task: general estimates decide".to_owned(),
            Reason::Truncated => "the prompt is longer than the encoder's limit: only a part of it was read".to_owned(),
            Reason::PartsNotRead { parts: 1 } => "a part of the prompt is no text and was not read".to_owned(),
            Reason::PartsNotRead { parts } => format!("{parts} parts of the prompt are no text and were not read"),
            Reason::Other { text } => text.clone(),
        }
    }

    /// The one decision of `decisions`.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] if no model is eligible for the request.
    pub fn require_model(&self, decision: &Decision) -> Result<&str> {
        decision.model().map(|model| self.pool.name(model)).ok_or_else(|| {
            Error::new(ErrorKind::Usage, "no model is eligible for this request")
                .help("relax the allowed models, tags, context length or maximum cost")
        })
    }
}

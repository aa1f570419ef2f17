//! Conversations: a prompt that goes on with one stays with the model that answered before, unless another one is worth the switch.

use crate::error::Result;
use crate::pipeline::inference::RouteBuffers;
use crate::pipeline::router::Router;
use crate::traits::PromptsView;
use crate::types::constraints::Constraints;
use crate::types::decision::{Decision, Plan, Reason};
use crate::types::matrix::MatrixView;
use crate::types::model::ModelIndex;

impl Router {
    /// As [`route_batch`](Self::route_batch); a prompt whose conversation a model answered before, `previous`, stays with it unless the
    /// chosen model's score exceeds that of the previous one by more than `switching_cost`.
    ///
    /// Scores are the policy's own (expected utility on the scale of quality): the previous one's is that of the decision in which it is
    /// the only model allowed. Where it is not eligible, the decision stands. A switch throws the upstream's prompt cache away, which is what
    /// `switching_cost` stands for. `previous` holds one entry a prompt, or is empty.
    ///
    /// # Errors
    /// As [`route_batch`](Self::route_batch).
    #[expect(clippy::too_many_arguments, reason = "route_batch and what a conversation adds to it")]
    pub fn route_batch_staying(
        &self,
        prompts: PromptsView<'_>,
        embeddings: MatrixView<'_>,
        constraints: &[Constraints],
        previous: &[Option<ModelIndex>],
        switching_cost: f32,
        buffers: &mut RouteBuffers,
        out: &mut [Decision],
    ) -> Result<()> {
        // Predicted once, chosen twice: among all that may be chosen, and among the previous ones alone.
        self.route_batch(prompts, embeddings, constraints, buffers, out)?;
        let alone: Vec<Constraints> = previous
            .iter()
            .enumerate()
            .map(|(row, previous)| {
                let own = constraints.get(row).cloned().unwrap_or_default();
                let name = previous.and_then(|previous| self.models().get(previous)).map(|model| model.name.clone());
                let is_allowed =
                    |name: &String| own.allowed_models.as_ref().is_none_or(|allowed| allowed.contains(name));
                Constraints { allowed_models: Some(name.into_iter().filter(is_allowed).collect()), ..own }
            })
            .collect();
        let mut kept = vec![Decision::default(); alone.len()];
        if !alone.is_empty() {
            self.choose_batch(prompts, &alone, buffers, &mut kept)?;
        }
        for ((decision, kept), &previous) in out.iter_mut().zip(kept).zip(previous) {
            let (Some(previous), Some(chosen)) = (previous, decision.model()) else { continue };
            let gain = decision.score - kept.score;
            if kept.model() == Some(previous) && chosen != previous && gain <= switching_cost {
                decision.fallback = decision.order().into_iter().filter(|&model| model != previous).collect();
                decision.plan = Plan::One(previous);
                decision.score = kept.score;
                decision.reasons.push(Reason::Stayed { instead_of: chosen, gain });
            }
        }
        Ok(())
    }
}

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
        for (row, decision) in out.iter_mut().enumerate() {
            decision.clear();
            let Some(previous) = previous.get(row).copied().flatten() else { continue };
            let Some(model) = self.models().get(previous) else { continue };
            let mut alone = constraints.get(row).cloned().unwrap_or_default();
            if alone.allowed_models.as_ref().is_some_and(|allowed| !allowed.contains(&model.name)) {
                continue;
            }
            alone.allowed_models = Some(vec![model.name.clone()]);
            let one = prompts.slice(row, row + 1);
            let vectors = embeddings.slice_rows(row, row + 1);
            self.route_batch(one, vectors, &[alone], buffers, std::slice::from_mut(decision))?;
        }
        let kept: Vec<Decision> = if previous.is_empty() { Vec::new() } else { out.to_vec() };
        self.route_batch(prompts, embeddings, constraints, buffers, out)?;
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

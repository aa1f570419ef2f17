//! What the policies share.

use std::cmp::Ordering;

use router_core::prelude::*;

/// The prompts and models of `choice`, if its costs and `decisions` agree with its qualities in shape.
pub(super) fn shape(choice: &Choice<'_>, decisions: &[Decision]) -> Result<(usize, usize)> {
    let (prompts, models) = (choice.quality.rows(), choice.quality.cols());
    if decisions.len() != prompts {
        return Err(Error::shape("decisions", prompts, decisions.len()));
    }
    if (choice.cost_usd.rows(), choice.cost_usd.cols()) != (prompts, models) {
        return Err(Error::shape(
            "expected costs",
            format!("{prompts} x {models}"),
            format!("{} x {}", choice.cost_usd.rows(), choice.cost_usd.cols()),
        ));
    }
    Ok((prompts, models))
}

/// Puts the models that `eligible` admits into the fallback of `decision`, which is clear, by their ids.
pub(super) fn admit(decision: &mut Decision, eligible: &[bool]) {
    decision.fallback.extend(eligible.iter().enumerate().filter(|&(_, &may)| may).map(|(model, _)| model));
}

/// Makes the first of the admitted models in `order` the plan of `decision`, and leaves the others in that order as its fallback.
/// `None` if none was admitted.
pub(super) fn take_first(decision: &mut Decision, order: impl Fn(usize, usize) -> Ordering) -> Option<usize> {
    let chosen = decision.fallback.iter().copied().min_by(|&a, &b| order(a, b))?;
    decision.fallback.retain(|&model| model != chosen);
    decision.fallback.sort_unstable_by(|&a, &b| order(a, b));
    decision.plan = Plan::One(chosen);
    Some(chosen)
}

/// Says that without the request's constraints `wanted` would have been chosen, if it is not `chosen`.
pub(super) fn tell_constrained(decision: &mut Decision, wanted: usize, chosen: usize) {
    if wanted != chosen {
        decision.reasons.push(Reason::Constrained { instead_of: wanted });
    }
}

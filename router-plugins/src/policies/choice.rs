//! What the policies share.

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

//! What the aggregators share.

use router_core::prelude::*;

/// Prompts and models of `parts`, if there are `expected` of them, at least one, that agree.
pub(super) fn shape(parts: &[EstimatesView<'_>], expected: usize) -> Result<(usize, usize)> {
    let Some(first) = parts.first().filter(|_| parts.len() == expected) else {
        return Err(Error::shape("parts to aggregate", expected, parts.len()));
    };
    let shape = (first.prompts(), first.models());
    if let Some(other) = parts.iter().find(|part| (part.prompts(), part.models()) != shape) {
        return Err(Error::shape(
            "estimates to aggregate",
            format!("{} x {}", shape.0, shape.1),
            format!("{} x {}", other.prompts(), other.models()),
        ));
    }
    Ok(shape)
}

/// `sum += weight * part`, number by number.
pub(super) fn add_scaled(sum: &mut Matrix, part: MatrixView<'_>, weight: f32) {
    for (sum, &value) in sum.as_mut_slice().iter_mut().zip(part.as_slice()) {
        *sum += weight * value;
    }
}

/// Gives `out` the mean expected cost of the parts that know it; none if no part does.
pub(super) fn add_mean_cost<'a>(parts: impl Iterator<Item = &'a EstimatesView<'a>> + Clone, out: &mut Estimates) {
    let knowing = parts.clone().filter(|part| part.cost_usd.is_some()).count();
    for cost in parts.filter_map(|part| part.cost_usd) {
        add_scaled(out.cost_usd_mut(), cost, 1.0 / knowing as f32);
    }
}

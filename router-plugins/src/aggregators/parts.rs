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
fn add_scaled(sum: &mut Matrix, part: MatrixView<'_>, weight: f32) {
    for (sum, &value) in sum.as_mut_slice().iter_mut().zip(part.as_slice()) {
        *sum += weight * value;
    }
}

/// Adds the weighted sum of `parts` to `out`, parts of weight zero not looked at: quality; variance as of independent parts (the
/// sum of weight^2 * variance), where every part has one; and the mean expected cost of the parts that know it.
pub(super) fn add_weighted(parts: &[EstimatesView<'_>], weights: &[f32], out: &mut Estimates) {
    let relevant = || parts.iter().zip(weights).filter(|&(_, &weight)| weight > 0.0);
    for (part, &weight) in relevant() {
        add_scaled(out.quality_mut(), part.quality, weight);
    }
    if relevant().all(|(part, _)| part.variance.is_some()) {
        for (part, &weight) in relevant() {
            if let Some(variance) = part.variance {
                add_scaled(out.variance_mut(), variance, weight * weight);
            }
        }
    }
    add_mean_cost(relevant().map(|(part, _)| part), out);
}

/// Gives `out` the mean expected cost of the parts that know it; none if no part does.
pub(super) fn add_mean_cost<'a>(parts: impl Iterator<Item = &'a EstimatesView<'a>> + Clone, out: &mut Estimates) {
    let knowing = parts.clone().filter(|part| part.cost_usd.is_some()).count();
    for cost in parts.filter_map(|part| part.cost_usd) {
        add_scaled(out.cost_usd_mut(), cost, 1.0 / knowing as f32);
    }
}

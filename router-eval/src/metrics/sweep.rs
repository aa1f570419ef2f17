//! The quality-cost curve of one fitted router: its own estimates under the utility rule at many trade-offs, nothing refitted.
//!
//! At the trade-off lambda, every prompt goes to the model of the highest `expected quality - lambda * expected cost` (Hu et
//! al., RouterBench, arXiv 2403.12031, section 3, where 1 / lambda is the willingness to pay), ties to the cheaper model, then
//! to the lowest index. Only models whose cost is known take part, since the cost of any other point is not.
//!
//! A prompt's choice changes only at the slopes of its own upper hull of (expected cost, expected quality). The trade-offs
//! that are tried are quantiles of all those slopes, with 0 and infinity at the ends: they follow the scale of costs by
//! themselves and are read from estimates alone, never from outcomes.
//!
//! Cost: O(n m log m) for the slopes and O(n m t) for the choices, for n prompts, m models and t trade-offs.
#![allow(clippy::indexing_slicing, reason = "quantile positions are below the number of slopes")]

use router_core::ModelIndex;
use serde::{Deserialize, Serialize};

use crate::references::hull::{Point, upper_hull};

/// Slopes that are tried, beside 0 and infinity.
const TRADE_OFFS: usize = 38;

/// What one trade-off gives, over the prompts on which every point of the curve is known.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct OperatingPoint {
    /// Quality given up for a US dollar saved; `None` for the cheapest model whatever its quality.
    pub lambda: Option<f64>,
    /// Mean quality in [0, 1].
    pub quality: f64,
    /// Mean US dollars a call.
    pub cost_usd: f64,
}

/// The model of the highest `quality - lambda * cost`; models of infinite cost take no part. `lambda` may be infinite.
pub(crate) fn choose(quality: &[f32], cost_usd: &[f32], lambda: f64) -> Option<ModelIndex> {
    let utility = |model: ModelIndex| {
        let (quality, cost) = (f64::from(quality[model]), f64::from(cost_usd[model]));
        if lambda.is_infinite() { (-cost, quality) } else { (quality - lambda * cost, -cost) }
    };
    (0..quality.len().min(cost_usd.len()))
        .filter(|&model| cost_usd[model].is_finite())
        .map(|model| (model, utility(model)))
        .max_by(|(a, x), (b, y)| x.0.total_cmp(&y.0).then(x.1.total_cmp(&y.1)).then(b.cmp(a)))
        .map(|(model, _)| model)
}

/// The trade-offs to try for prompts with these (expected quality, expected cost) rows, ascending: 0, quantiles of the slopes
/// at which a prompt's choice changes, infinity. Infinite costs take no part.
pub(crate) fn trade_offs<'a>(rows: impl Iterator<Item = (&'a [f32], &'a [f32])>) -> Vec<f64> {
    let mut slopes = Vec::new();
    let mut points = Vec::new();
    for (quality, cost_usd) in rows {
        points.clear();
        points.extend(
            quality
                .iter()
                .zip(cost_usd)
                .enumerate()
                .filter(|(_, (_, cost))| cost.is_finite())
                .map(|(model, (&quality, &cost))| Point { model, cost: f64::from(cost), quality: f64::from(quality) }),
        );
        let hull = upper_hull(&points);
        slopes.extend(hull.windows(2).filter_map(|pair| match pair {
            [a, b] => Some((b.quality - a.quality) / (b.cost - a.cost)).filter(|slope| slope.is_finite()),
            _ => None,
        }));
    }
    slopes.sort_unstable_by(f64::total_cmp);
    let mut lambdas = vec![0.0];
    if !slopes.is_empty() {
        // From the least slope to beyond all but the steepest: the ends of the curve are its own points.
        lambdas.extend((0..TRADE_OFFS).map(|at| slopes[at * slopes.len() / TRADE_OFFS]));
    }
    lambdas.push(f64::INFINITY);
    lambdas.dedup();
    lambdas
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trade_off_decides() {
        // Utilities at 0.5: 0.5, 0.9 - 0.5 = 0.4, 0.7 - 0.05 = 0.65.
        let (quality, cost) = ([0.5, 0.9, 0.7], [0.0, 1.0, 0.1]);
        assert_eq!(choose(&quality, &cost, 0.0), Some(1));
        assert_eq!(choose(&quality, &cost, 0.5), Some(2));
        assert_eq!(choose(&quality, &cost, f64::INFINITY), Some(0));
    }

    #[test]
    fn ties_go_to_the_cheaper_then_the_better_then_the_first() {
        assert_eq!(choose(&[0.5, 0.5], &[2.0, 1.0], 0.0), Some(1));
        assert_eq!(choose(&[0.5, 0.6], &[1.0, 1.0], f64::INFINITY), Some(1));
        assert_eq!(choose(&[0.5, 0.5], &[1.0, 1.0], 0.0), Some(0));
    }

    #[test]
    fn a_model_of_unknown_cost_is_never_chosen() {
        assert_eq!(choose(&[0.5, 0.9], &[1.0, f32::INFINITY], 0.0), Some(0));
        assert_eq!(choose(&[0.9], &[f32::INFINITY], 0.0), None);
    }

    #[test]
    fn every_choice_of_one_prompt_is_met() {
        // The hull is 0, 2, 1 with slopes 0.2 / 0.1 = 2 and 0.2 / 0.9; model 3 is beaten.
        let (quality, cost) = ([0.5f32, 0.9, 0.7, 0.6], [0.0f32, 1.0, 0.1, 0.5]);
        let lambdas = trade_offs(std::iter::once((&quality[..], &cost[..])));
        let mut chosen: Vec<ModelIndex> =
            lambdas.iter().filter_map(|&lambda| choose(&quality, &cost, lambda)).collect();
        chosen.dedup();
        assert_eq!(chosen, [1, 2, 0]);
        assert!(lambdas.windows(2).all(|pair| pair[0] < pair[1]));
    }
}

//! Exploration: now and then another model than the one chosen is asked, so that records tell what it would have answered.

use crate::types::decision::{Decision, Plan, Reason};
use crate::types::model::ModelIndex;

/// How often another model than the chosen one is asked first.
///
/// With probability `share` the first model asked is one of the other eligible ones, each equally likely (epsilon-greedy exploration; Sutton
/// and Barto, Reinforcement Learning, 2018, section 2.2). The probability with which a model was asked is its propensity: what
/// inverse-propensity estimates need (Horvitz and Thompson, 1952).
///
/// ```
/// use router_core::{Decision, Exploration, Plan};
/// let decision = Decision { plan: Plan::One(2), fallback: vec![0, 1], ..Decision::default() };
/// let exploration = Exploration { share: 0.1 };
/// let kept = exploration.explore(decision.clone(), 0.5);
/// assert_eq!((kept.decision.model(), kept.propensity), (Some(2), 0.9));
/// let explored = exploration.explore(decision, 0.99);
/// assert_eq!((explored.decision.model(), explored.propensity, explored.instead_of), (Some(1), 0.05, Some(2)));
/// assert_eq!(explored.decision.fallback, [2, 0]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Exploration {
    /// The probability, in [0, 1], that another model is asked.
    pub share: f64,
}

/// A decision after the draw.
#[derive(Debug, Clone, PartialEq)]
pub struct Explored {
    /// The decision; the model that the router chose is its first fallback if another one is asked.
    pub decision: Decision,
    /// The probability with which the first model of `decision` was to be asked first; 1 where there was no choice.
    pub propensity: f64,
    /// The router's own choice, if another model is asked.
    pub instead_of: Option<ModelIndex>,
}

impl Exploration {
    /// Draws: `draw` is uniform on [0, 1). A plan of several models is replaced as a whole; one without another eligible model stays as it is.
    pub fn explore(self, mut decision: Decision, draw: f64) -> Explored {
        let mut order = decision.order();
        let others = order.split_off(order.len().min(1));
        let Some(chosen) = decision.model().filter(|_| !others.is_empty() && self.share > 0.0) else {
            return Explored { decision, propensity: 1.0, instead_of: None };
        };
        let kept = 1.0 - self.share;
        if draw < kept {
            return Explored { decision, propensity: kept, instead_of: None };
        }
        // What is left of the draw is uniform on [0, 1) again.
        let at = ((draw - kept) / self.share * others.len() as f64) as usize;
        let asked = others.get(at.min(others.len() - 1)).copied().unwrap_or(chosen);
        decision.plan = Plan::One(asked);
        decision.fallback =
            std::iter::once(chosen).chain(others.iter().copied().filter(|&other| other != asked)).collect();
        decision.reasons.push(Reason::Explored { instead_of: chosen });
        Explored { decision, propensity: self.share / others.len() as f64, instead_of: Some(chosen) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_asked_as_often_as_their_propensities_say() {
        let decision = Decision { plan: Plan::One(1), fallback: vec![3, 0, 2], ..Decision::default() };
        let exploration = Exploration { share: 0.3 };
        let draws = 100_000;
        let mut asked = [0usize; 4];
        let mut inverse = [0.0; 4];
        for at in 0..draws {
            let explored = exploration.explore(decision.clone(), (f64::from(at) + 0.5) / f64::from(draws));
            let model = explored.decision.model().unwrap();
            asked[model] += 1;
            inverse[model] += 1.0 / explored.propensity;
            let mut order = explored.decision.order();
            order.sort_unstable();
            assert_eq!(order, [0, 1, 2, 3]);
            assert_eq!(explored.instead_of, (model != 1).then_some(1));
        }
        for (model, share) in [(0, 0.1), (1, 0.7), (2, 0.1), (3, 0.1)] {
            assert!((asked[model] as f64 / f64::from(draws) - share).abs() < 1e-4, "{asked:?}");
            // Weighed by the inverse of its propensity, every model stands for all requests.
            assert!((inverse[model] / f64::from(draws) - 1.0).abs() < 1e-3, "{inverse:?}");
        }
    }

    #[test]
    fn where_there_is_no_choice_nothing_is_explored() {
        for decision in [Decision::default(), Decision { plan: Plan::One(2), ..Decision::default() }] {
            for draw in [0.0, 0.5, 0.999_999] {
                let explored = Exploration { share: 1.0 }.explore(decision.clone(), draw);
                assert_eq!(explored, Explored { decision: decision.clone(), propensity: 1.0, instead_of: None });
            }
        }
        let decision = Decision { plan: Plan::One(2), fallback: vec![1], ..Decision::default() };
        assert_eq!(Exploration { share: 0.0 }.explore(decision, 0.999).propensity, 1.0);
    }
}

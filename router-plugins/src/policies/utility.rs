//! Highest utility: quality - lambda * cost.
//!
//! The standard rule of cost-aware routing: a model is worth its expected quality less what its call is expected to cost, a
//! US dollar counting lambda. With lambda 0 the best expected quality wins whatever it costs. Learns nothing; O(m) a prompt
//! for the choice and O(m log m) for the ordered fallback, without allocation once the decisions have been used before.
//! Choose it unless a budget or a cascade is wanted.

use std::cmp::Ordering;

use router_core::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::policies::choice::{admit, shape, take_first, tell_constrained};
use crate::ranges::out_of_range;

/// Parameters of the `utility` policy.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UtilityConfig {
    /// Quality given up for a US dollar saved. Default 0: the best expected quality whatever it costs. With calls of about
    /// 0.01 dollars, 1 gives up one point of quality in a hundred to save a call's cost.
    #[schemars(range(min = 0.0, max = 1.0e12))]
    pub lambda: f64,
}

impl PluginConfig for UtilityConfig {
    const NAME: &'static str = "utility";
    const SUMMARY: &'static str = "The eligible model of the highest quality - lambda * cost";
    const SOURCE: &'static str = "Hu et al., RouterBench, arXiv 2403.12031 (willingness to pay; lambda is its inverse)";
    const COST: &'static str = "nothing to fit; O(m log m) a prompt, O(m) of it for the choice";
    const EXAMPLE: &'static str = "lambda = 0.5\n";
}

impl Policy for UtilityConfig {
    type Fitted = UtilityPolicy;

    fn fit(&self, _evidence: &PolicyEvidence<'_>, _cx: &FitContext) -> Result<UtilityPolicy> {
        UtilityPolicy::new(self.lambda)
    }
}

router_core::register!(PolicyRole, UtilityConfig);

/// The utility policy, ready.
#[derive(Debug, Clone, PartialEq)]
pub struct UtilityPolicy {
    lambda: f64,
}

impl UtilityPolicy {
    /// A policy that gives up `lambda` of quality for a US dollar saved.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if `lambda` is negative or not finite.
    pub fn new(lambda: f64) -> Result<Self> {
        if !lambda.is_finite() || lambda < 0.0 {
            return out_of_range("lambda", &lambda, "a finite number, at least 0");
        }
        Ok(Self { lambda })
    }

    /// Quality given up for a US dollar saved.
    pub fn lambda(&self) -> f64 {
        self.lambda
    }
}

/// One prompt's models as this policy sees them.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    pub(super) quality: &'a [f32],
    pub(super) cost_usd: &'a [f32],
    pub(super) lambda: f64,
}

impl Row<'_> {
    pub(super) fn utility(&self, model: ModelIndex) -> f64 {
        let value = |row: &[f32]| f64::from(row.get(model).copied().unwrap_or(0.0));
        // Adding zero makes -0 a 0, which total order would tell apart.
        value(self.quality) - self.lambda * value(self.cost_usd) + 0.0
    }

    pub(super) fn cost(&self, model: ModelIndex) -> f32 {
        self.cost_usd.get(model).copied().unwrap_or(0.0) + 0.0
    }

    /// Why the first model of this order is chosen.
    pub(super) fn reason(&self) -> Reason {
        if self.lambda > 0.0 { Reason::HighestUtility { lambda: self.lambda } } else { Reason::HighestQuality }
    }

    /// Better first: falling utility, then the cheaper, then the lowest index.
    pub(super) fn order(&self, a: ModelIndex, b: ModelIndex) -> Ordering {
        (self.utility(b).total_cmp(&self.utility(a)))
            .then_with(|| self.cost(a).total_cmp(&self.cost(b)))
            .then_with(|| a.cmp(&b))
    }
}

impl FittedPolicy for UtilityPolicy {
    fn choose(&self, choice: &Choice<'_>, out: &mut [Decision]) -> Result<()> {
        let (_, models) = shape(choice, out)?;
        for (at, decision) in out.iter_mut().enumerate() {
            decision.clear();
            let row = Row { quality: choice.quality.row(at), cost_usd: choice.cost_usd.row(at), lambda: self.lambda };
            let Some(wanted) = (0..models).min_by(|&a, &b| row.order(a, b)) else { continue };
            admit(decision, choice.eligible.row(at));
            let Some(chosen) = take_first(decision, |a, b| row.order(a, b)) else { continue };
            decision.score = row.utility(chosen) as f32;
            decision.reasons.push(row.reason());
            tell_constrained(decision, wanted, chosen);
        }
        Ok(())
    }

    fn with_model(&self, _: &Newcomer<'_>) -> Result<Box<dyn StoredPolicy>> {
        Ok(Box::new(self.clone()))
    }
}

impl Persist for UtilityPolicy {
    const FORMAT: &'static str = "utility-policy";
    const VERSION: u32 = 1;

    fn save(&self, writer: &mut SlotWriter) -> Result<()> {
        writer.put_json("lambda", &self.lambda)
    }

    fn load(reader: &SlotReader<'_>) -> Result<Self> {
        Self::new(reader.get_json("lambda")?).map_err(|error| reader.corrupt(&error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use router_core::Eligibility;

    use super::*;

    fn decide(lambda: f64, quality: &[f32], cost: &[f32], eligible: &[bool]) -> Decision {
        let models = quality.len();
        let mut mask = Eligibility::default();
        mask.reset(1, models);
        mask.row_mut(0).copy_from_slice(eligible);
        let choice = Choice {
            quality: MatrixView::new(1, models, quality).unwrap(),
            variance: None,
            cost_usd: MatrixView::new(1, models, cost).unwrap(),
            known_cost: &vec![true; models],
            eligible: &mask,
        };
        let mut out = [Decision::default()];
        UtilityPolicy::new(lambda).unwrap().choose(&choice, &mut out).unwrap();
        let [decision] = out;
        decision
    }

    #[test]
    fn without_lambda_the_best_quality_wins() {
        let decision = decide(0.0, &[0.5, 0.9, 0.7], &[0.0, 10.0, 1.0], &[true; 3]);
        assert_eq!(decision.plan, Plan::One(1));
        assert_eq!(decision.fallback, [2, 0]);
        assert_eq!(decision.score, 0.9);
        assert_eq!(decision.reasons, [Reason::HighestQuality]);
    }

    #[test]
    fn lambda_weighs_cost() {
        // Utilities 0.5, 0.9 - 0.5 = 0.4 and 0.7 - 0.05 = 0.65.
        let decision = decide(0.5, &[0.5, 0.9, 0.7], &[0.0, 1.0, 0.1], &[true; 3]);
        assert_eq!(decision.plan, Plan::One(2));
        assert_eq!(decision.fallback, [0, 1]);
        assert!((decision.score - 0.65).abs() < 1e-6);
        assert_eq!(decision.reasons, [Reason::HighestUtility { lambda: 0.5 }]);
    }

    #[test]
    fn ties_go_to_the_cheaper_then_to_the_lowest_index() {
        let decision = decide(0.0, &[0.5; 4], &[2.0, 1.0, 3.0, 1.0], &[true; 4]);
        assert_eq!(decision.plan, Plan::One(1));
        assert_eq!(decision.fallback, [3, 0, 2]);
        assert_eq!(decide(0.0, &[-0.0, 0.0], &[0.0, -0.0], &[true; 2]).plan, Plan::One(0));
    }

    #[test]
    fn constraints_are_obeyed_and_said() {
        let decision = decide(0.0, &[0.5, 0.9, 0.7], &[0.0; 3], &[true, false, true]);
        assert_eq!(decision.plan, Plan::One(2));
        assert_eq!(decision.fallback, [0]);
        assert_eq!(decision.reasons, [Reason::HighestQuality, Reason::Constrained { instead_of: 1 }]);
        // Excluding a model that would not have won is no reason.
        assert_eq!(decide(0.0, &[0.5, 0.9], &[0.0; 2], &[false, true]).reasons, [Reason::HighestQuality]);
        assert_eq!(decide(0.0, &[0.5, 0.9], &[0.0; 2], &[false, false]), Decision::default());
    }

    #[test]
    fn decisions_are_reused_without_leftovers_or_allocation() {
        let models = 5;
        let mut mask = Eligibility::default();
        mask.reset(1, models);
        let policy = UtilityPolicy::new(0.0).unwrap();
        let mut out = [Decision::default()];
        let mut buffers = Vec::new();
        for quality in [[0.1f32, 0.2, 0.3, 0.4, 0.5], [0.5, 0.4, 0.3, 0.2, 0.1]] {
            let choice = Choice {
                quality: MatrixView::new(1, models, &quality).unwrap(),
                variance: None,
                cost_usd: MatrixView::new(1, models, &[0.0; 5]).unwrap(),
                known_cost: &[true; 5],
                eligible: &mask,
            };
            policy.choose(&choice, &mut out).unwrap();
            buffers.push((out[0].fallback.as_ptr(), out[0].reasons.as_ptr()));
            assert_eq!(out[0].fallback.len(), 4);
            assert_eq!(out[0].reasons.len(), 1);
        }
        assert_eq!(out[0].plan, Plan::One(0));
        assert_eq!(buffers[0], buffers[1]);
    }

    #[test]
    fn shapes_and_lambda_are_checked() {
        assert_eq!(UtilityPolicy::new(-1.0).unwrap_err().kind(), ErrorKind::Config);
        assert_eq!(UtilityPolicy::new(f64::NAN).unwrap_err().kind(), ErrorKind::Config);
        let mut mask = Eligibility::default();
        mask.reset(1, 1);
        let choice = Choice {
            quality: MatrixView::new(1, 1, &[0.5]).unwrap(),
            variance: None,
            cost_usd: MatrixView::new(1, 1, &[0.0]).unwrap(),
            known_cost: &[true],
            eligible: &mask,
        };
        let policy = UtilityPolicy::new(0.0).unwrap();
        assert_eq!(policy.choose(&choice, &mut []).unwrap_err().kind(), ErrorKind::Shape);
    }
}

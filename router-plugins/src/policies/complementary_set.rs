//! A set of models that complement each other, all asked at once: the highest expected best answer, less what they cost.
//!
//! For a mixture of agents, or wherever somebody picks or merges answers, the plan is a set S that maximizes
//!
//! ```text
//! E[best answer of S] - lambda * (sum of the costs of S),    at most `size` models
//! ```
//!
//! in the manner of RouteMoA (arXiv 2601.18130: a scorer picks complementary models before any of them runs). Models fail together on hard
//! prompts, so the chance that one of S answers is taken from a one-factor model of their joint outcomes, whose correlation is fitted to the training
//! outcomes given the cross-fitted estimates (`correlation` fixes it). The set is grown greedily: first the model of the highest quality - lambda * cost, then as long as
//! one gains more than lambda times its cost the one with the largest such surplus. The expected best answer is monotone and submodular in S, so that with
//! lambda 0 the greedy set reaches at least 1 - 1/e of the best (Nemhauser, Wolsey and Fisher, Mathematical Programming 14, 1978).
//!
//! Fitting costs O(n m) for each of ten correlations, and a cross-fit; a prompt O(m) evaluations of the normal distribution at nine nodes and O(`size` m).
//!
//! An evaluation scores a set by its best answer, what a perfect picker would get, at the sum of the costs.
//!
//! # When to choose it
//!
//! Where answers can be judged or merged after the fact and waiting for one after another, as `cascade` does, takes too long.
//!
//! # How it differs from the authors' method
//!
//! RouteMoA refines its scores by judging the answers of a first layer, and routes layer after layer; this is the choice before the call. Its top-k by score is the
//! case of lambda 0 here.

use router_core::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::policies::choice::{admit, shape, take_first, tell_constrained};
use crate::policies::evidence::Expected;
use crate::policies::joint::{Chances, Joint, NODES, failed_too, gained, mean};
use crate::policies::utility::Row;
use crate::ranges::out_of_range;

/// Parameters of the `complementary-set` policy; see the [module](self).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ComplementarySetConfig {
    /// Models of a set at most. Default 3.
    #[schemars(range(min = 1, max = 64))]
    pub size: usize,
    /// Quality given up for a US dollar saved: a model joins while its marginal gain is above this many times its cost. Default 0: the
    /// set is always full.
    #[schemars(range(min = 0.0, max = 1.0e12))]
    pub lambda: f64,
    /// How strongly models fail together beyond what their estimates say, from 0, not at all. Fitted to the training outcomes if left out,
    /// which is the default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 0.99))]
    pub correlation: Option<f64>,
}

impl Default for ComplementarySetConfig {
    fn default() -> Self {
        Self { size: 3, lambda: 0.0, correlation: None }
    }
}

impl PluginConfig for ComplementarySetConfig {
    const NAME: &'static str = "complementary-set";
    const SUMMARY: &'static str = "Several models at once, the highest expected best answer for their cost";
    const SOURCE: &'static str = "RouteMoA, arXiv 2601.18130; Nemhauser, Wolsey and Fisher (1978)";
    const COST: &'static str = "fit a cross-fit and O(n m) for each of ten correlations; O(size m) a prompt";
    const EXAMPLE: &'static str = "size = 2\nlambda = 0.5\n";
}

impl Policy for ComplementarySetConfig {
    type Fitted = ComplementarySetPolicy;

    fn needs_cross_fit(&self) -> bool {
        self.correlation.is_none()
    }

    fn fit(&self, evidence: &PolicyEvidence<'_>, cx: &FitContext) -> Result<ComplementarySetPolicy> {
        cx.check_cancelled()?;
        let joint = match self.correlation {
            Some(correlation) => Joint::new(correlation)?,
            None => {
                let expected = Expected::new(evidence)?;
                Joint::fit(evidence.set, |row| expected.quality(row))
            }
        };
        ComplementarySetPolicy::new(self.size, self.lambda, joint)
    }
}

router_core::register!(PolicyRole, ComplementarySetConfig);

/// The policy of complementary sets, ready.
#[derive(Debug, Clone, PartialEq)]
pub struct ComplementarySetPolicy {
    size: usize,
    lambda: f64,
    joint: Joint,
    reason: String,
}

impl ComplementarySetPolicy {
    fn new(size: usize, lambda: f64, joint: Joint) -> Result<Self> {
        if size == 0 {
            return out_of_range("size", &0, "at least 1");
        }
        if !lambda.is_finite() || lambda < 0.0 {
            return out_of_range("lambda", &lambda, "a finite number, at least 0");
        }
        let reason = format!("together the highest expected best answer - {lambda} * cost, of at most {size} models");
        Ok(Self { size, lambda, joint, reason })
    }

    /// How strongly models are taken to fail together.
    pub fn correlation(&self) -> f64 {
        self.joint.correlation()
    }

    /// Grows the set of `decision`, whose plan is its first model, from its fallback.
    fn grow(&self, row: &Row<'_>, first: usize, chances: &[Chances], decision: &mut Decision) {
        let of = |model: usize| chances.get(model).copied().unwrap_or([0.0; NODES]);
        let mut failed = failed_too(&[1.0; NODES], &of(first));
        let mut set = vec![first];
        while set.len() < self.size {
            let mut best: Option<(f64, usize)> = None;
            // In the order of the fallback, which settles ties.
            for &model in &decision.fallback {
                let surplus = mean(&gained(&failed, &of(model))) - self.lambda * f64::from(row.cost(model));
                if surplus > 0.0 && best.is_none_or(|(most, _)| surplus > most) {
                    best = Some((surplus, model));
                }
            }
            let Some((surplus, model)) = best else { break };
            decision.score += surplus as f32;
            failed = failed_too(&failed, &of(model));
            decision.fallback.retain(|&other| other != model);
            set.push(model);
        }
        decision.plan = Plan::Set(set);
    }
}

impl FittedPolicy for ComplementarySetPolicy {
    fn choose(&self, choice: &Choice<'_>, out: &mut [Decision]) -> Result<()> {
        let (_, models) = shape(choice, out)?;
        let mut chances: Vec<Chances> = Vec::with_capacity(models);
        for (at, decision) in out.iter_mut().enumerate() {
            decision.clear();
            let row = Row { quality: choice.quality.row(at), cost_usd: choice.cost_usd.row(at), lambda: self.lambda };
            let Some(wanted) = (0..models).min_by(|&a, &b| row.order(a, b)) else { continue };
            admit(decision, choice.eligible.row(at));
            let Some(first) = take_first(decision, |a, b| row.order(a, b)) else { continue };
            decision.score = row.utility(first) as f32;
            chances.clear();
            chances.extend(row.quality.iter().map(|&quality| self.joint.chances(quality)));
            self.grow(&row, first, &chances, decision);
            decision.reasons.push(Reason::Other { text: self.reason.clone() });
            tell_constrained(decision, wanted, first);
        }
        Ok(())
    }

    fn findings(&self, _pool: &ModelPool) -> Vec<String> {
        vec![format!("models fail together with a correlation of {:.1} beyond their estimates", self.correlation())]
    }
}

impl Persist for ComplementarySetPolicy {
    const FORMAT: &'static str = "complementary-set-policy";
    const VERSION: u32 = 1;

    fn save(&self, writer: &mut SlotWriter) -> Result<()> {
        writer.put_json("size", &self.size)?;
        writer.put_json("lambda", &self.lambda)?;
        writer.put_json("correlation", &self.joint.correlation())
    }

    fn load(reader: &SlotReader<'_>) -> Result<Self> {
        let joint = Joint::new(reader.get_json("correlation")?).map_err(|error| reader.corrupt(&error.to_string()))?;
        Self::new(reader.get_json("size")?, reader.get_json("lambda")?, joint)
            .map_err(|error| reader.corrupt(&error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use router_core::Eligibility;

    use super::*;

    fn decide(policy: &ComplementarySetPolicy, quality: &[f32], cost: &[f32]) -> Decision {
        let models = quality.len();
        let mut eligible = Eligibility::default();
        eligible.reset(1, models);
        let choice = Choice {
            quality: MatrixView::new(1, models, quality).unwrap(),
            variance: None,
            cost_usd: MatrixView::new(1, models, cost).unwrap(),
            known_cost: &vec![true; models],
            eligible: &eligible,
        };
        let mut out = [Decision::default()];
        policy.choose(&choice, &mut out).unwrap();
        let [decision] = out;
        decision
    }

    fn policy(size: usize, lambda: f64, correlation: f64) -> ComplementarySetPolicy {
        ComplementarySetPolicy::new(size, lambda, Joint::new(correlation).unwrap()).unwrap()
    }

    #[test]
    fn a_model_joins_while_it_gains_more_than_it_costs() {
        // Independent: the second adds 0.2 * 0.6 = 0.12, the third 0.2 * 0.4 * 0.5 = 0.04.
        let decide = |lambda| decide(&policy(3, lambda, 0.0), &[0.8, 0.5, 0.6], &[0.1, 0.1, 0.1]);
        let all = decide(0.0);
        assert_eq!(all.plan, Plan::Set(vec![0, 2, 1]));
        assert!((all.score - 0.96).abs() < 0.002, "{}", all.score);
        assert_eq!(decide(0.5).plan, Plan::Set(vec![0, 2]));
        let one = decide(2.0);
        assert_eq!((one.plan, one.fallback), (Plan::Set(vec![0]), vec![2, 1]));
    }

    #[test]
    fn models_that_fail_together_are_worth_less_together() {
        let at = |correlation| decide(&policy(2, 0.5, correlation), &[0.7, 0.7], &[0.2, 0.2]).plan.models().len();
        // 0.3 * 0.7 = 0.21 of gain for 0.1 of cost; failing together leaves less than that.
        assert_eq!((at(0.0), at(0.9)), (2, 1));
    }

    proptest! {
        /// The greedy set is within 1 - 1/e of the best of all sets of that size.
        #[test]
        fn greedy_is_good_enough(quality in prop::collection::vec(0.01f32..0.99, 6), correlation in 0.0f64..0.6) {
            let joint = Joint::new(correlation).unwrap();
            let value = |set: &[usize]| {
                let failed = set.iter().fold([1.0; NODES], |failed, &model| failed_too(&failed, &joint.chances(quality[model])));
                1.0 - mean(&failed)
            };
            let found = decide(&policy(3, 0.0, correlation), &quality, &[0.0; 6]);
            let mut best = 0.0f64;
            for a in 0..6 { for b in 0..a { for c in 0..b { best = best.max(value(&[a, b, c])); } } }
            prop_assert!(value(&found.plan.models()) >= (1.0 - 1.0 / std::f64::consts::E) * best - 1e-9);
            prop_assert!((f64::from(found.score) - value(&found.plan.models())).abs() < 0.02);
        }
    }

    #[test]
    fn wrong_parameters_are_told() {
        let joint = Joint::new(0.0).unwrap();
        assert_eq!(ComplementarySetPolicy::new(0, 0.0, joint).unwrap_err().field(), Some("size"));
        assert_eq!(ComplementarySetPolicy::new(1, -1.0, joint).unwrap_err().field(), Some("lambda"));
    }
}

//! The plug-in rule of CARROT: the least risk, a weighted mean of what an answer costs and of what it lacks in quality.
//!
//! Cost and quality of every pair are estimated apart, and a prompt goes to the model of the smallest
//!
//! ```text
//! mu * cost / unit + (1 - mu) * (1 - quality)
//! ```
//!
//! (Somerstep et al., CARROT, arXiv 2502.03261, section 2: plugged into the Bayes rule of this risk, estimates that converge at the minimax rate give a router that
//! does). `unit` is what the dearest model of known price cost on average in training, so that mu means the same whatever the pool: 0 asks for quality alone, and near 1
//! cost alone counts. Estimates of cost are those of the estimators where they have any, otherwise of the cost model.
//!
//! It orders models as the `utility` policy does with lambda = mu / ((1 - mu) unit), and decides through it. Fitting costs O(n m), a prompt O(m log m).
//!
//! # When to choose it
//!
//! To sweep the whole frontier from quality to cost by one number between 0 and 1, as the paper does; `utility` has the same choices in
//! dollars, `budget` finds the one that a budget buys.
//!
//! # How it differs from the authors' code
//!
//! CARROT fits a regression of quality and one of the number of tokens; here both are whatever estimators the router has.

use router_core::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::policies::utility::UtilityPolicy;
use crate::ranges::out_of_range;

/// Parameters of the `cost-quality-bayes` policy; see the [module](self).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CostQualityBayesConfig {
    /// mu, how much cost counts against quality: 0 not at all. Default 0.1.
    #[schemars(range(min = 0.0, max = 0.999))]
    pub cost_weight: f64,
}

impl Default for CostQualityBayesConfig {
    fn default() -> Self {
        Self { cost_weight: 0.1 }
    }
}

impl PluginConfig for CostQualityBayesConfig {
    const NAME: &'static str = "cost-quality-bayes";
    const SUMMARY: &'static str = "The least risk, a weighted mean of cost and of what is lacking in quality";
    const SOURCE: &'static str = "Somerstep et al., CARROT, arXiv 2502.03261";
    const COST: &'static str = "fit O(n m); O(m log m) a prompt";
    const EXAMPLE: &'static str = "cost_weight = 0.3\n";
}

impl Policy for CostQualityBayesConfig {
    type Fitted = CostQualityBayesPolicy;

    fn fit(&self, evidence: &PolicyEvidence<'_>, _cx: &FitContext) -> Result<CostQualityBayesPolicy> {
        if !(0.0..=0.999).contains(&self.cost_weight) {
            return out_of_range("cost_weight", &self.cost_weight, "0 to 0.999");
        }
        let costs = evidence.cost_usd;
        let mean = |model: usize| {
            (0..costs.rows()).map(|row| f64::from(costs.get(row, model))).sum::<f64>() / costs.rows().max(1) as f64
        };
        let known = (0..costs.cols()).filter(|&model| evidence.known_cost.get(model) == Some(&true));
        let unit = known.map(mean).fold(0.0, f64::max);
        // Without any cost there is nothing to weigh.
        let lambda = if unit > 0.0 { self.cost_weight / ((1.0 - self.cost_weight) * unit) } else { 0.0 };
        Ok(CostQualityBayesPolicy { utility: UtilityPolicy::new(lambda)? })
    }
}

router_core::register!(PolicyRole, CostQualityBayesConfig);

/// The rule, ready: the `utility` policy under the lambda of the same order.
#[derive(Debug, Clone, PartialEq)]
pub struct CostQualityBayesPolicy {
    utility: UtilityPolicy,
}

impl CostQualityBayesPolicy {
    /// Quality given up for a US dollar saved.
    pub fn lambda(&self) -> f64 {
        self.utility.lambda()
    }
}

impl FittedPolicy for CostQualityBayesPolicy {
    fn choose(&self, choice: &Choice<'_>, out: &mut [Decision]) -> Result<()> {
        self.utility.choose(choice, out)
    }
}

impl Persist for CostQualityBayesPolicy {
    const FORMAT: &'static str = "cost-quality-bayes-policy";
    const VERSION: u32 = 1;

    fn save(&self, writer: &mut SlotWriter) -> Result<()> {
        writer.put_json("lambda", &self.lambda())
    }

    fn load(reader: &SlotReader<'_>) -> Result<Self> {
        let utility =
            UtilityPolicy::new(reader.get_json("lambda")?).map_err(|error| reader.corrupt(&error.to_string()))?;
        Ok(Self { utility })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use router_core::{Eligibility, Model};

    use super::*;

    proptest! {
        /// No model has a smaller risk, written down from the paper, than the chosen one.
        #[test]
        fn the_chosen_model_has_the_least_risk(
            quality in prop::collection::vec(0.0f32..1.0, 20),
            cost in prop::collection::vec(0.001f32..0.1, 4),
            mu in 0.0f64..0.999,
        ) {
            let pool = ModelPool::new((0..4).map(|m| Model::new(format!("m{m}"))).collect()).unwrap();
            let prompts = (0..5).map(|i| Prompt::new(format!("p{i}"), "x")).collect();
            let outcomes = Outcomes::from_rows(4, vec![vec![Outcome::new(0, 1.0)]; 5]).unwrap();
            let dataset = Arc::new(Dataset::new("d", prompts, pool, outcomes).unwrap());
            let set = TrainingSet::new(dataset, Arc::new(Matrix::zeros(5, 1))).unwrap();
            let costs = Matrix::from_vec(5, 4, cost.repeat(5)).unwrap();
            let known = [true, true, true, false];
            let evidence = PolicyEvidence { set: &set, cross_fitted: None, cost_usd: costs.view(), known_cost: &known };
            let policy = Policy::fit(&CostQualityBayesConfig { cost_weight: mu }, &evidence, &FitContext::new(1)).unwrap();
            let quality = Matrix::from_vec(5, 4, quality).unwrap();
            let mut eligible = Eligibility::default();
            eligible.reset(5, 4);
            let choice =
                Choice { quality: quality.view(), variance: None, cost_usd: costs.view(), known_cost: &known, eligible: &eligible };
            let mut out = vec![Decision::default(); 5];
            policy.choose(&choice, &mut out).unwrap();
            let unit = cost[..3].iter().copied().fold(0.0, f32::max);
            for (row, decision) in out.iter().enumerate() {
                let risk = |model: usize| {
                    mu * f64::from(cost[model] / unit) + (1.0 - mu) * (1.0 - f64::from(quality.get(row, model)))
                };
                let least = (0..4).map(risk).fold(f64::INFINITY, f64::min);
                prop_assert!(risk(decision.model().unwrap()) <= least + 1e-6);
            }
        }
    }

    #[test]
    fn a_weight_out_of_range_is_told() {
        let pool = ModelPool::new(vec![Model::new("a")]).unwrap();
        let outcomes = Outcomes::from_rows(1, vec![vec![Outcome::new(0, 1.0)]]).unwrap();
        let dataset = Arc::new(Dataset::new("d", vec![Prompt::new("p", "x")], pool, outcomes).unwrap());
        let set = TrainingSet::new(dataset, Arc::new(Matrix::zeros(1, 1))).unwrap();
        let costs = Matrix::zeros(1, 1);
        let evidence = PolicyEvidence { set: &set, cross_fitted: None, cost_usd: costs.view(), known_cost: &[false] };
        let error =
            Policy::fit(&CostQualityBayesConfig { cost_weight: 1.0 }, &evidence, &FitContext::new(1)).unwrap_err();
        assert_eq!((error.kind(), error.field()), (ErrorKind::Config, Some("cost_weight")));
    }
}

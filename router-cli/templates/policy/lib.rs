#![doc = include_str!("../README.md")]

use router_core::prelude::*;
use router_core::registry::config::check;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parameters of the policy `my-idea`. It learns nothing, so that the type is the policy before
/// and after fitting.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MyIdeaConfig {
    /// Standard deviations that are taken off an estimate that is unsure. Default 1.
    // The range is declared once: configurations, `router schema` and the docs read it here.
    #[schemars(range(min = 0.0, max = 100.0))]
    pub caution: f32,
    /// Quality given up for a US dollar saved. Default 0.
    #[schemars(range(min = 0.0, max = 1.0e9))]
    pub lambda: f32,
}

impl Default for MyIdeaConfig {
    fn default() -> Self {
        Self {
            caution: 1.0,
            lambda: 0.0,
        }
    }
}

impl PluginConfig for MyIdeaConfig {
    const NAME: &'static str = "my-idea";
    const SUMMARY: &'static str =
        "The best lower confidence bound of quality, less lambda times cost";
    const SOURCE: &'static str = "the pessimism principle: Jin, Yang and Wang, Is Pessimism Provably Efficient for Offline RL?, ICML 2021";
    const COST: &'static str = "nothing to fit; O(m log m) a prompt";
    const EXAMPLE: &'static str = "caution = 2.0\nlambda = 0.5\n";
}

register!(PolicyRole, MyIdeaConfig);

impl Policy for MyIdeaConfig {
    type Fitted = Self;

    // A policy that learns a threshold says so in `needs_cross_fit`, and finds estimates of prompts
    // that no part had seen in `evidence.cross_fitted`, the outcomes in `evidence.set`.
    fn fit(&self, _evidence: &PolicyEvidence<'_>, _cx: &FitContext) -> Result<Self> {
        check(self)?;
        Ok(self.clone())
    }
}

impl MyIdeaConfig {
    /// YOUR IDEA GOES HERE. This one believes an estimate as far as it is sure of it.
    fn worth(&self, choice: &Choice<'_>, row: usize, model: ModelIndex) -> f32 {
        let deviation = choice
            .variance
            .map_or(0.0, |variance| variance.get(row, model).max(0.0).sqrt());
        choice.quality.get(row, model)
            - self.caution * deviation
            - self.lambda * choice.cost_usd.get(row, model)
    }
}

impl FittedPolicy for MyIdeaConfig {
    fn choose(&self, choice: &Choice<'_>, out: &mut [Decision]) -> Result<()> {
        let (requests, models) = (choice.quality.rows(), choice.quality.cols());
        if out.len() != requests {
            return Err(Error::shape("decisions", requests, out.len()));
        }
        for (row, decision) in out.iter_mut().enumerate() {
            decision.clear();
            // Constraints are resolved already: a policy cannot forget one.
            decision
                .fallback
                .extend((0..models).filter(|&model| choice.eligible.row(row)[model]));
            // Better first; ties go to the cheaper model, then to the first.
            decision.fallback.sort_by(|&a, &b| {
                let (worth, cost) = (
                    |model| self.worth(choice, row, model),
                    choice.cost_usd.row(row),
                );
                worth(b)
                    .total_cmp(&worth(a))
                    .then(cost[a].total_cmp(&cost[b]))
                    .then(a.cmp(&b))
            });
            if decision.fallback.is_empty() {
                continue;
            }
            let model = decision.fallback.remove(0);
            decision.plan = Plan::One(model);
            decision.score = self.worth(choice, row, model);
            let lambda = f64::from(self.lambda);
            decision.reasons.push(Reason::HighestUtility { lambda });
            if choice.variance.is_some() && self.caution > 0.0 {
                let text = format!(
                    "{} standard deviations are taken off every estimate",
                    self.caution
                );
                decision.reasons.push(Reason::Other { text });
            }
        }
        Ok(())
    }

    // Nothing was learned about the pool, so that a model may join it without training.
    fn with_model(&self, _newcomer: &Newcomer<'_>) -> Result<Box<dyn StoredPolicy>> {
        Ok(Box::new(self.clone()))
    }
}

impl Persist for MyIdeaConfig {
    const FORMAT: &'static str = "my-idea";
    // Count it up when the layout changes, and read older versions by `reader.version()`.
    const VERSION: u32 = 1;

    fn save(&self, writer: &mut SlotWriter) -> Result<()> {
        writer.put_json("parameters", self)
    }

    fn load(reader: &SlotReader<'_>) -> Result<Self> {
        let config: Self = reader.get_json("parameters")?;
        // The file may be hostile.
        check(&config).map_err(|error| reader.corrupt(&error.to_string()))?;
        Ok(config)
    }
}

//! The cheapest model that is good enough.
//!
//! A model is good enough if its expected quality is at most `tolerance` below the best expected quality of an eligible model, or
//! reaches `floor`. The first is the quality constraint of IPR (arXiv 2509.06274), whose tolerance tau a user sets; here it is in
//! units of quality, so that the same tolerance means the same on every prompt. The cheapest good enough model is chosen (ties to
//! the higher quality, then to the lowest index); the other good enough ones follow as fallback by rising cost, then the rest by
//! falling quality. A model of unknown price costs as much as the dearest of known price. Learns nothing; O(m log m) a prompt.
//!
//! Choose it where quality is promised and cost is what may vary; `utility` trades one for the other, `budget` promises the cost.

use std::cmp::Ordering;

use router_core::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::policies::choice::{admit, shape, take_first, tell_constrained};

/// Parameters of the `cheapest-above` policy; see the [module](self).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CheapestAboveConfig {
    /// How far below the best a model's expected quality may be, in units of quality. Default 0.02; 0 is the best quality at the
    /// lowest cost, 1 the cheapest model.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub tolerance: f64,
    /// An expected quality that is good enough however good the best is. None if left out, which is the default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub floor: Option<f64>,
}

impl Default for CheapestAboveConfig {
    fn default() -> Self {
        Self { tolerance: 0.02, floor: None }
    }
}

impl PluginConfig for CheapestAboveConfig {
    const NAME: &'static str = "cheapest-above";
    const SUMMARY: &'static str = "The cheapest model within a tolerance of the best quality, or above a floor";
    const SOURCE: &'static str = "Feng et al., IPR, arXiv 2509.06274";
    const EXAMPLE: &'static str = "tolerance = 0.05\nfloor = 0.9\n";
}

impl Policy for CheapestAboveConfig {
    type Fitted = CheapestAbovePolicy;

    fn fit(&self, _evidence: &PolicyEvidence<'_>, _cx: &FitContext) -> Result<CheapestAbovePolicy> {
        CheapestAbovePolicy::new(self.clone())
    }
}

router_core::register!(PolicyRole, CheapestAboveConfig);

/// The cheapest-above policy, ready.
#[derive(Debug, Clone, PartialEq)]
pub struct CheapestAbovePolicy {
    config: CheapestAboveConfig,
    /// What decisions give as their reason.
    reason: String,
}

impl CheapestAbovePolicy {
    /// A policy of these parameters.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for a tolerance or floor outside [0, 1].
    pub fn new(config: CheapestAboveConfig) -> Result<Self> {
        for (field, value) in [("tolerance", config.tolerance), ("floor", config.floor.unwrap_or(0.0))] {
            if !(0.0..=1.0).contains(&value) {
                return Err(Error::new(ErrorKind::Config, format!("{value} is out of range"))
                    .at_field(field)
                    .help("allowed: at least 0 and at most 1"));
            }
        }
        let reason = match config.floor {
            None => format!("the cheapest within {} of the best expected quality", config.tolerance),
            Some(floor) => {
                format!("the cheapest within {} of the best expected quality or of at least {floor}", config.tolerance)
            }
        };
        Ok(Self { config, reason })
    }
}

/// One prompt's models as this policy sees them.
#[derive(Clone, Copy)]
struct Row<'a> {
    quality: &'a [f32],
    cost_usd: &'a [f32],
    /// The lowest quality that is good enough.
    enough: f64,
}

impl<'a> Row<'a> {
    /// Sees the models `among`.
    fn of(
        config: &CheapestAboveConfig,
        quality: &'a [f32],
        cost_usd: &'a [f32],
        among: impl Iterator<Item = ModelIndex>,
    ) -> Self {
        let best = among
            .filter_map(|model| quality.get(model))
            .fold(f64::NEG_INFINITY, |best, &quality| best.max(f64::from(quality)));
        let enough = (best - config.tolerance).min(config.floor.unwrap_or(f64::INFINITY));
        Self { quality, cost_usd, enough }
    }

    fn quality(&self, model: ModelIndex) -> f32 {
        // Adding zero makes -0 a 0, which total order would tell apart.
        self.quality.get(model).copied().unwrap_or(0.0) + 0.0
    }

    fn cost(&self, model: ModelIndex) -> f32 {
        self.cost_usd.get(model).copied().unwrap_or(0.0) + 0.0
    }

    /// Better first: the good enough by rising cost, then the rest by falling quality; ties to the better in the other, then to
    /// the lowest index.
    fn order(&self, a: ModelIndex, b: ModelIndex) -> Ordering {
        let enough = |model| f64::from(self.quality(model)) >= self.enough;
        let by_quality = self.quality(b).total_cmp(&self.quality(a));
        let by_cost = self.cost(a).total_cmp(&self.cost(b));
        enough(b)
            .cmp(&enough(a))
            .then(if enough(a) { by_cost.then(by_quality) } else { by_quality.then(by_cost) })
            .then(a.cmp(&b))
    }
}

impl FittedPolicy for CheapestAbovePolicy {
    fn choose(&self, choice: &Choice<'_>, out: &mut [Decision]) -> Result<()> {
        let (_, models) = shape(choice, out)?;
        for (at, decision) in out.iter_mut().enumerate() {
            decision.clear();
            let (quality, cost_usd) = (choice.quality.row(at), choice.cost_usd.row(at));
            let all = Row::of(&self.config, quality, cost_usd, 0..models);
            let Some(wanted) = (0..models).min_by(|&a, &b| all.order(a, b)) else { continue };
            admit(decision, choice.eligible.row(at));
            let row = Row::of(&self.config, quality, cost_usd, decision.fallback.iter().copied());
            let Some(chosen) = take_first(decision, |a, b| row.order(a, b)) else { continue };
            decision.score = row.quality(chosen);
            decision.reasons.push(Reason::Other { text: self.reason.clone() });
            tell_constrained(decision, wanted, chosen);
        }
        Ok(())
    }
}

impl Persist for CheapestAbovePolicy {
    const FORMAT: &'static str = "cheapest-above-policy";
    const VERSION: u32 = 1;

    fn save(&self, writer: &mut SlotWriter) -> Result<()> {
        writer.put_json("parameters", &self.config)
    }

    fn load(reader: &SlotReader<'_>) -> Result<Self> {
        Self::new(reader.get_json("parameters")?).map_err(|error| reader.corrupt(&error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use router_core::Eligibility;

    use super::*;

    fn decide(tolerance: f64, floor: Option<f64>, quality: &[f32], cost: &[f32], eligible: &[bool]) -> Decision {
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
        let policy = CheapestAbovePolicy::new(CheapestAboveConfig { tolerance, floor }).unwrap();
        policy.choose(&choice, &mut out).unwrap();
        let [decision] = out;
        decision
    }

    const QUALITY: [f32; 4] = [0.5, 0.9, 0.875, 0.75];
    const COST: [f32; 4] = [1.0, 8.0, 4.0, 2.0];

    #[test]
    fn the_cheapest_within_the_tolerance_wins_and_the_rest_follow() {
        let chosen = |tolerance, floor| {
            let decision = decide(tolerance, floor, &QUALITY, &COST, &[true; 4]);
            (decision.model().unwrap(), decision.fallback)
        };
        assert_eq!(chosen(0.0, None), (1, vec![2, 3, 0]));
        assert_eq!(chosen(0.05, None), (2, vec![1, 3, 0]));
        assert_eq!(chosen(0.2, None), (3, vec![2, 1, 0]));
        assert_eq!(chosen(1.0, None), (0, vec![3, 2, 1]));
        // A floor of 0.75 admits model 3 too; one of 0.95 that none reaches changes nothing.
        assert_eq!(chosen(0.0, Some(0.75)), (3, vec![2, 1, 0]));
        assert_eq!(chosen(0.0, Some(0.95)), (1, vec![2, 3, 0]));
    }

    #[test]
    fn the_best_is_the_best_of_the_eligible() {
        let decision = decide(0.15, None, &QUALITY, &COST, &[true, false, true, false]);
        assert_eq!((decision.plan, decision.fallback, decision.score), (Plan::One(2), vec![0], 0.875));
        // Of all models, 3 would have been the cheapest within 0.15 of 0.9.
        assert_eq!(decision.reasons[1], Reason::Constrained { instead_of: 3 });
        assert_eq!(decide(0.1, None, &QUALITY, &COST, &[false; 4]), Decision::default());
    }

    #[test]
    fn parameters_out_of_range_are_refused() {
        for (tolerance, floor, field) in
            [(-0.1, None, "tolerance"), (f64::NAN, None, "tolerance"), (0.1, Some(1.5), "floor")]
        {
            let error = CheapestAbovePolicy::new(CheapestAboveConfig { tolerance, floor }).unwrap_err();
            assert_eq!((error.kind(), error.field()), (ErrorKind::Config, Some(field)));
        }
    }
}

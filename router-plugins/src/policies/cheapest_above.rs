//! The cheapest model that is good enough.
//!
//! A model is good enough if its expected quality is at most `tolerance` below the best expected quality of an eligible model, or
//! reaches `floor`. The first is the quality constraint of IPR (arXiv 2509.06274), whose tolerance tau a user sets; here it is in
//! units of quality, so that the same tolerance means the same on every prompt. The cheapest good enough model is chosen (ties to
//! the higher quality, then to the lowest index); the other good enough ones follow as fallback by rising cost, then the rest by
//! falling quality. A model of unknown price costs as much as the dearest of known price.
//!
//! With `confidence`, it is not the expected quality that has to reach `floor` but a lower bound of the answer's quality, which
//! holds with that probability for a model whatever its estimates are worth: conformal prediction on cross-fitted residuals, by model
//! and by where the estimate lies. Where outcomes are 0 or 1 that asks for a model nine of ten of whose answers are right at such
//! estimates (at 0.9), not for an expected quality of 0.9 that may be wishful. A set too small to be split promises nothing: then
//! `tolerance` alone decides. The promise is one for each model by itself; that the *cheapest* of several bounds is the one used makes it a
//! little weaker.
//!
//! Learns nothing without `confidence`; with it, costs a cross-fit and O(outcomes log outcomes). O(m log m) a prompt.
//!
//! Choose it where quality is promised and cost is what may vary; `utility` trades one for the other, `budget` promises the cost.

use std::cmp::Ordering;

use router_core::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::policies::choice::{admit, shape, take_first, tell_constrained};
use crate::policies::conformal::LowerBounds;
use crate::ranges::out_of_range;

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
    /// The probability with which an answer must reach the floor; needs `floor`. None if left out, which is the default: then the
    /// expected quality must.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.5, max = 0.999))]
    pub confidence: Option<f64>,
}

impl Default for CheapestAboveConfig {
    fn default() -> Self {
        Self { tolerance: 0.02, floor: None, confidence: None }
    }
}

impl PluginConfig for CheapestAboveConfig {
    const NAME: &'static str = "cheapest-above";
    const SUMMARY: &'static str = "The cheapest model within a tolerance of the best quality, or above a floor";
    const SOURCE: &'static str = "Feng et al., IPR, arXiv 2509.06274";
    const COST: &'static str =
        "nothing to fit, with `confidence` a cross-fit and O(outcomes log outcomes); O(m log m) a prompt";
    const EXAMPLE: &'static str = "tolerance = 0.05\nfloor = 0.9\n";

    fn prepare(&mut self, _registry: &Registry) -> Result<()> {
        self.check()
    }
}

impl CheapestAboveConfig {
    fn check(&self) -> Result<()> {
        let within = [
            ("tolerance", self.tolerance, 0.0, 1.0),
            ("floor", self.floor.unwrap_or(0.0), 0.0, 1.0),
            ("confidence", self.confidence.unwrap_or(0.5), 0.5, 0.999),
        ];
        for (field, value, least, most) in within {
            if !(least..=most).contains(&value) {
                return out_of_range(field, &value, &format!("at least {least} and at most {most}"));
            }
        }
        if self.confidence.is_some() && self.floor.is_none() {
            return Err(Error::new(ErrorKind::Config, "there is no floor to be confident of")
                .at_field("confidence")
                .help("give `floor` too, or leave `confidence` out"));
        }
        Ok(())
    }
}

impl Policy for CheapestAboveConfig {
    type Fitted = CheapestAbovePolicy;

    fn needs_cross_fit(&self) -> bool {
        self.confidence.is_some()
    }

    fn fit(&self, evidence: &PolicyEvidence<'_>, _cx: &FitContext) -> Result<CheapestAbovePolicy> {
        self.check()?;
        let (n, m) = (evidence.set.len(), evidence.set.models().len());
        let bounds = match (self.confidence, evidence.cross_fitted.map(|estimates| estimates.quality)) {
            (None, _) => None,
            (Some(_), None) => Some(LowerBounds::none(m)),
            (Some(_), Some(quality)) if (quality.rows(), quality.cols()) != (n, m) => {
                let found = format!("{} x {}", quality.rows(), quality.cols());
                return Err(Error::shape("cross-fitted estimates", format!("{n} x {m}"), found));
            }
            (Some(confidence), Some(quality)) => Some(LowerBounds::fit(evidence.set.outcomes(), quality, confidence)),
        };
        CheapestAbovePolicy::new(self.clone(), bounds)
    }
}

router_core::register!(PolicyRole, CheapestAboveConfig);

/// The cheapest-above policy, ready.
#[derive(Debug, Clone, PartialEq)]
pub struct CheapestAbovePolicy {
    config: CheapestAboveConfig,
    /// Lower bounds of an answer's quality, where the floor is one of those.
    bounds: Option<LowerBounds>,
    /// What decisions give as their reason.
    reason: String,
}

impl CheapestAbovePolicy {
    /// A policy of these parameters, with lower bounds if and only if they name a confidence.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for a parameter out of range, or a confidence without a floor.
    fn new(config: CheapestAboveConfig, bounds: Option<LowerBounds>) -> Result<Self> {
        config.check()?;
        bounds.as_ref().map_or(Ok(()), LowerBounds::check)?;
        if bounds.is_some() != config.confidence.is_some() {
            return Err(Error::new(ErrorKind::Config, "lower bounds belong to a confidence").at_field("confidence"));
        }
        let within = format!("the cheapest within {} of the best expected quality", config.tolerance);
        let reason = match (config.floor, config.confidence) {
            (None, _) => within,
            (Some(floor), None) => format!("{within} or of at least {floor}"),
            (Some(floor), Some(confidence)) => format!("{within} or of at least {floor} with probability {confidence}"),
        };
        Ok(Self { config, bounds, reason })
    }

    /// The quality that an answer of `model` reaches with the configured confidence if `estimate` is expected, in [0, 1]; `None`
    /// without a confidence.
    pub fn lower_bound(&self, model: ModelIndex, estimate: f32) -> Option<f64> {
        self.bounds.as_ref().map(|bounds| bounds.bound(model, f64::from(estimate)))
    }
}

/// One prompt's models as this policy sees them.
#[derive(Clone, Copy)]
struct Row<'a> {
    policy: &'a CheapestAbovePolicy,
    quality: &'a [f32],
    cost_usd: &'a [f32],
    /// The lowest expected quality that is within the tolerance.
    within: f64,
}

impl<'a> Row<'a> {
    /// Sees the models `among`.
    fn of(
        policy: &'a CheapestAbovePolicy,
        quality: &'a [f32],
        cost_usd: &'a [f32],
        among: impl Iterator<Item = ModelIndex>,
    ) -> Self {
        let best = among
            .filter_map(|model| quality.get(model))
            .fold(f64::NEG_INFINITY, |best, &quality| best.max(f64::from(quality)));
        Self { policy, quality, cost_usd, within: best - policy.config.tolerance }
    }

    fn is_enough(&self, model: ModelIndex) -> bool {
        let quality = self.quality(model);
        let sure = self.policy.lower_bound(model, quality).unwrap_or(f64::from(quality));
        f64::from(quality) >= self.within || self.policy.config.floor.is_some_and(|floor| sure >= floor)
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
        let (first, second) = (self.is_enough(a), self.is_enough(b));
        let by_quality = self.quality(b).total_cmp(&self.quality(a));
        let by_cost = self.cost(a).total_cmp(&self.cost(b));
        second.cmp(&first).then(if first { by_cost.then(by_quality) } else { by_quality.then(by_cost) }).then(a.cmp(&b))
    }
}

impl FittedPolicy for CheapestAbovePolicy {
    fn choose(&self, choice: &Choice<'_>, out: &mut [Decision]) -> Result<()> {
        let (_, models) = shape(choice, out)?;
        if let Some(bounds) = self.bounds.as_ref().filter(|bounds| bounds.models() != models) {
            return Err(Error::shape("models to choose among", bounds.models(), models));
        }
        for (at, decision) in out.iter_mut().enumerate() {
            decision.clear();
            let (quality, cost_usd) = (choice.quality.row(at), choice.cost_usd.row(at));
            let all = Row::of(self, quality, cost_usd, 0..models);
            let Some(wanted) = (0..models).min_by(|&a, &b| all.order(a, b)) else { continue };
            admit(decision, choice.eligible.row(at));
            let row = Row::of(self, quality, cost_usd, decision.fallback.iter().copied());
            let Some(chosen) = take_first(decision, |a, b| row.order(a, b)) else { continue };
            decision.score = row.quality(chosen);
            decision.reasons.push(Reason::Other { text: self.reason.clone() });
            tell_constrained(decision, wanted, chosen);
        }
        Ok(())
    }

    /// Nothing is promised of the newcomer where the floor is one of confidence.
    fn with_model(&self, _: &Newcomer<'_>) -> Result<Box<dyn StoredPolicy>> {
        let bounds = self.bounds.clone().map(LowerBounds::with_model);
        Ok(Box::new(Self { bounds, ..self.clone() }))
    }

    fn findings(&self, _pool: &ModelPool) -> Vec<String> {
        let told = self.bounds.iter().map(|bounds| {
            let share = 100.0 * bounds.promising();
            format!("lower bounds of quality: outcomes enough for a promise in {share:.0}% of the bins of models and estimates")
        });
        told.collect()
    }
}

impl Persist for CheapestAbovePolicy {
    const FORMAT: &'static str = "cheapest-above-policy";
    const VERSION: u32 = 2;

    fn save(&self, writer: &mut SlotWriter) -> Result<()> {
        writer.put_json("parameters", &self.config)?;
        writer.put_json("bounds", &self.bounds)
    }

    fn load(reader: &SlotReader<'_>) -> Result<Self> {
        // Version 1 had no confidence.
        let bounds = if reader.version() < 2 { None } else { reader.get_json("bounds")? };
        Self::new(reader.get_json("parameters")?, bounds).map_err(|error| reader.corrupt(&error.to_string()))
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
        let policy =
            CheapestAbovePolicy::new(CheapestAboveConfig { tolerance, floor, confidence: None }, None).unwrap();
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
            let error = CheapestAboveConfig { tolerance, floor, confidence: None }.check().unwrap_err();
            assert_eq!((error.kind(), error.field()), (ErrorKind::Config, Some(field)));
        }
    }

    /// 400 prompts and three models: the estimates of model 1 are worth nothing, those of model 2, the cheapest, are right: nearly sure
    /// on every other prompt, useless elsewhere.
    fn evidence() -> (TrainingSet, Matrix, Matrix) {
        let mut quality = Matrix::zeros(400, 3);
        let rows = (0..400).map(|row| {
            let sure = row % 2 == 0;
            quality.row_mut(row).copy_from_slice(&[0.95, 0.9, if sure { 0.85 } else { 0.3 }]);
            let right = [row % 20 != 0, row % 3 == 0, if sure { row % 40 != 0 } else { row % 3 == 0 }];
            right.iter().enumerate().map(|(model, &right)| Outcome::new(model, f32::from(u8::from(right)))).collect()
        });
        let rows = rows.collect();
        let pool = ModelPool::new(["a", "b", "c"].map(router_core::Model::new).to_vec()).unwrap();
        let prompts = (0..400).map(|row| Prompt::new(format!("p{row}"), "x")).collect();
        let dataset = Dataset::new("d", prompts, pool, Outcomes::from_rows(3, rows).unwrap()).unwrap();
        let set = TrainingSet::new(std::sync::Arc::new(dataset), std::sync::Arc::new(Matrix::zeros(400, 1))).unwrap();
        let cost = Matrix::from_vec(400, 3, [3.0, 2.0, 1.0].repeat(400)).unwrap();
        (set, quality, cost)
    }

    fn fit(config: &CheapestAboveConfig, cross_fitted: bool) -> CheapestAbovePolicy {
        let (set, quality, cost) = evidence();
        let estimates = EstimatesView { quality: quality.view(), variance: None, cost_usd: None };
        let evidence = PolicyEvidence {
            set: &set,
            cross_fitted: cross_fitted.then_some(estimates),
            cost_usd: cost.view(),
            known_cost: &[true; 3],
        };
        config.fit(&evidence, &FitContext::new(0)).unwrap()
    }

    fn chosen(policy: &CheapestAbovePolicy, quality: &[f32; 3]) -> ModelIndex {
        let mut mask = Eligibility::default();
        mask.reset(1, 3);
        let choice = Choice {
            quality: MatrixView::new(1, 3, quality).unwrap(),
            variance: None,
            cost_usd: MatrixView::new(1, 3, &[3.0, 2.0, 1.0]).unwrap(),
            known_cost: &[true; 3],
            eligible: &mask,
        };
        let mut out = [Decision::default()];
        policy.choose(&choice, &mut out).unwrap();
        out[0].model().unwrap()
    }

    #[test]
    fn with_confidence_the_floor_is_one_that_outcomes_reach() {
        let config = CheapestAboveConfig { tolerance: 0.0, floor: Some(0.8), confidence: Some(0.9) };
        assert!(config.needs_cross_fit() && !CheapestAboveConfig::default().needs_cross_fit());
        let (expected, sure) = (CheapestAboveConfig { confidence: None, ..config.clone() }, fit(&config, true));
        // Model 1 promises 0.9 and keeps a third of it: by expectation it is enough, by its record it is not.
        assert_eq!(chosen(&fit(&expected, true), &[0.95, 0.9, 0.3]), 1);
        assert_eq!(chosen(&sure, &[0.95, 0.9, 0.3]), 0);
        assert_eq!(sure.lower_bound(1, 0.9), Some(0.0));
        // Where model 2 is sure it is, though it expects less than model 1.
        assert_eq!(chosen(&sure, &[0.95, 0.9, 0.85]), 2);
        assert!((sure.lower_bound(2, 0.85).unwrap() - 1.0).abs() < 1e-6);
        assert!(sure.findings(evidence().0.models())[0].contains("100%"), "{:?}", sure.findings(evidence().0.models()));
        // Without residuals nothing is promised, and the best expected quality is chosen.
        assert_eq!(chosen(&fit(&config, false), &[0.95, 0.9, 0.85]), 0);
    }

    #[test]
    fn a_confidence_needs_a_floor_and_bounds() {
        let config = CheapestAboveConfig { floor: None, confidence: Some(0.9), ..CheapestAboveConfig::default() };
        assert_eq!(config.check().unwrap_err().field(), Some("confidence"));
        let out_of_range = CheapestAboveConfig { floor: Some(0.5), confidence: Some(0.3), ..config };
        assert_eq!(out_of_range.check().unwrap_err().field(), Some("confidence"));
        let config = CheapestAboveConfig { floor: Some(0.5), confidence: Some(0.9), ..CheapestAboveConfig::default() };
        assert!(CheapestAbovePolicy::new(config, None).is_err());
    }
}

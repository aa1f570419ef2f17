//! A cascade: one model after another, until an answer is good enough for what the next one would cost.
//!
//! A plan is an ordered sequence with a threshold a step; whoever serves it scores every answer in [0, 1] and stops at the first score that
//! reaches the threshold, keeping the best-scored answer (FrugalGPT, arXiv 2305.05176). With q_t the chance that step t answers where all
//! before it failed, and r_t the chance that step t is reached at all, a sequence is worth
//!
//! ```text
//! sum over its steps of r_t * (q_t - lambda * cost_t)
//! ```
//!
//! Both chances come from a one-factor model of joint outcomes, since models fail together on hard prompts; its correlation is fitted to the training
//! outcomes given the cross-fitted estimates (`correlation` fixes it). Among independent models the best order is by falling q / cost, whatever lambda is (an exchange of
//! neighbors shows it); in that order the sequence is grown from the model of the highest quality - lambda * cost, by the model that adds the most wherever it
//! comes to stand, up to `steps` models, while one adds anything. An answer of score s is worth going on from while
//! (1 - s) q_next > lambda * cost_next, the optimal stopping of one step ahead (Dekoninck et al., arXiv 2410.10347, section 3), so that step t stops at
//!
//! ```text
//! accept_at = 1 - lambda * cost_next / q_next
//! ```
//!
//! With `budget_usd`, lambda is the smallest at which the training prompts cost no more than that on average, along the path that their outcomes
//! take (an outcome that is missing by its chance); found by bisection.
//!
//! Fitting costs O(n m) for each of ten correlations and, with a budget, 60 times the choice on all training prompts, and a cross-fit. A prompt costs O(`steps`^3 m).
//!
//! An evaluation plays the scorer with the outcomes themselves, a perfect one: it pays for every step on the path, and scores the best answer on it. A scorer that errs
//! stops too early or too late, and gets less.
//!
//! # When to choose it
//!
//! Where answers can be scored (tests, a verifier, a reward model) and a second call may be waited for.
//!
//! # How it differs from the papers
//!
//! FrugalGPT has one list and one set of thresholds for all prompts, chosen by search; here each prompt has its own. Cascade routing of arXiv 2410.10347 chooses
//! again after every answer with estimates that have read it; a plan is made before the first call.

use router_core::CascadeStep;
use router_core::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::policies::choice::{admit, shape, tell_constrained};
use crate::policies::evidence::Expected;
use crate::policies::joint::{Chances, Joint, NODES, failed_too, gained, mean};
use crate::policies::utility::Row;
use crate::ranges::out_of_range;

/// Halvings of the interval that lambda is searched in.
const BISECTIONS: usize = 60;
/// What a step must add at least: less is rounding.
const LEAST: f64 = 1e-9;

/// Parameters of the `cascade` policy; see the [module](self).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CascadeConfig {
    /// Models of a sequence at most. Default 3.
    #[schemars(range(min = 1, max = 16))]
    pub steps: usize,
    /// Quality given up for a US dollar saved. Default 0: going on until an answer is perfect.
    #[schemars(range(min = 0.0, max = 1.0e12))]
    pub lambda: f64,
    /// US dollars that a prompt may cost on average; lambda is then chosen, and must be left out. None if left out, which is the default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1.0e6))]
    pub budget_usd: Option<f64>,
    /// How strongly models fail together beyond what their estimates say, from 0, not at all. Fitted to the training outcomes if left out,
    /// which is the default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 0.99))]
    pub correlation: Option<f64>,
}

impl Default for CascadeConfig {
    fn default() -> Self {
        Self { steps: 3, lambda: 0.0, budget_usd: None, correlation: None }
    }
}

impl PluginConfig for CascadeConfig {
    const NAME: &'static str = "cascade";
    const SUMMARY: &'static str = "One model after another until an answer is good enough for what the next would cost";
    const SOURCE: &'static str = "FrugalGPT, arXiv 2305.05176; cascade routing, arXiv 2410.10347";
    const COST: &'static str = "fit a cross-fit and O(n m) for each of ten correlations, with a budget 60 choices of all prompts more; O(steps^3 m) a prompt";
    const EXAMPLE: &'static str = "steps = 2\nbudget_usd = 0.002\n";
}

impl Policy for CascadeConfig {
    type Fitted = CascadePolicy;

    fn needs_cross_fit(&self) -> bool {
        self.correlation.is_none() || self.budget_usd.is_some()
    }

    fn fit(&self, evidence: &PolicyEvidence<'_>, cx: &FitContext) -> Result<CascadePolicy> {
        cx.check_cancelled()?;
        if self.budget_usd.is_some() && self.lambda != 0.0 {
            return Err(Error::new(ErrorKind::Config, "a budget chooses lambda")
                .at_field("lambda")
                .help("leave `lambda` or `budget_usd` out"));
        }
        if let Some(budget) = self.budget_usd
            && !(budget.is_finite() && budget >= 0.0)
        {
            return out_of_range("budget_usd", &budget, "a finite number, at least 0");
        }
        let expected = Expected::new(evidence)?;
        let joint = match self.correlation {
            Some(correlation) => Joint::new(correlation)?,
            None => Joint::fit(evidence.set, |row| expected.quality(row)),
        };
        let policy = CascadePolicy::new(self.steps, self.lambda, joint)?;
        match self.budget_usd {
            Some(budget) => policy.within(budget, evidence.set, &expected, cx),
            None => Ok(policy),
        }
    }
}

router_core::register!(PolicyRole, CascadeConfig);

/// The cascade, ready.
#[derive(Debug, Clone, PartialEq)]
pub struct CascadePolicy {
    steps: usize,
    lambda: f64,
    joint: Joint,
    reason: String,
}

/// Buffers of a batch.
#[derive(Default)]
struct Scratch {
    chances: Vec<Chances>,
    sequence: Vec<usize>,
    trial: Vec<usize>,
}

/// One prompt's models, with their chances.
struct Models<'a> {
    row: Row<'a>,
    chances: &'a [Chances],
}

impl Models<'_> {
    fn chances(&self, model: usize) -> Chances {
        self.chances.get(model).copied().unwrap_or([0.0; NODES])
    }

    fn cost(&self, model: usize) -> f64 {
        f64::from(self.row.cost(model))
    }

    /// What a sequence is worth.
    fn value(&self, sequence: &[usize]) -> f64 {
        let mut failed = [1.0; NODES];
        let mut value = 0.0;
        for &model in sequence {
            let chances = self.chances(model);
            value += mean(&gained(&failed, &chances)) - self.row.lambda * self.cost(model) * mean(&failed);
            failed = failed_too(&failed, &chances);
        }
        value
    }

    /// Whether model `a` stands before model `b`: more quality for a dollar first, then more quality, then the lower index.
    fn before(&self, a: usize, b: usize) -> bool {
        let quality = |model: usize| f64::from(self.row.quality.get(model).copied().unwrap_or(0.0)).max(1e-3);
        let (of_a, of_b) = (self.cost(a) * quality(b), self.cost(b) * quality(a));
        of_a.total_cmp(&of_b).then(quality(b).total_cmp(&quality(a))).then(a.cmp(&b)).is_lt()
    }

    /// Grows the sequence of `scratch` from the models of `eligible`, the first of which is the best by itself, and returns its worth.
    fn grow(&self, eligible: &[usize], steps: usize, sequence: &mut Vec<usize>, trial: &mut Vec<usize>) -> f64 {
        sequence.clear();
        sequence.extend(eligible.first());
        let mut value = self.value(sequence);
        while sequence.len() < steps {
            let mut best: Option<(f64, usize, usize)> = None;
            for &model in eligible {
                if sequence.contains(&model) {
                    continue;
                }
                let place = sequence.iter().position(|&other| self.before(model, other)).unwrap_or(sequence.len());
                trial.clone_from(sequence);
                trial.insert(place, model);
                let with = self.value(trial);
                if with > value + LEAST && best.is_none_or(|(most, ..)| with > most) {
                    best = Some((with, place, model));
                }
            }
            let Some((with, place, model)) = best else { break };
            sequence.insert(place, model);
            value = with;
        }
        value
    }

    /// The score at which every step of `sequence` stops, by its chances of answering where those before failed. The last stops at any.
    fn thresholds(&self, sequence: &[usize], mut each: impl FnMut(usize, f64)) {
        let mut failed = [1.0; NODES];
        let mut steps = sequence.iter().peekable();
        while let Some(&model) = steps.next() {
            failed = failed_too(&failed, &self.chances(model));
            let accept_at = steps.peek().map_or(0.0, |&&next| {
                let answers = mean(&gained(&failed, &self.chances(next))) / mean(&failed).max(1e-12);
                (1.0 - self.row.lambda * self.cost(next) / answers.max(1e-12)).clamp(0.0, 1.0)
            });
            each(model, accept_at);
        }
    }
}

impl CascadePolicy {
    fn new(steps: usize, lambda: f64, joint: Joint) -> Result<Self> {
        if steps == 0 {
            return out_of_range("steps", &0, "at least 1");
        }
        if !lambda.is_finite() || lambda < 0.0 {
            return out_of_range("lambda", &lambda, "a finite number, at least 0");
        }
        let reason = format!("the sequence of at most {steps} models of the highest expected answer - {lambda} * cost");
        Ok(Self { steps, lambda, joint, reason })
    }

    /// Quality given up for a US dollar saved.
    pub fn lambda(&self) -> f64 {
        self.lambda
    }

    /// How strongly models are taken to fail together.
    pub fn correlation(&self) -> f64 {
        self.joint.correlation()
    }

    /// The same policy under the smallest lambda that meets `budget` on the training prompts.
    fn within(&self, budget: f64, set: &TrainingSet, expected: &Expected<'_>, cx: &FitContext) -> Result<Self> {
        let at = |lambda: f64| Self::new(self.steps, lambda, self.joint);
        if self.path_cost(set, expected) <= budget {
            return Ok(self.clone());
        }
        // A dollar is worth so much that every prompt takes its cheapest model once.
        let dearest = (0..set.len()).flat_map(|row| expected.cost(row)).copied().fold(0.0f32, f32::max);
        let (mut low, mut high) = (-12.0f64, 12.0 - f64::from(dearest.max(1e-12)).log10());
        for _ in 0..BISECTIONS {
            cx.check_cancelled()?;
            let middle = f64::midpoint(low, high);
            if at(10f64.powf(middle))?.path_cost(set, expected) <= budget { high = middle } else { low = middle }
        }
        at(10f64.powf(high))
    }

    /// What the training prompts cost on average along the paths that their outcomes take.
    fn path_cost(&self, set: &TrainingSet, expected: &Expected<'_>) -> f64 {
        let mut scratch = Scratch::default();
        let mut order = Vec::new();
        let total: f64 = (0..set.len())
            .map(|row| {
                let of = Row { quality: expected.quality(row), cost_usd: expected.cost(row), lambda: self.lambda };
                order.clear();
                order.extend(0..of.quality.len());
                order.sort_unstable_by(|&a, &b| of.order(a, b));
                self.plan(of, &order, &mut scratch);
                let models = Models { row: of, chances: &scratch.chances };
                let (mut cost, mut reached) = (0.0, 1.0f64);
                models.thresholds(&scratch.sequence, |model, accept_at| {
                    cost += reached * models.cost(model);
                    reached *= match set.outcomes().get(row, model) {
                        Some(seen) if f64::from(seen.quality) >= accept_at => 0.0,
                        Some(_) => 1.0,
                        None => 1.0 - f64::from(of.quality.get(model).copied().unwrap_or(0.0)).clamp(0.0, 1.0),
                    };
                });
                cost
            })
            .sum();
        total / set.len() as f64
    }

    /// The best sequence of the models `eligible`, which come in their order of utility, in `scratch`; and its worth.
    fn plan(&self, row: Row<'_>, eligible: &[usize], scratch: &mut Scratch) -> f64 {
        let Scratch { chances, sequence, trial } = scratch;
        chances.clear();
        chances.extend(row.quality.iter().map(|&quality| self.joint.chances(quality)));
        Models { row, chances }.grow(eligible, self.steps, sequence, trial)
    }
}

impl FittedPolicy for CascadePolicy {
    fn choose(&self, choice: &Choice<'_>, out: &mut [Decision]) -> Result<()> {
        let (_, models) = shape(choice, out)?;
        let mut scratch = Scratch::default();
        for (at, decision) in out.iter_mut().enumerate() {
            decision.clear();
            let row = Row { quality: choice.quality.row(at), cost_usd: choice.cost_usd.row(at), lambda: self.lambda };
            let Some(wanted) = (0..models).min_by(|&a, &b| row.order(a, b)) else { continue };
            admit(decision, choice.eligible.row(at));
            decision.fallback.sort_unstable_by(|&a, &b| row.order(a, b));
            let Some(&best) = decision.fallback.first() else { continue };
            decision.score = self.plan(row, &decision.fallback, &mut scratch) as f32;
            let mut steps = Vec::with_capacity(scratch.sequence.len());
            Models { row, chances: &scratch.chances }.thresholds(&scratch.sequence, |model, accept_at| {
                steps.push(CascadeStep { model, accept_at: accept_at as f32 });
            });
            decision.fallback.retain(|model| !scratch.sequence.contains(model));
            decision.plan = Plan::Cascade(steps);
            decision.reasons.push(Reason::Other { text: self.reason.clone() });
            tell_constrained(decision, wanted, best);
        }
        Ok(())
    }

    fn findings(&self, _pool: &ModelPool) -> Vec<String> {
        vec![format!(
            "a dollar is worth {:.3} of quality; models fail together with a correlation of {:.1} beyond their estimates",
            self.lambda,
            self.correlation()
        )]
    }
}

impl Persist for CascadePolicy {
    const FORMAT: &'static str = "cascade-policy";
    const VERSION: u32 = 1;

    fn save(&self, writer: &mut SlotWriter) -> Result<()> {
        writer.put_json("steps", &self.steps)?;
        writer.put_json("lambda", &self.lambda)?;
        writer.put_json("correlation", &self.joint.correlation())
    }

    fn load(reader: &SlotReader<'_>) -> Result<Self> {
        let joint = Joint::new(reader.get_json("correlation")?).map_err(|error| reader.corrupt(&error.to_string()))?;
        Self::new(reader.get_json("steps")?, reader.get_json("lambda")?, joint)
            .map_err(|error| reader.corrupt(&error.to_string()))
    }
}

#[cfg(test)]
mod tests;

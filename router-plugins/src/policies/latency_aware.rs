//! Quality against waiting: the highest utility quality - lambda * cost - penalty * seconds, within a limit of seconds.
//!
//! A call of a model takes `seconds.MODEL` of this configuration; where that is not given, what the model pool knows (`models.json`):
//! `latency_seconds` until the first token, and the output tokens that the model is expected to write over
//! `output_tokens_per_second`. Those tokens are the model's mean over the training outcomes that counted them, the mean over all models
//! where the model has none, and `output_tokens` where nobody counted. A model about which nothing is known is as slow as the slowest
//! of the others, so that missing knowledge is never a bargain; where nothing is known of any, all take no time.
//!
//! With `limit_seconds`, models that take longer are chosen only where no eligible model is fast enough: then the fastest. The fallback
//! names the fast enough models by falling utility, then the others from the fastest on. Ties go to the cheaper model, then to the
//! lowest index. Fitting reads the outcomes once; a decision costs O(m log m).
//!
//! Choose it where somebody waits for the answer: a chat wants a penalty, a caller with a time-out a limit. It is `utility` with
//! one term more.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use router_core::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::policies::choice::{admit, shape, take_first, tell_constrained};
use crate::ranges::out_of_range;

/// Parameters of the `latency-aware` policy; see the [module](self).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LatencyAwareConfig {
    /// Quality given up for a second saved. Default 0.01: ten seconds are worth ten points of quality in a hundred.
    #[schemars(range(min = 0.0, max = 1.0e6))]
    pub penalty: f64,
    /// Seconds that a call may take. No limit if left out, which is the default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1.0e6))]
    pub limit_seconds: Option<f64>,
    /// Quality given up for a US dollar saved, as in `utility`. Default 0.
    #[schemars(range(min = 0.0, max = 1.0e12))]
    pub lambda: f64,
    /// Seconds that a whole call takes, by the name of the model: overrides what the model pool says. Default: none.
    pub seconds: BTreeMap<String, f64>,
    /// Output tokens of a call where no training outcome counted any. Default 500.
    #[schemars(range(min = 0.0, max = 1.0e6))]
    pub output_tokens: f64,
}

impl Default for LatencyAwareConfig {
    fn default() -> Self {
        Self { penalty: 0.01, limit_seconds: None, lambda: 0.0, seconds: BTreeMap::new(), output_tokens: 500.0 }
    }
}

impl PluginConfig for LatencyAwareConfig {
    const NAME: &'static str = "latency-aware";
    const SUMMARY: &'static str = "The highest quality - lambda * cost - penalty * seconds, within a limit of seconds";
    const SOURCE: &'static str = "this project";
    const COST: &'static str = "fit O(outcomes); O(m log m) a prompt";
    const EXAMPLE: &'static str = "penalty = 0.02\nlimit_seconds = 10.0\n";

    fn prepare(&mut self, _registry: &Registry) -> Result<()> {
        self.check()
    }
}

impl LatencyAwareConfig {
    fn check(&self) -> Result<()> {
        let allowed = "a finite number, at least 0";
        for (field, value) in [
            ("penalty", self.penalty),
            ("limit_seconds", self.limit_seconds.unwrap_or(0.0)),
            ("lambda", self.lambda),
            ("output_tokens", self.output_tokens),
        ] {
            if !value.is_finite() || value < 0.0 {
                return out_of_range(field, &value, allowed);
            }
        }
        for (model, &value) in &self.seconds {
            if !value.is_finite() || value < 0.0 {
                return out_of_range(&format!("seconds.{model}"), &value, allowed);
            }
        }
        Ok(())
    }

    /// The seconds of a call of every model of `set`, and whether anything is known of any.
    fn expected_seconds(&self, set: &TrainingSet) -> Result<(Vec<f64>, bool)> {
        let pool = set.dataset().models();
        for name in self.seconds.keys() {
            pool.index_of(name).map_err(|error| error.at_field(format!("seconds.{name}")))?;
        }
        let tokens = self.expected_tokens(set.outcomes(), set.len());
        let known: Vec<Option<f64>> = pool
            .models()
            .iter()
            .zip(tokens)
            .map(|(model, tokens)| {
                let given = self.seconds.get(&model.name).copied();
                let writing = model.output_tokens_per_second.map(|rate| tokens / rate);
                given.or(match (model.latency_seconds, writing) {
                    (None, None) => None,
                    (first, writing) => Some(first.unwrap_or(0.0) + writing.unwrap_or(0.0)),
                })
            })
            .collect();
        let slowest = known.iter().copied().flatten().fold(0.0, f64::max);
        let any = known.iter().any(Option::is_some);
        Ok((known.into_iter().map(|seconds| seconds.unwrap_or(slowest)).collect(), any))
    }

    /// The output tokens expected of every model.
    fn expected_tokens(&self, outcomes: &Outcomes, prompts: usize) -> Vec<f64> {
        let mut sums = vec![(0.0f64, 0.0f64); outcomes.models()];
        for row in 0..prompts {
            for outcome in outcomes.row(row) {
                if let (Some(tokens), Some(sum)) = (outcome.output_tokens, sums.get_mut(outcome.model)) {
                    sum.0 += f64::from(outcome.weight) * f64::from(tokens);
                    sum.1 += f64::from(outcome.weight);
                }
            }
        }
        let (total, weight) = sums.iter().fold((0.0, 0.0), |all, sum| (all.0 + sum.0, all.1 + sum.1));
        let of_all = if weight > 0.0 { total / weight } else { self.output_tokens };
        sums.into_iter().map(|(total, weight)| if weight > 0.0 { total / weight } else { of_all }).collect()
    }
}

impl Policy for LatencyAwareConfig {
    type Fitted = LatencyAwarePolicy;

    fn fit(&self, evidence: &PolicyEvidence<'_>, _cx: &FitContext) -> Result<LatencyAwarePolicy> {
        self.check()?;
        let (seconds, known) = self.expected_seconds(evidence.set)?;
        LatencyAwarePolicy::new(Learned {
            penalty: self.penalty,
            limit_seconds: self.limit_seconds,
            lambda: self.lambda,
            seconds,
            known,
        })
    }
}

router_core::register!(PolicyRole, LatencyAwareConfig);

/// What a fitted policy knows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Learned {
    penalty: f64,
    limit_seconds: Option<f64>,
    lambda: f64,
    /// One a model.
    seconds: Vec<f64>,
    /// Whether anything is known of any model's latency.
    known: bool,
}

/// The latency-aware policy, ready.
#[derive(Debug, Clone, PartialEq)]
pub struct LatencyAwarePolicy {
    learned: Learned,
    /// What decisions give as their reason.
    reason: String,
    /// What they give where no eligible model is fast enough.
    too_slow: String,
}

impl LatencyAwarePolicy {
    fn new(learned: Learned) -> Result<Self> {
        let Learned { penalty, limit_seconds, lambda, seconds, known } = &learned;
        let sound = |value: &f64| value.is_finite() && *value >= 0.0;
        let limit = limit_seconds.unwrap_or(0.0);
        if ![*penalty, limit, *lambda].iter().chain(seconds).all(sound) {
            return Err(Error::new(
                ErrorKind::Config,
                "a penalty, limit or latency is not a finite number of at least 0",
            ));
        }
        let of_cost = if *lambda > 0.0 { format!(" - {lambda} * cost") } else { String::new() };
        let within = limit_seconds.map_or_else(String::new, |limit| format!(" within {limit} s"));
        let unknown = if *known { "" } else { "; no model's latency is known" };
        let reason = format!("the highest quality{of_cost} - {penalty} * seconds{within}{unknown}");
        let too_slow = format!("no eligible model is expected within {limit} s: the fastest");
        Ok(Self { learned, reason, too_slow })
    }

    /// The seconds that a call of every model is expected to take.
    pub fn seconds(&self) -> &[f64] {
        &self.learned.seconds
    }
}

/// One prompt's models as this policy sees them.
#[derive(Clone, Copy)]
struct Row<'a> {
    learned: &'a Learned,
    quality: &'a [f32],
    cost_usd: &'a [f32],
}

impl Row<'_> {
    fn seconds(&self, model: ModelIndex) -> f64 {
        self.learned.seconds.get(model).copied().unwrap_or(0.0)
    }

    fn cost(&self, model: ModelIndex) -> f32 {
        // Adding zero makes -0 a 0, which total order would tell apart.
        self.cost_usd.get(model).copied().unwrap_or(0.0) + 0.0
    }

    fn utility(&self, model: ModelIndex) -> f64 {
        let quality = f64::from(self.quality.get(model).copied().unwrap_or(0.0));
        quality - self.learned.lambda * f64::from(self.cost(model)) - self.learned.penalty * self.seconds(model) + 0.0
    }

    fn in_time(&self, model: ModelIndex) -> bool {
        self.learned.limit_seconds.is_none_or(|limit| self.seconds(model) <= limit)
    }

    /// Better first: those in time by falling utility, then the rest by rising latency; ties to the higher utility, then to the
    /// cheaper, then to the lowest index.
    fn order(&self, a: ModelIndex, b: ModelIndex) -> Ordering {
        let by_time = if self.in_time(a) { Ordering::Equal } else { self.seconds(a).total_cmp(&self.seconds(b)) };
        (self.in_time(b).cmp(&self.in_time(a)))
            .then(by_time)
            .then_with(|| self.utility(b).total_cmp(&self.utility(a)))
            .then_with(|| self.cost(a).total_cmp(&self.cost(b)))
            .then_with(|| a.cmp(&b))
    }
}

impl FittedPolicy for LatencyAwarePolicy {
    fn choose(&self, choice: &Choice<'_>, out: &mut [Decision]) -> Result<()> {
        let (_, models) = shape(choice, out)?;
        if models != self.learned.seconds.len() {
            return Err(Error::shape("models of the latency-aware policy", self.learned.seconds.len(), models));
        }
        for (at, decision) in out.iter_mut().enumerate() {
            decision.clear();
            let row =
                Row { learned: &self.learned, quality: choice.quality.row(at), cost_usd: choice.cost_usd.row(at) };
            let Some(wanted) = (0..models).min_by(|&a, &b| row.order(a, b)) else { continue };
            admit(decision, choice.eligible.row(at));
            let Some(chosen) = take_first(decision, |a, b| row.order(a, b)) else { continue };
            decision.score = row.utility(chosen) as f32;
            let text = if row.in_time(chosen) { &self.reason } else { &self.too_slow };
            decision.reasons.push(Reason::Other { text: text.clone() });
            tell_constrained(decision, wanted, chosen);
        }
        Ok(())
    }

    /// The newcomer takes what its entry in the pool says and its answers' length; the slowest model's time if that is nothing.
    fn with_model(&self, newcomer: &Newcomer<'_>) -> Result<Box<dyn StoredPolicy>> {
        let model = newcomer.model;
        let writing = newcomer.output_tokens.zip(model.output_tokens_per_second).map(|(tokens, rate)| tokens / rate);
        let slowest = self.learned.seconds.iter().copied().fold(0.0, f64::max);
        let seconds = match (model.latency_seconds, writing) {
            (None, None) => slowest,
            (first, writing) => first.unwrap_or(0.0) + writing.unwrap_or(0.0),
        };
        let mut learned = self.learned.clone();
        learned.seconds.push(seconds);
        Ok(Box::new(Self::new(learned)?))
    }
}

impl Persist for LatencyAwarePolicy {
    const FORMAT: &'static str = "latency-aware-policy";
    const VERSION: u32 = 1;

    fn save(&self, writer: &mut SlotWriter) -> Result<()> {
        writer.put_json("learned", &self.learned)
    }

    fn load(reader: &SlotReader<'_>) -> Result<Self> {
        Self::new(reader.get_json("learned")?).map_err(|error| reader.corrupt(&error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use router_core::{Eligibility, Model};

    use super::*;

    /// Five models: all known, only the first token, only the rate, nothing, and overridden by the configuration.
    fn pool() -> Vec<Model> {
        let model = |name: &str, first: Option<f64>, rate: Option<f64>| Model {
            latency_seconds: first,
            output_tokens_per_second: rate,
            ..Model::new(name)
        };
        vec![
            model("both", Some(0.5), Some(100.0)),
            model("first", Some(2.0), None),
            model("rate", None, Some(50.0)),
            model("unknown", None, None),
            model("given", Some(99.0), Some(1.0)),
        ]
    }

    fn fit(config: &LatencyAwareConfig, pool: Vec<Model>, tokens: &[(usize, u32)]) -> Result<LatencyAwarePolicy> {
        let m = pool.len();
        let outcomes = |tokens: &[(usize, u32)]| {
            let count =
                |&(model, tokens): &(usize, u32)| Outcome { output_tokens: Some(tokens), ..Outcome::new(model, 1.0) };
            if tokens.is_empty() { vec![Outcome::new(0, 1.0)] } else { tokens.iter().map(count).collect() }
        };
        let rows = Outcomes::from_rows(m, vec![outcomes(tokens)]).unwrap();
        let pool = ModelPool::new(pool).unwrap();
        let dataset = Arc::new(Dataset::new("d", vec![Prompt::new("p", "x")], pool, rows).unwrap());
        let set = TrainingSet::new(dataset, Arc::new(Matrix::zeros(1, 1))).unwrap();
        let costs = Matrix::zeros(1, m);
        let evidence =
            PolicyEvidence { set: &set, cross_fitted: None, cost_usd: costs.view(), known_cost: &vec![false; m] };
        config.fit(&evidence, &FitContext::new(0))
    }

    fn decide(policy: &LatencyAwarePolicy, quality: &[f32], cost: &[f32], eligible: &[bool]) -> Decision {
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
        policy.choose(&choice, &mut out).unwrap();
        let [decision] = out;
        decision
    }

    fn of(penalty: f64, limit_seconds: Option<f64>, seconds: &[f64]) -> LatencyAwarePolicy {
        let learned = Learned { penalty, limit_seconds, lambda: 0.0, seconds: seconds.to_vec(), known: true };
        LatencyAwarePolicy::new(learned).unwrap()
    }

    #[test]
    fn seconds_come_from_the_configuration_the_pool_and_the_tokens() {
        let config =
            LatencyAwareConfig { seconds: [("given".to_owned(), 1.5)].into(), ..LatencyAwareConfig::default() };
        // 300 tokens of the first model; the third has none of its own and takes the mean over all.
        let counted = fit(&config, pool(), &[(0, 300), (1, 100)]).unwrap();
        assert_eq!(counted.seconds(), [3.5, 2.0, 4.0, 4.0, 1.5]);
        let nominal = fit(&config, pool(), &[]).unwrap();
        assert_eq!(nominal.seconds(), [5.5, 2.0, 10.0, 10.0, 1.5]);
        let nothing = fit(&LatencyAwareConfig::default(), vec![Model::new("a"), Model::new("b")], &[]).unwrap();
        assert_eq!(nothing.seconds(), [0.0, 0.0]);
        let decision = decide(&nothing, &[0.5, 0.6], &[0.0; 2], &[true; 2]);
        assert_eq!(decision.plan, Plan::One(1));
        assert!(format!("{:?}", decision.reasons).contains("no model's latency is known"));
    }

    #[test]
    fn the_penalty_weighs_waiting() {
        let decision = decide(&of(0.05, None, &[1.0, 8.0, 4.0]), &[0.5, 0.9, 0.8], &[0.0; 3], &[true; 3]);
        // Utilities 0.45, 0.5, 0.6.
        assert_eq!((decision.plan, decision.fallback), (Plan::One(2), vec![1, 0]));
        assert!((decision.score - 0.6).abs() < 1e-6);
        let free = decide(&of(0.0, None, &[1.0, 8.0, 4.0]), &[0.5, 0.9, 0.8], &[0.0; 3], &[true; 3]);
        assert_eq!((free.plan, free.fallback), (Plan::One(1), vec![2, 0]));
    }

    #[test]
    fn the_limit_is_hard_while_anything_is_fast_enough() {
        let policy = of(0.0, Some(4.0), &[1.0, 8.0, 4.0, 6.0]);
        let quality = [0.5, 0.9, 0.4, 0.8];
        let decision = decide(&policy, &quality, &[0.0; 4], &[true; 4]);
        assert_eq!((decision.plan, decision.fallback), (Plan::One(0), vec![2, 3, 1]));
        let slow = decide(&policy, &quality, &[0.0; 4], &[false, true, false, true]);
        assert_eq!((slow.plan, slow.fallback), (Plan::One(3), vec![1]));
        assert!(format!("{:?}", slow.reasons[0]).contains("no eligible model is expected within 4 s"));
        assert_eq!(slow.reasons[1], Reason::Constrained { instead_of: 0 });
        assert_eq!(decide(&policy, &quality, &[0.0; 4], &[false; 4]), Decision::default());
    }

    #[test]
    fn what_is_wrong_is_named() {
        let unknown =
            LatencyAwareConfig { seconds: [("nobody".to_owned(), 1.0)].into(), ..LatencyAwareConfig::default() };
        let error = fit(&unknown, pool(), &[]).unwrap_err();
        assert_eq!((error.kind(), error.field()), (ErrorKind::UnknownModel, Some("seconds.nobody")));
        for (config, field) in [
            (LatencyAwareConfig { penalty: f64::NAN, ..LatencyAwareConfig::default() }, "penalty"),
            (LatencyAwareConfig { limit_seconds: Some(-1.0), ..LatencyAwareConfig::default() }, "limit_seconds"),
            (
                LatencyAwareConfig { seconds: [("given".to_owned(), -1.0)].into(), ..LatencyAwareConfig::default() },
                "seconds.given",
            ),
        ] {
            let error = fit(&config, pool(), &[]).unwrap_err();
            assert_eq!((error.kind(), error.field()), (ErrorKind::Config, Some(field)));
        }
        let policy = of(0.0, None, &[1.0]);
        let mut mask = Eligibility::default();
        mask.reset(1, 2);
        let choice = Choice {
            quality: MatrixView::new(1, 2, &[0.5; 2]).unwrap(),
            variance: None,
            cost_usd: MatrixView::new(1, 2, &[0.0; 2]).unwrap(),
            known_cost: &[true; 2],
            eligible: &mask,
        };
        assert_eq!(policy.choose(&choice, &mut [Decision::default()]).unwrap_err().kind(), ErrorKind::Shape);
    }
}

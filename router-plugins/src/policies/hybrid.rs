//! A strong and a weak model: the weak one where it will probably do as well.
//!
//! With H(x) = quality(weak) - quality(strong) of a prompt, its label is 1 if H >= -t: the weak model is at most t worse. HybridLLM (Ding et al., arXiv 2404.14618)
//! learns the chance of that label and sends the prompt to the weak model where the chance reaches a threshold; the relaxation t is the one that makes labels differ the
//! most from each other on average (section 3.3, equation 3: "transformed" labels, for pairs of which one model is nearly always the better), which is that of a
//! share of ones nearest to a half.
//!
//! Here the chance is a logistic function of the difference of both estimates, fitted to the labels of the training prompts by their cross-fitted estimates. The threshold is the
//! smallest at which sending prompts to the weak model costs at most `tolerance` of the quality of always asking the strong one, on the training prompts (section 4.4 of the paper
//! chooses it so, on a calibration set).
//!
//! `strong` is the best single model of the training data unless named, `weak` the cheapest of known cost on average. Where one of them is not eligible the
//! other is asked; where neither is, the model of the highest expected quality.
//!
//! Fitting costs a cross-fit and O(n log n), a prompt O(m log m).
//!
//! # When to choose it
//!
//! For a pair of models; to compare with the many papers that route between two. `budget` and `cheapest-above` have the whole pool to choose from.
//!
//! # How it differs from the authors' code
//!
//! HybridLLM trains an encoder on the labels; here any estimator gives the estimates, and only their map to the label is learned. t is one of the differences seen.

use std::cmp::Ordering;

use router_core::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::platt::{self, Platt};
use crate::policies::choice::{admit, shape, take_first, tell_constrained};
use crate::policies::evidence::Expected;
use crate::policies::utility::Row;
use crate::ranges::out_of_range;

/// Parameters of the `hybrid` policy; see the [module](self).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HybridConfig {
    /// The strong model, by name. The best single model of the training data if left out, which is the default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strong: Option<String>,
    /// The weak model, by name. The cheapest on average if left out, which is the default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weak: Option<String>,
    /// How much of the strong model's mean quality may be lost. Default 0.01, a point in a hundred.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub tolerance: f64,
}

impl Default for HybridConfig {
    fn default() -> Self {
        Self { strong: None, weak: None, tolerance: 0.01 }
    }
}

impl PluginConfig for HybridConfig {
    const NAME: &'static str = "hybrid";
    const SUMMARY: &'static str = "A weak model where it will probably do as well as a strong one";
    const SOURCE: &'static str = "Ding et al., HybridLLM, arXiv 2404.14618";
    const COST: &'static str = "fit a cross-fit and O(n log n); O(m log m) a prompt";
    const EXAMPLE: &'static str = "tolerance = 0.02\n";
}

/// A training prompt on which both models were seen.
#[derive(Debug, Clone, Copy)]
struct Seen {
    /// Estimated quality of the weak model less that of the strong one.
    margin: f32,
    /// The same of the outcomes.
    difference: f32,
    weight: f32,
}

impl Policy for HybridConfig {
    type Fitted = HybridPolicy;

    fn needs_cross_fit(&self) -> bool {
        true
    }

    fn fit(&self, evidence: &PolicyEvidence<'_>, cx: &FitContext) -> Result<HybridPolicy> {
        cx.check_cancelled()?;
        if !(0.0..=1.0).contains(&self.tolerance) {
            return out_of_range("tolerance", &self.tolerance, "0 to 1");
        }
        let set = evidence.set;
        let expected = Expected::new(evidence)?;
        let named = |name: &Option<String>, field: &str, otherwise: &dyn Fn() -> ModelIndex| match name {
            Some(name) => set.models().index_of(name).map_err(|error| error.at_field(field)),
            None => Ok(otherwise()),
        };
        let strong = named(&self.strong, "strong", &|| set.outcomes().best_single())?;
        let weak = named(&self.weak, "weak", &|| cheapest(evidence, &expected, strong))?;
        let of = |row: &[f32], model: ModelIndex| row.get(model).copied().unwrap_or(0.0);
        let seen: Vec<Seen> = (0..set.len())
            .filter_map(|row| {
                let (of_weak, of_strong) = (set.outcomes().get(row, weak)?, set.outcomes().get(row, strong)?);
                let quality = expected.quality(row);
                Some(Seen {
                    margin: of(quality, weak) - of(quality, strong),
                    difference: of_weak.quality - of_strong.quality,
                    weight: 0.5 * (of_weak.weight + of_strong.weight),
                })
            })
            .collect();
        let relaxation = relaxation(&seen);
        let labels: Vec<(f32, f32, f32)> = seen
            .iter()
            .map(|seen| (seen.margin, f32::from(u8::from(seen.difference >= -relaxation)), seen.weight))
            .collect();
        let map = platt::fit(&labels, 0.5);
        HybridPolicy::new(strong, weak, least_margin(&seen, self.tolerance), map)
    }
}

router_core::register!(PolicyRole, HybridConfig);

/// The model of the lowest expected cost on average among those of known cost, `strong` left out where there is another; ties to the lowest
/// index.
fn cheapest(evidence: &PolicyEvidence<'_>, expected: &Expected<'_>, strong: ModelIndex) -> ModelIndex {
    let n = evidence.set.len();
    let mean =
        |model: usize| (0..n).filter_map(|row| expected.cost(row).get(model)).map(|&c| f64::from(c)).sum::<f64>();
    let known = evidence.known_cost.iter().enumerate().filter(|&(model, &known)| known && model != strong);
    let mut best: Option<(f64, usize)> = None;
    for (model, _) in known {
        let cost = mean(model);
        if best.is_none_or(|(least, _)| cost < least) {
            best = Some((cost, model));
        }
    }
    // Without costs, any other model.
    let any = (0..evidence.set.models().len()).find(|&model| model != strong);
    best.map(|(_, model)| model).or(any).unwrap_or(strong)
}

/// The t >= 0, 0 or one of the losses seen, under which the share of prompts with difference >= -t comes nearest to a half; ties to the smallest.
fn relaxation(seen: &[Seen]) -> f32 {
    let total: f64 = seen.iter().map(|seen| f64::from(seen.weight)).sum();
    let mut losses: Vec<f32> = seen.iter().map(|seen| (-seen.difference).max(0.0)).collect();
    losses.push(0.0);
    losses.sort_unstable_by(f32::total_cmp);
    losses.dedup();
    let mut best = (0.0f32, f64::INFINITY);
    for loss in losses {
        let within =
            seen.iter().filter(|seen| seen.difference >= -loss).map(|seen| f64::from(seen.weight)).sum::<f64>();
        let off = (within / total - 0.5).abs();
        if off < best.1 {
            best = (loss, off);
        }
    }
    best.0
}

/// The smallest margin from which prompts may go to the weak model at a loss of at most `tolerance` on average over all; infinite where none may.
fn least_margin(seen: &[Seen], tolerance: f64) -> f32 {
    let mut order: Vec<&Seen> = seen.iter().collect();
    order.sort_by(|a, b| b.margin.total_cmp(&a.margin));
    let total: f64 = seen.iter().map(|seen| f64::from(seen.weight)).sum();
    let (mut lost, mut least) = (0.0f64, f32::INFINITY);
    for same in order.chunk_by(|a, b| a.margin.total_cmp(&b.margin).is_eq()) {
        lost -= same.iter().map(|seen| f64::from(seen.weight) * f64::from(seen.difference)).sum::<f64>();
        if lost <= tolerance * total
            && let Some(first) = same.first()
        {
            least = first.margin;
        }
    }
    least
}

/// The policy of a pair, ready.
#[derive(Debug, Clone, PartialEq)]
pub struct HybridPolicy {
    strong: ModelIndex,
    weak: ModelIndex,
    /// Estimated quality of the weak model less that of the strong one from which a prompt goes to the weak one; infinite for never.
    least_margin: f32,
    map: Platt,
    reasons: [String; 2],
}

impl HybridPolicy {
    fn new(strong: ModelIndex, weak: ModelIndex, least_margin: f32, map: Platt) -> Result<Self> {
        if least_margin.is_nan() || !map.slope.is_finite() || !map.offset.is_finite() {
            return Err(Error::new(ErrorKind::NonFinite, "threshold of a pair of models"));
        }
        let threshold = map.probability(least_margin);
        let reasons = [
            format!("the weak model does as well with a chance of at least {threshold:.2}"),
            format!("the weak model does as well with a chance below {threshold:.2}"),
        ];
        Ok(Self { strong, weak, least_margin, map, reasons })
    }

    /// The strong and the weak model.
    pub fn pair(&self) -> (ModelIndex, ModelIndex) {
        (self.strong, self.weak)
    }

    /// The chance that the weak model does as well, up to the relaxation, where its estimate exceeds that of the strong one by `margin`.
    pub fn chance(&self, margin: f32) -> f32 {
        self.map.probability(margin)
    }
}

impl FittedPolicy for HybridPolicy {
    fn choose(&self, choice: &Choice<'_>, out: &mut [Decision]) -> Result<()> {
        let (_, models) = shape(choice, out)?;
        for (at, decision) in out.iter_mut().enumerate() {
            decision.clear();
            let row = Row { quality: choice.quality.row(at), cost_usd: choice.cost_usd.row(at), lambda: 0.0 };
            let of = |model: ModelIndex| row.quality.get(model).copied().unwrap_or(0.0);
            let goes_weak = of(self.weak) - of(self.strong) >= self.least_margin;
            let (first, second) = if goes_weak { (self.weak, self.strong) } else { (self.strong, self.weak) };
            let rank = |model: ModelIndex| if model == first { 0 } else { 1 + usize::from(model != second) };
            let order = |a: usize, b: usize| -> Ordering { rank(a).cmp(&rank(b)).then_with(|| row.order(a, b)) };
            if models == 0 {
                continue;
            }
            admit(decision, choice.eligible.row(at));
            let Some(chosen) = take_first(decision, order) else { continue };
            decision.score = of(chosen);
            let [weak, strong] = &self.reasons;
            decision.reasons.push(Reason::Other { text: if goes_weak { weak.clone() } else { strong.clone() } });
            tell_constrained(decision, first, chosen);
        }
        Ok(())
    }

    fn findings(&self, pool: &ModelPool) -> Vec<String> {
        let (strong, weak) = (pool.name(self.strong), pool.name(self.weak));
        vec![if self.least_margin.is_finite() {
            format!(
                "`{weak}` instead of `{strong}` where it does as well with a chance of {:.2}",
                self.chance(self.least_margin)
            )
        } else {
            format!("always `{strong}`: no threshold for `{weak}` keeps within the tolerance")
        }]
    }
}

impl Persist for HybridPolicy {
    const FORMAT: &'static str = "hybrid-policy";
    const VERSION: u32 = 1;

    fn save(&self, writer: &mut SlotWriter) -> Result<()> {
        writer.put_json("pair", &self.pair())?;
        writer.put_json("never", &(self.least_margin == f32::INFINITY))?;
        let least = if self.least_margin.is_finite() { self.least_margin } else { 0.0 };
        writer.put_f32("threshold", &[least, self.map.slope, self.map.offset])
    }

    fn load(reader: &SlotReader<'_>) -> Result<Self> {
        let (strong, weak) = reader.get_json("pair")?;
        let numbers = reader.get_f32_of("threshold", 3)?;
        let &[least, slope, offset] = numbers.as_slice() else {
            return Err(reader.corrupt("`threshold` has not three numbers"));
        };
        let least = if reader.get_json("never")? { f32::INFINITY } else { least };
        Self::new(strong, weak, least, Platt { slope, offset }).map_err(|error| reader.corrupt(&error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rand::RngExt;
    use router_core::{Eligibility, Estimates, Model, Seed};

    use super::*;

    /// Prompts that the weak model (0) answers with the chance of its estimate, the strong one (1) always; model 2 is dear and bad.
    fn fit(config: &HybridConfig) -> Result<(HybridPolicy, Matrix, Vec<f32>)> {
        let n = 2000;
        let mut stream = Seed::root(3).stream("world");
        let (mut estimates, mut rows, mut right) = (Estimates::new(), Vec::new(), Vec::new());
        estimates.reset(n, 3);
        for row in 0..n {
            let chance: f32 = stream.random();
            estimates.quality_mut().row_mut(row).copy_from_slice(&[chance, 1.0, 0.1]);
            right.push(f32::from(u8::from(stream.random::<f32>() < chance)));
            rows.push(vec![Outcome::new(0, right[row]), Outcome::new(1, 1.0), Outcome::new(2, 0.0)]);
        }
        let pool = ModelPool::new(["weak", "strong", "bad"].map(Model::new).to_vec()).unwrap();
        let prompts = (0..n).map(|i| Prompt::new(format!("p{i}"), "x")).collect();
        let dataset = Dataset::new("d", prompts, pool, Outcomes::from_rows(3, rows).unwrap()).unwrap();
        let set = TrainingSet::new(Arc::new(dataset), Arc::new(Matrix::zeros(n, 1))).unwrap();
        let cost = Matrix::from_vec(n, 3, [0.1, 1.0, 2.0].repeat(n)).unwrap();
        let evidence = PolicyEvidence {
            set: &set,
            cross_fitted: Some(estimates.view()),
            cost_usd: cost.view(),
            known_cost: &[true; 3],
        };
        let policy = Policy::fit(config, &evidence, &FitContext::new(1))?;
        Ok((policy, estimates.quality().to_matrix(), right))
    }

    fn decide(policy: &HybridPolicy, quality: &Matrix, mask: [bool; 3]) -> Vec<Decision> {
        let n = quality.rows();
        let mut eligible = Eligibility::default();
        eligible.reset(n, 3);
        (0..n).for_each(|row| eligible.row_mut(row).copy_from_slice(&mask));
        let cost = Matrix::zeros(n, 3);
        let choice = Choice {
            quality: quality.view(),
            variance: None,
            cost_usd: cost.view(),
            known_cost: &[true; 3],
            eligible: &eligible,
        };
        let mut out = vec![Decision::default(); n];
        policy.choose(&choice, &mut out).unwrap();
        out
    }

    #[test]
    fn as_many_prompts_go_to_the_weak_model_as_the_tolerance_allows() {
        // Sending all prompts of chance above c loses (1 - c)^2 / 2 on average: 0.02 at c = 0.8, 0.08 at c = 0.6.
        for (tolerance, least) in [(0.02, 0.8f32), (0.08, 0.6)] {
            let (policy, quality, right) = fit(&HybridConfig { tolerance, ..HybridConfig::default() }).unwrap();
            assert_eq!(policy.pair(), (1, 0));
            let decisions = decide(&policy, &quality, [true; 3]);
            let weak: Vec<usize> = (0..decisions.len()).filter(|&row| decisions[row].plan == Plan::One(0)).collect();
            let lost = weak.iter().map(|&row| f64::from(1.0 - right[row])).sum::<f64>() / decisions.len() as f64;
            assert!(lost <= tolerance && lost > tolerance - 0.002, "{lost}");
            let share = weak.len() as f32 / decisions.len() as f32;
            assert!((share - (1.0 - least)).abs() < 0.05, "{share}");
            assert!(weak.iter().all(|&row| quality.get(row, 0) > least - 0.06));
            // The chance of doing as well is what was planted: the estimate itself.
            assert!((policy.chance(-0.3) - 0.7).abs() < 0.06, "{}", policy.chance(-0.3));
        }
        let (never, quality, _) = fit(&HybridConfig { tolerance: 0.0, ..HybridConfig::default() }).unwrap();
        let share = decide(&never, &quality, [true; 3]).iter().filter(|d| d.plan == Plan::One(0)).count();
        assert!(share < 100, "{share}");
    }

    #[test]
    fn the_relaxation_makes_labels_differ() {
        let of = |differences: &[f32]| {
            let seen = |&difference: &f32| Seen { margin: 0.0, difference, weight: 1.0 };
            relaxation(&differences.iter().map(seen).collect::<Vec<_>>())
        };
        // One in four is no loss; up to a loss of 0.2 it is one in two.
        assert_eq!(of(&[0.1, -0.2, -0.5, -0.9]), 0.2);
        assert_eq!(of(&[0.1, 0.0, -0.5, -0.9]), 0.0);
    }

    #[test]
    fn names_and_eligibility_are_obeyed() {
        let config = HybridConfig { strong: Some("bad".into()), weak: Some("weak".into()), tolerance: 0.01 };
        assert_eq!(fit(&config).unwrap().0.pair(), (2, 0));
        let error = fit(&HybridConfig { weak: Some("nobody".into()), ..HybridConfig::default() }).unwrap_err();
        assert_eq!((error.kind(), error.field()), (ErrorKind::UnknownModel, Some("weak")));
        let (policy, quality, _) = fit(&HybridConfig::default()).unwrap();
        let without_strong = decide(&policy, &quality, [true, false, true]);
        assert!(without_strong.iter().all(|decision| decision.plan == Plan::One(0) && decision.fallback == [2]));
        assert!(decide(&policy, &quality, [false, false, true]).iter().all(|decision| decision.plan == Plan::One(2)));
        assert_eq!(fit(&HybridConfig { tolerance: 2.0, ..config }).unwrap_err().field(), Some("tolerance"));
    }
}

use std::sync::Arc;

use proptest::prelude::*;
use rand::RngExt;
use router_core::{Eligibility, Model, Seed};

use super::*;

fn policy(steps: usize, lambda: f64, correlation: f64) -> CascadePolicy {
    CascadePolicy::new(steps, lambda, Joint::new(correlation).unwrap()).unwrap()
}

fn decide(policy: &CascadePolicy, quality: &[f32], cost: &[f32]) -> Decision {
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

#[test]
fn a_cheap_model_is_asked_first_and_thresholds_weigh_the_next_cost() {
    // By itself the strong model is worth 0.9 - 0.1 * 1 = 0.8. Asking the weak one first, for 0.005, makes it 0.6 - 0.005 + 0.4 * 0.8 = 0.915.
    let decision = decide(&policy(2, 0.1, 0.0), &[0.9, 0.6], &[1.0, 0.05]);
    let Plan::Cascade(steps) = &decision.plan else { panic!("{decision:?}") };
    assert_eq!(steps.iter().map(|step| step.model).collect::<Vec<_>>(), [1, 0]);
    assert!((f64::from(steps[0].accept_at) - (1.0 - 0.1 / 0.9)).abs() < 1e-3, "{steps:?}");
    assert_eq!(steps[1].accept_at, 0.0);
    assert!((decision.score - 0.915).abs() < 2e-3, "{}", decision.score);
    assert!(decision.fallback.is_empty());
}

#[test]
fn a_step_that_costs_more_than_it_gains_is_left_out() {
    // 0.1 of failures times 0.5 is less than 0.1 * 1.
    let decision = decide(&policy(3, 1.0, 0.0), &[0.9, 0.5], &[0.01, 1.0]);
    assert_eq!((decision.plan.models(), decision.fallback), (vec![0], vec![1]));
    // A second try costs 0.8 * 0.4 for the half that failed, 0.16. It gains 0.25 if models are independent, and 0.5 - 0.25 -
    // asin(0.9) / (2 pi) = 0.07 if they fail together.
    let tries = |correlation| decide(&policy(2, 0.8, correlation), &[0.5, 0.5], &[0.4, 0.4]).plan.models().len();
    assert_eq!((tries(0.0), tries(0.9)), (2, 1));
}

/// All sequences of up to three of `models` models.
fn sequences(models: usize) -> Vec<Vec<usize>> {
    let mut all: Vec<Vec<usize>> = (0..models).map(|a| vec![a]).collect();
    for a in 0..models {
        for b in (0..models).filter(|&b| b != a) {
            all.push(vec![a, b]);
            all.extend((0..models).filter(|&c| c != a && c != b).map(|c| vec![a, b, c]));
        }
    }
    all
}

proptest! {
    /// Against all sequences: where models are independent the grown one is close to the best, and never worse than any single model.
    #[test]
    fn the_sequence_is_nearly_the_best_of_all(
        quality in prop::collection::vec(0.05f32..0.95, 5),
        cost in prop::collection::vec(0.01f32..1.0, 5),
        lambda in 0.0f64..1.0,
    ) {
        let found = decide(&policy(3, lambda, 0.0), &quality, &cost);
        let value = |sequence: &[usize]| {
            let (mut reached, mut value) = (1.0f64, 0.0);
            for &model in sequence {
                let q = f64::from(quality[model]);
                value += reached * (q - lambda * f64::from(cost[model]));
                reached *= 1.0 - q;
            }
            value
        };
        let best = sequences(5).iter().map(|sequence| value(sequence)).fold(f64::NEG_INFINITY, f64::max);
        let single = (0..5).map(|model| value(&[model])).fold(f64::NEG_INFINITY, f64::max);
        let of_found = value(&found.plan.models());
        prop_assert!(of_found >= single - 1e-3 && of_found >= best - 0.05, "{of_found} of {best}, single {single}");
        prop_assert!((f64::from(found.score) - of_found).abs() < 0.01);
    }
}

/// Two models, cheap and dear; the cheap one answers half of the prompts, the dear one 90%. Estimates know nothing more.
fn evidence(n: usize) -> (TrainingSet, Matrix) {
    let mut stream = Seed::root(3).stream("world");
    let rows = (0..n)
        .map(|_| {
            let mut right = |chance: f64| f32::from(u8::from(stream.random::<f64>() < chance));
            vec![Outcome::new(0, right(0.5)), Outcome::new(1, right(0.9))]
        })
        .collect();
    let pool = ModelPool::new(vec![Model::new("cheap"), Model::new("dear")]).unwrap();
    let prompts = (0..n).map(|i| Prompt::new(format!("p{i}"), "x")).collect();
    let dataset = Dataset::new("d", prompts, pool, Outcomes::from_rows(2, rows).unwrap()).unwrap();
    let cost = Matrix::from_vec(n, 2, [0.1, 1.0].repeat(n)).unwrap();
    (TrainingSet::new(Arc::new(dataset), Arc::new(Matrix::zeros(n, 1))).unwrap(), cost)
}

#[test]
fn a_budget_is_met_and_used() {
    let (set, cost) = evidence(1000);
    let fit = |config: CascadeConfig| {
        let evidence =
            PolicyEvidence { set: &set, cross_fitted: None, cost_usd: cost.view(), known_cost: &[true, true] };
        Policy::fit(&config, &evidence, &FitContext::new(1))
    };
    let spent = |policy: &CascadePolicy| {
        let evidence =
            PolicyEvidence { set: &set, cross_fitted: None, cost_usd: cost.view(), known_cost: &[true, true] };
        policy.path_cost(&set, &Expected::new(&evidence).unwrap())
    };
    // Free: cheap first, dear for the half that is left: 0.1 + 0.5 * 1. Always dear would be 1.
    let free = fit(CascadeConfig::default()).unwrap();
    assert!((spent(&free) - 0.6).abs() < 0.05, "{}", spent(&free));
    assert!(free.correlation() <= 0.1);
    let tight = fit(CascadeConfig { budget_usd: Some(0.3), ..CascadeConfig::default() }).unwrap();
    assert!(spent(&tight) <= 0.3 && tight.lambda() > 0.0, "{} {}", spent(&tight), tight.lambda());
    let enough = fit(CascadeConfig { budget_usd: Some(0.9), ..CascadeConfig::default() }).unwrap();
    assert_eq!(enough.lambda(), 0.0);
    let both = CascadeConfig { budget_usd: Some(0.3), lambda: 1.0, ..CascadeConfig::default() };
    assert_eq!(fit(both).unwrap_err().field(), Some("lambda"));
    assert_eq!(fit(CascadeConfig { steps: 0, ..CascadeConfig::default() }).unwrap_err().field(), Some("steps"));
}

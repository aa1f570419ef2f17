//! Tests of the weighted average.

use std::sync::Arc;

use proptest::prelude::*;
use router_core::{Model, Outcome};

use super::*;

fn part(slot: &str, stage: Stage) -> PartInfo {
    PartInfo { slot: slot.into(), name: slot.into(), stage }
}

fn parts() -> Vec<PartInfo> {
    vec![part("task_scores", Stage::Task), part("estimators/0", Stage::Prompt), part("estimators/1", Stage::Prompt)]
}

fn estimates(models: usize, quality: &[f32]) -> Estimates {
    let mut estimates = Estimates::new();
    estimates.reset(quality.len() / models, models);
    estimates.quality_mut().as_mut_slice().copy_from_slice(quality);
    estimates
}

/// A set whose outcomes are `rows`, one group of near duplicates each `group` prompts.
fn set(rows: Vec<Vec<Outcome>>, models: usize, group: usize) -> TrainingSet {
    let n = rows.len();
    let pool = ModelPool::new((0..models).map(|m| Model::new(format!("m{m}"))).collect()).unwrap();
    let prompts = (0..n).map(|i| Prompt::new(format!("p{i}"), "x")).collect();
    let dataset = Dataset::new("d", prompts, pool, Outcomes::from_rows(models, rows).unwrap()).unwrap();
    let dataset = dataset.with_groups((0..n).map(|row| (row / group) as u32).collect()).unwrap();
    TrainingSet::new(Arc::new(dataset), Arc::new(Matrix::zeros(n, 1))).unwrap()
}

fn fit(
    config: &WeightedConfig,
    set: &TrainingSet,
    parts: &[PartInfo],
    held: Option<&[Estimates]>,
) -> WeightedAggregator {
    let evidence = AggregatorEvidence { set, parts, cross_fitted: held };
    config.fit(&evidence, &FitContext::new(0)).unwrap()
}

fn one_outcome() -> TrainingSet {
    set(vec![vec![Outcome::new(0, 1.0)]], 2, 1)
}

#[test]
fn a_weighted_average_by_hand() {
    let config = WeightedConfig { alpha: Some(0.6), weights: vec![3.0, 1.0], ..WeightedConfig::default() };
    let fitted = fit(&config, &one_outcome(), &parts(), None);
    let weights = fitted.weights().unwrap();
    for (weight, expected) in weights.iter().zip([0.4, 0.45, 0.15]) {
        assert!((weight - expected).abs() < 1e-6);
    }
    let (mut task, mut first, second) =
        (estimates(2, &[0.5, 1.0]), estimates(2, &[0.2, 0.4]), estimates(2, &[0.8, 0.0]));
    task.variance_mut().as_mut_slice().copy_from_slice(&[0.1, 0.2]);
    first.variance_mut().as_mut_slice().copy_from_slice(&[0.01, 0.02]);
    first.cost_usd_mut().as_mut_slice().copy_from_slice(&[1.0, 3.0]);
    task.cost_usd_mut().as_mut_slice().copy_from_slice(&[2.0, 5.0]);
    let mut out = Estimates::new();
    fitted.aggregate(&[task.view(), first.view(), second.view()], &mut out).unwrap();
    assert!((out.quality().get(0, 0) - 0.41).abs() < 1e-6); // 0.4 * 0.5 + 0.45 * 0.2 + 0.15 * 0.8
    assert!((out.quality().get(0, 1) - 0.58).abs() < 1e-6); // 0.4 * 1.0 + 0.45 * 0.4
    assert!(out.variance().is_none(), "one part has no variance");
    assert_eq!(out.cost_usd().unwrap().as_slice(), [1.5, 4.0]);
    // Without the part that knows no variance: 0.4^2 * 0.1 + 0.6^2 * 0.01.
    let two = fit(&WeightedConfig { weights: vec![], ..config }, &one_outcome(), &parts()[..2], None);
    two.aggregate(&[task.view(), first.view()], &mut out).unwrap();
    assert!((out.variance().unwrap().get(0, 0) - 0.0196).abs() < 1e-6);
    assert_eq!(two.aggregate(&[task.view()], &mut out).unwrap_err().kind(), ErrorKind::Shape);
}

#[test]
fn one_stage_gets_everything_and_needs_no_folds() {
    let config = WeightedConfig::default();
    assert!(config.needs_cross_fit(&parts()));
    assert!(!WeightedConfig { alpha: Some(0.3), ..config.clone() }.needs_cross_fit(&parts()));
    for (kept, alpha) in [(&parts()[1..], 1.0), (&parts()[..1], 0.0)] {
        assert!(!config.needs_cross_fit(kept));
        let fitted = fit(&config, &one_outcome(), kept, None);
        assert_eq!(fitted.alpha(), alpha);
        assert_eq!(fitted.weights().unwrap().iter().sum::<f32>(), 1.0);
    }
    assert_eq!(fit(&config, &one_outcome(), &parts(), None).alpha(), 0.5, "nothing to learn from");
}

/// A task part that always prefers model 0 by `task`, a prompt part that prefers model 1 by `prompt`, and outcomes in which
/// model 1 is right on `right` of `n` prompts and model 0 on the others.
fn contest(n: usize, right: usize, task: f32, prompt: f32) -> f64 {
    let rows = (0..n).map(|row| {
        let of_one = if row < right { 1.0 } else { 0.0 };
        vec![Outcome::new(0, 1.0 - of_one), Outcome::new(1, of_one)]
    });
    let set = set(rows.collect(), 2, 1);
    let held = [estimates(2, &[0.5 + task, 0.5].repeat(n)), estimates(2, &[0.5, 0.5 + prompt].repeat(n))];
    fit(&WeightedConfig::default(), &set, &parts()[..2], Some(&held)).alpha()
}

#[test]
fn alpha_follows_evidence_and_not_noise() {
    // The prompt part wins from alpha * prompt > (1 - alpha) * task: 0.11 to 0.4, alpha > 0.784, so 0.8 on the grid.
    assert_eq!(contest(100, 95, 0.4, 0.11), 0.8);
    // Model 0 is right: everything below 0.784 is as good, and 0.5 is the nearest.
    assert_eq!(contest(100, 5, 0.4, 0.11), 0.5);
    // 51 of 100 is no evidence: stay at 0.5, where the task part wins.
    assert_eq!(contest(100, 51, 0.4, 0.11), 0.5);
    // The mirror image: the task part must win, which takes an alpha below 0.216.
    assert_eq!(contest(100, 5, 0.11, 0.4), 0.2);
}

#[test]
fn near_duplicates_count_once() {
    // 60 of 100 is two standard errors above 50 if rows are independent, and nothing if there are five groups of 20.
    let choose = |group| {
        let rows = (0..100).map(|row| {
            let of_one = if row < 60 { 1.0 } else { 0.0 };
            vec![Outcome::new(0, 1.0 - of_one), Outcome::new(1, of_one)]
        });
        let held = [estimates(2, &[0.9, 0.5].repeat(100)), estimates(2, &[0.5, 0.61].repeat(100))];
        fit(&WeightedConfig::default(), &set(rows.collect(), 2, group), &parts()[..2], Some(&held)).alpha()
    };
    assert_eq!(choose(1), 0.8);
    assert_eq!(choose(20), 0.5);
}

#[test]
fn chosen_pairs_without_outcome_are_left_out() {
    // Model 1 is never seen: only alphas that choose model 0 can be judged, and 0.5 is among them.
    let rows = (0..20).map(|_| vec![Outcome::new(0, 0.1)]).collect();
    let held = [estimates(2, &[0.9, 0.5].repeat(20)), estimates(2, &[0.5, 0.6].repeat(20))];
    assert_eq!(fit(&WeightedConfig::default(), &set(rows, 2, 1), &parts()[..2], Some(&held)).alpha(), 0.5);
}

#[test]
fn wrong_weights_are_errors() {
    let evidence = AggregatorEvidence { set: &one_outcome(), parts: &parts(), cross_fitted: None };
    for weights in [vec![1.0], vec![0.0, 0.0], vec![1.0, f64::NAN], vec![-1.0, 2.0]] {
        let config = WeightedConfig { weights, ..WeightedConfig::default() };
        let error = config.fit(&evidence, &FitContext::new(0)).unwrap_err();
        assert_eq!((error.kind(), error.field()), (ErrorKind::Config, Some("aggregator.weights")));
    }
}

proptest! {
    #[test]
    fn permuting_models_permutes_columns(values in prop::collection::vec(0.0f32..1.0, 12), alpha in 0.0f64..1.0) {
        let config = WeightedConfig { alpha: Some(alpha), ..WeightedConfig::default() };
        let fitted = fit(&config, &one_outcome(), &parts()[..2], None);
        let order = [2usize, 0, 1];
        let permute = |values: &[f32]| -> Vec<f32> {
            values.chunks(3).flat_map(|row| order.map(|model| row[model])).collect()
        };
        let run = |task: &[f32], prompt: &[f32]| {
            let mut out = Estimates::new();
            fitted.aggregate(&[estimates(3, task).view(), estimates(3, prompt).view()], &mut out).unwrap();
            out.quality().as_slice().to_vec()
        };
        let (task, prompt) = values.split_at(6);
        prop_assert_eq!(permute(&run(task, prompt)), run(&permute(task), &permute(prompt)));
    }
}

//! Nothing of a held-out fold reaches what is fitted for it.

use std::sync::Arc;

use router_core::{ComponentConfig, Dataset, ErrorKind, FitContext};
use router_eval::{Evaluation, NamedConfig, Options, cross_validate, leave_benchmark_out};

use crate::plugins::registry;
use crate::worlds::{with_estimators, world};

/// Twelve prompts in four groups of three; b alone is right, so that only a leak could know it.
fn data() -> Dataset {
    let texts: Vec<String> = (0..12).map(|i| format!("p{i} text {i}")).collect();
    let rows: Vec<(&str, &str, &[Option<f32>])> =
        texts.iter().map(|text| (text.as_str(), "", [Some(0.0), Some(1.0)].as_slice())).collect();
    let data = world("data", &[Some(1.0), Some(2.0)], &rows);
    data.with_groups((0..12).map(|i| i / 3).collect()).unwrap()
}

fn run(config: NamedConfig, seeds: Vec<u64>) -> Evaluation {
    let options = Options { seeds, resamples: 100, ..Options::default() };
    cross_validate(&[config], &registry(), &[Arc::new(data())], 2, &options, &FitContext::new(0)).unwrap()
}

#[test]
fn a_router_that_remembers_gains_nothing() {
    let evaluation = run(with_estimators("memory", "letters", vec![ComponentConfig::new("memory")]), vec![1]);
    assert_eq!(evaluation.summary.routers[0].quality, Some(0.0));
    assert_eq!(evaluation.summary.folds, Some(2));
    assert!(evaluation.summary.leakage.is_none());
}

#[test]
fn an_embedder_that_learns_sees_the_training_part_alone() {
    let evaluation = run(with_estimators("seen", "seen", vec![ComponentConfig::new("first-number")]), vec![1]);
    assert_eq!(evaluation.summary.routers[0].quality, Some(0.0));
}

#[test]
fn near_duplicates_share_a_fold_and_every_prompt_is_held_out_once_a_seed() {
    let evaluation = run(with_estimators("memory", "letters", vec![ComponentConfig::new("memory")]), vec![1, 2]);
    for seed in [1, 2] {
        let rows: Vec<_> =
            evaluation.decisions.iter().filter(|row| row.router == "memory" && row.seed == seed).collect();
        assert_eq!(rows.len(), 12);
        for trio in rows.chunks(3) {
            assert!(trio.iter().all(|row| row.fold == trio[0].fold && row.fold.is_some()));
        }
        assert_eq!(rows.iter().filter(|row| row.fold == Some(0)).count(), 6);
    }
}

#[test]
fn several_data_sets_keep_their_own_models() {
    let other = world(
        "other",
        &[Some(1.0)],
        &[("o0 a", "", &[Some(1.0)]), ("o1 b", "", &[Some(1.0)]), ("o2 c", "", &[Some(1.0)])],
    );
    let data = [Arc::new(data()), Arc::new(other)];
    let config = with_estimators("memory", "letters", vec![ComponentConfig::new("memory")]);
    let options = Options { resamples: 100, ..Options::default() };
    let evaluation = cross_validate(&[config], &registry(), &data, 3, &options, &FitContext::new(0)).unwrap();
    assert_eq!(evaluation.summary.routers[0].quality, Some(0.5));
    assert_eq!(evaluation.summary.models, 2);
    assert_eq!(evaluation.summary.prompts, 15);
}

#[test]
fn more_folds_than_groups_is_an_error() {
    let config = with_estimators("memory", "letters", vec![ComponentConfig::new("memory")]);
    let run = |folds| {
        let data = [Arc::new(data())];
        cross_validate(
            std::slice::from_ref(&config),
            &registry(),
            &data,
            folds,
            &Options::default(),
            &FitContext::new(0),
        )
        .unwrap_err()
        .kind()
    };
    assert_eq!(run(5), ErrorKind::Usage);
    assert_eq!(run(1), ErrorKind::Usage);
}

fn by_benchmark(data: Dataset) -> Evaluation {
    let config = with_estimators("memory", "letters", vec![ComponentConfig::new("memory")]);
    let options = Options { resamples: 100, ..Options::default() };
    leave_benchmark_out(&[config], &registry(), &[Arc::new(data)], &options, &FitContext::new(0)).unwrap()
}

#[test]
fn a_benchmark_is_held_out_as_a_whole() {
    const A: &[Option<f32>] = &[Some(1.0), Some(0.0)];
    const B: &[Option<f32>] = &[Some(0.0), Some(1.0)];
    let rows = [("p0 x", "x", A), ("p1 x", "x", A), ("p2 y", "y", B), ("p3 y", "y", B), ("p4 z", "", B)];
    let evaluation = by_benchmark(world("data", &[Some(1.0), Some(2.0)], &rows));
    let summary = &evaluation.summary;
    assert!(summary.leave_benchmark_out && summary.folds == Some(3));
    let folds: Vec<Option<usize>> =
        evaluation.decisions.iter().filter(|row| row.router == "memory").map(|row| row.fold).collect();
    // In the order of names, none first.
    assert_eq!(folds, [Some(1), Some(1), Some(2), Some(2), Some(0)]);
    // Without x, b has 3 of 3; without y or z, a has 2 of 3 or 2 of 4: best single is wrong on x (b) and on y (a); without z
    // both have 2 of 4, the first is taken, which is wrong.
    let best_single = summary.references.iter().find(|entry| entry.name == "best-single").unwrap();
    assert_eq!(best_single.quality, Some(0.0));
    // The label was not seen in training: the same.
    let label = summary.references.iter().find(|entry| entry.name == "benchmark-label").unwrap();
    assert_eq!(label.quality, Some(0.0));
}

#[test]
fn near_duplicates_of_a_held_out_benchmark_are_not_learned_from() {
    const A: &[Option<f32>] = &[Some(1.0), Some(0.0)];
    const B: &[Option<f32>] = &[Some(0.0), Some(1.0)];
    // p2 and p3 of y repeat p0 of x, and alone know that a is right on it.
    let rows = [("p0 x", "x", A), ("p1 y", "y", B), ("p2 y", "y", A), ("p3 y", "y", A), ("p4 x", "x", A)];
    let data = world("data", &[Some(1.0), Some(2.0)], &rows).with_groups(vec![0, 1, 0, 0, 2]).unwrap();
    let decisions = by_benchmark(data).decisions;
    let of = |router: &str| -> Vec<_> {
        decisions.iter().filter(|row| row.router == router).filter_map(|row| row.model.as_deref()).collect()
    };
    assert_eq!(of("best-single")[0], "b", "p0 was learned from p1 alone");
}

#[test]
fn one_benchmark_cannot_be_left_out() {
    let config = with_estimators("memory", "letters", vec![ComponentConfig::new("memory")]);
    let error =
        leave_benchmark_out(&[config], &registry(), &[Arc::new(data())], &Options::default(), &FitContext::new(0))
            .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
}

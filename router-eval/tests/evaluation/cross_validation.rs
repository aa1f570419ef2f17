//! Nothing of a held-out fold reaches what is fitted for it.

use std::sync::Arc;

use router_core::{ComponentConfig, Dataset, ErrorKind, FitContext};
use router_eval::{Evaluation, NamedConfig, Options, cross_validate};

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

use rand::RngExt;
use router_core::parallel::with_threads;
use router_core::prelude::*;
use router_core::{CancelToken, Seed};

use super::*;
use crate::estimators::testing::{estimate, training_set};

fn fit(config: &NeighborsConfig, set: &TrainingSet) -> NeighborsEstimator {
    let tasks = Tasks::none(set);
    QualityEstimator::fit(config, set, &tasks, &FitContext::new(7)).unwrap()
}

/// `n` prompts around `kinds` directions in 8 dimensions; model i answers kind i with chance `skill`, others with 0.2.
fn world(n: usize, kinds: usize, skill: f64, seed: u64) -> TrainingSet {
    let mut stream = Seed::root(seed).stream("world");
    let mut embeddings = Matrix::zeros(n, 8);
    let mut rows = Vec::new();
    for row in 0..n {
        let kind = row % kinds;
        for value in embeddings.row_mut(row) {
            *value = stream.random_range(-0.4..0.4);
        }
        embeddings.row_mut(row)[kind] += 1.0;
        let outcomes = (0..kinds).map(|model| {
            let chance = if model == kind { skill } else { 0.2 };
            Outcome::new(model, f32::from(u8::from(stream.random::<f64>() < chance)))
        });
        rows.push(outcomes.collect());
    }
    training_set(embeddings, kinds, rows)
}

#[test]
fn the_vote_by_hand() {
    let embeddings = Matrix::from_vec(3, 2, vec![1.0, 0.0, 0.6, 0.8, 0.0, 1.0]).unwrap();
    let rows = vec![
        vec![Outcome::new(0, 1.0), Outcome::new(1, 0.5)],
        vec![Outcome { weight: 3.0, ..Outcome::new(0, 0.0) }],
        vec![Outcome::new(1, 1.0)],
    ];
    let set = training_set(embeddings, 3, rows);
    let config =
        NeighborsConfig { k: Some(2), temperature: Some(0.4), shrinkage: Some(0.5), ..NeighborsConfig::default() };
    // Means: model 0 is 1/4, model 1 is 3/4, model 2 is unseen and gets their mean. The neighbors of (2, 0) are prompt 0
    // (weight 1) and prompt 1 (weight exp((0.6 - 1) / 0.4) = 1/e, times 3).
    let found = estimate(&fit(&config, &set), MatrixView::new(1, 2, &[2.0, 0.0]).unwrap());
    let expected = [(1.0 + 0.5 * 0.25) / (1.0 + 3.0 * (-1f64).exp() + 0.5), (0.5 + 0.5 * 0.75) / 1.5, 0.5];
    for (model, expected) in expected.into_iter().enumerate() {
        assert!((f64::from(found.get(0, model)) - expected).abs() < 1e-6, "model {model}: {found:?}");
    }
}

#[test]
fn tuning_finds_few_neighbors_where_kinds_differ_and_many_where_they_do_not() {
    // Ten prompts of each of 8 kinds: past them, neighbors mislead.
    let differing = world(80, 8, 1.0, 1);
    let found = fit(&NeighborsConfig::default(), &differing);
    assert!(found.k() <= 20 || found.temperature() <= 0.2, "{} {}", found.k(), found.temperature());
    let estimates = estimate(&found, differing.embeddings());
    let right = (0..80).filter(|&row| {
        let best = (0..8).max_by(|&a, &b| estimates.get(row, a).total_cmp(&estimates.get(row, b))).unwrap();
        best == row % 8
    });
    assert!(right.count() >= 72);
    // Model 0 is best for all: everything that is tried finds it, and ties go to the largest.
    let rows = (0..100).map(|_| vec![Outcome::new(0, 0.6), Outcome::new(1, 0.5)]).collect();
    let mut embeddings = Matrix::zeros(100, 2);
    (0..100).for_each(|row| embeddings.row_mut(row).copy_from_slice(&[1.0, row as f32 / 100.0]));
    let same = fit(&NeighborsConfig::default(), &training_set(embeddings, 2, rows));
    assert_eq!((same.k(), same.temperature(), same.shrinkage()), (80, f64::INFINITY, 16.0));
}

#[test]
fn held_out_choice_beats_the_best_single_model_with_missing_outcomes_too() {
    for missing in [false, true] {
        let (full, test) = (world(600, 5, 0.8, 2), world(300, 5, 0.8, 3));
        let rows = (0..600).map(|row| {
            let outcomes = full.outcomes().row(row).iter().copied();
            outcomes.filter(|outcome| !missing || outcome.model == (row * 7 + row / 5) % 5).collect()
        });
        let train = training_set(full.embeddings().to_matrix(), 5, rows.collect());
        let estimates = estimate(&fit(&NeighborsConfig::default(), &train), test.embeddings());
        let realised: f32 = (0..300)
            .map(|row| {
                let best = (0..5).max_by(|&a, &b| estimates.get(row, a).total_cmp(&estimates.get(row, b))).unwrap();
                test.outcomes().get(row, best).unwrap().quality
            })
            .sum::<f32>()
            / 300.0;
        // The best model of every kind answers 0.8, the best single one 0.32 on average.
        assert!(realised > if missing { 0.6 } else { 0.7 }, "missing {missing}: {realised}");
    }
}

#[test]
fn the_same_at_any_thread_count_batch_and_after_loading() {
    let set = world(300, 4, 0.9, 4);
    for search in [crate::neighbors::Search::Exact, crate::neighbors::Search::Approximate] {
        let config = NeighborsConfig { search, ..NeighborsConfig::default() };
        let one = with_threads(1, || fit(&config, &set)).unwrap();
        let two = with_threads(2, || fit(&config, &set)).unwrap();
        let bytes = SlotWriter::serialize(&one).unwrap();
        assert_eq!(bytes, SlotWriter::serialize(&two).unwrap());
        let queries = world(100, 4, 0.9, 5);
        let all = estimate(&one, queries.embeddings());
        for row in 0..100 {
            let alone = estimate(&one, queries.embeddings().slice_rows(row, row + 1));
            assert_eq!(alone.row(0), all.row(row));
        }
    }
}

#[test]
fn centering_is_chosen_where_a_common_part_hides_the_difference() {
    // What all prompts have in common is ten thousand times what tells them apart: their cosines are all 1 to the last bit.
    let offset = |set: &TrainingSet| {
        let mut embeddings = set.embeddings().to_matrix();
        embeddings.as_mut_slice().iter_mut().for_each(|value| *value += 10_000.0);
        let rows = (0..set.len()).map(|row| set.outcomes().row(row).to_vec()).collect();
        training_set(embeddings, 4, rows)
    };
    let (train, asked) = (offset(&world(300, 4, 0.9, 8)), offset(&world(100, 4, 0.9, 9)));
    let with = |metric| {
        let fixed = NeighborsConfig {
            k: Some(20),
            temperature: Some(1000.0),
            shrinkage: Some(1.0),
            ..NeighborsConfig::default()
        };
        fit(&NeighborsConfig { metric, ..fixed }, &train)
    };
    let right = |fitted: &NeighborsEstimator| {
        let found = estimate(fitted, asked.embeddings());
        (0..100).filter(|&row| crate::estimators::realized::best_model(found.row(row)) == row % 4).count()
    };
    let (cosine, centered, chosen) = (with(Metric::Cosine), with(Metric::Centered), with(Metric::Automatic));
    assert!(right(&cosine) < 70 && right(&centered) > 90, "{} {}", right(&cosine), right(&centered));
    assert!(!cosine.is_centered() && centered.is_centered() && chosen.is_centered());
    let bytes = SlotWriter::serialize(&centered).unwrap();
    let registry = crate::builtin().unwrap();
    let again: NeighborsEstimator = SlotReader::open("n", &bytes, &registry, |_, slot| slot.load()).unwrap();
    assert_eq!(estimate(&again, asked.embeddings()), estimate(&centered, asked.embeddings()));
}

#[test]
fn little_or_odd_data_gives_finite_estimates() {
    let one = |quality| vec![Outcome::new(0, quality)];
    let single = training_set(Matrix::zeros(1, 2), 3, vec![one(0.7)]);
    let zero_weight =
        training_set(Matrix::zeros(2, 2), 1, vec![vec![Outcome { weight: 0.0, ..Outcome::new(0, 1.0) }]; 2]);
    let sparse = training_set(Matrix::zeros(9, 2), 9, (0..9).map(|row| vec![Outcome::new(row, 1.0)]).collect());
    let gap = training_set(Matrix::zeros(4, 2), 2, vec![one(1.0), vec![], vec![], one(0.0)]);
    for set in [single, zero_weight, sparse, gap] {
        for shrinkage in [None, Some(0.0)] {
            let fitted = fit(&NeighborsConfig { shrinkage, ..NeighborsConfig::default() }, &set);
            let estimates = estimate(&fitted, MatrixView::new(2, 2, &[1.0, 2.0, 0.0, 0.0]).unwrap());
            estimates.view().check_finite("estimates").unwrap();
            assert!(estimates.as_slice().iter().all(|value| (0.0..=1.0).contains(value)));
            assert_eq!(estimate(&fitted, MatrixView::new(0, 2, &[]).unwrap()).rows(), 0);
        }
    }
}

#[test]
fn bad_input_is_an_error() {
    let set = world(30, 3, 0.9, 6);
    let fitted = fit(&NeighborsConfig::default(), &set);
    let mut tasks = TaskDistribution::new();
    tasks.reset(1, 0);
    let prompts = [Prompt::new("q", "x")];
    for (data, kind) in [(vec![1.0; 7], ErrorKind::Shape), (vec![f32::NAN; 8], ErrorKind::NonFinite)] {
        let embeddings = MatrixView::new(1, data.len(), &data).unwrap();
        let batch = QueryBatch { prompts: PromptsView::all(&prompts), embeddings, tasks: &tasks };
        assert_eq!(fitted.estimate(&batch, &mut Estimates::new()).unwrap_err().kind(), kind);
    }
    let token = CancelToken::new();
    token.cancel();
    let cx = FitContext::new(0).with_cancel(token);
    let error = QualityEstimator::fit(&NeighborsConfig::default(), &set, &Tasks::none(&set), &cx).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    let default = NeighborsConfig::default();
    for (config, field) in [
        (NeighborsConfig { k: Some(0), ..default.clone() }, "k"),
        (NeighborsConfig { temperature: Some(0.0), ..default.clone() }, "temperature"),
        (NeighborsConfig { shrinkage: Some(-1.0), ..default.clone() }, "shrinkage"),
        (NeighborsConfig { folds: 1, ..default.clone() }, "folds"),
    ] {
        let error = QualityEstimator::fit(&config, &set, &Tasks::none(&set), &FitContext::new(0)).unwrap_err();
        assert_eq!((error.kind(), error.field()), (ErrorKind::Config, Some(field)));
    }
}

//! Tests of the task means.

use std::sync::Arc;

use router_core::Model;
use router_core::config::TasksConfig;
use router_core::prelude::*;

use super::*;

fn set(models: usize, rows: Vec<Vec<Outcome>>) -> TrainingSet {
    let n = rows.len();
    let pool = ModelPool::new((0..models).map(|m| Model::new(format!("m{m}"))).collect()).unwrap();
    let prompts = (0..n).map(|i| Prompt::new(format!("p{i}"), "x")).collect();
    let dataset = Dataset::new("d", prompts, pool, Outcomes::from_rows(models, rows).unwrap()).unwrap();
    TrainingSet::new(Arc::new(dataset), Arc::new(Matrix::zeros(n, 1))).unwrap()
}

fn full(qualities: &[[f32; 2]]) -> Vec<Vec<Outcome>> {
    qualities.iter().map(|row| row.iter().enumerate().map(|(m, &q)| Outcome::new(m, q)).collect()).collect()
}

fn fit(config: &TaskMeanConfig, set: &TrainingSet, labels: &[Option<u32>]) -> TaskMeanEstimator {
    let tasks = Tasks::profile(set, TaskMap::from_labels(labels), &TasksConfig::default()).unwrap();
    config.fit(set, &tasks, &FitContext::new(0)).unwrap()
}

fn estimate(estimator: &TaskMeanEstimator, tasks: &TaskDistribution) -> Estimates {
    let prompts: Vec<Prompt> = (0..tasks.prompts()).map(|i| Prompt::new(i.to_string(), "x")).collect();
    let embeddings = Matrix::zeros(prompts.len(), 1);
    let batch = QueryBatch { prompts: PromptsView::all(&prompts), embeddings: embeddings.view(), tasks };
    let mut out = Estimates::new();
    estimator.estimate(&batch, &mut out).unwrap();
    out.view().check_finite("estimates").unwrap();
    out
}

fn soft(rows: &[&[f32]]) -> TaskDistribution {
    let mut tasks = TaskDistribution::new();
    tasks.reset(rows.len(), rows[0].len());
    for (row, probabilities) in rows.iter().enumerate() {
        tasks.row_mut(row).0.copy_from_slice(probabilities);
    }
    tasks
}

/// Task 0: model 0 right twice of two, model 1 never. Task 1 (one prompt): the other way round. One prompt has no task.
fn example() -> (TrainingSet, [Option<u32>; 4]) {
    (set(2, full(&[[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])), [Some(0), Some(0), Some(1), None])
}

#[test]
fn soft_and_hard_scores_by_hand() {
    let (set, labels) = example();
    let config = TaskMeanConfig { shrinkage: Some(2.0), assignment: Assignment::Soft };
    let fitted = fit(&config, &set, &labels);
    // Global means 0.5 and 0.25. Task 0: (2 + 2 * 0.5) / 4 and (0 + 2 * 0.25) / 4. Task 1: (0 + 1) / 3 and (1 + 0.5) / 3.
    let expected = [[0.75, 0.125], [1.0 / 3.0, 0.5], [0.5, 0.25]];
    for (row, expected) in expected.iter().enumerate() {
        for (score, expected) in fitted.scores().row(row).iter().zip(expected) {
            assert!((f64::from(*score) - expected).abs() < 1e-6);
        }
    }
    let tasks = soft(&[&[0.5, 0.25], &[0.0, 0.0]]);
    let out = estimate(&fitted, &tasks);
    assert!((out.quality().get(0, 0) - (0.5 * 0.75 + 0.25 / 3.0 + 0.25 * 0.5)).abs() < 1e-6);
    assert_eq!(out.quality().row(1), [0.5, 0.25]);

    let hard = fit(&TaskMeanConfig { assignment: Assignment::Hard, ..config }, &set, &labels);
    let mut tasks = soft(&[&[0.6, 0.4], &[0.6, 0.4]]);
    *tasks.row_mut(0).1 = Some(TaskId(1));
    let out = estimate(&hard, &tasks);
    assert!((out.quality().get(0, 0) - 1.0 / 3.0).abs() < 1e-6);
    assert_eq!(out.quality().row(1), [0.5, 0.25]);
}

#[test]
fn variance_is_that_of_the_mixture_of_posteriors() {
    let (set, labels) = example();
    let fitted = fit(&TaskMeanConfig { shrinkage: Some(2.0), ..TaskMeanConfig::default() }, &set, &labels);
    // Of all prompts: 0.25 / 5. Task 0: 0.75 * 0.25 / 5 + (1/2)^2 * 0.05. Task 1: (2/9) / 4 + (2/3)^2 * 0.05.
    let (of_all, first, second) = (0.05, 0.0375 + 0.0125, 0.5 / 9.0 + 0.2 / 9.0);
    let out = estimate(&fitted, &soft(&[&[1.0, 0.0], &[0.0, 0.0], &[0.5, 0.5]]));
    let variance = |row| f64::from(out.variance().unwrap().get(row, 0));
    assert!((variance(0) - first).abs() < 1e-6);
    assert!((variance(1) - of_all).abs() < 1e-6);
    // Half of each: their mean, and the squared half distance of 0.75 and 1/3.
    let distance: f64 = (0.75 - 1.0 / 3.0) / 2.0;
    assert!((variance(2) - (f64::midpoint(first, second) + distance * distance)).abs() < 1e-6);
}

#[test]
fn empirical_bayes_by_hand() {
    // Model 0, two tasks of two: means 1 and 0, nothing within: no shrinkage. Model 1 has the same mean 0.5 in both: all of it.
    let set = set(2, full(&[[1.0, 1.0], [1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]));
    let fitted = fit(&TaskMeanConfig::default(), &set, &[Some(0), Some(0), Some(1), Some(1)]);
    assert_eq!(fitted.shrinkages()[0], 0.0);
    assert_eq!(fitted.scores().row(0)[0], 1.0);
    assert_eq!(fitted.shrinkages()[1], 1e6);
    assert!((fitted.scores().row(1)[1] - 0.5).abs() < 1e-5);
    // Unequal sizes, graded: task 0 has 0.9, 0.7, 0.8 and task 1 has 0.2, 0.4. Within: (0.02 + 0.02) / 3 = 1/75.
    // Grand mean 0.6, squares 3 * 0.04 + 2 * 0.09 = 0.3; typical size 5 - 13/5 = 2.4; between (0.3 - 1/75) / 2.4.
    let rows = [0.9, 0.7, 0.8, 0.2, 0.4].into_iter().map(|quality| vec![Outcome::new(0, quality)]);
    let graded = super::tests::set(1, rows.collect());
    let fitted = fit(&TaskMeanConfig::default(), &graded, &[Some(0), Some(0), Some(0), Some(1), Some(1)]);
    let between = (0.3 - 1.0 / 75.0) / 2.4;
    assert!((fitted.shrinkages()[0] - 1.0 / 75.0 / between).abs() < 1e-5, "{:?}", fitted.shrinkages());
}

#[test]
fn equal_weights_are_as_good_as_none() {
    let (plain, labels) = example();
    let heavy = (0..4).map(|row| {
        let outcomes = plain.outcomes().row(row).iter();
        outcomes.map(|outcome| Outcome { weight: 5.0, ..*outcome }).collect()
    });
    let config = TaskMeanConfig { shrinkage: Some(3.0), ..TaskMeanConfig::default() };
    assert_eq!(fit(&config, &plain, &labels), fit(&config, &set(2, heavy.collect()), &labels));
}

#[test]
fn sparse_and_missing_outcomes_fall_back() {
    // Model 0 only in task 0, model 1 only in task 1, model 2 never.
    let rows = vec![vec![Outcome::new(0, 1.0)], vec![Outcome::new(1, 0.5)], vec![]];
    for shrinkage in [None, Some(0.0), Some(1e6)] {
        let config = TaskMeanConfig { shrinkage, ..TaskMeanConfig::default() };
        let fitted = fit(&config, &set(3, rows.clone()), &[Some(0), Some(1), Some(1)]);
        // An unseen pair gets the model's mean over all prompts, an unseen model the mean model's.
        assert_eq!(fitted.scores().row(1)[0], 1.0);
        for row in 0..3 {
            assert_eq!(fitted.scores().row(row)[2], 0.75);
        }
        estimate(&fitted, &soft(&[&[0.2, 0.3]]));
    }
}

#[test]
fn without_tasks_global_means() {
    let (set, _) = example();
    let fitted = TaskMeanConfig::default().fit(&set, &Tasks::none(&set), &FitContext::new(0)).unwrap();
    let mut none = TaskDistribution::new();
    none.reset(2, 0);
    let out = estimate(&fitted, &none);
    assert_eq!(out.quality().as_slice(), [0.5, 0.25, 0.5, 0.25]);
    let prompts = [Prompt::new("a", "x")];
    let embeddings = Matrix::zeros(1, 1);
    let batch =
        QueryBatch { prompts: PromptsView::all(&prompts), embeddings: embeddings.view(), tasks: &soft(&[&[1.0]]) };
    assert_eq!(fitted.estimate(&batch, &mut Estimates::new()).unwrap_err().kind(), ErrorKind::Shape);
}

#[test]
fn permuting_models_permutes_columns_and_batches_do_not_matter() {
    let (plain, labels) = example();
    let swapped = set(2, full(&[[0.0, 1.0], [0.0, 1.0], [1.0, 0.0], [0.0, 0.0]]));
    let tasks = soft(&[&[0.5, 0.25], &[0.1, 0.8]]);
    let (a, b) = (fit(&TaskMeanConfig::default(), &plain, &labels), fit(&TaskMeanConfig::default(), &swapped, &labels));
    let (a, b) = (estimate(&a, &tasks), estimate(&b, &tasks));
    for row in 0..2 {
        let single = estimate(&fit(&TaskMeanConfig::default(), &plain, &labels), &soft(&[tasks.probabilities(row)]));
        assert_eq!(single.quality().row(0), a.quality().row(row));
        assert_eq!(single.variance().unwrap().row(0), a.variance().unwrap().row(row));
        assert_eq!(a.quality().get(row, 0), b.quality().get(row, 1));
        assert_eq!(a.variance().unwrap().get(row, 1), b.variance().unwrap().get(row, 0));
    }
}

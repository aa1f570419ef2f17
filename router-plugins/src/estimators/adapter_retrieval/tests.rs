use rand::RngExt;
use router_core::config::TasksConfig;
use router_core::prelude::*;
use router_core::{Seed, TaskMap};

use super::*;
use crate::estimators::testing::{estimate, training_set};

fn fit(config: &AdapterRetrievalConfig, set: &TrainingSet) -> AdapterRetrievalEstimator {
    QualityEstimator::fit(config, set, &Tasks::none(set), &FitContext::new(7)).unwrap()
}

const DIMENSION: usize = 48;

/// Tasks in random directions, and `adapters` adapters, each made for one of them. The best of a task answers it with chance 0.95, the others with 0.5,
/// and all of them any other task with 0.1.
struct World {
    tasks: Matrix,
    adapters: usize,
}

impl World {
    fn new(tasks: usize, adapters: usize) -> Self {
        let mut stream = Seed::root(11).stream("tasks");
        let values = (0..tasks * DIMENSION).map(|_| stream.random_range(-1.0f32..1.0)).collect();
        Self { tasks: Matrix::from_vec(tasks, DIMENSION, values).unwrap(), adapters }
    }

    fn task_of(&self, adapter: usize) -> usize {
        adapter % self.tasks.rows()
    }

    fn chance(&self, task: usize, adapter: usize) -> f64 {
        match (self.task_of(adapter) == task, adapter < self.tasks.rows()) {
            (true, true) => 0.95,
            (true, false) => 0.5,
            (false, _) => 0.1,
        }
    }

    /// `n` prompts with the outcomes of their task's adapters and of two others.
    fn set(&self, n: usize, seed: u64) -> TrainingSet {
        let mut stream = Seed::root(seed).stream("prompts");
        let mut embeddings = Matrix::zeros(n, DIMENSION);
        let mut rows = Vec::new();
        for row in 0..n {
            let task = row % self.tasks.rows();
            for (to, value) in embeddings.row_mut(row).iter_mut().zip(self.tasks.row(task)) {
                *to = value + stream.random_range(-0.4f32..0.4);
            }
            let mut asked: Vec<usize> = (task..self.adapters).step_by(self.tasks.rows()).collect();
            while asked.len() < self.adapters.div_ceil(self.tasks.rows()) + 2 {
                let other = stream.random_range(0..self.adapters);
                if self.task_of(other) != task && !asked.contains(&other) {
                    asked.push(other);
                }
            }
            let mut of = |adapter| f32::from(u8::from(stream.random::<f64>() < self.chance(task, adapter)));
            rows.push(asked.into_iter().map(|adapter| Outcome::new(adapter, of(adapter))).collect());
        }
        training_set(embeddings, self.adapters, rows)
    }

    /// The mean chance of the best-estimated adapter.
    fn realized(&self, fitted: &AdapterRetrievalEstimator, asked: &TrainingSet) -> f64 {
        let found = estimate(fitted, asked.embeddings());
        let of = |row: usize| {
            let best = crate::estimators::realized::best_model(found.row(row));
            self.chance(row % self.tasks.rows(), best)
        };
        (0..asked.len()).map(of).sum::<f64>() / asked.len() as f64
    }
}

#[test]
fn fifteen_hundred_adapters_are_told_apart_and_shuffled_outcomes_teach_nothing() {
    let world = World::new(150, 1500);
    let (train, asked) = (world.set(3000, 1), world.set(600, 2));
    let config = AdapterRetrievalConfig { clusters: Some(150), ..AdapterRetrievalConfig::default() };
    let fitted = fit(&config, &train);
    let routed = world.realized(&fitted, &asked);
    assert!(routed > 0.8, "{routed}");
    let rows = (0..train.len()).map(|row| train.outcomes().row((row * 379 + 17) % train.len()).to_vec()).collect();
    let shuffled = training_set(train.embeddings().to_matrix(), 1500, rows);
    let unlearned = world.realized(&fit(&config, &shuffled), &asked);
    assert!(unlearned < 0.3, "{unlearned}");
}

#[test]
fn tasks_of_the_router_are_used_where_it_has_some() {
    let world = World::new(12, 60);
    let (train, asked) = (world.set(720, 1), world.set(240, 2));
    let labels: Vec<Option<u32>> = (0..train.len()).map(|row| Some((row % 12) as u32)).collect();
    let tasks = Tasks::profile(&train, TaskMap::from_labels(&labels), &TasksConfig::default()).unwrap();
    let fitted =
        QualityEstimator::fit(&AdapterRetrievalConfig::default(), &train, &tasks, &FitContext::new(7)).unwrap();
    assert_eq!(fitted.tasks(), 12);
    assert!(world.realized(&fitted, &asked) > 0.9);
}

#[test]
fn quality_by_hand() {
    // Two tasks of two prompts; adapter 2 was never evaluated.
    let embeddings = Matrix::from_vec(4, 2, vec![1.0, 0.0, 2.0, 0.0, 0.0, 1.0, 0.0, 3.0]).unwrap();
    let rows = vec![
        vec![Outcome::new(0, 1.0), Outcome::new(1, 0.25)],
        vec![Outcome { weight: 3.0, ..Outcome::new(0, 0.5) }, Outcome::new(1, 0.25)],
        vec![Outcome::new(1, 1.0)],
        vec![Outcome::new(1, 0.5)],
    ];
    let set = training_set(embeddings, 3, rows);
    let of = |retrieved, adapters| {
        let config = AdapterRetrievalConfig {
            clusters: Some(2),
            adapters,
            retrieved: Some(retrieved),
            temperature: Some(0.5),
            shrinkage: 2.0,
            ..AdapterRetrievalConfig::default()
        };
        estimate(&fit(&config, &set), MatrixView::new(1, 2, &[0.6, 0.8]).unwrap()).row(0).to_vec()
    };
    let close = |found: &[f32], expected: &[f64]| {
        let pairs = found.iter().zip(expected);
        assert!(pairs.clone().all(|(a, b)| (f64::from(*a) - b).abs() < 1e-5), "{found:?} {expected:?}");
    };
    // Means: (1 + 1.5) / 4, 2 / 4, and for the third the mean of both.
    let means = [0.625, 0.5, 0.5625];
    // The first task scores 0 at (2.5 + 1.25) / 6 and 1 at (.5 + 1) / 4; the second lists 1 alone, at (1.5 + 1) / 4.
    let (first, second) = ([0.625, 0.375], 0.625f64);
    // Nearest is the second (cosine .8): adapter 0 is not listed, and no better than .625.
    close(&of(1, 8), &[0.625, second, 0.5625]);
    let share = 1.0 / (1.0 + ((0.6f64 - 0.8) / 0.5).exp());
    let floor = share * second + (1.0 - share) * first[1];
    let unlisted: Vec<f64> = means.iter().map(|mean: &f64| mean.min(floor)).collect();
    let both = share.mul_add(second, (1.0 - share) * first[1]);
    close(&of(2, 8), &[(1.0 - share).mul_add(first[0], share * unlisted[0]), both, unlisted[2]]);
    // A list of one: the first task names adapter 0 alone.
    let floor = 0.625f64;
    let one = share.mul_add(second, (1.0 - share) * means[1].min(floor));
    close(&of(2, 1), &[0.625, one, 0.5625]);
}

#[test]
fn a_new_adapter_is_found_by_its_outcomes() {
    let world = World::new(12, 61);
    let (train, asked) = (world.set(720, 1), world.set(240, 2));
    // The adapters that are best at tasks 0 and 1 come later; the last of the others of task 0 is gone, too.
    let drop = |row: usize| train.outcomes().row(row).iter().filter(|outcome| outcome.model != 60);
    let rows = (0..train.len()).map(|row| drop(row).copied().collect()).collect();
    let config = AdapterRetrievalConfig { clusters: Some(12), ..AdapterRetrievalConfig::default() };
    let before = fit(&config, &training_set(train.embeddings().to_matrix(), 60, rows));
    let probes = asked.embeddings().gather(&(0..24).map(|at| at * 10).collect::<Vec<_>>());
    // It is perfect at the tasks 0 (rows 0 to 228 in steps of 12), hopeless elsewhere.
    let quality: Vec<f32> = (0..24).map(|at| f32::from(u8::from(at * 10 % 12 == 0))).collect();
    let after = before.with_adapter(probes.view(), &quality).unwrap();
    assert_eq!(after.models(), 61);
    let listing =
        (0..after.tasks()).filter(|&task| after.listed(task).next().is_some_and(|(adapter, _)| adapter == 60));
    assert!(listing.count() <= 1);
    let found = |fitted: &AdapterRetrievalEstimator, row: usize| estimate(fitted, asked.embeddings()).row(row).to_vec();
    // Elsewhere little changes for the others: what is not listed may be worth less where the newcomer is the worst that is.
    let (old, new) = (found(&before, 5), found(&after, 5));
    assert!(old.iter().zip(&new).all(|(old, new)| (old - new).abs() < 1e-3), "{old:?} {new:?}");
    let (own, other) = (found(&after, 12)[60], found(&after, 5)[60]);
    assert!(own > 0.5 && other < 0.5, "{own} {other}");
    assert_eq!(before.with_adapter(probes.view(), &quality[..3]).unwrap_err().kind(), ErrorKind::Shape);
    assert_eq!(before.with_adapter(probes.view(), &[2.0; 24]).unwrap_err().kind(), ErrorKind::Data);
}

#[test]
fn prompts_without_a_direction_get_the_means() {
    let set = World::new(4, 8).set(80, 1);
    let fitted = fit(&AdapterRetrievalConfig::default(), &set);
    let found = estimate(&fitted, Matrix::zeros(1, DIMENSION).view());
    assert_eq!(found.row(0), crate::estimators::realized::means(set.outcomes(), set.rows()));
    // Nor is there a task where no training prompt has one.
    let zeros = training_set(Matrix::zeros(2, 3), 2, vec![vec![Outcome::new(0, 1.0)], vec![Outcome::new(1, 0.5)]]);
    let fitted = fit(&AdapterRetrievalConfig::default(), &zeros);
    assert_eq!(fitted.tasks(), 0);
    assert_eq!(estimate(&fitted, Matrix::zeros(1, 3).view()).row(0), [1.0, 0.5]);
}

#[test]
fn wrong_parameters_are_told() {
    let set = World::new(4, 8).set(40, 1);
    let default = AdapterRetrievalConfig::default;
    for (config, field) in [
        (AdapterRetrievalConfig { clusters: Some(0), ..default() }, "clusters"),
        (AdapterRetrievalConfig { examples: 0, ..default() }, "examples"),
        (AdapterRetrievalConfig { adapters: 0, ..default() }, "adapters"),
        (AdapterRetrievalConfig { retrieved: Some(0), ..default() }, "retrieved"),
        (AdapterRetrievalConfig { temperature: Some(0.0), ..default() }, "temperature"),
        (AdapterRetrievalConfig { shrinkage: f64::NAN, ..default() }, "shrinkage"),
        (AdapterRetrievalConfig { folds: 1, ..default() }, "folds"),
    ] {
        let error = QualityEstimator::fit(&config, &set, &Tasks::none(&set), &FitContext::new(1)).unwrap_err();
        assert_eq!((error.kind(), error.field()), (ErrorKind::Config, Some(field)));
    }
}

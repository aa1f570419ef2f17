//! What the variances of estimates are worth, against planted truths: where they are posteriors, intervals cover as they should; where
//! they are a spread, they tell large errors from small ones.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::sync::Arc;

use rand::RngExt as _;
use router_core::config::TasksConfig;
use router_core::prelude::*;
use router_core::{Model, SeedStream};

/// A linear truth of three models on six features, within [0.1, 0.9].
struct World {
    rule: Vec<[f64; 6]>,
    stream: SeedStream,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut stream = FitContext::new(seed).stream("world");
        let mut rule = || -> [f64; 6] {
            let raw: [f64; 6] = std::array::from_fn(|_| stream.random_range(-1.0..1.0));
            let total: f64 = raw.iter().map(|part| part.abs()).sum();
            raw.map(|part| 0.4 * part / total)
        };
        let rule = vec![rule(), rule(), rule()];
        Self { rule, stream }
    }

    /// Features, n x 6 in (-1, 1), and the true quality, n x 3.
    fn draw(&mut self, n: usize) -> (Matrix, Matrix) {
        let features: Vec<f32> = (0..n * 6).map(|_| self.stream.random_range(-1.0..1.0)).collect();
        let of =
            |x: &[f32], rule: &[f64; 6]| 0.5 + x.iter().zip(rule).map(|(&x, rule)| f64::from(x) * rule).sum::<f64>();
        let truth = features.chunks(6).flat_map(|x| self.rule.iter().map(move |rule| of(x, rule) as f32)).collect();
        (Matrix::from_vec(n, 6, features).unwrap(), Matrix::from_vec(n, 3, truth).unwrap())
    }
}

/// A training set of these embeddings with an outcome of 0 or 1 for every pair.
fn set(embeddings: Matrix, truth: &Matrix, stream: &mut SeedStream) -> TrainingSet {
    let (n, m) = (truth.rows(), truth.cols());
    let rows = (0..n)
        .map(|row| {
            let mut quality = |model| f32::from(u8::from(stream.random_bool(f64::from(truth.get(row, model)))));
            (0..m).map(|model| Outcome::new(model, quality(model))).collect()
        })
        .collect();
    let pool = ModelPool::new((0..m).map(|model| Model::new(format!("m{model}"))).collect()).unwrap();
    let prompts = (0..n).map(|row| Prompt::new(format!("p{row}"), "x")).collect();
    let dataset = Dataset::new("d", prompts, pool, Outcomes::from_rows(m, rows).unwrap()).unwrap();
    TrainingSet::new(Arc::new(dataset), Arc::new(embeddings)).unwrap()
}

fn estimate(fitted: &impl FittedEstimator, embeddings: &Matrix, tasks: &TaskDistribution) -> Estimates {
    let prompts: Vec<Prompt> = (0..embeddings.rows()).map(|row| Prompt::new(format!("q{row}"), "x")).collect();
    let batch = QueryBatch { prompts: PromptsView::all(&prompts), embeddings: embeddings.view(), tasks };
    let mut out = Estimates::new();
    fitted.estimate(&batch, &mut out).unwrap();
    out
}

fn no_tasks(n: usize) -> TaskDistribution {
    TaskDistribution::certain(&vec![None; n], 0).unwrap()
}

/// Squared error and variance of every pair.
fn errors(estimates: &Estimates, truth: &Matrix) -> Vec<(f64, f64)> {
    let variance = estimates.variance().unwrap();
    let pairs = estimates.quality().as_slice().iter().zip(truth.as_slice()).zip(variance.as_slice());
    pairs.map(|((&found, &truth), &variance)| (f64::from(found - truth).powi(2), f64::from(variance))).collect()
}

/// The share of pairs whose 90% interval holds the truth.
fn coverage(errors: &[(f64, f64)]) -> f64 {
    const NORMAL_95: f64 = 1.644_853_627;
    let within = errors.iter().filter(|(error, variance)| *error <= NORMAL_95.powi(2) * variance);
    within.count() as f64 / errors.len() as f64
}

#[test]
fn intervals_of_ridge_hold_the_truth_about_as_often_as_they_say() {
    let mut all = Vec::new();
    for seed in 0..10 {
        let mut world = World::new(seed);
        let (embeddings, truth) = world.draw(400);
        let set = set(embeddings, &truth, &mut world.stream);
        let config = router_plugins::estimators::ridge::RidgeConfig::default();
        let fitted = config.fit(&set, &Tasks::none(&set), &FitContext::new(seed)).unwrap();
        let (embeddings, truth) = world.draw(300);
        all.extend(errors(&estimate(&fitted, &embeddings, &no_tasks(300)), &truth));
    }
    let share = coverage(&all);
    assert!((0.8..0.97).contains(&share), "{share}");
}

#[test]
fn intervals_of_task_means_hold_the_truth_about_as_often_as_they_say() {
    let mut all = Vec::new();
    for seed in 0..20u64 {
        let mut stream = FitContext::new(seed).stream("world");
        let (tasks, models) = (12usize, 4usize);
        let means: Vec<f32> = (0..tasks * models).map(|_| stream.random_range(0.3..0.9)).collect();
        let means = Matrix::from_vec(tasks, models, means).unwrap();
        let task_of: Vec<usize> = (0..600).map(|row| row % tasks).collect();
        let set = set(Matrix::zeros(600, 1), &means.gather(&task_of), &mut stream);
        let labels: Vec<Option<u32>> = task_of.iter().map(|&task| Some(task as u32)).collect();
        let tasks = Tasks::profile(&set, TaskMap::from_labels(&labels), &TasksConfig::default()).unwrap();
        let config = router_plugins::estimators::task_mean::TaskMeanConfig::default();
        let fitted = config.fit(&set, &tasks, &FitContext::new(seed)).unwrap();
        let certain: Vec<Option<TaskId>> = (0..12).map(|task| Some(TaskId(task))).collect();
        let certain = TaskDistribution::certain(&certain, 12).unwrap();
        all.extend(errors(&estimate(&fitted, &Matrix::zeros(12, 1), &certain), &means));
    }
    let share = coverage(&all);
    assert!((0.82..0.96).contains(&share), "{share}");
}

#[cfg(feature = "candle")]
#[test]
fn the_spread_of_a_mixture_is_that_of_its_members_and_ranks_errors() {
    let (mut low, mut high) = (0.0, 0.0);
    for seed in 0..4 {
        let mut world = World::new(seed);
        let (embeddings, truth) = world.draw(300);
        let set = set(embeddings, &truth, &mut world.stream);
        let config = router_plugins::estimators::moe::MoeConfig { members: 8, ..Default::default() };
        let fitted = config.fit(&set, &Tasks::none(&set), &FitContext::new(seed)).unwrap();
        let (embeddings, truth) = world.draw(400);
        let mut errors = errors(&estimate(&fitted, &embeddings, &no_tasks(400)), &truth);
        errors.sort_by(|a, b| a.1.total_cmp(&b.1));
        let third = errors.len() / 3;
        let mean = |part: &[(f64, f64)]| part.iter().map(|(error, _)| error).sum::<f64>() / part.len() as f64;
        low += mean(&errors[..third]);
        high += mean(&errors[2 * third..]);
    }
    assert!(high > 1.5 * low, "squared error {high} where the members differ most, {low} where least");
}

#[cfg(feature = "candle")]
#[test]
fn one_member_has_no_spread_and_more_have_that_of_their_estimates() {
    let mut world = World::new(1);
    let (embeddings, truth) = world.draw(100);
    let set = set(embeddings.clone(), &truth, &mut world.stream);
    let fit = |members| {
        let config = router_plugins::estimators::moe::MoeConfig { members, epochs: 3, ..Default::default() };
        let fitted = config.fit(&set, &Tasks::none(&set), &FitContext::new(1)).unwrap();
        estimate(&fitted, &embeddings, &no_tasks(100))
    };
    // Members are seeded by their number: the first two of two are the first two of three.
    let (one, two, three) = (fit(1), fit(2), fit(3));
    assert!(one.variance().is_none());
    let (mut seen, variance) = (0, three.variance().unwrap());
    for (at, ((&a, &ab), &abc)) in
        one.quality().as_slice().iter().zip(two.quality().as_slice()).zip(three.quality().as_slice()).enumerate()
    {
        let (b, c) = (2.0 * ab - a, 3.0 * abc - 2.0 * ab);
        let expected = [a, b, c].iter().map(|member| (member - abc).powi(2)).sum::<f32>() / 2.0;
        let found = variance.as_slice()[at];
        assert!((found - expected).abs() < 1e-5 + 0.01 * expected, "{found} {expected}");
        seen += usize::from(expected > 1e-5);
    }
    assert!(seen > 100, "the members differ");
}

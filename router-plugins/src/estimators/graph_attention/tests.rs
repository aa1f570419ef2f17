use candle_core::{Device, Tensor, Var};
use rand::RngExt;
use router_core::config::TasksConfig;
use router_core::prelude::*;
use router_core::{Seed, SeedStream};

use super::*;
use crate::estimators::network::{Answer, BaseRates, Scratch};
use crate::estimators::realized::best_model;
use crate::estimators::testing::{estimate, training_set};
use crate::nn::exponential::sigmoid;
use crate::nn::{Objective, Parameter};

const MODELS: usize = 6;

/// Six models of two families: one likes a positive first number, the other a negative one. What the embedding does not tell is the task: in task 1 both
/// change sides. The outcomes of `keep` models, drawn; also the tasks and the chances.
fn world(n: usize, keep: usize, seed: u64) -> (TrainingSet, Vec<Option<usize>>, Matrix) {
    let mut stream = Seed::root(seed).stream("world");
    let embeddings = Matrix::from_vec(n, 6, (0..n * 6).map(|_| stream.random_range(-1.0f32..1.0)).collect()).unwrap();
    let (mut chances, mut rows, mut tasks) = (Matrix::zeros(n, MODELS), Vec::new(), Vec::new());
    for row in 0..n {
        // Tasks are numbered by falling size.
        let task = usize::from(stream.random_range(0..5) < 2);
        tasks.push(Some(task));
        for model in 0..MODELS {
            let side = if model % 2 == 0 { 1.0 } else { -1.0 };
            let liking = if task == 0 { embeddings.get(row, 0) } else { 0.8 };
            chances.set(row, model, sigmoid(4.0 * side * liking));
        }
        let first = stream.random_range(0..MODELS);
        rows.push(
            (0..keep)
                .map(|at| (first + at) % MODELS)
                .map(|model| Outcome::new(model, f32::from(u8::from(stream.random::<f32>() < chances.get(row, model)))))
                .collect(),
        );
    }
    (training_set(embeddings, MODELS, rows), tasks, chances)
}

fn profile(set: &TrainingSet, tasks: &[Option<usize>]) -> Tasks {
    let labels: Vec<Option<u32>> = tasks.iter().map(|task| task.map(|task| task as u32)).collect();
    Tasks::profile(set, TaskMap::from_labels(&labels), &TasksConfig::default()).unwrap()
}

/// Mean chance of the best-estimated model, asked with these tasks.
fn realized(fitted: &GraphAttentionEstimator, asked: &TrainingSet, tasks: &TaskDistribution, chances: &Matrix) -> f32 {
    let prompts = vec![Prompt::new("q", "x"); asked.len()];
    let batch = QueryBatch { prompts: PromptsView::all(&prompts), embeddings: asked.embeddings(), tasks };
    let mut out = Estimates::new();
    fitted.estimate(&batch, &mut out).unwrap();
    (0..asked.len()).map(|row| chances.get(row, best_model(out.quality().row(row)))).sum::<f32>() / asked.len() as f32
}

#[test]
fn tasks_and_abilities_are_learned_from_few_outcomes_and_only_by_training() {
    let (train, tasks, _) = world(1500, 3, 1);
    let (asked, asked_tasks, chances) = world(500, MODELS, 2);
    let best: f32 = (0..500).map(|row| chances.row(row).iter().copied().fold(0.0, f32::max)).sum::<f32>() / 500.0;
    let config = GraphAttentionConfig { weight_decay: 1.0, ..Default::default() };
    let fit = |config: &GraphAttentionConfig| {
        QualityEstimator::fit(config, &train, &profile(&train, &tasks), &FitContext::new(7)).unwrap()
    };
    let ids: Vec<Option<TaskId>> = asked_tasks.iter().map(|task| task.map(|task| TaskId(task as u32))).collect();
    let known = TaskDistribution::certain(&ids, 2).unwrap();
    let routed = realized(&fit(&config), &asked, &known, &chances);
    assert!(routed > best - 0.05, "{routed} of {best}");
    let still = fit(&GraphAttentionConfig { learning_rate: 1e-7, epochs: 1, ..config.clone() });
    let untrained = realized(&still, &asked, &known, &chances);
    assert!(untrained < best - 0.1, "{untrained} of {best}");
    // A prompt that nobody can place in a task is asked too, worse.
    let none = TaskDistribution::certain(&vec![None; 500], 2).unwrap();
    let unplaced = realized(&fit(&config), &asked, &none, &chances);
    assert!(unplaced < routed - 0.02, "{unplaced} {routed}");
}

#[test]
fn without_discovery_clusters_stand_for_tasks() {
    let (train, _, _) = world(600, MODELS, 1);
    let config = GraphAttentionConfig { clusters: 4, ..Default::default() };
    let fitted = QualityEstimator::fit(&config, &train, &Tasks::none(&train), &FitContext::new(7)).unwrap();
    let found = estimate(&fitted, train.embeddings());
    let mean = |of: usize| (0..600).map(|row| found.get(row, of)).sum::<f32>() / 600.0;
    let truth = train.outcomes().mean_quality();
    for (model, truth) in truth.iter().enumerate() {
        assert!((f64::from(mean(model)) - truth.unwrap().0).abs() < 0.06, "{model}: {} {truth:?}", mean(model));
    }
    assert_eq!(fitted.model_states().rows(), MODELS);
}

/// A small graph with parameters that are not at their start, and what it makes of a batch.
struct Small {
    set: TrainingSet,
    base: BaseRates,
    edges: Matrix,
    tasks: Vec<Option<usize>>,
    config: GraphAttentionConfig,
}

impl Small {
    fn new() -> Self {
        let mut stream = Seed::root(5).stream("small");
        let embeddings = Matrix::from_vec(12, 3, (0..36).map(|_| stream.random_range(-1.0f32..1.0)).collect()).unwrap();
        let rows = (0..12)
            .map(|_| {
                (0..2)
                    .map(|model| Outcome {
                        weight: stream.random_range(0.5..2.0),
                        ..Outcome::new(model, stream.random())
                    })
                    .collect()
            })
            .collect();
        let set = training_set(embeddings, 2, rows);
        let base = BaseRates::of(set.outcomes());
        let tasks: Vec<Option<usize>> = (0..12).map(|row| Some(row % 2)).collect();
        let mut edges = Matrix::zeros(12, 2);
        for row in 0..12 {
            edges.set(row, row % 2, 0.9f32.ln());
            edges.set(row, 1 - row % 2, 0.1f32.ln());
        }
        let config = GraphAttentionConfig { width: 4, support: 100, dropout: 0.0, ..Default::default() };
        Self { set, base, edges, tasks, config }
    }

    fn parameters(graph: &objective::Graph<'_>, stream: &mut SeedStream) -> Vec<Parameter> {
        let mut parameters = graph.initial(stream);
        for parameter in &mut parameters {
            for value in &mut parameter.values {
                *value += stream.random_range(-0.3f32..0.3);
            }
        }
        parameters
    }
}

fn differentiated(graph: &objective::Graph<'_>, parameters: &[Parameter], rows: &[usize]) -> (f64, Vec<Vec<f32>>) {
    let variables: Vec<Var> = parameters
        .iter()
        .map(|p| {
            Var::from_tensor(&Tensor::from_vec(p.values.clone(), p.shape.as_slice(), &Device::Cpu).unwrap()).unwrap()
        })
        .collect();
    let loss = graph.batch_loss(&variables, rows, &mut Seed::root(1).stream("dropout")).unwrap();
    let store = loss.backward().unwrap();
    let gradients =
        variables.iter().map(|var| store.get(var).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap()).collect();
    (f64::from(loss.to_scalar::<f32>().unwrap()), gradients)
}

#[test]
fn the_gradient_agrees_with_finite_differences() {
    let small = Small::new();
    let all: Vec<usize> = (0..12).collect();
    let graph = objective::Graph::new(&small.config, &small.set, &small.base, &small.edges, &small.tasks, &all, &[]);
    let parameters = Small::parameters(&graph, &mut Seed::root(2).stream("weights"));
    let batch = [0, 3, 5, 8];
    let (_, gradients) = differentiated(&graph, &parameters, &batch);
    for (of, gradient) in gradients.iter().enumerate() {
        for (at, exact) in gradient.iter().enumerate() {
            let moved = |by: f32| {
                let mut parameters = parameters.clone();
                parameters[of].values[at] += by;
                differentiated(&graph, &parameters, &batch).0
            };
            let numeric = (moved(1e-2) - moved(-1e-2)) / 2e-2;
            assert!((numeric - f64::from(*exact)).abs() < 3e-3, "{of} {at}: {numeric} {exact}");
        }
    }
}

#[test]
fn stored_states_say_what_the_graph_says_and_a_batch_does_not_see_its_own_outcomes() {
    let small = Small::new();
    let all: Vec<usize> = (0..12).collect();
    let train: Vec<usize> = (0..8).collect();
    let graph = objective::Graph::new(&small.config, &small.set, &small.base, &small.edges, &small.tasks, &train, &[]);
    let parameters = Small::parameters(&graph, &mut Seed::root(2).stream("weights"));
    // A batch of prompts that are not trained on hears from all that are: the loss in training is that of the stored network.
    let asked: Vec<usize> = (8..12).collect();
    let (loss, _) = differentiated(&graph, &parameters, &asked);
    let network = graph.extract(&parameters).unwrap();
    let mut input = Matrix::zeros(4, 5);
    for (at, &row) in asked.iter().enumerate() {
        input.row_mut(at)[..3].copy_from_slice(small.set.embeddings().row(row));
        input.row_mut(at)[3..].copy_from_slice(small.edges.row(row));
    }
    let mut logits = Matrix::default();
    network.answer(input.view(), &mut Scratch::default(), &mut logits);
    let weight: f64 = train.iter().flat_map(|&row| small.set.outcomes().row(row)).map(|o| f64::from(o.weight)).sum();
    let mut expected = 0.0;
    for (at, &row) in asked.iter().enumerate() {
        for seen in small.set.outcomes().row(row) {
            let probability = f64::from(sigmoid(logits.get(at, seen.model)));
            let quality = f64::from(seen.quality);
            let of_outcome = -quality * probability.ln() - (1.0 - quality) * (1.0 - probability).ln();
            expected += f64::from(seen.weight) * of_outcome * 8.0 / weight / 4.0;
        }
    }
    assert!((loss - expected).abs() < 1e-4, "{loss} {expected}");
    let graph = objective::Graph::new(&small.config, &small.set, &small.base, &small.edges, &small.tasks, &all, &[]);
    let support = graph.support(&[2, 5], &mut Seed::root(1).stream("support"));
    assert_eq!(support.len(), 10);
    assert!(!support.contains(&2) && !support.contains(&5));
}

#[test]
fn wrong_parameters_are_told() {
    let (set, _, _) = world(30, 2, 1);
    let default = GraphAttentionConfig::default;
    for (config, field) in [
        (GraphAttentionConfig { width: 0, ..default() }, "width"),
        (GraphAttentionConfig { support: 0, ..default() }, "support"),
        (GraphAttentionConfig { clusters: 0, ..default() }, "clusters"),
    ] {
        let error = QualityEstimator::fit(&config, &set, &Tasks::none(&set), &FitContext::new(1)).unwrap_err();
        assert_eq!((error.kind(), error.field()), (ErrorKind::Config, Some(field)));
    }
}

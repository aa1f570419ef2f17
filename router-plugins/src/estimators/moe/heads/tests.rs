//! Every kind against a world in which its structure is right, and against solutions found another way.

use std::sync::Arc;

use rand::RngExt;
use router_core::config::TasksConfig;
use router_core::{
    Dataset, FitContext, Matrix, Model, ModelIndex, ModelPool, Outcome, Outcomes, Prompt, Seed, SeedStream, TaskMap,
    Tasks, TrainingSet,
};

use super::choose::{general_loss, held_out_loss};
use super::core_space::{AllOutcomes, CoreSpace};
use super::full_rank::FullRank;
use super::low_rank::LowRank;
use super::pyramid::Pyramid;
use super::residual::{self, Residual};
use super::separate::{Coefficients, OfTask};
use super::stored::{HeadInput, HeadScratch};
use super::{Evidence, HeadKind};
use crate::nn::exponential::sigmoid;
use crate::nn::kernels::dot;
use crate::nn::logistic::{LogisticProblem, Observation};
use crate::nn::{Activation, FeedForward, Layer};

/// Prompts of features uniform in [0, 1), a trunk that passes them on, and the general heads given. Prompt i is of task
/// i mod tasks; the first `learn` prompts are learnt from, as many others are held out.
struct World {
    set: TrainingSet,
    tasks: Tasks,
    seen: Vec<bool>,
    trunk: FeedForward,
    general: Layer,
    learn: usize,
}

/// The shape of a world.
#[derive(Clone, Copy)]
struct Shape {
    tasks: usize,
    models: usize,
    h: usize,
    learn: usize,
}

impl World {
    /// `logit` is the true one of model in task for the features, centered at 0 and with a variance of 1 each.
    fn new(shape: Shape, general: Layer, logit: impl Fn(usize, ModelIndex, &[f32]) -> f32) -> Self {
        Self::under(shape, general, None, logit)
    }

    /// The same with a tree over the tasks: the parents of the nodes, of which the last `tasks` are the tasks.
    fn under(
        shape: Shape,
        general: Layer,
        tree: Option<&[Option<u32>]>,
        logit: impl Fn(usize, ModelIndex, &[f32]) -> f32,
    ) -> Self {
        let Shape { tasks, models, h, learn } = shape;
        let mut stream = Seed::root(5).stream("world");
        let n = 2 * learn;
        let (mut vectors, mut rows, mut labels) = (Vec::new(), Vec::new(), Vec::new());
        let first = tree.map_or(0, |tree| tree.len() - tasks);
        for row in 0..n {
            let features: Vec<f32> = (0..h).map(|_| stream.random::<f32>()).collect();
            let centered: Vec<f32> = features.iter().map(|value| (value - 0.5) * 12f32.sqrt()).collect();
            let outcomes = (0..models).map(|model| {
                let chance = sigmoid(logit(row % tasks, model, &centered));
                Outcome::new(model, f32::from(u8::from(stream.random::<f32>() < chance)))
            });
            rows.push(outcomes.collect());
            vectors.extend(features);
            labels.push(Some((first + row % tasks) as u32));
        }
        let pool = ModelPool::new((0..models).map(|model| Model::new(format!("m{model}"))).collect()).unwrap();
        let prompts = (0..n).map(|row| Prompt::new(row.to_string(), "x")).collect();
        let dataset = Dataset::new("world", prompts, pool, Outcomes::from_rows(models, rows).unwrap()).unwrap();
        let set = TrainingSet::new(Arc::new(dataset), Arc::new(Matrix::from_vec(n, h, vectors).unwrap())).unwrap();
        let map = match tree {
            Some(tree) => TaskMap::from_tree(&labels, tree).unwrap(),
            None => TaskMap::from_labels(&labels),
        };
        let tasks = Tasks::profile(&set, map, &TasksConfig { coverage: 1.0, ..TasksConfig::default() }).unwrap();
        let mut identity = Matrix::zeros(h, h);
        (0..h).for_each(|at| identity.set(at, at, 1.0));
        let trunk = Layer::new(identity, vec![0.0; h]).unwrap();
        let trunk = FeedForward::new(vec![trunk], Activation::Relu).unwrap();
        Self { set, tasks, seen: vec![true; models], trunk, general, learn }
    }

    fn evidence(&self) -> Evidence<'_> {
        Evidence::of(&self.set, &self.tasks, &self.seen, &self.trunk, &self.general)
    }

    /// The prompts of every task, those to learn from and those held out.
    fn rows(&self) -> (Vec<Vec<usize>>, Vec<Vec<usize>>) {
        self.tasks.assigned_members().iter().map(|rows| rows.iter().partition(|&&row| row < self.learn)).unzip()
    }

    /// The held-out loss of the kind under the penalty that suits it best, per outcome.
    fn loss<K: HeadKind>(&self, kind: &K) -> f64 {
        let (evidence, (learn, held_out)) = (self.evidence(), self.rows());
        let cx = FitContext::new(1);
        let solutions = kind.solve(&evidence, &learn, K::PENALTIES, &cx).unwrap();
        let losses = solutions.iter().map(|heads| held_out_loss(kind, &evidence, heads, &held_out, &cx).unwrap());
        losses.fold(f64::INFINITY, f64::min) / self.outcomes()
    }

    /// How much lower that is than the loss of the general heads.
    fn gain<K: HeadKind>(&self, kind: &K) -> f64 {
        self.general_loss() - self.loss(kind)
    }

    fn general_loss(&self) -> f64 {
        general_loss(&self.evidence(), &self.rows().1, &FitContext::new(1)).unwrap() / self.outcomes()
    }

    fn outcomes(&self) -> f64 {
        (self.learn * self.seen.len()) as f64
    }
}

/// General heads that know nothing.
fn ignorant(shape: Shape) -> Layer {
    Layer::new(Matrix::zeros(shape.models, shape.h), vec![0.0; shape.models]).unwrap()
}

/// `count` vectors of `size` numbers, each plus or minus 1.
fn signs(count: usize, size: usize, stream: &mut SeedStream) -> Vec<Vec<f32>> {
    (0..count).map(|_| (0..size).map(|_| if stream.random::<bool>() { 1.0 } else { -1.0 }).collect()).collect()
}

fn stream(purpose: &str) -> SeedStream {
    Seed::root(9).stream(purpose)
}

fn near(a: &[f32], b: &[f32], tolerance: f32) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() <= tolerance)
}

#[test]
fn a_residual_learns_what_the_general_head_does_not_know() {
    let shape = Shape { tasks: 2, models: 3, h: 6, learn: 600 };
    let rules = signs(6, 6, &mut stream("rules"));
    let world = World::new(shape, ignorant(shape), |task, model, x| dot(&rules[task * 3 + model], x));
    let (with, without) = (world.loss(&Residual), world.general_loss());
    assert!(with < 0.75 * without, "{with} and {without}");
}

#[test]
fn a_full_rank_head_is_not_misled_by_the_general_one() {
    let shape = Shape { tasks: 2, models: 3, h: 12, learn: 120 };
    // The general heads are sure of what is not so.
    let wrong: Vec<f32> = signs(3, 12, &mut stream("wrong")).concat().iter().map(|value| 6.0 * value).collect();
    let misled = Layer::new(Matrix::from_vec(3, 12, wrong).unwrap(), vec![0.0; 3]).unwrap();
    let rules = signs(6, 12, &mut stream("rules"));
    let logit = |task: usize, model: usize, x: &[f32]| 1.0 + 0.5 * dot(&rules[task * 3 + model], x);
    let world = World::new(shape, misled, logit);
    let (own, residual) = (world.loss(&FullRank), world.loss(&Residual));
    assert!(own < 0.95 * residual, "{own} and {residual}");
    // It has learnt: the base rate alone, which an enormous penalty leaves, does worse.
    let (evidence, (learn, held_out)) = (world.evidence(), world.rows());
    let cx = FitContext::new(1);
    let fixed = FullRank.solve(&evidence, &learn, &[1e7], &cx).unwrap();
    let rate = held_out_loss(&FullRank, &evidence, &fixed[0], &held_out, &cx).unwrap() / world.outcomes();
    assert!(own < 0.95 * rate, "{own} and {rate}");
    let successes = |task: usize, model: usize| -> f64 {
        let of_row = |row: &usize| f64::from(world.set.outcomes().get(*row, model).unwrap().quality);
        (learn[task].iter().map(of_row).sum::<f64>() + world.tasks.global()[model]) / (learn[task].len() as f64 + 1.0)
    };
    let head = FullRank.coefficients(&fixed[0], 1, 2).unwrap();
    assert!((f64::from(sigmoid(head[12])) - successes(1, 2)).abs() < 1e-4);
}

/// Twelve models whose skill varies along one direction of the features, another one in each task. The smaller the scale, the more
/// of the outcomes is chance, of which every model has its own.
fn one_direction(scale: f32) -> World {
    let shape = Shape { tasks: 2, models: 12, h: 40, learn: 160 };
    let (directions, slopes) = (signs(2, 40, &mut stream("directions")), signs(24, 1, &mut stream("slopes")));
    World::new(shape, ignorant(shape), move |task, model, x| {
        scale * slopes[task * 12 + model][0] * dot(&directions[task], x)
    })
}

/// Heads of every model in every task that know nothing, to start from.
fn at_random(world: &World) -> Coefficients {
    let mut stream = stream("start");
    let (tasks, models, p) = (world.tasks.count(), world.seen.len(), world.trunk.outputs() + 1);
    let of_task = |_| {
        let heads = signs(models, p, &mut stream).into_iter().enumerate();
        heads.map(|(model, head)| (model, head.into_iter().map(|value| 0.1 * value).collect())).collect()
    };
    (0..tasks).map(of_task).collect()
}

#[test]
fn low_rank_heads_share_what_the_models_of_a_task_share() {
    let world = one_direction(0.2);
    let (low, residual) = (world.gain(&LowRank::of(Some(1))), world.gain(&Residual));
    assert!(low > 1.5 * residual, "{low} and {residual}");
    // From a direction that is drawn at random the heads alone learn nothing; the projection does.
    let (evidence, (learn, held_out)) = (world.evidence(), world.rows());
    let loss = |rounds| {
        let kind = LowRank { rank: 1, rounds };
        let starts = at_random(&world).into_iter().enumerate();
        let fit = |(task, start): (usize, OfTask)| kind.fit_task(&evidence, &learn[task], start, 0.3).unwrap().0;
        let solution = starts.map(fit).collect();
        held_out_loss(&kind, &evidence, &solution, &held_out, &FitContext::new(1)).unwrap() / world.outcomes()
    };
    let (start, learnt) = (world.general_loss() - loss(0), world.general_loss() - loss(10));
    assert!(start < 0.3 * learnt && learnt > 1.5 * residual, "{start}, {learnt} and {residual}");
}

/// Thirty tasks, each with a core of its own between two directions of the features and two of the models.
fn shared_basis(scale: f32) -> World {
    let shape = Shape { tasks: 30, models: 6, h: 40, learn: 900 };
    let (inputs, outputs) = (signs(2, 40, &mut stream("inputs")), signs(6, 2, &mut stream("outputs")));
    let cores = signs(30, 4, &mut stream("cores"));
    World::new(shape, ignorant(shape), move |task, model, x| {
        let core = &cores[task];
        let along = [dot(&inputs[0], x), dot(&inputs[1], x)];
        let image = [dot(&core[..2], &along), dot(&core[2..], &along)];
        scale * dot(&outputs[model], &image)
    })
}

#[test]
fn cores_learn_from_few_prompts_what_all_tasks_share_the_basis_of() {
    let world = shared_basis(0.1);
    let cores = world.gain(&CoreSpace::of(Some(2)));
    let (residual, low_rank) = (world.gain(&Residual), world.gain(&LowRank::of(Some(2))));
    assert!(cores > 1.5 * residual && cores > 1.5 * low_rank, "{cores}, {residual} and {low_rank}");
    // In a basis that is drawn at random cores alone learn little; the basis is what is learnt.
    let (evidence, (learn, held_out)) = (world.evidence(), world.rows());
    let (cx, start) = (FitContext::new(1), at_random(&world));
    let outcomes = AllOutcomes::of(&evidence, &learn, &start);
    let loss = |rounds| {
        let kind = CoreSpace { rank: 2, rounds };
        let heads = kind.fit(&evidence, &outcomes, &start, 1.0, &cx).unwrap().0;
        held_out_loss(&kind, &evidence, &heads, &held_out, &cx).unwrap() / world.outcomes()
    };
    let (start, learnt) = (world.general_loss() - loss(0), world.general_loss() - loss(40));
    assert!(start < 0.5 * learnt && learnt > 1.5 * residual, "{start}, {learnt} and {residual}");
}

/// Twelve tasks of three coarse kinds; what tells models apart belongs to the kind, with a little of the task's own. The tree
/// says which task is of which kind.
fn kinds(kind_of: impl Fn(usize) -> usize) -> World {
    let shape = Shape { tasks: 12, models: 4, h: 16, learn: 360 };
    let (coarse, fine) = (signs(12, 16, &mut stream("coarse")), signs(48, 16, &mut stream("fine")));
    let mut tree: Vec<Option<u32>> = vec![None; 3];
    tree.extend((0..12).map(|task| Some(kind_of(task) as u32)));
    World::under(shape, ignorant(shape), Some(&tree), move |task, model, x| {
        0.5 * dot(&coarse[task % 3 * 4 + model], x) + 0.1 * dot(&fine[task * 4 + model], x)
    })
}

#[test]
fn in_a_pyramid_small_tasks_borrow_from_their_coarse_one() {
    let (right, wrong) = (kinds(|task| task % 3), kinds(|task| task / 4));
    let (with, misled, alone) = (right.loss(&Pyramid), wrong.loss(&Pyramid), right.loss(&Residual));
    assert!(with < 0.95 * alone, "{with} and {alone}");
    assert!(with < 0.95 * misled, "{with} and {misled} under a wrong tree");
}

#[test]
fn a_pyramid_of_single_tasks_is_the_residual() {
    let shape = Shape { tasks: 3, models: 3, h: 5, learn: 150 };
    let rules = signs(9, 5, &mut stream("rules"));
    let logit = |task: usize, model: usize, x: &[f32]| dot(&rules[task * 3 + model], x);
    let world = World::under(shape, ignorant(shape), Some(&[None; 3]), logit);
    let (evidence, (learn, _)) = (world.evidence(), world.rows());
    let cx = FitContext::new(1);
    let one = Pyramid.solve(&evidence, &learn, &[3.0], &cx).unwrap();
    let other = Residual.solve(&evidence, &learn, &[3.0], &cx).unwrap();
    for (task, heads) in other[0].iter().enumerate() {
        for (model, head) in heads {
            assert!(near(&Pyramid.coefficients(&one[0], task, *model).unwrap(), head, 2e-3));
        }
    }
}

#[test]
fn a_pyramid_solves_the_regression_on_features_written_once_a_node() {
    // Tasks 0, 1 and 2 by number; 0 and 1 under one coarse task. Model 1 has no outcome in task 1.
    let shape = Shape { tasks: 3, models: 2, h: 4, learn: 90 };
    let rules = signs(6, 4, &mut stream("rules"));
    let tree = [None, Some(0), Some(0), None];
    let world = World::under(shape, ignorant(shape), Some(&tree), |task, model, x| dot(&rules[task * 2 + model], x));
    let evidence = world.evidence();
    let mut learn = world.rows().0;
    learn[1].clear();
    let heads = &Pyramid.solve(&evidence, &learn, &[2.0], &FitContext::new(1)).unwrap()[0];
    // Nodes: task 0, task 2, coarse; task 1 has nothing of its own to learn from.
    let nodes: [&[usize]; 3] = [&[0, 2], &[2], &[1]];
    for model in 0..2 {
        let mut written = Matrix::zeros(90, 15);
        let mut observations = Vec::new();
        for (task, rows) in learn.iter().enumerate() {
            for &row in rows {
                let at = observations.len();
                for &node in nodes[task] {
                    written.row_mut(at)[node * 5..node * 5 + 5].copy_from_slice(evidence.features.rows.row(row));
                }
                observations.push(Observation { row: at, ..evidence.observation(row, model, true).unwrap() });
            }
        }
        let mut found = vec![0.0; 15];
        LogisticProblem::new(&written, observations).unwrap().solve(2.0, &mut found).unwrap();
        for (task, nodes) in nodes.iter().enumerate() {
            let mut expected = vec![0.0f32; 5];
            for &node in *nodes {
                crate::nn::kernels::add_scaled(&mut expected, 1.0, &found[node * 5..node * 5 + 5]);
            }
            let head = Pyramid.coefficients(heads, task, model).unwrap();
            assert!(near(&head, &expected, 2e-3), "task {task}, model {model}: {head:?} and {expected:?}");
        }
        // Without an outcome in it, task 1 has the head of its coarse task, which has learnt from task 0.
        assert!(Pyramid.coefficients(heads, 1, model).unwrap().iter().any(|&value| value.abs() > 0.05));
    }
}

#[test]
fn at_full_rank_low_rank_and_core_space_are_the_residual() {
    let shape = Shape { tasks: 1, models: 3, h: 5, learn: 120 };
    let rules = signs(3, 5, &mut stream("rules"));
    let world = World::new(shape, ignorant(shape), |_, model, x| dot(&rules[model], x));
    let (evidence, (learn, _)) = (world.evidence(), world.rows());
    let cx = FitContext::new(1);
    let full = Residual.solve(&evidence, &learn, &[3.0], &cx).unwrap();
    let (low, cores) = (LowRank::of(Some(100)), CoreSpace::of(Some(100)));
    let of_low = low.solve(&evidence, &learn, &[3.0], &cx).unwrap();
    let of_cores = cores.solve(&evidence, &learn, &[3.0], &cx).unwrap();
    for (model, head) in &full[0][0] {
        assert!(near(&low.coefficients(&of_low[0], 0, *model).unwrap(), head, 2e-3));
        assert!(near(&cores.coefficients(&of_cores[0], 0, *model).unwrap(), head, 2e-3));
    }
}

/// The objective of heads, written down in f64: losses of all outcomes, and half the penalty on the squares of `penalised`.
fn objective(evidence: &Evidence<'_>, rows: &[usize], heads: &[(ModelIndex, Vec<f64>)], penalty: f64) -> f64 {
    let mut total = 0.0;
    for (model, head) in heads {
        for &row in rows {
            let Some(seen) = evidence.observation(row, *model, true) else { continue };
            let features = evidence.features.rows.row(row).iter().map(|&value| f64::from(value));
            let logit = f64::from(seen.offset) + features.zip(head).map(|(x, w)| x * w).sum::<f64>();
            total += (1.0 + logit.exp()).ln() - f64::from(seen.target) * logit;
        }
        total += 0.5 * penalty * head.iter().map(|w| w * w).sum::<f64>();
    }
    total
}

#[test]
fn low_rank_heads_lower_their_objective_to_where_finite_differences_vanish() {
    let world = one_direction(0.5);
    let (evidence, (learn, _)) = (world.evidence(), world.rows());
    let start = at_random(&world).remove(0);
    let kind = LowRank { rank: 2, rounds: 10 };
    let (factors, objectives) = kind.fit_task(&evidence, &learn[0], start.clone(), 3.0).unwrap();
    assert!(objectives.windows(2).all(|pair| pair[1] <= pair[0] * (1.0 + 1e-6)), "{objectives:?}");
    assert!(objectives[objectives.len() - 1] < 0.97 * objectives[0], "{objectives:?}");
    // The best approximation of the residuals is a start that leaves little to do, and leads as far down.
    let informed = residual::solve_task(&evidence, 0, &learn[0], &[3.0]).unwrap().remove(0);
    let from_there = kind.fit_task(&evidence, &learn[0], informed, 3.0).unwrap().1;
    assert!(from_there[from_there.len() - 1] < 1.02 * objectives[objectives.len() - 1], "{from_there:?}");
    // Heads of rank 2, moved by a share of what exchanging two models' slopes would change: within rank 2 again.
    let heads = |factors: &super::low_rank::Factors, moved: f64| -> Vec<(ModelIndex, Vec<f64>)> {
        let solution = vec![factors.clone()];
        let head = |model| kind.coefficients(&solution, 0, model).unwrap();
        let wide = |head: Vec<f32>| head.into_iter().map(f64::from).collect::<Vec<_>>();
        start
            .iter()
            .map(|&(model, _)| {
                let (own, other) = (wide(head(model)), wide(head((model + 1) % 12)));
                let bias = own.len() - 1;
                let moved = |at: usize| own[at] + if at == bias { moved } else { moved * other[at] };
                (model, (0..own.len()).map(moved).collect())
            })
            .collect()
    };
    let at = |moved| objective(&evidence, &learn[0], &heads(&factors, moved), 3.0);
    assert!((at(0.0) - objectives[objectives.len() - 1]).abs() < 1e-3 * at(0.0));
    let slope = (at(1e-3) - at(-1e-3)) / 2e-3;
    assert!(slope.abs() < 0.05, "{slope}");
    // It would not, were it not solved for: the slope of the residuals cut to rank 2.
    let cut = |moved| {
        let mut all = heads(&factors, 0.0);
        for (_, head) in &mut all {
            for value in head {
                *value *= 1.0 + moved;
            }
        }
        objective(&evidence, &learn[0], &all, 1.0)
    };
    assert!(((cut(1e-3) - cut(-1e-3)) / 2e-3).abs() > 1.0);
}

#[test]
fn cores_lower_their_objective_to_where_finite_differences_vanish() {
    let world = shared_basis(0.25);
    let (evidence, (learn, _)) = (world.evidence(), world.rows());
    let cx = FitContext::new(1);
    let start = at_random(&world);
    let outcomes = AllOutcomes::of(&evidence, &learn, &start);
    let kind = CoreSpace { rank: 3, rounds: 10 };
    let (cores, objectives) = kind.fit(&evidence, &outcomes, &start, 1.0, &cx).unwrap();
    assert!(objectives.windows(2).all(|pair| pair[1] <= pair[0] * (1.0 + 1e-6)), "{objectives:?}");
    assert!(objectives[objectives.len() - 1] < 0.97 * objectives[0], "{objectives:?}");
    // Where all of a task's models have a head, the penalty is one on the heads: scaling a core moves only that task's.
    let of_task = |scale: f64, penalty: f64| {
        let heads: Vec<(ModelIndex, Vec<f64>)> = start[0]
            .iter()
            .map(|&(model, _)| {
                let head = kind.coefficients(&cores, 0, model).unwrap();
                (model, head.into_iter().map(|value| scale * f64::from(value)).collect())
            })
            .collect();
        assert_eq!(heads.len(), 6);
        objective(&evidence, &learn[0], &heads, penalty)
    };
    let slope = |penalty| (of_task(1.001, penalty) - of_task(0.999, penalty)) / 2e-3;
    assert!(slope(1.0).abs() < 0.02, "{}", slope(1.0));
    assert!(slope(2.0) > 1.0, "{}", slope(2.0));
}

/// What is stored gives the estimates of the coefficients, task by task and mixed.
fn stored_heads_are_the_fitted_ones<K: HeadKind>(kind: &K, merges: bool) {
    let shape = Shape { tasks: 3, models: 4, h: 6, learn: 90 };
    let rules = signs(12, 6, &mut stream("rules"));
    let known = Layer::new(Matrix::from_vec(4, 6, signs(4, 6, &mut stream("known")).concat()).unwrap(), vec![-0.3; 4]);
    let world = World::new(shape, known.unwrap(), |task, model, x| dot(&rules[task * 4 + model], x));
    let (evidence, (learn, _)) = (world.evidence(), world.rows());
    let solution = kind.solve(&evidence, &learn, &[1.0], &FitContext::new(1)).unwrap().remove(0);
    let logit = |task: usize, model: usize, row: usize| -> f32 {
        let general = evidence.features.general.get(row, model);
        match kind.coefficients(&solution, task, model) {
            Some(head) if K::ADDS_TO_GENERAL => general + dot(&head, evidence.features.rows.row(row)),
            Some(head) => dot(&head, evidence.features.rows.row(row)),
            None => general,
        }
    };
    let logits: Vec<Vec<Vec<f32>>> = (0..world.set.len())
        .map(|row| (0..3).map(|task| (0..4).map(|model| logit(task, model, row)).collect()).collect())
        .collect();
    let general = evidence.features.general.clone();
    let heads = kind.store(&evidence, solution).unwrap();
    let mut scratch = HeadScratch::default();
    assert!(heads.index().len() >= 9 && heads.parameters() > 0);
    for (row, tasks) in logits.iter().enumerate() {
        let (hidden, general) = (world.set.embeddings().row(row), general.row(row));
        let plain: Vec<f32> = general.iter().map(|&logit| sigmoid(logit)).collect();
        for (task, expected) in tasks.iter().enumerate() {
            let mut estimates = plain.clone();
            heads.replace(task, hidden, general, &mut estimates, &mut scratch);
            let expected: Vec<f32> = expected.iter().map(|&logit| sigmoid(logit)).collect();
            assert!(near(&estimates, &expected, 1e-4), "{estimates:?} and {expected:?}");
        }
        let likely = [(0, 0.5f32), (2, 0.3)];
        let mut mixed = vec![0.0; 4];
        let prompt = HeadInput { hidden, logits: general, estimates: &plain };
        heads.mix(likely.into_iter(), prompt, 0.5, &mut mixed, &mut scratch);
        for model in 0..4 {
            let expected = if merges {
                let residual = |&(task, likely): &(usize, f32)| likely * (tasks[task][model] - general[model]);
                sigmoid(general[model] + likely.iter().map(residual).sum::<f32>()) - plain[model]
            } else {
                likely.iter().map(|&(task, likely)| likely * (sigmoid(tasks[task][model]) - plain[model])).sum()
            };
            assert!((mixed[model] - 0.5 * expected).abs() < 1e-4, "{} and {expected}", mixed[model]);
        }
    }
}

#[test]
fn stored_heads_of_every_kind_are_the_fitted_ones_and_cores_merge() {
    stored_heads_are_the_fitted_ones(&Residual, false);
    stored_heads_are_the_fitted_ones(&FullRank, false);
    stored_heads_are_the_fitted_ones(&LowRank::of(None), false);
    stored_heads_are_the_fitted_ones(&CoreSpace::of(Some(3)), true);
    stored_heads_are_the_fitted_ones(&Pyramid, false);
}

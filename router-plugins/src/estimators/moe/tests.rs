//! Tests that look inside: frozen parts, fallbacks, the mixture's arithmetic.

use std::sync::Arc;

use rand::Rng;
use router_core::{
    Dataset, Estimates, FitContext, FittedEstimator, Matrix, Model, ModelPool, Outcome, Outcomes, Prompt, PromptsView,
    QualityEstimator, QueryBatch, Seed, TaskDistribution, TaskId, TaskMap, Tasks, TrainingSet,
};

use super::fitted::FittedMoe;
use super::{MoeConfig, Routing};

/// Two models; embedding (cue, noise, noise); in task 0 the cue favors model 0, in task 1 model 1. Task 2's prompts have no
/// outcome.
fn flip_world(n: usize) -> (TrainingSet, Tasks) {
    let mut stream = Seed::root(3).stream("world");
    let mut uniform = || (stream.next_u32() >> 8) as f32 / 16_777_216.0;
    let (mut rows, mut vectors, mut labels) = (Vec::new(), Vec::new(), Vec::new());
    for row in 0..n {
        let task = row % 3;
        let cue = if uniform() < 0.5 { 1.0 } else { -1.0 };
        let good = usize::from((cue > 0.0) == (task == 1));
        let outcomes = (0..2).map(|model| {
            let chance = if model == good { 0.9 } else { 0.1 };
            Outcome::new(model, f32::from(u8::from(uniform() < chance)))
        });
        rows.push(if task == 2 { Vec::new() } else { outcomes.collect() });
        vectors.extend([cue, uniform() - 0.5, uniform() - 0.5]);
        labels.push(Some(task as u32));
    }
    let pool = ModelPool::new(vec![Model::new("a"), Model::new("b")]).unwrap();
    let prompts = (0..n).map(|row| Prompt::new(row.to_string(), "x")).collect();
    let dataset = Dataset::new("flip", prompts, pool, Outcomes::from_rows(2, rows).unwrap()).unwrap();
    let set = TrainingSet::new(Arc::new(dataset), Arc::new(Matrix::from_vec(n, 3, vectors).unwrap())).unwrap();
    let tasks = Tasks::profile(&set, TaskMap::from_labels(&labels), &router_core::config::TasksConfig::default());
    (set, tasks.unwrap())
}

fn small() -> MoeConfig {
    MoeConfig { hidden: 16, epochs: 5, members: 1, ..MoeConfig::default() }
}

fn estimate(fitted: &FittedMoe, set: &TrainingSet, tasks: &TaskDistribution, routing: Routing) -> Matrix {
    let batch = QueryBatch { prompts: PromptsView::all(set.dataset().prompts()), embeddings: set.embeddings(), tasks };
    let mut out = Estimates::new();
    fitted.clone().with_routing(routing).estimate(&batch, &mut out).unwrap();
    out.quality().to_matrix()
}

fn all_in(task: Option<u32>, n: usize) -> TaskDistribution {
    TaskDistribution::certain(&vec![task.map(TaskId); n], 3).unwrap()
}

fn close(a: &Matrix, b: &Matrix, tolerance: f32) -> bool {
    a.as_slice().iter().zip(b.as_slice()).all(|(a, b)| (a - b).abs() <= tolerance)
}

#[test]
fn phase_two_leaves_the_general_part_alone_bit_for_bit() {
    let (set, tasks) = flip_world(300);
    let cx = FitContext::new(1);
    for members in [1, 2] {
        let with = MoeConfig { members, ..small() }.fit(&set, &tasks, &cx).unwrap();
        let without = MoeConfig { members, task_heads: false, ..small() }.fit(&set, &tasks, &cx).unwrap();
        assert!(with.task_heads() > 0);
        assert_eq!(without.task_heads(), 0);
        for (with, without) in with.experts.iter().zip(&without.experts) {
            assert_eq!((&with.trunk, &with.general), (&without.trunk, &without.general));
        }
    }
}

#[test]
fn a_task_without_evidence_or_no_task_at_all_gets_the_general_heads() {
    let (set, tasks) = flip_world(300);
    assert!(!tasks.profiles()[2].candidates.is_empty(), "task 2 has a candidate, but no outcome");
    let cx = FitContext::new(1);
    let fitted = small().fit(&set, &tasks, &cx).unwrap();
    let without = MoeConfig { task_heads: false, ..small() }.fit(&set, &tasks, &cx).unwrap();
    assert_eq!(fitted.experts[0].heads.index().models_of(0).len(), 2);
    assert!(fitted.experts[0].heads.index().models_of(2).is_empty());
    let general = estimate(&without, &set, &all_in(None, set.len()), Routing::Hard);
    for routing in [Routing::Hard, Routing::Soft] {
        for task in [None, Some(2)] {
            assert_eq!(estimate(&fitted, &set, &all_in(task, set.len()), routing), general, "{routing:?} {task:?}");
        }
        assert_ne!(estimate(&fitted, &set, &all_in(Some(0), set.len()), routing), general);
    }
}

#[test]
fn hard_and_soft_agree_when_the_task_is_certain_and_soft_mixes_by_probability() {
    let (set, tasks) = flip_world(300);
    let fitted = small().fit(&set, &tasks, &FitContext::new(1)).unwrap();
    let n = set.len();
    let hard = |task| estimate(&fitted, &set, &all_in(task, n), Routing::Hard);
    for task in [None, Some(0), Some(1), Some(2)] {
        assert!(close(&hard(task), &estimate(&fitted, &set, &all_in(task, n), Routing::Soft), 1e-6));
    }
    let mut mixed = all_in(Some(1), n);
    for row in 0..n {
        mixed.row_mut(row).0.copy_from_slice(&[0.5, 0.25, 0.125]);
    }
    let mut expected = Matrix::zeros(n, 2);
    for (share, part) in [(0.5, hard(Some(0))), (0.25, hard(Some(1))), (0.25, hard(None))] {
        for (to, from) in expected.as_mut_slice().iter_mut().zip(part.as_slice()) {
            *to += share * from;
        }
    }
    assert!(close(&estimate(&fitted, &set, &mixed, Routing::Soft), &expected, 1e-6));
    assert_eq!(estimate(&fitted, &set, &mixed, Routing::Hard), hard(Some(1)));
}

#[test]
fn an_ensemble_is_the_mean_of_its_members() {
    let (set, tasks) = flip_world(300);
    let fitted = MoeConfig { members: 3, ..small() }.fit(&set, &tasks, &FitContext::new(1)).unwrap();
    let n = set.len();
    let mut expected = Matrix::zeros(n, 2);
    for expert in &fitted.experts {
        let alone = FittedMoe { shape: fitted.shape, experts: vec![expert.clone()] };
        let part = estimate(&alone, &set, &all_in(Some(0), n), Routing::Soft);
        for (to, from) in expected.as_mut_slice().iter_mut().zip(part.as_slice()) {
            *to += from / 3.0;
        }
    }
    assert!(close(&estimate(&fitted, &set, &all_in(Some(0), n), Routing::Soft), &expected, 1e-6));
    assert_ne!(fitted.experts[0], fitted.experts[1]);
}

#[test]
fn a_given_penalty_is_used_and_an_enormous_one_leaves_the_general_heads() {
    let (set, tasks) = flip_world(300);
    let fit =
        |task_weight_decay| MoeConfig { task_weight_decay, ..small() }.fit(&set, &tasks, &FitContext::new(1)).unwrap();
    let n = set.len();
    let at = |penalty| estimate(&fit(Some(penalty)), &set, &all_in(Some(0), n), Routing::Hard);
    let general = estimate(&fit(None), &set, &all_in(None, n), Routing::Hard);
    let distance =
        |a: &Matrix| -> f32 { a.as_slice().iter().zip(general.as_slice()).map(|(a, b)| (a - b).abs()).sum() };
    let (strong, middle, weak) = (distance(&at(1e6)), distance(&at(30.0)), distance(&at(1.0)));
    assert!(strong / (n as f32) < 1e-3, "{strong}");
    assert!(strong < middle && middle < weak, "{strong} {middle} {weak}");
}

//! The cases of estimators.
#![allow(clippy::indexing_slicing, reason = "rows and models of the world that was just estimated")]

use std::sync::Arc;

use crate::error::ErrorKind;
use crate::registry::EstimatorRole;
use crate::tasks::Tasks;
use crate::testkit::case::{Case, Subject, Verdict, ensure, told};
use crate::testkit::shared::{ROUNDING, easy, near, refuses_damage, same_bytes, stored_again, worlds};
use crate::testkit::world::MinimalWorld;
use crate::traits::{PromptsView, QueryBatch, StoredEstimator};
use crate::types::dataset::Dataset;
use crate::types::estimates::Estimates;
use crate::types::matrix::Matrix;
use crate::types::model::ModelPool;
use crate::types::outcome::{Outcome, Outcomes};
use crate::types::task::{TaskDistribution, TaskId};

pub(super) const CASES: &[Case] = &[
    Case { name: "finite estimates of the right shape in every world", run: every_world },
    Case { name: "no task at all", run: no_tasks },
    Case { name: "a prompt's estimates do not depend on its batch", run: batches },
    Case { name: "permuting models permutes columns", run: permuted },
    Case { name: "better than the global mean", run: better },
    Case { name: "embeddings or tasks of another dimension are refused", run: wrong_dimension },
    Case { name: "save and load give the same numbers", run: saved },
    Case { name: "the same seed gives the same bytes at 1 and 2 threads", run: bytes },
    Case { name: "a damaged slot is refused", run: damaged },
];

fn fitted(subject: &Subject<'_>, world: &MinimalWorld) -> Result<Box<dyn StoredEstimator>, String> {
    let estimator = subject.build::<EstimatorRole>()?;
    let set = told(world.name, world.training_set())?;
    told(world.name, estimator.fit(&set, &told(world.name, world.tasks())?, &Subject::context(1)))
}

/// The planted task of every prompt of `world`, numbered as in the world that was fitted on.
fn certain(world: &MinimalWorld, fitted_on: &MinimalWorld) -> Result<TaskDistribution, String> {
    let tasks = told("tasks", fitted_on.tasks())?;
    let label: Vec<u32> = tasks.map().members().iter().map(|rows| fitted_on.planted[rows[0]]).collect();
    let assignments: Vec<Option<TaskId>> = world
        .planted
        .iter()
        .map(|planted| label.iter().position(|other| other == planted).map(|task| TaskId(task as u32)))
        .collect();
    told("tasks", TaskDistribution::certain(&assignments, tasks.count()))
}

fn estimate(
    estimator: &dyn StoredEstimator,
    world: &MinimalWorld,
    tasks: &TaskDistribution,
) -> Result<Estimates, String> {
    let mut out = Estimates::new();
    let prompts = PromptsView::all(world.dataset.prompts());
    let batch = QueryBatch { prompts, embeddings: world.embeddings.view(), tasks };
    told("estimating", estimator.estimate(&batch, &mut out))?;
    let (n, m) = (world.dataset.prompts().len(), estimator.models());
    ensure(out.quality().rows() == n && out.quality().cols() == m, || {
        format!("{} x {} where {n} x {m} belongs", out.quality().rows(), out.quality().cols())
    })?;
    told("estimates", out.view().check_finite("estimates"))?;
    if let Some(variance) = out.variance() {
        ensure(variance.as_slice().iter().all(|&value| value >= 0.0), || "a negative variance".to_owned())?;
    }
    if let Some(cost) = out.cost_usd() {
        ensure(cost.as_slice().iter().all(|&value| value >= 0.0), || "a negative cost".to_owned())?;
    }
    Ok(out)
}

fn every_world(subject: &Subject<'_>) -> Verdict {
    for world in worlds()? {
        let estimator = fitted(subject, &world)?;
        let models = world.dataset.models().len();
        ensure(estimator.models() == models, || format!("{}: {} models of {models}", world.name, estimator.models()))?;
        estimate(&*estimator, &world, &certain(&world, &world)?)
            .map_err(|failure| format!("{}: {failure}", world.name))?;
    }
    Ok(())
}

fn no_tasks(subject: &Subject<'_>) -> Verdict {
    let (world, other) = easy()?;
    let set = told("world", world.training_set())?;
    let estimator = subject.build::<EstimatorRole>()?;
    let fitted = told("fitting", estimator.fit(&set, &Tasks::none(&set), &Subject::context(1)))?;
    let mut tasks = TaskDistribution::new();
    tasks.reset(other.dataset.prompts().len(), 0);
    estimate(&*fitted, &other, &tasks).map(drop)
}

fn batches(subject: &Subject<'_>) -> Verdict {
    let (world, other) = easy()?;
    let estimator = fitted(subject, &world)?;
    let tasks = certain(&other, &world)?;
    let all = estimate(&*estimator, &other, &tasks)?;
    for row in 0..other.dataset.prompts().len() {
        let alone = MinimalWorld {
            name: "one prompt",
            dataset: Arc::new(other.dataset.subset(&[row])),
            embeddings: Arc::new(other.embeddings.gather(&[row])),
            planted: vec![other.planted[row]],
        };
        let one = estimate(&*estimator, &alone, &certain(&alone, &world)?)?;
        near("one prompt alone", one.quality(), all.quality().slice_rows(row, row + 1), ROUNDING)?;
    }
    Ok(())
}

/// Exact for deterministic estimators; one that draws weights a model may differ by what the draw makes, so the mean absolute
/// difference must stay under 0.05.
fn permuted(subject: &Subject<'_>) -> Verdict {
    let (world, other) = easy()?;
    let order = [2usize, 0, 3, 1]; // column c of the permuted world is model order[c]
    let permute = |world: &MinimalWorld| -> Result<MinimalWorld, String> {
        let dataset = &world.dataset;
        let pool = order.iter().map(|&model| dataset.models().models()[model].clone()).collect();
        let rows = (0..dataset.prompts().len())
            .map(|row| {
                let place = |outcome: &Outcome| Outcome {
                    model: order.iter().position(|&model| model == outcome.model).unwrap_or(0),
                    ..*outcome
                };
                dataset.outcomes().row(row).iter().map(place).collect()
            })
            .collect();
        let outcomes = told("permuting", Outcomes::from_rows(order.len(), rows))?;
        let pool = told("permuting", ModelPool::new(pool))?;
        let permuted = told("permuting", Dataset::new("permuted", dataset.prompts().to_vec(), pool, outcomes))?;
        Ok(MinimalWorld { dataset: Arc::new(permuted), ..world.clone() })
    };
    let plain = estimate(&*fitted(subject, &world)?, &other, &certain(&other, &world)?)?;
    let permuted_world = permute(&world)?;
    let turned = estimate(&*fitted(subject, &permuted_world)?, &permute(&other)?, &certain(&other, &permuted_world)?)?;
    let mut sum = 0.0f64;
    for row in 0..plain.quality().rows() {
        for (column, &model) in order.iter().enumerate() {
            sum += f64::from((plain.quality().get(row, model) - turned.quality().get(row, column)).abs());
        }
    }
    let mean = sum / (plain.quality().rows() * order.len()) as f64;
    ensure(mean < 0.05, || format!("estimates move by {mean:.3} on average when models change places"))
}

/// On prompts it has not seen, the model of the highest estimate must do better than the best single model by 0.1.
fn better(subject: &Subject<'_>) -> Verdict {
    let (world, other) = easy()?;
    let estimates = estimate(&*fitted(subject, &world)?, &other, &certain(&other, &world)?)?;
    let best_single = world.dataset.outcomes().best_single();
    let outcomes = other.dataset.outcomes();
    let quality = |row: usize, model: usize| outcomes.get(row, model).map_or(0.0, |outcome| f64::from(outcome.quality));
    let (mut routed, mut single) = (0.0, 0.0);
    for row in 0..estimates.quality().rows() {
        let best =
            estimates.quality().row(row).iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(&a.0)));
        routed += quality(row, best.map_or(0, |(model, _)| model));
        single += quality(row, best_single);
    }
    let n = estimates.quality().rows() as f64;
    ensure(routed / n > single / n + 0.1, || {
        format!("{:.3} against {:.3} of the best single model", routed / n, single / n)
    })
}

fn wrong_dimension(subject: &Subject<'_>) -> Verdict {
    let (world, other) = easy()?;
    let estimator = fitted(subject, &world)?;
    let tasks = certain(&other, &world)?;
    let none = {
        let mut none = TaskDistribution::new();
        none.reset(other.planted.len(), 0);
        none
    };
    let wider = Matrix::zeros(other.planted.len(), other.embeddings.cols() + 1);
    let prompts = PromptsView::all(other.dataset.prompts());
    let ask = |embeddings: &Matrix, tasks: &TaskDistribution| {
        estimator.estimate(&QueryBatch { prompts, embeddings: embeddings.view(), tasks }, &mut Estimates::new())
    };
    // An estimator that reads no embedding, or no tasks, may answer; it must not panic, and an error must be one of shape.
    for result in [ask(&wider, &tasks), ask(&other.embeddings, &none)] {
        if let Err(error) = result {
            ensure(error.kind() == ErrorKind::Shape, || format!("an error of another kind: {error:?}"))?;
        }
    }
    Ok(())
}

fn saved(subject: &Subject<'_>) -> Verdict {
    let (world, other) = easy()?;
    let tasks = certain(&other, &world)?;
    let estimator = fitted(subject, &world)?;
    let again = stored_again::<EstimatorRole>(subject, &*estimator)?;
    let (before, after) = (estimate(&*estimator, &other, &tasks)?, estimate(&*again, &other, &tasks)?);
    ensure(before == after, || "the loaded estimator answers otherwise".to_owned())
}

fn bytes(subject: &Subject<'_>) -> Verdict {
    let (world, _) = easy()?;
    same_bytes(|| fitted(subject, &world))
}

fn damaged(subject: &Subject<'_>) -> Verdict {
    let (world, _) = easy()?;
    refuses_damage::<EstimatorRole>(subject, &*fitted(subject, &world)?)
}

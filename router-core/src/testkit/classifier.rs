//! The cases of classifiers.
#![allow(clippy::indexing_slicing, reason = "rows of the world that was just classified")]

use crate::error::ErrorKind;
use crate::registry::ClassifierRole;
use crate::tasks::Tasks;
use crate::testkit::case::{Case, Subject, Verdict, ensure, told};
use crate::testkit::shared::{ROUNDING, easy, refuses_damage, same_bytes, stored_again, worlds};
use crate::testkit::world::MinimalWorld;
use crate::traits::StoredClassifier;
use crate::types::matrix::{Matrix, MatrixView};
use crate::types::task::TaskDistribution;

pub(super) const CASES: &[Case] = &[
    Case { name: "a distribution for every prompt of every world", run: every_world },
    Case { name: "no task at all", run: no_tasks },
    Case { name: "a prompt's distribution does not depend on its batch", run: batches },
    Case { name: "the tasks of an easy world are told apart", run: told_apart },
    Case { name: "embeddings of another dimension are refused", run: wrong_dimension },
    Case { name: "save and load give the same numbers", run: saved },
    Case { name: "the same seed gives the same bytes at 1 and 2 threads", run: bytes },
    Case { name: "a damaged slot is refused", run: damaged },
];

fn fitted(subject: &Subject<'_>, world: &MinimalWorld) -> Result<Box<dyn StoredClassifier>, String> {
    let classifier = subject.build::<ClassifierRole>()?;
    let set = told(world.name, world.training_set())?;
    told(world.name, classifier.fit(&set, &told(world.name, world.tasks())?, &Subject::context(1)))
}

fn classify(classifier: &dyn StoredClassifier, embeddings: MatrixView<'_>) -> Result<TaskDistribution, String> {
    let mut out = TaskDistribution::new();
    told("classifying", classifier.classify(embeddings, &mut out))?;
    ensure(out.prompts() == embeddings.rows() && out.tasks() == classifier.tasks(), || {
        format!("{} x {} where {} x {} belongs", out.prompts(), out.tasks(), embeddings.rows(), classifier.tasks())
    })?;
    for row in 0..out.prompts() {
        let probabilities = out.probabilities(row);
        let sum: f32 = probabilities.iter().sum();
        ensure(probabilities.iter().all(|p| (0.0..=1.0 + ROUNDING).contains(p)) && sum <= 1.0 + 1e-4, || {
            format!("row {row} is no distribution: {probabilities:?}")
        })?;
        if let Some(task) = out.assigned(row) {
            ensure(task.index() < out.tasks(), || format!("row {row} has task {task} of {}", out.tasks()))?;
        }
    }
    Ok(out)
}

fn same(a: &TaskDistribution, row_a: usize, b: &TaskDistribution, row_b: usize, tolerance: f32) -> Verdict {
    ensure(a.assigned(row_a) == b.assigned(row_b), || format!("row {row_a}: another task"))?;
    for (x, y) in a.probabilities(row_a).iter().zip(b.probabilities(row_b)) {
        let close = (x - y).abs() <= tolerance;
        ensure(close, || format!("row {row_a}: {x} against {y}"))?;
    }
    Ok(())
}

fn every_world(subject: &Subject<'_>) -> Verdict {
    for world in worlds()? {
        let classifier = fitted(subject, &world)?;
        classify(&*classifier, world.embeddings.view()).map_err(|failure| format!("{}: {failure}", world.name))?;
    }
    Ok(())
}

fn no_tasks(subject: &Subject<'_>) -> Verdict {
    let (world, _) = easy()?;
    let set = told("world", world.training_set())?;
    let classifier = subject.build::<ClassifierRole>()?;
    let fitted = told("fitting", classifier.fit(&set, &Tasks::none(&set), &Subject::context(1)))?;
    let out = classify(&*fitted, world.embeddings.view())?;
    ensure((0..out.prompts()).all(|row| out.assigned(row).is_none()), || "a task that does not exist".to_owned())
}

fn batches(subject: &Subject<'_>) -> Verdict {
    let (world, other) = easy()?;
    let classifier = fitted(subject, &world)?;
    let all = classify(&*classifier, other.embeddings.view())?;
    for row in 0..other.embeddings.rows() {
        let alone = classify(&*classifier, other.embeddings.view().slice_rows(row, row + 1))?;
        same(&all, row, &alone, 0, ROUNDING)?;
    }
    Ok(())
}

fn told_apart(subject: &Subject<'_>) -> Verdict {
    let (world, other) = easy()?;
    let tasks = told("tasks", world.tasks())?;
    let classifier = fitted(subject, &world)?;
    let out = classify(&*classifier, other.embeddings.view())?;
    // The planted label of each task, by any of its members.
    let label: Vec<u32> = tasks.map().members().iter().map(|rows| world.planted[rows[0]]).collect();
    let right = (0..out.prompts())
        .filter(|&row| out.assigned(row).is_some_and(|task| label[task.index()] == other.planted[row]))
        .count();
    ensure(right * 10 >= out.prompts() * 9, || format!("{right} of {} prompts", out.prompts()))
}

fn wrong_dimension(subject: &Subject<'_>) -> Verdict {
    let (world, _) = easy()?;
    let classifier = fitted(subject, &world)?;
    let wrong = Matrix::zeros(1, classifier.dimension() + 1);
    match classifier.classify(wrong.view(), &mut TaskDistribution::new()) {
        Err(error) if error.kind() == ErrorKind::Shape => Ok(()),
        Err(error) => Err(format!("an error of another kind: {error:?}")),
        Ok(()) => Err("accepted".to_owned()),
    }
}

fn saved(subject: &Subject<'_>) -> Verdict {
    let (world, other) = easy()?;
    let classifier = fitted(subject, &world)?;
    let again = stored_again::<ClassifierRole>(subject, &*classifier)?;
    let (before, after) =
        (classify(&*classifier, other.embeddings.view())?, classify(&*again, other.embeddings.view())?);
    ensure(before == after, || "the loaded classifier answers otherwise".to_owned())
}

fn bytes(subject: &Subject<'_>) -> Verdict {
    let (world, _) = easy()?;
    same_bytes(|| fitted(subject, &world))
}

fn damaged(subject: &Subject<'_>) -> Verdict {
    let (world, _) = easy()?;
    refuses_damage::<ClassifierRole>(subject, &*fitted(subject, &world)?)
}

//! The cases of aggregators.

use crate::error::ErrorKind;
use crate::registry::AggregatorRole;
use crate::testkit::case::{Case, Subject, Verdict, ensure, told};
use crate::testkit::shared::{ROUNDING, easy, near, refuses_damage, same_bytes, stored_again, worlds};
use crate::testkit::world::MinimalWorld;
use crate::traits::{AggregatorEvidence, PartInfo, Stage, StoredAggregator};
use crate::types::estimates::{Estimates, EstimatesView};

pub(super) const CASES: &[Case] = &[
    Case { name: "finite estimates of the right shape in every world", run: every_world },
    Case { name: "without cross-fitted estimates", run: without_evidence },
    Case { name: "one part alone", run: one_part },
    Case { name: "a prompt's aggregate does not depend on its batch", run: batches },
    Case { name: "another number of parts is refused", run: wrong_parts },
    Case { name: "save and load give the same numbers", run: saved },
    Case { name: "the same seed gives the same bytes at 1 and 2 threads", run: bytes },
    Case { name: "a damaged slot is refused", run: damaged },
];

fn infos(count: usize) -> Vec<PartInfo> {
    (0..count)
        .map(|at| PartInfo {
            slot: if at == 0 { "task_scores".to_owned() } else { format!("estimators/{}", at - 1) },
            name: "part".to_owned(),
            stage: if at == 0 { Stage::Task } else { Stage::Prompt },
        })
        .collect()
}

/// Two parts: one that leans to the outcomes, one that leans away from them.
fn parts(world: &MinimalWorld) -> Vec<Estimates> {
    let (n, m) = (world.dataset.prompts().len(), world.dataset.models().len());
    [0.8f32, 0.3]
        .iter()
        .map(|&lean| {
            let mut estimates = Estimates::new();
            estimates.reset(n, m);
            for (row, outcome) in world.dataset.outcomes().iter() {
                estimates.quality_mut().set(row, outcome.model, 0.5 + lean * (outcome.quality - 0.5));
            }
            estimates
        })
        .collect()
}

fn fitted(subject: &Subject<'_>, world: &MinimalWorld, evidence: bool) -> Result<Box<dyn StoredAggregator>, String> {
    let (set, parts) = (told(world.name, world.training_set())?, parts(world));
    let infos = infos(parts.len());
    let evidence = AggregatorEvidence { set: &set, parts: &infos, cross_fitted: evidence.then_some(parts.as_slice()) };
    told(world.name, subject.build::<AggregatorRole>()?.fit(&evidence, &Subject::context(1)))
}

fn aggregate(aggregator: &dyn StoredAggregator, parts: &[Estimates]) -> Result<Estimates, String> {
    let views: Vec<EstimatesView<'_>> = parts.iter().map(Estimates::view).collect();
    let mut out = Estimates::new();
    told("aggregating", aggregator.aggregate(&views, &mut out))?;
    told("aggregate", out.view().check_finite("aggregate"))?;
    let expected = views.first().map_or((0, 0), |view| (view.prompts(), view.models()));
    ensure((out.quality().rows(), out.quality().cols()) == expected, || "another shape than the parts'".to_owned())?;
    Ok(out)
}

fn every_world(subject: &Subject<'_>) -> Verdict {
    for world in worlds()? {
        aggregate(&*fitted(subject, &world, true)?, &parts(&world))?;
    }
    Ok(())
}

fn without_evidence(subject: &Subject<'_>) -> Verdict {
    let (world, other) = easy()?;
    aggregate(&*fitted(subject, &world, false)?, &parts(&other)).map(drop)
}

fn one_part(subject: &Subject<'_>) -> Verdict {
    let (world, other) = easy()?;
    let set = told("world", world.training_set())?;
    let evidence = parts(&world);
    let infos = infos(1);
    let one = evidence.get(..1);
    let evidence = AggregatorEvidence { set: &set, parts: &infos, cross_fitted: one };
    let fitted = told("fitting", subject.build::<AggregatorRole>()?.fit(&evidence, &Subject::context(1)))?;
    aggregate(&*fitted, parts(&other).get(..1).unwrap_or_default()).map(drop)
}

fn batches(subject: &Subject<'_>) -> Verdict {
    let (world, other) = easy()?;
    let aggregator = fitted(subject, &world, true)?;
    let parts = parts(&other);
    let all = aggregate(&*aggregator, &parts)?;
    for row in 0..all.quality().rows() {
        let alone: Vec<Estimates> = parts.iter().map(|part| part.gather(&[row])).collect();
        let one = aggregate(&*aggregator, &alone)?;
        near("one prompt alone", one.quality(), all.quality().slice_rows(row, row + 1), ROUNDING)?;
    }
    Ok(())
}

fn wrong_parts(subject: &Subject<'_>) -> Verdict {
    let (world, other) = easy()?;
    let aggregator = fitted(subject, &world, true)?;
    let parts = parts(&other);
    let three: Vec<EstimatesView<'_>> = parts.iter().chain(parts.first()).map(Estimates::view).collect();
    for views in [three.as_slice(), &[]] {
        match aggregator.aggregate(views, &mut Estimates::new()) {
            Err(error) if error.kind() == ErrorKind::Shape => {}
            Err(error) => return Err(format!("an error of another kind: {error:?}")),
            Ok(()) => return Err(format!("{} parts are accepted where 2 were fitted", views.len())),
        }
    }
    Ok(())
}

fn saved(subject: &Subject<'_>) -> Verdict {
    let (world, other) = easy()?;
    let aggregator = fitted(subject, &world, true)?;
    let again = stored_again::<AggregatorRole>(subject, &*aggregator)?;
    let parts = parts(&other);
    let (before, after) = (aggregate(&*aggregator, &parts)?, aggregate(&*again, &parts)?);
    ensure(before == after, || "the loaded aggregator answers otherwise".to_owned())
}

fn bytes(subject: &Subject<'_>) -> Verdict {
    let (world, _) = easy()?;
    same_bytes(|| fitted(subject, &world, true))
}

fn damaged(subject: &Subject<'_>) -> Verdict {
    let (world, _) = easy()?;
    refuses_damage::<AggregatorRole>(subject, &*fitted(subject, &world, true)?)
}

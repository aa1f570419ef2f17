//! The cases of discoverers.
#![allow(clippy::indexing_slicing, reason = "tables sized by the counts they are indexed with")]

use crate::parallel::with_threads;
use crate::registry::DiscovererRole;
use crate::testkit::case::{Case, Subject, Verdict, ensure, told};
use crate::testkit::shared::{easy, worlds};
use crate::testkit::world::MinimalWorld;
use crate::types::task::TaskMap;

pub(super) const CASES: &[Case] = &[
    Case { name: "a task or none for every prompt of every world", run: every_world },
    Case { name: "the same seed gives the same tasks at 1 and 2 threads", run: same_tasks },
    Case { name: "the tasks of an easy world are found", run: found },
];

fn discover(subject: &Subject<'_>, world: &MinimalWorld) -> Result<TaskMap, String> {
    let discoverer = subject.build::<DiscovererRole>()?;
    let set = told(world.name, world.training_set())?;
    told(world.name, discoverer.discover(&set, &Subject::context(1)))
}

fn every_world(subject: &Subject<'_>) -> Verdict {
    for world in worlds()? {
        let map = discover(subject, &world)?;
        ensure(map.assignments().len() == world.planted.len(), || {
            format!("{}: {} assignments of {} prompts", world.name, map.assignments().len(), world.planted.len())
        })?;
        ensure(map.members().iter().all(|members| !members.is_empty()), || format!("{}: an empty task", world.name))?;
    }
    Ok(())
}

fn same_tasks(subject: &Subject<'_>) -> Verdict {
    let (world, _) = easy()?;
    let at = |threads| told("threads", with_threads(threads, || discover(subject, &world)))?;
    let first = at(1)?;
    ensure(first == at(1)?, || "two runs of one seed differ".to_owned())?;
    ensure(first == at(2)?, || "runs at 1 and 2 threads differ".to_owned())
}

/// Purity (share of prompts whose task's most frequent planted task is their own) of at least 0.8, with no more than a task
/// for every five prompts, so that splitting hairs does not pass.
fn found(subject: &Subject<'_>) -> Verdict {
    let (world, _) = easy()?;
    let map = discover(subject, &world)?;
    let members = map.members();
    ensure(members.len() * 5 <= world.planted.len(), || {
        format!("{} tasks in {} prompts", members.len(), world.planted.len())
    })?;
    let mut agreeing = 0usize;
    for rows in &members {
        let mut counts = [0usize; 3];
        for &row in rows {
            counts[world.planted[row] as usize] += 1;
        }
        agreeing += counts.iter().max().copied().unwrap_or(0);
    }
    let purity = agreeing as f64 / world.planted.len() as f64;
    ensure(purity >= 0.8, || format!("purity {purity:.2} in {} tasks", members.len()))
}

//! Running cells: as many at a time as there are jobs, each result written when it is there.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use router_core::parallel::with_threads;
use router_core::{Error, ErrorKind, FitContext, Registry, Result, RouterConfig, UnfittedRouter};

use super::cell::Cell;
use super::evaluate::{Scored, evaluate};
use super::once::Once;
use super::prepare::{Group, Shared};
use super::store::{State, Store};
use super::{Experiment, Report, table};
use crate::options::Options;

/// Cells that share a group, and how many of them are still to be done.
struct Slot {
    group: Once<Group>,
    left: AtomicUsize,
}

/// Runs those of the `selected` cells (by number) that have no result, `jobs` at a time (0: one a thread of the current pool), and
/// writes the table of all cells that have one.
pub(super) fn run(
    experiment: &Experiment,
    selected: &[usize],
    jobs: usize,
    registry: &Registry,
    cx: &FitContext,
) -> Result<Report> {
    let store = Store::open(experiment.store().directory())?;
    let cells = experiment.cells();
    let mut open: Vec<(usize, &Cell)> = selected
        .iter()
        .filter_map(|&at| Some((at, cells.get(at)?)))
        // A cell that failed is tried again: what it lacked may be there now.
        .filter(|(_, cell)| store.state(cell.digest()) != State::Done)
        .collect();
    let reused = selected.len() - open.len();
    // Beside each other what shares a group, so that a group can be forgotten when its last cell is done.
    open.sort_by_key(|(at, cell)| (group_key(cell), *at));
    let mut slots: Vec<Slot> = Vec::new();
    let mut work: Vec<(usize, &Cell)> = Vec::with_capacity(open.len());
    let mut last = None;
    for (_, cell) in &open {
        let key = group_key(cell);
        if last.as_ref() != Some(&key) {
            slots.push(Slot { group: Once::default(), left: AtomicUsize::new(0) });
            last = Some(key);
        }
        if let Some(slot) = slots.last() {
            slot.left.fetch_add(1, Ordering::Relaxed);
        }
        work.push((slots.len() - 1, cell));
    }
    let options = Options { resamples: experiment.grid.resamples, ..Options::default() };
    let shared = Shared::new(&experiment.data, experiment.grid.folds, registry, &options, cx);
    let bar = cx.begin("cells", Some(work.len() as u64));
    let threads = rayon::current_num_threads();
    let jobs = if jobs == 0 { threads } else { jobs }.clamp(1, work.len().max(1));
    let next = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    let failure: Mutex<Option<Error>> = Mutex::new(None);
    let worker = || {
        while !stop.load(Ordering::Relaxed) {
            let Some((slot, cell)) = work.get(next.fetch_add(1, Ordering::Relaxed)) else { break };
            let Some(slot) = slots.get(*slot) else { break };
            bar.message(cell.name());
            let result = one(cell, slot, &shared);
            let written = match result {
                // Nothing is wrong with a cell whose work was cut off.
                Err(error) if error.kind() == ErrorKind::Cancelled => Err(error),
                result => write(experiment, &store, cell, result),
            };
            if slot.left.fetch_sub(1, Ordering::AcqRel) == 1 {
                slot.group.forget();
            }
            if let Err(error) = written {
                failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                stop.store(true, Ordering::Relaxed);
            }
            bar.advance(1);
        }
    };
    // Every job has threads of its own: a cell that waits for another's work must not hold up a thread that the other needs.
    let each = (threads / jobs).max(1);
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..jobs).map(|_| scope.spawn(|| with_threads(each, worker))).collect();
        running.into_iter().try_for_each(|job| {
            job.join().unwrap_or_else(|_| Err(Error::new(ErrorKind::Internal, "a job of an experiment panicked")))
        })
    })?;
    drop(bar);
    if let Some(error) = failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }
    let table::Written { done, failed, rows } = table::write(experiment)?;
    let failures = selected
        .iter()
        .filter_map(|&at| cells.get(at))
        .filter(|cell| store.state(cell.digest()) == State::Failed)
        .filter_map(|cell| Some((cell.name().to_owned(), store.read(cell.digest())?.error?)));
    Ok(Report {
        cells: cells.len(),
        selected: selected.len(),
        ran: work.len(),
        reused,
        done,
        failed,
        failures: failures.collect(),
        rows,
    })
}

/// What cells must have in common to share a group.
fn group_key(cell: &Cell) -> (usize, u64, u64, String) {
    let cost = cell.config.get("cost");
    let embedder = serde_json::to_string(&(&cell.embedder.0, cost)).unwrap_or_default();
    (cell.data, cell.seed, cell.size.to_bits(), embedder)
}

/// What one cell comes to. A panic of a component is its failure.
fn one(cell: &Cell, slot: &Slot, shared: &Shared<'_>) -> Result<Scored> {
    let work = || -> Result<Scored> {
        let config = RouterConfig::from_json(&cell.config)?;
        let router = UnfittedRouter::from_config(&config, shared.registry)?;
        let group = slot.group.get(|| shared.group(cell, &router))?;
        evaluate(&router, &group, shared.options)
    };
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
        Err(Error::new(ErrorKind::Internal, format!("a component panicked: {}", text.unwrap_or("without a word"))))
    })
}

fn write(experiment: &Experiment, store: &Store, cell: &Cell, result: Result<Scored>) -> Result<()> {
    let Some(data) = experiment.data.get(cell.data) else {
        return Err(Error::new(ErrorKind::Internal, "a cell of no data set"));
    };
    let prompts = store.write_prompts(data)?;
    let result = result.map_err(|error| error.to_string());
    store.write(cell, data, &prompts, experiment.grid.folds, experiment.grid.resamples, result)
}

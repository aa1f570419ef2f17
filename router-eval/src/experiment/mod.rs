//! Experiments: a grid of configurations x data sets x seeds x shares of the training data, each cell evaluated like [`crate::cross_validate`]
//! or [`crate::train_test`] would.
//!
//! [`Experiment::open`] reads a [`Grid`] and its data sets; [`Experiment::run`] runs the cells that have no result yet and writes one table of
//! all. Every finished cell is a file of its own, written by a rename and named by a digest of everything that its result depends on, so that a run
//! that is killed at any point goes on where it was, and the table comes out the same byte for byte. Cells run in parallel; what they
//! share (embeddings, folds, references) is computed once.
//!
//! [`compare()`] holds two stored experiments against each other, [`pool()`] the settings of one, over all its seeds and data sets.

mod cell;
mod compare;
mod evaluate;
mod expand;
mod filter;
mod finished;
mod grid;
mod once;
mod paired;
mod pool;
mod prepare;
mod run;
mod share;
mod store;
mod table;

use std::path::Path;
use std::sync::Arc;

use router_core::{Dataset, FitContext, Registry, Result};
use router_data::directory;
use serde::Serialize;
use serde_json::{Map, Value};

pub use cell::Cell;
pub use compare::{CellDifference, Differences, compare};
pub use evaluate::Row;
pub use filter::Filter;
pub use grid::{Grid, GridData, Setting};
pub use pool::{DataDifference, Pooled, PooledDifference, PooledSetting, pool};
pub use store::State;

use cell::Loaded;
use store::Store;

/// A grid with its data sets read, and the place of its results.
#[derive(Debug, Clone)]
pub struct Experiment {
    grid: Grid,
    data: Vec<Loaded>,
    cells: Vec<Cell>,
    store: Store,
}

/// What a run did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Cells of the grid.
    pub cells: usize,
    /// Cells that were asked for.
    pub selected: usize,
    /// Cells of those that were run.
    pub ran: usize,
    /// Cells of those that had a result already.
    pub reused: usize,
    /// Cells of the grid with a result.
    pub done: usize,
    /// Cells of the grid with an error.
    pub failed: usize,
    /// The cells that were asked for and failed: name and error.
    pub failures: Vec<(String, String)>,
    /// The table: every cell with a result, a row a router or reference.
    pub rows: Vec<Map<String, Value>>,
}

impl Experiment {
    /// Reads the data sets of `grid`. Results are in directory `out`; nothing is written yet.
    ///
    /// # Errors
    /// What reading a data set reports; [`router_core::ErrorKind::Config`] with the line if two go by one name.
    pub fn open(grid: Grid, out: &Path, registry: &Registry) -> Result<Self> {
        let read = |path: &Path| -> Result<Arc<Dataset>> { directory::read(path).map(Arc::new) };
        let data = grid
            .data
            .iter()
            .map(|data| {
                let test = data.test.as_deref().map(read).transpose()?;
                Ok(Loaded::new(data.name.as_deref(), read(&data.train)?, test))
            })
            .collect::<Result<Vec<_>>>()?;
        let cells = cell::cells(&grid, &data, registry).map_err(|error| grid.source.locate(error))?;
        Ok(Self { grid, data, cells, store: Store::at(out) })
    }

    /// The cells, in the order of the table.
    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// The numbers of the cells that all of `filters` hold for.
    pub fn select(&self, filters: &[Filter]) -> Vec<usize> {
        let meant = |(_, cell): &(usize, &Cell)| filters.iter().all(|filter| filter.matches(cell));
        self.cells.iter().enumerate().filter(meant).map(|(at, _)| at).collect()
    }

    /// What is there of a cell.
    pub fn state(&self, cell: &Cell) -> State {
        self.store.state(cell.digest())
    }

    /// Runs the `selected` cells (by number) that have no result or failed, `jobs` at a time (0: as many as the current pool has
    /// threads), and writes the table. A cell that fails is recorded with its error and stops no other. Results depend neither on
    /// `jobs` nor on threads.
    ///
    /// # Errors
    /// [`router_core::ErrorKind::Usage`] if something else than an experiment is in the place of the results;
    /// [`router_core::ErrorKind::Io`]; [`router_core::ErrorKind::Cancelled`], with the finished cells kept.
    pub fn run(&self, selected: &[usize], jobs: usize, registry: &Registry, cx: &FitContext) -> Result<Report> {
        run::run(self, selected, jobs, registry, cx)
    }

    fn store(&self) -> &Store {
        &self.store
    }
}

//! The formats of the field: outcomes as other projects keep them, read into a [`Dataset`] and written from one.
//!
//! A format is a [`Format`]: its name, what of a data set it carries, how its files are read and written. [`FORMATS`] is the
//! table of those that are built in; [`import`] and [`export`] take any, so that another crate can bring its own.
//!
//! Reading never stops at a fault: every malformed row is a [`Finding`] with file, line and field, and the sound rows are kept beside
//! it. Whether a data set with faults is used is the caller's decision (`router data import --lenient`). What a file holds besides
//! the fields that are named in docs/formats.md is passed over.

mod collect;
mod embedllm;
mod fields;
mod inputs;
mod llmrouter;
mod llmrouterbench;
mod long;
mod names;
mod parts;
mod place;
mod python_list;
mod routellm;
mod routerarena;
mod routerbench;
mod rows;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use router_core::{Dataset, Error, ErrorKind, ModelPool, Outcome, Outcomes, Result};

pub use collect::Collector;
pub use fields::Fields;
pub use names::folder_name;
pub use parts::{Loss, Part};
pub use place::Output;
pub use rows::{TableEvent, json_lines, table_rows};

use crate::directory::{Finding, Findings};
use crate::near_duplicates;

/// One format of outcomes: what `--format` names.
pub trait Format: Sync {
    /// What `--format` takes: lower-case letters.
    fn name(&self) -> &'static str;

    /// What it is, in a line.
    fn summary(&self) -> &'static str;

    /// What of a data set it carries, so that it comes back from an export. What it lacks is lost.
    fn carries(&self) -> &'static [Part];

    /// The endings of the files that are read where a directory is given, without the dot.
    fn extensions(&self) -> &'static [&'static str];

    /// Reads `files`, in order, into `collector`. Faults are given to it and never end the reading.
    fn read(&self, files: &[PathBuf], collector: &mut Collector);

    /// The files of `dataset`, to be put at `out`; nothing is written here.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] if the name of `out` is none that the format can have; [`ErrorKind::Unsupported`] for a data set
    /// that it cannot hold at all.
    fn write(&self, dataset: &Dataset, out: &Path) -> Result<Output>;

    /// What of `dataset` is lost in an export.
    fn losses(&self, dataset: &Dataset) -> Vec<Loss> {
        parts::losses(self.carries(), dataset)
    }
}

/// The formats that are built in, by name.
pub static FORMATS: [&dyn Format; 7] = [
    &embedllm::EmbedLlm,
    &llmrouter::LlmRouter,
    &llmrouterbench::LlmRouterBench,
    &long::Long,
    &routellm::RouteLlm,
    &routerarena::RouterArena,
    &routerbench::RouterBench,
];

/// The built-in format called `name`.
///
/// # Errors
/// [`ErrorKind::Usage`], with the names that are known.
pub fn find(name: &str) -> Result<&'static dyn Format> {
    FORMATS.iter().copied().find(|format| format.name() == name).ok_or_else(|| {
        let known: Vec<&str> = FORMATS.iter().map(|format| format.name()).collect();
        Error::new(ErrorKind::Usage, format!("unknown format `{name}`"))
            .at_field("--format")
            .help(format!("the formats are {}", known.join(", ")))
    })
}

/// What came of reading foreign files.
#[derive(Debug, Clone, PartialEq)]
pub struct Import {
    /// The sound rows, with near-duplicate groups; `None` if too little is sound to be a data set.
    pub dataset: Option<Dataset>,
    /// What was found, the errors up to [`MOST_FINDINGS`], sorted by file and line.
    pub findings: Findings,
    /// How many errors there are, those that are not in the findings too.
    pub errors: usize,
    /// Rows that were read, or records.
    pub rows: usize,
    /// Rows of them that are left out of the data set, each with at least one error.
    pub skipped: usize,
}

/// Most errors that are kept one by one.
pub const MOST_FINDINGS: usize = 1000;

/// Reads `inputs`, files or directories, as `format`, into a data set called `name`. O(bytes) of time and memory.
pub fn import(format: &dyn Format, name: &str, inputs: &[PathBuf]) -> Import {
    let place = inputs.first().cloned().unwrap_or_default();
    collect(name, &place, |collector| {
        let files = inputs::expand(inputs, format.extensions(), collector);
        format.read(&files, collector);
    })
}

/// As [`import`], of what `read` gives to the collector: for rows that do not come out of files. `place` is where findings that belong to no
/// row are said to be.
pub fn collect(name: &str, place: &Path, read: impl FnOnce(&mut Collector)) -> Import {
    let mut collector = Collector::new();
    read(&mut collector);
    let (built, mut import) = collector.finish(name, place);
    import.dataset = match built.map(|dataset| dataset.and_then(near_duplicates::attach)) {
        Some(Ok(dataset)) => Some(dataset),
        Some(Err(error)) => {
            import.errors += 1;
            import.findings.push(Finding::from_error(place, 1, &error));
            None
        }
        None => None,
    };
    import.findings.sort();
    import
}

/// Writes `dataset` as `format` at `out`, all of it or nothing, and says what of it is lost.
///
/// # Errors
/// [`ErrorKind::Usage`] if something is at `out`, or as [`Format::write`] says; [`ErrorKind::Io`].
pub fn export(format: &dyn Format, dataset: &Dataset, out: &Path) -> Result<Vec<Loss>> {
    place::refuse_existing(out)?;
    place::put(format.write(dataset, out)?, out)?;
    Ok(format.losses(dataset))
}

/// `dataset` with the models called `names` alone, in that order. Prompts stay, with or without outcomes.
///
/// # Errors
/// [`ErrorKind::UnknownModel`], [`ErrorKind::EmptyPool`]; [`ErrorKind::Data`] for a name that stands twice.
pub fn only_models(dataset: &Dataset, names: &[String]) -> Result<Dataset> {
    let kept = names.iter().map(|name| dataset.models().index_of(name)).collect::<Result<Vec<_>>>()?;
    let pool = ModelPool::new(kept.iter().filter_map(|&model| dataset.models().get(model).cloned()).collect())?;
    let row = |row: usize| {
        let outcomes = dataset.outcomes().row(row).iter();
        outcomes.filter_map(|outcome| {
            let model = kept.iter().position(|&model| model == outcome.model)?;
            Some(Outcome { model, ..*outcome })
        })
    };
    let rows = (0..dataset.prompts().len()).map(|at| row(at).collect()).collect();
    let outcomes = Outcomes::from_rows(pool.len(), rows)?;
    Dataset::new(dataset.name(), dataset.prompts().to_vec(), pool, outcomes)?.with_groups(dataset.groups().to_vec())
}

/// The number that a person would write for `value`: 0.1, where the same bits as f64 are 0.10000000149011612. It reads back as `value`.
fn shortest(value: f32) -> f64 {
    value.to_string().parse().unwrap_or_else(|_| f64::from(value))
}

//! Data set directories: read, written and checked.
//!
//! ```text
//! models.json       [{"model", "input_usd_per_mtok", "output_usd_per_mtok", "context_window"?, "latency_seconds"?,
//!                     "output_tokens_per_second"?, "tags"?}]
//! prompts.jsonl     {"prompt_id", "prompt", "benchmark"?, "description"?, "tags"?}
//! outcomes.csv.gz   prompt_id,model,quality,cost_usd,input_tokens,output_tokens[,weight][,propensity]
//!                   or outcomes.csv, or outcomes.jsonl with the same fields
//! ```
//!
//! `prompts.parquet` and `outcomes.parquet` hold the same as columns, and are read in their stead; a conversation may stand in a
//! column `messages` of its own. A line is then a row, from 1.
//!
//! A prompt is a string or a list of chat messages `{"role", "content"}`. A quality lies in [0, 1]; an empty cell is unknown,
//! and a row without a quality is an outcome that was not seen. A weight says how much an outcome counts; a propensity is the
//! probability with which a logged call was sent to that model. Files are UTF-8, with or without a byte order mark, and lines end either way.
//!
//! [`read`] and [`check`] go the same way through the files, so that a directory reads exactly if a check finds no error.
//! Both read line after line, or row after row of Parquet, and hold of a file what of it becomes the data set: about 56 bytes an outcome, and the texts. O(bytes).

pub(crate) mod csv_rows;
mod encoding;
pub(crate) mod findings;
mod guard;
pub(crate) mod json_places;
mod models;
pub(crate) mod object;
mod outcomes;
pub(crate) mod parquet_rows;
mod prompts;
mod seen;
pub(crate) mod source;
mod warnings;
mod write;
pub(crate) mod write_parquet;

use std::path::{Path, PathBuf};

use router_core::{Dataset, Error, ErrorKind, Result};

pub use findings::{Finding, Findings, Severity};
pub use write::{Format, write, write_as};

use crate::near_duplicates;

const MODELS: &str = "models.json";
const PROMPTS: [&str; 2] = ["prompts.jsonl", "prompts.parquet"];
const OUTCOMES: [&str; 4] = ["outcomes.csv.gz", "outcomes.csv", "outcomes.jsonl", "outcomes.parquet"];

/// Reads the data set in directory `path`, with the near-duplicate groups of its prompts.
///
/// Its name is the directory's; `train`, `test` and the like take the name of the directory above before them.
///
/// # Errors
/// The first thing wrong, with its file, line and field: [`ErrorKind::Data`], [`ErrorKind::EmptyPool`],
/// [`ErrorKind::Io`].
pub fn read(path: impl AsRef<Path>) -> Result<Dataset> {
    let path = path.as_ref();
    let mut findings = Findings::default();
    load(path, &mut findings).map(|loaded| loaded.dataset).ok_or_else(|| why_not(path, findings))
}

/// The first error of a directory that was not read.
fn why_not(path: &Path, findings: Findings) -> Error {
    findings.take_first_error().map_or_else(
        || Error::new(ErrorKind::Internal, "nothing was read and nothing was found wrong").in_file(path),
        Error::from,
    )
}

/// Reads as [`read`] and checks as [`check`], going through the files once: the data set, and what a check warns of.
///
/// # Errors
/// Those of [`read`].
pub fn read_checked(path: impl AsRef<Path>) -> Result<(Dataset, Findings)> {
    let path = path.as_ref();
    let mut findings = Findings::default();
    match load(path, &mut findings) {
        Some(loaded) => {
            warnings::add(&loaded, &mut findings);
            findings.sort();
            Ok((loaded.dataset, findings))
        }
        None => Err(why_not(path, findings)),
    }
}

/// Checks the data set in directory `path`: every error that keeps it from being read, and what is worth a second look.
pub fn check(path: impl AsRef<Path>) -> Findings {
    let mut findings = Findings::default();
    if let Some(loaded) = load(path.as_ref(), &mut findings) {
        warnings::add(&loaded, &mut findings);
    }
    findings.sort();
    findings
}

/// A data set, and where its parts stand.
pub(crate) struct Loaded {
    pub(crate) dataset: Dataset,
    pub(crate) files: Files,
    /// The line of every model.
    pub(crate) model_lines: Vec<usize>,
    /// The line of every prompt.
    pub(crate) prompt_lines: Vec<usize>,
    pub(crate) read: outcomes::Read,
}

/// The files of a directory.
pub(crate) struct Files {
    pub(crate) models: PathBuf,
    pub(crate) prompts: PathBuf,
    pub(crate) outcomes: PathBuf,
}

/// Reads all that can be read; `None` once the findings hold an error.
fn load(path: &Path, findings: &mut Findings) -> Option<Loaded> {
    if !path.is_dir() {
        let what = if path.exists() { "is not a directory" } else { "there is no such directory" };
        findings.push(Finding::error(path, 1, what).help("name a data set directory"));
        return None;
    }
    let models_path = find(path, &[MODELS], findings);
    let prompts_path = find(path, &PROMPTS, findings);
    let outcomes_path = find(path, &OUTCOMES, findings);
    let mut models = models_path.as_ref().map(|path| models::read(path, findings)).unwrap_or_default();
    let prompts = prompts_path.as_ref().map(|path| prompts::read(path, findings)).unwrap_or_default();
    let mut read =
        outcomes_path.as_ref().map(|path| outcomes::read(path, &models, &prompts, findings)).unwrap_or_default();
    if findings.has_errors() {
        return None;
    }
    let pool = models.pool.take()?;
    let model_lines = pool.models().iter().map(|m| models.lines.get(&m.name).copied().unwrap_or(1)).collect();
    let built = Dataset::new(name_of(path), prompts.sound, pool, read.outcomes.take()?);
    match built.and_then(near_duplicates::attach) {
        Ok(dataset) => Some(Loaded {
            dataset,
            files: Files { models: models_path?, prompts: prompts_path?, outcomes: outcomes_path? },
            model_lines,
            prompt_lines: prompts.lines,
            read,
        }),
        Err(error) => {
            findings.push(Finding::from_error(path, 1, &error));
            None
        }
    }
}

/// The one of `names` that is in `directory`; none or several is an error.
fn find(directory: &Path, names: &[&str], findings: &mut Findings) -> Option<PathBuf> {
    let present: Vec<&str> = names.iter().copied().filter(|name| directory.join(name).exists()).collect();
    match present.as_slice() {
        [only] => Some(directory.join(only)),
        [] => {
            let first = names.first().copied().unwrap_or_default();
            let finding = Finding::error(directory.join(first), 1, "the file is missing");
            let several = names.len() > 1;
            findings.push(if several {
                finding.help(format!("{} is looked for", names.join(" or ")))
            } else {
                finding
            });
            None
        }
        [one, others @ ..] => {
            findings.push(
                Finding::error(directory.join(one), 1, format!("{one} and {} are both here", others.join(", ")))
                    .help("keep one of them"),
            );
            None
        }
    }
}

fn name_of(path: &Path) -> String {
    let whole = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    let own = name(&whole).unwrap_or_else(|| "data".to_owned());
    match whole.parent().and_then(name) {
        Some(above) if matches!(own.as_str(), "train" | "test" | "validation" | "dev") => format!("{above}/{own}"),
        _ => own,
    }
}

#[cfg(test)]
mod tests;

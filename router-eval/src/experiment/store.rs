//! The directory of an experiment: a file a finished cell, written at once, and the table of all.
//!
//! ```text
//! cells/<digest>.json      a cell: what it depends on, what it came to, the router's score on every prompt
//! prompts/<digest>.json    the prompts of a data set: their ids and groups of near duplicates
//! results.csv, .parquet, .json    the table
//! report.html              the same to look at, with learning curves
//! ```

use std::fs;
use std::path::{Path, PathBuf};

use router_core::artifact::sha256;
use router_core::{Dataset, Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::cell::{Cell, FORMAT, Loaded};
use super::evaluate::{Row, Scored};
use crate::evaluation::{json, replace};

const CELLS: &str = "cells";
const PROMPTS: &str = "prompts";
/// The table, in each of its forms.
pub(super) const TABLES: [&str; 3] = ["results.csv", "results.parquet", "results.json"];
/// The page of the table.
pub(super) const PAGE: &str = "report.html";
/// What a writer that was killed leaves beside a file.
const LEFTOVER: &str = ".router-eval-";

/// The result file of a cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CellFile {
    pub(super) format: u32,
    pub(super) version: String,
    pub(super) digest: String,
    /// The cell's fields.
    pub(super) cell: Map<String, Value>,
    /// The resolved configuration.
    pub(super) config: Value,
    pub(super) folds: Option<usize>,
    pub(super) resamples: usize,
    /// SHA-256 of what was learned from and evaluated on.
    pub(super) data: String,
    /// Why it failed; none if it did not.
    pub(super) error: Option<String>,
    /// The router and the references; none if it failed.
    pub(super) rows: Vec<Row>,
    /// The file of the prompts that the lists below go through.
    pub(super) prompts: String,
    /// The router's models, by name.
    pub(super) models: Vec<String>,
    /// Its choice for every prompt, as a place in `models`.
    pub(super) choices: Vec<Option<usize>>,
    pub(super) qualities: Vec<Option<f64>>,
    pub(super) costs_usd: Vec<Option<f64>>,
}

/// The prompts that cells were scored on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PromptsFile {
    pub(super) prompt_ids: Vec<String>,
    pub(super) groups: Vec<u32>,
}

/// What stands where a cell's file would.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Nothing, or nothing that can be read.
    Open,
    /// A result.
    Done,
    /// An error.
    Failed,
}

/// An experiment's directory.
#[derive(Debug, Clone)]
pub(super) struct Store {
    directory: PathBuf,
}

impl Store {
    pub(super) fn at(directory: &Path) -> Self {
        Self { directory: directory.to_path_buf() }
    }

    /// Makes the directory, or goes on in it, and takes away what killed writers left.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for a place that holds anything but an experiment; [`ErrorKind::Io`].
    pub(super) fn open(directory: &Path) -> Result<Self> {
        let store = Self::at(directory);
        let refuse = |message: &str| {
            Err(Error::new(ErrorKind::Usage, message.to_owned())
                .in_file(directory)
                .help("name another place for --out, or remove it yourself"))
        };
        if directory.exists() && !directory.is_dir() {
            return refuse("exists and is not a directory; it is left as it is");
        }
        if directory.is_dir() && !directory.join(CELLS).is_dir() {
            let mut entries = fs::read_dir(directory).map_err(|source| Error::io(directory, source))?;
            if entries.next().is_some() {
                return refuse("holds something else than an experiment; it is left as it is");
            }
        }
        for folder in [directory.to_path_buf(), directory.join(CELLS), directory.join(PROMPTS)] {
            fs::create_dir_all(&folder).map_err(|source| Error::io(&folder, source))?;
            for entry in fs::read_dir(&folder).map_err(|source| Error::io(&folder, source))?.flatten() {
                if entry.file_name().to_string_lossy().starts_with(LEFTOVER) {
                    // What cannot be taken away does no harm.
                    let _ = fs::remove_file(entry.path());
                }
            }
        }
        Ok(store)
    }

    fn cell_path(&self, digest: &str) -> PathBuf {
        self.directory.join(CELLS).join(format!("{digest}.json"))
    }

    /// The result file of the cell of this digest; none if there is none that can be read whole.
    pub(super) fn read(&self, digest: &str) -> Option<CellFile> {
        let bytes = fs::read(self.cell_path(digest)).ok()?;
        let file: CellFile = serde_json::from_slice(&bytes).ok()?;
        (file.format == FORMAT && file.digest == digest).then_some(file)
    }

    pub(super) fn state(&self, digest: &str) -> State {
        match self.read(digest) {
            None => State::Open,
            Some(file) if file.error.is_some() => State::Failed,
            Some(_) => State::Done,
        }
    }

    /// Writes the file of a cell's prompts unless it is there, and gives its name.
    pub(super) fn write_prompts(&self, data: &Loaded) -> Result<String> {
        let dataset: &Dataset = data.evaluated();
        let file = PromptsFile {
            prompt_ids: dataset.prompts().iter().map(|prompt| prompt.id.clone()).collect(),
            groups: dataset.groups().to_vec(),
        };
        let bytes = line(&file)?;
        let digest = sha256(&bytes).get(..16).unwrap_or_default().to_owned();
        let path = self.directory.join(PROMPTS).join(format!("{digest}.json"));
        if !path.exists() {
            replace(&path, &bytes)?;
        }
        Ok(digest)
    }

    pub(super) fn read_prompts(&self, digest: &str) -> Result<PromptsFile> {
        let path = self.directory.join(PROMPTS).join(format!("{digest}.json"));
        let bytes = fs::read(&path).map_err(|source| Error::io(&path, source))?;
        serde_json::from_slice(&bytes)
            .map_err(|source| Error::new(ErrorKind::Data, "not a file of prompts").in_file(&path).caused_by(source))
    }

    /// Writes what `cell` came to, by a rename.
    pub(super) fn write(
        &self,
        cell: &Cell,
        data: &Loaded,
        prompts: &str,
        folds: usize,
        resamples: usize,
        result: Result<Scored, String>,
    ) -> Result<()> {
        let (rows, choices, error) = match result {
            Ok(scored) => (scored.rows, scored.choices, None),
            Err(error) => (Vec::new(), Vec::new(), Some(error)),
        };
        let mut models: Vec<String> = choices.iter().filter_map(|choice| choice.model.clone()).collect();
        models.sort_unstable();
        models.dedup();
        let place = |model: &Option<String>| models.binary_search(model.as_ref()?).ok();
        let file = CellFile {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            digest: cell.digest().to_owned(),
            cell: cell.fields().map(|(name, value)| (name.to_owned(), json!(value))).collect(),
            config: cell.config.clone(),
            folds: data.test.is_none().then_some(folds),
            resamples,
            data: data.digest.clone(),
            error,
            rows,
            prompts: prompts.to_owned(),
            choices: choices.iter().map(|choice| place(&choice.model)).collect(),
            qualities: choices.iter().map(|choice| choice.quality).collect(),
            costs_usd: choices.iter().map(|choice| choice.cost_usd).collect(),
            models,
        };
        replace(&self.cell_path(cell.digest()), &line(&file)?)
    }

    /// Puts a file of the table in its place.
    pub(super) fn write_table(&self, name: &str, bytes: &[u8]) -> Result<()> {
        replace(&self.directory.join(name), bytes)
    }

    /// The table of a finished run.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] where there is none; [`ErrorKind::Data`] for one that cannot be read.
    pub(super) fn read_table(&self) -> Result<Value> {
        let path = self.directory.join("results.json");
        let bytes = fs::read(&path).map_err(|source| Error::io(&path, source))?;
        serde_json::from_slice(&bytes).map_err(|source| {
            Error::new(ErrorKind::Data, "not the table of an experiment").in_file(&path).caused_by(source)
        })
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }
}

/// `value` as one line of JSON.
fn line(value: &impl Serialize) -> Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec(value)
        .map_err(|source| Error::new(ErrorKind::Internal, "cannot write JSON").caused_by(source))?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// `value` as JSON to be read by people too.
pub(super) fn pretty(value: &impl Serialize) -> Result<Vec<u8>> {
    json(value)
}

//! Writing a data set directory: all of it or nothing, and the same bytes every time.

use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use flate2::{Compression, GzBuilder};
use router_core::{Dataset, Error, ErrorKind, Outcome, Result};
use serde_json::{Map, Value, json};

use super::{MODELS, OUTCOMES, PROMPTS, write_parquet};

/// How the prompts and outcomes of a directory are written. The models are `models.json` either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// `prompts.jsonl` and `outcomes.csv.gz`.
    #[default]
    Text,
    /// `prompts.parquet` and `outcomes.parquet`, compressed with snappy.
    Parquet,
}

/// Writes `dataset` as directory `path` in [`Format::Text`]. See [`write_as`].
///
/// # Errors
/// Those of [`write_as`].
pub fn write(dataset: &Dataset, path: impl AsRef<Path>) -> Result<()> {
    write_as(dataset, path, Format::Text)
}

/// Writes `dataset` as directory `path`. Both formats read back as the same data set.
///
/// The directory is written beside its place and renamed, so that it is there whole or not at all; a data set directory that
/// is already there is replaced. The column `weight` is written only where a weight differs from 1, `propensity` only where there is one. Near-duplicate groups are
/// not written: reading finds them again.
///
/// # Errors
/// [`ErrorKind::Usage`] if `path` exists and is anything but an empty directory or a data set directory with nothing else in
/// it; [`ErrorKind::Data`] for a prompt with an empty id or text, which would not be read back; [`ErrorKind::Io`].
pub fn write_as(dataset: &Dataset, path: impl AsRef<Path>, format: Format) -> Result<()> {
    let target = path.as_ref();
    may_replace(target)?;
    readable(dataset)?;
    let parent = match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        _ => PathBuf::from("."),
    };
    fs::create_dir_all(&parent).map_err(|source| Error::io(&parent, source))?;
    let beside = tempfile::Builder::new()
        .prefix(".router-data-")
        .tempdir_in(&parent)
        .map_err(|source| Error::io(&parent, source))?;
    // A temporary directory is private; a data set is as readable as any new directory.
    let written = beside.path().join("data");
    fs::create_dir(&written).map_err(|source| Error::io(&written, source))?;
    let [(prompts_name, prompts), (outcomes_name, outcomes)] = match format {
        Format::Text => [("prompts.jsonl", prompts(dataset)?), ("outcomes.csv.gz", pack(&outcomes(dataset)?)?)],
        Format::Parquet => [
            ("prompts.parquet", write_parquet::prompts(dataset)?),
            ("outcomes.parquet", write_parquet::outcomes(dataset)?),
        ],
    };
    for (name, bytes) in [(MODELS, models(dataset)?), (prompts_name, prompts), (outcomes_name, outcomes)] {
        let file = written.join(name);
        let store = || -> std::io::Result<()> {
            let mut file = fs::File::create(&file)?;
            file.write_all(&bytes)?;
            file.sync_all()
        };
        store().map_err(|source| Error::io(&file, source))?;
    }
    replace(&written, target, &beside.path().join("old"))
}

/// Puts `written` in the place of `target`; what was there goes to `aside` first and comes back if the second step fails.
fn replace(written: &Path, target: &Path, aside: &Path) -> Result<()> {
    let there = target.exists();
    if there {
        fs::rename(target, aside).map_err(|source| Error::io(target, source))?;
    }
    fs::rename(written, target).map_err(|source| {
        if there {
            let _ = fs::rename(aside, target);
        }
        Error::io(target, source)
    })
}

fn may_replace(target: &Path) -> Result<()> {
    if !target.exists() {
        return Ok(());
    }
    let refuse = |message: String| {
        Err(Error::new(ErrorKind::Usage, message).in_file(target).help("name another place, or remove it yourself"))
    };
    if !target.is_dir() {
        return refuse("exists and is not a directory; it is left as it is".to_owned());
    }
    let entries = fs::read_dir(target).map_err(|source| Error::io(target, source))?;
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry.map_err(|source| Error::io(target, source))?.file_name());
    }
    names.sort();
    let ours = |name: &OsStr| [MODELS].iter().chain(&PROMPTS).chain(&OUTCOMES).any(|known| name == *known);
    if let Some(other) = names.iter().find(|name| !ours(name)) {
        let other = other.to_string_lossy();
        return refuse(format!("holds `{other}`, which is no part of a data set; it is left as it is"));
    }
    let any = |known: &[&str]| names.iter().any(|name| known.iter().any(|known| name == *known));
    let needed = any(&[MODELS]) && any(&PROMPTS);
    if !names.is_empty() && !needed {
        return refuse("exists and is not a data set directory; it is left as it is".to_owned());
    }
    Ok(())
}

/// A data set may hold what the format does not: an id or a text that is empty.
fn readable(dataset: &Dataset) -> Result<()> {
    if dataset.prompts().is_empty() {
        return Err(Error::new(ErrorKind::Data, "there is no prompt to write"));
    }
    for (row, prompt) in dataset.prompts().iter().enumerate() {
        if prompt.id.is_empty() {
            return Err(Error::new(ErrorKind::Data, format!("prompt {row} has an empty id")).at_field("prompt_id"));
        }
        if prompt.text().trim().is_empty() {
            return Err(Error::new(ErrorKind::Data, format!("prompt `{}` is empty", prompt.id)).at_field("prompt"));
        }
    }
    Ok(())
}

fn internal(what: &str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(ErrorKind::Internal, format!("cannot write {what}")).caused_by(source)
}

fn models(dataset: &Dataset) -> Result<Vec<u8>> {
    let mut bytes =
        serde_json::to_vec_pretty(dataset.models().models()).map_err(|source| internal("the models", source))?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn prompts(dataset: &Dataset) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for prompt in dataset.prompts() {
        let mut line = Map::new();
        line.insert("prompt_id".to_owned(), json!(prompt.id));
        if let Some(benchmark) = &prompt.benchmark {
            line.insert("benchmark".to_owned(), json!(benchmark));
        }
        line.insert("prompt".to_owned(), json!(prompt.content));
        if let Some(description) = &prompt.description {
            line.insert("description".to_owned(), json!(description));
        }
        if !prompt.tags.is_empty() {
            line.insert("tags".to_owned(), json!(prompt.tags));
        }
        serde_json::to_writer(&mut bytes, &Value::Object(line)).map_err(|source| internal("a prompt", source))?;
        bytes.push(b'\n');
    }
    Ok(bytes)
}

fn outcomes(dataset: &Dataset) -> Result<Vec<u8>> {
    let weighted = dataset.outcomes().iter().any(|(_, outcome)| outcome.weight != 1.0);
    let mut writer = csv::Writer::from_writer(Vec::new());
    let mut header = vec!["prompt_id", "model", "quality", "cost_usd", "input_tokens", "output_tokens"];
    if weighted {
        header.push("weight");
    }
    let logged = dataset.outcomes().iter().any(|(_, outcome)| outcome.propensity.is_some());
    if logged {
        header.push("propensity");
    }
    writer.write_record(&header).map_err(|source| internal("the outcomes", source))?;
    for (prompt, row) in dataset.prompts().iter().zip(0..) {
        for outcome in dataset.outcomes().row(row) {
            let &Outcome { model, quality, weight, propensity, cost_usd, input_tokens, output_tokens } = outcome;
            let mut cells = vec![
                prompt.id.clone(),
                dataset.models().name(model).to_owned(),
                quality.to_string(),
                cost_usd.map(|cost| cost.to_string()).unwrap_or_default(),
                input_tokens.map(|tokens| tokens.to_string()).unwrap_or_default(),
                output_tokens.map(|tokens| tokens.to_string()).unwrap_or_default(),
            ];
            if weighted {
                cells.push(weight.to_string());
            }
            if logged {
                cells.push(propensity.map(|propensity| propensity.to_string()).unwrap_or_default());
            }
            writer.write_record(&cells).map_err(|source| internal("the outcomes", source))?;
        }
    }
    writer.into_inner().map_err(|source| internal("the outcomes", source.to_string()))
}

/// Packed without name and time, so that the same rows give the same bytes.
fn pack(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzBuilder::new().mtime(0).write(Vec::new(), Compression::default());
    encoder.write_all(bytes).map_err(|source| internal("the outcomes", source))?;
    encoder.finish().map_err(|source| internal("the outcomes", source))
}

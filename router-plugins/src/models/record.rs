//! `router-model.json`: what `fetch` knows about a model that it brought.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path};

use router_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

use crate::models::hash::{sample_file, sha256_file};

/// The name of the file beside a model's own files.
pub const RECORD: &str = "router-model.json";

/// The version of the file's layout that this release writes, and the newest it reads.
const FORMAT: u32 = 1;
/// Files up to this many bytes are hashed whenever their identity is asked for; of larger ones a sample is.
const SAMPLED_ABOVE: u64 = 4 << 20;

/// What is known about a model that was brought by `fetch`: its name, where it came from, and the hash of every file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelRecord {
    format: u32,
    /// The name it goes by.
    pub name: String,
    /// Where it came from, in words.
    pub source: String,
    /// Its licence as an SPDX expression, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
    /// Its files by path, `/` between folders.
    pub files: BTreeMap<String, FileRecord>,
}

/// What is known about one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRecord {
    /// Its length.
    pub bytes: u64,
    /// The SHA-256 of all of it, verified when it was brought.
    pub sha256: String,
    /// The SHA-256 of a sample of it, if it is large: what holds it to be the same file without reading it all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample: Option<String>,
}

impl ModelRecord {
    pub(super) fn new(name: &str, source: String, license: Option<&str>) -> Self {
        Self {
            format: FORMAT,
            name: name.to_owned(),
            source,
            license: license.map(str::to_owned),
            files: BTreeMap::new(),
        }
    }

    /// The record of the model in `directory`; `None` if it was not brought by `fetch`.
    ///
    /// # Errors
    /// [`ErrorKind::Io`]; [`ErrorKind::Data`] if the file is malformed; [`ErrorKind::Incompatible`] if a newer release wrote it.
    pub fn read(directory: &Path) -> Result<Option<Self>> {
        let path = directory.join(RECORD);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io(&path, error)),
        };
        let record: Self = serde_json::from_str(&text).map_err(|source| {
            Error::new(ErrorKind::Data, source.to_string())
                .in_file(&path)
                .help("fetch the model again")
                .caused_by(source)
        })?;
        if record.format > FORMAT {
            return Err(Error::new(
                ErrorKind::Incompatible,
                format!("format {} is newer than this program's {FORMAT}", record.format),
            )
            .in_file(&path)
            .help("use the release that brought the model, or fetch it again"));
        }
        if let Some(outside) = record.files.keys().find(|path| !is_inside(path)) {
            return Err(Error::new(ErrorKind::Data, format!("`{outside}` leads out of the model's directory"))
                .in_file(&path)
                .help("fetch the model again"));
        }
        Ok(Some(record))
    }

    pub(super) fn write(&self, directory: &Path) -> Result<()> {
        let path = directory.join(RECORD);
        let mut text = serde_json::to_string_pretty(self)
            .map_err(|source| Error::new(ErrorKind::Internal, "a record is not JSON").caused_by(source))?;
        text.push('\n');
        fs::write(&path, text).map_err(|source| Error::io(&path, source))
    }

    /// Adds the file `path` of `directory`, whose hash is known to be `sha256`.
    pub(super) fn add(&mut self, directory: &Path, path: &str, sha256: String) -> Result<()> {
        let file = directory.join(path);
        let bytes = fs::metadata(&file).map_err(|source| Error::io(&file, source))?.len();
        let sample = if bytes > SAMPLED_ABOVE { Some(sample_file(&file)?) } else { None };
        self.files.insert(path.to_owned(), FileRecord { bytes, sha256, sample });
        Ok(())
    }

    /// The length of all files together.
    pub fn bytes(&self) -> u64 {
        self.files.values().map(|file| file.bytes).sum()
    }
}

/// The SHA-256 of the file `path` of `directory`: the recorded one if length and sample say that it still is that file, so that
/// a model of a gigabyte is known in a millisecond; otherwise that of all of it.
pub(super) fn identity(directory: &Path, path: &str, record: Option<&ModelRecord>) -> Result<String> {
    let file = directory.join(path);
    if let Some(FileRecord { bytes, sha256, sample: Some(sample) }) = record.and_then(|record| record.files.get(path))
        && fs::metadata(&file).map_err(|source| Error::io(&file, source))?.len() == *bytes
        && sample_file(&file)? == *sample
    {
        return Ok(sha256.clone());
    }
    sha256_file(&file)
}

/// Whether `path` is a plain relative path that stays below its directory.
pub(super) fn is_inside(path: &str) -> bool {
    !path.is_empty() && Path::new(path).components().all(|part| matches!(part, Component::Normal(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recorded_hash_stands_until_the_file_changes() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path();
        let path = place.join("model.safetensors");
        let mut bytes = vec![7; (SAMPLED_ABOVE + 1) as usize];
        fs::write(&path, &bytes).unwrap();
        let mut record = ModelRecord::new("m", "a test".into(), None);
        // A hash that the file does not have tells whether the record or the file was read.
        record.add(place, "model.safetensors", "recorded".into()).unwrap();
        assert_eq!(identity(place, "model.safetensors", Some(&record)).unwrap(), "recorded");
        assert_eq!(identity(place, "model.safetensors", None).unwrap(), sha256_file(&path).unwrap());
        bytes[0] = 8;
        fs::write(&path, &bytes).unwrap();
        assert_eq!(identity(place, "model.safetensors", Some(&record)).unwrap(), sha256_file(&path).unwrap());
    }

    #[test]
    fn small_files_are_always_hashed() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("config.json"), "{}").unwrap();
        let mut record = ModelRecord::new("m", "a test".into(), None);
        record.add(directory.path(), "config.json", "recorded".into()).unwrap();
        let found = identity(directory.path(), "config.json", Some(&record)).unwrap();
        assert_eq!(found, router_core::artifact::sha256(b"{}"));
    }

    #[test]
    fn records_round_trip_and_bad_ones_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path();
        assert_eq!(ModelRecord::read(place).unwrap(), None);
        let mut record = ModelRecord::new("m", "a test".into(), Some("MIT"));
        fs::write(place.join("config.json"), "{}").unwrap();
        record.add(place, "config.json", "x".into()).unwrap();
        record.write(place).unwrap();
        assert_eq!(ModelRecord::read(place).unwrap(), Some(record));
        let refused = |text: &str| {
            fs::write(place.join(RECORD), text).unwrap();
            ModelRecord::read(place).unwrap_err().kind()
        };
        assert_eq!(refused("{"), ErrorKind::Data);
        assert_eq!(refused(r#"{"format":2,"name":"m","source":"s","files":{}}"#), ErrorKind::Incompatible);
        let outside = r#"{"format":1,"name":"m","source":"s","files":{"../x":{"bytes":1,"sha256":"y"}}}"#;
        assert_eq!(refused(outside), ErrorKind::Data);
    }

    #[test]
    fn paths_stay_inside() {
        for inside in ["config.json", "1_Pooling/config.json"] {
            assert!(is_inside(inside), "{inside}");
        }
        for outside in ["", "..", "../x", "a/../../x", "/etc/passwd", "./x"] {
            assert!(!is_inside(outside), "{outside}");
        }
    }
}

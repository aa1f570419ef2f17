//! The directory of an artifact: atomic writing, verified reading.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::artifact::sha256;
use crate::artifact::slot::{ErasedPersist, SlotReader, SlotWriter};
use crate::error::{Error, ErrorKind, Result};
use crate::registry::Registry;
use crate::types::model::Model;

/// The version of the artifact's layout that this release writes, and the newest it reads.
pub const FORMAT_VERSION: u32 = 1;

const MANIFEST: &str = "manifest.json";
const TASKS: &str = "tasks.json";

/// What an artifact says about itself: `manifest.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the layout.
    pub format_version: u32,
    /// The resolved configuration: every default filled in.
    pub config: serde_json::Value,
    /// The seed.
    pub seed: u64,
    /// Identity of the fitted embedder.
    pub embedder_fingerprint: String,
    /// Dimension of the embeddings.
    pub dimension: usize,
    /// The pool, in the order of every estimate's columns.
    pub models: Vec<Model>,
    /// Identity of the training data.
    pub data_fingerprint: String,
    /// Number of training prompts.
    pub prompts: usize,
    /// SHA-256 of every other file.
    pub files: BTreeMap<String, String>,
}

/// Writes an artifact into a temporary directory beside its place; [`finish`](Self::finish) renames it.
///
/// A crash at any point leaves an older artifact at the same place whole.
pub struct ArtifactWriter {
    target: PathBuf,
    directory: tempfile::TempDir,
    files: BTreeMap<String, String>,
}

impl ArtifactWriter {
    /// Prepares to write the artifact at `target`.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] if `target` exists and is not an artifact; [`ErrorKind::Io`].
    pub fn create(target: impl AsRef<Path>) -> Result<Self> {
        let target = target.as_ref().to_path_buf();
        if target.exists() && !target.join(MANIFEST).is_file() && !is_empty_directory(&target) {
            return Err(Error::new(ErrorKind::Usage, "exists and is not an artifact; it is left as it is")
                .in_file(&target)
                .help("name another place, or remove it yourself"));
        }
        let parent = match target.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
            _ => PathBuf::from("."),
        };
        fs::create_dir_all(&parent).map_err(|source| Error::io(&parent, source))?;
        let directory = tempfile::Builder::new()
            .prefix(".router-artifact-")
            .tempdir_in(&parent)
            .map_err(|source| Error::io(&parent, source))?;
        Ok(Self { target, directory, files: BTreeMap::new() })
    }

    /// Writes one component as `<slot>.safetensors`; a `/` in the slot's name becomes `-`.
    pub fn put_slot(&mut self, slot: &str, component: &(impl ErasedPersist + ?Sized)) -> Result<()> {
        let bytes = SlotWriter::serialize(component)?;
        self.put_file(&slot_file(slot), &bytes)
    }

    /// Writes the task cards.
    pub fn put_tasks(&mut self, cards: &impl Serialize) -> Result<()> {
        self.put_file(TASKS, &json(cards)?)
    }

    fn put_file(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        write_synced(&self.directory.path().join(name), bytes)?;
        self.files.insert(name.to_owned(), sha256(bytes));
        Ok(())
    }

    /// Writes the manifest and puts the artifact in its place.
    pub fn finish(self, manifest: Manifest) -> Result<()> {
        let manifest = Manifest { files: self.files, ..manifest };
        write_synced(&self.directory.path().join(MANIFEST), &json(&manifest)?)?;
        let written = self.directory.keep();
        let moved = replace_directory(&written, &self.target);
        if moved.is_err() {
            // Nothing is lost by removing it: the caller still holds the fitted router.
            let _ = fs::remove_dir_all(&written);
        }
        moved
    }
}

fn is_empty_directory(path: &Path) -> bool {
    fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none())
}

fn json(value: &impl Serialize) -> Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(value)
        .map_err(|source| Error::new(ErrorKind::Internal, "cannot write JSON").caused_by(source))?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn write_synced(path: &Path, bytes: &[u8]) -> Result<()> {
    let write = || -> std::io::Result<()> {
        let mut file = fs::File::create(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|source| Error::io(path, source))
}

/// Puts `from` in the place of `to`. An older directory there is moved aside first and put back if the second rename fails.
/// Between the two renames a crash leaves the older one whole under its name with `.old` added; [`ArtifactReader::open`] and
/// the next write find it there.
fn replace_directory(from: &Path, to: &Path) -> Result<()> {
    let aside = aside(to);
    if to.exists() {
        if aside.exists() {
            fs::remove_dir_all(&aside).map_err(|source| Error::io(&aside, source))?;
        }
        fs::rename(to, &aside).map_err(|source| Error::io(to, source))?;
    }
    if let Err(source) = fs::rename(from, to) {
        if aside.exists() {
            let _ = fs::rename(&aside, to);
        }
        return Err(Error::io(to, source));
    }
    if aside.exists() {
        fs::remove_dir_all(&aside).map_err(|source| Error::io(&aside, source))?;
    }
    Ok(())
}

fn aside(target: &Path) -> PathBuf {
    let mut name = target.file_name().map(std::ffi::OsStr::to_os_string).unwrap_or_default();
    name.push(".old");
    target.with_file_name(name)
}

fn slot_file(slot: &str) -> String {
    format!("{}.safetensors", slot.replace('/', "-"))
}

/// Reads an artifact, with every file's hash verified.
pub struct ArtifactReader<'a> {
    directory: PathBuf,
    manifest: Manifest,
    registry: &'a Registry,
}

impl<'a> ArtifactReader<'a> {
    /// Opens the artifact in `directory` and checks its manifest.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] if it is not there; [`ErrorKind::Artifact`] if it is malformed; [`ErrorKind::Incompatible`] if a
    /// newer release wrote it.
    pub fn open(directory: impl AsRef<Path>, registry: &'a Registry) -> Result<Self> {
        let mut directory = directory.as_ref().to_path_buf();
        if !directory.exists() && aside(&directory).join(MANIFEST).is_file() {
            directory = aside(&directory);
        }
        let path = directory.join(MANIFEST);
        let bytes = fs::read(&path).map_err(|source| {
            let error = Error::io(&path, source);
            if directory.exists() { error.help("an artifact is a directory that `router train` wrote") } else { error }
        })?;
        let malformed = |source: serde_json::Error| {
            Error::new(ErrorKind::Artifact, format!("the manifest is malformed: {source}"))
                .in_file(&path)
                .help("the artifact is damaged or of another origin; train again")
        };
        let value: serde_json::Value = serde_json::from_slice(&bytes).map_err(malformed)?;
        if let Some(version) = value.get("format_version").and_then(serde_json::Value::as_u64)
            && version > u64::from(FORMAT_VERSION)
        {
            return Err(Error::new(
                ErrorKind::Incompatible,
                format!("artifact version {version} is newer than this program's {FORMAT_VERSION}"),
            )
            .in_file(&path)
            .help("use the version of the program that wrote it, or train again"));
        }
        let manifest: Manifest = serde_json::from_value(value).map_err(malformed)?;
        Ok(Self { directory, manifest, registry })
    }

    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Reads one component's slot with `read`, which gets the format found and a reader.
    pub fn read_slot<T>(&self, slot: &str, read: impl FnOnce(&str, &SlotReader<'_>) -> Result<T>) -> Result<T> {
        let name = slot_file(slot);
        let bytes = self.read_file(&name)?;
        SlotReader::open(slot, &bytes, self.registry, read)
            .map_err(|error| if error.file().is_some() { error } else { error.in_file(self.directory.join(&name)) })
    }

    /// Reads the task cards.
    pub fn read_tasks<T: DeserializeOwned>(&self) -> Result<T> {
        let bytes = self.read_file(TASKS)?;
        serde_json::from_slice(&bytes).map_err(|source| {
            Error::new(ErrorKind::Artifact, format!("the task cards are malformed: {source}"))
                .in_file(self.directory.join(TASKS))
        })
    }

    fn read_file(&self, name: &str) -> Result<Vec<u8>> {
        let path = self.directory.join(name);
        let expected = self.manifest.files.get(name).ok_or_else(|| {
            Error::new(ErrorKind::Artifact, format!("the manifest names no `{name}`"))
                .in_file(self.directory.join(MANIFEST))
        })?;
        let bytes = fs::read(&path).map_err(|source| {
            Error::new(ErrorKind::Artifact, format!("`{name}` cannot be read: {source}"))
                .in_file(&path)
                .caused_by(source)
        })?;
        let found = sha256(&bytes);
        if found != *expected {
            return Err(Error::new(
                ErrorKind::Artifact,
                format!("its hash is {} where the manifest says {}", short(&found), short(expected)),
            )
            .in_file(&path)
            .help("the file was damaged or exchanged; train again"));
        }
        Ok(bytes)
    }
}

fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}

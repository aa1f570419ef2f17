//! The directory of an artifact: atomic writing, verified reading.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::artifact::migrate::migrate;
use crate::artifact::sha256;
use crate::artifact::slot::{ErasedPersist, SlotReader, SlotWriter};
use crate::artifact::workplace::{Workplace, aside};
use crate::error::{Error, ErrorKind, Result};
use crate::registry::Registry;
use crate::types::model::Model;

/// The version of the artifact's layout that this release writes, and the newest it reads. It reads all older ones too.
pub const FORMAT_VERSION: u32 = 2;

/// The first version whose manifest carries its own digest.
const DIGEST_SINCE: u64 = 2;
/// Stands in the place of the digest while it is computed.
const NO_DIGEST: &str = "0000000000000000000000000000000000000000000000000000000000000000";

pub(super) const MANIFEST: &str = "manifest.json";
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

/// A manifest in its file.
#[derive(Serialize)]
struct Sealed<'a> {
    #[serde(flatten)]
    manifest: &'a Manifest,
    /// SHA-256 of the file with these 64 digits written as zeros. Last, where it is looked for.
    digest: &'a str,
}

/// Writes an artifact into a temporary directory beside its place; [`finish`](Self::finish) puts it there.
///
/// A crash at any point leaves an older artifact at the same place whole. What a killed writer leaves beside it is removed by
/// the next one.
pub struct ArtifactWriter {
    target: PathBuf,
    workplace: Workplace,
    files: BTreeMap<String, String>,
}

impl ArtifactWriter {
    /// Prepares to write the artifact at `target`.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] if `target` exists and is not an artifact; [`ErrorKind::Io`].
    pub fn create(target: impl AsRef<Path>) -> Result<Self> {
        let target = target.as_ref().to_path_buf();
        is_replaceable(&target)?;
        let parent = match target.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let workplace = Workplace::create(parent)?;
        Ok(Self { target, workplace, files: BTreeMap::new() })
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
        write_synced(&self.workplace.path().join(name), bytes)?;
        self.files.insert(name.to_owned(), sha256(bytes));
        Ok(())
    }

    /// Writes the manifest and puts the artifact in its place.
    pub fn finish(self, manifest: Manifest) -> Result<()> {
        let manifest = Manifest { files: self.files, ..manifest };
        let mut bytes = json(&Sealed { manifest: &manifest, digest: NO_DIGEST })?;
        let digest = sha256(&bytes);
        set_digest(&mut bytes, NO_DIGEST, &digest);
        write_synced(&self.workplace.path().join(MANIFEST), &bytes)?;
        self.workplace.take_place(&self.target)
    }
}

/// Writes `to` where `from`, of the same length, stands last in `bytes`; says whether it stands there.
fn set_digest(bytes: &mut [u8], from: &str, to: &str) -> bool {
    let place = bytes.windows(from.len()).rposition(|window| window == from.as_bytes());
    let digits = place.and_then(|place| bytes.get_mut(place..place + from.len()));
    match digits {
        Some(digits) if from.len() == to.len() => {
            digits.copy_from_slice(to.as_bytes());
            true
        }
        _ => false,
    }
}

/// Whether `manifest` (the bytes of its file) is what was written, by its own `digest`.
fn is_whole(manifest: &[u8], digest: &str) -> bool {
    let mut bytes = manifest.to_vec();
    digest.len() == NO_DIGEST.len() && set_digest(&mut bytes, digest, NO_DIGEST) && sha256(&bytes) == digest
}

/// An error where something other than an artifact, or an empty directory, is at `target`.
pub(super) fn is_replaceable(target: &Path) -> Result<()> {
    if target.exists() && !target.join(MANIFEST).is_file() && !is_empty_directory(target) {
        return Err(Error::new(ErrorKind::Usage, "exists and is not an artifact; it is left as it is")
            .in_file(target)
            .help("name another place, or remove it yourself"));
    }
    Ok(())
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

fn slot_file(slot: &str) -> String {
    format!("{}.safetensors", slot.replace('/', "-"))
}

/// Reads an artifact, with every file's hash verified.
pub struct ArtifactReader<'a> {
    directory: PathBuf,
    manifest: Manifest,
    manifest_bytes: Vec<u8>,
    registry: &'a Registry,
}

impl<'a> ArtifactReader<'a> {
    /// Opens the artifact in `directory` and checks its manifest.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] if it is not there; [`ErrorKind::Artifact`] if it is malformed or not what was written;
    /// [`ErrorKind::Incompatible`] if a newer release wrote it.
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
        let malformed = |what: String| {
            Error::new(ErrorKind::Artifact, what)
                .in_file(&path)
                .help("the artifact is damaged or of another origin; train again")
        };
        let not_read = |source: serde_json::Error| malformed(format!("the manifest is malformed: {source}"));
        let mut value: serde_json::Value = serde_json::from_slice(&bytes).map_err(not_read)?;
        let version = value
            .get("format_version")
            .and_then(serde_json::Value::as_u64)
            .filter(|&version| version > 0)
            .ok_or_else(|| malformed("the manifest names no version".into()))?;
        if version > u64::from(FORMAT_VERSION) {
            return Err(Error::new(
                ErrorKind::Incompatible,
                format!("artifact version {version} is newer than this program's {FORMAT_VERSION}"),
            )
            .in_file(&path)
            .help("use the version of the program that wrote it, or train again"));
        }
        if version >= DIGEST_SINCE {
            let digest = value.get("digest").and_then(serde_json::Value::as_str).unwrap_or_default();
            if !is_whole(&bytes, digest) {
                return Err(malformed("the manifest is not what was written: its digest differs".into()));
            }
        }
        migrate(&mut value, version as u32);
        let manifest: Manifest = serde_json::from_value(value).map_err(not_read)?;
        Ok(Self { directory, manifest, manifest_bytes: bytes, registry })
    }

    /// Whether the artifact is still the one that was opened: false once another process has put a new one in its place.
    pub fn is_current(&self) -> bool {
        fs::read(self.directory.join(MANIFEST)).is_ok_and(|bytes| bytes == self.manifest_bytes)
    }

    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Whether the artifact holds slot `slot`.
    pub fn has_slot(&self, slot: &str) -> bool {
        self.manifest.files.contains_key(&slot_file(slot))
    }

    /// Reads one component's slot with `read`, which gets the format found and a reader.
    pub fn read_slot<T>(&self, slot: &str, read: impl FnOnce(&str, &SlotReader<'_>) -> Result<T>) -> Result<T> {
        let name = slot_file(slot);
        let bytes = self.read_file(&name)?;
        SlotReader::open(slot, &bytes, self.registry, read).map_err(|error| {
            // Whatever a component finds wrong with what it reads, the artifact is at fault.
            let error = match error.kind() {
                ErrorKind::Artifact | ErrorKind::Incompatible | ErrorKind::UnknownPlugin => error,
                _ => Error::new(ErrorKind::Artifact, format!("slot `{slot}`: {}", error.message()))
                    .help("the artifact is damaged or of another origin; train again")
                    .caused_by(error),
            };
            if error.file().is_some() { error } else { error.in_file(self.directory.join(&name)) }
        })
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

//! Embeddings on a disk.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use router_core::{CachedEmbedding, EmbeddingCache, Embeddings, PromptKey, Result};
use sha2::{Digest, Sha256};

use crate::cache::folder::folder;
use crate::cache::segment::{Identity, Row, Rows};

/// How the names of segments end.
const SUFFIX: &str = ".rows";

/// A cache of embeddings in a folder.
///
/// `FOLDER/<hash of the fingerprint>/` holds the segments of one embedder: files that one process each has made under a random
/// name and appended to. So two processes never write to one file, nothing is ever locked, and a process that dies leaves at worst
/// an incomplete last block, which nobody reads. Every row has a checksum, and a row that does not match is not known: it is
/// computed and stored anew. What another process stores meanwhile is found too.
///
/// Nothing touches the disk before the first lookup, and nothing is created before the first row is stored. Costs about 100 bytes
/// of memory a row for the index; vectors are read when they are asked for. On systems that know owners, segments are readable by
/// theirs alone: a vector can tell something of its text. Where the folder cannot be read or written, the cache
/// knows or keeps nothing and says so in [`problem`](Self::problem).
pub struct DiskCache {
    folder: PathBuf,
    stores: Mutex<HashMap<String, Store>>,
    problem: Mutex<Option<String>>,
    found: AtomicU64,
    stored: AtomicU64,
    damaged: AtomicU64,
}

/// Rows that went through a [`DiskCache`] so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Found.
    pub found: u64,
    /// Stored.
    pub stored: u64,
    /// Found and not believed, since their checksum does not match.
    pub damaged: u64,
}

impl DiskCache {
    /// The cache in `folder`, which need not exist.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            stores: Mutex::default(),
            problem: Mutex::default(),
            found: AtomicU64::new(0),
            stored: AtomicU64::new(0),
            damaged: AtomicU64::new(0),
        }
    }

    /// The user's cache: `embeddings` in the cache [`folder()`].
    ///
    /// # Errors
    /// As [`folder()`].
    pub fn of_user() -> Result<Self> {
        Ok(Self::new(folder()?.join("embeddings")))
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What went through it so far.
    pub fn counts(&self) -> Counts {
        Counts {
            found: self.found.load(Ordering::Relaxed),
            stored: self.stored.load(Ordering::Relaxed),
            damaged: self.damaged.load(Ordering::Relaxed),
        }
    }

    /// The first reason why something could not be read or written.
    pub fn problem(&self) -> Option<String> {
        lock(&self.problem).clone()
    }

    fn note(&self, doing: &str, place: &Path, error: &io::Error) {
        lock(&self.problem).get_or_insert_with(|| format!("cannot {doing} {}: {error}", place.display()));
    }

    /// The store of an embedder, opened on first use.
    fn with_store<T>(&self, fingerprint: &str, dimension: usize, work: impl FnOnce(&mut Store) -> T) -> T {
        let mut stores = lock(&self.stores);
        let name = format!("{dimension} {fingerprint}");
        work(stores.entry(name).or_insert_with(|| Store::new(&self.folder, fingerprint, dimension)))
    }
}

impl std::fmt::Debug for DiskCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DiskCache")
            .field("folder", &self.folder)
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}

impl EmbeddingCache for DiskCache {
    fn lookup(&self, fingerprint: &str, dimension: usize, keys: &[PromptKey]) -> Vec<Option<CachedEmbedding>> {
        self.with_store(fingerprint, dimension, |store| {
            if !keys.iter().all(|key| store.index.contains_key(key))
                && let Err(error) = store.refresh()
            {
                self.note("read", &store.directory, &error);
            }
            let (rows, damaged) = store.read(keys);
            self.found.fetch_add(rows.iter().flatten().count() as u64, Ordering::Relaxed);
            self.damaged.fetch_add(damaged, Ordering::Relaxed);
            rows
        })
    }

    fn store(&self, fingerprint: &str, keys: &[PromptKey], embeddings: &Embeddings) {
        if keys.is_empty() || keys.len() != embeddings.vectors.rows() {
            return;
        }
        self.with_store(fingerprint, embeddings.vectors.cols(), |store| match store.append(keys, embeddings) {
            Ok(stored) => {
                self.stored.fetch_add(stored, Ordering::Relaxed);
            }
            Err(error) => self.note("write", &store.directory, &error),
        });
    }
}

/// The rows of one embedder.
struct Store {
    directory: PathBuf,
    identity: Identity,
    /// One place of every row.
    index: HashMap<PromptKey, Place>,
    /// Further places of rows that several processes have stored.
    spare: HashMap<PromptKey, Vec<Place>>,
    segments: Vec<Segment>,
    writer: Writer,
}

/// Where a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    segment: usize,
    offset: u64,
    truncated: bool,
}

struct Segment {
    path: PathBuf,
    /// Where the next scan begins; `None` if the rest cannot be read.
    next: Option<u64>,
}

/// The segment that this process appends to.
enum Writer {
    NotYet,
    Open(File),
    /// A write failed; what follows could not be found behind it.
    Failed,
}

impl Store {
    fn new(folder: &Path, fingerprint: &str, dimension: usize) -> Self {
        Self {
            directory: folder.join(directory_name(fingerprint)),
            identity: Identity::new(fingerprint, dimension),
            index: HashMap::new(),
            spare: HashMap::new(),
            segments: Vec::new(),
            writer: Writer::NotYet,
        }
    }

    /// Finds the rows that were stored since the last time, by whomever.
    fn refresh(&mut self) -> io::Result<()> {
        for path in segments(&self.directory)? {
            if !self.segments.iter().any(|segment| segment.path == path) {
                self.segments.push(Segment { path, next: Some(0) });
            }
        }
        for (number, segment) in self.segments.iter_mut().enumerate() {
            let Some(from) = segment.next else { continue };
            // A segment that went away, or that the disk does not give, holds nothing.
            let Ok(scan) = self.identity.scan(&segment.path, from) else {
                segment.next = None;
                continue;
            };
            segment.next = scan.next;
            for row in scan.rows {
                let place = Place { segment: number, offset: row.offset, truncated: row.truncated };
                if *self.index.entry(row.key).or_insert(place) != place {
                    self.spare.entry(row.key).or_default().push(place);
                }
            }
        }
        Ok(())
    }

    /// What is known of `keys`, and how many rows were damaged.
    fn read(&mut self, keys: &[PromptKey]) -> (Vec<Option<CachedEmbedding>>, u64) {
        let mut rows: Vec<Option<CachedEmbedding>> = vec![None; keys.len()];
        let mut damaged = 0;
        let mut wanted: Vec<(Place, &PromptKey, &mut Option<CachedEmbedding>)> =
            keys.iter().zip(&mut rows).filter_map(|(key, out)| Some((*self.index.get(key)?, key, out))).collect();
        while !wanted.is_empty() {
            // In the order of the disk.
            wanted.sort_unstable_by_key(|(place, ..)| *place);
            let mut again = Vec::new();
            let mut open: Option<(usize, Option<Rows<'_>>)> = None;
            for (place, key, out) in wanted {
                if open.as_ref().is_none_or(|(segment, _)| *segment != place.segment) {
                    let path = self.segments.get(place.segment).map(|segment| &segment.path);
                    open = Some((place.segment, path.and_then(|path| Rows::open(path, &self.identity).ok())));
                }
                let row = Row { key: *key, truncated: place.truncated, offset: place.offset };
                let reader = open.as_mut().and_then(|(_, reader)| reader.as_mut());
                if let Some(vector) = reader.and_then(|reader| reader.read(&row)) {
                    *out = Some(CachedEmbedding { vector, truncated: place.truncated });
                    continue;
                }
                damaged += 1;
                match self.spare.get_mut(key).and_then(Vec::pop) {
                    Some(other) => {
                        self.index.insert(*key, other);
                        again.push((other, key, out));
                    }
                    None => {
                        self.index.remove(key);
                    }
                }
            }
            wanted = again;
        }
        (rows, damaged)
    }

    /// Appends rows to this process's segment, which it makes first if there is none. Gives how many were stored.
    fn append(&mut self, keys: &[PromptKey], embeddings: &Embeddings) -> io::Result<u64> {
        if matches!(self.writer, Writer::NotYet) {
            // Whatever goes wrong from here on, nothing is appended behind it.
            self.writer = Writer::Failed;
            fs::create_dir_all(&self.directory)?;
            let named =
                tempfile::Builder::new().prefix("").rand_bytes(16).suffix(SUFFIX).tempfile_in(&self.directory)?;
            let (mut file, _) = named.keep().map_err(|error| error.error)?;
            file.write_all(self.identity.header())?;
            self.writer = Writer::Open(file);
        }
        let Writer::Open(file) = &mut self.writer else { return Ok(0) };
        if let Err(error) = file.write_all(&self.identity.blocks(keys, embeddings)) {
            self.writer = Writer::Failed;
            return Err(error);
        }
        Ok(keys.len() as u64)
    }
}

/// The folder of an embedder: half of the SHA-256 of its fingerprint, in hexadecimal digits.
pub(super) fn directory_name(fingerprint: &str) -> String {
    let digest: [u8; 32] = Sha256::digest(fingerprint.as_bytes()).into();
    let (half, _) = digest.split_at(16);
    format!("{:032x}", u128::from_be_bytes(half.try_into().unwrap_or_default()))
}

/// The segments in `directory` by name; none where it does not exist.
pub(super) fn segments(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.as_os_str().to_string_lossy().ends_with(SUFFIX) {
            paths.push(path);
        }
    }
    paths.sort_unstable();
    Ok(paths)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic under these locks leaves an index that knows less, never one that knows wrong.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

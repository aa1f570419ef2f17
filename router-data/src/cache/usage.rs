//! What a cache holds.

use std::fs;
use std::path::Path;

use router_core::{Error, Result};

use crate::cache::disk::{directory_name, segments};
use crate::cache::segment::{Identity, fingerprint};

/// What a [`DiskCache`](super::DiskCache) holds of one embedder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Usage {
    /// The embedder.
    pub fingerprint: String,
    /// The length of its vectors.
    pub dimension: usize,
    /// Stored rows, those included that several processes have stored.
    pub rows: u64,
    /// Bytes on the disk.
    pub bytes: u64,
}

/// What the cache in `folder` holds, by fingerprint. Costs a scan of the blocks' heads; no vector is read. Files that are not a
/// cache's are passed over.
///
/// # Errors
/// [`router_core::ErrorKind::Io`] if `folder` is there and cannot be read.
pub fn usage(folder: impl AsRef<Path>) -> Result<Vec<Usage>> {
    let folder = folder.as_ref();
    let directories = match fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(|source| Error::io(folder, source))?,
    };
    let mut all: Vec<Usage> = Vec::new();
    for directory in directories {
        let directory = directory.map_err(|source| Error::io(folder, source))?;
        let name = directory.file_name();
        for path in segments(&directory.path()).unwrap_or_default() {
            let Some((fingerprint, dimension)) = fingerprint(&path) else { continue };
            if name.to_string_lossy() != directory_name(&fingerprint) {
                continue;
            }
            let bytes = fs::metadata(&path).map_or(0, |metadata| metadata.len());
            let rows = Identity::new(&fingerprint, dimension).scan(&path, 0).map_or(0, |scan| scan.rows.len()) as u64;
            match all.iter_mut().find(|one| one.fingerprint == fingerprint && one.dimension == dimension) {
                Some(one) => {
                    one.rows += rows;
                    one.bytes += bytes;
                }
                None => all.push(Usage { fingerprint, dimension, rows, bytes }),
            }
        }
    }
    all.sort();
    Ok(all)
}

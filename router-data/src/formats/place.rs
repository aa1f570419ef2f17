//! Putting what is exported in its place: all of it or nothing.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use router_core::{Error, ErrorKind, Result};

/// What an export writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// One file.
    File(Vec<u8>),
    /// A directory of files, each at a path below it.
    Directory(Vec<(PathBuf, Vec<u8>)>),
}

/// Refuses to write over anything.
pub(super) fn refuse_existing(out: &Path) -> Result<()> {
    if !out.exists() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Usage, "exists; it is left as it is")
        .in_file(out)
        .help("name another place, or remove it yourself"))
}

/// Writes `output` beside `out` and renames it.
pub(super) fn put(output: Output, out: &Path) -> Result<()> {
    let parent = match out.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        _ => PathBuf::from("."),
    };
    fs::create_dir_all(&parent).map_err(|source| Error::io(&parent, source))?;
    let beside = tempfile::Builder::new()
        .prefix(".router-data-")
        .tempdir_in(&parent)
        .map_err(|source| Error::io(&parent, source))?;
    // A temporary directory is private; what is exported is as readable as any new file.
    let written = beside.path().join("export");
    match output {
        Output::File(bytes) => write(&written, &bytes)?,
        Output::Directory(files) => {
            fs::create_dir(&written).map_err(|source| Error::io(&written, source))?;
            for (path, bytes) in files {
                let path = written.join(path);
                if let Some(folder) = path.parent() {
                    fs::create_dir_all(folder).map_err(|source| Error::io(folder, source))?;
                }
                write(&path, &bytes)?;
            }
        }
    }
    // Somebody may have been faster; a rename of a file would replace what is there.
    refuse_existing(out)?;
    fs::rename(&written, out).map_err(|source| Error::io(out, source))
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let store = || -> std::io::Result<()> {
        let mut file = fs::File::create(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    store().map_err(|source| Error::io(path, source))
}

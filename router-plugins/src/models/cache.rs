//! The folder that models are brought to.

use std::path::{Path, PathBuf};

use router_core::{Error, ErrorKind, Result};

use crate::models::record::ModelRecord;

/// The cache folder. Below it lie `models/NAME/`, a model each, and `partial/NAME/`, what an interrupted fetch has so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cache {
    root: PathBuf,
}

/// A model that lies in the cache, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelState {
    /// It is there, with what `fetch` wrote down about it.
    Present(ModelRecord),
    /// A fetch was interrupted; the next one goes on from there.
    Partial,
    /// It is not there.
    Absent,
}

impl Cache {
    /// The cache of this user, which embeddings share: [`router_data::cache::folder`]. Nothing is created.
    ///
    /// # Errors
    /// As there.
    pub fn user() -> Result<Self> {
        Ok(Self::at(router_data::cache::folder()?))
    }

    /// The cache at `root`.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the model `name` lies once it is there.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if `name` cannot be the name of a folder: letters, digits, `-`, `_` and `.`, the first a letter or
    /// digit.
    pub fn model(&self, name: &str) -> Result<PathBuf> {
        check_name(name).map(|()| self.root.join("models").join(name))
    }

    /// Where a fetch of the model `name` gathers what it has so far.
    ///
    /// # Errors
    /// As [`model`](Self::model).
    pub fn partial(&self, name: &str) -> Result<PathBuf> {
        check_name(name).map(|()| self.root.join("partial").join(name))
    }

    /// Whether the model `name` is there.
    ///
    /// # Errors
    /// As [`model`](Self::model); as [`ModelRecord::read`].
    pub fn state(&self, name: &str) -> Result<ModelState> {
        Ok(match ModelRecord::read(&self.model(name)?)? {
            Some(record) => ModelState::Present(record),
            None if self.partial(name)?.is_dir() => ModelState::Partial,
            None => ModelState::Absent,
        })
    }

    /// The names of all models that are there, sorted.
    ///
    /// # Errors
    /// [`ErrorKind::Io`].
    pub fn names(&self) -> Result<Vec<String>> {
        let folder = self.root.join("models");
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Error::io(&folder, error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|source| Error::io(&folder, source))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if check_name(&name).is_ok() && entry.path().is_dir() {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }
}

fn check_name(name: &str) -> Result<()> {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
    if name.starts_with(|first: char| first.is_ascii_alphanumeric()) && name.chars().all(allowed) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Config, format!("`{name}` cannot be the name of a model"))
        .at_field("model")
        .help("allowed: letters, digits, `-`, `_` and `.`; a path to a directory holds a `/`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_in_the_cache() {
        let cache = Cache::at("/cache");
        assert_eq!(cache.model("all-MiniLM-L6-v2").unwrap(), Path::new("/cache/models/all-MiniLM-L6-v2"));
        for name in ["", ".", "..", "../x", "a/b", "a\\b", ".hidden", "a b", "é"] {
            assert_eq!(cache.model(name).unwrap_err().kind(), ErrorKind::Config, "{name}");
        }
    }

    #[test]
    fn states_follow_what_lies_there() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::at(directory.path());
        assert_eq!((cache.state("m").unwrap(), cache.names().unwrap().len()), (ModelState::Absent, 0));
        std::fs::create_dir_all(cache.partial("m").unwrap()).unwrap();
        assert_eq!(cache.state("m").unwrap(), ModelState::Partial);
        let place = cache.model("m").unwrap();
        std::fs::create_dir_all(&place).unwrap();
        let record = ModelRecord::new("m", "a test".into(), None);
        record.write(&place).unwrap();
        assert_eq!(
            (cache.state("m").unwrap(), cache.names().unwrap()),
            (ModelState::Present(record), vec!["m".into()])
        );
    }
}

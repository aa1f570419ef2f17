//! From what a configuration or an artifact says to a model's directory.

use std::path::Path;

use router_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

use crate::models::cache::Cache;
use crate::models::catalog;
use crate::models::directory::ModelDirectory;

/// The directory of `model`: a path if it holds a separator (`./mine`, `/models/bge`), otherwise a name in this user's cache.
/// Nothing is downloaded.
///
/// # Errors
/// As [`Cache::user`] and [`Cache::locate`].
pub fn locate(model: &str) -> Result<ModelDirectory> {
    // A path needs no cache, and so no home folder.
    if is_path(model) { ModelDirectory::open(model) } else { Cache::user()?.locate(model) }
}

impl Cache {
    /// The directory of `model`: a path if it holds a separator, otherwise a name in this cache.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] if it is not there, with the command that brings it; [`ErrorKind::Config`] if it is no name; as
    /// [`ModelDirectory::open`].
    pub fn locate(&self, model: &str) -> Result<ModelDirectory> {
        if is_path(model) {
            return ModelDirectory::open(model);
        }
        let place = self.model(model)?;
        if place.is_dir() { ModelDirectory::open(place) } else { Err(absent(model, &place)) }
    }
}

/// Whether `model` is a path, and not a name.
pub(super) fn is_path(model: &str) -> bool {
    model.contains(['/', std::path::MAIN_SEPARATOR])
}

/// The error of a model that is not in the cache.
fn absent(model: &str, place: &Path) -> Error {
    let error = Error::new(ErrorKind::Io, format!("the model `{model}` is not in the cache"))
        .in_file(place)
        .caused_by(std::io::Error::from(std::io::ErrorKind::NotFound));
    match catalog::find(model) {
        Some(_) => error.help(format!("bring it: router embedder fetch {model}")),
        None => error.help(format!(
            "bring it: router embedder fetch {model} --from DIR; or give a path; known by name: {}",
            catalog::names().join(", ")
        )),
    }
}

/// What an artifact stores of a pretrained model instead of its weights: how the configuration named it, and which one it was.
///
/// It holds no path unless the configuration gave one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelIdentity {
    /// The name in the cache, or the path that the configuration gave.
    pub model: String,
    /// [`ModelDirectory::fingerprint`].
    pub fingerprint: String,
}

impl ModelIdentity {
    /// The identity of `directory`, which a configuration names `model`.
    ///
    /// # Errors
    /// As [`ModelDirectory::fingerprint`].
    pub fn of(model: &str, directory: &ModelDirectory) -> Result<Self> {
        Ok(Self { model: model.to_owned(), fingerprint: directory.fingerprint()?.to_owned() })
    }

    /// Finds the model again in this user's cache or at its path, and makes sure that it is the same.
    ///
    /// # Errors
    /// As [`locate_in`](Self::locate_in).
    pub fn locate(&self) -> Result<ModelDirectory> {
        self.same(locate(&self.model)?)
    }

    /// Finds the model again in `cache` or at its path, and makes sure that it is the same.
    ///
    /// # Errors
    /// As [`Cache::locate`]; [`ErrorKind::Incompatible`] if another model lies there.
    pub fn locate_in(&self, cache: &Cache) -> Result<ModelDirectory> {
        self.same(cache.locate(&self.model)?)
    }

    fn same(&self, directory: ModelDirectory) -> Result<ModelDirectory> {
        let found = directory.fingerprint()?;
        if found == self.fingerprint {
            return Ok(directory);
        }
        let short = |fingerprint: &str| fingerprint.chars().take(12).collect::<String>();
        Err(Error::new(
            ErrorKind::Incompatible,
            format!(
                "another model than the router was trained with: `{}` was {}, here lies {}",
                self.model,
                short(&self.fingerprint),
                short(found)
            ),
        )
        .in_file(directory.path())
        .help("put the model of the training there, or train again"))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn put_model(place: &Path, weights: &str) {
        fs::create_dir_all(place).unwrap();
        fs::write(place.join("config.json"), r#"{"model_type": "model2vec"}"#).unwrap();
        fs::write(place.join("tokenizer.json"), "{}").unwrap();
        fs::write(place.join("model.safetensors"), weights).unwrap();
    }

    #[test]
    fn names_are_looked_up_in_the_cache_and_paths_are_taken_as_they_are() {
        let root = tempfile::tempdir().unwrap();
        let cache = Cache::at(root.path());
        put_model(&cache.model("mine").unwrap(), "weights");
        assert_eq!(cache.locate("mine").unwrap().path(), cache.model("mine").unwrap());
        let path = cache.model("mine").unwrap();
        assert_eq!(locate(path.to_str().unwrap()).unwrap().path(), path);
        let missing = cache.locate("all-MiniLM-L6-v2").unwrap_err();
        assert!(missing.to_string().contains("router embedder fetch all-MiniLM-L6-v2"), "{missing}");
        assert_eq!(missing.exit_status(), 2);
        let unknown = cache.locate("bge-small").unwrap_err();
        assert!(unknown.to_string().contains("--from DIR") && unknown.to_string().contains("wordllama"), "{unknown}");
        assert_eq!(cache.locate("..").unwrap_err().kind(), ErrorKind::Config);
        assert_eq!(locate("./no/such/model").unwrap_err().exit_status(), 2);
    }

    #[test]
    fn the_same_model_is_found_again_and_another_is_not_taken_for_it() {
        let root = tempfile::tempdir().unwrap();
        let cache = Cache::at(root.path());
        let place = cache.model("mine").unwrap();
        put_model(&place, "weights");
        let identity = ModelIdentity::of("mine", &cache.locate("mine").unwrap()).unwrap();
        let stored = serde_json::to_string(&identity).unwrap();
        assert!(!stored.contains(root.path().to_str().unwrap()), "{stored}");
        assert_eq!(identity.locate_in(&cache).unwrap().path(), place);
        put_model(&place, "others");
        let error = identity.locate_in(&cache).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Incompatible);
        let found = cache.locate("mine").unwrap().fingerprint().unwrap()[..12].to_owned();
        assert!(
            error.to_string().contains(&found) && error.to_string().contains(&identity.fingerprint[..12]),
            "{error}"
        );
        fs::remove_dir_all(&place).unwrap();
        assert!(identity.locate_in(&cache).unwrap_err().to_string().contains("router embedder fetch mine"));
    }
}

//! Repositories of the Hugging Face hub, by the crate hf-hub.
//!
//! `HF_ENDPOINT` names another hub, `HF_HOME` another place for its own cache; a token is taken from where the hub's own tools
//! keep it. Files go through that cache, which other programs share, and are copied from there.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};

use hf_hub::api::sync::{ApiBuilder, ApiError, ApiRepo};
use router_core::{Error, ErrorKind, Result};

use crate::models::fetch::origin::{Copy, Origin, is_part};

/// A repository that files are downloaded from when they are asked for.
struct Repository {
    /// Its name, as a path for messages.
    name: PathBuf,
    api: ApiRepo,
    files: BTreeSet<String>,
    /// (name there, path in the model's directory).
    renamed: &'static [(&'static str, &'static str)],
}

/// Opens `repository` and asks for the names of its files.
///
/// # Errors
/// [`ErrorKind::Remote`].
pub(super) fn open(repository: &str, renamed: &'static [(&'static str, &'static str)]) -> Result<Box<dyn Origin>> {
    let failed = |error: ApiError| remote(repository, error);
    let api = ApiBuilder::from_env().with_progress(false).build().map_err(failed)?.model(repository.to_owned());
    let info = api.info().map_err(failed)?;
    let files = info.siblings.into_iter().map(|file| file.rfilename).collect();
    Ok(Box::new(Repository { name: PathBuf::from(format!("hub:{repository}")), api, files, renamed }))
}

fn remote(repository: &str, error: ApiError) -> Error {
    Error::new(ErrorKind::Remote, format!("hub repository `{repository}`: {error}"))
        .help("check the name and the network; a gated model needs a token")
        .retryable()
        .caused_by(error)
}

impl Origin for Repository {
    fn open(&mut self, path: &str, copy: &mut Copy<'_>) -> Result<()> {
        let renamed = self.renamed.iter().filter(|(_, here)| *here == path).map(|(there, _)| *there);
        let Some(there) = renamed.chain([path]).find(|there| self.files.contains(*there)) else { return Ok(()) };
        let downloaded = self.api.get(there).map_err(|error| remote(&self.name.to_string_lossy(), error))?;
        let mut file = File::open(&downloaded).map_err(|source| Error::io(&downloaded, source))?;
        copy(&downloaded, &mut file)
    }

    fn parts(&mut self) -> Result<Vec<String>> {
        Ok(self.files.iter().filter(|path| is_part(path)).cloned().collect())
    }

    fn place(&self) -> &Path {
        &self.name
    }
}

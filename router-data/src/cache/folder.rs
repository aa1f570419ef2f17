//! Where the cache is.

use std::path::PathBuf;

use etcetera::BaseStrategy as _;
use router_core::{Error, ErrorKind, Result};

/// The environment variable that names the cache folder.
pub const VARIABLE: &str = "ROUTER_CACHE";

/// The cache folder: what the environment variable `ROUTER_CACHE` says, otherwise `router` in the user's own (`~/.cache` on Linux
/// or what `XDG_CACHE_HOME` says, `~/Library/Caches` on macOS, the local application data on Windows). It need not exist.
///
/// # Errors
/// [`ErrorKind::Usage`] where the variable is not set and the user has no home.
pub fn folder() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os(VARIABLE).filter(|named| !named.is_empty()) {
        return Ok(named.into());
    }
    let places = etcetera::base_strategy::choose_native_strategy().map_err(|source| {
        Error::new(ErrorKind::Usage, "there is no folder for the cache: the user's home is not known")
            .help(format!("name one in the environment variable {VARIABLE}"))
            .caused_by(source)
    })?;
    Ok(places.cache_dir().join("router"))
}

//! Where a new crate takes the framework from.

use std::fs;
use std::path::{Path, PathBuf};

use router_core::{Error, ErrorKind, Result};
use serde_json::Value;

/// The framework that a new crate depends on.
pub(super) enum Framework {
    /// The published version of this program.
    Published,
    /// A checkout, by its absolute path.
    Checkout(PathBuf, String),
}

impl Framework {
    /// The checkout at `path`.
    pub(super) fn checkout(path: &Path) -> Result<Self> {
        let absolute = path.canonicalize().map_err(|source| Error::io(path, source))?;
        for member in ["router-core", "router-cli", "benches"] {
            if !absolute.join(member).join("Cargo.toml").is_file() {
                return Err(Error::new(
                    ErrorKind::Usage,
                    format!("this is no checkout of the framework: it has no {member}/Cargo.toml"),
                )
                .in_file(path)
                .help("--framework takes the root of a checkout; leave it out to depend on the published version"));
            }
        }
        let Some(text) = absolute.to_str().map(str::to_owned) else {
            return Err(
                Error::new(ErrorKind::Usage, "a path that is not UTF-8 cannot stand in a manifest").in_file(path)
            );
        };
        Ok(Self::Checkout(absolute, text))
    }

    /// The path of the checkout.
    pub(super) fn path(&self) -> Option<&str> {
        match self {
            Self::Published => None,
            Self::Checkout(_, text) => Some(text),
        }
    }

    /// The checkout's Cargo.lock, where it has one.
    pub(super) fn lock(&self) -> Result<Option<String>> {
        let Self::Checkout(path, _) = self else { return Ok(None) };
        let path = path.join("Cargo.lock");
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(Error::io(path, source)),
        }
    }

    /// The line of a manifest that depends on crate `name`, which lies in `folder` of a checkout.
    pub(super) fn dependency(&self, name: &str, folder: &str, feature: Option<&str>) -> String {
        let place = match self {
            Self::Published => format!("version = \"{}\"", env!("CARGO_PKG_VERSION")),
            // A JSON string is a TOML string.
            Self::Checkout(_, text) => format!("path = {}", Value::String(format!("{text}/{folder}"))),
        };
        match (self, feature) {
            (Self::Published, None) => format!("{name} = \"{}\"", env!("CARGO_PKG_VERSION")),
            (_, None) => format!("{name} = {{ {place} }}"),
            (_, Some(feature)) => format!("{name} = {{ {place}, features = [\"{feature}\"] }}"),
        }
    }
}

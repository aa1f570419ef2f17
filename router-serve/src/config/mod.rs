//! What the gateway is told: upstreams, models, pools, limits.
//!
//! Read from TOML. Unknown fields, wrong types, values out of range and names that nothing defines are errors that name the file,
//! the line and the field. No key stands in it: upstreams name the environment variable or the file that holds theirs.

mod candidate;
mod check;
mod clients;
mod exploration;
mod models;
mod records;
mod server;
mod upstream;

use std::path::Path;

use router_core::config::ConfigSource;
use router_core::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use candidate::CandidateConfig;
pub use clients::{ClientConfig, ConversationsConfig};
pub use exploration::ExplorationConfig;
pub use models::{ModelConfig, PoolConfig, ServedBy};
pub use records::RecordsConfig;
pub use server::{DecisionsConfig, ServerConfig};
pub use upstream::{Api, BreakerConfig, KeyHeader, UpstreamConfig};

/// The `model` of a request that lets the router choose among all models.
pub const AUTO: &str = "auto";

/// The configuration of a gateway.
///
/// ```
/// use router_serve::ServeConfig;
/// let config = ServeConfig::from_toml(r#"
///     [[upstreams]]
///     name = "local"
///     base_url = "http://127.0.0.1:9000/v1"
///     [[models]]
///     model = "small"
///     served_by = [{ upstream = "local" }]
/// "#, "serve.toml").unwrap();
/// assert_eq!(config.upstreams[0].concurrency, 64);
/// let error = ServeConfig::from_toml("[[upstreams]]\nname = \"x\"\nbase_uri = \"\"", "serve.toml").unwrap_err();
/// assert_eq!((error.line(), error.message().starts_with("unknown field")), (Some(3), true));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServeConfig {
    /// The gateway's own limits.
    #[serde(default)]
    pub server: ServerConfig,
    /// How decisions are made.
    #[serde(default)]
    pub decisions: DecisionsConfig,
    /// What is kept of decisions; left out, nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records: Option<RecordsConfig>,
    /// How often another model than the chosen one is asked.
    #[serde(default)]
    pub exploration: ExplorationConfig,
    /// A second router beside the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidate: Option<CandidateConfig>,
    /// How conversations stay with their model.
    #[serde(default)]
    pub conversations: ConversationsConfig,
    /// Who may ask; left out, everybody.
    #[serde(default)]
    pub clients: Vec<ClientConfig>,
    /// The services that models are asked at.
    #[schemars(length(min = 1))]
    pub upstreams: Vec<UpstreamConfig>,
    /// The models, and where each is asked.
    #[schemars(length(min = 1))]
    pub models: Vec<ModelConfig>,
    /// Names for a choice among some of the models.
    #[serde(default)]
    pub pools: Vec<PoolConfig>,
}

impl ServeConfig {
    /// Reads TOML; `file` is the name that errors give.
    ///
    /// # Errors
    /// [`router_core::ErrorKind::Config`] with file, line and field.
    pub fn from_toml(text: &str, file: impl AsRef<Path>) -> Result<Self> {
        Ok(Self::read(text, file.as_ref())?.0)
    }

    fn read(text: &str, file: &Path) -> Result<(Self, ConfigSource)> {
        let source = ConfigSource::parse(text, file)?;
        let config: Self = source.read_as()?;
        config.check().map_err(|error| source.locate(error))?;
        Ok((config, source))
    }

    /// Reads a TOML file, and keeps the source so that what does not go with a router can be located in it.
    ///
    /// # Errors
    /// [`router_core::ErrorKind::Io`]; otherwise as [`from_toml`](Self::from_toml).
    pub fn from_file(path: impl AsRef<Path>) -> Result<(Self, ConfigSource)> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(|source| Error::io(path, source))?;
        Self::read(&text, path)
    }
}

#[cfg(test)]
mod tests;

//! What is kept of decisions, and where.

use std::path::PathBuf;

use router_core::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::records::Address;

/// What is kept of decisions, and where: in SQLite at `path`, or in PostgreSQL at an address that is a secret like a key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RecordsConfig {
    /// The file of SQLite.
    pub path: PathBuf,
    /// The environment variable that holds an address in place of `path`: `postgres://USER:PASSWORD@HOST/DATABASE`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url_environment: Option<String>,
    /// The file that holds such an address and nothing else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url_file: Option<PathBuf>,
    /// Whether prompts are kept, as the data set of a later training needs them.
    pub store_prompts: bool,
    /// Whether the comments of feedback are kept; otherwise feedback with a comment is refused.
    pub store_comments: bool,
    /// Most decisions that wait to be written; beyond them they are not recorded, and counted in the metrics.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub queue: usize,
    /// Most bytes of them.
    #[schemars(range(min = 65_536, max = 1_099_511_627_776_u64))]
    pub queue_bytes: usize,
    /// How long feedback waits to be committed before the answer is 503.
    #[schemars(range(min = 0.01, max = 3600.0))]
    pub feedback_seconds: f64,
}

impl Default for RecordsConfig {
    fn default() -> Self {
        Self {
            path: PathBuf::from("records.sqlite"),
            url_environment: None,
            url_file: None,
            store_prompts: false,
            store_comments: false,
            queue: 10_000,
            queue_bytes: 64 << 20,
            feedback_seconds: 5.0,
        }
    }
}

impl RecordsConfig {
    /// Where the records are.
    ///
    /// # Errors
    /// [`router_core::ErrorKind::Usage`], [`router_core::ErrorKind::Io`] if the address is not where the configuration says.
    pub fn address(&self) -> Result<Address> {
        match (&self.url_environment, &self.url_file) {
            (Some(variable), _) => Address::from_environment(variable),
            (None, Some(path)) => Address::from_file(path),
            (None, None) => Ok(Address::Sqlite(self.path.clone())),
        }
        .map_err(|error| error.context("records"))
    }
}

//! A second router beside the first.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A second router: it decides a share of the requests (A/B), or beside the first one without effect (shadow), or both.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CandidateConfig {
    /// Its artifact.
    pub router: PathBuf,
    /// The share of the requests that it decides. A conversation keeps to one router.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub share: f64,
    /// Whether whichever router does not decide a request decides beside, which is recorded and has no effect.
    #[serde(default = "yes")]
    pub shadow: bool,
}

fn yes() -> bool {
    true
}

//! How often another model than the chosen one is asked.

use router_core::Exploration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How often another model than the chosen one is asked, so that records tell what it would have answered. Off by default.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ExplorationConfig {
    /// The probability that another eligible model is asked first, each equally likely. `POST /v1/route` never explores.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub share: f64,
}

impl ExplorationConfig {
    pub(crate) fn exploration(&self) -> Exploration {
        Exploration { share: self.share }
    }
}

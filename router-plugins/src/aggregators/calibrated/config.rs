//! Parameters of the `calibrated` aggregator.

use std::collections::BTreeMap;

use router_core::ComponentConfig;
use router_core::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::nested::{self, Built};

/// The kind of the maps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Any non-decreasing map.
    #[default]
    Isotonic,
    /// The three parameters of beta calibration.
    Beta,
}

/// Parameters of the `calibrated` aggregator; see the [module](super).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CalibratedConfig {
    /// The kind of the maps. Default `isotonic`.
    pub method: Method,
    /// Folds in which the inner aggregator is fitted anew for the estimates that the maps learn from. Default 5.
    #[schemars(range(min = 2, max = 100))]
    pub folds: usize,
    /// The aggregator whose estimates are calibrated: its name under `use`, and its parameters. Default: `weighted`.
    #[schemars(with = "BTreeMap<String, Value>")]
    pub of: ComponentConfig,
    #[serde(skip)]
    #[schemars(skip)]
    pub(super) built: Built<AggregatorRole>,
}

impl Default for CalibratedConfig {
    fn default() -> Self {
        Self { method: Method::default(), folds: 5, of: ComponentConfig::new("weighted"), built: Built::default() }
    }
}

impl PluginConfig for CalibratedConfig {
    const NAME: &'static str = "calibrated";
    const SUMMARY: &'static str =
        "Another aggregator's estimates, each model's mapped to the quality seen on held-out prompts";
    const SOURCE: &'static str = "Zadrozny and Elkan, KDD 2002; Kull, Silva Filho and Flach, AISTATS 2017";
    const COST: &'static str =
        "fit `folds` + 1 fits of the inner aggregator and O(outcomes log outcomes); O(m log outcomes) a prompt";
    const EXAMPLE: &'static str =
        "method = \"beta\"\nfolds = 5\nof = { use = \"stacking\", intercept_shrinkage = 100.0 }\n";

    fn prepare(&mut self, registry: &Registry) -> Result<()> {
        self.built = Built(vec![nested::build::<AggregatorRole>(registry, &mut self.of, "of")?]);
        Ok(())
    }
}

//! The models, and names for a choice among them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A model and where it is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// Its name: that of a model in the router's pool, unless `routed` is false.
    pub model: String,
    /// Where it is asked. Of several the first is tried first.
    #[schemars(length(min = 1))]
    pub served_by: Vec<ServedBy>,
    /// Whether the router may choose it. A model that is not in the router's pool can only be asked for by name.
    #[serde(default = "routed")]
    pub routed: bool,
    /// US dollars for a million input tokens, by which calls are billed; left out, that of the router's pool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1_000_000.0))]
    pub input_usd_per_mtok: Option<f64>,
    /// US dollars for a million output tokens, by which calls are billed; left out, that of the router's pool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1_000_000.0))]
    pub output_usd_per_mtok: Option<f64>,
    /// The most tokens, input and output together, that fit; left out, that of the router's pool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub context_window: Option<u32>,
    /// What the model can do, beside what the router's pool says: `tools`, `images`, `json`, or labels of your own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

fn routed() -> bool {
    true
}

/// A place where a model is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServedBy {
    /// The upstream's name.
    pub upstream: String,
    /// The model's name there, if it is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

/// A name that requests may give as their `model`: a choice among some of the models.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PoolConfig {
    /// Unique among pools and models.
    pub name: String,
    /// The models to choose from; left out, all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub models: Option<Vec<String>>,
    /// Tags that a model must carry.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub required_tags: Vec<String>,
    /// The most that a call may be expected to cost in US dollars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1_000_000.0))]
    pub maximum_cost_usd: Option<f64>,
    /// The least quality that an answer may be expected to have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub minimum_quality: Option<f64>,
}

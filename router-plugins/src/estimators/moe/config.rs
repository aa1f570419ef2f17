//! Parameters of `moe`.

use router_core::registry::PluginConfig;
use router_core::{EstimatorRole, register};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::nn::Activation;

/// How a prompt's task distribution chooses among the heads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Routing {
    /// The heads of the assigned task; the general heads where there is none. The cheaper one.
    #[default]
    Hard,
    /// Every task's heads in proportion to the task's probability; the general heads have the rest.
    Soft,
}

/// The mixture of experts of FineRouter; see the [module](super).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MoeConfig {
    /// Width of the trunk's layers. Default 128.
    #[schemars(range(min = 1, max = 8192))]
    pub hidden: usize,
    /// Layers of the trunk. Default 1.
    #[schemars(range(min = 1, max = 8))]
    pub layers: usize,
    /// What follows each layer. Default `relu`.
    pub activation: Activation,
    /// Share of a layer's outputs that is dropped in training. Default 0.5.
    #[schemars(range(min = 0.0, max = 0.95))]
    pub dropout: f64,
    /// Epochs of phase 1 at most. Default 60.
    #[schemars(range(min = 1, max = 10_000))]
    pub epochs: usize,
    /// Prompts a step. Default 128.
    #[schemars(range(min = 1, max = 65_536))]
    pub batch_size: usize,
    /// Step size of AdamW. Default 0.003.
    #[schemars(range(min = 0.000_000_1, max = 1.0))]
    pub learning_rate: f64,
    /// Weight decay of AdamW: in a step, weights shrink by `learning_rate * weight_decay`. Default 5.
    #[schemars(range(min = 0.0, max = 1000.0))]
    pub weight_decay: f64,
    /// Share of the prompts that a member does not train on, for early stopping and the choice of `task_weight_decay`; near
    /// duplicates stay together. 0 trains for all epochs. Default 0.2.
    #[schemars(range(min = 0.0, max = 0.5))]
    pub held_out: f64,
    /// Epochs without a better held-out loss after which phase 1 stops. Default 4.
    #[schemars(range(min = 1, max = 10_000))]
    pub patience: usize,
    /// Networks that are trained apart, each holding out other prompts, and averaged. Cost and inference grow
    /// with it; the variance between small networks falls. Default 3.
    #[schemars(range(min = 1, max = 64))]
    pub members: usize,
    /// Whether there are task heads; without them phase 1 is all. Default true.
    pub task_heads: bool,
    /// Ridge penalty on what a task head adds to its general head, in outcomes: at 10 the head moves half of the way that ten
    /// or so outcomes of average features ask for. Left out, it is chosen on the held-out prompts among 100, 30, 10, 3, 1
    /// and no task heads at all (10 if none are held out).
    #[schemars(range(min = 0.001, max = 1_000_000.0))]
    pub task_weight_decay: Option<f64>,
    /// How the task distribution chooses among the heads. Default `hard`.
    pub routing: Routing,
}

impl Default for MoeConfig {
    fn default() -> Self {
        Self {
            hidden: 128,
            layers: 1,
            activation: Activation::Relu,
            dropout: 0.5,
            epochs: 60,
            batch_size: 128,
            learning_rate: 0.003,
            weight_decay: 5.0,
            held_out: 0.2,
            patience: 4,
            members: 3,
            task_heads: true,
            task_weight_decay: None,
            routing: Routing::Hard,
        }
    }
}

impl PluginConfig for MoeConfig {
    const NAME: &'static str = "moe";
    const SUMMARY: &'static str =
        "mixture of experts: shared trunk, general heads, task heads for each task's candidates";
    const SOURCE: &'static str = "FineRouter, arXiv 2603.19415";
    const EXAMPLE: &'static str = "hidden = 128\nmembers = 3\nrouting = \"hard\"\n";
}

register!(EstimatorRole, MoeConfig);

//! Parameters of `moe`.

use router_core::registry::PluginConfig;
use router_core::{Error, ErrorKind, EstimatorRole, Result, register};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::estimators::moe::heads::Heads;
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
    /// What task heads are made of; c is the number of a task's candidates, h the width of the trunk, m the number of models, n that
    /// of prompts. `residual` (default): a full-rank residual over the general head, each task and candidate for itself (FineRouter,
    /// arXiv 2603.19415); c (h + 1) numbers a task, O(n c h) a step of training. `full-rank`: a head of its own, shrunk to the
    /// model's rate of success in the task; the same cost. `low-rank`: residuals of rank r, their projection shared by the task's
    /// candidates (LoRA, arXiv 2106.09685); r h + c (r + 1) numbers a task, up to ten rounds of O(n r h) a step beside `residual`.
    /// `core-space`: a basis shared by all tasks and a core a task, merged before use where routing is soft (CoMoL, arXiv
    /// 2603.00573); r^2 numbers a task and r (h + 1 + m) for all, up to ten rounds of O(n r h) a step beside `residual`. `pyramid`:
    /// residuals summed from coarse tasks to fine ones, along the discoverer's hierarchy or one made from the tasks' centers (Expert
    /// Pyramid Tuning, arXiv 2603.12577); c (h + 1) numbers a task, O(n m h) a step.
    pub heads: Heads,
    /// Rank r of `low-rank` (2 if left out) and `core-space` (8 if left out) heads; no other kind has one. As many directions as
    /// there are candidates, models or inputs at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1024))]
    pub rank: Option<usize>,
    /// Ridge penalty on what a task head adds to its general head, in outcomes: at 10 the head moves half of the way that ten
    /// or so outcomes of average features ask for. Left out, it is chosen on the held-out prompts among 100, 30, 10, 3, 1
    /// (and 0.3, 0.1 for `low-rank` and `core-space`) and no task heads at all (10 if none are held out).
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
            heads: Heads::Residual,
            rank: None,
            task_weight_decay: None,
            routing: Routing::Hard,
        }
    }
}

impl MoeConfig {
    /// Checks what the ranges of the schema cannot say.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for a rank of heads that have none.
    pub(super) fn check(&self) -> Result<()> {
        match (self.rank, self.heads) {
            (None, _) | (Some(_), Heads::LowRank | Heads::CoreSpace) => Ok(()),
            (Some(_), _) => Err(Error::new(ErrorKind::Config, "these heads have no rank")
                .at_field("rank")
                .help("leave it out, or choose `heads = \"low-rank\"` or `heads = \"core-space\"`")),
        }
    }
}

impl PluginConfig for MoeConfig {
    const NAME: &'static str = "moe";
    const SUMMARY: &'static str =
        "mixture of experts: shared trunk, general heads, task heads for each task's candidates";
    const SOURCE: &'static str =
        "FineRouter, arXiv 2603.19415; heads: CoMoL, arXiv 2603.00573; Expert Pyramid Tuning, arXiv 2603.12577";
    const COST: &'static str = "fit O(epochs n h (d + m)) a member, and O(n candidates h) a product with the Hessian; O(h (d + m + candidates)) a prompt and member";
    const EXAMPLE: &'static str = "hidden = 128\nmembers = 3\nheads = \"residual\"\nrouting = \"hard\"\n";
}

register!(EstimatorRole, MoeConfig);

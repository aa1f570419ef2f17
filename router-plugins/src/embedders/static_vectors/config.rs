//! Parameters of the static embedder.

use async_trait::async_trait;
use router_core::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::embedders::static_vectors::fitted::StaticEmbedder;
use crate::models::locate;
use crate::text::ConversationConfig;

/// Parameters of the `static` embedder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StaticConfig {
    /// The model: a name that `router embedder fetch` brings, or a path (with a `/`) to a directory of model2vec or WordLlama.
    /// Default "wordllama".
    pub model: String,
    /// Only the first so many numbers of every vector, for models that are trained to be cut (WordLlama: 64, 128, 256). Default:
    /// all.
    #[schemars(range(min = 1, max = 65_536))]
    pub dimension: Option<usize>,
    /// The most tokens of a text that are read. What is behind them is cut, and the decision says so. Default 16384.
    #[schemars(range(min = 1, max = 1_048_576))]
    pub max_tokens: usize,
    /// Whether vectors are brought to length 1. Default: what the model's config.json says.
    pub normalize: Option<bool>,
    /// How the messages of a conversation weigh.
    pub conversation: ConversationConfig,
}

impl Default for StaticConfig {
    fn default() -> Self {
        Self {
            model: "wordllama".to_owned(),
            dimension: None,
            max_tokens: 16_384,
            normalize: None,
            conversation: ConversationConfig::default(),
        }
    }
}

impl PluginConfig for StaticConfig {
    const NAME: &'static str = "static";
    const SUMMARY: &'static str = "Mean of static token vectors (model2vec, WordLlama): the speed of a table look-up";
    const SOURCE: &'static str = "Tulkens and van Dongen, Model2Vec, 2024; Miller, WordLlama, 2024";
    const COST: &'static str = "tokenization and O(t d) a text of t tokens; the table of vectors in memory";
    const EXAMPLE: &'static str = "model = \"wordllama\"\nmax_tokens = 16384\n";
}

#[async_trait]
impl Embedder for StaticConfig {
    type Fitted = StaticEmbedder;

    async fn fit(&self, _texts: &[&str], cx: &FitContext) -> Result<StaticEmbedder> {
        cx.check_cancelled()?;
        StaticEmbedder::open(self.clone(), &locate(&self.model)?)
    }
}

router_core::register!(EmbedderRole, StaticConfig);

//! Parameters of the transformer embedders.

use std::fmt::Debug;
use std::marker::PhantomData;

use async_trait::async_trait;
use router_core::prelude::*;
use router_encoder::{Pooling, Precision};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::embedders::transformer::fitted::TransformerEmbedder;
use crate::models;
use crate::text::{ConversationConfig, WindowsConfig};

/// What tells one transformer embedder from another: its name, and what `model_type` its models have.
pub trait Family: Debug + Clone + Copy + PartialEq + Send + Sync + 'static {
    /// The plugin's name.
    const NAME: &'static str;
    /// One line about it.
    const SUMMARY: &'static str;
    /// The paper.
    const SOURCE: &'static str;
    /// An example configuration.
    const EXAMPLE: &'static str;
    /// The model of the default configuration.
    const MODEL: &'static str;
    /// The `model_type` of config.json.
    const ARCHITECTURES: &'static [&'static str];
}

/// What every encoder of this kind costs.
const COST: &str = "O(t h (6 h + t)) a layer for a text of t tokens and vectors of h numbers, twice that for the usual wide middle; weights in memory";

/// BERT and RoBERTa.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bert;

impl Family for Bert {
    const NAME: &'static str = "bert";
    const SUMMARY: &'static str = "A transformer encoder of the BERT family: MiniLM, BGE, E5, GTE...";
    const SOURCE: &'static str = "Devlin et al., BERT, NAACL 2019; Reimers and Gurevych, Sentence-BERT, EMNLP 2019";
    const EXAMPLE: &'static str = "model = \"all-MiniLM-L6-v2\"\nprecision = \"f32\"\n";
    const MODEL: &'static str = "all-MiniLM-L6-v2";
    const ARCHITECTURES: &'static [&'static str] = &["bert", "roberta", "xlm-roberta", "camembert"];
}

/// MPNet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mpnet;

impl Family for Mpnet {
    const NAME: &'static str = "mpnet";
    const SUMMARY: &'static str = "An MPNet encoder, such as all-mpnet-base-v2: eight times the work of MiniLM";
    const SOURCE: &'static str = "Song et al., MPNet, NeurIPS 2020; Reimers and Gurevych, Sentence-BERT, EMNLP 2019";
    const EXAMPLE: &'static str = "model = \"all-mpnet-base-v2\"\nprecision = \"f32\"\n";
    const MODEL: &'static str = "all-mpnet-base-v2";
    const ARCHITECTURES: &'static [&'static str] = &["mpnet"];
}

/// What computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Engine {
    /// [`router_encoder`].
    #[default]
    Native,
    /// candle.
    Candle,
}

/// Where candle computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Device {
    /// On the CPU.
    #[default]
    Cpu,
    /// On the first GPU of CUDA; needs a build with the cargo feature `cuda`.
    Cuda,
}

/// Parameters of the embedders `bert` and `mpnet`; see the [module](super).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, bound = "")]
#[schemars(bound = "", rename = "TransformerConfig")]
pub struct TransformerConfig<F: Family> {
    /// The model: a name in the cache of models, or a path with a separator in it. Default `all-MiniLM-L6-v2` for `bert`,
    /// `all-mpnet-base-v2` for `mpnet`.
    pub model: String,
    /// `f32`, or `int8`: products in bytes, faster, at a cosine of about 0.999 to f32. Default `f32`.
    pub precision: Precision,
    /// What computes: `native` or `candle`. Default `native`.
    pub engine: Engine,
    /// Where candle computes: `cpu` or `cuda`. Default `cpu`.
    pub device: Device,
    /// From the vectors of tokens to that of the text: `mean`, `cls`, `max`, `last` or `mean-sqrt-length`. Default: what the model's
    /// files say.
    pub pooling: Option<Pooling>,
    /// Whether vectors are brought to length 1. Default: what the model's files say.
    pub normalize: Option<bool>,
    /// The most tokens of one window, special tokens included. Default: what the model's files say; never more than it has
    /// positions.
    #[schemars(range(min = 4, max = 1_048_576))]
    pub maximum_tokens: Option<usize>,
    /// The name of one of the model's own prompts, such as E5's `query`. Default: the model's default prompt, if it has one.
    pub prompt: Option<String>,
    /// What is put before every text; overrides `prompt`.
    pub prefix: Option<String>,
    /// How texts longer than the limit are read.
    pub windows: WindowsConfig,
    /// How conversations are read.
    pub conversation: ConversationConfig,
    /// Which embedder this is.
    #[serde(skip)]
    #[schemars(skip)]
    pub family: PhantomData<F>,
}

/// Parameters of the embedder `bert`.
pub type BertConfig = TransformerConfig<Bert>;

/// Parameters of the embedder `mpnet`.
pub type MpnetConfig = TransformerConfig<Mpnet>;

impl<F: Family> Default for TransformerConfig<F> {
    fn default() -> Self {
        Self {
            model: F::MODEL.to_owned(),
            precision: Precision::default(),
            engine: Engine::default(),
            device: Device::default(),
            pooling: None,
            normalize: None,
            maximum_tokens: None,
            prompt: None,
            prefix: None,
            windows: WindowsConfig::default(),
            conversation: ConversationConfig::default(),
            family: PhantomData,
        }
    }
}

impl<F: Family> TransformerConfig<F> {
    /// The defaults with the model `model`: a name in the cache of models, or a path.
    pub fn of(model: impl Into<String>) -> Self {
        Self { model: model.into(), ..Self::default() }
    }

    /// Checks what the types cannot say.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for an engine or device that cannot do what is asked; [`ErrorKind::Unsupported`] for one that is not in
    /// this build.
    pub(crate) fn check(&self) -> Result<()> {
        if self.model.is_empty() {
            return Err(Error::new(ErrorKind::Config, "the model has no name")
                .at_field("model")
                .help(format!("such as `{}`", F::MODEL)));
        }
        if self.engine == Engine::Candle && self.precision == Precision::Int8 {
            return Err(Error::new(ErrorKind::Config, "candle computes in f32")
                .at_field("precision")
                .help("leave out `engine`, or use `f32`"));
        }
        if self.engine == Engine::Native && self.device == Device::Cuda {
            return Err(Error::new(ErrorKind::Config, "the native engine computes on the CPU")
                .at_field("device")
                .help("use `engine = \"candle\"`"));
        }
        if self.engine == Engine::Candle && !cfg!(feature = "candle") {
            return Err(Error::new(ErrorKind::Unsupported, "this program was built without candle")
                .at_field("engine")
                .help("build it with the cargo feature `candle`"));
        }
        if self.device == Device::Cuda && !cfg!(feature = "cuda") {
            return Err(Error::new(ErrorKind::Unsupported, "this program was built without CUDA")
                .at_field("device")
                .help("build it with the cargo feature `cuda`"));
        }
        Ok(())
    }
}

impl PluginConfig for BertConfig {
    const NAME: &'static str = Bert::NAME;
    const SUMMARY: &'static str = Bert::SUMMARY;
    const SOURCE: &'static str = Bert::SOURCE;
    const COST: &'static str = COST;
    const EXAMPLE: &'static str = Bert::EXAMPLE;

    fn prepare(&mut self, _registry: &Registry) -> Result<()> {
        self.check()
    }
}

impl PluginConfig for MpnetConfig {
    const NAME: &'static str = Mpnet::NAME;
    const SUMMARY: &'static str = Mpnet::SUMMARY;
    const SOURCE: &'static str = Mpnet::SOURCE;
    const COST: &'static str = COST;
    const EXAMPLE: &'static str = Mpnet::EXAMPLE;

    fn prepare(&mut self, _registry: &Registry) -> Result<()> {
        self.check()
    }
}

#[async_trait]
impl<F: Family> Embedder for TransformerConfig<F>
where
    TransformerEmbedder<F>: Persist,
{
    type Fitted = TransformerEmbedder<F>;

    async fn fit(&self, _texts: &[&str], _cx: &FitContext) -> Result<TransformerEmbedder<F>> {
        TransformerEmbedder::new(self.clone(), models::locate(&self.model)?)
    }
}

router_core::register!(EmbedderRole, BertConfig);
router_core::register!(EmbedderRole, MpnetConfig);

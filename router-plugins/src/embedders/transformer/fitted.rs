//! A transformer embedder that is ready.

use async_trait::async_trait;
use once_cell::sync::OnceCell;
use router_core::prelude::*;
use router_encoder::Pooling;
use serde::{Deserialize, Serialize};

use crate::embedders::transformer::config::{Bert, Family, Mpnet, TransformerConfig};
use crate::embedders::transformer::engine::Opened;
use crate::models::{ModelDirectory, ModelIdentity};
use crate::text::conversation::Pieces;
use crate::text::{Tokenizer, Windows};

/// Version of the algorithm. A change of any vector for the same model and parameters changes it, and so the fingerprint.
const ALGORITHM: u32 = 1;

/// A transformer embedder that is ready. Its weights are read when the first text is embedded, so that an artifact can be looked at
/// without them.
pub struct TransformerEmbedder<F: Family> {
    config: TransformerConfig<F>,
    identity: ModelIdentity,
    model: ModelDirectory,
    dimension: usize,
    /// Resolved from the configuration and the model's own files.
    settings: Settings,
    opened: OnceCell<(Tokenizer, Opened)>,
}

/// What the configuration and the model's files together say.
#[derive(Debug, Clone, PartialEq)]
struct Settings {
    pooling: Pooling,
    normalize: bool,
    maximum_tokens: usize,
    prefix: String,
}

/// The most tokens of a model that does not say.
const MAXIMUM_TOKENS: usize = 512;

impl<F: Family> TransformerEmbedder<F> {
    /// An embedder of `model`, which the configuration names.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] or [`ErrorKind::Unsupported`] for parameters that do not fit; [`ErrorKind::Incompatible`] for a
    /// model of another family; [`ErrorKind::Io`].
    pub fn new(config: TransformerConfig<F>, model: ModelDirectory) -> Result<Self> {
        let identity = ModelIdentity::of(&config.model, &model)?;
        Self::of_identity(config, identity, model)
    }

    fn of_identity(config: TransformerConfig<F>, identity: ModelIdentity, model: ModelDirectory) -> Result<Self> {
        config.check()?;
        let kind = model.architecture();
        if !F::ARCHITECTURES.contains(&kind) {
            return Err(Error::new(
                ErrorKind::Incompatible,
                format!(
                    "`{}` reads models of the type {}, and this one is `{kind}`",
                    F::NAME,
                    F::ARCHITECTURES.join(", ")
                ),
            )
            .in_file(model.path().join("config.json"))
            .at_field("model_type")
            .help("name another model, or use the embedder of this one"));
        }
        let dimension = model.config_integer("hidden_size")?;
        let own = model.max_tokens().unwrap_or(MAXIMUM_TOKENS);
        let settings = Settings {
            pooling: config.pooling.unwrap_or_else(|| model.pooling()),
            normalize: config.normalize.unwrap_or_else(|| model.normalize()),
            // The files' limit may be below what the model has positions for; a configuration may go up to those.
            maximum_tokens: config.maximum_tokens.unwrap_or(own),
            prefix: match &config.prefix {
                Some(prefix) => prefix.clone(),
                None => model.prefix(config.prompt.as_deref())?.to_owned(),
            },
        };
        Ok(Self { config, identity, model, dimension, settings, opened: OnceCell::new() })
    }

    /// The tokenizer and the encoder; read now if nothing was embedded yet.
    fn opened(&self) -> Result<&(Tokenizer, Opened)> {
        self.opened.get_or_try_init(|| {
            let (tokenizer, opened) = rayon::join(
                || Tokenizer::open(&self.model),
                || Opened::open(&self.config, &self.model, self.settings.pooling),
            );
            let (tokenizer, opened) = (tokenizer?, opened?);
            if let Opened::Native(encoder) = &opened
                && self.settings.maximum_tokens > encoder.architecture().maximum_tokens()
            {
                return Err(Error::new(
                    ErrorKind::Config,
                    format!("the model has {} positions", encoder.architecture().maximum_tokens()),
                )
                .at_field("maximum_tokens")
                .help("allowed: at most that"));
            }
            Ok((tokenizer, opened))
        })
    }
}

#[async_trait]
impl<F: Family> FittedEmbedder for TransformerEmbedder<F> {
    fn dimension(&self) -> usize {
        self.dimension
    }

    fn fingerprint(&self) -> String {
        let Settings { pooling, normalize, maximum_tokens, prefix } = &self.settings;
        let TransformerConfig { precision, windows, conversation, .. } = &self.config;
        format!(
            "{} {ALGORITHM} model={} precision={precision:?} pooling={pooling:?} normalize={normalize} \
             maximum_tokens={maximum_tokens} prefix={prefix:?} windows={}/{} {}",
            F::NAME,
            self.identity.fingerprint,
            windows.most,
            windows.overlap,
            conversation.fingerprint(),
        )
    }

    async fn embed(&self, texts: &[&str]) -> Result<Embeddings> {
        if texts.is_empty() {
            return Ok(Embeddings::new(Matrix::zeros(0, self.dimension)));
        }
        let (tokenizer, opened) = self.opened()?;
        let Settings { prefix, maximum_tokens, normalize, .. } = &self.settings;
        let windows = Windows::of(tokenizer, texts, prefix, *maximum_tokens, self.config.windows)?;
        let sequences: Vec<&[u32]> = windows.windows.iter().map(|window| windows.sequence(window)).collect();
        let vectors = opened.encode(&sequences)?;
        windows.pool(vectors.view(), *normalize)
    }

    async fn embed_prompts(&self, prompts: &[&Prompt]) -> Result<Embeddings> {
        let pieces = Pieces::of(prompts, &self.config.conversation);
        pieces.combine(self.embed(pieces.texts()).await?)
    }

    fn worth_caching(&self) -> bool {
        true
    }
}

/// What the artifact keeps: no weights, but which model it was.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
struct Stored<F: Family> {
    config: TransformerConfig<F>,
    identity: ModelIdentity,
}

macro_rules! persist {
    ($family:ty, $format:literal) => {
        impl Persist for TransformerEmbedder<$family> {
            const FORMAT: &'static str = $format;
            const VERSION: u32 = 1;

            fn save(&self, writer: &mut SlotWriter) -> Result<()> {
                writer.put_json("parameters", &self.config)?;
                writer.put_json("model", &self.identity)
            }

            fn load(reader: &SlotReader<'_>) -> Result<Self> {
                let stored: Stored<$family> =
                    Stored { config: reader.get_json("parameters")?, identity: reader.get_json("model")? };
                let model = stored.identity.locate()?;
                Self::of_identity(stored.config, stored.identity, model)
            }
        }
    };
}

persist!(Bert, "bert-embedder");
persist!(Mpnet, "mpnet-embedder");

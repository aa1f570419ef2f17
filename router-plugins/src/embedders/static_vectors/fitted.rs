//! The static embedder, ready.

use async_trait::async_trait;
use rayon::prelude::*;
use router_core::prelude::*;

use crate::embedders::static_vectors::config::StaticConfig;
use crate::embedders::static_vectors::table::Table;
use crate::models::{ModelDirectory, ModelIdentity};
use crate::neighbors::normalize;
use crate::ranges::out_of_range;
use crate::text::Tokenizer;
use crate::text::conversation::Pieces;

/// Version of the algorithm. A change of any vector for the same model and parameters changes it, and so the fingerprint.
const ALGORITHM: u32 = 1;

/// A static embedder that is ready: a tokenizer and a table.
pub struct StaticEmbedder {
    config: StaticConfig,
    identity: ModelIdentity,
    tokenizer: Tokenizer,
    table: Table,
    dimension: usize,
    normalize: bool,
    /// The token that counts for nothing.
    ignored: Option<u32>,
}

impl StaticEmbedder {
    /// Reads the model in `directory`.
    ///
    /// # Errors
    /// [`ErrorKind::Io`]; [`ErrorKind::Data`] if tokenizer or table are malformed, or if the table lacks a token;
    /// [`ErrorKind::Config`] if it has fewer numbers a vector than asked for.
    pub fn open(config: StaticConfig, directory: &ModelDirectory) -> Result<Self> {
        let [weights] = directory.weights().try_into().map_err(|pieces: Vec<_>| {
            Error::new(ErrorKind::Unsupported, format!("a static model in {} pieces is not supported", pieces.len()))
                .in_file(directory.path())
        })?;
        let table = Table::read(&weights)?;
        let tokenizer = Tokenizer::open(directory)?;
        if tokenizer.vocabulary() > table.tokens() {
            let (vocabulary, vectors) = (tokenizer.vocabulary(), table.tokens());
            return Err(Error::new(ErrorKind::Data, format!("{vectors} vectors for {vocabulary} tokens"))
                .in_file(&weights)
                .help("table and tokenizer belong to different models"));
        }
        let dimension = config.dimension.unwrap_or(table.columns());
        if dimension == 0 || dimension > table.columns() {
            let allowed = format!("at least 1 and at most {}, as the model has", table.columns());
            return out_of_range("dimension", &dimension, &allowed);
        }
        Ok(Self {
            identity: ModelIdentity::of(&config.model, directory)?,
            dimension,
            normalize: config.normalize.unwrap_or_else(|| directory.normalize()),
            // WordLlama's own tokenizer has an unknown token too, but it spells what it does not know in bytes.
            ignored: if directory.architecture() == "wordllama" { None } else { tokenizer.unknown() },
            config,
            tokenizer,
            table,
        })
    }

    /// The vectors of `texts`, n x d in their order, and the rows of which a part was not read. Each depends on its own text
    /// alone.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn vectors(&self, texts: &[&str]) -> Result<Embeddings> {
        let mut vectors = Matrix::zeros(texts.len(), self.dimension);
        let mut cut = vec![false; texts.len()];
        if let ([text], [cut]) = (texts, cut.as_mut_slice()) {
            // A single prompt does not wake the other threads.
            *cut = self.embed_text(text, &mut vec![0.0; self.dimension], vectors.as_mut_slice())?;
        } else {
            vectors.as_mut_slice().par_chunks_mut(self.dimension).zip(&mut cut).zip(texts).try_for_each_init(
                || vec![0.0; self.dimension],
                |scratch, ((out, cut), text)| -> Result<()> {
                    *cut = self.embed_text(text, scratch, out)?;
                    Ok(())
                },
            )?;
        }
        let truncated = cut.iter().enumerate().filter(|(_, cut)| **cut).map(|(row, _)| row).collect();
        Ok(Embeddings { vectors, truncated })
    }

    /// Writes the vector of `text` and says whether a part of it was not read.
    fn embed_text(&self, text: &str, scratch: &mut [f32], out: &mut [f32]) -> Result<bool> {
        let (tokens, more) = self.tokenizer.encode_at_most(text, self.config.max_tokens)?;
        let mut count = 0_usize;
        for &token in tokens.iter().filter(|&&token| Some(token) != self.ignored) {
            self.table.add(token, scratch, out);
            count += 1;
        }
        if count > 0 {
            for value in &mut *out {
                *value /= count as f32;
            }
        }
        if self.normalize {
            normalize(out);
        }
        Ok(more)
    }
}

#[async_trait]
impl FittedEmbedder for StaticEmbedder {
    fn dimension(&self) -> usize {
        self.dimension
    }

    fn fingerprint(&self) -> String {
        let StaticConfig { max_tokens, conversation, .. } = &self.config;
        format!(
            "static {ALGORITHM} model={} d={} max_tokens={max_tokens} normalize={} {}",
            self.identity.fingerprint,
            self.dimension,
            self.normalize,
            conversation.fingerprint()
        )
    }

    async fn embed(&self, texts: &[&str]) -> Result<Embeddings> {
        self.vectors(texts)
    }

    async fn embed_prompts(&self, prompts: &[&Prompt]) -> Result<Embeddings> {
        let pieces = Pieces::of(prompts, &self.config.conversation);
        pieces.combine(self.vectors(pieces.texts())?)
    }
}

impl Persist for StaticEmbedder {
    const FORMAT: &'static str = "static-embedder";
    const VERSION: u32 = 1;

    fn save(&self, writer: &mut SlotWriter) -> Result<()> {
        writer.put_json("parameters", &self.config)?;
        writer.put_json("model", &self.identity)
    }

    fn load(reader: &SlotReader<'_>) -> Result<Self> {
        let config: StaticConfig = reader.get_json("parameters")?;
        let identity: ModelIdentity = reader.get_json("model")?;
        Self::open(config, &identity.locate()?)
    }
}

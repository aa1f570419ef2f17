//! Embedders: texts to vectors.

use async_trait::async_trait;

use crate::artifact::{ErasedPersist, Persist};
use crate::context::FitContext;
use crate::embedding_cache::{EmbeddingCache, embed_cached};
use crate::error::Result;
use crate::types::matrix::Embeddings;
use crate::types::prompt::Prompt;

/// Turns texts into vectors, after seeing the training texts if it learns from them.
///
/// Async, because an embedder may live behind a network. Nothing assumes a runtime: embedders that need one bring it, and
/// [`crate::Router::route_blocking`] drives any of them.
#[async_trait]
pub trait Embedder: Send + Sync {
    /// What fitting returns.
    type Fitted: FittedEmbedder + Persist;

    /// Whether fitting depends on the texts. If so, the pipeline fits it anew in every fold, and the fitted embedder's
    /// fingerprint covers the data it saw.
    fn learns(&self) -> bool {
        false
    }

    /// Fits to the training texts; a pretrained or stateless embedder ignores them.
    async fn fit(&self, texts: &[&str], cx: &FitContext) -> Result<Self::Fitted>;
}

/// An embedder that is ready.
#[async_trait]
pub trait FittedEmbedder: Send + Sync {
    /// d, the length of every vector.
    fn dimension(&self) -> usize;

    /// Identifies everything that determines the vectors: algorithm, parameters, weights, data seen. Two embedders of one
    /// fingerprint give the same vectors, up to rounding.
    fn fingerprint(&self) -> String;

    /// The embeddings of `texts`, n x d in their order, all finite.
    ///
    /// The vector of a text does not depend on the other texts of the batch. An empty text has a vector too. A text longer
    /// than the encoder's limit is reported in [`Embeddings::truncated`], never silently cut.
    async fn embed(&self, texts: &[&str]) -> Result<Embeddings>;

    /// The embeddings of `prompts`. By default those of their texts; an encoder that knows conversations may do better. A vector
    /// depends on the prompt's content alone: not on its identity, benchmark, description or tags.
    async fn embed_prompts(&self, prompts: &[&Prompt]) -> Result<Embeddings> {
        let texts: Vec<_> = prompts.iter().map(|prompt| prompt.text()).collect();
        let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
        self.embed(&texts).await
    }

    /// Whether computing a vector costs more than reading it from a disk, as with a neural encoder or a remote one, so that
    /// training and evaluation keep it in a cache where they have one. Default: no.
    ///
    /// An embedder that says yes promises that a text has the same vector to the bit in any batch; otherwise results with a
    /// cache could differ from those without.
    fn worth_caching(&self) -> bool {
        false
    }

    /// The embeddings of `prompts`, through `cache` if that is [worth it](Self::worth_caching). An embedder that is made of
    /// others asks each of them through the cache, so that only those are kept that are worth it.
    async fn embed_through(&self, cache: &dyn EmbeddingCache, prompts: &[&Prompt]) -> Result<Embeddings> {
        if self.worth_caching() { embed_cached(self, cache, prompts).await } else { self.embed_prompts(prompts).await }
    }
}

/// A fitted embedder that can be stored: the object-safe form. Implemented for all that are both.
pub trait StoredEmbedder: FittedEmbedder + ErasedPersist {}

impl<T: FittedEmbedder + Persist> StoredEmbedder for T {}

/// The object-safe form of [`Embedder`]. Implemented for every one.
#[async_trait]
pub trait DynEmbedder: Send + Sync {
    /// See [`Embedder::learns`].
    fn learns(&self) -> bool;

    /// See [`Embedder::fit`].
    async fn fit(&self, texts: &[&str], cx: &FitContext) -> Result<Box<dyn StoredEmbedder>>;
}

#[async_trait]
impl<T: Embedder> DynEmbedder for T {
    fn learns(&self) -> bool {
        Embedder::learns(self)
    }

    async fn fit(&self, texts: &[&str], cx: &FitContext) -> Result<Box<dyn StoredEmbedder>> {
        Ok(Box::new(Embedder::fit(self, texts, cx).await?))
    }
}

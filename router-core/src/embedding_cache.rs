//! Embeddings that are kept between runs: the contract of a cache, and how an embedder is asked through one.
//!
//! A cache maps (fingerprint of the embedder, [`PromptKey`]) to a vector. It never changes a result: what it gives is, bit for
//! bit, what the embedder once gave for the same content. It is a convenience, so a cache that cannot read or write says so in
//! its own way and goes on; work never fails for it.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};

use crate::error::{Error, ErrorKind, Result};
use crate::traits::FittedEmbedder;
use crate::types::matrix::{Embeddings, Matrix};
use crate::types::prompt::{Message, MessageRole, Prompt, PromptContent};

/// SHA-256 over everything of a prompt that embedding may read: its content, text or messages with their roles. Prompts of one
/// content share a key, whatever their identity, benchmark, description and tags.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PromptKey([u8; 32]);

impl PromptKey {
    /// The key of `prompt`. Reads the whole content once.
    pub fn of(prompt: &Prompt) -> Self {
        // Every part goes in with its length, so that no two contents run together into the same bytes.
        let mut hash = Sha256::new();
        let mut part = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        match &prompt.content {
            PromptContent::Text(text) => {
                part(b"text");
                part(text.as_bytes());
            }
            PromptContent::Messages(messages) => {
                part(b"messages");
                // Without `..`: a new field must be thought of here. Parts that are not read change no vector.
                for Message { role, content, parts_not_read: _ } in messages {
                    part(match role {
                        MessageRole::System => b"system",
                        MessageRole::User => b"user",
                        MessageRole::Assistant => b"assistant",
                        MessageRole::Tool => b"tool",
                    });
                    part(content.as_bytes());
                }
            }
        }
        Self(hash.finalize().into())
    }

    /// The key whose bytes are `bytes`.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes of the key.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for PromptKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A row of a cache.
#[derive(Debug, Clone, PartialEq)]
pub struct CachedEmbedding {
    /// The vector, to the bit.
    pub vector: Vec<f32>,
    /// Whether the text was cut because it was longer than the encoder's limit.
    pub truncated: bool,
}

/// Keeps embeddings between runs. Shared between threads, and, where it lives on a disk, between processes.
pub trait EmbeddingCache: Send + Sync {
    /// What is known of each of `keys`, in their order, from the embedder of this fingerprint and dimension. A row that cannot be
    /// read, or whose integrity is in doubt, is not known.
    fn lookup(&self, fingerprint: &str, dimension: usize, keys: &[PromptKey]) -> Vec<Option<CachedEmbedding>>;

    /// Keeps `embeddings`, row i under key i. A cache that cannot write keeps nothing.
    fn store(&self, fingerprint: &str, keys: &[PromptKey], embeddings: &Embeddings);
}

/// The embeddings of `prompts` by `embedder`, those that `cache` knows from there and the others computed, checked and stored.
///
/// # Errors
/// What the embedder reports; [`ErrorKind::Embedding`] and [`ErrorKind::NonFinite`] as [`check_embeddings`]. Nothing that fails is
/// stored.
pub async fn embed_cached<E: FittedEmbedder + ?Sized>(
    embedder: &E,
    cache: &dyn EmbeddingCache,
    prompts: &[&Prompt],
) -> Result<Embeddings> {
    let (fingerprint, dimension) = (embedder.fingerprint(), embedder.dimension());
    let keys: Vec<PromptKey> = prompts.iter().map(|prompt| PromptKey::of(prompt)).collect();
    let known = cache.lookup(&fingerprint, dimension, &keys);
    let mut vectors = Matrix::zeros(prompts.len(), dimension);
    let mut truncated = Vec::new();
    let (mut missing, mut missing_prompts, mut missing_keys) = (Vec::new(), Vec::new(), Vec::new());
    for (row, (&prompt, &key)) in prompts.iter().zip(&keys).enumerate() {
        match known.get(row) {
            Some(Some(found))
                if found.vector.len() == dimension && found.vector.iter().all(|value| value.is_finite()) =>
            {
                vectors.row_mut(row).copy_from_slice(&found.vector);
                if found.truncated {
                    truncated.push(row);
                }
            }
            _ => {
                missing.push(row);
                missing_prompts.push(prompt);
                missing_keys.push(key);
            }
        }
    }
    if !missing.is_empty() {
        let fresh = embedder.embed_prompts(&missing_prompts).await?;
        check_embeddings(&fresh, missing.len(), dimension)?;
        cache.store(&fingerprint, &missing_keys, &fresh);
        for (at, &row) in missing.iter().enumerate() {
            vectors.row_mut(row).copy_from_slice(fresh.vectors.row(at));
        }
        truncated.extend(fresh.truncated.iter().filter_map(|&at| missing.get(at)));
        truncated.sort_unstable();
    }
    Ok(Embeddings { vectors, truncated })
}

/// Holds what an embedder answered against what it promised: `rows` x `dimension`, all finite.
///
/// # Errors
/// [`ErrorKind::Embedding`] for another shape; [`ErrorKind::NonFinite`].
pub fn check_embeddings(embeddings: &Embeddings, rows: usize, dimension: usize) -> Result<()> {
    let found = (embeddings.vectors.rows(), embeddings.vectors.cols());
    if found != (rows, dimension) {
        return Err(Error::new(
            ErrorKind::Embedding,
            format!("the embedder answered {} x {} where {rows} x {dimension} belongs", found.0, found.1),
        ));
    }
    embeddings.vectors.view().check_finite("embeddings")
}

/// A cache that counts what was found in it.
pub(crate) struct Counting<'a> {
    cache: &'a dyn EmbeddingCache,
    found: AtomicU64,
}

impl<'a> Counting<'a> {
    pub(crate) fn new(cache: &'a dyn EmbeddingCache) -> Self {
        Self { cache, found: AtomicU64::new(0) }
    }

    /// Rows found so far.
    pub(crate) fn found(&self) -> u64 {
        self.found.load(Ordering::Relaxed)
    }
}

impl EmbeddingCache for Counting<'_> {
    fn lookup(&self, fingerprint: &str, dimension: usize, keys: &[PromptKey]) -> Vec<Option<CachedEmbedding>> {
        let known = self.cache.lookup(fingerprint, dimension, keys);
        self.found.fetch_add(known.iter().flatten().count() as u64, Ordering::Relaxed);
        known
    }

    fn store(&self, fingerprint: &str, keys: &[PromptKey], embeddings: &Embeddings) {
        self.cache.store(fingerprint, keys, embeddings);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_of_the_content_alone() {
        let prompt = Prompt::new("a", "What is it?");
        let same = Prompt {
            description: Some("a question".into()),
            tags: vec!["x".into()],
            ..Prompt::new("b", "What is it?")
        };
        assert_eq!(PromptKey::of(&prompt), PromptKey::of(&same.with_benchmark("trivia")));
        // The layout is a contract of everything that is stored: sha256(len "text" len content), reckoned by hand.
        let mut bytes = Vec::new();
        for part in [&b"text"[..], b"What is it?"] {
            bytes.extend((part.len() as u64).to_le_bytes());
            bytes.extend(part);
        }
        assert_eq!(PromptKey::of(&prompt).as_bytes()[..], Sha256::digest(&bytes)[..]);
    }

    #[test]
    fn contents_that_read_alike_have_keys_of_their_own() {
        let say = |role, content: &str| Message::new(role, content);
        let prompts = [
            Prompt::new("", "a\n\nb"),
            Prompt::new("", ""),
            Prompt::chat("", vec![]),
            Prompt::chat("", vec![say(MessageRole::User, "a\n\nb")]),
            Prompt::chat("", vec![say(MessageRole::User, "a"), say(MessageRole::User, "b")]),
            Prompt::chat("", vec![say(MessageRole::System, "a"), say(MessageRole::User, "b")]),
            Prompt::chat("", vec![say(MessageRole::User, "a"), say(MessageRole::Assistant, "b")]),
            Prompt::chat("", vec![say(MessageRole::User, "a"), say(MessageRole::Tool, "b")]),
            Prompt::chat("", vec![say(MessageRole::User, "ab"), say(MessageRole::User, "")]),
        ];
        let keys: std::collections::BTreeSet<PromptKey> = prompts.iter().map(PromptKey::of).collect();
        assert_eq!(keys.len(), prompts.len());
    }
}

//! A cache of embeddings that a test can look into.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::embedding_cache::{CachedEmbedding, EmbeddingCache, PromptKey};
use crate::types::matrix::Embeddings;

/// Keeps everything in memory, and forgets it with its end.
#[derive(Debug, Default)]
pub struct MemoryCache {
    rows: Mutex<HashMap<(String, PromptKey), CachedEmbedding>>,
}

impl MemoryCache {
    /// An empty cache.
    pub fn new() -> Self {
        Self::default()
    }

    /// Rows in it.
    pub fn len(&self) -> usize {
        self.rows().len()
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The fingerprints that rows are kept under, sorted, each once.
    pub fn fingerprints(&self) -> Vec<String> {
        let mut all: Vec<String> = self.rows().keys().map(|(fingerprint, _)| fingerprint.clone()).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Changes every row: for tests of what a wrong cache does.
    pub fn change(&self, change: impl Fn(&mut CachedEmbedding)) {
        self.rows().values_mut().for_each(change);
    }

    fn rows(&self) -> MutexGuard<'_, HashMap<(String, PromptKey), CachedEmbedding>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EmbeddingCache for MemoryCache {
    fn lookup(&self, fingerprint: &str, dimension: usize, keys: &[PromptKey]) -> Vec<Option<CachedEmbedding>> {
        let rows = self.rows();
        keys.iter()
            .map(|key| rows.get(&(fingerprint.to_owned(), *key)).filter(|row| row.vector.len() == dimension).cloned())
            .collect()
    }

    fn store(&self, fingerprint: &str, keys: &[PromptKey], embeddings: &Embeddings) {
        let mut rows = self.rows();
        for (row, key) in keys.iter().enumerate().take(embeddings.vectors.rows()) {
            let vector = embeddings.vectors.row(row).to_vec();
            let truncated = embeddings.truncated.binary_search(&row).is_ok();
            rows.insert((fingerprint.to_owned(), *key), CachedEmbedding { vector, truncated });
        }
    }
}

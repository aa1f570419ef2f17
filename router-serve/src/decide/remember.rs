//! Embeddings of recent prompts, in memory.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use router_core::{CachedEmbedding, EmbeddingCache, Embeddings, PromptKey};

/// Keeps at most so many embeddings, the ones that were not asked for the longest leaving first. Two generations: what is asked for
/// comes into the young one; when that is full it becomes the old one, and the old one is forgotten.
#[derive(Debug)]
pub(super) struct Remembered {
    generations: Mutex<Generations>,
    half: usize,
}

type Generation = HashMap<(String, PromptKey), CachedEmbedding>;

#[derive(Debug, Default)]
struct Generations {
    young: Generation,
    old: Generation,
}

impl Generations {
    fn keep(&mut self, key: (String, PromptKey), embedding: CachedEmbedding, half: usize) {
        if self.young.len() >= half {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, embedding);
    }
}

impl Remembered {
    pub(super) fn new(most: usize) -> Self {
        Self { generations: Mutex::default(), half: most.div_ceil(2).max(1) }
    }
}

impl EmbeddingCache for Remembered {
    fn lookup(&self, fingerprint: &str, dimension: usize, keys: &[PromptKey]) -> Vec<Option<CachedEmbedding>> {
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        keys.iter()
            .map(|&key| {
                let key = (fingerprint.to_owned(), key);
                let found = match generations.young.get(&key) {
                    Some(found) => found.clone(),
                    None => {
                        let found = generations.old.remove(&key)?;
                        generations.keep(key, found.clone(), self.half);
                        found
                    }
                };
                (found.vector.len() == dimension).then_some(found)
            })
            .collect()
    }

    fn store(&self, fingerprint: &str, keys: &[PromptKey], embeddings: &Embeddings) {
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        for (row, &key) in keys.iter().enumerate() {
            let embedding = CachedEmbedding {
                vector: embeddings.vectors.row(row).to_vec(),
                truncated: embeddings.truncated.binary_search(&row).is_ok(),
            };
            generations.keep((fingerprint.to_owned(), key), embedding, self.half);
        }
    }
}

#[cfg(test)]
mod tests {
    use router_core::{Matrix, Prompt};

    use super::*;

    #[test]
    fn what_is_asked_for_stays_and_the_rest_leaves() {
        let remembered = Remembered::new(4);
        let key = |text: &str| PromptKey::of(&Prompt::new("p", text));
        let store = |text: &str, value: f32| {
            let vectors = Matrix::from_vec(1, 2, vec![value, 1.0]).unwrap();
            remembered.store("f", &[key(text)], &Embeddings { vectors, truncated: vec![0] });
        };
        let known = |text: &str| remembered.lookup("f", 2, &[key(text)]).remove(0);
        store("kept", 7.0);
        for round in 0..20 {
            store(&format!("{round}"), 1.0);
            let kept = known("kept").unwrap();
            assert!(kept.vector == [7.0, 1.0] && kept.truncated);
        }
        assert!(known("0").is_none());
        let generations = remembered.generations.lock().unwrap();
        assert!(generations.young.len() + generations.old.len() <= 4);
        drop(generations);
        assert!(remembered.lookup("other", 2, &[key("kept")])[0].is_none());
        assert!(remembered.lookup("f", 3, &[key("kept")])[0].is_none());
    }
}

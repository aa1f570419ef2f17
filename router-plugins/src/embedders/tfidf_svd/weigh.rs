//! From a text to its tf-idf weights.

use super::config::TfidfSvdConfig;
use super::vocabulary::Vocabulary;
use crate::embedders::ngrams::{Letters, Reader, block_scales, term_weight};

/// What one thread reuses from text to text.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    pub(super) reader: Reader,
    /// (term, weight) of the known n-grams: words, then characters.
    pub(super) entries: Vec<(u32, f32)>,
}

impl Scratch {
    /// Reads a text.
    pub(super) fn read(&mut self, config: &TfidfSvdConfig, text: &str) {
        self.reader.read(Letters { lowercase: config.lowercase, fold_digits: config.fold_digits }, text);
    }
}

/// Fills `scratch.entries` with the weights of `text`: of length 1, or none if no n-gram is known.
///
/// A block of n-grams weighs tf * idf scaled to length 1; the blocks then share the length by `character_weight`.
pub(super) fn weigh(config: &TfidfSvdConfig, vocabularies: &[Vocabulary; 2], text: &str, scratch: &mut Scratch) {
    scratch.read(config, text);
    let Scratch { reader, entries } = scratch;
    entries.clear();
    let mut ends = [0; 2];
    let mut norms = [0.0f64; 2];
    let mut offset = 0;
    let blocks = config.kinds().into_iter().zip(vocabularies);
    for (((kind, range), vocabulary), (end, norm)) in blocks.zip(ends.iter_mut().zip(&mut norms)) {
        for (hash, count) in reader.counts(kind, range, 0) {
            if let Some((term, idf)) = vocabulary.find(hash) {
                let weight = term_weight(count, config.sublinear) * idf;
                *norm += f64::from(weight) * f64::from(weight);
                entries.push((offset + term, weight));
            }
        }
        *norm = norm.sqrt();
        *end = entries.len();
        offset += vocabulary.len() as u32;
    }
    let [of_words, of_characters] = norms;
    let scales = block_scales(of_words > 0.0, of_characters > 0.0, config.character_weight);
    let (words, characters) = entries.split_at_mut(ends[0]);
    for (block, norm, scale) in [(words, of_words, scales.0), (characters, of_characters, scales.1)] {
        for (_, weight) in block {
            *weight = (f64::from(*weight) / norm) as f32 * scale;
        }
    }
}

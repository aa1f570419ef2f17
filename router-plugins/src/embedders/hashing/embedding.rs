//! The embedding of one text.
#![allow(clippy::indexing_slicing, reason = "a bucket is below the dimension")]

use crate::embedders::hashing::config::HashingConfig;
use crate::embedders::ngrams::{Kind, Letters, Reader, block_scales, term_weight};

/// What one thread reuses from text to text.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    reader: Reader,
    /// The second block.
    block: Vec<f32>,
}

/// Writes the vector of `text` into `out`, which has `config.dimension` numbers.
///
/// A text without n-grams (empty, or nothing but white space), and one whose n-grams cancel each other, gets the vector whose
/// numbers are all 1 / sqrt(d): of length 1 like every other, and near to none of them.
pub(super) fn embed(config: &HashingConfig, text: &str, scratch: &mut Scratch, out: &mut [f32]) {
    let Scratch { reader, block } = scratch;
    reader.read(Letters { lowercase: config.lowercase, fold_digits: config.fold_digits }, text);
    out.fill(0.0);
    add_block(config, reader.counts(Kind::Words, config.words, config.hash_seed), out);
    let has_words = normalise(out);
    block.clear();
    block.resize(out.len(), 0.0);
    add_block(config, reader.counts(Kind::Characters, config.characters, config.hash_seed), block);
    let has_characters = normalise(block);
    let (of_words, of_characters) = block_scales(has_words, has_characters, config.character_weight);
    for (value, &other) in out.iter_mut().zip(&*block) {
        *value = of_words * *value + of_characters * other;
    }
    if !normalise(out) {
        out.fill((1.0 / (out.len() as f64).sqrt()) as f32);
    }
}

/// Adds the weight of every n-gram to its bucket.
fn add_block(config: &HashingConfig, counts: impl Iterator<Item = (u64, usize)>, out: &mut [f32]) {
    for (hash, count) in counts {
        let weight = term_weight(count, config.sublinear);
        // The high half scaled to 0..d (Lemire's reduction) is the bucket; the lowest bit is the sign.
        let bucket = (((hash >> 32) * out.len() as u64) >> 32) as usize;
        out[bucket] += if hash & 1 == 0 { weight } else { -weight };
    }
}

/// Brings `vector` to length 1; false if it is zero, and then left so.
fn normalise(vector: &mut [f32]) -> bool {
    let squared: f64 = vector.iter().map(|&value| f64::from(value) * f64::from(value)).sum();
    if squared <= 0.0 {
        return false;
    }
    let scale = (1.0 / squared.sqrt()) as f32;
    for value in vector {
        *value *= scale;
    }
    true
}

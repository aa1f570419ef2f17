//! The embedding of one text.
#![allow(
    clippy::indexing_slicing,
    reason = "offsets are character boundaries of the buffer they were taken from; a bucket is below the dimension"
)]

use crate::embedders::hashing::config::HashingConfig;

/// What one thread reuses from text to text.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// The text as it is read: lower case, digits folded, stretches of white space made one space, a space at either end.
    text: String,
    /// Byte offsets of the characters of `text`, and its length.
    characters: Vec<usize>,
    /// Byte offsets of start and end of the words of `text`.
    words: Vec<(usize, usize)>,
    /// The hash of every n-gram of a block.
    hashes: Vec<u64>,
    /// The second block.
    block: Vec<f32>,
}

/// Writes the vector of `text` into `out`, which has `config.dimension` numbers.
///
/// A text without n-grams (empty, or nothing but white space), and one whose n-grams cancel each other, gets the vector whose
/// numbers are all 1 / sqrt(d): of length 1 like every other, and near to none of them.
pub(super) fn embed(config: &HashingConfig, text: &str, scratch: &mut Scratch, out: &mut [f32]) {
    scratch.read(config, text);
    out.fill(0.0);
    scratch.hash_words(config);
    add_block(config, &mut scratch.hashes, out);
    let words = normalise(out);
    let mut block = std::mem::take(&mut scratch.block);
    block.clear();
    block.resize(out.len(), 0.0);
    scratch.hash_characters(config);
    add_block(config, &mut scratch.hashes, &mut block);
    let characters = normalise(&mut block);
    let weight = match (words, characters) {
        (true, true) => config.character_weight,
        (true, false) => 0.0,
        (false, _) => 1.0,
    };
    let (of_words, of_characters) = ((1.0 - weight).sqrt() as f32, weight.sqrt() as f32);
    for (value, &other) in out.iter_mut().zip(&block) {
        *value = of_words * *value + of_characters * other;
    }
    scratch.block = block;
    if !normalise(out) {
        out.fill((1.0 / (out.len() as f64).sqrt()) as f32);
    }
}

impl Scratch {
    fn read(&mut self, config: &HashingConfig, text: &str) {
        self.text.clear();
        self.characters.clear();
        self.words.clear();
        self.push(' ');
        let mut word = None;
        let mut space = true;
        for original in text.chars() {
            if original.is_whitespace() {
                self.end_word(&mut word);
                if !space {
                    self.push(' ');
                }
                space = true;
                continue;
            }
            space = false;
            let is_word = original.is_alphanumeric() || original == '_';
            if is_word {
                word.get_or_insert(self.text.len());
            } else {
                self.end_word(&mut word);
            }
            if config.fold_digits && original.is_ascii_digit() {
                self.push('0');
            } else if original.is_ascii() {
                self.push(if config.lowercase { original.to_ascii_lowercase() } else { original });
            } else if config.lowercase {
                for lower in original.to_lowercase() {
                    self.push(lower);
                }
            } else {
                self.push(original);
            }
        }
        self.end_word(&mut word);
        if !space {
            self.push(' ');
        }
        self.characters.push(self.text.len());
    }

    fn push(&mut self, character: char) {
        self.characters.push(self.text.len());
        self.text.push(character);
    }

    fn end_word(&mut self, word: &mut Option<usize>) {
        if let Some(start) = word.take() {
            self.words.push((start, self.text.len()));
        }
    }

    fn hash_words(&mut self, config: &HashingConfig) {
        let [shortest, longest] = config.words;
        let seed = start(config.hash_seed, 1);
        let bytes = self.text.as_bytes();
        self.hashes.clear();
        if longest == 0 {
            return;
        }
        for first in 0..self.words.len() {
            let mut state = seed;
            for (at, &(from, to)) in self.words[first..].iter().take(longest).enumerate() {
                state = extend(state, &bytes[from..to]);
                if at + 1 >= shortest {
                    self.hashes.push(finish(state));
                }
                state = extend(state, b" ");
            }
        }
    }

    fn hash_characters(&mut self, config: &HashingConfig) {
        let [shortest, longest] = config.characters;
        let seed = start(config.hash_seed, 2);
        let bytes = self.text.as_bytes();
        self.hashes.clear();
        // A single space is what is left of a text without a character.
        if longest == 0 || bytes.len() < 2 {
            return;
        }
        for first in 0..self.characters.len() - 1 {
            let mut state = seed;
            for (at, ends) in self.characters[first..].windows(2).take(longest).enumerate() {
                state = extend(state, &bytes[ends[0]..ends[1]]);
                if at + 1 >= shortest {
                    self.hashes.push(finish(state));
                }
            }
        }
    }
}

/// Adds the weight of every n-gram to its bucket. Sorting brings equal n-grams together without a table, and fixes the order
/// of the additions.
fn add_block(config: &HashingConfig, hashes: &mut [u64], out: &mut [f32]) {
    hashes.sort_unstable();
    for equal in hashes.chunk_by(|a, b| a == b) {
        let hash = equal[0];
        let count = equal.len() as f32;
        let weight = if !config.sublinear {
            count
        } else if equal.len() == 1 {
            1.0
        } else {
            1.0 + count.ln()
        };
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

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

/// The state before the first byte, by seed and kind of n-gram.
fn start(seed: u32, kind: u64) -> u64 {
    FNV_OFFSET ^ finish(u64::from(seed) << 8 | kind)
}

/// FNV-1a (Fowler, Noll and Vo): exclusive or, then multiply, a byte at a time.
fn extend(state: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(state, |state, &byte| (state ^ u64::from(byte)).wrapping_mul(FNV_PRIME))
}

/// The mixer of SplitMix64 (Steele, Lea and Flood, 2014): FNV-1a alone leaves the high bits of short strings alike.
fn finish(state: u64) -> u64 {
    let state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

//! How lexical embedders read a text: as n-grams of words and of characters, each known by its 64-bit hash.
//!
//! A word is a stretch of letters, digits and underscores. Character n-grams run across words, over the text with every stretch of
//! white space made one space and a space at either end. The hash is FNV-1a over UTF-8 bytes from a seeded state, finished by the
//! mixer of SplitMix64: the same on every platform and in every release. Letters and lower case are those of the Unicode version
//! that Rust's standard library knows; a text is not normalized (NFC) first. A text of b bytes costs O(b log b) time (the sort of
//! its hashes) and O(b) memory, whatever its length.
#![allow(clippy::indexing_slicing, reason = "offsets are character boundaries of the buffer they were taken from")]

use std::sync::LazyLock;

use router_core::prelude::*;

/// What counts as the same letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Letters {
    /// Upper and lower case are the same.
    pub(crate) lowercase: bool,
    /// Every ASCII digit reads as 0.
    pub(crate) fold_digits: bool,
}

/// What n-grams are made of. Equal stretches of different kinds have different hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Words = 1,
    Characters = 2,
}

/// A text as it is read, and what one thread reuses from text to text.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    /// The text: lower case, digits folded, stretches of white space made one space, a space at either end.
    text: String,
    /// Byte offsets of the characters of `text`, and its length.
    characters: Vec<usize>,
    /// Byte offsets of start and end of the words of `text`.
    words: Vec<(usize, usize)>,
    /// The hash of every n-gram of a kind.
    hashes: Vec<u64>,
}

impl Reader {
    /// Reads `text`, forgetting the one before.
    pub(crate) fn read(&mut self, letters: Letters, text: &str) {
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
            if letters.fold_digits && original.is_ascii_digit() {
                self.push('0');
            } else if original.is_ascii() {
                self.push(if letters.lowercase { original.to_ascii_lowercase() } else { original });
            } else if letters.lowercase {
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

    /// The distinct n-grams of a kind in the text that was read, by ascending hash, and how often each occurs: those of
    /// `shortest` to `longest` parts, none for `[0, 0]`.
    pub(crate) fn counts(
        &mut self,
        kind: Kind,
        [shortest, longest]: [usize; 2],
        seed: u32,
    ) -> impl Iterator<Item = (u64, usize)> {
        self.hashes.clear();
        match kind {
            Kind::Words => self.hash_words(shortest, longest, start(seed, kind)),
            Kind::Characters => self.hash_characters(shortest, longest, start(seed, kind)),
        }
        // Sorting brings equal n-grams together without a table, and fixes the order of whatever is summed over them.
        self.hashes.sort_unstable();
        self.hashes.chunk_by(|a, b| a == b).map(|equal| (equal[0], equal.len()))
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

    fn hash_words(&mut self, shortest: usize, longest: usize, seed: u64) {
        let bytes = self.text.as_bytes();
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

    fn hash_characters(&mut self, shortest: usize, longest: usize, seed: u64) {
        let bytes = self.text.as_bytes();
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

/// Checks what the ranges of the single fields `words` and `characters` cannot say.
///
/// # Errors
/// [`ErrorKind::Config`] for a range of n-grams that is none, or if no n-gram is asked for at all.
pub(crate) fn check_ranges(words: [usize; 2], characters: [usize; 2]) -> Result<()> {
    for (field, [shortest, longest]) in [("words", words), ("characters", characters)] {
        if shortest > longest || (shortest == 0 && longest > 0) {
            return Err(Error::new(ErrorKind::Config, format!("[{shortest}, {longest}] is no range of n-grams"))
                .at_field(field)
                .help("allowed: the shortest, at least 1, then the longest, or [0, 0] for none"));
        }
    }
    if words == [0, 0] && characters == [0, 0] {
        return Err(Error::new(ErrorKind::Config, "there is neither a word nor a character n-gram")
            .at_field("words")
            .help("give a range to `words` or `characters`"));
    }
    Ok(())
}

/// The weight of an n-gram that occurs `count` times: 1 + ln count if `sublinear`, otherwise `count`.
pub(crate) fn term_weight(count: usize, sublinear: bool) -> f32 {
    if sublinear { SUBLINEAR.get(count).copied().unwrap_or_else(|| 1.0 + (count as f32).ln()) } else { count as f32 }
}

/// 1 + ln count of the counts that are common; 0 for none.
static SUBLINEAR: LazyLock<[f32; 64]> =
    LazyLock::new(|| std::array::from_fn(|count| if count == 0 { 0.0 } else { 1.0 + (count as f32).ln() }));

/// What the blocks of word and of character n-grams, each of length 1, are multiplied by so that characters get the share
/// `character_weight` of the squared length where a text has both, and a block alone gets all.
pub(crate) fn block_scales(has_words: bool, has_characters: bool, character_weight: f64) -> (f32, f32) {
    let weight = match (has_words, has_characters) {
        (true, true) => character_weight,
        (true, false) => 0.0,
        (false, _) => 1.0,
    };
    ((1.0 - weight).sqrt() as f32, weight.sqrt() as f32)
}

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

/// The state before the first byte, by seed and kind of n-gram.
fn start(seed: u32, kind: Kind) -> u64 {
    FNV_OFFSET ^ finish(u64::from(seed) << 8 | kind as u64)
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

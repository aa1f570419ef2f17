//! Texts longer than an encoder's limit.

use std::borrow::Cow;
use std::ops::Range;

use rayon::prelude::*;
use router_core::{Embeddings, Error, Matrix, MatrixView, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::text::tokenizer::Tokenizer;

/// How a text longer than the encoder's limit is read: as windows that overlap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WindowsConfig {
    /// The most windows that are read of one text. What is left then is cut, and the decision says so. Default 8; 1 reads the
    /// beginning only, as most libraries do without a word.
    #[schemars(range(min = 1, max = 1024))]
    pub most: usize,
    /// Tokens that a window shares with the next one, at most; never more than half of what a window holds. Default 32.
    #[schemars(range(min = 0, max = 4096))]
    pub overlap: usize,
}

impl Default for WindowsConfig {
    fn default() -> Self {
        Self { most: 8, overlap: 32 }
    }
}

/// One window: a sequence for the encoder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Which text it is of.
    pub text: usize,
    /// Where its tokens stand in [`Windows::tokens`], special ones included.
    pub tokens: Range<usize>,
}

/// The windows of a batch of texts: sequences one behind the other, without padding.
///
/// A text of no more tokens than the limit is one window. A longer one of n tokens is k windows of nearly the same length, as few
/// as hold it when each of c tokens shares `overlap` with the next: k = ceil((n - overlap) / (c - overlap)), where c is the limit
/// less the special tokens. Every window is framed by the special tokens.
///
/// The vector of the text is the mean of its windows' vectors, each weighed by its number of tokens (special ones included, so
/// that an empty text has a weight). With mean pooling that is nearly the mean over all tokens.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Windows {
    /// The tokens of all windows.
    pub tokens: Vec<u32>,
    /// The windows, in the order of their texts and of their places in them. Every text has at least one.
    pub windows: Vec<Window>,
    /// The texts, ascending, of which a part was not read.
    pub truncated: Vec<usize>,
    texts: usize,
}

impl Windows {
    /// The windows of `texts`, `prefix` put before each, for an encoder that takes `limit` tokens at once, special ones included.
    /// Texts are tokenized in parallel. The time for a text is bounded by `limit * most`, see [`Tokenizer::encode_at_most`].
    ///
    /// # Errors
    /// [`router_core::ErrorKind::Config`] if `limit` leaves no room beside the special tokens; as [`Tokenizer::encode`].
    pub fn of(
        tokenizer: &Tokenizer,
        texts: &[&str],
        prefix: &str,
        limit: usize,
        config: WindowsConfig,
    ) -> Result<Self> {
        let cut = Cut::new(tokenizer, limit, config)?;
        let tokens = |text: &&str| {
            let text = if prefix.is_empty() { Cow::Borrowed(*text) } else { Cow::Owned(format!("{prefix}{text}")) };
            tokenizer.encode_at_most(&text, cut.most_tokens())
        };
        let encoded: Vec<(Vec<u32>, bool)> = match texts {
            // A single prompt does not wake the other threads.
            [text] => vec![tokens(text)?],
            texts => texts.par_iter().map(tokens).collect::<Result<_>>()?,
        };
        let mut found = Self { texts: texts.len(), ..Self::default() };
        for (text, (content, more)) in encoded.iter().enumerate() {
            if *more {
                found.truncated.push(text);
            }
            for range in cut.ranges(content.len()) {
                let start = found.tokens.len();
                found.tokens.extend_from_slice(tokenizer.first());
                found.tokens.extend_from_slice(content.get(range).unwrap_or_default());
                found.tokens.extend_from_slice(tokenizer.last());
                found.windows.push(Window { text, tokens: start..found.tokens.len() });
            }
        }
        Ok(found)
    }

    /// The tokens of `window`.
    pub fn sequence(&self, window: &Window) -> &[u32] {
        self.tokens.get(window.tokens.clone()).unwrap_or_default()
    }

    /// One vector a text out of `vectors`, one a window in their order; of length 1 if `normalize` says so (a vector of zeros
    /// stays one). The vector of a text with one window is that window's.
    ///
    /// # Errors
    /// [`router_core::ErrorKind::Shape`] if there is not one vector a window.
    pub fn pool(self, vectors: MatrixView<'_>, normalize: bool) -> Result<Embeddings> {
        if vectors.rows() != self.windows.len() {
            return Err(Error::shape("vectors of windows", self.windows.len(), vectors.rows()));
        }
        let mut pooled = Matrix::zeros(self.texts, vectors.cols());
        let mut at = 0;
        for windows in self.windows.chunk_by(|a, b| a.text == b.text) {
            let Some(Window { text, .. }) = windows.first() else { continue };
            let row = pooled.row_mut(*text);
            if windows.len() == 1 {
                row.copy_from_slice(vectors.row(at));
            } else {
                let total: usize = windows.iter().map(|window| window.tokens.len()).sum();
                for (offset, window) in windows.iter().enumerate() {
                    let weight = (window.tokens.len() as f64 / total as f64) as f32;
                    for (sum, value) in row.iter_mut().zip(vectors.row(at + offset)) {
                        *sum += weight * value;
                    }
                }
            }
            if normalize {
                crate::neighbors::normalize(row);
            }
            at += windows.len();
        }
        Ok(Embeddings { vectors: pooled, truncated: self.truncated })
    }
}

/// How the tokens of a text are cut.
#[derive(Debug, Clone, Copy)]
struct Cut {
    /// c, the tokens that a window holds beside the special ones; at least 1.
    content: usize,
    overlap: usize,
    most: usize,
}

impl Cut {
    fn new(tokenizer: &Tokenizer, limit: usize, config: WindowsConfig) -> Result<Self> {
        let special = tokenizer.first().len() + tokenizer.last().len();
        match limit.checked_sub(special) {
            Some(content @ 1..) => {
                Ok(Self { content, overlap: config.overlap.min(content / 2), most: config.most.max(1) })
            }
            _ => Err(Error::new(
                router_core::ErrorKind::Config,
                format!("a limit of {limit} tokens leaves no room beside {special} special ones"),
            )
            .help("give a larger limit")),
        }
    }

    /// The tokens of a text that all windows together hold.
    fn most_tokens(self) -> usize {
        (self.content - self.overlap).saturating_mul(self.most).saturating_add(self.overlap)
    }

    /// The windows of `tokens` tokens, which are not more than [`most_tokens`](Self::most_tokens).
    fn ranges(self, tokens: usize) -> impl Iterator<Item = Range<usize>> {
        let step = self.content - self.overlap;
        let windows = if tokens <= self.content { 1 } else { (tokens - self.overlap).div_ceil(step) };
        // With the overlaps counted twice, this many tokens are spread over the windows, no two of which differ by more than one.
        let spread = tokens + (windows - 1) * self.overlap;
        (0..windows).map(move |at| {
            let start = at * spread / windows - at * self.overlap;
            let end = (at + 1) * spread / windows - at * self.overlap;
            start..end
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::text::tokenizer::tests::tokenizer;

    fn windows(texts: &[&str], limit: usize, most: usize, overlap: usize) -> Windows {
        Windows::of(&tokenizer(), texts, "", limit, WindowsConfig { most, overlap }).unwrap()
    }

    #[test]
    fn short_texts_are_one_framed_window_each() {
        let tokenizer = tokenizer();
        let found = windows(&["the router", "", " ", "a"], 16, 8, 4);
        let framed = |text: &str| [vec![2], tokenizer.encode(text).unwrap(), vec![3]].concat();
        let sequences: Vec<&[u32]> = found.windows.iter().map(|window| found.sequence(window)).collect();
        assert_eq!(sequences, [&framed("the router")[..], &[2, 3], &[2, 3], &framed("a")[..]]);
        assert!(found.truncated.is_empty());
    }

    #[test]
    fn a_prefix_stands_before_every_text() {
        let tokenizer = tokenizer();
        let found = Windows::of(&tokenizer, &["router", "a"], "the ", 16, WindowsConfig::default()).unwrap();
        assert_eq!(found, windows(&["the router", "the a"], 16, 8, 32));
    }

    #[test]
    fn what_the_windows_cannot_hold_is_reported() {
        let long = "a ".repeat(50);
        // Windows of 8 tokens that share 2: 3 of them hold 20.
        let found = windows(&["a", &long, &"a ".repeat(20)], 10, 3, 2);
        assert_eq!(found.truncated, [1]);
        assert_eq!(found.windows.len(), 1 + 3 + 3);
        assert!(found.windows.iter().skip(1).all(|window| window.tokens.len() == 10));
        assert_eq!(windows(&[&long], 10, 1, 2).windows.len(), 1);
    }

    #[test]
    fn a_limit_without_room_is_an_error() {
        let error = Windows::of(&tokenizer(), &["a"], "", 2, WindowsConfig::default()).unwrap_err();
        assert_eq!(error.kind(), router_core::ErrorKind::Config);
    }

    #[test]
    fn vectors_of_windows_are_weighed_by_their_tokens() {
        let found = windows(&["the", &"a ".repeat(9)], 8, 8, 0);
        let lengths: Vec<usize> = found.windows.iter().map(|window| window.tokens.len()).collect();
        assert_eq!(lengths, [3, 6, 7]);
        let vectors = Matrix::from_vec(3, 2, vec![3.0, 4.0, 1.0, 0.0, 0.0, 1.0]).unwrap();
        let pooled = found.clone().pool(vectors.view(), false).unwrap().vectors;
        assert_eq!(pooled.as_slice(), [3.0, 4.0, 6.0 / 13.0, 7.0 / 13.0]);
        let unit = found.clone().pool(vectors.view(), true).unwrap().vectors;
        let length = (36.0_f32 + 49.0).sqrt();
        for (value, expected) in unit.as_slice().iter().zip([0.6, 0.8, 6.0 / length, 7.0 / length]) {
            assert!((value - expected).abs() < 1e-6, "{unit:?}");
        }
        let short = Matrix::zeros(2, 2);
        assert_eq!(found.pool(short.view(), true).unwrap_err().kind(), router_core::ErrorKind::Shape);
    }

    proptest! {
        #[test]
        fn windows_cover_every_token_in_order(
            tokens in 0..5000_usize, content in 1..300_usize, overlap in 0..400_usize, most in 1..100_usize,
        ) {
            let cut = Cut { content, overlap: overlap.min(content / 2), most };
            let tokens = tokens.min(cut.most_tokens());
            let ranges: Vec<Range<usize>> = cut.ranges(tokens).collect();
            prop_assert!(ranges.len() <= most);
            prop_assert_eq!(ranges.first().map(|range| range.start), Some(0));
            prop_assert_eq!(ranges.last().map(|range| range.end), Some(tokens));
            prop_assert!(ranges.iter().all(|range| range.len() <= content));
            for pair in ranges.windows(2) {
                prop_assert_eq!(pair[0].end - pair[1].start, cut.overlap);
                prop_assert!(pair[0].start < pair[1].start && pair[0].end < pair[1].end);
                prop_assert!(pair[0].len().abs_diff(pair[1].len()) <= 1);
            }
            // One window fewer would not have been enough.
            if let Some(fewer @ 1..) = ranges.len().checked_sub(1) {
                let smaller = Cut { most: fewer, ..cut };
                prop_assert!(smaller.most_tokens() < tokens);
            }
        }

        #[test]
        fn a_text_does_not_depend_on_its_batch(texts in prop::collection::vec("[a-z ]{0,60}|\\PC{0,20}", 0..6)) {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let batch = windows(&texts, 9, 3, 2);
            for (at, text) in texts.iter().enumerate() {
                let alone = windows(&[text], 9, 3, 2);
                let of_batch: Vec<&[u32]> =
                    batch.windows.iter().filter(|window| window.text == at).map(|window| batch.sequence(window)).collect();
                let of_alone: Vec<&[u32]> = alone.windows.iter().map(|window| alone.sequence(window)).collect();
                prop_assert_eq!(of_batch, of_alone);
                prop_assert_eq!(batch.truncated.contains(&at), !alone.truncated.is_empty());
            }
        }
    }
}

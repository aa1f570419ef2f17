//! A model's tokenizer.

use std::borrow::Cow;
use std::path::Path;

use router_core::{Error, ErrorKind, Result};
use tokenizers::{Encoding, ModelWrapper, PostProcessor as _, Token};

use crate::models::ModelDirectory;

/// Characters that are read for every token that is wanted, at most. English has four to five a token, and code three; what has
/// more than this is white space or no language.
pub const CHARACTERS_PER_TOKEN: usize = 16;
/// Bytes of a slice: small enough that few tokens are made in vain, large enough that slicing costs nothing.
const SLICE: usize = 4096;

/// A model's tokenizer without its special tokens, truncation and padding. It is shared by threads as it is.
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    first: Vec<u32>,
    last: Vec<u32>,
    lowercase: bool,
    slices: bool,
}

impl Tokenizer {
    /// The tokenizer of the model in `directory`. Reading one of 30,000 tokens takes 20 to 40 ms.
    ///
    /// # Errors
    /// [`ErrorKind::Io`]; [`ErrorKind::Data`] if tokenizer.json is malformed.
    pub fn open(directory: &ModelDirectory) -> Result<Self> {
        let path = directory.tokenizer();
        let bytes = std::fs::read(&path).map_err(|source| Error::io(&path, source))?;
        Self::from_bytes(&bytes, directory.lowercase(), &path)
    }

    /// The tokenizer that `bytes`, the content of a tokenizer.json, describe; `file` is what errors call it. `lowercase` asks for
    /// lower-casing before everything that the tokenizer itself does.
    ///
    /// # Errors
    /// [`ErrorKind::Data`] if it is malformed, or if its template puts tokens between those of a text.
    pub fn from_bytes(bytes: &[u8], lowercase: bool, file: &Path) -> Result<Self> {
        let malformed = |source: tokenizers::Error| {
            Error::new(ErrorKind::Data, format!("not a tokenizer: {source}")).in_file(file).caused_by(source)
        };
        let mut inner = tokenizers::Tokenizer::from_bytes(bytes).map_err(malformed)?;
        inner.with_padding(None);
        inner.with_truncation(None).map_err(malformed)?;
        let mut tokenizer = Self { inner, first: Vec::new(), last: Vec::new(), lowercase, slices: false };
        (tokenizer.first, tokenizer.last) = tokenizer.special_tokens().map_err(malformed)?.ok_or_else(|| {
            Error::new(ErrorKind::Data, "its template does not keep a text's tokens together").in_file(file)
        })?;
        tokenizer.slices = tokenizer.joins_at_spaces()?;
        Ok(tokenizer)
    }

    /// The special tokens that stand before a text, such as `[CLS]`.
    pub fn first(&self) -> &[u32] {
        &self.first
    }

    /// The special tokens that stand behind a text, such as `[SEP]`.
    pub fn last(&self) -> &[u32] {
        &self.last
    }

    /// One more than the largest token.
    pub fn vocabulary(&self) -> usize {
        self.inner.get_vocab(true).into_values().max().map_or(0, |largest| largest as usize + 1)
    }

    /// The token that stands for what the vocabulary cannot spell, if there is one.
    pub fn unknown(&self) -> Option<u32> {
        let text = match self.inner.get_model() {
            ModelWrapper::WordPiece(model) => Some(model.unk_token.as_str()),
            ModelWrapper::WordLevel(model) => Some(model.unk_token.as_str()),
            ModelWrapper::BPE(model) => model.unk_token.as_deref(),
            // Its unknown token has an id of its own that the library keeps to itself; this is what it is called everywhere.
            ModelWrapper::Unigram(_) => Some("<unk>"),
        };
        text.and_then(|text| self.inner.token_to_id(text))
    }

    /// The tokens of `text`, special ones left out: what the model's own implementation makes of it before it truncates. A text
    /// that spells a special token, as `[MASK]`, has it.
    ///
    /// # Errors
    /// [`ErrorKind::Embedding`] if the tokenizer fails, as one whose vocabulary lacks its own unknown token does.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        let mut tokens = Vec::with_capacity(text.len() / 3 + 1);
        self.append(text, &mut tokens)?;
        Ok(tokens)
    }

    /// At most `most` tokens of `text`, and whether there is more of it.
    ///
    /// A long text is tokenized in slices that end at spaces until there are enough tokens (if the tokenizer allows it, which is
    /// tried out when it is opened), and no more than [`CHARACTERS_PER_TOKEN`] times `most` characters are read: the time is
    /// bounded whatever the text's length.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn encode_at_most(&self, text: &str, most: usize) -> Result<(Vec<u32>, bool)> {
        let bound = most.saturating_mul(CHARACTERS_PER_TOKEN);
        // A text of few bytes has few characters: only a long one is counted.
        let readable = if text.len() <= bound { text } else { first_characters(text, bound) };
        let mut more = readable.len() < text.len();
        let mut tokens = Vec::with_capacity(most.min(readable.len() / 3 + 1));
        let mut rest = readable;
        while !rest.is_empty() {
            let (slice, behind) = if self.slices { split_at_space(rest, SLICE) } else { (rest, "") };
            self.append(slice, &mut tokens)?;
            rest = behind;
            if tokens.len() > most {
                break;
            }
        }
        // What was not tokenized could be white space only; then nothing is lost, but nobody has looked.
        more |= !rest.is_empty() || tokens.len() > most;
        tokens.truncate(most);
        Ok((tokens, more))
    }

    fn append(&self, text: &str, tokens: &mut Vec<u32>) -> Result<()> {
        let text = if self.lowercase { Cow::Owned(text.to_lowercase()) } else { Cow::Borrowed(text) };
        let encoding = self.inner.encode_fast(&*text, false).map_err(|source| {
            Error::new(ErrorKind::Embedding, format!("a text cannot be tokenized: {source}")).caused_by(source)
        })?;
        tokens.extend_from_slice(encoding.get_ids());
        Ok(())
    }

    /// The special tokens before and behind a text, read off what becomes of an encoding with a token of a kind that no
    /// tokenizer has.
    fn special_tokens(&self) -> tokenizers::Result<Option<(Vec<u32>, Vec<u32>)>> {
        const PROBE: u32 = u32::MAX;
        let probe = Encoding::from_tokens(vec![Token::new(PROBE, String::new(), (0, 0))], 0);
        let Some(processor) = self.inner.get_post_processor() else { return Ok(Some((Vec::new(), Vec::new()))) };
        let processed = processor.process(probe, None, true)?;
        let mut parts = processed.get_ids().split(|&token| token == PROBE);
        Ok(match (parts.next(), parts.next(), parts.next()) {
            (Some(first), Some(last), None) => Some((first.to_vec(), last.to_vec())),
            _ => None,
        })
    }

    /// Whether the tokens of two words with a space between them are those of the one followed by those of the other, so that a
    /// text can be cut there. True of WordPiece and of Llama's tokenizer; not of those that keep the space with the next word.
    fn joins_at_spaces(&self) -> Result<bool> {
        for pair in [["alpha", "beta"], ["1", "2"], ["Zx", "q9"], ["the", "the"], ["internationalization", "of"]] {
            let [before, behind] = pair;
            let mut parts = self.encode(before)?;
            parts.extend(self.encode(behind)?);
            if self.encode(&format!("{before} {behind}"))? != parts {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// The first `count` characters of `text`.
fn first_characters(text: &str, count: usize) -> &str {
    let end = text.char_indices().nth(count).map_or(text.len(), |(at, _)| at);
    text.get(..end).unwrap_or(text)
}

/// `text` cut at a single space behind `size` bytes or more, between two ASCII letters or digits so that the cut splits nothing
/// that belongs together; the space itself is left out. All of it if it is not much longer or has no such space.
fn split_at_space(text: &str, size: usize) -> (&str, &str) {
    let bytes = text.as_bytes();
    if bytes.len() < 2 * size {
        return (text, "");
    }
    let from = size.saturating_sub(1);
    let joint =
        |window: &[u8]| matches!(window, [a, b' ', b] if a.is_ascii_alphanumeric() && b.is_ascii_alphanumeric());
    let found = bytes.get(from..).unwrap_or_default().windows(3).position(joint);
    let cut = found.and_then(|at| Some((text.get(..=from + at)?, text.get(from + at + 2..)?)));
    cut.unwrap_or((text, ""))
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    /// A WordPiece tokenizer as BERT's, of the words `words`, the letters and the digits.
    pub(crate) fn word_piece(words: &[&str]) -> Value {
        let mut vocabulary = serde_json::Map::new();
        let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
        let letters: Vec<String> =
            ('a'..='z').chain('0'..='9').flat_map(|c| [c.to_string(), format!("##{c}")]).collect();
        let marks = [".", ",", "?", "!", "[", "]"];
        let words = words.iter().copied();
        for token in special.into_iter().chain(letters.iter().map(String::as_str)).chain(marks).chain(words) {
            let id = vocabulary.len();
            vocabulary.entry(token).or_insert(id.into());
        }
        let added: Vec<Value> = special
            .iter()
            .enumerate()
            .map(|(id, content)| {
                json!({ "id": id, "content": content, "special": true, "single_word": false, "lstrip": false,
                        "rstrip": false, "normalized": false })
            })
            .collect();
        let special = |token: &str| json!({ "SpecialToken": { "id": token, "type_id": 0 } });
        let sequence = |id: &str| json!({ "Sequence": { "id": id, "type_id": 0 } });
        json!({
            "version": "1.0",
            "truncation": { "max_length": 4, "strategy": "LongestFirst", "stride": 0 },
            "padding": { "strategy": { "Fixed": 8 }, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 0,
                         "pad_type_id": 0, "pad_token": "[PAD]" },
            "added_tokens": added,
            "normalizer": { "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
                            "strip_accents": null, "lowercase": true },
            "pre_tokenizer": { "type": "BertPreTokenizer" },
            "post_processor": {
                "type": "TemplateProcessing",
                "single": [special("[CLS]"), sequence("A"), special("[SEP]")],
                "pair": [special("[CLS]"), sequence("A"), special("[SEP]"), sequence("B"), special("[SEP]")],
                "special_tokens": {
                    "[CLS]": { "id": "[CLS]", "ids": [2], "tokens": ["[CLS]"] },
                    "[SEP]": { "id": "[SEP]", "ids": [3], "tokens": ["[SEP]"] },
                },
            },
            "decoder": { "type": "WordPiece", "prefix": "##", "cleanup": true },
            "model": { "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                       "max_input_chars_per_word": 100, "vocab": vocabulary },
        })
    }

    pub(crate) fn tokenizer() -> Tokenizer {
        let json = word_piece(&["the", "prompt", "##s", "router", "a"]);
        Tokenizer::from_bytes(json.to_string().as_bytes(), false, Path::new("tokenizer.json")).unwrap()
    }

    #[test]
    fn special_tokens_are_read_and_the_files_own_truncation_and_padding_are_off() {
        let tokenizer = tokenizer();
        assert_eq!((tokenizer.first(), tokenizer.last()), (&[2][..], &[3][..]));
        let tokens = tokenizer.encode("The router routes prompts.").unwrap();
        assert!(tokens.len() > 4 && !tokens.contains(&0), "{tokens:?}");
        assert!(tokenizer.vocabulary() > 80);
        assert_eq!(tokenizer.encode("[MASK]").unwrap(), [4], "a text may spell a special token");
        assert_eq!((tokenizer.unknown(), tokenizer.encode("字").unwrap()), (Some(1), vec![1]));
    }

    #[test]
    fn lower_casing_is_an_option() {
        let mut json = word_piece(&["THE", "the"]);
        json["normalizer"] = Value::Null;
        let open = |lowercase| {
            Tokenizer::from_bytes(json.to_string().as_bytes(), lowercase, Path::new("tokenizer.json")).unwrap()
        };
        let (as_it_is, lower) = (open(false), open(true));
        assert_eq!(lower.encode("THE").unwrap(), as_it_is.encode("the").unwrap());
        assert_ne!(lower.encode("THE").unwrap(), as_it_is.encode("THE").unwrap());
    }

    #[test]
    fn odd_texts_have_tokens_or_none() {
        let tokenizer = tokenizer();
        for (text, tokens) in
            [("", 0), (" \t\r\n", 0), ("\u{0}", 0), ("\u{200d}\u{fe0f}", 0), ("e\u{301}", 1), ("日本", 2)]
        {
            assert_eq!(tokenizer.encode(text).unwrap().len(), tokens, "{text:?}");
        }
    }

    #[test]
    fn a_malformed_file_is_named() {
        let error = Tokenizer::from_bytes(b"{}", false, Path::new("m/tokenizer.json")).err().unwrap();
        assert_eq!((error.kind(), error.file()), (ErrorKind::Data, Some(Path::new("m/tokenizer.json"))));
    }

    #[test]
    fn a_million_characters_are_read_as_far_as_needed() {
        let tokenizer = tokenizer();
        let long = "the prompts ".repeat(90_000);
        let (tokens, more) = tokenizer.encode_at_most(&long, 1000).unwrap();
        assert!(more);
        assert_eq!(tokens, tokenizer.encode(&long[..24_000]).unwrap()[..1000]);
        // Nothing but white space, a word without an end, a script without spaces: the bound on characters holds.
        for text in [" ".repeat(1_000_000), "x".repeat(1_000_000), "字".repeat(1_000_000)] {
            let (tokens, more) = tokenizer.encode_at_most(&text, 100).unwrap();
            assert!(more && tokens.len() <= 100);
        }
        assert_eq!(
            tokenizer.encode_at_most("the prompts", 3).unwrap(),
            (tokenizer.encode("the prompts").unwrap(), false)
        );
        assert_eq!(tokenizer.encode_at_most("", 3).unwrap(), (vec![], false));
        assert_eq!(tokenizer.encode_at_most("the", 0).unwrap(), (vec![], true));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn slices_do_not_change_the_tokens(words in prop::collection::vec("[a-z]{1,9}|[A-Z0-9.,!?]{1,4}| |\\n|é|字", 0..3000)) {
            let tokenizer = tokenizer();
            prop_assert!(tokenizer.slices);
            let text = words.join(" ");
            let whole = tokenizer.encode(&text).unwrap();
            let (tokens, more) = tokenizer.encode_at_most(&text, usize::MAX).unwrap();
            prop_assert!(!more);
            prop_assert_eq!(&tokens, &whole);
            let (tokens, more) = tokenizer.encode_at_most(&text, 700).unwrap();
            prop_assert!(whole.starts_with(&tokens));
            prop_assert!(more || tokens.len() == whole.len());
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,200}|(\\p{M}|\\p{C}){0,50}", most in 0..50_usize) {
            let tokenizer = tokenizer();
            let (tokens, _) = tokenizer.encode_at_most(&text, most).unwrap();
            prop_assert!(tokens.len() <= most);
        }
    }
}

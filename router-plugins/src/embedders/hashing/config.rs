//! Parameters of the hashing embedder.

use async_trait::async_trait;
use router_core::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::embedders::hashing::fitted::HashingEmbedder;
use crate::embedders::ngrams::check_ranges;

/// Parameters of the `hashing` embedder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HashingConfig {
    /// d, the length of a vector. Default 1024. More buckets mean fewer collisions, and slower
    /// components after this one.
    #[schemars(range(min = 8, max = 65_536))]
    pub dimension: usize,
    /// The shortest and the longest n-gram of words, in words; `[0, 0]` for none. Default `[1, 1]`.
    #[schemars(inner(range(min = 0, max = 8)))]
    pub words: [usize; 2],
    /// The shortest and the longest n-gram of characters, in characters; `[0, 0]` for none. They run across words, over the
    /// text with every stretch of white space made one space. Default `[3, 3]`: longer
    /// ones collide more than they tell.
    #[schemars(inner(range(min = 0, max = 16)))]
    pub characters: [usize; 2],
    /// The share of the squared length that the character n-grams get where a text has both. Default 0.7.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub character_weight: f64,
    /// Whether an n-gram that occurs tf times weighs 1 + ln tf; otherwise it weighs tf. Default true.
    pub sublinear: bool,
    /// Whether upper and lower case are the same. Default true.
    pub lowercase: bool,
    /// Whether every digit reads as 0, so that 12 and 47 are the same word. Default true.
    pub fold_digits: bool,
    /// Seed of the hash: another one collides other n-grams. Independent of the router's seed. Default 0.
    pub hash_seed: u32,
}

impl Default for HashingConfig {
    fn default() -> Self {
        Self {
            dimension: 1024,
            words: [1, 1],
            characters: [3, 3],
            character_weight: 0.7,
            sublinear: true,
            lowercase: true,
            fold_digits: true,
            hash_seed: 0,
        }
    }
}

impl PluginConfig for HashingConfig {
    const NAME: &'static str = "hashing";
    const SUMMARY: &'static str = "Signed hashed n-grams of words and characters: no download, no learning";
    const SOURCE: &'static str = "Weinberger et al., Feature Hashing for Large Scale Multitask Learning, ICML 2009";
    const COST: &'static str = "O(b log b) a text of b bytes; nothing is learned or stored";
    const EXAMPLE: &'static str = "dimension = 2048\nwords = [1, 1]\ncharacters = [3, 3]\ncharacter_weight = 0.7\n";

    fn prepare(&mut self, _registry: &Registry) -> Result<()> {
        self.check()
    }
}

impl HashingConfig {
    /// Checks what the ranges of the single fields cannot say.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for a range of n-grams that is none, or if no n-gram is asked for at all.
    pub(crate) fn check(&self) -> Result<()> {
        check_ranges(self.words, self.characters)
    }
}

#[async_trait]
impl Embedder for HashingConfig {
    type Fitted = HashingEmbedder;

    async fn fit(&self, _texts: &[&str], _cx: &FitContext) -> Result<HashingEmbedder> {
        HashingEmbedder::new(self.clone())
    }
}

router_core::register!(EmbedderRole, HashingConfig);

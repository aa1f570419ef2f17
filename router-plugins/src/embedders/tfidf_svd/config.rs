//! Parameters of the tf-idf embedder.

use async_trait::async_trait;
use router_core::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fit;
use super::fitted::TfidfSvdEmbedder;
use crate::embedders::ngrams::{Kind, check_ranges};
use crate::ranges::out_of_range;

/// Parameters of the `tfidf-svd` embedder; see the [module](super).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[allow(clippy::struct_excessive_bools, reason = "independent switches of a configuration file")]
pub struct TfidfSvdConfig {
    /// d, the length of a vector: singular directions that are kept. Fewer where the texts have fewer. Default 128.
    #[schemars(range(min = 1, max = 4096))]
    pub dimension: usize,
    /// The shortest and the longest n-gram of words, in words; `[0, 0]` for none. Default `[1, 2]`.
    #[schemars(inner(range(min = 0, max = 8)))]
    pub words: [usize; 2],
    /// The shortest and the longest n-gram of characters, in characters; `[0, 0]` for none. They run across words, over the
    /// text with every stretch of white space made one space. Default `[3, 5]`.
    #[schemars(inner(range(min = 0, max = 16)))]
    pub characters: [usize; 2],
    /// The share of the squared length that the character n-grams get where a text has both, before the reduction. Default 0.5.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub character_weight: f64,
    /// Training texts at least that an n-gram must occur in to be known. Default 2.
    #[schemars(range(min = 1))]
    pub minimum_frequency: usize,
    /// N-grams at most that are known of words, and again of characters: those in the most texts. Default 10,000.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub maximum_vocabulary: usize,
    /// Whether an n-gram that occurs tf times weighs 1 + ln tf; otherwise it weighs tf. Default true.
    pub sublinear: bool,
    /// Whether upper and lower case are the same. Default true.
    pub lowercase: bool,
    /// Whether every digit reads as 0, so that 12 and 47 are the same word. Default true.
    pub fold_digits: bool,
    /// Whether every direction is divided by its singular value, so that all count the same; otherwise they count as they
    /// vary. Default false.
    pub whiten: bool,
    /// Iterations of the subspace: more are more exact. Default 2.
    #[schemars(range(min = 0, max = 1000))]
    pub iterations: usize,
}

impl Default for TfidfSvdConfig {
    fn default() -> Self {
        Self {
            dimension: 128,
            words: [1, 2],
            characters: [3, 5],
            character_weight: 0.5,
            minimum_frequency: 2,
            maximum_vocabulary: 10_000,
            sublinear: true,
            lowercase: true,
            fold_digits: true,
            whiten: false,
            iterations: 2,
        }
    }
}

impl PluginConfig for TfidfSvdConfig {
    const NAME: &'static str = "tfidf-svd";
    const SUMMARY: &'static str = "N-grams weighted by tf-idf, reduced by a truncated SVD of the training texts";
    const SOURCE: &'static str =
        "Deerwester et al. 1990 (latent semantic analysis); Halko, Martinsson and Tropp 2011 (randomized SVD)";
    const COST: &'static str = "fit two readings of the texts and 4 (iterations + 1) l flops a stored weight, l a few more than d; O(b log b + d terms) a text of b bytes";
    const EXAMPLE: &'static str = "dimension = 256\nwords = [1, 2]\ncharacters = [3, 5]\nminimum_frequency = 2\n";

    fn prepare(&mut self, _registry: &Registry) -> Result<()> {
        self.check()
    }
}

impl TfidfSvdConfig {
    /// Checks what the ranges of the single fields cannot say, and what would make numbers that are none.
    pub(super) fn check(&self) -> Result<()> {
        check_ranges(self.words, self.characters)?;
        if self.dimension == 0 {
            return out_of_range("dimension", &0, "at least 1 and at most 4096");
        }
        if !(0.0..=1.0).contains(&self.character_weight) {
            return out_of_range("character_weight", &self.character_weight, "at least 0 and at most 1");
        }
        Ok(())
    }

    /// Fits to `texts`: [`Embedder::fit`] for callers without a future to wait for.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for parameters that are not allowed; [`ErrorKind::Training`] if the decomposition fails;
    /// [`ErrorKind::Cancelled`].
    pub fn learn(&self, texts: &[&str], cx: &FitContext) -> Result<TfidfSvdEmbedder> {
        self.check()?;
        fit::fit(self, texts, cx)
    }

    /// The kinds of n-grams with their ranges, in the order of the vocabulary.
    pub(super) fn kinds(&self) -> [(Kind, [usize; 2]); 2] {
        [(Kind::Words, self.words), (Kind::Characters, self.characters)]
    }
}

#[async_trait]
impl Embedder for TfidfSvdConfig {
    type Fitted = TfidfSvdEmbedder;

    fn learns(&self) -> bool {
        true
    }

    async fn fit(&self, texts: &[&str], cx: &FitContext) -> Result<TfidfSvdEmbedder> {
        self.learn(texts, cx)
    }
}

router_core::register!(EmbedderRole, TfidfSvdConfig);

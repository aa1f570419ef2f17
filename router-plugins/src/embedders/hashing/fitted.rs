//! The hashing embedder, ready.

use async_trait::async_trait;
use rayon::prelude::*;
use router_core::prelude::*;

use crate::embedders::hashing::config::HashingConfig;
use crate::embedders::hashing::embedding::{Scratch, embed};
use crate::ranges::out_of_range;

/// Version of the algorithm. A change of any vector for the same parameters changes it, and so the fingerprint.
const ALGORITHM: u32 = 1;

/// A hashing embedder that is ready. It learns nothing: its parameters are all of it.
#[derive(Debug, Clone, PartialEq)]
pub struct HashingEmbedder {
    config: HashingConfig,
}

impl HashingEmbedder {
    /// An embedder of these parameters.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for a dimension, weight or range of n-grams that is not allowed.
    pub fn new(config: HashingConfig) -> Result<Self> {
        config.check()?;
        if !(8..=65_536).contains(&config.dimension) {
            return out_of_range("dimension", &config.dimension, "at least 8 and at most 65536");
        }
        if !(0.0..=1.0).contains(&config.character_weight) {
            return out_of_range("character_weight", &config.character_weight, "at least 0 and at most 1");
        }
        Ok(Self { config })
    }

    /// The vectors of `texts`, n x d in their order. Each is of length 1 and depends on its own text alone.
    pub fn vectors(&self, texts: &[&str]) -> Matrix {
        let mut vectors = Matrix::zeros(texts.len(), self.config.dimension);
        vectors
            .as_mut_slice()
            .par_chunks_mut(self.config.dimension)
            .zip(texts)
            .for_each_init(Scratch::default, |scratch, (out, text)| embed(&self.config, text, scratch, out));
        vectors
    }
}

#[async_trait]
impl FittedEmbedder for HashingEmbedder {
    fn dimension(&self) -> usize {
        self.config.dimension
    }

    fn fingerprint(&self) -> String {
        let HashingConfig {
            dimension,
            words,
            characters,
            character_weight,
            sublinear,
            lowercase,
            fold_digits,
            hash_seed,
        } = &self.config;
        format!(
            "hashing {ALGORITHM} d={dimension} words={}-{} characters={}-{} weight={character_weight} \
             sublinear={sublinear} lowercase={lowercase} fold_digits={fold_digits} seed={hash_seed}",
            words[0], words[1], characters[0], characters[1]
        )
    }

    async fn embed(&self, texts: &[&str]) -> Result<Embeddings> {
        Ok(Embeddings::new(self.vectors(texts)))
    }
}

impl Persist for HashingEmbedder {
    const FORMAT: &'static str = "hashing-embedder";
    const VERSION: u32 = 1;

    fn save(&self, writer: &mut SlotWriter) -> Result<()> {
        writer.put_json("parameters", &self.config)
    }

    fn load(reader: &SlotReader<'_>) -> Result<Self> {
        Self::new(reader.get_json("parameters")?).map_err(|error| reader.corrupt(&error.to_string()))
    }
}

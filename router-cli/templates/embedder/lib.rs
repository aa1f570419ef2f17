#![doc = include_str!("../README.md")]

use async_trait::async_trait;
use router_core::prelude::*;
use router_core::registry::config::check;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parameters of the embedder `my-idea`. It learns nothing from the training texts, so that the
/// type is the embedder before and after fitting.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MyIdeaConfig {
    /// Length of the vectors. Default 512.
    // The range is declared once: configurations, `router schema` and the docs read it here.
    #[schemars(range(min = 16, max = 65_536))]
    pub dimension: usize,
    /// Characters of a sequence. Default 4.
    #[schemars(range(min = 1, max = 16))]
    pub length: usize,
}

impl Default for MyIdeaConfig {
    fn default() -> Self {
        Self {
            dimension: 512,
            length: 4,
        }
    }
}

impl PluginConfig for MyIdeaConfig {
    const NAME: &'static str = "my-idea";
    const SUMMARY: &'static str = "Counts of character sequences, hashed into a vector";
    const SOURCE: &'static str =
        "Weinberger et al., Feature Hashing for Large Scale Multitask Learning, ICML 2009";
    const COST: &'static str = "O(characters) a text; nothing is learned or stored";
    const EXAMPLE: &'static str = "length = 3\n";
}

register!(EmbedderRole, MyIdeaConfig);

#[async_trait]
impl Embedder for MyIdeaConfig {
    type Fitted = Self;

    // An embedder that learns from the texts says so in `learns`, returns another type here, and
    // is then fitted anew in every fold.
    async fn fit(&self, _texts: &[&str], _cx: &FitContext) -> Result<Self> {
        check(self)?;
        Ok(self.clone())
    }
}

#[async_trait]
impl FittedEmbedder for MyIdeaConfig {
    fn dimension(&self) -> usize {
        self.dimension
    }

    fn fingerprint(&self) -> String {
        // Everything that determines the vectors. Count the version up when the algorithm changes.
        format!(
            "my-idea 1, dimension {}, length {}",
            self.dimension, self.length
        )
    }

    async fn embed(&self, texts: &[&str]) -> Result<Embeddings> {
        let mut vectors = Matrix::zeros(texts.len(), self.dimension);
        for (row, text) in texts.iter().enumerate() {
            self.embed_one(text, vectors.row_mut(row));
        }
        Ok(Embeddings::new(vectors))
    }
}

impl MyIdeaConfig {
    /// YOUR IDEA GOES HERE. This one counts sequences of characters: each adds 1 or -1 in a place
    /// of `out` that its hash tells. The result has length 1.
    fn embed_one(&self, text: &str, out: &mut [f32]) {
        let letters: Vec<char> = text.chars().flat_map(char::to_lowercase).collect();
        for sequence in letters.windows(self.length.min(letters.len()).max(1)) {
            let hash = hash(sequence);
            out[(hash >> 1) as usize % self.dimension] += if hash & 1 == 0 { 1.0 } else { -1.0 };
        }
        let length = out.iter().map(|x| x * x).sum::<f32>().sqrt();
        if length > 0.0 {
            out.iter_mut().for_each(|x| *x /= length);
        }
    }
}

/// FNV-1a, then mixed so that the low bits depend on all of it.
fn hash(letters: &[char]) -> u64 {
    let fnv = letters
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, &letter| {
            (hash ^ u64::from(letter)).wrapping_mul(0x0000_0100_0000_01b3)
        });
    (fnv ^ (fnv >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20
}

impl Persist for MyIdeaConfig {
    const FORMAT: &'static str = "my-idea";
    const VERSION: u32 = 1;

    fn save(&self, writer: &mut SlotWriter) -> Result<()> {
        writer.put_json("parameters", self)
    }

    fn load(reader: &SlotReader<'_>) -> Result<Self> {
        let config: Self = reader.get_json("parameters")?;
        // The file may be hostile.
        check(&config).map_err(|error| reader.corrupt(&error.to_string()))?;
        Ok(config)
    }
}

//! The tf-idf embedder, ready.

use async_trait::async_trait;
use rayon::prelude::*;
use router_core::artifact::sha256;
use router_core::prelude::*;

use super::config::TfidfSvdConfig;
use super::vocabulary::Vocabulary;
use super::weigh::{Scratch, weigh};
use crate::neighbors::normalize;

/// Version of the algorithm. A change of any vector for the same numbers changes it, and so the fingerprint.
const ALGORITHM: u32 = 1;

/// A tf-idf embedder that is ready: what it learned is a vocabulary and the directions that texts are projected on.
#[derive(Debug, Clone, PartialEq)]
pub struct TfidfSvdEmbedder {
    config: TfidfSvdConfig,
    /// Of words, and of characters.
    vocabularies: [Vocabulary; 2],
    /// Terms x d: the right singular vectors, a row a term.
    projection: Matrix,
    /// d singular values, descending.
    singular_values: Vec<f32>,
    /// The vector of a text without a known n-gram.
    unknown: Vec<f32>,
    fingerprint: String,
}

impl TfidfSvdEmbedder {
    pub(super) fn new(
        config: TfidfSvdConfig,
        vocabularies: [Vocabulary; 2],
        projection: Matrix,
        singular_values: Vec<f32>,
        unknown: Vec<f32>,
    ) -> Result<Self> {
        config.check()?;
        let (terms, d) = (vocabularies.iter().map(Vocabulary::len).sum::<usize>(), projection.cols());
        if projection.rows() != terms || d == 0 {
            return Err(Error::shape("rows of the projection", terms, projection.rows()));
        }
        if singular_values.len() != d || singular_values.iter().any(|&value| value <= 0.0) {
            return Err(Error::shape("singular values above zero", d, singular_values.len()));
        }
        if unknown.len() != d {
            return Err(Error::shape("the vector of unknown texts", d, unknown.len()));
        }
        let mut embedder =
            Self { config, vocabularies, projection, singular_values, unknown, fingerprint: String::new() };
        embedder.fingerprint = embedder.hash();
        Ok(embedder)
    }

    /// The same embedder with another vector for texts without a known n-gram; a vector of zeros changes nothing.
    pub(super) fn with_unknown(mut self, unknown: Vec<f32>) -> Result<Self> {
        if unknown.len() != self.dimension() {
            return Err(Error::shape("the vector of unknown texts", self.dimension(), unknown.len()));
        }
        if unknown.iter().any(|&value| value != 0.0) {
            self.unknown = unknown;
            self.fingerprint = self.hash();
        }
        Ok(self)
    }

    /// The d singular values of the tf-idf weights of the training texts, descending.
    pub fn singular_values(&self) -> &[f32] {
        &self.singular_values
    }

    /// How many n-grams are known, of words and of characters.
    pub fn vocabulary_sizes(&self) -> [usize; 2] {
        let [words, characters] = &self.vocabularies;
        [words.len(), characters.len()]
    }

    /// The vectors of `texts`, n x d in their order. Each is of length 1 and depends on its own text alone.
    pub fn vectors(&self, texts: &[&str]) -> Matrix {
        let mut vectors = Matrix::zeros(texts.len(), self.dimension());
        vectors
            .as_mut_slice()
            .par_chunks_mut(self.dimension())
            .zip(texts)
            .for_each_init(Scratch::default, |scratch, (out, text)| self.vector(text, scratch, out));
        vectors
    }

    fn vector(&self, text: &str, scratch: &mut Scratch, out: &mut [f32]) {
        weigh(&self.config, &self.vocabularies, text, scratch);
        self.project(scratch.entries.iter().copied(), out);
    }

    /// Adds the vector of a text of these (term, weight) entries to `out`, which is zeros.
    pub(super) fn project(&self, entries: impl Iterator<Item = (u32, f32)>, out: &mut [f32]) {
        for (term, weight) in entries {
            for (to, &from) in out.iter_mut().zip(self.projection.row(term as usize)) {
                *to += weight * from;
            }
        }
        if self.config.whiten {
            for (value, &of_direction) in out.iter_mut().zip(&self.singular_values) {
                *value /= of_direction;
            }
        }
        normalize(out);
        if out.iter().all(|&value| value == 0.0) {
            out.copy_from_slice(&self.unknown);
        }
    }

    /// Identifies parameters and everything learned, and by that the texts that it was learned from.
    fn hash(&self) -> String {
        let floats = |values: &[f32]| sha256(&values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>());
        let mut digests = String::new();
        for vocabulary in &self.vocabularies {
            let bytes: Vec<u8> = vocabulary.hashes().iter().flat_map(|hash| hash.to_le_bytes()).collect();
            digests.push_str(&sha256(&bytes));
            digests.push_str(&floats(vocabulary.idf()));
        }
        for values in [self.projection.as_slice(), &self.singular_values, &self.unknown] {
            digests.push_str(&floats(values));
        }
        let TfidfSvdConfig {
            dimension,
            words,
            characters,
            character_weight,
            minimum_frequency,
            maximum_vocabulary,
            sublinear,
            lowercase,
            fold_digits,
            whiten,
            iterations,
        } = &self.config;
        format!(
            "tfidf-svd {ALGORITHM} d={dimension} words={}-{} characters={}-{} weight={character_weight} \
             minimum={minimum_frequency} maximum={maximum_vocabulary} sublinear={sublinear} lowercase={lowercase} \
             fold_digits={fold_digits} whiten={whiten} iterations={iterations} learned={}",
            words[0],
            words[1],
            characters[0],
            characters[1],
            sha256(digests.as_bytes())
        )
    }
}

#[async_trait]
impl FittedEmbedder for TfidfSvdEmbedder {
    fn dimension(&self) -> usize {
        self.projection.cols()
    }

    fn fingerprint(&self) -> String {
        self.fingerprint.clone()
    }

    async fn embed(&self, texts: &[&str]) -> Result<Embeddings> {
        Ok(Embeddings::new(self.vectors(texts)))
    }
}

/// Names of the stored parts of the two vocabularies.
const KINDS: [&str; 2] = ["words", "characters"];

impl Persist for TfidfSvdEmbedder {
    const FORMAT: &'static str = "tfidf-svd-embedder";
    const VERSION: u32 = 1;

    fn save(&self, writer: &mut SlotWriter) -> Result<()> {
        writer.put_json("parameters", &self.config)?;
        for (kind, vocabulary) in KINDS.iter().zip(&self.vocabularies) {
            // Low half, then high half of every hash.
            let halves: Vec<u32> =
                vocabulary.hashes().iter().flat_map(|&hash| [hash as u32, (hash >> 32) as u32]).collect();
            writer.put_u32(&format!("{kind}/hashes"), &halves)?;
            writer.put_f32(&format!("{kind}/idf"), vocabulary.idf())?;
        }
        writer.put_matrix("projection", &self.projection)?;
        writer.put_f32("singular_values", &self.singular_values)?;
        writer.put_f32("unknown", &self.unknown)
    }

    fn load(reader: &SlotReader<'_>) -> Result<Self> {
        let vocabulary = |kind: &str| {
            let halves = reader.get_u32(&format!("{kind}/hashes"))?;
            let (pairs, rest) = halves.as_chunks::<2>();
            if !rest.is_empty() {
                return Err(reader.corrupt(&format!("`{kind}/hashes` ends in half a hash")));
            }
            let hashes = pairs.iter().map(|&[low, high]| u64::from(high) << 32 | u64::from(low)).collect();
            Vocabulary::new(hashes, reader.get_f32(&format!("{kind}/idf"))?)
                .map_err(|error| reader.corrupt(&error.to_string()))
        };
        let [words, characters] = KINDS;
        Self::new(
            reader.get_json("parameters")?,
            [vocabulary(words)?, vocabulary(characters)?],
            reader.get_matrix("projection")?,
            reader.get_f32("singular_values")?,
            reader.get_f32("unknown")?,
        )
        .map_err(|error| reader.corrupt(&error.to_string()))
    }
}

//! From training texts to a vocabulary and its leading singular directions.

use faer::MatMut;
use rayon::prelude::*;
use router_core::prelude::*;

use super::config::TfidfSvdConfig;
use super::fitted::TfidfSvdEmbedder;
use super::vocabulary::{DocumentFrequencies, Vocabulary};
use super::weigh::{Scratch, weigh};
use crate::linear_algebra::singular::{RightSingular, right_singular};
use crate::linear_algebra::sparse::SparseMatrix;
use crate::neighbors::normalize;

/// Texts whose n-grams are held at once.
const BATCH: usize = 1024;

pub(super) fn fit(config: &TfidfSvdConfig, texts: &[&str], cx: &FitContext) -> Result<TfidfSvdEmbedder> {
    let vocabularies = vocabularies(config, texts, cx)?;
    let weights = weights(config, &vocabularies, texts, cx)?;
    let RightSingular { values, vectors } = right_singular(&weights, config.dimension, config.iterations, cx)?;
    let (terms, rank) = (vectors.nrows(), vectors.ncols());
    let mut projection = Matrix::zeros(terms, rank.max(1));
    if rank > 0 {
        MatMut::from_row_major_slice_mut(projection.as_mut_slice(), terms, rank).copy_from(&vectors);
    }
    drop(vectors);
    // No text has an n-gram that is known: one direction, which every text lies in.
    let values = if rank > 0 { values } else { vec![1.0] };
    let mut axis = vec![0.0; rank.max(1)];
    if let Some(first) = axis.first_mut() {
        *first = 1.0;
    }
    let embedder = TfidfSvdEmbedder::new(config.clone(), vocabularies, projection, values, axis)?;
    let mean = mean(&embedder, &weights, cx)?;
    embedder.with_unknown(mean)
}

fn vocabularies(config: &TfidfSvdConfig, texts: &[&str], cx: &FitContext) -> Result<[Vocabulary; 2]> {
    let bar = cx.begin("counting n-grams", Some(texts.len() as u64));
    let mut words = DocumentFrequencies::default();
    let mut characters = DocumentFrequencies::default();
    for batch in texts.chunks(BATCH) {
        cx.check_cancelled()?;
        let found: Vec<[Vec<u64>; 2]> = batch
            .par_iter()
            .map_init(Scratch::default, |scratch, text| {
                scratch.read(config, text);
                config
                    .kinds()
                    .map(|(kind, range)| scratch.reader.counts(kind, range, 0).map(|(hash, _)| hash).collect())
            })
            .collect();
        let (of_words, of_characters): (Vec<_>, Vec<_>) = found.into_iter().map(|[a, b]| (a, b)).unzip();
        for (frequencies, hashes) in [(&mut words, of_words), (&mut characters, of_characters)] {
            let mut hashes = hashes.concat();
            hashes.par_sort_unstable();
            frequencies.add(&hashes);
        }
        bar.advance(batch.len() as u64);
    }
    let cut = |frequencies: DocumentFrequencies| {
        frequencies.vocabulary(texts.len(), config.minimum_frequency, config.maximum_vocabulary)
    };
    Ok([cut(words)?, cut(characters)?])
}

/// The tf-idf weights of every text, n x terms.
fn weights(
    config: &TfidfSvdConfig,
    vocabularies: &[Vocabulary; 2],
    texts: &[&str],
    cx: &FitContext,
) -> Result<SparseMatrix<f32>> {
    let mut weights = SparseMatrix::new(vocabularies.iter().map(Vocabulary::len).sum());
    for batch in texts.chunks(BATCH) {
        cx.check_cancelled()?;
        let rows: Vec<Vec<(u32, f32)>> = batch
            .par_iter()
            .map_init(Scratch::default, |scratch, text| {
                weigh(config, vocabularies, text, scratch);
                scratch.entries.clone()
            })
            .collect();
        for row in rows {
            weights.push_row(row)?;
        }
    }
    Ok(weights)
}

/// The direction of the mean vector of all texts, which have these `weights`.
fn mean(embedder: &TfidfSvdEmbedder, weights: &SparseMatrix<f32>, cx: &FitContext) -> Result<Vec<f32>> {
    let mut sum = vec![0.0f64; embedder.dimension()];
    let mut vectors = Matrix::zeros(BATCH.min(weights.rows()), embedder.dimension());
    for start in (0..weights.rows()).step_by(BATCH) {
        cx.check_cancelled()?;
        vectors.as_mut_slice().par_chunks_mut(embedder.dimension()).enumerate().for_each(|(at, out)| {
            out.fill(0.0);
            if start + at < weights.rows() {
                embedder.project(weights.entries(start + at), out);
            }
        });
        // One after the other, in the order of the texts: the same sum at any thread count.
        for row in 0..BATCH.min(weights.rows() - start) {
            sum.iter_mut().zip(vectors.row(row)).for_each(|(sum, &value)| *sum += f64::from(value));
        }
    }
    let mut mean: Vec<f32> = sum.iter().map(|&sum| (sum / weights.rows().max(1) as f64) as f32).collect();
    normalize(&mut mean);
    Ok(mean)
}

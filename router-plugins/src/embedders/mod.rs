//! Embedders: texts to vectors.

pub mod concat;
pub mod features;
pub mod hashing;
mod ngrams;
pub mod tfidf_svd;

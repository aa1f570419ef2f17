//! Embedders: texts to vectors.

pub mod concat;
pub mod features;
pub mod hashing;
#[cfg(feature = "remote")]
pub mod remote;
mod ngrams;
pub mod tfidf_svd;

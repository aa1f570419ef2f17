//! Embedders: texts to vectors.

pub mod concat;
pub mod features;
pub mod hashing;
mod ngrams;
pub mod principal_components;
#[cfg(feature = "remote")]
pub mod remote;
pub mod static_vectors;
pub mod tfidf_svd;
pub mod transformer;

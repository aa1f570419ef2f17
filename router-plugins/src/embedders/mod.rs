//! Embedders: texts to vectors.

pub mod concat;
pub mod features;
pub mod hashing;
pub mod static_vectors;

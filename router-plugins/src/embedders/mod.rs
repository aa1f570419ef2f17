//! Embedders: texts to vectors.

pub mod features;
pub mod hashing;

//! Embedders: texts to vectors.

pub mod hashing;

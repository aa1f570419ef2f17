//! Static vectors: a table with a vector a token, of which a text's vector is the mean.
//!
//! Two kinds of models are read, both distilled from the token tables of large models: model2vec (Tulkens and van Dongen, "Model2Vec: Fast
//! State-of-the-Art Static Embeddings", 2024) and WordLlama (Miller, 2024). A model2vec directory holds `embeddings` (rows x d)
//! and may hold `weights` (one a token) and `mapping` (the row of every token, where tokens share rows); its unknown token counts for nothing.
//! WordLlama holds `embedding.weight` (rows x d).
//!
//! The vector is sum over tokens of weight * row, divided by the number of tokens, and brought to length 1 where the model says so. Numbers are
//! added in f32 in the order of the tokens; a table in f16 stays so in memory. A text without a token has the vector of zeros.
//!
//! A text of t tokens costs its tokenization, which is most of it, and O(t d) additions; texts of a batch run in parallel. Memory is
//! the table's: 16 MB for WordLlama.
//!
//! Choose it where an encoder is too slow: it is about a hundred times faster, knows what words mean, and knows nothing of their order.

mod config;
mod fitted;
mod table;

pub use config::StaticConfig;
pub use fitted::StaticEmbedder;

#[cfg(test)]
mod tests;

//! An encoder behind an OpenAI-compatible `/v1/embeddings`: vLLM, TEI, Ollama, llama.cpp, the commercial ones.
//!
//! Texts are sent in batches, several at once, and tried again where that may help (see [`crate::http`]). Everything that a server
//! can answer wrongly is an error: order, number and length of the vectors are checked, and that every number is finite.
//! Embeddings are kept in the cache of training and evaluation, batch by batch, so that a run that is cut off loses little.
//!
//! A server can change the model behind a name. At fit, a fixed text is embedded, and its vector becomes part of the artifact; the
//! first time that a loaded router asks the server, the text is embedded again, and a cosine below 0.999 is an error. Vectors in
//! the cache are held against it in the same way.
//!
//! Costs a round trip a batch. Choose it where an encoder runs already, or where a hosted one is better than any at hand; mind that
//! every prompt is sent there. A server's numbers may differ in the last bits from batch to batch: two fits then agree to
//! rounding, and to the bit only through the cache.

mod config;
mod fitted;
mod protocol;

pub use config::{Encoding, RemoteConfig};
pub use fitted::RemoteEmbedder;

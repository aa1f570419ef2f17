//! Encoder models on disk: what they are, where they lie, how they get there, and how one is told from another.
//!
//! - [`ModelDirectory`]: a model in the hub layout (config.json, tokenizer.json, safetensors, sentence-transformers' small
//!   files), read and checked
//! - [`Cache`]: the folder that models are brought to
//! - [`locate()`]: from what a configuration says (`model = "..."`) to a directory
//! - [`ModelIdentity`]: what an artifact stores instead of weights
//! - [`catalog`]: the models that can be brought by name
//! - [`fetch`]: brings one, every byte held against its hash
//! - [`check`]: rehashes one and holds its vectors against stored reference vectors
//!
//! Nothing here downloads anything but [`fetch`], and that only when it is called.

pub mod catalog;
pub mod check;
pub mod fetch;

mod cache;
mod directory;
mod hash;
mod locate;
mod pooling;
mod record;
mod wanted;

pub use cache::{Cache, ModelState};
pub use directory::ModelDirectory;
pub use locate::{ModelIdentity, locate};
pub use record::{FileRecord, ModelRecord, RECORD};
pub use wanted::wanted;

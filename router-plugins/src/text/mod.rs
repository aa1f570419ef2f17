//! From a prompt to the tokens that an encoder reads, and from the vectors of parts to the vector of the whole.
//!
//! - [`Tokenizer`]: a model's tokenizer, without its own truncation and padding
//! - [`Windows`]: a text longer than the encoder's limit as windows that overlap, and one vector out of theirs
//! - [`conversation`]: a conversation as pieces of text that weigh differently, and one vector out of theirs
//!
//! All of it is defined for every text: empty, white space only, control characters, a million characters.

pub mod conversation;

mod tokenizer;
mod windows;

pub use conversation::ConversationConfig;
pub use tokenizer::{CHARACTERS_PER_TOKEN, Tokenizer};
pub use windows::{Window, Windows, WindowsConfig};

//! Answers: whole ones, and streams of server-sent events that are passed through event by event.

mod chunk;
mod events;
pub(crate) mod framer;
mod heard;
mod relay;

pub(crate) use chunk::{Chunk, ChunkKind, Usage};
pub(crate) use events::{Events, read_whole};
pub(crate) use heard::Heard;
pub(crate) use relay::{Relay, Unfinished};

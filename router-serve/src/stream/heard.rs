//! What the events of a stream said so far.

use crate::account::Outcome;
use crate::stream::{Chunk, ChunkKind, Usage};

/// What the events of a stream said so far.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// The tokens that were billed.
    pub(crate) usage: Option<Usage>,
    /// The last event that said something of the end: the end itself, or an error.
    ending: Option<ChunkKind>,
}

impl Heard {
    /// Takes what an event says. `true` if it is the mark that nothing follows.
    pub(crate) fn take(&mut self, chunk: Chunk) -> bool {
        self.usage = match (self.usage, chunk.usage) {
            (Some(before), Some(new)) => Some(before.and(new)),
            (before, new) => new.or(before),
        };
        match chunk.kind {
            ChunkKind::Error => self.ending = Some(ChunkKind::Error),
            ChunkKind::End | ChunkKind::Done if self.ending.is_none() => self.ending = Some(ChunkKind::End),
            _ => {}
        }
        chunk.kind == ChunkKind::Done
    }

    /// Whether the stream may end here.
    pub(crate) fn has_ended(&self) -> bool {
        self.ending.is_some()
    }

    /// Whether the upstream said that it failed.
    pub(crate) fn has_failed(&self) -> bool {
        self.ending == Some(ChunkKind::Error)
    }

    /// How a stream ended that came to its own end.
    pub(crate) fn outcome(&self) -> Outcome {
        if self.has_failed() { Outcome::Broken("server-error") } else { Outcome::Answered }
    }
}

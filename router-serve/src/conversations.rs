//! Which model answered last in a conversation.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use router_core::{Error, ErrorKind, Result};
use sha2::{Digest as _, Sha256};

/// The header that names a conversation, where the field `router.conversation` does not.
pub(crate) const CONVERSATION: HeaderName = HeaderName::from_static("x-router-conversation");

/// Most bytes of a conversation's name.
const NAME_BYTES: usize = 512;

/// A conversation of a client. What the client calls it is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Conversation([u8; 16]);

impl Conversation {
    /// What names it here.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The conversation that `client` calls by the name in `field`, or in the header.
    ///
    /// # Errors
    /// [`ErrorKind::Data`] for a name that is too long.
    pub(crate) fn of(client: Option<&str>, field: Option<&str>, headers: &HeaderMap) -> Result<Option<Self>> {
        let Some(name) = field.map(str::as_bytes).or_else(|| headers.get(CONVERSATION).map(HeaderValue::as_bytes))
        else {
            return Ok(None);
        };
        if name.is_empty() || name.len() > NAME_BYTES {
            return Err(Error::new(ErrorKind::Data, format!("a conversation's name has from 1 to {NAME_BYTES} bytes"))
                .at_field("router.conversation"));
        }
        let mut hash = Sha256::new();
        hash.update(client.unwrap_or_default());
        hash.update([0]);
        hash.update(name);
        let hash: [u8; 32] = hash.finalize().into();
        let mut short = [0; 16];
        short.iter_mut().zip(hash).for_each(|(short, byte)| *short = byte);
        Ok(Some(Self(short)))
    }
}

/// The model of every recent conversation, in bounded memory. Two generations, as of recent embeddings: one that speaks stays young; when the
/// young ones are many, the old ones are forgotten.
#[derive(Debug)]
pub(crate) struct Conversations {
    generations: Mutex<[HashMap<Conversation, String>; 2]>,
    half: usize,
}

impl Conversations {
    /// At most so many.
    pub(crate) fn new(most: usize) -> Self {
        Self { generations: Mutex::default(), half: most.div_ceil(2).max(1) }
    }

    /// The model that answered last.
    pub(crate) fn model(&self, conversation: Conversation) -> Option<String> {
        let generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        generations.iter().find_map(|generation| generation.get(&conversation)).cloned()
    }

    /// `model` answered.
    pub(crate) fn answered(&self, conversation: Conversation, model: &str) {
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        let [young, old] = &mut *generations;
        if young.len() >= self.half && !young.contains_key(&conversation) {
            *old = std::mem::take(young);
        }
        old.remove(&conversation);
        young.insert(conversation, model.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(client: &str, name: &str) -> Conversation {
        Conversation::of(Some(client), Some(name), &HeaderMap::new()).unwrap().unwrap()
    }

    #[test]
    fn those_that_speak_are_remembered_and_memory_is_bounded() {
        let conversations = Conversations::new(10);
        conversations.answered(named("a", "kept"), "poet");
        for at in 0..100 {
            conversations.answered(named("a", &at.to_string()), "solver");
            let kept = conversations.model(named("a", "kept")).unwrap();
            conversations.answered(named("a", "kept"), &kept);
            let generations = conversations.generations.lock().unwrap();
            assert!(generations[0].len() + generations[1].len() <= 10);
        }
        assert_eq!(conversations.model(named("a", "kept")).as_deref(), Some("poet"));
        assert_eq!(conversations.model(named("a", "0")), None);
        assert_eq!(conversations.model(named("b", "kept")), None, "another client's conversation");
    }

    #[test]
    fn a_field_or_a_header_names_it() {
        let headers = HeaderMap::from_iter([(CONVERSATION, HeaderValue::from_static("h"))]);
        let of = |field: Option<&str>, headers: &HeaderMap| Conversation::of(Some("a"), field, headers);
        assert_eq!(of(None, &headers).unwrap(), Some(named("a", "h")));
        assert_eq!(of(Some("f"), &headers).unwrap(), Some(named("a", "f")));
        assert_eq!(of(None, &HeaderMap::new()).unwrap(), None);
        assert_eq!(of(Some(&"x".repeat(513)), &headers).unwrap_err().field(), Some("router.conversation"));
    }
}

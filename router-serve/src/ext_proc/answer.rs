//! What is read of an answer on its way from an upstream to a client.

use bytes::BytesMut;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};

use crate::account::Outcome;
use crate::config::UpstreamConfig;
use crate::stream::framer::Framer;
use crate::stream::{Chunk, ChunkKind, Heard};
use crate::upstream::Failure;

/// Reads an answer, of which it keeps no more than the configuration of the upstream allows. What cannot be read for its length or its
/// encoding is passed on all the same; then nobody knows what it was billed.
pub(super) struct Reading {
    form: Form,
    heard: Heard,
    has_begun: bool,
    document_bytes: usize,
    event_bytes: usize,
}

enum Form {
    /// One document, as far as it has come.
    Document(BytesMut),
    /// A stream of events.
    Events(Framer),
    /// What cannot be read.
    Unread,
}

impl Reading {
    /// Of an answer with the head `headers`.
    pub(super) fn new(headers: &HeaderMap, config: &UpstreamConfig) -> Self {
        let text =
            |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("").trim().to_ascii_lowercase();
        let encoding = text(CONTENT_ENCODING);
        let form = if !encoding.is_empty() && encoding != "identity" {
            Form::Unread
        } else if text(CONTENT_TYPE).starts_with("text/event-stream") {
            Form::Events(Framer::default())
        } else {
            Form::Document(BytesMut::new())
        };
        let has_begun = matches!(form, Form::Unread);
        let (document_bytes, event_bytes) = (config.answer_bytes, config.event_bytes);
        Self { form, heard: Heard::default(), has_begun, document_bytes, event_bytes }
    }

    /// Whether it is known that the upstream answers.
    pub(super) fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// What was said so far.
    pub(super) fn heard(&self) -> &Heard {
        &self.heard
    }

    /// Takes what comes next. Gives the outcome once the answer says that nothing follows.
    ///
    /// # Errors
    /// [`Failure::Malformed`] for what is no answer.
    pub(super) fn take(&mut self, part: &[u8]) -> Result<Option<Outcome>, Failure> {
        match &mut self.form {
            Form::Unread => {}
            Form::Document(document) => {
                if document.len() + part.len() > self.document_bytes {
                    self.form = Form::Unread;
                    self.has_begun = true;
                } else {
                    document.extend_from_slice(part);
                }
            }
            Form::Events(framer) => {
                framer.push(part);
                while let Some(event) = framer.next() {
                    let chunk = Chunk::of_event(&event)?;
                    if chunk.kind == ChunkKind::Comment {
                        continue;
                    }
                    if chunk.kind == ChunkKind::Error && !self.has_begun {
                        return Err(Failure::Malformed("an error in place of an answer".to_owned()));
                    }
                    self.has_begun = true;
                    if self.heard.take(chunk) {
                        return Ok(Some(self.heard.outcome()));
                    }
                }
                if framer.unfinished() > self.event_bytes {
                    self.form = Form::Unread;
                }
            }
        }
        Ok(None)
    }

    /// Nothing comes any more.
    ///
    /// # Errors
    /// [`Failure::Malformed`] for what was no answer, [`Failure::Cut`] for one that lacks its end.
    pub(super) fn end(&mut self) -> Result<Outcome, Failure> {
        match &self.form {
            Form::Document(document) => {
                let chunk = Chunk::of_json(document)
                    .ok_or_else(|| Failure::Malformed("an answer that is not a JSON object".to_owned()))?;
                if chunk.kind == ChunkKind::Error {
                    return Err(Failure::Malformed("an error with a status of success".to_owned()));
                }
                self.has_begun = true;
                self.heard.take(chunk);
            }
            Form::Events(framer) if framer.unfinished() > 0 => {
                return Err(Failure::Cut("in the middle of an event".to_owned()));
            }
            Form::Events(_) if !self.heard.has_ended() => {
                return Err(Failure::Cut("before the end of the stream".to_owned()));
            }
            Form::Unread | Form::Events(_) => {}
        }
        Ok(self.heard.outcome())
    }
}

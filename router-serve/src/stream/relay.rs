//! A stream on its way from an upstream to a client.

use bytes::{BufMut as _, Bytes, BytesMut};
use hyper::StatusCode;

use crate::account::{Account, Outcome};
use crate::clock;
use crate::config::Api;
use crate::error::Refusal;
use crate::stream::{Chunk, ChunkKind, Events, Heard};
use crate::upstream::{Failure, Pass, Permit};

/// A stream that has begun.
pub(crate) struct Unfinished {
    pub(crate) events: Events,
    /// The first event with data.
    pub(crate) first: Bytes,
    /// What it says.
    pub(crate) chunk: Chunk,
    pub(crate) pass: Pass,
    /// The place at the upstream, held until the stream ends.
    pub(crate) permit: Permit,
}

/// Passes events on as they come. Whatever goes wrong ends the stream with an event that says so, and never with a part of an
/// event. Dropped before its end, as when the client goes away, it drops the connection to the upstream.
pub(crate) struct Relay {
    events: Events,
    first: Option<Bytes>,
    heard: Heard,
    wants_usage: bool,
    is_over: bool,
    pass: Option<Pass>,
    account: Account,
    api: Api,
    _permit: Permit,
}

impl Relay {
    /// Goes on with `stream`. Its end, with the tokens it was billed, goes into `account`. A client that does not want it sees no
    /// event that carries nothing but these.
    pub(crate) fn new(stream: Unfinished, api: Api, wants_usage: bool, account: Account) -> Self {
        let Unfinished { events, first, chunk, pass, permit } = stream;
        let mut heard = Heard::default();
        heard.take(chunk);
        Self {
            events,
            first: Some(first),
            heard,
            wants_usage,
            is_over: false,
            pass: Some(pass),
            account,
            api,
            _permit: permit,
        }
    }

    /// What to send next: all events that are there. `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Bytes> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        let mut out = BytesMut::new();
        while out.is_empty() && !self.is_over {
            match self.events.next(None).await {
                Ok(Some(event)) => {
                    let mut event = Some(event);
                    while let Some(next) = event.take() {
                        if let Err(failure) = self.take(&next, &mut out) {
                            self.fail(&failure, &mut out);
                            break;
                        }
                        event = self.events.ready();
                    }
                }
                Ok(None) if self.heard.has_ended() => self.end(),
                Ok(None) => self.fail(&Failure::Cut("before the end of the stream".to_owned()), &mut out),
                Err(failure) => self.fail(&failure, &mut out),
            }
        }
        (!out.is_empty()).then(|| out.freeze())
    }

    fn take(&mut self, event: &Bytes, out: &mut BytesMut) -> Result<(), Failure> {
        let chunk = Chunk::of_event(event)?;
        if self.heard.take(chunk) {
            // Who has seen the mark may speak of the answer at once.
            self.close();
        }
        if self.wants_usage || chunk.kind != ChunkKind::Usage {
            out.put_slice(event);
        }
        Ok(())
    }

    fn end(&mut self) {
        self.is_over = true;
        if let Some(pass) = self.pass.take() {
            if self.heard.has_failed() { pass.failed(clock::now()) } else { pass.succeeded() }
        }
        self.close();
    }

    /// Closes the account of a stream that came to its own end.
    fn close(&mut self) {
        self.account.finish(self.heard.outcome(), StatusCode::OK, self.heard.usage);
    }

    /// Ends the stream with an event that says what is wrong.
    fn fail(&mut self, failure: &Failure, out: &mut BytesMut) {
        self.is_over = true;
        tracing::warn!(decision = %self.account.id(), %failure, "a stream broke off");
        if let Some(pass) = self.pass.take()
            && failure.is_unwell()
        {
            pass.failed(clock::now());
        }
        let refusal = Refusal::new(
            StatusCode::BAD_GATEWAY,
            "upstream_failed",
            format!("the stream ended early: the model's service {failure}"),
        );
        out.put_slice(refusal.event(self.api).as_bytes());
        self.account.finish(Outcome::Broken(failure.label()), StatusCode::OK, self.heard.usage);
    }
}

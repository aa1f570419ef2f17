//! The body of an answer, within its limits.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use crate::clock::{self, Instant, seconds};
use crate::config::UpstreamConfig;
use crate::stream::framer::Framer;
use crate::upstream::{Failure, reason};

/// The parts of a body as they come: bounded in bytes, in the time between two of them, and in the time of all.
struct Parts {
    body: Incoming,
    left: usize,
    idle: Duration,
    deadline: Instant,
}

impl Parts {
    /// The next part; `None` at the end.
    ///
    /// # Errors
    /// [`Failure::Timeout`], [`Failure::Cut`], [`Failure::Malformed`] where there are more bytes than may be.
    async fn next(&mut self, deadline: Option<Instant>) -> Result<Option<Bytes>, Failure> {
        loop {
            let idle = deadline.unwrap_or_else(|| clock::now() + self.idle);
            let frame = match tokio::time::timeout_at(idle.min(self.deadline), self.body.frame()).await {
                Err(_) if idle < self.deadline => return Err(Failure::Timeout("to go on with its answer")),
                Err(_) => return Err(Failure::Timeout("to end its answer")),
                Ok(None) => return Ok(None),
                Ok(Some(Err(error))) => return Err(Failure::Cut(reason(&error))),
                Ok(Some(Ok(frame))) => frame,
            };
            // Trailers say nothing here.
            let Ok(part) = frame.into_data() else { continue };
            self.left = self
                .left
                .checked_sub(part.len())
                .ok_or_else(|| Failure::Malformed("an answer that is longer than it may be".to_owned()))?;
            return Ok(Some(part));
        }
    }
}

/// Reads a whole body of at most `most` bytes, which must come until `deadline`.
///
/// # Errors
/// As the parts of a body.
pub(crate) async fn read_whole(
    body: Incoming,
    most: usize,
    config: &UpstreamConfig,
    deadline: Instant,
) -> Result<Bytes, Failure> {
    let mut parts = Parts { body, left: most, idle: seconds(config.idle_seconds), deadline };
    let mut whole = BytesMut::new();
    while let Some(part) = parts.next(None).await? {
        whole.extend_from_slice(&part);
    }
    Ok(whole.freeze())
}

/// The events of a stream.
pub(crate) struct Events {
    parts: Parts,
    framer: Framer,
    event_bytes: usize,
}

impl Events {
    pub(crate) fn new(body: Incoming, config: &UpstreamConfig, deadline: Instant) -> Self {
        let idle = seconds(config.idle_seconds);
        Self {
            parts: Parts { body, left: config.answer_bytes, idle, deadline },
            framer: Framer::default(),
            event_bytes: config.event_bytes,
        }
    }

    /// The next event if it is there already.
    pub(crate) fn ready(&mut self) -> Option<Bytes> {
        self.framer.next()
    }

    /// The next event; `None` at the end. The first one may be given a `deadline` of its own.
    ///
    /// # Errors
    /// As the parts of a body; [`Failure::Malformed`] for an event that is too long; [`Failure::Cut`] within an event.
    pub(crate) async fn next(&mut self, deadline: Option<Instant>) -> Result<Option<Bytes>, Failure> {
        loop {
            if let Some(event) = self.framer.next() {
                return Ok(Some(event));
            }
            if self.framer.unfinished() > self.event_bytes {
                return Err(Failure::Malformed("an event that is longer than it may be".to_owned()));
            }
            match self.parts.next(deadline).await? {
                Some(part) => self.framer.push(&part),
                None if self.framer.unfinished() == 0 => return Ok(None),
                None => return Err(Failure::Cut("in the middle of an event".to_owned())),
            }
        }
    }
}

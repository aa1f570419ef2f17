//! Why an upstream gave no answer that could be passed on.

use std::fmt;

use hyper::StatusCode;
use hyper::header::HeaderValue;

/// Why an upstream gave no answer that could be passed on. No message holds a key or what an answer said.
#[derive(Debug, Clone)]
pub(crate) enum Failure {
    /// Its circuit is open: it was not asked.
    Open,
    /// Its queue is full, or the wait in it was too long: it was not asked.
    Busy,
    /// No connection.
    Connect(String),
    /// It took too long, with what.
    Timeout(&'static str),
    /// It refused.
    Status {
        /// With which status.
        status: StatusCode,
        /// How long it asks to wait.
        retry_after: Option<HeaderValue>,
    },
    /// The prompt does not fit the model's context window, as the upstream counts.
    TooLong,
    /// Its answer broke off.
    Cut(String),
    /// Its answer is not what the interface says it is.
    Malformed(String),
}

impl Failure {
    /// A word for metrics and records.
    pub(crate) fn label(&self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Busy => "busy",
            Self::Connect(_) => "connect",
            Self::Timeout(_) => "timeout",
            Self::Status { status, .. } if *status == StatusCode::TOO_MANY_REQUESTS => "rate-limited",
            Self::Status { status, .. } if status.is_server_error() => "server-error",
            Self::Status { .. } => "refused",
            Self::TooLong => "too-long",
            Self::Cut(_) => "cut",
            Self::Malformed(_) => "malformed",
        }
    }

    /// Whether it says that the upstream is unwell. One that is asked too much, or wrongly, is well.
    pub(crate) fn is_unwell(&self) -> bool {
        match self {
            Self::Open | Self::Busy | Self::TooLong => false,
            Self::Connect(_) | Self::Timeout(_) | Self::Cut(_) | Self::Malformed(_) => true,
            Self::Status { status, .. } => status.is_server_error(),
        }
    }

    /// Whether the upstream was asked at all.
    pub(crate) fn was_asked(&self) -> bool {
        !matches!(self, Self::Open | Self::Busy)
    }
}

/// Whether an upstream that answers `status` says that the request itself is wrong, wherever it is sent.
pub(crate) fn is_of_client(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::BAD_REQUEST
            | StatusCode::PAYLOAD_TOO_LARGE
            | StatusCode::UNSUPPORTED_MEDIA_TYPE
            | StatusCode::UNPROCESSABLE_ENTITY
    )
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => f.write_str("is left alone since it kept failing"),
            Self::Busy => f.write_str("is busy, and its queue is full"),
            Self::Connect(why) => write!(f, "cannot be reached: {why}"),
            Self::Timeout(what) => write!(f, "took too long {what}"),
            Self::Status { status, .. } => write!(f, "answered {status}"),
            Self::TooLong => f.write_str("says that the prompt is too long for the model"),
            Self::Cut(why) => write!(f, "broke off: {why}"),
            Self::Malformed(what) => write!(f, "answered what its interface does not allow: {what}"),
        }
    }
}

//! Time. The runtime's own clock, so that nothing here reads another one.

use std::time::Duration;

pub(crate) use tokio::time::Instant;

/// Now.
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// A configured number of seconds; configurations hold them finite and not negative.
pub(crate) fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::ZERO)
}

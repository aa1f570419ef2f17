//! The one place that reads a clock: how long a decision takes. No decision and no score depends on it.
#![allow(clippy::disallowed_methods, reason = "time is measured here to be reported, and enters no fit")]

use std::time::Instant;

/// What `work` gives, and the seconds it took.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let start = Instant::now();
    let result = work();
    (result, start.elapsed().as_secs_f64())
}

//! How long to wait before trying again.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

/// The longest wait that grows out of failures.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// The longest wait that a server can ask for.
pub(super) const LONGEST_ASKED: Duration = Duration::from_secs(120);

/// What spreads the waits of different requests, the same for the same request in every run.
pub(super) fn salt(body: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    hasher.finish()
}

/// The wait after failure number `failure` (from 0): `first` doubled with every failure, at most [`LONGEST_WAIT`], of which a share
/// between a half and all is taken by `salt`, so that requests that failed together do not come back together. Where the server
/// asks for a longer one, that, at most [`LONGEST_ASKED`].
pub(super) fn wait(first: Duration, failure: u32, salt: u64, asked: Option<Duration>) -> Duration {
    let doubled = first.saturating_mul(1_u32.checked_shl(failure).unwrap_or(u32::MAX)).min(LONGEST_WAIT);
    let mut hasher = DefaultHasher::new();
    (salt, failure).hash(&mut hasher);
    let share = 0.5 + 0.5 * (hasher.finish() >> 11) as f64 / (1_u64 << 53) as f64;
    doubled.mul_f64(share).max(asked.unwrap_or_default().min(LONGEST_ASKED))
}

/// The wait that a server asks for in `Retry-After`: seconds, or a date, which is taken against the server's own `Date`, so that
/// no clock of ours is needed.
pub(super) fn asked(retry_after: Option<&str>, date: Option<&str>) -> Option<Duration> {
    let retry_after = retry_after?.trim();
    if let Ok(seconds) = retry_after.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = httpdate::parse_http_date(retry_after).ok()?;
    let now = httpdate::parse_http_date(date?.trim()).ok()?;
    Some(until.duration_since(now).unwrap_or_default())
}

//! Threads without a change of results.
//!
//! The rule of the framework: parallel code writes disjoint outputs, and reductions run over chunks of a fixed size in a
//! fixed order, so that the same seed, data and version give the same bytes at any thread count. All parallel code runs in
//! rayon's current pool; [`with_threads`] sets it.

use crate::error::{Error, ErrorKind, Result};

/// Runs `work` in a pool of `threads` threads (0: one a core).
///
/// # Errors
/// [`ErrorKind::Internal`] if the threads cannot be started.
pub fn with_threads<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> Result<T> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().map_err(|source| {
        Error::new(ErrorKind::Internal, format!("cannot start {threads} threads")).caused_by(source)
    })?;
    Ok(pool.install(work))
}

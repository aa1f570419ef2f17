//! Progress of long work and its cancellation, without an opinion on how they are shown.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, ErrorKind, Result};

/// Shows the progress of long work. The command line draws bars; a library user may count, log or ignore.
pub trait Progress: Send + Sync {
    /// A piece of work called `label` of `total` steps begins (`None`: the number is not known). Pieces may overlap in time.
    fn begin(&self, label: &str, total: Option<u64>) -> Box<dyn ProgressBar>;
}

/// One running piece of work. Dropping it ends it.
pub trait ProgressBar: Send + Sync {
    /// `steps` more steps are done.
    fn advance(&self, steps: u64);
    /// A short word on where the work stands.
    fn message(&self, text: &str);
}

/// Shows nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _label: &str, _total: Option<u64>) -> Box<dyn ProgressBar> {
        Box::new(Self)
    }
}

impl ProgressBar for Silent {
    fn advance(&self, _steps: u64) {}
    fn message(&self, _text: &str) {}
}

/// Cancels work from another thread. Clones share one flag.
///
/// ```
/// use router_core::CancelToken;
/// let token = CancelToken::new();
/// assert!(token.check().is_ok());
/// token.cancel();
/// assert!(token.clone().check().is_err());
/// ```
#[derive(Debug, Clone, Default)]
pub struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    /// A token that is not cancelled.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks all work that holds this token to stop.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the work should stop.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// An error of kind [`ErrorKind::Cancelled`] if the work should stop.
    pub fn check(&self) -> Result<()> {
        if self.is_cancelled() { Err(Error::new(ErrorKind::Cancelled, "cancelled")) } else { Ok(()) }
    }
}

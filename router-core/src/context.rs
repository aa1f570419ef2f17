//! What a component gets while it is fitted: its seed stream, progress, cancellation and the cache of embeddings.

use std::sync::Arc;

use crate::embedding_cache::EmbeddingCache;
use crate::error::Result;
use crate::progress::{CancelToken, Progress, ProgressBar, Silent};
use crate::seed::{Seed, SeedStream};

/// The surroundings of a fit.
///
/// There is no thread count in it: parallel code uses rayon's current pool, and must give the same bytes on any pool
/// (see [`crate::parallel`]).
#[derive(Clone)]
pub struct FitContext {
    seed: Seed,
    progress: Arc<dyn Progress>,
    cancel: CancelToken,
    embedding_cache: Option<Arc<dyn EmbeddingCache>>,
}

impl FitContext {
    /// A silent context under the root seed `seed`.
    pub fn new(seed: u64) -> Self {
        Self { seed: Seed::root(seed), progress: Arc::new(Silent), cancel: CancelToken::new(), embedding_cache: None }
    }

    /// Shows progress through `progress`.
    pub fn with_progress(mut self, progress: Arc<dyn Progress>) -> Self {
        self.progress = progress;
        self
    }

    /// The same progress, cancellation and cache under another root seed, for work that is repeated over seeds.
    pub fn with_seed(&self, seed: u64) -> Self {
        Self { seed: Seed::root(seed), ..self.clone() }
    }

    /// Stops when `cancel` says so.
    pub fn with_cancel(mut self, cancel: CancelToken) -> Self {
        self.cancel = cancel;
        self
    }

    /// Keeps embeddings that are worth it in `cache`, and takes them from there. Results are the same without it.
    pub fn with_embedding_cache(mut self, cache: Arc<dyn EmbeddingCache>) -> Self {
        self.embedding_cache = Some(cache);
        self
    }

    /// The context of the component in slot `path`.
    pub fn child(&self, path: &str) -> Self {
        Self { seed: self.seed.child(path), ..self.clone() }
    }

    /// The same context without its progress bars: for work inside work.
    pub fn silent(&self) -> Self {
        Self { progress: Arc::new(Silent), ..self.clone() }
    }

    /// The seed of this component.
    pub fn seed(&self) -> &Seed {
        &self.seed
    }

    /// A stream of random numbers for one purpose, the same in every run of the same seed and slot.
    pub fn stream(&self, purpose: &str) -> SeedStream {
        self.seed.stream(purpose)
    }

    /// Begins a piece of work of `total` steps.
    pub fn begin(&self, label: &str, total: Option<u64>) -> Box<dyn ProgressBar> {
        self.progress.begin(label, total)
    }

    /// The cache of embeddings, if there is one.
    pub fn embedding_cache(&self) -> Option<&dyn EmbeddingCache> {
        self.embedding_cache.as_deref()
    }

    /// The token that cancels this work.
    pub fn cancel_token(&self) -> &CancelToken {
        &self.cancel
    }

    /// An error if the work was cancelled. Call it once a loop iteration that takes a millisecond or more.
    pub fn check_cancelled(&self) -> Result<()> {
        self.cancel.check()
    }
}

impl std::fmt::Debug for FitContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FitContext").field("seed", &self.seed).field("cancel", &self.cancel).finish_non_exhaustive()
    }
}

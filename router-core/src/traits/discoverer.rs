//! Discoverers: training prompts to latent tasks.

use crate::context::FitContext;
use crate::error::Result;
use crate::types::dataset::TrainingSet;
use crate::types::task::TaskMap;

/// Finds the latent tasks of the training prompts.
///
/// A discoverer exists only in training. Generalisation to new prompts always goes through a
/// [`TaskClassifier`](crate::TaskClassifier), so that any discoverer composes with any classifier. Object-safe as it is.
pub trait TaskDiscoverer: Send + Sync {
    /// The task of every prompt of `set`, or none. May see embeddings and outcomes; must not see benchmark labels unless
    /// that is what it is for.
    fn discover(&self, set: &TrainingSet, cx: &FitContext) -> Result<TaskMap>;
}

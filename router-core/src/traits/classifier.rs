//! Classifiers: a new prompt's embedding to a distribution over tasks, or none.

use crate::artifact::{ErasedPersist, Persist};
use crate::context::FitContext;
use crate::error::Result;
use crate::tasks::Tasks;
use crate::types::dataset::TrainingSet;
use crate::types::matrix::MatrixView;
use crate::types::task::TaskDistribution;

/// Learns to assign prompts to discovered tasks.
pub trait TaskClassifier: Send + Sync {
    /// What fitting returns.
    type Fitted: FittedClassifier + Persist;

    /// Fits to the prompts of `set` and the tasks found among them.
    fn fit(&self, set: &TrainingSet, tasks: &Tasks, cx: &FitContext) -> Result<Self::Fitted>;
}

/// A classifier that is ready.
pub trait FittedClassifier: Send + Sync {
    /// d, the dimension of the embeddings it was fitted on.
    fn dimension(&self) -> usize;

    /// Number of tasks.
    fn tasks(&self) -> usize;

    /// The confidence below which a prompt is assigned to no task, for a classifier that decides by one: its confidence is the
    /// probability of the likeliest task, and the probabilities of a prompt without a task are scaled by confidence / threshold.
    /// `None`, the default, for any other rule. A drift monitor needs it to say how held-out training prompts would have fared.
    fn threshold(&self) -> Option<f32> {
        None
    }

    /// Writes the task distribution of every row of `embeddings` (n x d) into `out`, which it resets to n x tasks.
    /// "No task" is an outcome: probabilities may sum to less than 1, and a row may have no assigned task.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Shape`] for embeddings of another dimension.
    fn classify(&self, embeddings: MatrixView<'_>, out: &mut TaskDistribution) -> Result<()>;
}

/// A fitted classifier that can be stored: the object-safe form. Implemented for all that are both.
pub trait StoredClassifier: FittedClassifier + ErasedPersist {}

impl<T: FittedClassifier + Persist> StoredClassifier for T {}

/// The object-safe form of [`TaskClassifier`]. Implemented for every one.
pub trait DynTaskClassifier: Send + Sync {
    /// See [`TaskClassifier::fit`].
    fn fit(&self, set: &TrainingSet, tasks: &Tasks, cx: &FitContext) -> Result<Box<dyn StoredClassifier>>;
}

impl<T: TaskClassifier> DynTaskClassifier for T {
    fn fit(&self, set: &TrainingSet, tasks: &Tasks, cx: &FitContext) -> Result<Box<dyn StoredClassifier>> {
        Ok(Box::new(TaskClassifier::fit(self, set, tasks, cx)?))
    }
}

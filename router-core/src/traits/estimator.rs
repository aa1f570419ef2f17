//! Estimators: what quality to expect of every model for a prompt.

use serde::{Deserialize, Serialize};

use crate::artifact::{ErasedPersist, Persist};
use crate::context::FitContext;
use crate::error::Result;
use crate::tasks::Tasks;
use crate::types::dataset::TrainingSet;
use crate::types::estimates::Estimates;
use crate::types::matrix::MatrixView;
use crate::types::prompt::Prompt;
use crate::types::task::TaskDistribution;

/// Which of the two stages an estimator speaks for; the `weighted` aggregator weighs one against the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Stage 1: scores that are the same for all prompts of a task.
    Task,
    /// Stage 2: scores of the prompt itself.
    Prompt,
}

/// The prompts of a batch: a slice, or some rows of one, without copying.
#[derive(Debug, Clone, Copy)]
pub struct PromptsView<'a> {
    all: &'a [Prompt],
    rows: Option<&'a [usize]>,
}

impl<'a> PromptsView<'a> {
    /// All of `prompts`.
    pub fn all(prompts: &'a [Prompt]) -> Self {
        Self { all: prompts, rows: None }
    }

    /// The named rows of `prompts`, in their order.
    pub fn rows(prompts: &'a [Prompt], rows: &'a [usize]) -> Self {
        Self { all: prompts, rows: Some(rows) }
    }

    /// Number of prompts.
    pub fn len(&self) -> usize {
        self.rows.map_or(self.all.len(), <[usize]>::len)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Prompt `at` of the batch, if there is one.
    pub fn get(&self, at: usize) -> Option<&'a Prompt> {
        match self.rows {
            None => self.all.get(at),
            Some(rows) => self.all.get(*rows.get(at)?),
        }
    }

    /// The prompts in order.
    pub fn iter(&self) -> impl Iterator<Item = &'a Prompt> + use<'a> {
        let view = *self;
        (0..self.len()).filter_map(move |at| view.get(at))
    }

    /// Prompts `start..end` of this view (less where it is shorter).
    pub fn slice(&self, start: usize, end: usize) -> PromptsView<'a> {
        match self.rows {
            None => PromptsView::all(self.all.get(start..end.min(self.all.len())).unwrap_or_default()),
            Some(rows) => PromptsView::rows(self.all, rows.get(start..end.min(rows.len())).unwrap_or_default()),
        }
    }
}

/// A batch of n prompts to be estimated.
#[derive(Debug, Clone, Copy)]
pub struct QueryBatch<'a> {
    /// The prompts themselves, n of them, for estimators that read more than the embedding.
    pub prompts: PromptsView<'a>,
    /// Their embeddings, n x d.
    pub embeddings: MatrixView<'a>,
    /// Their task distributions, n x tasks; over no task at all in a router without discovery.
    pub tasks: &'a TaskDistribution,
}

/// Learns to estimate the quality of every model's answer to a prompt.
pub trait QualityEstimator: Send + Sync {
    /// What fitting returns.
    type Fitted: FittedEstimator + Persist;

    /// Which stage the estimates speak for.
    fn stage(&self) -> Stage {
        Stage::Prompt
    }

    /// Fits to the outcomes of `set` and the tasks found among its prompts (none in a router without discovery).
    ///
    /// Outcomes are sparse: a model may lack outcomes for some or all prompts, and must get a finite estimate all the same
    /// (that of the mean model is a good one).
    fn fit(&self, set: &TrainingSet, tasks: &Tasks, cx: &FitContext) -> Result<Self::Fitted>;
}

/// An estimator that is ready.
pub trait FittedEstimator: Send + Sync {
    /// m, the number of models it was fitted on.
    fn models(&self) -> usize;

    /// Writes the expected quality of every model for every prompt of `batch` into `out`, which it resets to n x m; variance
    /// and expected cost too, if it knows them. All finite. The row of a prompt does not depend on the rest of the batch.
    ///
    /// Runs on one thread; the pipeline calls it for many batches at once.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Shape`] for embeddings or tasks of another dimension than it was fitted on.
    fn estimate(&self, batch: &QueryBatch<'_>, out: &mut Estimates) -> Result<()>;
}

/// A fitted estimator that can be stored: the object-safe form. Implemented for all that are both.
pub trait StoredEstimator: FittedEstimator + ErasedPersist {}

impl<T: FittedEstimator + Persist> StoredEstimator for T {}

/// The object-safe form of [`QualityEstimator`]. Implemented for every one.
pub trait DynQualityEstimator: Send + Sync {
    /// See [`QualityEstimator::stage`].
    fn stage(&self) -> Stage;

    /// See [`QualityEstimator::fit`].
    fn fit(&self, set: &TrainingSet, tasks: &Tasks, cx: &FitContext) -> Result<Box<dyn StoredEstimator>>;
}

impl<T: QualityEstimator> DynQualityEstimator for T {
    fn stage(&self) -> Stage {
        QualityEstimator::stage(self)
    }

    fn fit(&self, set: &TrainingSet, tasks: &Tasks, cx: &FitContext) -> Result<Box<dyn StoredEstimator>> {
        Ok(Box::new(QualityEstimator::fit(self, set, tasks, cx)?))
    }
}

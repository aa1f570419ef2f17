//! The drift reference of a fit, and what a router sees of a stream.

use rayon::prelude::*;

use crate::context::FitContext;
use crate::drift::{Centers, DriftReference, Observation, confidence};
use crate::error::{Error, ErrorKind, Result};
use crate::pipeline::fit::{Stages, UnfittedRouter};
use crate::pipeline::router::Router;
use crate::tasks::Tasks;
use crate::traits::PromptsView;
use crate::types::dataset::TrainingSet;
use crate::types::matrix::MatrixView;
use crate::types::prompt::Prompt;
use crate::types::task::{TaskDistribution, TaskId};

/// How every row of `set` fares with a classifier and task centers that were made of the other folds, and the centers of all
/// rows; `None` without tasks, or where the set is too small to be split.
///
/// The folds are those over which the classifier was cross-fitted, and its answers are taken from there. An embedder that learns
/// is fitted anew in every fold, and the classifier with it: then this costs a fit of both a fold. Otherwise O(n * tasks * d).
///
/// Whether a held-out row gets no task is decided by the threshold of the final classifier, where it has one: every fold chooses its
/// own, and the share of no task would be that of other thresholds.
///
/// The classifiers of the folds learned from fewer prompts than the final one, so that held-out prompts fare a little worse
/// than new ones will: the one-sided tests of a monitor are conservative by that.
pub(crate) fn reference(
    router: &UnfittedRouter,
    set: &TrainingSet,
    stages: &Stages,
    cx: &FitContext,
) -> Result<Option<DriftReference>> {
    let (Some(classifier), Some(held_out)) = (&router.classifier, &stages.held_out) else { return Ok(None) };
    let map = stages.tasks.map();
    let threshold = stages.classifier.as_ref().and_then(|classifier| classifier.threshold());
    let folds = &held_out.folds;
    let parts: Vec<Vec<(usize, Observation)>> = (0..folds.count())
        .into_par_iter()
        .map(|fold| {
            let (train_rows, rows) = folds.split(fold);
            let cx = cx.child(&format!("fold/{fold}")).silent();
            cx.check_cancelled()?;
            let train_map = map.restrict(&train_rows);
            let observe =
                |centers: &Centers, row: usize, embedding: &[f32], confidence: f32, assigned: Option<TaskId>| {
                    let no_task = match threshold {
                        Some(threshold) => confidence <= 0.0 || confidence < threshold,
                        None => assigned.is_none(),
                    };
                    (row, Observation { no_task, confidence, similarity: centers.similarity(embedding) })
                };
            if let Some(all) = router.embed_anew(set, &train_rows, &cx)? {
                let train = set.subset_with_embeddings(&train_rows, all.gather(&train_rows).into())?;
                let centers = Centers::new(&train_map, train.embeddings(), 0..train.len());
                let tasks = Tasks::profile(&train, train_map, &router.config.tasks)?;
                let fitted = classifier.fit(&train, &tasks, &cx)?;
                let mut distribution = TaskDistribution::new();
                fitted.classify(all.gather(&rows).view(), &mut distribution)?;
                let seen = rows.iter().enumerate().map(|(at, &row)| {
                    let confidence = confidence(&distribution, at, fitted.threshold());
                    observe(&centers, row, all.row(row), confidence, distribution.assigned(at))
                });
                return Ok(seen.collect());
            }
            let centers = Centers::new(&train_map, set.embeddings(), train_rows.iter().copied());
            let seen = rows.par_iter().map(|&row| {
                let confidence = held_out.confidence.get(row).copied().unwrap_or(0.0);
                let assigned = held_out.assigned.get(row).copied().flatten();
                observe(&centers, row, set.embeddings().row(row), confidence, assigned)
            });
            Ok(seen.collect())
        })
        .collect::<Result<_>>()?;
    let mut observations: Vec<(usize, Observation)> = parts.into_iter().flatten().collect();
    observations.sort_unstable_by_key(|(row, _)| *row);
    let observations: Vec<Observation> = observations.into_iter().map(|(_, observation)| observation).collect();
    Ok(Some(DriftReference::new(&observations, Centers::new(map, set.embeddings(), 0..set.len()))))
}

impl Router {
    /// How training prompts fared that the classifier had not seen: what a [`DriftMonitor`](crate::drift::DriftMonitor) holds a
    /// stream against. `None` for a router without tasks, one of very few prompts, and an artifact of a release before drift.
    pub fn drift_reference(&self) -> Option<&DriftReference> {
        self.drift.as_ref()
    }

    /// What a drift monitor sees of `prompts`.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] without a [`drift_reference`](Self::drift_reference); what the embedder reports.
    pub async fn observe(&self, prompts: &[Prompt]) -> Result<Vec<Observation>> {
        self.required_reference()?;
        let embeddings = self.embed(prompts).await?;
        self.observe_embedded(PromptsView::all(prompts), embeddings.vectors.view())
    }

    /// [`observe`](Self::observe) on this thread, without a runtime.
    pub fn observe_blocking(&self, prompts: &[Prompt]) -> Result<Vec<Observation>> {
        pollster::block_on(self.observe(prompts))
    }

    /// What a drift monitor sees of prompts whose embeddings (n x d) are at hand.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] without a [`drift_reference`](Self::drift_reference); [`ErrorKind::Shape`] if there is not one
    /// embedding of the right dimension a prompt.
    pub fn observe_embedded(&self, prompts: PromptsView<'_>, embeddings: MatrixView<'_>) -> Result<Vec<Observation>> {
        let reference = self.required_reference()?;
        self.check_embeddings(prompts, embeddings)?;
        let mut tasks = TaskDistribution::new();
        if let Some(classifier) = &self.classifier {
            classifier.classify(embeddings, &mut tasks)?;
        }
        let threshold = self.classifier.as_ref().and_then(|classifier| classifier.threshold());
        reference.observe(embeddings, &tasks, threshold)
    }

    fn required_reference(&self) -> Result<&DriftReference> {
        self.drift.as_ref().ok_or_else(|| {
            let why = if self.classifier.is_none() {
                "the router has no tasks, and nothing to hold a stream against"
            } else {
                "the router carries no drift reference: it was written by an older release, or fitted to very few prompts"
            };
            Error::new(ErrorKind::Unsupported, why).help("train again, with a [discoverer]")
        })
    }
}

//! Predictions on training prompts by components that have not seen them.

use std::sync::Arc;

use rayon::prelude::*;

use crate::config::TasksConfig;
use crate::context::FitContext;
use crate::drift::confidence;
use crate::error::{Error, Result};
use crate::pipeline::fit::UnfittedRouter;
use crate::pipeline::inference::estimate_parts;
use crate::tasks::Tasks;
use crate::traits::{AggregatorEvidence, DynAggregator, DynTaskClassifier, PartInfo, PromptsView};
use crate::types::dataset::TrainingSet;
use crate::types::estimates::{Estimates, EstimatesView};
use crate::types::folds::Folds;
use crate::types::task::{TaskDistribution, TaskId, TaskMap};

/// Prompts that are classified at once.
const CLASSIFIED: usize = 4096;

/// The folds of `set`, or none if it is too small to be split (fewer than two groups of near duplicates, or a part without
/// an outcome). With fewer groups than `count`, as many folds as groups.
pub fn cross_fit_folds(set: &TrainingSet, count: usize, cx: &FitContext) -> Option<Folds> {
    let folds = set.folds(count, cx.seed())?;
    let has_outcome = |rows: &[usize]| rows.iter().any(|&row| !set.outcomes().row(row).is_empty());
    (0..folds.count()).all(|fold| has_outcome(&folds.split(fold).0)).then_some(folds)
}

/// The estimates of every part for every row of `set`, each row by stages fitted on the other folds. Costs a full fit a fold;
/// folds run in parallel.
pub(crate) fn cross_fit(
    router: &UnfittedRouter,
    set: &TrainingSet,
    folds: &Folds,
    cx: &FitContext,
) -> Result<Vec<Estimates>> {
    let bar = cx.begin("cross-fitting", Some(folds.count() as u64));
    let held_out: Vec<(Vec<usize>, Vec<Estimates>)> = (0..folds.count())
        .into_par_iter()
        .map(|fold| {
            let (train_rows, rows) = folds.split(fold);
            let fold_cx = cx.child(&format!("fold/{fold}")).silent();
            let anew = router.embed_anew(set, &train_rows, &fold_cx)?;
            let (train, embeddings) = match anew {
                Some(all) => {
                    (set.subset_with_embeddings(&train_rows, Arc::new(all.gather(&train_rows)))?, all.gather(&rows))
                }
                None => (set.subset(&train_rows)?, set.embeddings().gather(&rows)),
            };
            let stages = router.fit_stages(&train, &fold_cx)?;
            let dataset_rows: Vec<usize> = rows.iter().filter_map(|&row| set.rows().get(row).copied()).collect();
            let prompts = PromptsView::rows(set.dataset().prompts(), &dataset_rows);
            let estimates = estimate_parts(stages.classifier.as_deref(), &stages.parts, prompts, embeddings.view())?;
            bar.advance(1);
            Ok((rows, estimates))
        })
        .collect::<Result<_>>()?;
    let mut all: Vec<Estimates> = Vec::new();
    for (rows, parts) in &held_out {
        all.resize_with(parts.len(), || {
            let mut estimates = Estimates::new();
            estimates.reset(set.len(), set.models().len());
            estimates
        });
        for (estimates, part) in all.iter_mut().zip(parts) {
            estimates.scatter(rows, part.view());
        }
    }
    Ok(all)
}

/// What classifiers made of rows that they were not fitted on.
pub(crate) struct HeldOut {
    pub(crate) folds: Folds,
    /// The task of every row.
    pub(crate) assigned: Vec<Option<TaskId>>,
    /// The classifier's confidence in every row.
    pub(crate) confidence: Vec<f32>,
}

/// The task and the confidence of every row of a fold.
struct Assigned {
    rows: Vec<usize>,
    found: Vec<(Option<TaskId>, f32)>,
}

/// What `classifier` makes of every row of `set` when fitted on the other folds. Costs a fit of the classifier a fold; folds
/// run in parallel.
pub(crate) fn assign(
    classifier: &dyn DynTaskClassifier,
    set: &TrainingSet,
    map: &TaskMap,
    config: &TasksConfig,
    folds: Folds,
    cx: &FitContext,
) -> Result<HeldOut> {
    let parts: Vec<Assigned> = (0..folds.count())
        .into_par_iter()
        .map(|fold| {
            let (train_rows, rows) = folds.split(fold);
            let cx = cx.child(&format!("fold/{fold}")).silent();
            cx.check_cancelled()?;
            let train = set.subset(&train_rows)?;
            let tasks = Tasks::profile(&train, map.restrict(&train_rows), config)?;
            let fitted = classifier.fit(&train, &tasks, &cx)?;
            drop((train, tasks));
            let (threshold, mut distribution) = (fitted.threshold(), TaskDistribution::new());
            let mut found = Vec::with_capacity(rows.len());
            // A probability for every task is wanted of a block at a time, not of all prompts.
            for block in rows.chunks(CLASSIFIED) {
                fitted.classify(set.embeddings().gather(block).view(), &mut distribution)?;
                found.extend(
                    (0..block.len()).map(|at| (distribution.assigned(at), confidence(&distribution, at, threshold))),
                );
            }
            Ok(Assigned { rows, found })
        })
        .collect::<Result<_>>()?;
    let (mut assigned, mut confidences) = (vec![None; set.len()], vec![0.0; set.len()]);
    for Assigned { rows, found } in &parts {
        for (&row, &found) in rows.iter().zip(found) {
            if let (Some(task), Some(certain)) = (assigned.get_mut(row), confidences.get_mut(row)) {
                (*task, *certain) = found;
            }
        }
    }
    Ok(HeldOut { folds, assigned, confidence: confidences })
}

/// One estimate of the cross-fitted parts for every row, each fold by an aggregator that was fitted on the other folds.
///
/// # Errors
/// [`crate::ErrorKind::Shape`] for estimates of other prompts or models; [`crate::ErrorKind::Cancelled`]; whatever the aggregator reports.
pub fn aggregate_held_out(
    aggregator: &dyn DynAggregator,
    set: &TrainingSet,
    parts: &[PartInfo],
    cross_fitted: &[Estimates],
    folds: &Folds,
    cx: &FitContext,
) -> Result<Estimates> {
    let shape = (set.len(), set.models().len());
    if let Some(other) = cross_fitted.iter().map(Estimates::quality).find(|part| (part.rows(), part.cols()) != shape) {
        let found = format!("{} x {}", other.rows(), other.cols());
        return Err(Error::shape("cross-fitted estimates", format!("{} x {}", shape.0, shape.1), found));
    }
    let mut all = Estimates::new();
    all.reset(shape.0, shape.1);
    for fold in 0..folds.count() {
        cx.check_cancelled()?;
        let (train, rows) = folds.split(fold);
        let gather = |rows: &[usize]| -> Vec<Estimates> {
            cross_fitted.iter().map(|estimates| estimates.gather(rows)).collect()
        };
        let (fit_on, apply_to) = (gather(&train), gather(&rows));
        let subset = set.subset(&train)?;
        let evidence = AggregatorEvidence { set: &subset, parts, cross_fitted: Some(&fit_on) };
        let fitted = aggregator.fit(&evidence, &cx.child(&format!("fold/{fold}")).silent())?;
        let views: Vec<EstimatesView<'_>> = apply_to.iter().map(Estimates::view).collect();
        let mut out = Estimates::new();
        fitted.aggregate(&views, &mut out)?;
        all.scatter(&rows, out.view());
    }
    Ok(all)
}

//! The way of a batch through a fitted router. Batches are independent of each other and run in parallel.

use rayon::prelude::*;
use smallvec::SmallVec;

use crate::error::{Error, Result};
use crate::pipeline::router::Router;
use crate::traits::{
    FittedClassifier, FittedEstimator, PartInfo, PromptsView, QueryBatch, StoredClassifier, StoredEstimator,
};
use crate::types::constraints::{Choice, Constraints, Eligibility, ExpectedCall};
use crate::types::decision::{Decision, Reason};
use crate::types::estimates::{Estimates, EstimatesView};
use crate::types::matrix::{Embeddings, Matrix, MatrixView};
use crate::types::task::TaskDistribution;

/// Prompts that go through the components together.
pub const BATCH: usize = 256;

/// Parts of a router for which no memory is asked; more are possible.
const PARTS: usize = 8;

/// Buffers of one thread, reused from batch to batch.
#[derive(Debug, Default)]
pub struct RouteBuffers {
    tasks: TaskDistribution,
    parts: Vec<Estimates>,
    aggregate: Estimates,
    /// The aggregate of the models that were fitted on, where others joined.
    fitted: Estimates,
    lengths: Estimates,
    cost_usd: Matrix,
    known_cost: Vec<bool>,
    eligible: Eligibility,
}

impl RouteBuffers {
    /// The task distribution of the last batch, n x tasks.
    pub fn tasks(&self) -> &TaskDistribution {
        &self.tasks
    }

    /// The estimates of every part for the last batch, in order, n x m each (m of the models that were fitted on).
    pub fn parts(&self) -> &[Estimates] {
        &self.parts
    }

    /// The aggregate estimates of the last batch, n x m.
    pub fn aggregate(&self) -> EstimatesView<'_> {
        self.aggregate.view()
    }

    /// The expected cost in US dollars of sending prompt `row` of the last batch to `model`; `None` where it is unknown, or
    /// there is no such pair.
    pub fn expected_cost_usd(&self, row: usize, model: usize) -> Option<f32> {
        let known = *self.known_cost.get(model)? && row < self.cost_usd.rows();
        known.then(|| self.cost_usd.get(row, model))
    }
}

/// What a fitted router predicts for n prompts, before any policy.
#[derive(Debug, Clone)]
pub struct Prediction {
    /// The task distribution, n x tasks.
    pub tasks: TaskDistribution,
    /// The estimates of every part in order, n x m each.
    pub parts: Vec<Estimates>,
    /// The aggregate estimates, n x m.
    pub aggregate: Estimates,
    /// Expected cost in US dollars, n x m; the highest known one for models of unknown price.
    pub cost_usd: Matrix,
}

impl Router {
    /// Predicts for prompts whose embeddings (n x d) are at hand, in parallel batches.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Shape`] if there is not one embedding of the right dimension a prompt; whatever a component reports.
    pub fn predict_embedded(&self, prompts: PromptsView<'_>, embeddings: MatrixView<'_>) -> Result<Prediction> {
        self.check_embeddings(prompts, embeddings)?;
        let (n, m) = (prompts.len(), self.pool.len());
        let starts: Vec<usize> = (0..n).step_by(BATCH).collect();
        let batches: Vec<(usize, RouteBuffers)> = starts
            .into_par_iter()
            .map(|start| {
                let end = n.min(start + BATCH);
                let mut buffers = RouteBuffers::default();
                self.predict_batch(prompts.slice(start, end), embeddings.slice_rows(start, end), &mut buffers)?;
                Ok((start, buffers))
            })
            .collect::<Result<_>>()?;
        let empty = |models| {
            let mut estimates = Estimates::new();
            estimates.reset(n, models);
            estimates
        };
        let mut prediction = Prediction {
            tasks: TaskDistribution::new(),
            parts: self.parts.iter().map(|_| empty(self.fitted_models())).collect(),
            aggregate: empty(m),
            cost_usd: Matrix::zeros(n, m),
        };
        prediction.tasks.reset(n, self.classifier.as_ref().map_or(0, |classifier| classifier.tasks()));
        for (start, buffers) in &batches {
            let rows: Vec<usize> = (*start..n.min(start + BATCH)).collect();
            for (whole, part) in prediction.parts.iter_mut().zip(&buffers.parts) {
                whole.scatter(&rows, part.view());
            }
            prediction.aggregate.scatter(&rows, buffers.aggregate.view());
            for (at, &row) in rows.iter().enumerate() {
                prediction.cost_usd.row_mut(row).copy_from_slice(buffers.cost_usd.row(at));
                let (probabilities, assigned) = prediction.tasks.row_mut(row);
                probabilities.copy_from_slice(buffers.tasks.probabilities(at));
                *assigned = buffers.tasks.assigned(at);
            }
        }
        Ok(prediction)
    }

    /// Decides for prompts whose embeddings are at hand, in parallel batches. `constraints` holds one entry a prompt, or is
    /// empty where nothing is constrained. Decisions keep their memory from call to call.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Shape`] if lengths disagree; [`crate::ErrorKind::UnknownModel`] if a constraint names a model that
    /// the pool lacks; whatever a component reports.
    pub fn route_embedded(
        &self,
        prompts: PromptsView<'_>,
        embeddings: &Embeddings,
        constraints: &[Constraints],
        out: &mut [Decision],
    ) -> Result<()> {
        let vectors = embeddings.vectors.view();
        self.check_embeddings(prompts, vectors)?;
        if out.len() != prompts.len() {
            return Err(Error::shape("decisions", prompts.len(), out.len()));
        }
        if !constraints.is_empty() && constraints.len() != prompts.len() {
            return Err(Error::shape("constraints", prompts.len(), constraints.len()));
        }
        for constraint in constraints {
            constraint.check(&self.pool)?;
        }
        let batch = |at: usize, out: &mut [Decision], buffers: &mut RouteBuffers| -> Result<()> {
            let (start, end) = (at * BATCH, at * BATCH + out.len());
            let prompts = prompts.slice(start, end);
            self.predict_batch(prompts, vectors.slice_rows(start, end), buffers)?;
            let constraints = constraints.get(start..end).unwrap_or_default();
            self.choose_batch(prompts, constraints, buffers, out)
        };
        if out.len() <= BATCH {
            batch(0, out, &mut RouteBuffers::default())?;
        } else {
            out.par_chunks_mut(BATCH)
                .enumerate()
                .try_for_each_init(RouteBuffers::default, |buffers, (at, out)| batch(at, out, buffers))?;
        }
        for &row in &embeddings.truncated {
            if let Some(decision) = out.get_mut(row) {
                decision.reasons.push(Reason::Truncated);
            }
        }
        Ok(())
    }

    /// Decides for one batch of prompts on this thread, reusing `buffers`: the path for services that keep a set of buffers a
    /// worker. See [`route_embedded`](Self::route_embedded).
    ///
    /// # Errors
    /// As [`route_embedded`](Self::route_embedded), but the constraints' model names are the caller's to have checked.
    pub fn route_batch(
        &self,
        prompts: PromptsView<'_>,
        embeddings: MatrixView<'_>,
        constraints: &[Constraints],
        buffers: &mut RouteBuffers,
        out: &mut [Decision],
    ) -> Result<()> {
        self.check_embeddings(prompts, embeddings)?;
        self.predict_batch(prompts, embeddings, buffers)?;
        self.choose_batch(prompts, constraints, buffers, out)
    }

    pub(super) fn check_embeddings(&self, prompts: PromptsView<'_>, embeddings: MatrixView<'_>) -> Result<()> {
        if embeddings.rows() != prompts.len() {
            return Err(Error::shape("rows of embeddings", prompts.len(), embeddings.rows()));
        }
        if embeddings.cols() != self.embedder.dimension() {
            return Err(Error::shape("dimension of the embeddings", self.embedder.dimension(), embeddings.cols()));
        }
        Ok(())
    }

    fn predict_batch(
        &self,
        prompts: PromptsView<'_>,
        embeddings: MatrixView<'_>,
        buffers: &mut RouteBuffers,
    ) -> Result<()> {
        classify(self.classifier.as_deref(), embeddings, &mut buffers.tasks)?;
        buffers.parts.resize_with(self.parts.len(), Estimates::new);
        let batch = QueryBatch { prompts, embeddings, tasks: &buffers.tasks };
        for ((_, estimator), out) in self.parts.iter().zip(&mut buffers.parts) {
            estimator.estimate(&batch, out)?;
        }
        let views: SmallVec<[EstimatesView<'_>; PARTS]> = buffers.parts.iter().map(Estimates::view).collect();
        let fitted = if self.placements.0.is_empty() { &mut buffers.aggregate } else { &mut buffers.fitted };
        self.aggregator.aggregate(&views, fitted)?;
        let is_estimated = fitted.cost_usd().is_some();
        self.expect_cost(&batch, fitted, &mut buffers.lengths, &mut buffers.cost_usd)?;
        if !self.placements.0.is_empty() {
            self.placements.extend(&buffers.fitted, &buffers.tasks, &mut buffers.aggregate);
        }
        buffers.known_cost.clear();
        let is_fitted = |model: usize| model < self.fitted_models();
        buffers
            .known_cost
            .extend(self.costs.known().enumerate().map(|(model, known)| known || (is_estimated && is_fitted(model))));
        Ok(())
    }

    /// The expected cost of every pair: the quality estimators' where they have one, otherwise the cost model's, for answers of
    /// the length that is expected or of mean length.
    fn expect_cost(
        &self,
        batch: &QueryBatch<'_>,
        aggregate: &Estimates,
        lengths: &mut Estimates,
        out: &mut Matrix,
    ) -> Result<()> {
        out.reset(batch.prompts.len(), self.pool.len());
        let estimated = aggregate.cost_usd();
        match &self.output_length {
            Some(length) if estimated.is_none() => length.estimate(batch, lengths)?,
            _ => lengths.reset(batch.prompts.len(), 0),
        }
        for (row, prompt) in batch.prompts.iter().enumerate() {
            self.costs.expected_row(prompt.approximate_tokens(), lengths.quality().row(row), out.row_mut(row));
            if let Some(estimated) = estimated {
                let of_fitted = out.row_mut(row).iter_mut().zip(estimated.row(row));
                of_fitted.for_each(|(cost, estimated)| *cost = *estimated);
            }
        }
        Ok(())
    }

    /// Decides for the batch that `buffers` hold the prediction of.
    pub(super) fn choose_batch(
        &self,
        prompts: PromptsView<'_>,
        constraints: &[Constraints],
        buffers: &mut RouteBuffers,
        out: &mut [Decision],
    ) -> Result<()> {
        let unconstrained = Constraints::default();
        buffers.eligible.reset(prompts.len(), self.pool.len());
        for (row, prompt) in prompts.iter().enumerate() {
            let constraint = constraints.get(row).unwrap_or(&unconstrained);
            if constraint.is_unconstrained() && !self.has_context_windows() {
                continue;
            }
            let tokens = prompt.approximate_tokens();
            let estimates = buffers.cost_usd.row(row).iter().zip(buffers.aggregate.quality().row(row));
            let cells = buffers.eligible.row_mut(row).iter_mut().zip(estimates).zip(&buffers.known_cost);
            for (model, ((eligible, (&cost, &quality)), &known)) in cells.enumerate() {
                let expected = ExpectedCall { prompt_tokens: tokens, cost_usd: known.then_some(cost), quality };
                *eligible = constraint.ineligible(&self.pool, model, expected).is_none();
            }
        }
        let choice = Choice {
            quality: buffers.aggregate.quality(),
            variance: buffers.aggregate.variance(),
            cost_usd: buffers.cost_usd.view(),
            known_cost: &buffers.known_cost,
            eligible: &buffers.eligible,
        };
        self.policy.choose(&choice, out)?;
        for (prompt, decision) in prompts.iter().zip(out.iter_mut()) {
            let parts = prompt.parts_not_read();
            if parts > 0 {
                decision.reasons.push(Reason::PartsNotRead { parts });
            }
        }
        if buffers.tasks.tasks() > 0 {
            for (row, decision) in out.iter_mut().enumerate() {
                if buffers.tasks.assigned(row).is_none() {
                    decision.reasons.push(Reason::NoTask);
                }
            }
        }
        Ok(())
    }

    fn has_context_windows(&self) -> bool {
        self.pool.models().iter().any(|model| model.context_window.is_some())
    }
}

fn classify(
    classifier: Option<&(dyn StoredClassifier + 'static)>,
    embeddings: MatrixView<'_>,
    out: &mut TaskDistribution,
) -> Result<()> {
    match classifier {
        Some(classifier) => FittedClassifier::classify(classifier, embeddings, out),
        None => {
            out.reset(embeddings.rows(), 0);
            Ok(())
        }
    }
}

/// The estimates of every part for one batch.
pub(crate) fn estimate_parts(
    classifier: Option<&(dyn StoredClassifier + 'static)>,
    parts: &[(PartInfo, Box<dyn StoredEstimator>)],
    prompts: PromptsView<'_>,
    embeddings: MatrixView<'_>,
) -> Result<Vec<Estimates>> {
    let mut tasks = TaskDistribution::new();
    classify(classifier, embeddings, &mut tasks)?;
    let batch = QueryBatch { prompts, embeddings, tasks: &tasks };
    parts
        .iter()
        .map(|(info, estimator)| {
            let mut out = Estimates::new();
            FittedEstimator::estimate(&**estimator, &batch, &mut out)?;
            out.view().check_finite(&info.slot)?;
            Ok(out)
        })
        .collect()
}

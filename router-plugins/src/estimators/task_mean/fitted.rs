//! The task-mean estimator, ready.

#![allow(clippy::inline_always, reason = "what is called instead of inlined is compiled for the narrowest vectors")]

use pulp::{Arch, Simd, WithSimd};
use router_core::prelude::*;

use crate::estimators::task_mean::config::Assignment;

/// Task means that are ready. Row t of the scores and variances is task t; the last row is what holds for all prompts.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskMeanEstimator {
    assignment: Assignment,
    scores: Matrix,
    variances: Matrix,
    shrinkages: Vec<f64>,
}

impl TaskMeanEstimator {
    pub(super) fn new(assignment: Assignment, scores: Matrix, variances: Matrix, shrinkages: Vec<f64>) -> Result<Self> {
        let shape = (scores.rows(), scores.cols());
        if shape.0 == 0 || shape.1 == 0 || shape != (variances.rows(), variances.cols()) || shrinkages.len() != shape.1
        {
            return Err(Error::shape("task means", "one row a task and one for all", format!("{shape:?}")));
        }
        scores.view().check_finite("task means")?;
        variances.view().check_finite("variances of task means")?;
        Ok(Self { assignment, scores, variances, shrinkages })
    }

    /// Number of tasks.
    pub fn tasks(&self) -> usize {
        self.scores.rows() - 1
    }

    /// The scores: row t is task t's score of every model, the last row every model's mean over all prompts.
    pub fn scores(&self) -> MatrixView<'_> {
        self.scores.view()
    }

    /// The pseudo-outcomes that every model's scores were shrunk by.
    pub fn shrinkages(&self) -> &[f64] {
        &self.shrinkages
    }

    /// The probabilities of the tasks that speak for prompt `row`, and one more row of the scores with its weight; together they sum to 1.
    fn speakers<'a>(&self, tasks: &'a TaskDistribution, row: usize) -> (&'a [f32], (usize, f32)) {
        let of_all = self.tasks();
        match self.assignment {
            Assignment::Soft => (tasks.probabilities(row), (of_all, tasks.probability_of_none(row))),
            Assignment::Hard => (&[], (tasks.assigned(row).map_or(of_all, TaskId::index), 1.0)),
        }
    }
}

/// Adds up what the tasks say of one prompt: the mean of every model's scores, and the variance of the mixture of posteriors.
struct Mixture<'a> {
    of: &'a TaskMeanEstimator,
    speakers: (&'a [f32], (usize, f32)),
    quality: &'a mut [f32],
    variance: &'a mut [f32],
}

impl Mixture<'_> {
    #[inline(always)]
    fn weight(&self, at: usize) -> (usize, f32) {
        self.speakers.0.get(at).map_or(self.speakers.1, |&weight| (at, weight))
    }
}

impl WithSimd for Mixture<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for at in 0..=self.speakers.0.len() {
            let (task, weight) = self.weight(at);
            if weight > 0.0 {
                for (sum, &score) in self.quality.iter_mut().zip(self.of.scores.row(task)) {
                    *sum += weight * score;
                }
            }
        }
        for at in 0..=self.speakers.0.len() {
            let (task, weight) = self.weight(at);
            if weight > 0.0 {
                let posterior = self.of.scores.row(task).iter().zip(self.of.variances.row(task));
                let sums = self.variance.iter_mut().zip(&*self.quality);
                for ((sum, &mean), (&score, &variance)) in sums.zip(posterior) {
                    *sum += weight * (variance + (score - mean) * (score - mean));
                }
            }
        }
    }
}

impl FittedEstimator for TaskMeanEstimator {
    fn models(&self) -> usize {
        self.scores.cols()
    }

    /// The variance is that of the mixture of the tasks' posteriors: which task it is is part of what is not known.
    fn estimate(&self, batch: &QueryBatch<'_>, out: &mut Estimates) -> Result<()> {
        let prompts = batch.prompts.len();
        if batch.tasks.tasks() != self.tasks() {
            return Err(Error::shape("tasks", self.tasks(), batch.tasks.tasks()));
        }
        if batch.tasks.prompts() != prompts {
            return Err(Error::shape("task distributions", prompts, batch.tasks.prompts()));
        }
        out.reset(prompts, self.models());
        let mut variances = std::mem::take(out.variance_mut());
        for row in 0..prompts {
            let speakers = self.speakers(batch.tasks, row);
            let (quality, variance) = (out.quality_mut().row_mut(row), variances.row_mut(row));
            Arch::new().dispatch(Mixture { of: self, speakers, quality, variance });
        }
        *out.variance_mut() = variances;
        Ok(())
    }
}

impl Persist for TaskMeanEstimator {
    const FORMAT: &'static str = "task-mean-estimator";
    const VERSION: u32 = 1;

    fn save(&self, writer: &mut SlotWriter) -> Result<()> {
        writer.put_json("assignment", &self.assignment)?;
        writer.put_json("shrinkages", &self.shrinkages)?;
        writer.put_matrix("scores", &self.scores)?;
        writer.put_matrix("variances", &self.variances)
    }

    fn load(reader: &SlotReader<'_>) -> Result<Self> {
        Self::new(
            reader.get_json("assignment")?,
            reader.get_matrix("scores")?,
            reader.get_matrix("variances")?,
            reader.get_json("shrinkages")?,
        )
        .map_err(|error| reader.corrupt(&error.to_string()))
    }
}

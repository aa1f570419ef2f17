//! The task-mean estimator, ready.

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

    /// The rows of the scores that speak for prompt `row`, with their weights, which sum to 1.
    fn speakers<'a>(
        &'a self,
        tasks: &'a TaskDistribution,
        row: usize,
    ) -> impl Iterator<Item = (usize, f32)> + Clone + 'a {
        let of_all = self.tasks();
        let (soft, one) = match self.assignment {
            Assignment::Soft => (tasks.probabilities(row), (of_all, tasks.probability_of_none(row))),
            Assignment::Hard => (&[][..], (tasks.assigned(row).map_or(of_all, TaskId::index), 1.0)),
        };
        soft.iter().copied().enumerate().chain(std::iter::once(one)).filter(|&(_, weight)| weight > 0.0)
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
        for row in 0..prompts {
            let quality = out.quality_mut().row_mut(row);
            for (task, weight) in self.speakers(batch.tasks, row) {
                for (sum, &score) in quality.iter_mut().zip(self.scores.row(task)) {
                    *sum += weight * score;
                }
            }
        }
        let mut variances = std::mem::take(out.variance_mut());
        for row in 0..prompts {
            let quality = out.quality().row(row);
            for (task, weight) in self.speakers(batch.tasks, row) {
                let posterior = self.scores.row(task).iter().zip(self.variances.row(task));
                for ((sum, (&score, &variance)), &mean) in variances.row_mut(row).iter_mut().zip(posterior).zip(quality)
                {
                    *sum += weight * (variance + (score - mean) * (score - mean));
                }
            }
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

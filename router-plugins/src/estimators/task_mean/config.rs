//! Parameters of the task-mean estimator.

use router_core::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::estimators::task_mean::fit;
use crate::estimators::task_mean::fitted::TaskMeanEstimator;
use crate::ranges::out_of_range;

/// How a prompt's task distribution is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Assignment {
    /// The scores of all tasks, weighed by their probability.
    #[default]
    Soft,
    /// The scores of the assigned task alone; of all prompts where none is assigned.
    Hard,
}

/// Parameters of the `task-mean` estimator.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TaskMeanConfig {
    /// A task's score of a model is pulled toward the model's mean over all prompts as if by this many outcomes. Estimated
    /// for each model by empirical Bayes if left out, which is the default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1.0e6))]
    pub shrinkage: Option<f64>,
    /// Whether a prompt gets the scores of all tasks by their probability (`soft`, the default) or those of its assigned task
    /// alone (`hard`).
    pub assignment: Assignment,
}

impl PluginConfig for TaskMeanConfig {
    const NAME: &'static str = "task-mean";
    const SUMMARY: &'static str = "A model's shrunk mean quality on the prompt's task";
    const SOURCE: &'static str = "FineRouter, arXiv 2603.19415, stage 1";
    const COST: &'static str = "fit O(outcomes); O(tasks m) a prompt";
    const EXAMPLE: &'static str = "shrinkage = 10.0\nassignment = \"soft\"\n";
}

impl QualityEstimator for TaskMeanConfig {
    type Fitted = TaskMeanEstimator;

    fn stage(&self) -> Stage {
        Stage::Task
    }

    fn fit(&self, set: &TrainingSet, tasks: &Tasks, _cx: &FitContext) -> Result<TaskMeanEstimator> {
        if let Some(shrinkage) = self.shrinkage
            && (!shrinkage.is_finite() || shrinkage < 0.0)
        {
            return out_of_range("shrinkage", &shrinkage, "a finite number, at least 0");
        }
        if tasks.assigned().len() != set.len() {
            return Err(Error::shape("prompts of a task map", set.len(), tasks.assigned().len()));
        }
        fit::fit(self, set, tasks)
    }
}

router_core::register!(EstimatorRole, TaskMeanConfig);

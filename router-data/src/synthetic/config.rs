//! What a synthetic world is to be like.

use router_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

use super::{bank, pool};

/// Whether the words of a prompt tell its task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Wording {
    /// A prompt is worded as its planted task.
    Telling,
    /// A prompt is worded as a topic that is drawn independently of its planted task, and its benchmark label names the topic.
    Misleading,
}

/// What decides how good a model is at a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Skill {
    /// The planted task: bigger models are a little better at all, and every task has two specialists.
    Task,
    /// The planted task: every task ranks the models in an order of its own, as unlike the other orders as can be found,
    /// with even steps between ranks.
    Ranking,
    /// The planted task and a cue in the prompt ("short form" or "long form"): every task has two specialists, one for each
    /// side of the cue, and which is for which differs from task to task. Over all tasks a cue is worth nothing for any
    /// model, so that a model without task-specific parts that is linear in the words cannot represent it.
    Cue,
}

/// How the quality of an answer is graded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Grading {
    /// 1 with the probability of the model's skill, otherwise 0.
    PassFail,
    /// The model's skill itself, rounded to four digits.
    Graded,
}

/// The parameters of a synthetic world. The same parameters give the same bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WorldConfig {
    /// The seed. Default 0.
    pub seed: u64,
    /// Number of prompts, at least `tasks * smallest_task`. Default 1,000.
    pub prompts: usize,
    /// Number of planted tasks, 1 to 256. Default 10.
    pub tasks: usize,
    /// Number of models, 2 to 80. Default 8.
    pub models: usize,
    /// Whether the words tell the task. Default telling.
    pub wording: Wording,
    /// What decides how good a model is. Default task.
    pub skill: Skill,
    /// How answers are graded. Default pass or fail.
    pub grading: Grading,
    /// The share of words in the places that tell a task which come from a vocabulary common to all tasks, 0 to 0.9.
    /// Default 0.2.
    pub vocabulary_overlap: f64,
    /// The share of prompts that are worded as another task, drawn anew, 0 to 0.5. Default 0.
    pub wording_noise: f64,
    /// Standard deviation of what is added to the skill at every single outcome, 0 to 0.5. Default 0.05.
    pub outcome_noise: f64,
    /// The share of outcomes that were seen, above 0 to 1. Every prompt keeps at least one. Default 1.
    pub observed: f64,
    /// How unequal the tasks are: task k of a random order has a size in proportion to 1 / k^skew, 0 to 2. Default 0.5.
    pub size_skew: f64,
    /// The least number of prompts in a task, at least 2. Default 20.
    pub smallest_task: usize,
    /// What a specialist's skill is above the others', 0 to 0.5. Default 0.35.
    pub specialist_gain: f64,
    /// Number of kinds of cue in every prompt where skill is by cue, 1 to 4; a task hears one of them. Default 1.
    pub cues: usize,
    /// Number of models whose calls were not measured: neither cost nor tokens. Default 1.
    pub unmeasured_models: usize,
}

impl Default for WorldConfig {
    fn default() -> Self {
        Self {
            seed: 0,
            prompts: 1_000,
            tasks: 10,
            models: 8,
            wording: Wording::Telling,
            skill: Skill::Task,
            grading: Grading::PassFail,
            vocabulary_overlap: 0.2,
            wording_noise: 0.0,
            outcome_noise: 0.05,
            observed: 1.0,
            size_skew: 0.5,
            smallest_task: 20,
            specialist_gain: 0.35,
            cues: 1,
            unmeasured_models: 1,
        }
    }
}

impl WorldConfig {
    /// A world in which routing pays: 2,100 prompts in 12 tasks of unequal size, 8 models. The model that is best for each
    /// task beats the model that is best on the whole by at least 0.1, and usually by 0.2.
    pub fn demo(seed: u64) -> Self {
        Self { seed, prompts: 2_100, tasks: 12, models: 8, smallest_task: 60, ..Self::default() }
    }

    /// A world in which wording misleads and only the agreement of model rankings separates the tasks: 1,200 prompts in
    /// 8 tasks, worded as 8 topics that have nothing to do with them; 12 models with graded quality of low noise, so that the
    /// ranking of the models can be read off a single prompt.
    pub fn misleading(seed: u64) -> Self {
        Self {
            seed,
            prompts: 1_200,
            tasks: 8,
            models: 12,
            wording: Wording::Misleading,
            skill: Skill::Ranking,
            grading: Grading::Graded,
            outcome_noise: 0.02,
            smallest_task: 60,
            ..Self::default()
        }
    }

    /// A world in which task-specific parts on top of a shared one are needed: 2,400 prompts in 12 tasks of equal size,
    /// 6 models. In every task one of two specialists is good at short forms and the other at long ones; which is which
    /// differs from task to task, half and half for every model.
    pub fn task_skill(seed: u64) -> Self {
        Self {
            seed,
            prompts: 2_400,
            tasks: 12,
            models: 6,
            skill: Skill::Cue,
            grading: Grading::Graded,
            size_skew: 0.0,
            smallest_task: 60,
            specialist_gain: 0.4,
            ..Self::default()
        }
    }

    /// # Errors
    /// [`ErrorKind::Config`] with the first field out of its range.
    pub fn validate(&self) -> Result<()> {
        fn within<T: PartialOrd + std::fmt::Display>(field: &str, value: T, least: T, most: T) -> Result<()> {
            if value >= least && value <= most {
                return Ok(());
            }
            Err(Error::new(ErrorKind::Config, format!("{value} is outside its range"))
                .at_field(field)
                .help(format!("{least} to {most}")))
        }
        within("tasks", self.tasks, 1, bank::MOST_TASKS)?;
        within("models", self.models, 2, pool::MOST_MODELS)?;
        within("smallest_task", self.smallest_task, 2, 1_000_000)?;
        within("prompts", self.prompts, self.tasks * self.smallest_task, 10_000_000)?;
        within("vocabulary_overlap", self.vocabulary_overlap, 0.0, 0.9)?;
        within("wording_noise", self.wording_noise, 0.0, 0.5)?;
        within("outcome_noise", self.outcome_noise, 0.0, 0.5)?;
        within("observed", self.observed, f64::MIN_POSITIVE, 1.0)?;
        within("size_skew", self.size_skew, 0.0, 2.0)?;
        within("specialist_gain", self.specialist_gain, 0.0, 0.5)?;
        within("cues", self.cues, 1, bank::CUES.len())?;
        within("unmeasured_models", self.unmeasured_models, 0, self.models)
    }
}

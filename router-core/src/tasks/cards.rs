//! Task cards: what people read about a task.
#![allow(clippy::indexing_slicing, reason = "one entry a task, allocated here")]

use serde::{Deserialize, Serialize};

use crate::config::TasksConfig;
use crate::error::{Error, ErrorKind, Result};
use crate::tasks::exemplars::exemplars;
use crate::tasks::keywords::keywords;
use crate::tasks::profile::Tasks;
use crate::types::dataset::TrainingSet;
use crate::types::task::TaskId;

/// A typical training prompt of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exemplar {
    /// Its id.
    pub prompt_id: String,
    /// The beginning of its text.
    pub text: String,
}

/// A model's score on a task, for people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelCard {
    /// The model.
    pub model: String,
    /// Mean quality on the task's training prompts, pulled toward the mean over all prompts.
    pub score: f64,
    /// Mean quality on the task's training prompts.
    pub mean: f64,
    /// 95% Wilson score interval of the mean, over the effective number of outcomes where they are weighted.
    pub interval: [f64; 2],
    /// Outcomes behind it.
    pub outcomes: usize,
}

/// A task, for people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskCard {
    /// The task.
    pub id: TaskId,
    /// Training prompts in it.
    pub size: usize,
    /// Share of all training prompts.
    pub share: f64,
    /// How far it comes back when the prompts are drawn anew, in [0, 1]: the mean of Hennig's cluster-wise Jaccard similarity
    /// over bootstrap resamples. At least 0.75 is a stable task, below 0.6 one not to be trusted. `None` where it was not
    /// measured (`tasks.stability_resamples`).
    #[serde(default)]
    pub stability: Option<f64>,
    /// Words and pairs of words that distinguish it from the other tasks, by class-based TF-IDF.
    pub keywords: Vec<String>,
    /// Prompts that are near its center and differ from each other.
    pub exemplars: Vec<Exemplar>,
    /// Models with heads of their own in this task, best first.
    pub candidates: Vec<String>,
    /// Every model's score, best first.
    pub models: Vec<ModelCard>,
}

/// The cards of all tasks: `tasks.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct TaskCards {
    /// Training prompts.
    pub prompts: usize,
    /// Training prompts without a task.
    pub without_task: usize,
    /// The cards, by task id.
    pub tasks: Vec<TaskCard>,
}

impl TaskCards {
    /// Writes the cards of `tasks`, found among the prompts of `set`; `stability` holds one entry a task, or is empty where it
    /// was not measured. O(words + n * d * exemplars).
    pub fn new(set: &TrainingSet, tasks: &Tasks, stability: &[Option<f64>], config: &TasksConfig) -> Self {
        let members = tasks.map().members();
        let assigned: usize = members.iter().map(Vec::len).sum();
        let texts = members.iter().map(|rows| rows.iter().map(|&row| set.prompt(row).text()).collect());
        let keywords = keywords(texts, config.keywords);
        let cards = members
            .iter()
            .zip(tasks.profiles())
            .zip(keywords)
            .enumerate()
            .map(|(id, ((rows, profile), keywords))| {
                let mut models: Vec<(f64, ModelCard)> = profile
                    .models
                    .iter()
                    .enumerate()
                    .map(|(model, score)| {
                        let card = ModelCard {
                            model: set.models().name(model).to_owned(),
                            score: score.score,
                            mean: score.mean,
                            interval: score.interval,
                            outcomes: score.outcomes,
                        };
                        (score.score, card)
                    })
                    .collect();
                models.sort_by(|a, b| b.0.total_cmp(&a.0)); // stable: ties keep the pool's order
                TaskCard {
                    id: TaskId(id as u32),
                    size: rows.len(),
                    share: rows.len() as f64 / set.len() as f64,
                    stability: stability.get(id).copied().flatten(),
                    keywords,
                    exemplars: exemplars(set, rows, config.exemplars),
                    candidates: profile.candidates.iter().map(|&model| set.models().name(model).to_owned()).collect(),
                    models: models.into_iter().map(|(_, card)| card).collect(),
                }
            })
            .collect();
        Self { prompts: set.len(), without_task: set.len() - assigned, tasks: cards }
    }

    /// The card of `task`.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] if there is no such task.
    pub fn get(&self, task: TaskId) -> Result<&TaskCard> {
        self.tasks.get(task.index()).ok_or_else(|| {
            let help = match self.tasks.len() {
                0 => "this router has no tasks".to_owned(),
                count => format!("tasks are numbered 0 to {}", count - 1),
            };
            Error::new(ErrorKind::Usage, format!("there is no task {task}")).help(help)
        })
    }

    /// The same cards without any training prompt.
    pub fn without_exemplars(mut self) -> Self {
        for card in &mut self.tasks {
            card.exemplars.clear();
        }
        self
    }
}

//! Minimal worlds: small, seeded, easy, and their degenerate variants.
#![allow(clippy::indexing_slicing, reason = "tables of fixed size, indexed by a remainder")]

use std::sync::Arc;

use rand::RngExt;

use crate::config::TasksConfig;
use crate::error::Result;
use crate::seed::Seed;
use crate::tasks::Tasks;
use crate::types::dataset::{Dataset, TrainingSet};
use crate::types::matrix::Matrix;
use crate::types::model::{Model, ModelPool};
use crate::types::outcome::{Outcome, Outcomes};
use crate::types::prompt::Prompt;
use crate::types::task::TaskMap;

/// Words of each planted task; the tasks share none but the fillers.
const WORDS: [[&str; 6]; 3] = [
    ["equation", "integer", "sum", "divide", "fraction", "product"],
    ["function", "compile", "loop", "array", "string", "return"],
    ["translate", "french", "german", "sentence", "grammar", "verb"],
];
const FILLERS: [&str; 6] = ["please", "the", "answer", "give", "short", "now"];

/// Dimension of the embeddings of a minimal world.
pub const DIMENSION: usize = 24;

/// Prompts with planted tasks, their outcomes, and embeddings that tell the tasks apart.
#[derive(Debug, Clone)]
pub struct MinimalWorld {
    /// The name of the variant, for messages.
    pub name: &'static str,
    /// Prompts, models and outcomes; every prompt's benchmark is its planted task.
    pub dataset: Arc<Dataset>,
    /// n x [`DIMENSION`] counts of words, hashed, of unit norm.
    pub embeddings: Arc<Matrix>,
    /// The planted task of every prompt.
    pub planted: Vec<u32>,
}

impl MinimalWorld {
    /// `prompts` prompts in three tasks and four models: model t answers task t well and the others badly, the last one is
    /// middling everywhere. The same seed gives the same world.
    ///
    /// # Errors
    /// Never for one prompt or more.
    pub fn easy(prompts: usize, seed: u64) -> Result<Self> {
        Self::build("easy", prompts, seed, 4, |task, model, draw| {
            let skill = if model == 3 {
                0.6
            } else if model == task {
                0.95
            } else {
                0.2
            };
            Some(if draw < skill { 1.0 } else { 0.0 })
        })
    }

    /// The easy world and every degenerate one: one prompt, one model, constant outcomes, one outcome a prompt, partly
    /// missing outcomes, a model that was never seen, equal texts.
    ///
    /// # Errors
    /// Never.
    pub fn variants(seed: u64) -> Result<Vec<Self>> {
        let easy =
            |task: usize, model: usize, draw: f64| if draw < if model == task { 0.9 } else { 0.3 } { 1.0 } else { 0.0 };
        let mut turn = 0usize;
        let mut equal_texts = Self::easy(12, seed)?;
        equal_texts.name = "equal texts";
        let prompts = (0..12).map(|at| Prompt::new(format!("p{at}"), "the same text")).collect();
        let (models, outcomes) = (equal_texts.dataset.models().clone(), equal_texts.dataset.outcomes().clone());
        equal_texts.dataset = Arc::new(Dataset::new("equal texts", prompts, models, outcomes)?);
        equal_texts.embeddings = Arc::new(embed(equal_texts.dataset.prompts())?);
        Ok(vec![
            Self::easy(90, seed)?,
            Self::build("one prompt", 1, seed, 3, |task, model, draw| Some(easy(task, model, draw)))?,
            Self::build("two prompts", 2, seed, 3, |task, model, draw| Some(easy(task, model, draw)))?,
            Self::build("one model", 30, seed, 1, |task, model, draw| Some(easy(task, model, draw)))?,
            Self::build("constant outcomes", 30, seed, 3, |_, _, _| Some(1.0))?,
            Self::build("one outcome a prompt", 60, seed, 3, |task, model, draw| {
                turn += usize::from(model == 0);
                (turn % 3 == model).then(|| easy(task, model, draw))
            })?,
            Self::build("partly missing outcomes", 60, seed, 3, |task, model, draw| {
                (draw < 0.5).then(|| easy(task, model, 2.0 * draw))
            })?,
            Self::build("a model never seen", 45, seed, 3, |task, model, draw| {
                (model != 1).then(|| easy(task, model, draw))
            })?,
            equal_texts,
        ])
    }

    fn build(
        name: &'static str,
        prompts: usize,
        seed: u64,
        models: usize,
        mut quality: impl FnMut(usize, usize, f64) -> Option<f32>,
    ) -> Result<Self> {
        let mut stream = Seed::root(seed).stream(name);
        let mut texts = Vec::with_capacity(prompts);
        let mut planted = Vec::with_capacity(prompts);
        let mut rows = Vec::with_capacity(prompts);
        for at in 0..prompts {
            let task = at % WORDS.len();
            let words: Vec<&str> = (0..10)
                .map(|_| {
                    let word = stream.random_range(0..6);
                    if stream.random_bool(0.7) { WORDS[task][word] } else { FILLERS[word] }
                })
                .collect();
            texts.push(Prompt::new(format!("p{at}"), words.join(" ")).with_benchmark(format!("task {task}")));
            planted.push(task as u32);
            let mut row = Vec::new();
            for model in 0..models {
                let draw: f64 = stream.random();
                if let Some(quality) = quality(task, model, draw) {
                    row.push(Outcome::new(model, quality));
                }
            }
            rows.push(row);
        }
        if rows.iter().all(Vec::is_empty) {
            rows[0].push(Outcome::new(0, 1.0));
        }
        let pool =
            (0..models).map(|model| Model::new(format!("model-{model}")).with_price(1.0 + model as f64, 2.0)).collect();
        let embeddings = Arc::new(embed(&texts)?);
        let dataset = Dataset::new(name, texts, ModelPool::new(pool)?, Outcomes::from_rows(models, rows)?)?;
        Ok(Self { name, dataset: Arc::new(dataset), embeddings, planted })
    }

    /// The prompts with their embeddings, for fitting.
    ///
    /// # Errors
    /// Never.
    pub fn training_set(&self) -> Result<TrainingSet> {
        TrainingSet::new(Arc::clone(&self.dataset), Arc::clone(&self.embeddings))
    }

    /// The planted tasks, profiled.
    ///
    /// # Errors
    /// Never.
    pub fn tasks(&self) -> Result<Tasks> {
        let labels: Vec<Option<u32>> = self.planted.iter().map(|&task| Some(task)).collect();
        Tasks::profile(&self.training_set()?, TaskMap::from_labels(&labels), &TasksConfig::default())
    }
}

/// Counts of words by a simple hash, of unit norm.
fn embed(prompts: &[Prompt]) -> Result<Matrix> {
    let mut matrix = Matrix::zeros(prompts.len(), DIMENSION);
    for (row, prompt) in prompts.iter().enumerate() {
        embed_text(&prompt.text(), matrix.row_mut(row));
    }
    Matrix::from_vec(prompts.len(), DIMENSION, matrix.into_vec())
}

/// Writes the embedding of `text` into `out`, of [`DIMENSION`] numbers.
pub(crate) fn embed_text(text: &str, out: &mut [f32]) {
    out.fill(0.0);
    for word in text.split_whitespace() {
        let hash = word.bytes().fold(5381u32, |hash, byte| hash.wrapping_mul(33) ^ u32::from(byte));
        out[hash as usize % DIMENSION] += 1.0;
    }
    let norm = out.iter().map(|value| value * value).sum::<f32>().sqrt();
    if norm > 0.0 {
        for value in out.iter_mut() {
            *value /= norm;
        }
    } else {
        out[0] = 1.0;
    }
}

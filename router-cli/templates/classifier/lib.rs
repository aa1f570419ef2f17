#![doc = include_str!("../README.md")]

use router_core::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parameters of the classifier `my-idea`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MyIdeaConfig {
    /// How closely the prompts of a task lie around its center; the higher, the surer the
    /// classifier. Default 20.
    // The range is declared once: configurations, `router schema` and the docs read it here.
    #[schemars(range(min = 0.0, max = 10_000.0))]
    pub concentration: f32,
}

impl Default for MyIdeaConfig {
    fn default() -> Self {
        Self {
            concentration: 20.0,
        }
    }
}

impl PluginConfig for MyIdeaConfig {
    const NAME: &'static str = "my-idea";
    const SUMMARY: &'static str = "The likeliest task under a von Mises-Fisher distribution a task";
    const SOURCE: &'static str = "Banerjee et al., Clustering on the Unit Hypersphere using von Mises-Fisher Distributions, JMLR 6 (2005)";
    const COST: &'static str = "fit O(n d); O(tasks d) a prompt";
    const EXAMPLE: &'static str = "concentration = 30.0\n";
}

register!(ClassifierRole, MyIdeaConfig);

impl TaskClassifier for MyIdeaConfig {
    type Fitted = MyIdea;

    fn fit(&self, set: &TrainingSet, tasks: &Tasks, cx: &FitContext) -> Result<MyIdea> {
        // YOUR IDEA GOES HERE. This one keeps the direction of every task's mean embedding and how
        // frequent the task is. There may be no task at all.
        let members = tasks.map().members();
        let mut centers = Matrix::zeros(members.len(), set.embeddings().cols());
        let mut log_shares = Vec::with_capacity(members.len());
        for (task, rows) in members.iter().enumerate() {
            cx.check_cancelled()?;
            let center = centers.row_mut(task);
            for &row in rows {
                center
                    .iter_mut()
                    .zip(set.embeddings().row(row))
                    .for_each(|(sum, x)| *sum += x);
            }
            normalize(center);
            log_shares.push((rows.len() as f32 / set.len() as f32).ln());
        }
        Ok(MyIdea {
            concentration: self.concentration,
            centers,
            log_shares,
        })
    }
}

/// Makes a vector one of length 1, unless it is zero.
fn normalize(vector: &mut [f32]) {
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|x| *x /= length);
    }
}

/// The fitted classifier: what it needs to answer, and nothing else.
#[derive(Debug, Clone, PartialEq)]
pub struct MyIdea {
    concentration: f32,
    /// The direction of every task's mean embedding, tasks x d.
    centers: Matrix,
    /// The logarithm of every task's share of the training prompts.
    log_shares: Vec<f32>,
}

impl FittedClassifier for MyIdea {
    fn dimension(&self) -> usize {
        self.centers.cols()
    }

    fn tasks(&self) -> usize {
        self.centers.rows()
    }

    fn classify(&self, embeddings: MatrixView<'_>, out: &mut TaskDistribution) -> Result<()> {
        if embeddings.cols() != self.dimension() {
            return Err(Error::shape(
                "dimension of the embeddings",
                self.dimension(),
                embeddings.cols(),
            ));
        }
        // The buffer belongs to the caller and keeps its memory.
        out.reset(embeddings.rows(), self.tasks());
        for row in 0..embeddings.rows() {
            let embedding = embeddings.row(row);
            let length = embedding
                .iter()
                .map(|x| x * x)
                .sum::<f32>()
                .sqrt()
                .max(f32::MIN_POSITIVE);
            let (probabilities, assigned) = out.row_mut(row);
            for (task, probability) in probabilities.iter_mut().enumerate() {
                let dot: f32 = self
                    .centers
                    .row(task)
                    .iter()
                    .zip(embedding)
                    .map(|(c, x)| c * x)
                    .sum();
                *probability = self.log_shares[task] + self.concentration * dot / length;
            }
            // Logarithms become probabilities; the largest is taken off first, so that none overflows.
            let best = probabilities
                .iter()
                .copied()
                .enumerate()
                .max_by(|a, b| a.1.total_cmp(&b.1));
            let Some((task, largest)) = best else {
                continue;
            };
            probabilities
                .iter_mut()
                .for_each(|p| *p = (*p - largest).exp());
            let sum: f32 = probabilities.iter().sum();
            probabilities.iter_mut().for_each(|p| *p /= sum);
            // Leave it `None` for a prompt that belongs to no task.
            *assigned = Some(TaskId(task as u32));
        }
        Ok(())
    }
}

impl Persist for MyIdea {
    const FORMAT: &'static str = "my-idea";
    // Count it up when the layout changes, and read older versions by `reader.version()`.
    const VERSION: u32 = 1;

    fn save(&self, writer: &mut SlotWriter) -> Result<()> {
        writer.put_f32("concentration", &[self.concentration])?;
        writer.put_matrix("centers", &self.centers)?;
        writer.put_f32("log_shares", &self.log_shares)
    }

    fn load(reader: &SlotReader<'_>) -> Result<Self> {
        // The file may be hostile: shapes and finiteness are checked here.
        let centers = reader.get_matrix("centers")?;
        let log_shares = reader.get_f32_of("log_shares", centers.rows())?;
        let concentration = reader.get_f32_of("concentration", 1)?;
        Ok(Self {
            concentration: concentration[0],
            centers,
            log_shares,
        })
    }
}

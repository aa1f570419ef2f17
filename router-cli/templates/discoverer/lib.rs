#![doc = include_str!("../README.md")]

use router_core::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parameters of the discoverer `my-idea`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MyIdeaConfig {
    /// Cosine from which a prompt joins a task instead of founding one. Default 0.4.
    // The range is declared once: configurations, `router schema` and the docs read it here.
    #[schemars(range(min = -1.0, max = 1.0))]
    pub similarity: f32,
    /// Prompts that a task must have; smaller ones are dissolved. Default 5.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub smallest: usize,
}

impl Default for MyIdeaConfig {
    fn default() -> Self {
        Self {
            similarity: 0.4,
            smallest: 5,
        }
    }
}

impl PluginConfig for MyIdeaConfig {
    const NAME: &'static str = "my-idea";
    const SUMMARY: &'static str =
        "Leader clustering: a prompt joins the nearest task or founds one";
    const SOURCE: &'static str = "Hartigan, Clustering Algorithms, Wiley 1975, chapter 3";
    const COST: &'static str = "O(n tasks d), one pass and one to assign";
    const EXAMPLE: &'static str = "similarity = 0.5\nsmallest = 10\n";
}

register!(DiscovererRole, MyIdeaConfig);

impl TaskDiscoverer for MyIdeaConfig {
    // Embeddings are at hand, and outcomes too (`set.outcomes()`); benchmark labels must not be
    // looked at. What is found here is carried over to new prompts by a classifier.
    fn discover(&self, set: &TrainingSet, cx: &FitContext) -> Result<TaskMap> {
        // YOUR IDEA GOES HERE. This one goes through the prompts once: each joins the nearest task
        // that is near enough, or founds one.
        let mut leaders: Vec<Leader> = Vec::new();
        for row in 0..set.len() {
            if row % 256 == 0 {
                cx.check_cancelled()?;
            }
            let embedding = set.embeddings().row(row);
            match nearest(&leaders, embedding) {
                Some((leader, cosine)) if cosine >= self.similarity => {
                    leaders[leader].join(embedding)
                }
                _ => leaders.push(Leader {
                    sum: embedding.to_vec(),
                    prompts: 1,
                }),
            }
        }
        // Then the tasks that are large enough stand, and every prompt joins the nearest of them.
        leaders.retain(|leader| leader.prompts >= self.smallest);
        let mut labels = Vec::with_capacity(set.len());
        for row in 0..set.len() {
            if row % 256 == 0 {
                cx.check_cancelled()?;
            }
            let found = nearest(&leaders, set.embeddings().row(row));
            // No task is an outcome, too.
            labels.push(
                found
                    .filter(|&(_, cosine)| cosine >= self.similarity)
                    .map(|(leader, _)| leader as u32),
            );
        }
        Ok(TaskMap::from_labels(&labels))
    }
}

/// A task under way.
struct Leader {
    /// The sum of its prompts' embeddings.
    sum: Vec<f32>,
    prompts: usize,
}

impl Leader {
    fn join(&mut self, embedding: &[f32]) {
        self.prompts += 1;
        self.sum
            .iter_mut()
            .zip(embedding)
            .for_each(|(sum, x)| *sum += x);
    }
}

/// The leader with the highest cosine, the first of equals, and that cosine.
fn nearest(leaders: &[Leader], embedding: &[f32]) -> Option<(usize, f32)> {
    let cosines = leaders
        .iter()
        .map(|leader| cosine(&leader.sum, embedding))
        .enumerate();
    cosines.max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)))
}

/// The cosine of two vectors; 0 where one is zero.
fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
    let lengths = (dot(a, a) * dot(b, b)).sqrt();
    if lengths > 0.0 {
        dot(a, b) / lengths
    } else {
        0.0
    }
}

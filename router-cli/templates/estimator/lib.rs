#![doc = include_str!("../README.md")]

use router_core::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parameters of the estimator `my-idea`. The type is the plugin before it is fitted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MyIdeaConfig {
    /// Outcomes' worth of shrinkage towards a model's mean: the higher, the less a prompt moves
    /// the estimate. Default 10.
    // The range is declared once: configurations, `router schema` and the docs read it here.
    #[schemars(range(min = 0.0, max = 1_000_000.0))]
    pub penalty: f64,
}

impl Default for MyIdeaConfig {
    fn default() -> Self {
        Self { penalty: 10.0 }
    }
}

impl PluginConfig for MyIdeaConfig {
    const NAME: &'static str = "my-idea";
    const SUMMARY: &'static str =
        "A line along the one direction in which embedding and quality vary together";
    const SOURCE: &'static str = "Wold, Estimation of Principal Components and Related Models by Iterative Least Squares, 1966 (partial least squares, one component)";
    const COST: &'static str = "fit O(outcomes d), O(m d) memory; O(m d) a prompt";
    const EXAMPLE: &'static str = "penalty = 30.0\n";
}

register!(EstimatorRole, MyIdeaConfig);

impl QualityEstimator for MyIdeaConfig {
    type Fitted = MyIdea;

    fn fit(&self, set: &TrainingSet, tasks: &Tasks, cx: &FitContext) -> Result<MyIdea> {
        let (models, dimension) = (set.models().len(), set.embeddings().cols());
        let center = mean_embedding(set);
        // A model that was never seen has the mean of the others here, and keeps it.
        let means = tasks.global();

        // YOUR IDEA GOES HERE. This one looks along one direction a model: that in which embedding
        // and quality vary together. Outcomes are sparse: only what was observed is visited.
        let mut directions = Matrix::zeros(models, dimension);
        for (at, (row, outcome)) in set.outcomes().iter().enumerate() {
            if at % 4_096 == 0 {
                cx.check_cancelled()?;
            }
            let surprise = outcome.weight * (outcome.quality - means[outcome.model] as f32);
            let direction = directions.row_mut(outcome.model);
            for ((sum, x), center) in direction
                .iter_mut()
                .zip(set.embeddings().row(row))
                .zip(&center)
            {
                *sum += surprise * (x - center);
            }
        }
        for model in 0..models {
            let length = directions
                .row(model)
                .iter()
                .map(|x| x * x)
                .sum::<f32>()
                .sqrt();
            if length > 0.0 {
                directions
                    .row_mut(model)
                    .iter_mut()
                    .for_each(|x| *x /= length);
            }
        }

        // A least squares line along each direction, shrunk by the penalty.
        let (mut products, mut squares) = (vec![0.0; models], vec![self.penalty; models]);
        for (at, (row, outcome)) in set.outcomes().iter().enumerate() {
            if at % 4_096 == 0 {
                cx.check_cancelled()?;
            }
            let model = outcome.model;
            let along = along(directions.row(model), set.embeddings().row(row), &center);
            let weight = f64::from(outcome.weight);
            products[model] += weight * along * (f64::from(outcome.quality) - means[model]);
            squares[model] += weight * along * along;
        }
        for model in 0..models {
            let slope = if squares[model] > 0.0 {
                products[model] / squares[model]
            } else {
                0.0
            };
            directions
                .row_mut(model)
                .iter_mut()
                .for_each(|x| *x *= slope as f32);
        }
        let means = means.iter().map(|&mean| mean as f32).collect();
        Ok(MyIdea {
            center,
            means,
            slopes: directions,
        })
    }
}

/// The mean embedding of the training prompts.
fn mean_embedding(set: &TrainingSet) -> Vec<f32> {
    let mut center = vec![0.0; set.embeddings().cols()];
    for row in 0..set.len() {
        for (sum, x) in center.iter_mut().zip(set.embeddings().row(row)) {
            *sum += x / set.len() as f32;
        }
    }
    center
}

/// How far `embedding` lies from `center` along `direction`.
fn along(direction: &[f32], embedding: &[f32], center: &[f32]) -> f64 {
    let products = direction
        .iter()
        .zip(embedding)
        .zip(center)
        .map(|((d, x), c)| d * (x - c));
    f64::from(products.sum::<f32>())
}

/// The fitted estimator: what it needs to answer, and nothing else.
#[derive(Debug, Clone, PartialEq)]
pub struct MyIdea {
    /// The mean embedding, d numbers.
    center: Vec<f32>,
    /// Mean quality, one a model.
    means: Vec<f32>,
    /// Change of quality with the embedding, m x d.
    slopes: Matrix,
}

impl FittedEstimator for MyIdea {
    fn models(&self) -> usize {
        self.means.len()
    }

    fn estimate(&self, batch: &QueryBatch<'_>, out: &mut Estimates) -> Result<()> {
        if batch.embeddings.cols() != self.center.len() {
            return Err(Error::shape(
                "dimension of the embeddings",
                self.center.len(),
                batch.embeddings.cols(),
            ));
        }
        // The buffer belongs to the caller and keeps its memory: no allocation a prompt.
        out.reset(batch.embeddings.rows(), self.means.len());
        for row in 0..batch.embeddings.rows() {
            let embedding = batch.embeddings.row(row);
            for (model, mean) in self.means.iter().enumerate() {
                let change = along(self.slopes.row(model), embedding, &self.center);
                out.quality_mut().set(row, model, mean + change as f32);
            }
        }
        Ok(())
    }
}

impl Persist for MyIdea {
    const FORMAT: &'static str = "my-idea";
    // Count it up when the layout changes, and read older versions by `reader.version()`.
    const VERSION: u32 = 1;

    fn save(&self, writer: &mut SlotWriter) -> Result<()> {
        writer.put_f32("center", &self.center)?;
        writer.put_f32("means", &self.means)?;
        writer.put_matrix("slopes", &self.slopes)
    }

    fn load(reader: &SlotReader<'_>) -> Result<Self> {
        // The file may be hostile: shapes and finiteness are checked here.
        let (center, means) = (reader.get_f32("center")?, reader.get_f32("means")?);
        let slopes = reader.get_matrix_of("slopes", means.len(), center.len())?;
        Ok(Self {
            center,
            means,
            slopes,
        })
    }
}

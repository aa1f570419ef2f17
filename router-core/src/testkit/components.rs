//! A minimal plugin a role: enough to put any one plugin under test into a whole router, and to read as a first example.
#![allow(clippy::indexing_slicing, reason = "rows and columns are within the shapes that were just reset")]

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::prelude::*;
use crate::testkit::world::{DIMENSION, embed_text};

/// Registers all of them, under names that begin with `minimal-`; plugins that are there already stay.
///
/// # Errors
/// Never, unless another crate took such a name.
pub fn register(registry: &mut Registry) -> Result<()> {
    let origin = env!("CARGO_PKG_NAME");
    if registry.info::<EmbedderRole>(MinimalEmbedder::NAME).is_ok() {
        return Ok(());
    }
    registry.register::<EmbedderRole, MinimalEmbedder>(origin)?;
    registry.register::<DiscovererRole, MinimalDiscoverer>(origin)?;
    registry.register::<ClassifierRole, MinimalClassifier>(origin)?;
    registry.register::<EstimatorRole, MinimalEstimator>(origin)?;
    registry.register::<AggregatorRole, MinimalAggregator>(origin)?;
    registry.register::<PolicyRole, MinimalPolicy>(origin)
}

macro_rules! minimal {
    ($(#[$doc:meta])* $config:ident, $name:literal, $summary:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, default)]
        pub struct $config {}

        impl PluginConfig for $config {
            const NAME: &'static str = $name;
            const SUMMARY: &'static str = $summary;
            const SOURCE: &'static str = "this project";
            const COST: &'static str = "what reading its input takes";
            const EXAMPLE: &'static str = "";
        }
    };
}

minimal!(
    /// Hashed counts of words.
    MinimalEmbedder, "minimal-embedder", "Hashed counts of words, for tests."
);
minimal!(
    /// A task a benchmark label.
    MinimalDiscoverer, "minimal-discoverer", "A task a benchmark label, for tests."
);
minimal!(
    /// The task with the nearest mean embedding.
    MinimalClassifier, "minimal-classifier", "The task with the nearest mean embedding, for tests."
);
minimal!(
    /// Every model's mean quality.
    MinimalEstimator, "minimal-estimator", "Every model's mean quality, for tests."
);
minimal!(
    /// The mean of all parts.
    MinimalAggregator, "minimal-aggregator", "The mean of all parts, for tests."
);
minimal!(
    /// The eligible model of the highest quality.
    MinimalPolicy, "minimal-policy", "The eligible model of the highest quality, for tests."
);

/// Stores a component that has nothing to store.
macro_rules! stateless {
    ($config:ident, $format:literal) => {
        impl Persist for $config {
            const FORMAT: &'static str = $format;
            const VERSION: u32 = 1;

            fn save(&self, _writer: &mut SlotWriter) -> Result<()> {
                Ok(())
            }

            fn load(_reader: &SlotReader<'_>) -> Result<Self> {
                Ok(Self {})
            }
        }
    };
}

#[async_trait]
impl Embedder for MinimalEmbedder {
    type Fitted = Self;

    async fn fit(&self, _texts: &[&str], _cx: &FitContext) -> Result<Self> {
        Ok(*self)
    }
}

#[async_trait]
impl FittedEmbedder for MinimalEmbedder {
    fn dimension(&self) -> usize {
        DIMENSION
    }

    fn fingerprint(&self) -> String {
        "minimal-embedder 1".to_owned()
    }

    async fn embed(&self, texts: &[&str]) -> Result<Embeddings> {
        let mut vectors = Matrix::zeros(texts.len(), DIMENSION);
        for (row, text) in texts.iter().enumerate() {
            embed_text(text, vectors.row_mut(row));
        }
        Ok(Embeddings::new(vectors))
    }
}

stateless!(MinimalEmbedder, "minimal-embedder");

impl TaskDiscoverer for MinimalDiscoverer {
    fn discover(&self, set: &TrainingSet, _cx: &FitContext) -> Result<TaskMap> {
        let mut names: Vec<&str> = set.prompts().filter_map(|prompt| prompt.benchmark.as_deref()).collect();
        names.sort_unstable();
        names.dedup();
        let label = |prompt: &Prompt| {
            let benchmark = prompt.benchmark.as_deref()?;
            names.binary_search(&benchmark).ok().map(|at| at as u32)
        };
        Ok(TaskMap::from_labels(&set.prompts().map(label).collect::<Vec<_>>()))
    }
}

/// Mean embeddings, a row a task.
pub struct Centers(Matrix);

impl TaskClassifier for MinimalClassifier {
    type Fitted = Centers;

    fn fit(&self, set: &TrainingSet, tasks: &Tasks, _cx: &FitContext) -> Result<Centers> {
        let mut centers = Matrix::zeros(tasks.count(), set.embeddings().cols());
        for (task, members) in tasks.map().members().iter().enumerate() {
            for &row in members {
                for (sum, value) in centers.row_mut(task).iter_mut().zip(set.embeddings().row(row)) {
                    *sum += value / members.len() as f32;
                }
            }
        }
        Ok(Centers(centers))
    }
}

impl FittedClassifier for Centers {
    fn dimension(&self) -> usize {
        self.0.cols()
    }

    fn tasks(&self) -> usize {
        self.0.rows()
    }

    fn classify(&self, embeddings: MatrixView<'_>, out: &mut TaskDistribution) -> Result<()> {
        if embeddings.cols() != self.0.cols() {
            return Err(Error::shape("dimension of the embeddings", self.0.cols(), embeddings.cols()));
        }
        out.reset(embeddings.rows(), self.0.rows());
        for row in 0..embeddings.rows() {
            let dot =
                |task: usize| -> f32 { self.0.row(task).iter().zip(embeddings.row(row)).map(|(a, b)| a * b).sum() };
            let nearest = (0..self.0.rows()).map(|task| (dot(task), task)).max_by(|a, b| a.0.total_cmp(&b.0));
            if let Some((_, task)) = nearest {
                let (probabilities, assigned) = out.row_mut(row);
                probabilities[task] = 1.0;
                *assigned = Some(TaskId(task as u32));
            }
        }
        Ok(())
    }
}

impl Persist for Centers {
    const FORMAT: &'static str = "minimal-centers";
    const VERSION: u32 = 1;

    fn save(&self, writer: &mut SlotWriter) -> Result<()> {
        writer.put_matrix("centers", &self.0)
    }

    fn load(reader: &SlotReader<'_>) -> Result<Self> {
        reader.get_matrix("centers").map(Self)
    }
}

/// Mean qualities, one a model.
pub struct Means(Vec<f32>);

impl QualityEstimator for MinimalEstimator {
    type Fitted = Means;

    fn fit(&self, _set: &TrainingSet, tasks: &Tasks, _cx: &FitContext) -> Result<Means> {
        Ok(Means(tasks.global().iter().map(|&mean| mean as f32).collect()))
    }
}

impl FittedEstimator for Means {
    fn models(&self) -> usize {
        self.0.len()
    }

    fn estimate(&self, batch: &QueryBatch<'_>, out: &mut Estimates) -> Result<()> {
        out.reset(batch.embeddings.rows(), self.0.len());
        for row in 0..batch.embeddings.rows() {
            out.quality_mut().row_mut(row).copy_from_slice(&self.0);
        }
        Ok(())
    }
}

impl Persist for Means {
    const FORMAT: &'static str = "minimal-means";
    const VERSION: u32 = 1;

    fn save(&self, writer: &mut SlotWriter) -> Result<()> {
        writer.put_f32("means", &self.0)
    }

    fn load(reader: &SlotReader<'_>) -> Result<Self> {
        reader.get_f32("means").map(Self)
    }
}

/// The number of parts that are averaged.
#[derive(Debug)]
pub struct Average(usize);

impl Aggregator for MinimalAggregator {
    type Fitted = Average;

    fn needs_cross_fit(&self, _parts: &[PartInfo]) -> bool {
        true
    }

    fn fit(&self, evidence: &AggregatorEvidence<'_>, _cx: &FitContext) -> Result<Average> {
        Ok(Average(evidence.parts.len()))
    }
}

impl FittedAggregator for Average {
    fn aggregate(&self, parts: &[EstimatesView<'_>], out: &mut Estimates) -> Result<()> {
        let [first, ..] = parts else {
            return Err(Error::shape("parts of an aggregate", self.0, parts.len()));
        };
        if parts.len() != self.0 {
            return Err(Error::shape("parts of an aggregate", self.0, parts.len()));
        }
        out.reset(first.prompts(), first.models());
        for part in parts {
            for (sum, value) in out.quality_mut().as_mut_slice().iter_mut().zip(part.quality.as_slice()) {
                *sum += value / parts.len() as f32;
            }
        }
        Ok(())
    }
}

impl Persist for Average {
    const FORMAT: &'static str = "minimal-average";
    const VERSION: u32 = 1;

    fn save(&self, writer: &mut SlotWriter) -> Result<()> {
        writer.put_json("parts", &self.0)
    }

    fn load(reader: &SlotReader<'_>) -> Result<Self> {
        reader.get_json("parts").map(Self)
    }
}

impl Policy for MinimalPolicy {
    type Fitted = Self;

    fn fit(&self, _evidence: &PolicyEvidence<'_>, _cx: &FitContext) -> Result<Self> {
        Ok(*self)
    }
}

impl FittedPolicy for MinimalPolicy {
    fn choose(&self, choice: &Choice<'_>, out: &mut [Decision]) -> Result<()> {
        if out.len() != choice.quality.rows() {
            return Err(Error::shape("decisions", choice.quality.rows(), out.len()));
        }
        for (row, decision) in out.iter_mut().enumerate() {
            decision.clear();
            let (quality, cost, eligible) =
                (choice.quality.row(row), choice.cost_usd.row(row), choice.eligible.row(row));
            decision.fallback.extend((0..quality.len()).filter(|&model| eligible[model]));
            decision
                .fallback
                .sort_by(|&a, &b| quality[b].total_cmp(&quality[a]).then(cost[a].total_cmp(&cost[b])).then(a.cmp(&b)));
            if !decision.fallback.is_empty() {
                let model = decision.fallback.remove(0);
                decision.plan = Plan::One(model);
                decision.score = quality[model];
                decision.reasons.push(Reason::HighestQuality);
            }
        }
        Ok(())
    }
}

stateless!(MinimalPolicy, "minimal-policy");

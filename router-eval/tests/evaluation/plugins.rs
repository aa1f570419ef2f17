//! The smallest components that make a router, one of them by a script.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use router_core::CascadeStep;
use router_core::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A registry of all of them.
pub(crate) fn registry() -> Registry {
    let mut registry = Registry::new();
    registry.register::<EmbedderRole, Letters>("test").unwrap();
    registry.register::<EmbedderRole, Seen>("test").unwrap();
    registry.register::<EmbedderRole, Counted>("test").unwrap();
    registry.register::<EstimatorRole, Broken>("test").unwrap();
    registry.register::<EstimatorRole, Nearest>("test").unwrap();
    registry.register::<EstimatorRole, Script>("test").unwrap();
    registry.register::<EstimatorRole, Memory>("test").unwrap();
    registry.register::<EstimatorRole, FirstNumber>("test").unwrap();
    registry.register::<EstimatorRole, TaskScript>("test").unwrap();
    registry.register::<AggregatorRole, Average>("test").unwrap();
    registry.register::<PolicyRole, Best>("test").unwrap();
    registry.register::<PolicyRole, Planned>("test").unwrap();
    registry
}

macro_rules! plugin {
    ($config:ty, $name:literal) => {
        impl PluginConfig for $config {
            const NAME: &'static str = $name;
            const SUMMARY: &'static str = "For tests.";
            const SOURCE: &'static str = "this project";
            const COST: &'static str = "whatever it takes";
            const EXAMPLE: &'static str = "";
        }

        impl Persist for $config {
            const FORMAT: &'static str = concat!("test-", $name);
            const VERSION: u32 = 1;

            fn save(&self, writer: &mut SlotWriter) -> Result<()> {
                writer.put_json("config", self)
            }

            fn load(reader: &SlotReader<'_>) -> Result<Self> {
                reader.get_json("config")
            }
        }
    };
}

/// Counts of the letters a to h.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Letters {}
plugin!(Letters, "letters");

#[async_trait]
impl Embedder for Letters {
    type Fitted = Self;

    async fn fit(&self, _texts: &[&str], _cx: &FitContext) -> Result<Self> {
        Ok(self.clone())
    }
}

#[async_trait]
impl router_core::FittedEmbedder for Letters {
    fn dimension(&self) -> usize {
        8
    }

    fn fingerprint(&self) -> String {
        "letters".into()
    }

    async fn embed(&self, texts: &[&str]) -> Result<Embeddings> {
        let counts = texts.iter().flat_map(|text| {
            ('a'..='h').map(|letter| text.chars().filter(|&c| c.to_ascii_lowercase() == letter).count() as f32)
        });
        Ok(Embeddings::new(Matrix::from_vec(texts.len(), 8, counts.collect())?))
    }
}

/// How many texts `counted` embedded. Only one test asks it.
pub(crate) static EMBEDDED: AtomicUsize = AtomicUsize::new(0);

/// The same, counted.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Counted {}
plugin!(Counted, "counted");

#[async_trait]
impl Embedder for Counted {
    type Fitted = Self;

    async fn fit(&self, _texts: &[&str], _cx: &FitContext) -> Result<Self> {
        Ok(self.clone())
    }
}

#[async_trait]
impl router_core::FittedEmbedder for Counted {
    fn dimension(&self) -> usize {
        Letters {}.dimension()
    }

    fn fingerprint(&self) -> String {
        "counted".into()
    }

    async fn embed(&self, texts: &[&str]) -> Result<Embeddings> {
        EMBEDDED.fetch_add(texts.len(), Ordering::SeqCst);
        Letters {}.embed(texts).await
    }
}

/// An embedder that learns: 1 for a text that it was fitted on, otherwise 0.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Seen {
    texts: Vec<String>,
}
plugin!(Seen, "seen");

#[async_trait]
impl Embedder for Seen {
    type Fitted = Self;

    fn learns(&self) -> bool {
        true
    }

    async fn fit(&self, texts: &[&str], _cx: &FitContext) -> Result<Self> {
        Ok(Self { texts: texts.iter().map(|&text| text.to_owned()).collect() })
    }
}

#[async_trait]
impl router_core::FittedEmbedder for Seen {
    fn dimension(&self) -> usize {
        1
    }

    fn fingerprint(&self) -> String {
        format!("{:?}", self.texts)
    }

    async fn embed(&self, texts: &[&str]) -> Result<Embeddings> {
        let seen = |text: &&str| f32::from(u8::from(self.texts.iter().any(|known| known == text)));
        Ok(Embeddings::new(Matrix::from_vec(texts.len(), 1, texts.iter().map(seen).collect())?))
    }
}

/// The outcomes of the nearest training prompt, under the name that the `knn` reference asks for.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Nearest {
    points: Vec<(Vec<f32>, Vec<f32>)>,
}
plugin!(Nearest, "neighbors");

fn qualities(set: &TrainingSet, row: usize) -> Vec<f32> {
    (0..set.models().len()).map(|model| set.outcomes().get(row, model).map_or(0.0, |outcome| outcome.quality)).collect()
}

impl QualityEstimator for Nearest {
    type Fitted = FittedNearest;

    fn fit(&self, set: &TrainingSet, _tasks: &Tasks, _cx: &FitContext) -> Result<FittedNearest> {
        let points = (0..set.len()).map(|row| (set.embeddings().row(row).to_vec(), qualities(set, row))).collect();
        Ok(FittedNearest { models: set.models().len(), points })
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct FittedNearest {
    models: usize,
    points: Vec<(Vec<f32>, Vec<f32>)>,
}

impl Persist for FittedNearest {
    const FORMAT: &'static str = "test-nearest";
    const VERSION: u32 = 1;

    fn save(&self, writer: &mut SlotWriter) -> Result<()> {
        writer.put_json("fitted", self)
    }

    fn load(reader: &SlotReader<'_>) -> Result<Self> {
        reader.get_json("fitted")
    }
}

impl FittedEstimator for FittedNearest {
    fn models(&self) -> usize {
        self.models
    }

    fn estimate(&self, batch: &QueryBatch<'_>, out: &mut Estimates) -> Result<()> {
        out.reset(batch.prompts.len(), self.models);
        for row in 0..batch.prompts.len() {
            let x = batch.embeddings.row(row);
            let distance = |point: &[f32]| point.iter().zip(x).map(|(a, b)| (a - b).powi(2)).sum::<f32>();
            let nearest = self.points.iter().min_by(|a, b| distance(&a.0).total_cmp(&distance(&b.0))).unwrap();
            out.quality_mut().row_mut(row).copy_from_slice(&nearest.1);
        }
        Ok(())
    }
}

macro_rules! fitted_by_script {
    ($config:ty, $fitted:ident, $stage:expr, |$self:ident, $set:ident| $state:expr, |$me:ident, $batch:ident, $row:ident| $model:expr) => {
        impl QualityEstimator for $config {
            type Fitted = $fitted;

            fn stage(&self) -> Stage {
                $stage
            }

            fn fit(&$self, $set: &TrainingSet, _tasks: &Tasks, _cx: &FitContext) -> Result<$fitted> {
                Ok($fitted { models: $set.models().len(), choices: $state })
            }
        }

        /// Expects 1 of one model a prompt and 0 of the others.
        #[derive(Debug, Clone, Serialize, Deserialize)]
        pub(crate) struct $fitted {
            models: usize,
            choices: BTreeMap<String, usize>,
        }

        impl Persist for $fitted {
            const FORMAT: &'static str = concat!("test-", stringify!($fitted));
            const VERSION: u32 = 1;

            fn save(&self, writer: &mut SlotWriter) -> Result<()> {
                writer.put_json("fitted", self)
            }

            fn load(reader: &SlotReader<'_>) -> Result<Self> {
                reader.get_json("fitted")
            }
        }

        impl FittedEstimator for $fitted {
            fn models(&self) -> usize {
                self.models
            }

            fn estimate(&self, $batch: &QueryBatch<'_>, out: &mut Estimates) -> Result<()> {
                out.reset($batch.prompts.len(), self.models);
                let $me = self;
                for $row in 0..$batch.prompts.len() {
                    let model: usize = $model;
                    out.quality_mut().set($row, model, 1.0);
                }
                Ok(())
            }
        }
    };
}

/// Chooses by the prompt's id, model 0 where the script is silent.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Script {
    choices: BTreeMap<String, usize>,
    /// Where the script is silent.
    otherwise: usize,
}
plugin!(Script, "script");

fn scripted(choices: &BTreeMap<String, usize>, otherwise: usize) -> BTreeMap<String, usize> {
    let mut choices = choices.clone();
    choices.insert(String::new(), otherwise);
    choices
}

fn by_id(choices: &BTreeMap<String, usize>, batch: &QueryBatch<'_>, row: usize) -> usize {
    let id = &batch.prompts.get(row).unwrap().id;
    choices.get(id).or(choices.get("")).copied().unwrap_or(0)
}

fitted_by_script!(
    Script,
    FittedScript,
    Stage::Prompt,
    |self, set| scripted(&self.choices, self.otherwise),
    |me, batch, row| by_id(&me.choices, batch, row)
);

/// The same, speaking for stage 1.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TaskScript {
    otherwise: usize,
}
plugin!(TaskScript, "task-script");

fitted_by_script!(
    TaskScript,
    FittedTaskScript,
    Stage::Task,
    |self, set| scripted(&BTreeMap::new(), self.otherwise),
    |me, batch, row| by_id(&me.choices, batch, row)
);

/// Knows the best model of every prompt that it was fitted on, and nothing of any other.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Memory {}
plugin!(Memory, "memory");

fn best_of(row: &[f32]) -> usize {
    (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b]).then(b.cmp(&a))).unwrap()
}

fitted_by_script!(
    Memory,
    FittedMemory,
    Stage::Prompt,
    |self, set| (0..set.len()).map(|row| (set.prompt(row).id.clone(), best_of(&qualities(set, row)))).collect(),
    |me, batch, row| by_id(&me.choices, batch, row)
);

/// Fails on purpose, by an error or a panic; always model 0 where it does neither.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Broken {
    how: String,
}
plugin!(Broken, "broken");

impl QualityEstimator for Broken {
    type Fitted = FittedMemory;

    #[allow(clippy::panic, reason = "what breaks in the test is a panic")]
    fn fit(&self, set: &TrainingSet, _tasks: &Tasks, _cx: &FitContext) -> Result<FittedMemory> {
        match self.how.as_str() {
            "error" => Err(Error::new(ErrorKind::Training, "broken on purpose")),
            "panic" => std::panic::panic_any("broken on purpose"),
            _ => Ok(FittedMemory { models: set.models().len(), choices: BTreeMap::new() }),
        }
    }
}

/// The model whose index is the first number of the embedding.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct FirstNumber {}
plugin!(FirstNumber, "first-number");

fitted_by_script!(FirstNumber, FittedFirstNumber, Stage::Prompt, |self, set| BTreeMap::new(), |_me, batch, row| batch
    .embeddings
    .row(row)[0]
    as usize);

/// The mean of all parts.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Average {}
plugin!(Average, "weighted");

impl Aggregator for Average {
    type Fitted = Self;

    fn needs_cross_fit(&self, _parts: &[router_core::PartInfo]) -> bool {
        false
    }

    fn fit(&self, _evidence: &AggregatorEvidence<'_>, _cx: &FitContext) -> Result<Self> {
        Ok(Self {})
    }
}

impl FittedAggregator for Average {
    fn aggregate(&self, parts: &[EstimatesView<'_>], out: &mut Estimates) -> Result<()> {
        out.reset(parts[0].prompts(), parts[0].models());
        for part in parts {
            for (sum, value) in out.quality_mut().as_mut_slice().iter_mut().zip(part.quality.as_slice()) {
                *sum += value / parts.len() as f32;
            }
        }
        Ok(())
    }
}

/// Highest expected quality, ties to the lowest index.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Best {}
plugin!(Best, "utility");

impl Policy for Best {
    type Fitted = Self;

    fn fit(&self, _evidence: &PolicyEvidence<'_>, _cx: &FitContext) -> Result<Self> {
        Ok(Self {})
    }
}

impl FittedPolicy for Best {
    fn choose(&self, choice: &Choice<'_>, out: &mut [Decision]) -> Result<()> {
        for (row, decision) in out.iter_mut().enumerate() {
            decision.clear();
            decision.plan = Plan::One(best_of(choice.quality.row(row)));
        }
        Ok(())
    }
}

/// The same set or cascade for every prompt: `set` names models, `cascade` models with their thresholds.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Planned {
    set: Vec<usize>,
    cascade: Vec<(usize, f32)>,
}
plugin!(Planned, "planned");

impl Policy for Planned {
    type Fitted = Self;

    fn fit(&self, _evidence: &PolicyEvidence<'_>, _cx: &FitContext) -> Result<Self> {
        Ok(self.clone())
    }
}

impl FittedPolicy for Planned {
    fn choose(&self, _choice: &Choice<'_>, out: &mut [Decision]) -> Result<()> {
        for decision in out {
            decision.clear();
            let steps = self.cascade.iter().map(|&(model, accept_at)| CascadeStep { model, accept_at });
            decision.plan =
                if self.set.is_empty() { Plan::Cascade(steps.collect()) } else { Plan::Set(self.set.clone()) };
        }
        Ok(())
    }
}

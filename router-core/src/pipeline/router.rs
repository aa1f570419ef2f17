//! The fitted router: asking it, saving it, loading it.

use std::path::Path;
use std::sync::Arc;

use crate::artifact::{ArtifactReader, ArtifactWriter, ErasedPersist, FORMAT_VERSION, Manifest, SlotReader, sha256};
use crate::config::RouterConfig;
use crate::context::FitContext;
use crate::cost::{CostModel, OUTPUT_LENGTH_SLOT, OutputLength};
use crate::drift::DriftReference;
use crate::error::{Error, ErrorKind, Result};
use crate::pipeline::fit::embed_in_batches;
use crate::pipeline::newcomer::Placements;
use crate::registry::{AggregatorRole, ClassifierRole, EmbedderRole, EstimatorRole, PolicyRole, Registry, Shelved};
use crate::tasks::TaskCards;
use crate::traits::{
    PartInfo, PromptsView, StoredAggregator, StoredClassifier, StoredEmbedder, StoredEstimator, StoredPolicy,
};
use crate::types::constraints::Constraints;
use crate::types::decision::Decision;
use crate::types::matrix::Embeddings;
use crate::types::model::{Model, ModelPool};
use crate::types::prompt::Prompt;
use crate::types::task::TaskMap;

/// The slot of the drift reference. Artifacts of earlier releases lack it, and so do routers without tasks.
const DRIFT: &str = "drift";

/// The slot of the models that joined without training, if there are any.
const PLACEMENTS: &str = "placements";

/// How often a load begins anew because the artifact was replaced under it.
const REPLACED: usize = 10;

/// A router that is ready. `Send + Sync`; share it behind an `Arc`.
pub struct Router {
    pub(crate) config: RouterConfig,
    pub(crate) embedder: Arc<dyn StoredEmbedder>,
    pub(crate) pool: ModelPool,
    pub(crate) classifier: Option<Box<dyn StoredClassifier>>,
    pub(crate) parts: Vec<(PartInfo, Box<dyn StoredEstimator>)>,
    pub(crate) aggregator: Box<dyn StoredAggregator>,
    pub(crate) policy: Box<dyn StoredPolicy>,
    pub(crate) costs: CostModel,
    pub(crate) output_length: Option<OutputLength>,
    pub(crate) placements: Placements,
    pub(crate) cards: TaskCards,
    pub(crate) drift: Option<DriftReference>,
    pub(crate) data_fingerprint: String,
    pub(crate) prompts: usize,
    pub(crate) training_tasks: Option<TaskMap>,
}

impl Router {
    /// The models it chooses from; a decision's indices point into them.
    pub fn models(&self) -> &ModelPool {
        &self.pool
    }

    /// The resolved configuration.
    pub fn config(&self) -> &RouterConfig {
        &self.config
    }

    /// The cards of the discovered tasks.
    pub fn tasks(&self) -> &TaskCards {
        &self.cards
    }

    /// The embedder.
    pub fn embedder(&self) -> &Arc<dyn StoredEmbedder> {
        &self.embedder
    }

    /// What expects the cost of a call.
    pub fn costs(&self) -> &CostModel {
        &self.costs
    }

    /// The parts whose estimates are aggregated, in order.
    pub fn parts(&self) -> impl ExactSizeIterator<Item = &PartInfo> {
        self.parts.iter().map(|(info, _)| info)
    }

    /// The weight of every part, if the aggregator has fixed weights.
    pub fn part_weights(&self) -> Option<&[f32]> {
        self.aggregator.weights()
    }

    /// What fitting the aggregator and the policy found, a sentence each: how reliable estimates are, whether a guard opened.
    pub fn findings(&self) -> Vec<String> {
        let mut findings = self.aggregator.findings(&self.pool);
        findings.extend(self.policy.findings(&self.pool));
        match &self.output_length {
            Some(length) => findings.push(length.finding()),
            None if self.config.cost.output_tokens.is_some() => findings.push(
                "expected cost: no output tokens were measured, so every answer is expected to be of its model's mean length"
                    .to_owned(),
            ),
            None => {}
        }
        findings
    }

    /// Identity of the data it was fitted to: equal for two routers that learned from the same prompts and outcomes.
    pub fn data_fingerprint(&self) -> &str {
        &self.data_fingerprint
    }

    /// Identity of the router itself, 16 hexadecimal digits: equal for two that were fitted by the same configuration to the same data and
    /// know the same models, which makes them the same router (docs: determinism). Prices and tags of models are no part of it.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] if the configuration cannot be written.
    pub fn fingerprint(&self) -> Result<String> {
        let mut text = self.config.to_json()?.to_string() + &self.data_fingerprint + &self.embedder.fingerprint();
        for model in self.pool.models() {
            text.push('\0');
            text.push_str(&model.name);
        }
        let mut digits = sha256(text.as_bytes());
        digits.truncate(16);
        Ok(digits)
    }

    /// The task of every training prompt, on a router that was fitted in this process; an artifact does not hold it.
    pub fn training_tasks(&self) -> Option<&TaskMap> {
        self.training_tasks.as_ref()
    }

    /// Decides where each of `prompts` goes. `constraints` holds one entry a prompt, or is empty.
    ///
    /// Only embedding may await; the rest computes on the calling thread and rayon's pool.
    ///
    /// # Errors
    /// What the embedder reports; otherwise as [`route_embedded`](Self::route_embedded).
    pub async fn route(&self, prompts: &[Prompt], constraints: &[Constraints]) -> Result<Vec<Decision>> {
        let embeddings = self.embed(prompts).await?;
        let mut decisions = vec![Decision::default(); prompts.len()];
        self.route_embedded(PromptsView::all(prompts), &embeddings, constraints, &mut decisions)?;
        Ok(decisions)
    }

    /// [`route`](Self::route) on this thread, without a runtime.
    pub fn route_blocking(&self, prompts: &[Prompt], constraints: &[Constraints]) -> Result<Vec<Decision>> {
        pollster::block_on(self.route(prompts, constraints))
    }

    /// The embeddings of `prompts`, n x d, checked. No cache is read or written.
    ///
    /// # Errors
    /// What the embedder reports; [`ErrorKind::Embedding`] if it answers another shape than it promised.
    pub async fn embed(&self, prompts: &[Prompt]) -> Result<Embeddings> {
        self.embed_with(prompts, &FitContext::new(0)).await
    }

    /// [`embed`](Self::embed) with the progress, the cancellation and the cache of `cx`; its seed plays no part.
    ///
    /// # Errors
    /// As [`embed`](Self::embed); [`ErrorKind::Cancelled`].
    pub async fn embed_with(&self, prompts: &[Prompt], cx: &FitContext) -> Result<Embeddings> {
        let references: Vec<&Prompt> = prompts.iter().collect();
        embed_in_batches(&*self.embedder, &references, cx).await
    }

    /// [`embed`](Self::embed) on this thread, without a runtime.
    pub fn embed_blocking(&self, prompts: &[Prompt]) -> Result<Embeddings> {
        pollster::block_on(self.embed(prompts))
    }

    /// The same router with what is known of its models where they are deployed: tags, context windows and speeds of `models`,
    /// which must be the pool's in its order. Prices stay as they are, since expected costs were learned with them.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Shape`] if these are other models; as [`ModelPool::new`].
    pub fn with_deployment(mut self, models: Vec<Model>) -> Result<Self> {
        let names = |models: &[Model]| models.iter().map(|model| model.name.clone()).collect::<Vec<_>>().join(", ");
        let (known, given) = (names(self.pool.models()), names(&models));
        if known != given {
            return Err(Error::shape("deployed models", known, given));
        }
        let priced = self.pool.models().iter().zip(models).map(|(known, deployed)| Model {
            input_usd_per_mtok: known.input_usd_per_mtok,
            output_usd_per_mtok: known.output_usd_per_mtok,
            ..deployed
        });
        self.pool = ModelPool::new(priced.collect())?;
        Ok(self)
    }

    /// Takes the training prompts off the task cards.
    pub fn without_exemplars(mut self) -> Self {
        self.cards = self.cards.without_exemplars();
        self
    }

    /// Writes the artifact to `directory`, atomically: an older artifact there is replaced or left whole.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] if something that is not an artifact is there; [`ErrorKind::Io`].
    pub fn save(&self, directory: impl AsRef<Path>) -> Result<()> {
        self.save_with(directory, &[])
    }

    /// As [`save`](Self::save), with further slots of the caller's own, each `(slot, component)`. [`load`](Self::load) leaves
    /// them alone; [`ArtifactReader::read_slot`] reads them.
    ///
    /// # Errors
    /// As [`save`](Self::save).
    pub fn save_with(&self, directory: impl AsRef<Path>, extra: &[(&str, &dyn ErasedPersist)]) -> Result<()> {
        let mut writer = ArtifactWriter::create(directory)?;
        writer.put_slot("embedder", &*self.embedder)?;
        if let Some(classifier) = &self.classifier {
            writer.put_slot("classifier", &**classifier)?;
        }
        for (info, estimator) in &self.parts {
            writer.put_slot(&info.slot, &**estimator)?;
        }
        writer.put_slot("aggregator", &*self.aggregator)?;
        writer.put_slot("policy", &*self.policy)?;
        writer.put_slot("cost", &self.costs)?;
        if let Some(length) = &self.output_length {
            writer.put_slot(OUTPUT_LENGTH_SLOT, &*length.estimator)?;
        }
        if let Some(drift) = &self.drift {
            writer.put_slot(DRIFT, drift)?;
        }
        if !self.placements.0.is_empty() {
            writer.put_slot(PLACEMENTS, &self.placements)?;
        }
        for (slot, component) in extra {
            writer.put_slot(slot, *component)?;
        }
        writer.put_tasks(&self.cards)?;
        let mut config = self.config.to_json()?;
        if let Some(object) = config.as_object_mut() {
            // The parts' stages are decided in fitting; inference needs them to name its parts.
            object.insert("parts".into(), crate::registry::config::to_value(&self.parts().collect::<Vec<_>>())?);
        }
        writer.finish(Manifest {
            format_version: FORMAT_VERSION,
            config,
            seed: self.config.seed,
            embedder_fingerprint: self.embedder.fingerprint(),
            dimension: self.embedder.dimension(),
            models: self.pool.models().to_vec(),
            data_fingerprint: self.data_fingerprint.clone(),
            prompts: self.prompts,
            files: std::collections::BTreeMap::new(),
        })
    }

    /// Loads the artifact in `directory`, verifying versions, hashes, shapes and the embedder's fingerprint. If another process
    /// replaces the artifact meanwhile, the new one is loaded.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] if there is none; [`ErrorKind::Artifact`] if it is damaged; [`ErrorKind::Incompatible`] if a newer
    /// release wrote it or its embedder is another now; [`ErrorKind::UnknownPlugin`] if a component is not registered.
    pub fn load(directory: impl AsRef<Path>, registry: &Registry) -> Result<Self> {
        let directory = directory.as_ref();
        for _ in 0..REPLACED {
            let reader = ArtifactReader::open(directory, registry)?;
            match Self::read(directory, &reader) {
                // Half of one artifact and half of another look like damage.
                Err(_) if !reader.is_current() => {}
                done => return done,
            }
        }
        Self::read(directory, &ArtifactReader::open(directory, registry)?)
    }

    fn read(directory: &Path, reader: &ArtifactReader<'_>) -> Result<Self> {
        let manifest = reader.manifest();
        let damaged = |what: String| {
            Error::new(ErrorKind::Artifact, what)
                .in_file(directory.join("manifest.json"))
                .help("the artifact is damaged or of another origin; train again")
        };
        let mut config = manifest.config.clone();
        let parts: Vec<PartInfo> = config
            .as_object_mut()
            .and_then(|object| object.remove("parts"))
            .and_then(|parts| serde_json::from_value(parts).ok())
            .ok_or_else(|| damaged("the configuration names no parts".into()))?;
        let config = RouterConfig::from_json(&config).map_err(|error| damaged(error.to_string()))?;
        let pool = ModelPool::new(manifest.models.clone()).map_err(|error| damaged(error.to_string()))?;

        let embedder = load_slot::<EmbedderRole>(reader, "embedder", &config.embedder.name)?;
        let fingerprint = embedder.fingerprint();
        if fingerprint != manifest.embedder_fingerprint || embedder.dimension() != manifest.dimension {
            return Err(Error::new(
                ErrorKind::Incompatible,
                format!("the embedder is `{fingerprint}` now and was `{}` in training", manifest.embedder_fingerprint),
            )
            .in_file(directory.join("manifest.json"))
            .help("bring back the encoder it was trained with, or train again"));
        }
        let cards: TaskCards = reader.read_tasks()?;
        let classifier = match &config.classifier {
            Some(component) => Some(load_slot::<ClassifierRole>(reader, "classifier", &component.name)?),
            None => None,
        };
        if let Some(classifier) = &classifier
            && (classifier.tasks() != cards.tasks.len() || classifier.dimension() != manifest.dimension)
        {
            return Err(damaged("the classifier does not belong to these tasks and embeddings".into()));
        }
        let placements = if reader.has_slot(PLACEMENTS) {
            reader.read_slot(PLACEMENTS, |_, slot| slot.load::<Placements>())?
        } else {
            Placements::default()
        };
        let fitted_models = pool.len().saturating_sub(placements.0.len());
        placements.check(fitted_models, cards.tasks.len())?;
        let parts = parts
            .into_iter()
            .map(|info| {
                let estimator = load_slot::<EstimatorRole>(reader, &info.slot, &info.name)?;
                if estimator.models() != fitted_models {
                    return Err(damaged(format!("`{}` does not belong to this pool of models", info.slot)));
                }
                Ok((info, estimator))
            })
            .collect::<Result<Vec<_>>>()?;
        let named = |component: &Option<crate::config::ComponentConfig>, what: &str| {
            component
                .as_ref()
                .map(|c| c.name.clone())
                .ok_or_else(|| damaged(format!("the configuration names no {what}")))
        };
        let aggregator = load_slot::<AggregatorRole>(reader, "aggregator", &named(&config.aggregator, "aggregator")?)?;
        let policy = load_slot::<PolicyRole>(reader, "policy", &named(&config.policy, "policy")?)?;
        let costs = reader.read_slot("cost", |_, slot| slot.load::<CostModel>())?;
        costs.check(&pool)?;
        let output_length = match (costs.output_length(), &config.cost.output_tokens) {
            (Some(calibration), Some(component)) => {
                let estimator = load_slot::<EstimatorRole>(reader, OUTPUT_LENGTH_SLOT, &component.name)?;
                let calibration = calibration.clone();
                if estimator.models() != fitted_models {
                    return Err(damaged(format!("`{OUTPUT_LENGTH_SLOT}` does not belong to this pool of models")));
                }
                Some(OutputLength { estimator, calibration })
            }
            _ => None,
        };
        let drift = if reader.has_slot(DRIFT) {
            let drift = reader.read_slot(DRIFT, |_, slot| slot.load::<DriftReference>())?;
            if drift.tasks() != cards.tasks.len() || drift.dimension() != manifest.dimension {
                return Err(damaged("the drift reference does not belong to these tasks and embeddings".into()));
            }
            Some(drift)
        } else {
            None
        };
        Ok(Self {
            config,
            embedder: Arc::from(embedder),
            pool,
            classifier,
            parts,
            aggregator,
            policy,
            costs,
            output_length,
            placements,
            cards,
            drift,
            data_fingerprint: manifest.data_fingerprint.clone(),
            prompts: manifest.prompts,
            training_tasks: None,
        })
    }
}

fn load_slot<R: Shelved>(reader: &ArtifactReader<'_>, slot: &str, name: &str) -> Result<Box<R::Stored>> {
    reader.read_slot(slot, |format, bytes: &SlotReader<'_>| {
        let expected = bytes.registry().info::<R>(name)?.format;
        if expected.is_some_and(|expected| expected != format) {
            return Err(bytes.corrupt(&format!("it holds `{format}`, which {} `{name}` does not read", R::NAME)));
        }
        bytes.registry().load::<R>(name, bytes)
    })
}

/// A router is shared between threads.
const _: fn() = || {
    fn shared<T: Send + Sync>() {}
    shared::<Router>();
};

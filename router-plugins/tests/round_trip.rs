//! What is saved in an artifact is what is loaded from it, and what is not sound is refused.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails should panic; clippy exempts only functions marked as tests"
)]

use std::sync::Arc;

use router_core::artifact::{ArtifactReader, ArtifactWriter, ErasedPersist, FORMAT_VERSION, Manifest};
use router_core::config::TasksConfig;
use router_core::prelude::*;
use router_core::{Model, registry::Shelved};
use router_plugins::aggregators::weighted::WeightedConfig;
use router_plugins::classifiers::softmax::SoftmaxConfig;
use router_plugins::embedders::hashing::{HashingConfig, HashingEmbedder};
use router_plugins::estimators::task_mean::TaskMeanConfig;
use router_plugins::policies::utility::{UtilityConfig, UtilityPolicy};

/// Saves `component` and gives what `read` makes of it.
fn stored<T>(component: &dyn ErasedPersist, read: impl FnOnce(&SlotReader<'_>) -> Result<T>) -> Result<T> {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("artifact");
    let mut writer = ArtifactWriter::create(&place).unwrap();
    writer.put_slot("part", component).unwrap();
    let manifest = Manifest {
        format_version: FORMAT_VERSION,
        config: serde_json::Value::Null,
        seed: 0,
        embedder_fingerprint: String::new(),
        dimension: 1,
        models: vec![Model::new("a")],
        data_fingerprint: String::new(),
        prompts: 0,
        files: std::collections::BTreeMap::new(),
    };
    writer.finish(manifest).unwrap();
    let registry = router_plugins::builtin().unwrap();
    ArtifactReader::open(&place, &registry).unwrap().read_slot("part", |_, reader| read(reader))
}

fn load<T: Persist>(reader: &SlotReader<'_>) -> Result<T> {
    reader.load()
}

/// Loads `component` by its registered name and holds its bytes against the original's.
fn round_trip<R: Shelved>(name: &str, component: &dyn ErasedPersist)
where
    R::Stored: ErasedPersist,
{
    let bytes = SlotWriter::serialize(component).unwrap();
    let again =
        stored(component, |reader| SlotWriter::serialize(&*reader.registry().load::<R>(name, reader)?)).unwrap();
    assert_eq!(bytes, again, "{name}");
}

fn training_set() -> (TrainingSet, Tasks) {
    let n = 60;
    let pool = ModelPool::new(vec![Model::new("a"), Model::new("b")]).unwrap();
    let texts: Vec<String> = (0..n).map(|i| format!("{} number {i}", ["sum", "poem", "code"][i % 3])).collect();
    let prompts = texts.iter().enumerate().map(|(i, text)| Prompt::new(format!("p{i}"), text)).collect();
    let rows = (0..n).map(|i| vec![Outcome::new(0, (i % 3) as f32 / 2.0), Outcome::new(1, (i % 5) as f32 / 4.0)]);
    let dataset = Dataset::new("d", prompts, pool, Outcomes::from_rows(2, rows.collect()).unwrap()).unwrap();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let config = HashingConfig { dimension: 32, ..HashingConfig::default() };
    let embeddings = HashingEmbedder::new(config).unwrap().vectors(&texts);
    let set = TrainingSet::new(Arc::new(dataset), Arc::new(embeddings)).unwrap();
    let labels: Vec<Option<u32>> = (0..n as u32).map(|i| (i % 7 != 0).then_some(i % 3)).collect();
    let tasks = Tasks::profile(&set, TaskMap::from_labels(&labels), &TasksConfig::default()).unwrap();
    (set, tasks)
}

#[test]
fn every_fitted_part_round_trips() {
    let (set, tasks) = training_set();
    let cx = FitContext::new(1);
    let embedder = HashingEmbedder::new(HashingConfig { character_weight: 0.1, ..HashingConfig::default() }).unwrap();
    round_trip::<EmbedderRole>("hashing", &embedder);
    assert_eq!(stored(&embedder, load::<HashingEmbedder>).unwrap().fingerprint(), embedder.fingerprint());

    let classifier = SoftmaxConfig::default().fit(&set, &tasks, &cx).unwrap();
    round_trip::<ClassifierRole>("softmax", &classifier);
    round_trip::<ClassifierRole>("softmax", &SoftmaxConfig::default().fit(&set, &Tasks::none(&set), &cx).unwrap());

    let estimator = TaskMeanConfig::default().fit(&set, &tasks, &cx).unwrap();
    round_trip::<EstimatorRole>("task-mean", &estimator);
    round_trip::<EstimatorRole>("task-mean", &TaskMeanConfig::default().fit(&set, &Tasks::none(&set), &cx).unwrap());

    let parts = [
        PartInfo { slot: "task_scores".into(), name: "task-mean".into(), stage: Stage::Task },
        PartInfo { slot: "estimators/0".into(), name: "other".into(), stage: Stage::Prompt },
    ];
    let config = WeightedConfig { alpha: Some(0.3), ..WeightedConfig::default() };
    let evidence = AggregatorEvidence { set: &set, parts: &parts, cross_fitted: None };
    round_trip::<AggregatorRole>("weighted", &config.fit(&evidence, &cx).unwrap());
    let costs = Matrix::zeros(set.len(), 2);
    let evidence = PolicyEvidence { set: &set, cross_fitted: None, cost_usd: costs.view(), known_cost: &[false; 2] };
    round_trip::<PolicyRole>("utility", &UtilityConfig { lambda: 0.1 }.fit(&evidence, &cx).unwrap());
}

#[test]
fn another_part_is_refused() {
    let policy = UtilityPolicy::new(1.0).unwrap();
    assert_eq!(stored(&policy, load::<HashingEmbedder>).unwrap_err().kind(), ErrorKind::Artifact);
}

/// Writes `$values` under the format of `$format`.
macro_rules! forged {
    ($name:ident, $format:literal, $write:expr) => {
        struct $name;
        impl Persist for $name {
            const FORMAT: &'static str = $format;
            const VERSION: u32 = 1;
            fn save(&self, writer: &mut SlotWriter) -> Result<()> {
                let write: fn(&mut SlotWriter) -> Result<()> = $write;
                write(writer)
            }
            fn load(_: &SlotReader<'_>) -> Result<Self> {
                Ok(Self)
            }
        }
    };
}

forged!(TooWide, "hashing-embedder", |writer| {
    writer.put_json("parameters", &HashingConfig { dimension: 1 << 40, ..HashingConfig::default() })
});
forged!(OneBiasTooFew, "softmax-classifier", |writer| {
    writer.put_matrix("weights", &Matrix::zeros(2, 3))?;
    writer.put_f32("biases", &[0.0])?;
    writer.put_f32("temperature", &[1.0])?;
    writer.put_f32("threshold", &[0.5])
});
forged!(Cold, "softmax-classifier", |writer| {
    writer.put_matrix("weights", &Matrix::zeros(1, 3))?;
    writer.put_f32("biases", &[0.0])?;
    writer.put_f32("temperature", &[0.0])?;
    writer.put_f32("threshold", &[0.5])
});
forged!(NoRows, "task-mean-estimator", |writer| {
    writer.put_json("assignment", "soft")?;
    writer.put_json("shrinkages", &[1.0])?;
    writer.put_matrix("scores", &Matrix::zeros(0, 1))?;
    writer.put_matrix("variances", &Matrix::zeros(0, 1))
});
forged!(NotOne, "weighted-aggregator", |writer| {
    writer.put_json("alpha", &0.5)?;
    writer.put_f32("weights", &[0.5, 0.7])
});
forged!(Negative, "utility-policy", |writer| writer.put_json("lambda", &-1.0));

#[test]
fn forged_slots_are_refused() {
    fn refused<R: Shelved>(name: &str, component: &dyn ErasedPersist) {
        let error = stored(component, |reader| reader.registry().load::<R>(name, reader).map(|_| ())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Artifact, "{name}: {error}");
    }
    refused::<EmbedderRole>("hashing", &TooWide);
    refused::<ClassifierRole>("softmax", &OneBiasTooFew);
    refused::<ClassifierRole>("softmax", &Cold);
    refused::<EstimatorRole>("task-mean", &NoRows);
    refused::<AggregatorRole>("weighted", &NotOne);
    refused::<PolicyRole>("utility", &Negative);
}

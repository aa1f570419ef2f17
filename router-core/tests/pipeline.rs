//! The pipeline: builder, cross-fitting, fitting, routing, artifacts.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::sync::Arc;

use router_core::config::CrossFitConfig;
use router_core::parallel::with_threads;
use router_core::prelude::*;
use router_core::testkit::components::{
    self, MinimalAggregator, MinimalClassifier, MinimalDiscoverer, MinimalEmbedder, MinimalEstimator, MinimalPolicy,
};
use router_core::testkit::world::MinimalWorld;
use router_core::{Model, Router, RouterBuilder, UnfittedRouter};

fn registry() -> Registry {
    let mut registry = Registry::new();
    components::register(&mut registry).unwrap();
    registry.register::<EstimatorRole, memory::MemoryConfig>("tests").unwrap();
    registry.register::<AggregatorRole, memory::LastConfig>("tests").unwrap();
    registry
}

fn two_stage(registry: &Registry) -> UnfittedRouter {
    RouterBuilder::new(registry)
        .seed(7)
        .embedder(MinimalEmbedder {})
        .discoverer(MinimalDiscoverer {})
        .classifier(MinimalClassifier {})
        .task_scores(MinimalEstimator {})
        .estimator(MinimalEstimator {})
        .aggregator(MinimalAggregator {})
        .policy(MinimalPolicy {})
        .build()
        .unwrap()
}

fn fit(unfitted: &UnfittedRouter, world: &MinimalWorld) -> Router {
    unfitted.fit_blocking(&world.dataset, &unfitted.context()).unwrap()
}

/// An estimator that remembers the training prompts: 1 for a prompt it has seen, 0 for any other. Cross-fitted, it must never
/// have seen the row it estimates; and the aggregator beside it writes down what it was given.
mod memory {
    use super::*;
    use std::collections::BTreeSet;
    use std::sync::Mutex;

    /// What [`LastConfig`] was given, smallest and largest estimate of each fit.
    pub(crate) static GIVEN: Mutex<Vec<(f32, f32)>> = Mutex::new(Vec::new());

    #[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
    #[serde(deny_unknown_fields, default)]
    pub(crate) struct MemoryConfig {}

    impl PluginConfig for MemoryConfig {
        const NAME: &'static str = "memory";
        const SUMMARY: &'static str = "Remembers what it has seen.";
        const SOURCE: &'static str = "this project";
        const COST: &'static str = "whatever it takes";
        const EXAMPLE: &'static str = "";
    }

    pub(crate) struct Memory(BTreeSet<String>, usize);

    impl QualityEstimator for MemoryConfig {
        type Fitted = Memory;

        fn fit(&self, set: &TrainingSet, _tasks: &Tasks, _cx: &FitContext) -> Result<Memory> {
            Ok(Memory(set.prompts().map(|prompt| prompt.id.clone()).collect(), set.models().len()))
        }
    }

    impl FittedEstimator for Memory {
        fn models(&self) -> usize {
            self.1
        }

        fn estimate(&self, batch: &QueryBatch<'_>, out: &mut Estimates) -> Result<()> {
            out.reset(batch.prompts.len(), self.1);
            for (row, prompt) in batch.prompts.iter().enumerate() {
                out.quality_mut().row_mut(row).fill(f32::from(u8::from(self.0.contains(&prompt.id))));
            }
            Ok(())
        }
    }

    impl Persist for Memory {
        const FORMAT: &'static str = "memory";
        const VERSION: u32 = 1;

        fn save(&self, writer: &mut SlotWriter) -> Result<()> {
            writer.put_json("memory", &(&self.0, self.1))
        }

        fn load(reader: &SlotReader<'_>) -> Result<Self> {
            let (seen, models) = reader.get_json("memory")?;
            Ok(Self(seen, models))
        }
    }

    #[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
    #[serde(deny_unknown_fields, default)]
    pub(crate) struct LastConfig {}

    impl PluginConfig for LastConfig {
        const NAME: &'static str = "last";
        const SUMMARY: &'static str = "Takes the last part, and writes down what it was fitted on.";
        const SOURCE: &'static str = "this project";
        const COST: &'static str = "whatever it takes";
        const EXAMPLE: &'static str = "";
    }

    impl Aggregator for LastConfig {
        type Fitted = components::Average;

        fn needs_cross_fit(&self, _parts: &[PartInfo]) -> bool {
            true
        }

        fn fit(&self, evidence: &AggregatorEvidence<'_>, cx: &FitContext) -> Result<components::Average> {
            let last = evidence.cross_fitted.unwrap().last().unwrap();
            assert_eq!(last.quality().rows(), evidence.set.len());
            let values = last.quality().as_slice();
            let low = values.iter().copied().fold(f32::INFINITY, f32::min);
            let high = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            GIVEN.lock().unwrap().push((low, high));
            Aggregator::fit(&MinimalAggregator {}, evidence, cx)
        }
    }
}

#[test]
fn no_part_scores_rows_that_it_was_fitted_on() {
    let registry = registry();
    let world = MinimalWorld::easy(60, 3).unwrap();
    let unfitted = RouterBuilder::new(&registry)
        .embedder(MinimalEmbedder {})
        .estimator(memory::MemoryConfig::default())
        .aggregator(memory::LastConfig::default())
        .policy(MinimalPolicy {})
        .cross_fit(CrossFitConfig { folds: 4 })
        .build()
        .unwrap();
    let router = fit(&unfitted, &world);
    let given = memory::GIVEN.lock().unwrap().clone();
    assert_eq!(given, [(0.0, 0.0)], "a held-out row was remembered");
    // The final fit has seen them all.
    let prediction = {
        let embeddings = router.embed_blocking(world.dataset.prompts()).unwrap();
        router.predict_embedded(PromptsView::all(world.dataset.prompts()), embeddings.vectors.view()).unwrap()
    };
    assert!(prediction.aggregate.quality().as_slice().iter().all(|&value| value == 1.0));
}

/// A classifier that remembers the prompts it was fitted on (by the hash of their embedding) and gives every other prompt none;
/// an estimator that writes down the assignments it learns from.
mod recall {
    use super::*;
    use std::sync::Mutex;

    /// The assignments that each fit of [`ScribeConfig`] got.
    pub(crate) static LEARNED: Mutex<Vec<Vec<Option<TaskId>>>> = Mutex::new(Vec::new());

    macro_rules! config {
        ($config:ident, $name:literal) => {
            #[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
            #[serde(deny_unknown_fields, default)]
            pub(crate) struct $config {}

            impl PluginConfig for $config {
                const NAME: &'static str = $name;
                const SUMMARY: &'static str = "For one test.";
                const SOURCE: &'static str = "this project";
                const COST: &'static str = "whatever it takes";
                const EXAMPLE: &'static str = "";
            }
        };
    }
    config!(RecallConfig, "recall");
    config!(ScribeConfig, "scribe");

    pub(crate) struct Recall(Matrix, usize);

    impl TaskClassifier for RecallConfig {
        type Fitted = Recall;

        fn fit(&self, set: &TrainingSet, tasks: &Tasks, _cx: &FitContext) -> Result<Recall> {
            Ok(Recall(set.embeddings().to_matrix(), tasks.count()))
        }
    }

    impl router_core::FittedClassifier for Recall {
        fn dimension(&self) -> usize {
            self.0.cols()
        }

        fn tasks(&self) -> usize {
            self.1
        }

        fn classify(&self, embeddings: MatrixView<'_>, out: &mut TaskDistribution) -> Result<()> {
            out.reset(embeddings.rows(), self.1);
            for row in 0..embeddings.rows() {
                if (0..self.0.rows()).any(|known| self.0.row(known) == embeddings.row(row)) {
                    *out.row_mut(row).1 = Some(TaskId(0));
                }
            }
            Ok(())
        }
    }

    impl Persist for Recall {
        const FORMAT: &'static str = "recall";
        const VERSION: u32 = 1;

        fn save(&self, writer: &mut SlotWriter) -> Result<()> {
            writer.put_matrix("seen", &self.0)
        }

        fn load(reader: &SlotReader<'_>) -> Result<Self> {
            Ok(Self(reader.get_matrix("seen")?, 0))
        }
    }

    impl QualityEstimator for ScribeConfig {
        type Fitted = components::Means;

        fn fit(&self, set: &TrainingSet, tasks: &Tasks, cx: &FitContext) -> Result<components::Means> {
            LEARNED.lock().unwrap().push(tasks.assigned().to_vec());
            QualityEstimator::fit(&MinimalEstimator {}, set, tasks, cx)
        }
    }
}

#[test]
fn estimators_learn_from_assignments_of_unseen_prompts() {
    let mut registry = registry();
    registry.register::<ClassifierRole, recall::RecallConfig>("tests").unwrap();
    registry.register::<EstimatorRole, recall::ScribeConfig>("tests").unwrap();
    let mut world = MinimalWorld::easy(40, 3).unwrap();
    // No two prompts alike, so that remembering is exact.
    let mut embeddings = Matrix::zeros(40, 24);
    for row in 0..40 {
        embeddings.set(row, row % 24, 1.0 + row as f32);
    }
    world.embeddings = Arc::new(embeddings);
    let set = world.training_set().unwrap();
    let unfitted = RouterBuilder::new(&registry)
        .embedder(MinimalEmbedder {})
        .discoverer(MinimalDiscoverer {})
        .classifier(recall::RecallConfig::default())
        .task_scores(recall::ScribeConfig::default())
        .aggregator(MinimalAggregator {})
        .policy(MinimalPolicy {})
        .build()
        .unwrap();
    let (embedder, _) = pollster::block_on(unfitted.embed(&world.dataset, &unfitted.context())).unwrap();
    unfitted.fit_embedded(&set, embedder, &unfitted.context()).unwrap();
    let learned = recall::LEARNED.lock().unwrap();
    assert!(!learned.is_empty());
    // A classifier that had seen a row would have given it task 0.
    assert!(
        learned.iter().flatten().all(Option::is_none),
        "an estimator learned from a row that the classifier had seen"
    );
}

#[test]
fn a_router_of_toml_is_the_router_of_the_builder() {
    let registry = registry();
    let world = MinimalWorld::easy(60, 3).unwrap();
    let text = "
        seed = 7
        [embedder]
        use = \"minimal-embedder\"
        [discoverer]
        use = \"minimal-discoverer\"
        [classifier]
        use = \"minimal-classifier\"
        [task_scores]
        use = \"minimal-estimator\"
        [[estimators]]
        use = \"minimal-estimator\"
        [aggregator]
        use = \"minimal-aggregator\"
        [policy]
        use = \"minimal-policy\"
    ";
    let config = router_core::RouterConfig::from_toml(text, "router.toml").unwrap();
    let from_toml = UnfittedRouter::from_config(&config, &registry).unwrap();
    let from_builder = two_stage(&registry);
    assert_eq!(from_toml.config(), from_builder.config());
    assert_eq!(artifact_bytes(&fit(&from_toml, &world)), artifact_bytes(&fit(&from_builder, &world)));
}

/// Every file of the artifact of `router`, by name.
fn artifact_bytes(router: &Router) -> Vec<(String, Vec<u8>)> {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("artifact");
    router.save(&place).unwrap();
    read_all(&place)
}

fn read_all(place: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(place)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect();
    files.sort();
    files
}

#[test]
fn the_same_seed_gives_the_same_artifact_at_any_thread_count() {
    let registry = registry();
    let world = MinimalWorld::easy(60, 3).unwrap();
    let at = |threads| with_threads(threads, || artifact_bytes(&fit(&two_stage(&registry), &world))).unwrap();
    let one = at(1);
    assert_eq!(one, at(2));
    assert_eq!(one, at(5));
    let names: Vec<&str> = one.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "aggregator.safetensors",
            "classifier.safetensors",
            "cost.safetensors",
            "drift.safetensors",
            "embedder.safetensors",
            "estimators-0.safetensors",
            "manifest.json",
            "policy.safetensors",
            "task_scores.safetensors",
            "tasks.json"
        ]
    );
}

#[test]
fn an_artifact_of_a_newer_release_is_refused() {
    let registry = registry();
    let world = MinimalWorld::easy(60, 3).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("artifact");
    fit(&two_stage(&registry), &world).save(&place).unwrap();
    let path = place.join("manifest.json");
    let text = fs::read_to_string(&path).unwrap().replace("\"format_version\": 2", "\"format_version\": 3");
    fs::write(&path, text).unwrap();
    let error = Router::load(&place, &registry).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Incompatible);
}

#[test]
fn saving_over_something_else_leaves_it_alone_and_over_an_artifact_replaces_it() {
    let registry = registry();
    let world = MinimalWorld::easy(60, 3).unwrap();
    let router = fit(&two_stage(&registry), &world);
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("thesis.txt"), "years of work").unwrap();
    assert_eq!(router.save(directory.path()).unwrap_err().kind(), ErrorKind::Usage);
    assert_eq!(fs::read_to_string(directory.path().join("thesis.txt")).unwrap(), "years of work");

    let place = directory.path().join("artifact");
    router.save(&place).unwrap();
    let first = read_all(&place);
    router.save(&place).unwrap();
    assert_eq!(first, read_all(&place));
    let left: Vec<_> = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "temporary directories are left: {left:?}");

    // A crash between the two renames of a replacement leaves the older artifact under another name: it is found there.
    fs::rename(&place, directory.path().join("artifact.old")).unwrap();
    Router::load(&place, &registry).unwrap();
    router.save(&place).unwrap();
    assert_eq!(first, read_all(&place));
}

#[test]
fn data_that_cannot_train_a_router_is_refused() {
    let registry = registry();
    let unfitted = two_stage(&registry);
    let pool = || ModelPool::new(vec![Model::new("a")]).unwrap();
    let empty = Dataset::new("empty", vec![], pool(), Outcomes::from_rows(1, vec![]).unwrap()).unwrap();
    let unseen =
        Dataset::new("unseen", vec![Prompt::new("p", "x")], pool(), Outcomes::from_rows(1, vec![vec![]]).unwrap())
            .unwrap();
    for dataset in [empty, unseen] {
        let error = unfitted.fit_blocking(&Arc::new(dataset), &unfitted.context()).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Data);
    }
}

#[test]
fn an_explanation_agrees_with_the_decision() {
    let registry = registry();
    let world = MinimalWorld::easy(60, 3).unwrap();
    let router = fit(&two_stage(&registry), &world);
    let prompt = Prompt::new("new", "divide the sum of the integer");
    let free = Constraints::default();
    let explanation = router.explain_blocking(&prompt, &free).unwrap();
    let decision = &router.route_blocking(std::slice::from_ref(&prompt), &[]).unwrap()[0];
    assert_eq!(explanation.model.as_deref(), decision.model().map(|model| router.models().name(model)));
    assert_eq!(explanation.models.len(), 4);
    assert_eq!(explanation.models[0].model, explanation.model.unwrap());
    assert_eq!(explanation.tasks.len(), 1);
    assert_eq!(explanation.parts, ["task_scores (minimal-estimator)", "estimators/0 (minimal-estimator)"]);

    let none = Constraints { required_tags: vec!["telepathy".into()], ..Constraints::default() };
    let explanation = router.explain_blocking(&prompt, &none).unwrap();
    assert_eq!(explanation.model, None);
    assert!(explanation.models.iter().all(|model| model.ineligible == Some(router_core::Ineligible::MissingTag)));
}

#[test]
fn large_batches_are_decided_as_small_ones() {
    let registry = registry();
    let world = MinimalWorld::easy(90, 3).unwrap();
    let router = fit(&two_stage(&registry), &world);
    let prompts: Vec<Prompt> =
        (0..1_000).map(|at| Prompt { id: at.to_string(), ..world.dataset.prompts()[at % 90].clone() }).collect();
    let whole = router.route_blocking(&prompts, &[]).unwrap();
    for (at, decision) in whole.iter().enumerate().step_by(97) {
        assert_eq!(*decision, router.route_blocking(&prompts[at..=at], &[]).unwrap()[0]);
    }
}

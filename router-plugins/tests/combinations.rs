//! Any combination of plugins that the types allow is a router: random combinations, in TOML and in Rust, are fitted and asked.
//!
//! The combinations are drawn from a seed so that every pair of plugins of two slots meets at least once (a pairwise covering
//! design, made greedily: Cohen et al., The AETG System, IEEE Transactions on Software Engineering 23, 1997). Only task scores and
//! estimators meet as they come: they are plugins of one role that never see each other, and all their pairs would be most of the design.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails should panic; clippy exempts only functions marked as tests"
)]

use std::collections::BTreeSet;

use rand::RngExt;
use router_core::prelude::*;
use router_core::registry::{PluginInfo, Role};
use router_core::testkit::world::MinimalWorld;
use router_core::{RouterBuilder, RouterConfig, Seed, SeedStream, UnfittedRouter};
use router_plugins::{aggregators, classifiers, discoverers, embedders, estimators, policies};
use serde_json::Value;

const SEED: u64 = 20_261_124;
/// Combinations at least.
const COMBINATIONS: usize = 64;
/// Combinations tried for every next one.
const TRIES: usize = 40;

/// The slots of a router, and the role that fills each.
const SLOTS: [(&str, &str); 7] = [
    ("embedder", EmbedderRole::NAME),
    ("discoverer", DiscovererRole::NAME),
    ("classifier", ClassifierRole::NAME),
    ("task_scores", EstimatorRole::NAME),
    ("estimators", EstimatorRole::NAME),
    ("aggregator", AggregatorRole::NAME),
    ("policy", PolicyRole::NAME),
];
/// The slots that only a router with discovery has.
const OF_DISCOVERY: [&str; 3] = ["discoverer", "classifier", "task_scores"];

/// A plugin's name for every slot; `None` for a slot that is left out.
type Combination = [Option<&'static str>; 7];

fn draw(choices: &[Vec<&'static str>; 7], stream: &mut SeedStream) -> Combination {
    // One router in eight has no discovery, and then needs an estimator; one in eight has no estimator beside discovery.
    let shape = stream.random_range(0..8);
    std::array::from_fn(|slot| {
        let name = choices[slot][stream.random_range(0..choices[slot].len())];
        let left_out = match shape {
            0 => OF_DISCOVERY.contains(&SLOTS[slot].0),
            1 => SLOTS[slot].0 == "estimators",
            _ => false,
        };
        (!left_out).then_some(name)
    })
}

type Pair = (usize, &'static str, usize, &'static str);

fn pairs(combination: &Combination) -> BTreeSet<Pair> {
    let mut pairs = BTreeSet::new();
    for a in 0..7 {
        for b in a + 1..7 {
            if let (Some(x), Some(y)) = (combination[a], combination[b]) {
                pairs.insert((a, x, b, y));
            }
        }
    }
    pairs
}

/// At least [`COMBINATIONS`] combinations that cover every pair.
fn covering(choices: &[Vec<&'static str>; 7], stream: &mut SeedStream) -> Vec<Combination> {
    let mut open = BTreeSet::new();
    for a in 0..7 {
        for b in a + 1..7 {
            if (SLOTS[a].1, SLOTS[b].1) == (EstimatorRole::NAME, EstimatorRole::NAME) {
                continue;
            }
            for &x in &choices[a] {
                open.extend(choices[b].iter().map(|&y| (a, x, b, y)));
            }
        }
    }
    let mut design = Vec::new();
    while !open.is_empty() || design.len() < COMBINATIONS {
        let mut best = (0, draw(choices, stream));
        for _ in 0..TRIES {
            let mut next = draw(choices, stream);
            // Half of the tries begin at a pair that is still open, so that the last ones are met too.
            if let Some(&(a, x, b, y)) = open.iter().nth(stream.random_range(0..2 * open.len().max(1))) {
                (next[a], next[b]) = (Some(x), Some(y));
                if OF_DISCOVERY.iter().any(|slot| next[position(slot)].is_some()) {
                    for slot in OF_DISCOVERY.map(position) {
                        next[slot] = next[slot].or(Some(choices[slot][0]));
                    }
                }
            }
            let covered = pairs(&next).intersection(&open).count();
            if covered > best.0 {
                best = (covered, next);
            }
        }
        for pair in pairs(&best.1) {
            open.remove(&pair);
        }
        design.push(best.1);
    }
    design
}

fn position(slot: &str) -> usize {
    SLOTS.iter().position(|&(name, _)| name == slot).unwrap()
}

/// The tiny model that stands in for the one of an embedder's defaults, which nobody need have fetched.
fn fixture(name: &str) -> Option<String> {
    let folder = match name {
        "bert" => "tiny-bert",
        "mpnet" => "tiny-mpnet",
        "static" => "tiny-static",
        _ => return None,
    };
    Some(format!("{}/tests/fixtures/encoders/{folder}", env!("CARGO_MANIFEST_DIR")))
}

/// Makes an embedder's vectors narrow: this is about whether parts fit together, and regressions cost the cube of the width.
fn narrow(name: &str, table: &mut toml::Table) {
    match name {
        "hashing" => {
            table.insert("dimension".to_owned(), toml::Value::Integer(32));
        }
        "concat" => {
            let part: toml::Table = toml::from_str(
                "parts = [{ embedder = { use = \"hashing\", dimension = 32 } }, { weight = 0.5, embedder = { use = \"features\" } }]",
            )
            .unwrap();
            table.extend(part);
        }
        _ => {}
    }
}

/// The combination as TOML: every plugin with its example parameters or its defaults.
fn toml_of(combination: &Combination, registry: &Registry, stream: &mut SeedStream) -> String {
    let mut document = toml::Table::new();
    document.insert("seed".into(), toml::Value::Integer(7));
    for ((slot, role), name) in SLOTS.iter().zip(combination) {
        let Some(name) = name else { continue };
        let info = registry.list().into_iter().find(|info| info.role == *role && info.name == *name).unwrap();
        let mut table: toml::Table =
            if stream.random() { toml::from_str(info.example).unwrap() } else { toml::Table::new() };
        table.insert("use".into(), toml::Value::String((*name).to_owned()));
        if *slot == "embedder" {
            narrow(name, &mut table);
        }
        if let Some(model) = fixture(name) {
            table.insert("model".into(), toml::Value::String(model));
        }
        let value = toml::Value::Table(table);
        let value = if *slot == "estimators" { toml::Value::Array(vec![value]) } else { value };
        document.insert((*slot).to_owned(), value);
    }
    toml::to_string(&document).unwrap()
}

/// Gives the builder the plugin `$name` of `$parameters`, by its own configuration type.
macro_rules! give {
    ($builder:expr, $method:ident, $name:expr, $parameters:expr, [$($config:ty),* $(,)?]) => {
        match $name {
            $(name if name == <$config as PluginConfig>::NAME => {
                $builder.$method(serde_json::from_value::<$config>($parameters).unwrap())
            })*
            other => panic!("add `{other}` to the list of this test"),
        }
    };
}

/// The configuration `config`, composed in Rust.
fn build(config: &RouterConfig, registry: &Registry) -> UnfittedRouter {
    type Estimators = for<'a> fn(RouterBuilder<'a>, &str, Value) -> RouterBuilder<'a>;
    let parameters = |component: &router_core::ComponentConfig| Value::Object(component.parameters.clone());
    let mut builder = RouterBuilder::new(registry).seed(config.seed);
    builder = give!(
        builder,
        embedder,
        config.embedder.name.as_str(),
        parameters(&config.embedder),
        [
            embedders::concat::ConcatConfig,
            embedders::features::FeaturesConfig,
            embedders::hashing::HashingConfig,
            embedders::principal_components::PrincipalComponentsConfig,
            embedders::static_vectors::StaticConfig,
            embedders::transformer::BertConfig,
            embedders::transformer::MpnetConfig,
            embedders::tfidf_svd::TfidfSvdConfig,
        ]
    );
    if let Some(discoverer) = &config.discoverer {
        builder = give!(
            builder,
            discoverer,
            discoverer.name.as_str(),
            parameters(discoverer),
            [
                discoverers::graph::GraphConfig,
                discoverers::kmeans::KmeansConfig,
                discoverers::labels::LabelsConfig,
                discoverers::sampled::SampledConfig,
                discoverers::spectral::SpectralConfig,
            ]
        );
    }
    if let Some(classifier) = &config.classifier {
        builder = give!(
            builder,
            classifier,
            classifier.name.as_str(),
            parameters(classifier),
            [
                classifiers::centroid::CentroidConfig,
                classifiers::neighbors::NeighborsConfig,
                classifiers::softmax::SoftmaxConfig,
            ]
        );
    }
    macro_rules! estimators {
        ($method:ident) => {{
            let give: Estimators = |builder, name, parameters| {
                give!(
                    builder,
                    $method,
                    name,
                    parameters,
                    [
                        estimators::adapter_retrieval::AdapterRetrievalConfig,
                        estimators::clusters::ClustersConfig,
                        estimators::dual_contrastive::DualContrastiveConfig,
                        estimators::forest::ForestConfig,
                        estimators::global_mean::GlobalMeanConfig,
                        estimators::graph_attention::GraphAttentionConfig,
                        estimators::irt::IrtConfig,
                        estimators::logistic::LogisticConfig,
                        estimators::matrix_factorization::MatrixFactorizationConfig,
                        estimators::mlp::MlpConfig,
                        estimators::moe::MoeConfig,
                        estimators::neighbors::NeighborsConfig,
                        estimators::per_model_adapters::PerModelAdaptersConfig,
                        estimators::ridge::RidgeConfig,
                        estimators::similarity_weighted_elo::SimilarityWeightedEloConfig,
                        estimators::svm::SvmConfig,
                        estimators::task_mean::TaskMeanConfig,
                        estimators::trees::TreesConfig,
                    ]
                )
            };
            give
        }};
    }
    if let Some(scores) = &config.task_scores {
        builder = estimators!(task_scores)(builder, &scores.name, parameters(scores));
    }
    for estimator in &config.estimators {
        builder = estimators!(estimator)(builder, &estimator.name, parameters(estimator));
    }
    if let Some(aggregator) = &config.aggregator {
        builder = give!(
            builder,
            aggregator,
            aggregator.name.as_str(),
            parameters(aggregator),
            [
                aggregators::calibrated::CalibratedConfig,
                aggregators::precision_weighted::PrecisionWeightedConfig,
                aggregators::stacking::StackingConfig,
                aggregators::weighted::WeightedConfig,
            ]
        );
    }
    if let Some(policy) = &config.policy {
        builder = give!(
            builder,
            policy,
            policy.name.as_str(),
            parameters(policy),
            [
                policies::budget::BudgetConfig,
                policies::cascade::CascadeConfig,
                policies::cheapest_above::CheapestAboveConfig,
                policies::complementary_set::ComplementarySetConfig,
                policies::cost_quality_bayes::CostQualityBayesConfig,
                policies::guarded::GuardedConfig,
                policies::hybrid::HybridConfig,
                policies::latency_aware::LatencyAwareConfig,
                policies::utility::UtilityConfig,
            ]
        );
    }
    builder.build().unwrap()
}

#[test]
fn every_pair_of_plugins_makes_a_router_in_toml_and_in_rust() {
    let registry = router_plugins::builtin().unwrap();
    let list = registry.list();
    // `remote` needs a server that outlives the draw; `remote.rs` and the conformance suite hold it.
    let drawn = |info: &&PluginInfo| (info.role, info.name) != (EmbedderRole::NAME, "remote");
    let choices: [Vec<&'static str>; 7] = SLOTS
        .map(|(_, role)| list.iter().filter(drawn).filter(|info| info.role == role).map(|info| info.name).collect());
    let mut stream = Seed::root(SEED).stream("combinations");
    let design = covering(&choices, &mut stream);
    assert!(design.len() >= COMBINATIONS);
    let world = MinimalWorld::easy(48, 3).unwrap();
    let asked = MinimalWorld::easy(9, 4).unwrap();
    for (at, combination) in design.iter().enumerate() {
        let text = toml_of(combination, &registry, &mut stream);
        let fail = |error: router_core::Error| -> UnfittedRouter { panic!("combination {at}: {error:?}\n{text}") };
        let config = RouterConfig::from_toml(&text, "router.toml")
            .unwrap_or_else(|error| panic!("combination {at}: {error:?}\n{text}"));
        let unfitted = UnfittedRouter::from_config(&config, &registry).unwrap_or_else(fail);
        let built = build(&config, &registry);
        assert_eq!(built.config().to_json().unwrap(), unfitted.config().to_json().unwrap(), "combination {at}\n{text}");
        let decide = |unfitted: &UnfittedRouter| {
            let router = unfitted
                .fit_blocking(&world.dataset, &unfitted.context())
                .unwrap_or_else(|error| panic!("combination {at}: {error:?}\n{text}"));
            router.route_blocking(asked.dataset.prompts(), &[]).unwrap()
        };
        let decisions = decide(&unfitted);
        assert_eq!(decisions.len(), 9);
        for decision in &decisions {
            assert!(decision.model().is_some() && decision.score.is_finite(), "combination {at}: {decision:?}\n{text}");
            // Plan and fallback name all four models.
            let named = decision.plan.models().len() + decision.fallback.len();
            assert_eq!(named, 4, "combination {at}\n{text}");
        }
        // The same components, composed in Rust, decide the same; every fourth, since it costs a second fit.
        if at % 4 == 0 {
            assert_eq!(decide(&built), decisions, "combination {at}\n{text}");
        }
    }
}

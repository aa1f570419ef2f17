//! Training from logs: one outcome a prompt, sent by a policy that prefers the strong model for hard prompts. The truth is planted.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that fails should panic; clippy exempts only functions marked as tests"
)]

use std::sync::Arc;

use router_core::config::TasksConfig;
use router_core::prelude::*;
use router_core::{Model, RouterConfig, UnfittedRouter};
use router_plugins::embedders::hashing::{HashingConfig, HashingEmbedder};

const TOPICS: [&str; 3] = ["sums", "proofs", "poems"];
/// The quality of strong, weak and poet at every topic. Strong is best on the whole, .667; weak .467, poet .383.
const QUALITY: [[f32; 3]; 3] = [[0.9, 0.8, 0.1], [0.6, 0.2, 0.1], [0.5, 0.4, 0.95]];
/// The logging policy: sums go to weak, proofs to strong, poems to anybody. The plain means are .586, .673 and .707.
const PROPENSITY: [[f32; 3]; 3] = [[0.05, 0.9, 0.05], [0.9, 0.05, 0.05], [0.34, 0.33, 0.33]];

fn text(topic: usize, at: usize) -> String {
    match topic {
        0 => format!("Add {} and {} and tell the total of this plain sum.", at * 7 + 3, at * 5 + 2),
        1 => format!("Prove by induction that theorem {at} of the lattice holds for every ordinal."),
        _ => format!("Write a short poem of {at} verses with rhyme, about rain upon the river."),
    }
}

/// 600 logged prompts, one outcome each; the log is exactly what the propensities say.
fn log(with_propensities: bool) -> Arc<Dataset> {
    let (mut prompts, mut rows) = (Vec::new(), Vec::new());
    for topic in 0..3 {
        let calls = PROPENSITY[topic].map(|propensity| (propensity * 200.0).round() as usize);
        for at in 0..200 {
            // Models are dealt in turns of 100, so that no fold of the log is without one.
            let place = (at * 37) % 200;
            let model = if place < calls[0] { 0 } else { usize::from(place >= calls[0] + calls[1]) + 1 };
            let propensity = with_propensities.then(|| PROPENSITY[topic][model]);
            prompts.push(Prompt::new(format!("{topic}-{at}"), text(topic, at)).with_benchmark(TOPICS[topic]));
            rows.push(vec![Outcome { propensity, ..Outcome::new(model, QUALITY[topic][model]) }]);
        }
    }
    let pool = ModelPool::new(["strong", "weak", "poet"].map(Model::new).to_vec()).unwrap();
    Arc::new(Dataset::new("log", prompts, pool, Outcomes::from_rows(3, rows).unwrap()).unwrap())
}

fn estimators() -> Vec<String> {
    let plugins = router_plugins::builtin().unwrap().list();
    plugins.into_iter().filter(|plugin| plugin.role == "estimator").map(|plugin| plugin.name.to_owned()).collect()
}

/// What an estimator says of every model on average, where embeddings tell nothing of the topic: its view of the whole pool.
fn means(estimator: &str, with_propensities: bool) -> Vec<f64> {
    let dataset = log(with_propensities);
    let texts: Vec<String> = (0..dataset.prompts().len()).map(|at| format!("prompt {}", (at * 7919) % 601)).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let config = HashingConfig { dimension: 16, ..HashingConfig::default() };
    let embeddings = HashingEmbedder::new(config).unwrap().vectors(&texts);
    let set = TrainingSet::new(Arc::clone(&dataset), Arc::new(embeddings.clone())).unwrap();
    let labels = vec![Some(0); set.len()];
    let tasks = Tasks::profile(&set, TaskMap::from_labels(&labels), &TasksConfig::default()).unwrap();
    let registry = router_plugins::builtin().unwrap();
    let (unfitted, _) = registry.build::<EstimatorRole>(estimator, serde_json::json!({})).unwrap();
    let fitted = unfitted.fit(&set, &tasks, &FitContext::new(1)).unwrap();
    let distribution = TaskDistribution::certain(&vec![Some(TaskId(0)); set.len()], 1).unwrap();
    let prompts = PromptsView::all(dataset.prompts());
    let mut out = Estimates::new();
    fitted.estimate(&QueryBatch { prompts, embeddings: embeddings.view(), tasks: &distribution }, &mut out).unwrap();
    let mean =
        |model| (0..set.len()).map(|row| f64::from(out.quality().get(row, model))).sum::<f64>() / set.len() as f64;
    (0..3).map(mean).collect()
}

#[test]
fn propensities_rank_models_right_in_every_estimator() {
    for estimator in estimators() {
        let naive = means(&estimator, false);
        let weighted = means(&estimator, true);
        assert!(naive[1] > naive[0], "{estimator}: the plain log flatters the weak model: {naive:?}");
        assert!(weighted[0] > weighted[1] && weighted[0] > weighted[2], "{estimator}: {weighted:?}");
        // A neighborhood holds few calls, and the ratio of their sums is biased: it is held to the ranking alone.
        if estimator != "neighbors" {
            for (found, truth) in weighted.iter().zip([0.667, 0.467, 0.383]) {
                assert!((found - truth).abs() < 0.08, "{estimator}: {weighted:?}");
            }
        }
    }
}

#[test]
fn one_outcome_a_prompt_trains_every_estimator_and_routes() {
    let fresh: Vec<Prompt> = (0..3)
        .flat_map(|topic| (0..20).map(move |at| Prompt::new(format!("new-{topic}-{at}"), text(topic, 300 + at))))
        .collect();
    for estimator in estimators() {
        let toml = format!(
            "seed = 1\n[embedder]\nuse = \"hashing\"\ndimension = 128\n[discoverer]\nuse = \"labels\"\n[[estimators]]\nuse = \"{estimator}\"\n"
        );
        let config = RouterConfig::from_toml(&toml, "logs.toml").unwrap();
        let registry = router_plugins::builtin().unwrap();
        let unfitted = UnfittedRouter::from_config(&config, &registry).unwrap();
        let router = unfitted.fit_blocking(&log(true), &unfitted.context()).unwrap();
        let decisions = router.route_blocking(&fresh, &[]).unwrap();
        let reached: f32 =
            decisions.iter().enumerate().map(|(at, decision)| QUALITY[at / 20][decision.plan.models()[0]]).sum::<f32>()
                / 60.0;
        // The best for every topic reaches .817, the best single model .667.
        assert!(reached > 0.75, "{estimator}: {reached}");
    }
}

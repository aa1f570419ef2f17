//! Our side of `benches/peers/estimators`: embeds a data set once, writes what a peer needs to fit the same folds, fits estimators on
//! them, and prints what they reach and how long they take.
//!
//!     router-estimator-peer DATA_DIR CONFIG.toml OUT_DIR NAME=PARAMETERS_JSON...
//!
//! CONFIG.toml names the embedder. OUT_DIR gets embeddings.f32 (n x d), quality.f32 (n x m, -1 where missing) and folds.u32 (n), all little
//! endian, and shape.json. Standard output is one JSON document.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement: it fails by panicking, prints its result, and reads the clock"
)]

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use router_core::{
    Estimates, EstimatorRole, FitContext, PromptsView, QueryBatch, RouterConfig, TaskDistribution, Tasks, TrainingSet,
    UnfittedRouter,
};
use router_plugins as _;
use serde_json::{Value, json};

const FOLDS: usize = 5;
const SEED: u64 = 7;
/// Prompts that are estimated together, as the pipeline does.
const BATCH: usize = 256;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (data, config, out) = (Path::new(&arguments[0]), Path::new(&arguments[1]), Path::new(&arguments[2]));
    let registry = router_benches::registry();
    let dataset = Arc::new(router_data::directory::read(data).unwrap());
    let text = std::fs::read_to_string(config).unwrap();
    let config = RouterConfig::from_toml(&text, config.to_str().unwrap()).unwrap();
    let unfitted = UnfittedRouter::from_config(&config, &registry).unwrap();
    let cx = unfitted.context().with_embedding_cache(Arc::new(router_data::cache::DiskCache::of_user().unwrap()));
    let router = unfitted.fit_blocking(&dataset, &cx).unwrap();
    let embeddings = Arc::new(pollster::block_on(router.embed_with(dataset.prompts(), &cx)).unwrap().vectors);
    let set = TrainingSet::new(Arc::clone(&dataset), Arc::clone(&embeddings)).unwrap();
    let folds = set.folds(FOLDS, &FitContext::new(SEED).seed().child("folds")).unwrap();
    write(out, &set, folds.fold_of());
    // What estimators draw, where several draws are compared; folds stay as they are.
    let fit_seed = std::env::var("FIT_SEED").map_or(SEED, |text| text.parse().unwrap());
    let mut results = Vec::new();
    for argument in &arguments[3..] {
        let (name, parameters) = argument.split_once('=').unwrap_or((argument, "{}"));
        let parameters: Value = serde_json::from_str(parameters).unwrap();
        let (estimator, _) = registry.build::<EstimatorRole>(name, parameters.clone()).unwrap();
        let (mut fit_seconds, mut estimate_seconds, mut total) = (0.0, 0.0, 0.0);
        for fold in 0..FOLDS {
            let (train, held_out) = folds.split(fold);
            let train = set.subset(&train).unwrap();
            let start = Instant::now();
            let fitted = estimator.fit(&train, &Tasks::none(&train), &FitContext::new(fit_seed)).unwrap();
            fit_seconds += start.elapsed().as_secs_f64();
            let mut estimates = Estimates::new();
            for rows in held_out.chunks(BATCH) {
                let gathered = embeddings.gather(rows);
                let mut tasks = TaskDistribution::new();
                tasks.reset(rows.len(), 0);
                let prompts = PromptsView::rows(dataset.prompts(), rows);
                let start = Instant::now();
                fitted
                    .estimate(&QueryBatch { prompts, embeddings: gathered.view(), tasks: &tasks }, &mut estimates)
                    .unwrap();
                estimate_seconds += start.elapsed().as_secs_f64();
                for (at, &row) in rows.iter().enumerate() {
                    let of_row = estimates.quality().row(at);
                    let best = (0..of_row.len()).max_by(|&a, &b| of_row[a].total_cmp(&of_row[b]).then(b.cmp(&a)));
                    total += dataset.outcomes().get(row, best.unwrap()).map_or(0.0, |seen| f64::from(seen.quality));
                }
            }
        }
        let n = set.len() as f64;
        results.push(json!({
            "name": name,
            "parameters": parameters,
            "quality": total / n,
            "fit_seconds": fit_seconds / FOLDS as f64,
            "microseconds_per_prompt": 1e6 * estimate_seconds / n,
        }));
    }
    println!("{:#}", json!({ "prompts": set.len(), "folds": FOLDS, "estimators": results }));
}

/// What the peer reads.
fn write(out: &Path, set: &TrainingSet, fold_of: &[usize]) {
    std::fs::create_dir_all(out).unwrap();
    let (n, m, d) = (set.len(), set.models().len(), set.embeddings().cols());
    let floats = |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    let mut quality = vec![-1.0f32; n * m];
    for (row, outcome) in set.outcomes().iter() {
        quality[row * m + outcome.model] = outcome.quality;
    }
    std::fs::write(out.join("embeddings.f32"), floats(set.embeddings().as_slice())).unwrap();
    std::fs::write(out.join("quality.f32"), floats(&quality)).unwrap();
    let folds: Vec<u8> = fold_of.iter().flat_map(|&fold| (fold as u32).to_le_bytes()).collect();
    std::fs::write(out.join("folds.u32"), folds).unwrap();
    std::fs::write(out.join("shape.json"), json!({ "n": n, "d": d, "m": m }).to_string()).unwrap();
}

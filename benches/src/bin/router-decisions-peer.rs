//! Our side of `benches/peers/decisions`: fits routers to a world, writes what peers need to fit theirs, and decides as every line of stdin says.
//!
//! ```text
//! router-decisions-peer OUT TRAINING ASKED DIMENSION MODELS NAME=TOML...
//! ```
//!
//! OUT gets embeddings.f32, quality.f32 and skill.f32 of TRAINING + ASKED prompts, the training prompts first. TOML is the estimators of a
//! configuration, and what else it shall have. A line is `NAME batch THREADS` or `NAME single THREADS`: decisions
//! for the asked prompts from their embeddings, all in one call or one a call. The answer is `{"microseconds"}` a decision - the mean of a batch, the
//! median of single ones - and `{"quality"}` of the chosen models.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement: it fails by panicking, prints its result, and reads the clock"
)]

use std::collections::BTreeMap;
use std::io::{BufRead, Write, stdin, stdout};
use std::time::Instant;

use router_benches::{Size, World, registry};
use router_core::parallel::with_threads;
use router_core::pipeline::RouteBuffers;
use router_core::{Dataset, Decision, Embeddings, PromptsView, Router, RouterConfig, UnfittedRouter};
use serde_json::{Value, json};

/// Planted tasks.
const TASKS: usize = 30;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let numbers: Vec<usize> = arguments[1..5].iter().map(|text| text.parse().unwrap()).collect();
    let (training, asked) = (numbers[0], numbers[1]);
    let world = World::new(Size { n: training + asked, d: numbers[2], m: numbers[3], tasks: TASKS });
    write(&arguments[0], &world);
    let routers: BTreeMap<&str, Router> = arguments[5..]
        .iter()
        .map(|argument| {
            let (name, estimators) = argument.split_once('=').unwrap();
            (name, fit(estimators, &world, training))
        })
        .collect();
    for line in stdin().lock().lines() {
        let line = line.unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        let router = &routers[words[0]];
        let threads = words[2].parse().unwrap();
        let answer = with_threads(threads, || decide(router, &world, training, words[1] == "single"));
        println!("{}", answer.unwrap());
        stdout().flush().unwrap();
    }
}

/// A router with these estimators, fitted to the training prompts.
fn fit(estimators: &str, world: &World, training: usize) -> Router {
    let dimension = world.embeddings.cols();
    let text = format!("seed = 7\n[embedder]\nuse = \"hashing\"\ndimension = {dimension}\n{estimators}");
    let config = RouterConfig::from_toml(&text, "decisions.toml").unwrap();
    let unfitted = UnfittedRouter::from_config(&config, &registry()).unwrap();
    let cx = unfitted.context();
    let (embedder, _) = pollster::block_on(unfitted.embed(&world.dataset, &cx)).unwrap();
    let train = world.training_set().subset(&(0..training).collect::<Vec<_>>()).unwrap();
    unfitted.fit_embedded(&train, embedder, &cx).unwrap()
}

fn decide(router: &Router, world: &World, training: usize, single: bool) -> Value {
    let dataset: &Dataset = &world.dataset;
    let prompts = &dataset.prompts()[training..];
    let embeddings = world.embeddings.view().slice_rows(training, dataset.prompts().len());
    let mut decisions = vec![Decision::default(); prompts.len()];
    let mut buffers = RouteBuffers::default();
    let microseconds = if single {
        let mut nanoseconds: Vec<u128> = (0..prompts.len())
            .map(|row| {
                let (prompt, embedding) = (PromptsView::all(&prompts[row..=row]), embeddings.slice_rows(row, row + 1));
                let start = Instant::now();
                router.route_batch(prompt, embedding, &[], &mut buffers, &mut decisions[row..=row]).unwrap();
                start.elapsed().as_nanos()
            })
            .collect();
        nanoseconds.sort_unstable();
        nanoseconds[nanoseconds.len() / 2] as f64 / 1e3
    } else {
        let embeddings = Embeddings::new(embeddings.to_matrix());
        let start = Instant::now();
        router.route_embedded(PromptsView::all(prompts), &embeddings, &[], &mut decisions).unwrap();
        1e6 * start.elapsed().as_secs_f64() / prompts.len() as f64
    };
    let skill = |(at, decision): (usize, &Decision)| f64::from(world.skill(training + at, decision.model().unwrap()));
    let quality = decisions.iter().enumerate().map(skill).sum::<f64>() / prompts.len() as f64;
    json!({ "microseconds": microseconds, "quality": quality })
}

fn write(out: &str, world: &World) {
    let (dataset, out) = (&world.dataset, std::path::Path::new(out));
    let floats = |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    let m = dataset.models().len();
    let mut quality = vec![0.0f32; dataset.prompts().len() * m];
    let mut skill = quality.clone();
    for row in 0..dataset.prompts().len() {
        for outcome in dataset.outcomes().row(row) {
            quality[row * m + outcome.model] = outcome.quality;
            skill[row * m + outcome.model] = world.skill(row, outcome.model);
        }
    }
    std::fs::create_dir_all(out).unwrap();
    std::fs::write(out.join("embeddings.f32"), floats(world.embeddings.as_slice())).unwrap();
    std::fs::write(out.join("quality.f32"), floats(&quality)).unwrap();
    std::fs::write(out.join("skill.f32"), floats(&skill)).unwrap();
}

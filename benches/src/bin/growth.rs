//! How time, memory and quality grow with the number of prompts and of models, for every discoverer, classifier and estimator.
//!
//! ```text
//! cargo run --release -p router-benches --bin growth -- table [--prompts 5000,20000] [--models 10,100,1000] [--only ROLE/NAME]
//! cargo run --release -p router-benches --bin growth -- measure ROLE NAME PROMPTS MODELS [PARAMETERS as JSON [TASKS]]
//! cargo run --release -p router-benches --bin growth -- sample PROMPTS TASKS SIZE...
//! cargo run --release -p router-benches --bin growth -- export PROMPTS FILE
//! cargo run --release -p router-benches --bin growth -- noise LEVEL SEED FILE
//! ```
//!
//! `table` measures every plugin in a process of its own: the given numbers of prompts at the first number of models, and the
//! given numbers of models at the first number of prompts. Embeddings have 384 dimensions and lie around 30 planted tasks of one size; 2,000
//! further prompts are held out. `sample` finds TASKS planted tasks by the discoverer `sampled` with samples of the given sizes. Processor time counts all threads: it means something on a shared machine where wall time does not.
//! Peak memory is that of the process less what it held before the fit. `export` writes the embeddings for the peer in
//! `benches/peers/discovery`; `noise` those of a world of `examples/discovery_under_noise.rs`, whose planted tasks it prints, and
//! the tasks that `kmeans` and `spectral` find in it by words alone. Processor time and memory are read from Linux's /proc, and are zero elsewhere.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a measuring program: it prints, reads the clock, and fails by panicking"
)]

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use router_benches::{Size, World, names, processor_seconds, registry};
use router_core::registry::Role;
use router_core::{
    ClassifierRole, DiscovererRole, EmbedderRole, Estimates, EstimatorRole, FitContext, MatrixView, Prompt,
    PromptsView, QueryBatch, Registry, TaskDistribution, TaskMap, Tasks, TrainingSet, config::TasksConfig,
};
use router_data::synthetic::{self, WorldConfig};
use router_plugins::graph::adjusted_rand_index;
use serde_json::{Value, json};

const DIMENSION: usize = 384;
const TASKS: usize = 30;
const HELD_OUT: usize = 2_000;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["measure", role, name, prompts, models, rest @ ..] => {
            let parameters =
                rest.first().map_or(json!({}), |text| serde_json::from_str(text).expect("parameters are JSON"));
            let tasks = rest.get(1).map_or(TASKS, |text| number(text));
            println!("{}", measure(role, name, [number(prompts), number(models), tasks], parameters));
        }
        ["sample", prompts, tasks, sizes @ ..] => {
            let sizes: Vec<usize> = sizes.iter().map(|size| number(size)).collect();
            samples(number(prompts), number(tasks), &sizes);
        }
        ["table", options @ ..] => table(options),
        ["export", prompts, file] => export(number(prompts), file),
        ["noise", level, seed, file] => println!("{}", noise(level.parse().expect("a share"), seed, file)),
        _ => {
            eprintln!("usage: growth table|measure|sample|export|noise, see the head of benches/src/bin/growth.rs");
            std::process::exit(2);
        }
    }
}

fn number(text: &str) -> usize {
    text.parse().expect("a number")
}

/// A world whose last [`HELD_OUT`] prompts are held out.
struct Split {
    world: World,
    planted: usize,
    train: TrainingSet,
    tasks: Tasks,
    held_out: Vec<usize>,
}

impl Split {
    fn new(prompts: usize, models: usize, planted: usize) -> Self {
        let world = World::new(Size { n: prompts + HELD_OUT, d: DIMENSION, m: models, tasks: planted });
        let rows: Vec<usize> = (0..prompts).collect();
        let labels: Vec<Option<u32>> = rows.iter().map(|&row| Some((row % planted) as u32)).collect();
        let train = world.training_set().subset(&rows).expect("a part of the world");
        let tasks = Tasks::profile(&train, TaskMap::from_labels(&labels), &TasksConfig::default()).expect("tasks");
        Self { world, planted, train, tasks, held_out: (prompts..prompts + HELD_OUT).collect() }
    }
}

/// Fits one plugin and reports on it as JSON.
fn measure(role: &str, name: &str, [prompts, models, planted]: [usize; 3], parameters: Value) -> Value {
    let split = Split::new(prompts, models, planted);
    let registry = registry();
    forget_peak();
    let before = memory("VmRSS:");
    let (wall, cpu) = (Instant::now(), processor_seconds());
    // What a fit gives is judged after the clock has stopped.
    let quality: Box<dyn FnOnce() -> (&'static str, f64)> = match role {
        "discoverer" => {
            let discoverer = registry.build::<DiscovererRole>(name, parameters).expect("a discoverer").0;
            let map = discoverer.discover(&split.train, &FitContext::new(1)).expect("tasks");
            Box::new(move || ("adjusted Rand index", agreement(&map, planted)))
        }
        "classifier" => {
            let classifier = registry.build::<ClassifierRole>(name, parameters).expect("a classifier").0;
            let fitted = classifier.fit(&split.train, &split.tasks, &FitContext::new(1)).expect("a fit");
            let split = &split;
            Box::new(move || {
                let mut out = TaskDistribution::default();
                let asked = split.world.embeddings.gather(&split.held_out);
                fitted.classify(asked.view(), &mut out).expect("tasks");
                let right = (0..HELD_OUT).filter(|&at| {
                    out.assigned(at).map(|task| task.0 as usize) == Some(split.held_out[at] % split.planted)
                });
                ("held-out accuracy", right.count() as f64 / HELD_OUT as f64)
            })
        }
        "estimator" => {
            let estimator = registry.build::<EstimatorRole>(name, parameters).expect("an estimator").0;
            let fitted = estimator.fit(&split.train, &split.tasks, &FitContext::new(1)).expect("a fit");
            let split = &split;
            Box::new(move || {
                let asked = split.world.embeddings.gather(&split.held_out);
                let assigned: Vec<_> =
                    split.held_out.iter().map(|&row| split.world.tasks.map().assignments()[row]).collect();
                let tasks = TaskDistribution::certain(&assigned, split.tasks.count()).expect("tasks");
                let prompts = PromptsView::rows(split.world.dataset.prompts(), &split.held_out);
                let mut out = Estimates::new();
                let batch = QueryBatch { prompts, embeddings: asked.view(), tasks: &tasks };
                fitted.estimate(&batch, &mut out).expect("estimates");
                ("held-out quality", chosen_quality(split, &out))
            })
        }
        _ => {
            eprintln!("no growth of `{role}` is measured: discoverer, classifier or estimator");
            std::process::exit(2);
        }
    };
    let seconds = wall.elapsed().as_secs_f64();
    let cpu = processor_seconds() - cpu;
    let peak = memory("VmHWM:") - before;
    let (measure, value) = quality();
    json!({
        "role": role, "name": name, "prompts": prompts, "models": models, "tasks": planted, "seconds": seconds, "processor_seconds": cpu,
        "peak_megabytes": peak.max(0.0) / 1024.0, "process_megabytes": memory("VmHWM:") / 1024.0, "measure": measure, "quality": value,
    })
}

/// How well the tasks agree with the planted ones; every prompt without a task is one of its own.
fn agreement(map: &TaskMap, tasks: usize) -> f64 {
    let labels: Vec<u32> = map
        .assignments()
        .iter()
        .enumerate()
        .map(|(row, task)| task.map_or(1 << 24 | row as u32, |task| task.0))
        .collect();
    let planted: Vec<u32> = (0..labels.len()).map(|row| (row % tasks) as u32).collect();
    adjusted_rand_index(&labels, &planted).expect("labels of the same length")
}

/// The mean quality of the model that is estimated to be the best, on the held-out prompts.
fn chosen_quality(split: &Split, estimates: &Estimates) -> f64 {
    let quality = estimates.view().quality;
    let mut total = 0.0;
    for (at, &row) in split.held_out.iter().enumerate() {
        let estimates = quality.row(at);
        let best = (0..estimates.len()).max_by(|&a, &b| estimates[a].total_cmp(&estimates[b]).then(b.cmp(&a)));
        let outcome = best.and_then(|model| split.world.dataset.outcomes().get(row, model));
        total += outcome.map_or(0.0, |outcome| f64::from(outcome.quality));
    }
    total / split.held_out.len() as f64
}

/// A field of /proc/self/status in kilobytes.
fn memory(field: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap_or_default();
    line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0.0)
}

/// Begins the peak of memory (VmHWM) anew, so that what made the world does not count.
fn forget_peak() {
    if std::path::Path::new("/proc/self/clear_refs").exists() {
        std::fs::write("/proc/self/clear_refs", "5").expect("a peak to reset");
    }
}

fn table(options: &[&str]) {
    let mut given: BTreeMap<&str, &str> = BTreeMap::new();
    for pair in options.chunks(2) {
        if let [name, value] = pair {
            given.insert(name, value);
        }
    }
    let list = |name: &str, default: &str| -> Vec<usize> {
        given.get(name).copied().unwrap_or(default).split(',').map(number).collect()
    };
    let (prompts, models) = (list("--prompts", "5000,20000"), list("--models", "10,100,1000"));
    let registry = registry();
    println!("| plugin | n | m | processor s | wall s | peak MB | quality | growth |");
    println!("|---|---|---|---|---|---|---|---|");
    for (role, names) in plugins(&registry) {
        for name in names {
            if given.get("--only").is_some_and(|only| *only != format!("{role}/{name}")) {
                continue;
            }
            let mut first: Option<Value> = None;
            for (n, m, by) in prompts
                .iter()
                .map(|&n| (n, models[0], "prompts"))
                .chain(models.iter().skip(1).map(|&m| (prompts[0], m, "models")))
            {
                let run = child(role, name, n, m);
                let get = |run: &Value, key: &str| run[key].as_f64().unwrap_or(f64::NAN);
                let growth = first.as_ref().map(|first| {
                    let time = get(&run, "processor_seconds").max(0.01) / get(first, "processor_seconds").max(0.01);
                    let exponent = time.ln() / (get(&run, by) / get(first, by)).ln();
                    format!("{}^{exponent:.2}", &by[..1].replace('p', "n"))
                });
                println!(
                    "| {role}/{name} | {n} | {m} | {:.2} | {:.2} | {:.0} | {} {:.3} | {} |",
                    get(&run, "processor_seconds"),
                    get(&run, "seconds"),
                    get(&run, "peak_megabytes"),
                    run["measure"].as_str().unwrap_or_default(),
                    get(&run, "quality"),
                    growth.unwrap_or_default()
                );
                first = first.or(Some(run));
            }
        }
    }
}

fn plugins(registry: &Registry) -> Vec<(&'static str, Vec<&'static str>)> {
    [DiscovererRole::NAME, ClassifierRole::NAME, EstimatorRole::NAME].map(|role| (role, names(registry, role))).to_vec()
}

/// One measurement in a process of its own, so that peak memory is its own.
fn child(role: &str, name: &str, prompts: usize, models: usize) -> Value {
    let program = std::env::current_exe().expect("this program");
    let output = Command::new(program)
        .args(["measure", role, name, &prompts.to_string(), &models.to_string()])
        .output()
        .expect("a child process");
    assert!(output.status.success(), "{role}/{name}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Finds the tasks of one world by samples of growing size.
fn samples(prompts: usize, tasks: usize, sizes: &[usize]) {
    let world = World::new(Size { n: prompts, d: DIMENSION, m: 10, tasks });
    let (set, registry) = (world.training_set(), registry());
    println!(
        "| prompts | planted tasks | sample | a task | tasks found | adjusted Rand index | processor s | wall s | peak MB of discovery | of the process |"
    );
    println!("|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
    for &size in sizes {
        let discoverer = registry.build::<DiscovererRole>("sampled", json!({ "size": size })).expect("a discoverer").0;
        forget_peak();
        let before = memory("VmRSS:");
        let (wall, cpu) = (Instant::now(), processor_seconds());
        let map = discoverer.discover(&set, &FitContext::new(1)).expect("tasks");
        let (wall, cpu, peak) = (wall.elapsed().as_secs_f64(), processor_seconds() - cpu, memory("VmHWM:"));
        println!(
            "| {prompts} | {tasks} | {size} | {:.0} | {} | {:.3} | {cpu:.1} | {wall:.1} | {:.0} | {:.0} |",
            size as f64 / tasks as f64,
            map.count(),
            agreement(&map, tasks),
            (peak - before).max(0.0) / 1024.0,
            peak / 1024.0
        );
    }
}

/// Writes n x 384 embeddings as f32, little end first, row by row.
fn export(prompts: usize, file: &str) {
    let split = Split::new(prompts, 10, TASKS);
    write_embeddings(split.train.embeddings(), file);
}

fn write_embeddings(embeddings: MatrixView<'_>, file: &str) {
    let bytes: Vec<u8> = embeddings.as_slice().iter().flat_map(|value| value.to_le_bytes()).collect();
    std::fs::write(file, bytes).expect("a file to write");
}

/// Writes the embeddings of a world in which `level` of the prompts are worded as another task; gives their dimension, the planted
/// tasks, and those that are found where their number is given.
fn noise(level: f64, seed: &str, file: &str) -> Value {
    let seed: u64 = seed.parse().expect("a seed");
    let config = WorldConfig { prompts: 1_200, wording_noise: level, smallest_task: 30, ..WorldConfig::demo(seed) };
    let world = synthetic::World::generate(&config).expect("a world");
    let prompts: Vec<&Prompt> = world.dataset.prompts().iter().collect();
    let texts: Vec<_> = prompts.iter().map(|prompt| prompt.text()).collect();
    let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
    let registry = registry();
    let embedder = registry.build::<EmbedderRole>("hashing", json!({})).expect("an embedder").0;
    let fitted = pollster::block_on(embedder.fit(&texts, &FitContext::new(7))).expect("a fit");
    let embeddings = pollster::block_on(fitted.embed_prompts(&prompts)).expect("embeddings").vectors;
    write_embeddings(embeddings.view(), file);
    let dimension = embeddings.cols();
    let set = TrainingSet::new(Arc::new(world.dataset), Arc::new(embeddings)).expect("a training set");
    let found = |name: &str, parameters: Value| -> Vec<i64> {
        let discoverer = registry.build::<DiscovererRole>(name, parameters).expect("a discoverer").0;
        let map = discoverer.discover(&set, &FitContext::new(7)).expect("tasks");
        map.assignments().iter().map(|task| task.map_or(-1, |task| i64::from(task.0))).collect()
    };
    json!({
        "dimension": dimension, "planted": world.planted,
        "kmeans": found("kmeans", json!({ "k": config.tasks })),
        "spectral": found("spectral", json!({ "k": config.tasks, "agreement": 0.0 })),
    })
}

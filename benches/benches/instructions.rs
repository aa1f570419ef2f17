//! Instructions that the hot kernels execute, counted by valgrind's callgrind: the same on a busy machine as on a quiet one.
//!
//! ```text
//! cargo bench -p router-benches --bench instructions
//! ```
//!
//! The program runs itself under valgrind, once a kernel, and counts inside [`counted`] alone, so that worlds are left out, and fits where they are not the kernel; everything runs on one
//! thread. Valgrind knows no AVX-512, so that kernels take their AVX2 path. Where valgrind is absent, and under `--test`, it says so and counts nothing.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a measuring program: it prints, and fails by panicking"
)]

use std::hint::black_box;
use std::process::Command;

use router_benches::{Size, World, registry, suite};
use router_core::traits::{StoredAggregator, StoredEstimator, StoredPolicy};
use router_core::{
    AggregatorEvidence, AggregatorRole, Choice, Decision, Eligibility, Estimates, EstimatesView, EstimatorRole,
    FitContext, Matrix, PartInfo, PolicyEvidence, PolicyRole, PromptsView, QueryBatch, Stage,
};
use router_plugins::graph::{Chance, RankBiasedOverlap, Ties};
use router_plugins::neighbors::NeighborIndex;
use serde_json::json;

/// Every kernel, what it is called for, and the prompts that a call handles.
const KERNELS: [(&str, &str, usize); 9] = [
    ("exact-neighbors", "10 nearest of 2,000 points, 384 dimensions", QUERIES),
    ("estimate-moe", "3 members of width 128, 384 dimensions, 10 models", SIZE.n),
    ("estimate-ridge", "384 dimensions, 10 models, with the variance", SIZE.n),
    ("rank-overlap", "features of the rankings of 30 models", SIZE.n),
    ("aggregate", "two parts, 10 models", SIZE.n),
    ("choose", "`utility`, 10 models", SIZE.n),
    ("fit-forest", "one tree, 64 dimensions, 30 models", WIDE.n),
    ("fit-neighbors", "the choice of its parameters, 64 dimensions, 30 models", WIDE.n),
    ("fit-mlp", "two epochs of one network of width 128, 64 dimensions, 30 models", WIDE.n),
];
const QUERIES: usize = 256;
const SIZE: Size = Size { n: 300, d: 384, m: 10, tasks: 5 };

/// A pool so wide that compilers have left its inner loops scalar without a word.
const WIDE: Size = Size { n: 300, d: 64, m: 30, tasks: 5 };

/// Points, and as many queries as one block holds.
fn neighbors() -> (NeighborIndex, Matrix) {
    let world = World::new(Size { n: 2_000, m: 1, ..SIZE });
    let queries = world.embeddings.view().slice_rows(0, QUERIES).to_matrix();
    (NeighborIndex::exact(world.embeddings.as_ref().clone()), queries)
}

struct Estimating {
    world: World,
    estimator: Box<dyn StoredEstimator>,
    out: Estimates,
}

fn estimator(name: &str, parameters: serde_json::Value) -> Estimating {
    let world = World::new(SIZE);
    let (unfitted, _) = registry().build::<EstimatorRole>(name, parameters).unwrap();
    let estimator = unfitted.fit(&world.training_set(), &world.tasks, &FitContext::new(1)).unwrap();
    let mut estimating = Estimating { world, estimator, out: Estimates::new() };
    // Memory that is kept from call to call is taken now.
    estimating.estimate();
    estimating
}

impl Estimating {
    fn estimate(&mut self) {
        let batch = QueryBatch {
            prompts: PromptsView::all(self.world.dataset.prompts()),
            embeddings: self.world.embeddings.view(),
            tasks: &self.world.distribution,
        };
        self.estimator.estimate(&batch, &mut self.out).unwrap();
    }
}

/// Counts a fit alone.
fn count_fit(name: &str, parameters: serde_json::Value) {
    let world = World::new(WIDE);
    let (set, cx) = (world.training_set(), FitContext::new(1));
    let (unfitted, _) = registry().build::<EstimatorRole>(name, parameters).unwrap();
    counted(|| drop(black_box(unfitted.fit(&set, &world.tasks, &cx).unwrap())));
}

fn moe() -> Estimating {
    estimator("moe", json!({ "epochs": 2, "members": 3, "task_weight_decay": 10.0 }))
}

fn ridge() -> Estimating {
    estimator("ridge", json!({ "penalty": 30.0 }))
}

fn rankings() -> (RankBiasedOverlap, World) {
    (RankBiasedOverlap::new(0.9, Ties::Normalized, Chance::Removed).unwrap(), World::new(Size { d: 8, m: 30, ..SIZE }))
}

struct Aggregating {
    aggregator: Box<dyn StoredAggregator>,
    parts: Vec<Estimates>,
    out: Estimates,
}

/// What the world's skills would be estimated at.
fn skills(world: &World) -> Estimates {
    let (n, m) = (world.dataset.prompts().len(), world.dataset.models().len());
    let mut estimates = Estimates::new();
    estimates.reset(n, m);
    for row in 0..n {
        for model in 0..m {
            estimates.quality_mut().set(row, model, world.skill(row, model) - 0.001 * model as f32);
        }
    }
    estimates
}

fn aggregator() -> Aggregating {
    let world = World::new(SIZE);
    let parts = vec![skills(&world), skills(&world)];
    let part = |slot: &str, stage| PartInfo { slot: slot.to_owned(), name: "part".to_owned(), stage };
    let infos = [part("task_scores", Stage::Task), part("estimators/0", Stage::Prompt)];
    let (unfitted, _) = registry().build::<AggregatorRole>("weighted", json!({ "alpha": 0.5 })).unwrap();
    let set = world.training_set();
    let evidence = AggregatorEvidence { set: &set, parts: &infos, cross_fitted: None };
    let aggregator = unfitted.fit(&evidence, &FitContext::new(1)).unwrap();
    let mut out = Estimates::new();
    out.reset(SIZE.n, SIZE.m);
    Aggregating { aggregator, parts, out }
}

impl Aggregating {
    fn aggregate(&mut self) {
        let views: Vec<EstimatesView<'_>> = self.parts.iter().map(Estimates::view).collect();
        self.aggregator.aggregate(&views, &mut self.out).unwrap();
    }
}

struct Choosing {
    policy: Box<dyn StoredPolicy>,
    estimates: Estimates,
    cost: Matrix,
    eligible: Eligibility,
    out: Vec<Decision>,
}

impl Choosing {
    fn choose(&mut self) {
        let choice = Choice {
            quality: self.estimates.quality(),
            variance: None,
            cost_usd: self.cost.view(),
            known_cost: &[true; SIZE.m],
            eligible: &self.eligible,
        };
        self.policy.choose(&choice, &mut self.out).unwrap();
    }
}

fn policy() -> Choosing {
    let world = World::new(SIZE);
    let mut cost = Matrix::zeros(SIZE.n, SIZE.m);
    for row in 0..SIZE.n {
        for model in 0..SIZE.m {
            cost.set(row, model, 0.001 * (model + 1) as f32);
        }
    }
    let mut eligible = Eligibility::default();
    eligible.reset(SIZE.n, SIZE.m);
    let (unfitted, _) = registry().build::<PolicyRole>("utility", json!({ "lambda": 1.0 })).unwrap();
    let set = world.training_set();
    let evidence = PolicyEvidence { set: &set, cross_fitted: None, cost_usd: cost.view(), known_cost: &[true; SIZE.m] };
    let policy = unfitted.fit(&evidence, &FitContext::new(1)).unwrap();
    let out = vec![Decision::default(); SIZE.n];
    let mut choosing = Choosing { policy, estimates: skills(&world), cost, eligible, out };
    choosing.choose();
    choosing
}

/// What callgrind counts: its name is what collection is toggled by.
#[inline(never)]
fn counted(work: impl FnOnce()) {
    work();
}

/// Prepares a kernel and runs it once.
fn run(kernel: &str) {
    match kernel {
        "exact-neighbors" => {
            let (index, queries) = neighbors();
            counted(|| drop(black_box(index.search_here(queries.view(), 10).unwrap())));
        }
        "estimate-moe" => {
            let mut estimating = moe();
            counted(|| estimating.estimate());
        }
        "estimate-ridge" => {
            let mut estimating = ridge();
            counted(|| estimating.estimate());
        }
        "rank-overlap" => {
            let (overlap, world) = rankings();
            counted(|| drop(black_box(overlap.features(world.dataset.outcomes()))));
        }
        "aggregate" => {
            let mut aggregating = aggregator();
            counted(|| aggregating.aggregate());
        }
        "choose" => {
            let mut choosing = policy();
            counted(|| choosing.choose());
        }
        "fit-forest" => count_fit("forest", json!({ "trees": 1 })),
        "fit-neighbors" => count_fit("neighbors", json!({})),
        "fit-mlp" => count_fit("mlp", json!({ "epochs": 2, "members": 1 })),
        _ => panic!("`{kernel}` is no kernel"),
    }
}

/// The instructions of `kernel` as callgrind tells them at its end: `Collected : N`.
fn count(kernel: &str) -> u64 {
    let program = std::env::current_exe().unwrap();
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=*counted*"])
        .arg(program)
        .args(["--count", kernel])
        .env("RAYON_NUM_THREADS", "1")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{kernel}: {told}");
    let line = told.lines().find_map(|line| line.split("Collected :").nth(1));
    line.and_then(|number| number.trim().parse().ok()).unwrap_or_else(|| panic!("{kernel}: no count in\n{told}"))
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, kernel] = arguments.as_slice()
        && flag == "--count"
    {
        return run(kernel);
    }
    if suite::only_tested() {
        // That kernels run at all is still seen.
        for (kernel, ..) in &KERNELS {
            run(kernel);
        }
        return eprintln!("SKIPPED: no instructions were counted, since benches are only tested");
    }
    if !Command::new("valgrind").arg("--version").output().is_ok_and(|output| output.status.success()) {
        return eprintln!("SKIPPED: no instructions were counted, since valgrind is not installed");
    }
    println!("| kernel | | prompts | instructions | a prompt |");
    println!("|---|---|---:|---:|---:|");
    for (kernel, what, prompts) in KERNELS {
        let instructions = count(kernel);
        println!("| `{kernel}` | {what} | {prompts} | {instructions} | {:.0} |", instructions as f64 / prompts as f64);
    }
}

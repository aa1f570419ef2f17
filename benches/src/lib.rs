//! What the benches share: worlds of any size with planted tasks, the registered plugins of a role, and the benches of every role,
//! which a crate of plugins runs over its own by one line ([`benches!`]).
#![allow(
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::needless_for_each,
    clippy::panic,
    reason = "a bench that cannot set up its world has nothing to measure"
)]

pub mod decisions;
pub mod suite;

#[doc(hidden)]
pub use suite::private as __private;

use std::sync::Arc;

use rand::RngExt;
use router_core::config::TasksConfig;
use router_core::{
    Dataset, Matrix, Model, ModelPool, Outcome, Outcomes, Prompt, Registry, Seed, TaskDistribution, TaskId, TaskMap,
    Tasks, TrainingSet,
};

/// The size of a world.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Prompts.
    pub n: usize,
    /// Dimension of the embeddings.
    pub d: usize,
    /// Models.
    pub m: usize,
    /// Planted tasks.
    pub tasks: usize,
}

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "n={},d={},m={},t={}", self.n, self.d, self.m, self.tasks)
    }
}

/// Embeddings around planted centers, and outcomes by task and model.
pub struct World {
    /// Prompts, models and outcomes.
    pub dataset: Arc<Dataset>,
    /// n x d, of unit norm.
    pub embeddings: Arc<Matrix>,
    /// The planted tasks, profiled.
    pub tasks: Tasks,
    /// Every prompt certain of its planted task.
    pub distribution: TaskDistribution,
    size: Size,
}

impl World {
    /// The world of `size`, always the same.
    pub fn new(size: Size) -> Self {
        let mut stream = Seed::root(1).stream("bench");
        let mut normal = || (0..6).map(|_| stream.random::<f32>() - 0.5).sum::<f32>();
        let mut centers = Matrix::zeros(size.tasks, size.d);
        centers.as_mut_slice().iter_mut().for_each(|value| *value = normal());
        let mut embeddings = Matrix::zeros(size.n, size.d);
        for row in 0..size.n {
            let center = centers.row(row % size.tasks).to_vec();
            for (value, center) in embeddings.row_mut(row).iter_mut().zip(center) {
                *value = center + 0.7 * normal();
            }
            let norm = embeddings.row(row).iter().map(|value| value * value).sum::<f32>().sqrt();
            embeddings.row_mut(row).iter_mut().for_each(|value| *value /= norm);
        }
        let rows = (0..size.n)
            .map(|row| {
                (0..size.m)
                    .map(|model| {
                        let skill = skill(size, row, model);
                        Outcome::new(model, f32::from(u8::from(stream.random::<f32>() < skill)))
                    })
                    .collect()
            })
            .collect();
        let prompts = (0..size.n)
            .map(|row| {
                Prompt::new(row.to_string(), format!("Explain case {row} of kind {}, step by step.", row % size.tasks))
                    .with_benchmark(format!("kind {}", row % size.tasks))
            })
            .collect();
        let pool = (0..size.m).map(|model| Model::new(format!("model-{model}")).with_price(1.0, 2.0)).collect();
        let pool = ModelPool::new(pool).expect("a pool");
        let outcomes = Outcomes::from_rows(size.m, rows).expect("outcomes");
        let dataset = Arc::new(Dataset::new("bench", prompts, pool, outcomes).expect("a data set"));
        let embeddings = Arc::new(embeddings);
        let set = TrainingSet::new(Arc::clone(&dataset), Arc::clone(&embeddings)).expect("a training set");
        let labels: Vec<Option<u32>> = (0..size.n).map(|row| Some((row % size.tasks) as u32)).collect();
        let map = TaskMap::from_labels(&labels);
        let assignments: Vec<Option<TaskId>> = map.assignments().to_vec();
        let tasks = Tasks::profile(&set, map, &TasksConfig::default()).expect("tasks");
        let distribution = TaskDistribution::certain(&assignments, tasks.count()).expect("tasks");
        Self { dataset, embeddings, tasks, distribution, size }
    }

    /// The probability that `model` answers prompt `row` well: 0.9 for the model of its task, 0.4 for any other.
    pub fn skill(&self, row: usize, model: usize) -> f32 {
        skill(self.size, row, model)
    }

    /// The prompts with their embeddings, for fitting.
    pub fn training_set(&self) -> TrainingSet {
        TrainingSet::new(Arc::clone(&self.dataset), Arc::clone(&self.embeddings)).expect("a training set")
    }
}

fn skill(size: Size, row: usize, model: usize) -> f32 {
    if (row % size.tasks) % size.m == model { 0.9 } else { 0.4 }
}

/// The built-in registry.
pub fn registry() -> Registry {
    router_plugins::builtin().expect("the built-in plugins")
}

/// Plugins that need what a bench has not: a server.
const ELSEWHERE: [&str; 1] = ["remote"];

/// The names of the registered plugins of `role` that run by themselves.
pub fn names(registry: &Registry, role: &str) -> Vec<&'static str> {
    let here = |name: &&str| !ELSEWHERE.contains(name);
    registry.list().into_iter().filter(|plugin| plugin.role == role).map(|plugin| plugin.name).filter(here).collect()
}

/// Clock ticks of a second in /proc/self/stat, on every Linux there is.
const TICKS: f64 = 100.0;

/// Processor time of all threads of this program so far, in steps of 0.01: what a measurement means on a shared machine. 0 elsewhere than on Linux.
pub fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name in parentheses may hold anything; user and system time are the 12th and 13th field after it.
    let after = stat.rsplit(')').next().unwrap_or_default();
    let ticks: f64 = after.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum();
    ticks / TICKS
}

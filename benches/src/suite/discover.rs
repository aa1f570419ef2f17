//! Discovery: training prompts to tasks.

use criterion::Criterion;
use router_core::{DiscovererRole, FitContext, Registry};
use router_plugins::graph::adjusted_rand_index;

use super::{Bench, Plugin, Suite, sizes};
use crate::World;

impl Suite for DiscovererRole {
    /// `discover`: the tasks of the world. Quality is the adjusted Rand index with the planted ones, prompts without a task together in one.
    fn bench(criterion: &mut Criterion, registry: &Registry, plugins: &[Plugin]) {
        for size in sizes() {
            let set = World::new(size).training_set();
            let planted: Vec<u32> = (0..size.n).map(|row| (row % size.tasks) as u32).collect();
            for plugin in plugins {
                let bench = Bench { group: "discover", plugin, size, prompts: size.n, slow: true };
                let discover = |discoverer: &dyn router_core::TaskDiscoverer| {
                    discoverer.discover(&set, &FitContext::new(1)).expect("tasks")
                };
                bench.run(
                    criterion,
                    || registry.build::<Self>(plugin.name, plugin.parameters.clone()).expect("a discoverer").0,
                    |discoverer| {
                        let map = discover(&**discoverer);
                        let none = map.count() as u32;
                        let found: Vec<u32> =
                            map.assignments().iter().map(|task| task.map_or(none, |task| task.0)).collect();
                        let index = adjusted_rand_index(&planted, &found).expect("as many labels");
                        Some(("adjusted Rand index", index))
                    },
                    |bencher, discoverer| bencher.iter(|| discover(&**discoverer)),
                );
            }
        }
    }
}

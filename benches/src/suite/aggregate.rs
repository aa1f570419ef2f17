//! Aggregation: two stages to one estimate.

use criterion::Criterion;
use rand::RngExt as _;
use router_core::{
    AggregatorEvidence, AggregatorRole, Estimates, EstimatesView, FitContext, PartInfo, Registry, Seed, Stage,
};

use super::{Bench, Plugin, Suite, sizes};
use crate::World;

impl Suite for AggregatorRole {
    /// `aggregate`: estimates of two stages, which are the models' skill with noise of 0.3 and 0.2, to one. Quality is 1 less the root mean squared
    /// error against the skill.
    fn bench(criterion: &mut Criterion, registry: &Registry, plugins: &[Plugin]) {
        for size in sizes() {
            let world = World::new(size);
            let set = world.training_set();
            let part = |slot: &str, stage| PartInfo { slot: slot.to_owned(), name: "part".to_owned(), stage };
            let infos = [part("task_scores", Stage::Task), part("estimators/0", Stage::Prompt)];
            let mut stream = Seed::root(1).stream("aggregate");
            let parts: Vec<Estimates> = [0.3f32, 0.2]
                .iter()
                .map(|&noise| {
                    let mut estimates = Estimates::new();
                    estimates.reset(size.n, size.m);
                    for row in 0..size.n {
                        for model in 0..size.m {
                            // Uniform noise of standard deviation 1 spans 2 sqrt(3).
                            let error = noise * 3.464 * (stream.random::<f32>() - 0.5);
                            estimates.quality_mut().set(row, model, world.skill(row, model) + error);
                        }
                    }
                    estimates
                })
                .collect();
            let views: Vec<EstimatesView<'_>> = parts.iter().map(Estimates::view).collect();
            for plugin in plugins {
                let bench = Bench { group: "aggregate", plugin, size, prompts: size.n, slow: false };
                bench.run(
                    criterion,
                    || {
                        let (aggregator, _) =
                            registry.build::<Self>(plugin.name, plugin.parameters.clone()).expect("an aggregator");
                        let evidence = AggregatorEvidence { set: &set, parts: &infos, cross_fitted: Some(&parts) };
                        aggregator.fit(&evidence, &FitContext::new(1)).expect("a fit")
                    },
                    |fitted| {
                        let mut out = Estimates::new();
                        fitted.aggregate(&views, &mut out).expect("an aggregate");
                        let squares = (0..size.n).flat_map(|row| (0..size.m).map(move |model| (row, model)));
                        let squares = squares.map(|(row, model)| {
                            f64::from(out.quality().get(row, model) - world.skill(row, model)).powi(2)
                        });
                        Some((
                            "1 - error against the skill",
                            1.0 - (squares.sum::<f64>() / (size.n * size.m) as f64).sqrt(),
                        ))
                    },
                    |bencher, fitted| {
                        let mut out = Estimates::new();
                        bencher.iter(|| fitted.aggregate(&views, &mut out).expect("an aggregate"));
                    },
                );
            }
        }
    }
}

//! Classification: embeddings to tasks; fitting apart.

use criterion::Criterion;
use router_core::{ClassifierRole, FitContext, Registry, TaskDistribution};

use super::split::Split;
use super::{Bench, Plugin, Suite, sizes};

impl Suite for ClassifierRole {
    /// `classify-fit`: from the planted tasks. `classify`: 500 held-out prompts. Quality is the share of them that get their planted task.
    fn bench(criterion: &mut Criterion, registry: &Registry, plugins: &[Plugin]) {
        for size in sizes() {
            let split = Split::new(size);
            for plugin in plugins {
                let (classifier, _) =
                    registry.build::<Self>(plugin.name, plugin.parameters.clone()).expect("a classifier");
                let fit = || classifier.fit(&split.train, &split.tasks, &FitContext::new(1)).expect("a fit");
                let bench = Bench { group: "classify-fit", plugin, size, prompts: size.n, slow: true };
                bench.run(criterion, || (), |()| None, |bencher, ()| bencher.iter(fit));
                let asked = split.embeddings.rows();
                let bench = Bench { group: "classify", plugin, size, prompts: asked, slow: false };
                bench.run(
                    criterion,
                    fit,
                    |fitted| {
                        let mut out = TaskDistribution::new();
                        fitted.classify(split.embeddings.view(), &mut out).expect("tasks");
                        let right = split.planted().enumerate();
                        let right =
                            right.filter(|&(at, task)| out.assigned(at).map(router_core::TaskId::index) == Some(task));
                        Some(("held-out accuracy", right.count() as f64 / asked as f64))
                    },
                    |bencher, fitted| {
                        let mut out = TaskDistribution::new();
                        bencher.iter(|| fitted.classify(split.embeddings.view(), &mut out).expect("tasks"));
                    },
                );
            }
        }
    }
}

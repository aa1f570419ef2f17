//! Estimation: what quality to expect of every model; fitting apart.

use criterion::Criterion;
use router_core::{Estimates, EstimatorRole, FitContext, QueryBatch, Registry};

use super::split::Split;
use super::{Bench, Plugin, Suite, sizes};

impl Suite for EstimatorRole {
    /// `estimate-fit`: from the planted tasks and outcomes. `estimate`: 500 held-out prompts. Quality is the mean skill of the models with the
    /// highest estimates for them, between 0.4 and 0.9 in these worlds.
    fn bench(criterion: &mut Criterion, registry: &Registry, plugins: &[Plugin]) {
        for size in sizes() {
            let split = Split::new(size);
            let distribution = split.distribution();
            let batch =
                QueryBatch { prompts: split.prompts(), embeddings: split.embeddings.view(), tasks: &distribution };
            for plugin in plugins {
                let (estimator, _) =
                    registry.build::<Self>(plugin.name, plugin.parameters.clone()).expect("an estimator");
                let fit = || estimator.fit(&split.train, &split.tasks, &FitContext::new(1)).expect("a fit");
                let bench = Bench { group: "estimate-fit", plugin, size, prompts: size.n, slow: true };
                bench.run(criterion, || (), |()| None, |bencher, ()| bencher.iter(fit));
                let bench = Bench { group: "estimate", plugin, size, prompts: batch.prompts.len(), slow: false };
                bench.run(
                    criterion,
                    fit,
                    |fitted| {
                        let mut out = Estimates::new();
                        fitted.estimate(&batch, &mut out).expect("estimates");
                        Some(("skill of the chosen models, held out", split.chosen(out.view())))
                    },
                    |bencher, fitted| {
                        let mut out = Estimates::new();
                        bencher.iter(|| fitted.estimate(&batch, &mut out).expect("estimates"));
                    },
                );
            }
        }
    }
}

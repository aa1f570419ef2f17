//! Choosing: estimates to decisions.

use criterion::Criterion;
use rand::RngExt as _;
use router_core::{
    Choice, Decision, Eligibility, Estimates, FitContext, Matrix, PolicyEvidence, PolicyRole, Registry, Seed,
};

use super::{Bench, Plugin, Suite, sizes};
use crate::World;

impl Suite for PolicyRole {
    /// `choose`: a model for every prompt, from estimates that are the models' skill with noise of 0.1, and costs. Quality is the mean skill of the
    /// model that is asked first.
    fn bench(criterion: &mut Criterion, registry: &Registry, plugins: &[Plugin]) {
        for size in sizes() {
            let world = World::new(size);
            let set = world.training_set();
            let mut stream = Seed::root(1).stream("choose");
            let (mut estimates, mut cost) = (Estimates::new(), Matrix::zeros(size.n, size.m));
            estimates.reset(size.n, size.m);
            for row in 0..size.n {
                for model in 0..size.m {
                    let error = 0.1 * 3.464 * (stream.random::<f32>() - 0.5);
                    estimates.quality_mut().set(row, model, (world.skill(row, model) + error).clamp(0.0, 1.0));
                    cost.set(row, model, 0.001 * (model + 1) as f32);
                }
            }
            let known = vec![true; size.m];
            let mut eligible = Eligibility::default();
            eligible.reset(size.n, size.m);
            let choice = Choice {
                quality: estimates.quality(),
                variance: None,
                cost_usd: cost.view(),
                known_cost: &known,
                eligible: &eligible,
            };
            for plugin in plugins {
                let bench = Bench { group: "choose", plugin, size, prompts: size.n, slow: false };
                bench.run(
                    criterion,
                    || {
                        let (policy, _) =
                            registry.build::<Self>(plugin.name, plugin.parameters.clone()).expect("a policy");
                        let evidence = PolicyEvidence {
                            set: &set,
                            cross_fitted: Some(estimates.view()),
                            cost_usd: cost.view(),
                            known_cost: &known,
                        };
                        policy.fit(&evidence, &FitContext::new(1)).expect("a fit")
                    },
                    |fitted| {
                        let mut out = vec![Decision::default(); size.n];
                        fitted.choose(&choice, &mut out).expect("decisions");
                        let skills = out.iter().enumerate();
                        let skills =
                            skills.filter_map(|(row, decision)| Some(f64::from(world.skill(row, decision.model()?))));
                        Some(("skill of the model asked first", skills.sum::<f64>() / size.n as f64))
                    },
                    |bencher, fitted| {
                        let mut out = vec![Decision::default(); size.n];
                        bencher.iter(|| fitted.choose(&choice, &mut out).expect("decisions"));
                    },
                );
            }
        }
    }
}

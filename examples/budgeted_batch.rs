//! A batch of prompts within a budget: the best quality that so many dollars a prompt buy.
//!
//! `cargo run --release -p router-examples --example budgeted_batch`
#![allow(clippy::print_stdout, reason = "an example prints")]

use std::sync::Arc;

use router_core::{Constraints, Dataset, Decision, Result, RouterBuilder};
use router_data::synthetic::{World, WorldConfig};
use router_plugins::embedders::hashing::HashingConfig;
use router_plugins::estimators::ridge::RidgeConfig;
use router_plugins::policies::budget::BudgetConfig;

/// Mean quality, and mean cost in US dollars where it was measured, of what was chosen.
fn outcome(decisions: &[Decision], test: &Dataset) -> (f64, f64) {
    let chosen = decisions.iter().enumerate();
    let chosen: Vec<_> = chosen.filter_map(|(row, decision)| test.outcomes().get(row, decision.model()?)).collect();
    let n = chosen.len() as f64;
    let quality = chosen.iter().map(|outcome| f64::from(outcome.quality)).sum::<f64>() / n;
    let cost = chosen.iter().filter_map(|outcome| outcome.cost_usd).sum::<f64>() / n;
    (quality, cost)
}

/// Routes one batch under four budgets, then with a limit of its own for every request.
pub fn main() -> Result<()> {
    let registry = router_plugins::builtin()?;
    let world = World::generate(&WorldConfig { prompts: 900, ..WorldConfig::demo(7) })?.dataset;
    let (train, test): (Vec<usize>, Vec<usize>) = (0..world.prompts().len()).partition(|row| row % 3 != 0);
    let (train, test) = (Arc::new(world.subset(&train)), world.subset(&test));

    for budget_usd in [0.0002, 0.0005, 0.001, 0.005] {
        // The price of a dollar is found in training, so that the batch needs not be at hand as a whole: it may be a stream.
        let unfitted = RouterBuilder::new(&registry)
            .seed(7)
            .embedder(HashingConfig::default())
            .estimator(RidgeConfig::default())
            .policy(BudgetConfig { budget_usd })
            .build()?;
        let router = unfitted.fit_blocking(&train, &unfitted.context())?;
        let (quality, cost) = outcome(&router.route_blocking(test.prompts(), &[])?, &test);
        println!("budget {budget_usd:.4}  quality {quality:.3}  cost {cost:.5} a prompt");

        // A budget holds on average. What no single call may exceed is a constraint of the request.
        if budget_usd == 0.001 {
            let limited = Constraints { maximum_cost_usd: Some(0.001), ..Constraints::default() };
            let requests = vec![limited; test.prompts().len()];
            let (quality, cost) = outcome(&router.route_blocking(test.prompts(), &requests)?, &test);
            println!("  and no call above it: quality {quality:.3}  cost {cost:.5} a prompt");
        }
    }
    Ok(())
}

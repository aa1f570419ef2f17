//! Why did a prompt go where it went? Decisions, constraints and explanations from the library.
//!
//! `cargo run --release -p router-examples --example explain_decision`
#![allow(clippy::print_stdout, reason = "an example prints")]

use std::sync::Arc;

use router_core::{Constraints, Prompt, Result, RouterConfig, UnfittedRouter};
use router_data::synthetic::{World, WorldConfig};

/// Trains a small router and explains one decision, free and constrained.
pub fn main() -> Result<()> {
    let registry = router_plugins::builtin()?;
    let text = include_str!("../docs/configs/finerouter.toml");
    let unfitted = UnfittedRouter::from_config(&RouterConfig::from_toml(text, "finerouter.toml")?, &registry)?;
    let world = World::generate(&WorldConfig { prompts: 900, ..WorldConfig::demo(7) })?;
    let router = unfitted.fit_blocking(&Arc::new(world.dataset), &unfitted.context())?;

    let prompt = Prompt::new("mine", "Write a function that sorts a list of integers without the standard library.");
    let free = router.explain_blocking(&prompt, &Constraints::default())?;
    println!("goes to {:?}, then {:?}", free.model, free.fallback.first());
    println!("because: {}", free.reasons.join("; "));
    for task in &free.tasks {
        println!("  task {} with probability {:.2}: {}", task.task, task.probability, task.keywords.join(", "));
    }
    for model in &free.models {
        println!("  {:<16} {:.3}  {:?}", model.model, model.quality, model.parts);
    }

    // The same prompt while the chosen model is down.
    let unavailable_models = free.model.into_iter().collect();
    let down = router.explain_blocking(&prompt, &Constraints { unavailable_models, ..Constraints::default() })?;
    println!("while it is down: {:?}, because: {}", down.model, down.reasons.join("; "));
    Ok(())
}

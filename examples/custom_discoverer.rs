//! A custom discoverer: a task for every frequent way to begin a prompt.
//!
//! `cargo run --release -p router-examples --example custom_discoverer`
#![allow(clippy::print_stdout, reason = "an example prints")]

use std::collections::BTreeMap;
use std::sync::Arc;

use router_core::prelude::*;
use router_core::{RouterConfig, UnfittedRouter};
use router_data::synthetic::{World, WorldConfig};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The configuration is the plugin: its fields are the parameters, its schema holds their ranges.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OpeningConfig {
    /// Words that make an opening.
    #[schemars(range(min = 1, max = 20))]
    pub words: usize,
    /// Prompts that a task must have.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub smallest: usize,
}

impl Default for OpeningConfig {
    fn default() -> Self {
        Self { words: 1, smallest: 10 }
    }
}

impl PluginConfig for OpeningConfig {
    const NAME: &'static str = "opening";
    const SUMMARY: &'static str = "A task for every frequent way to begin a prompt";
    const SOURCE: &'static str = "this example";
    const COST: &'static str = "O(n log n)";
    const EXAMPLE: &'static str = "words = 2";
}

impl TaskDiscoverer for OpeningConfig {
    // A discoverer exists in training alone: new prompts get their tasks from a classifier, by their embedding.
    fn discover(&self, set: &TrainingSet, cx: &FitContext) -> Result<TaskMap> {
        cx.check_cancelled()?;
        let openings: Vec<String> = set.prompts().map(|prompt| self.opening(prompt)).collect();
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for opening in &openings {
            *counts.entry(opening).or_default() += 1;
        }
        counts.retain(|_, count| *count >= self.smallest);
        // A sorted map, so that the numbers of the tasks do not depend on anything but the prompts.
        let tasks: Vec<&str> = counts.into_keys().collect();
        let labels: Vec<Option<u32>> =
            openings.iter().map(|opening| tasks.binary_search(&opening.as_str()).ok().map(|at| at as u32)).collect();
        Ok(TaskMap::from_labels(&labels))
    }
}

impl OpeningConfig {
    fn opening(&self, prompt: &Prompt) -> String {
        let words: Vec<String> = prompt.text().split_whitespace().take(self.words).map(str::to_lowercase).collect();
        words.join(" ")
    }
}

/// Trains a router on its tasks and shows them.
pub fn main() -> Result<()> {
    let mut registry = router_plugins::builtin()?;
    registry.register::<DiscovererRole, OpeningConfig>("router-examples")?;
    let text = "[embedder]\nuse = \"hashing\"\n[discoverer]\nuse = \"opening\"\nsmallest = 20\n[classifier]\nuse = \"softmax\"\n";
    let unfitted = UnfittedRouter::from_config(&RouterConfig::from_toml(text, "opening.toml")?, &registry)?;
    let world = World::generate(&WorldConfig { prompts: 900, ..WorldConfig::demo(7) })?;
    let router = unfitted.fit_blocking(&Arc::new(world.dataset), &unfitted.context())?;
    println!("{} tasks", router.tasks().tasks.len());
    for card in router.tasks().tasks.iter().take(5) {
        println!("  task {} of {} prompts: {}", card.id, card.size, card.keywords.join(", "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    // The prompts of a minimal world begin with any word of theirs, so that this discoverer cannot find its tasks.
    router_core::conformance!(DiscovererRole, OpeningConfig, except = ["the tasks of an easy world are found"]);
}

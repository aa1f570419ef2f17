//! Swap components by TOML: one line of a configuration is another router.
//!
//! `cargo run --release -p router-examples --example swap_by_toml`
#![allow(clippy::print_stdout, reason = "an example prints")]

use std::sync::Arc;

use router_core::{Result, RouterConfig, UnfittedRouter};
use router_data::synthetic::{World, WorldConfig};

const CONFIG: &str = r#"
seed = 7
[embedder]
use = "hashing"
[discoverer]
use = "graph"
agreement = 0.4
[classifier]
use = "softmax"
[[estimators]]
use = "neighbors"
"#;

/// Fits the configuration with and without agreement of model rankings, and shows the tasks of both.
pub fn main() -> Result<()> {
    let registry = router_plugins::builtin()?;
    let world = World::generate(&WorldConfig { prompts: 900, ..WorldConfig::demo(7) })?;
    let dataset = Arc::new(world.dataset);

    for text in [CONFIG.to_owned(), CONFIG.replace("agreement = 0.4", "agreement = 0.0")] {
        let config = RouterConfig::from_toml(&text, "router.toml")?;
        let unfitted = UnfittedRouter::from_config(&config, &registry)?;
        let router = unfitted.fit_blocking(&dataset, &unfitted.context())?;
        let line = text.lines().find(|line| line.starts_with("agreement")).unwrap_or_default();
        println!("{line}: {} tasks", router.tasks().tasks.len());
        for card in router.tasks().tasks.iter().take(3) {
            println!("  task {} of {} prompts: {}", card.id, card.size, card.keywords.join(", "));
        }
    }

    // A mistake names its line and field.
    if let Err(error) = RouterConfig::from_toml(&CONFIG.replace("seed", "sead"), "router.toml") {
        println!("{error}");
    }
    Ok(())
}

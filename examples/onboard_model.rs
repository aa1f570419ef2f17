//! A new model in a fitted router, by a few of its outcomes and without training.
//!
//! `cargo run --release -p router-examples --example onboard_model`
#![allow(clippy::print_stdout, reason = "an example prints")]

use std::sync::Arc;

use router_core::{
    Dataset, Newcomer, Outcome, Outcomes, Prompt, PromptsView, Result, Router, RouterConfig, UnfittedRouter,
};
use router_data::synthetic::{World, WorldConfig};
use router_plugins::onboarding;

const CONFIG: &str = "[embedder]\nuse = \"hashing\"\n[discoverer]\nuse = \"graph\"\n[classifier]\nuse = \"softmax\"\n[[estimators]]\nuse = \"ridge\"\n";

/// The same prompts with the outcomes of the first `models` models alone.
fn without_last(dataset: &Dataset, models: usize) -> Result<Dataset> {
    let row = |row| dataset.outcomes().row(row).iter().filter(|outcome| outcome.model < models).copied().collect();
    let rows: Vec<Vec<Outcome>> = (0..dataset.prompts().len()).map(row).collect();
    let pool = router_core::ModelPool::new(dataset.models().models().iter().take(models).cloned().collect())?;
    Dataset::new("without the newcomer", dataset.prompts().to_vec(), pool, Outcomes::from_rows(models, rows)?)
}

/// Mean observed quality of what `router` chooses, and how often it chooses model `newcomer`.
fn judge(router: &Router, test: &Dataset, newcomer: usize) -> Result<(f64, f64)> {
    let decisions = router.route_blocking(test.prompts(), &[])?;
    let (mut quality, mut chosen) = (0.0, 0);
    for (row, decision) in decisions.iter().enumerate() {
        let Some(model) = decision.model() else { continue };
        quality += test.outcomes().get(row, model).map_or(0.0, |outcome| f64::from(outcome.quality));
        chosen += usize::from(model == newcomer);
    }
    let n = decisions.len() as f64;
    Ok((quality / n, chosen as f64 / n))
}

/// Trains without a model, places it by 60 outcomes, and compares.
pub fn main() -> Result<()> {
    let world = World::generate(&WorldConfig { prompts: 900, ..WorldConfig::demo(7) })?.dataset;
    let all: Vec<usize> = (0..world.prompts().len()).collect();
    let (train, rest): (Vec<usize>, Vec<usize>) = all.into_iter().partition(|row| row % 3 == 0);
    let (ask, test): (Vec<usize>, Vec<usize>) = rest.into_iter().partition(|row| row % 3 == 1);
    let (train, ask, test) = (world.subset(&train), world.subset(&ask), world.subset(&test));

    let newcomer = world.models().len() - 1;
    let registry = router_plugins::builtin()?;
    let unfitted = UnfittedRouter::from_config(&RouterConfig::from_toml(CONFIG, "router.toml")?, &registry)?;
    let cx = unfitted.context();
    let router = unfitted.fit_blocking(&Arc::new(without_last(&train, newcomer)?), &cx)?;
    let (before, _) = judge(&router, &test, newcomer)?;

    // Which prompts would tell most about any new model? These are asked, and their answers graded.
    let candidates: Vec<Prompt> = ask.prompts().to_vec();
    let embeddings = router.embed_blocking(&candidates)?.vectors;
    let prediction = router.predict_embedded(PromptsView::all(&candidates), embeddings.view())?;
    let rows = onboarding::choose(&prediction, router.fitted_models(), 60, &cx)?;
    let graded: Vec<(usize, f32)> =
        rows.iter().filter_map(|&row| Some((row, ask.outcomes().get(row, newcomer)?.quality))).collect();

    // Its placement says whose strengths it shares; the estimators stay as they are.
    let placed = onboarding::place(&prediction, router.fitted_models(), &graded, 1.0)?;
    println!("error on outcomes left out one by one {:.3}", placed.held_out_error);
    let Some(model) = world.models().get(newcomer) else { return Ok(()) };
    let known = Newcomer { model, outcomes: graded.len(), output_tokens: None, measured_cost: None };
    let joined = router.with_model(&known, placed.placement)?;

    let (after, share) = judge(&joined, &test, newcomer)?;
    println!(
        "{} joined by {} outcomes and is chosen for {:.0}% of the prompts",
        model.name,
        graded.len(),
        100.0 * share
    );
    println!("quality {before:.3} before, {after:.3} after");
    Ok(())
}

//! Every example runs, from its own source.
#![allow(clippy::print_stdout, missing_docs, unreachable_pub, dead_code, reason = "they are programs")]

#[path = "../custom_estimator.rs"]
mod custom_estimator;
#[path = "../discovery_under_noise.rs"]
mod discovery_under_noise;
#[path = "../explain_decision.rs"]
mod explain_decision;
#[path = "../swap_by_builder.rs"]
mod swap_by_builder;
#[path = "../swap_by_toml.rs"]
mod swap_by_toml;

#[test]
fn custom_estimator_runs() {
    custom_estimator::main().unwrap();
}

#[test]
fn discovery_under_noise_runs() {
    discovery_under_noise::main().unwrap();
}

#[test]
fn explain_decision_runs() {
    explain_decision::main().unwrap();
}

#[test]
fn swap_by_builder_runs() {
    swap_by_builder::main().unwrap();
}

#[test]
fn swap_by_toml_runs() {
    swap_by_toml::main().unwrap();
}

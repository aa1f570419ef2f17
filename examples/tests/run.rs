//! Every example runs, from its own source.
#![allow(clippy::print_stdout, missing_docs, unreachable_pub, dead_code, reason = "they are programs")]

#[path = "../budgeted_batch.rs"]
mod budgeted_batch;
#[path = "../custom_discoverer.rs"]
mod custom_discoverer;
#[path = "../custom_embedder_http.rs"]
mod custom_embedder_http;
#[path = "../custom_estimator.rs"]
mod custom_estimator;
#[path = "../discovery_under_noise.rs"]
mod discovery_under_noise;
#[path = "../explain_decision.rs"]
mod explain_decision;
#[path = "../onboard_model.rs"]
mod onboard_model;
#[path = "../swap_by_builder.rs"]
mod swap_by_builder;
#[path = "../swap_by_toml.rs"]
mod swap_by_toml;
#[path = "../tokio_service.rs"]
mod tokio_service;

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

#[test]
fn budgeted_batch_runs() {
    budgeted_batch::main().unwrap();
}

#[test]
fn custom_discoverer_runs() {
    custom_discoverer::main().unwrap();
}

#[test]
fn custom_embedder_http_runs() {
    custom_embedder_http::main().unwrap();
}

#[test]
fn onboard_model_runs() {
    onboard_model::main().unwrap();
}

#[test]
fn tokio_service_runs() {
    tokio_service::main().unwrap();
}

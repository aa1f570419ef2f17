//! The binary from outside: what it prints, where, and with which status.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail as tests do"
)]

mod bad_input;
mod bench_report;
mod compare;
mod demo;
mod drift;
mod embedder;
mod embedding_cache;
#[path = "../../../router-plugins/tests/embedding_server/mod.rs"]
mod embedding_server;
mod experiment;
mod formats;
mod help;
mod json;
mod onboard;
mod records;
mod reference;
mod releases;
mod round_trip;
mod route;
mod serve;
mod world;

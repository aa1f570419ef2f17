//! The gateway from outside: real HTTP on loopback, upstreams that speak real server-sent events and have planted faults.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "helpers of tests fail as tests do"
)]

mod candidate;
mod client;
mod clients;
mod database;
mod decisions;
#[cfg(feature = "ext-proc")]
mod envoy;
#[cfg(feature = "ext-proc")]
mod ext_proc;
mod faults;
mod interfaces;
mod limits;
mod mock;
#[cfg(feature = "ext-proc")]
mod processor;
mod records;
mod reload;
mod secrets;
mod surface;
mod tls;
#[cfg(feature = "opentelemetry")]
mod traces;
mod world;

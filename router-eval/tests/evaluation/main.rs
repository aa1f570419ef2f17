//! Evaluations of scripted routers on tiny worlds, whose every number is known.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops where its world is not as it must be")]

mod artifact;
mod controls;
mod cross_validation;
mod experiment;
mod files;
mod numbers;
mod plugins;
mod properties;
mod worlds;

//! Evaluations of scripted routers on tiny worlds, whose every number is known.

mod artifact;
mod cross_validation;
mod files;
mod numbers;
mod plugins;
mod properties;
mod worlds;

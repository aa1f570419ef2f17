//! Discoverers: training prompts to latent tasks.

pub mod graph;

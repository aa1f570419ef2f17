//! Discoverers: training prompts to latent tasks.

pub mod graph;
pub mod kmeans;
pub mod labels;

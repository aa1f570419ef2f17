//! Discoverers: training prompts to latent tasks.

pub mod graph;
mod held_out;
pub mod kmeans;
pub mod labels;
pub mod sampled;
pub mod spectral;

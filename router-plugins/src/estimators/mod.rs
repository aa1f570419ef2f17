//! Estimators: what quality to expect of every model.

pub mod adapter_retrieval;
pub mod clusters;
mod decision_trees;
#[cfg(feature = "candle")]
pub mod dual_contrastive;
pub mod forest;
pub mod global_mean;
#[cfg(feature = "candle")]
pub mod graph_attention;
#[cfg(feature = "candle")]
pub mod irt;
mod linear;
pub mod logistic;
#[cfg(feature = "candle")]
pub mod matrix_factorization;
#[cfg(feature = "candle")]
pub mod mlp;
#[cfg(feature = "candle")]
pub mod moe;
pub mod neighbors;
#[cfg(feature = "candle")]
mod network;
#[cfg(feature = "candle")]
pub mod per_model_adapters;
mod prompt_clusters;
mod realized;
pub mod ridge;
#[cfg(feature = "candle")]
mod score_calibration;
pub mod similarity_weighted_elo;
mod stored_outcomes;
pub mod svm;
pub mod task_mean;
#[cfg(test)]
mod testing;
pub mod trees;

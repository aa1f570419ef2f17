//! Estimators: what quality to expect of every model.

#[cfg(feature = "candle")]
pub mod moe;
pub mod neighbors;
pub mod task_mean;

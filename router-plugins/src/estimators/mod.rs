//! Estimators: what quality to expect of every model.

pub mod forest;
pub mod global_mean;
#[cfg(feature = "candle")]
pub mod moe;
pub mod neighbors;
pub mod ridge;
pub mod task_mean;
#[cfg(test)]
mod testing;

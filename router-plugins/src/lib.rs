//! The built-in plugins of the prompt router, a folder a role and a folder or file a plugin.
//!
//! Beside them stand the rooms they share: [`graph`] (rank-biased overlap, sparse graphs, Leiden), [`neighbors`] (exact and
//! approximate nearest-neighbor search), [`nn`] (small neural networks on candle).
//!
//! A binary, test, bench or example that collects plugins must say `use router_plugins as _;`: the linker silently drops a
//! crate that nothing mentions.

pub mod aggregators;
pub mod classifiers;
pub mod discoverers;
pub mod embedders;
pub mod estimators;
pub mod graph;
pub mod neighbors;
#[cfg(feature = "candle")]
pub mod nn;
pub mod policies;

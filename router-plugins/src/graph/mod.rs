//! What discovery shares: the agreement of model rankings, sparse graphs, communities, and how well two partitions agree.
//!
//! - [`rank_overlap`]: tie-aware rank-biased overlap, as inner products of feature vectors
//! - [`csr`]: weighted undirected graphs
//! - [`leiden`]: communities, and their modularity
//! - [`agreement`]: adjusted Rand index and normalized mutual information

pub mod agreement;
pub mod csr;
pub mod leiden;
pub mod rank_overlap;

pub use agreement::{adjusted_rand_index, normalized_mutual_information};
pub use csr::Graph;
pub use leiden::{Leiden, Partition, Quality, modularity};
pub use rank_overlap::{Chance, RankBiasedOverlap, Ties};

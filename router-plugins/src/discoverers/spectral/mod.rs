//! Spectral clustering: tasks as clusters of the leading eigenvectors of a graph of prompts.
//!
//! The graph is that of `graph`: every prompt is joined to its nearest prompts under the joint similarity of embeddings and model
//! rankings (`agreement = 0` is wording alone). The k eigenvectors of the smallest eigenvalues of its normalized Laplacian
//! I - D^(-1/2) W D^(-1/2) place every prompt; rows are scaled to length 1 and clustered by spherical k-means, which for unit vectors
//! is k-means (Ng, Jordan and Weiss, On Spectral Clustering: Analysis and an Algorithm, NIPS 2002). Prompts that nothing joins have no
//! task. In a graph of more components than k, the clusters are unions of components.
//!
//! # How k is chosen
//!
//! With `selection = "outcomes"`, prompts are held out in three folds. The eigenvectors of the graph of the others give the
//! tasks for every k of 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64 up to `maximum_tasks`; every held-out prompt goes to the task of the
//! nearest center, whose mean qualities predict which models do better than others, as in [`graph`](crate::discoverers::graph). The smallest k
//! is taken whose error lies within one standard error, of the paired difference, of the lowest. With `selection = "eigengap"`, k is where the gap to the next
//! eigenvalue is largest (von Luxburg, A tutorial on spectral clustering, Statistics and Computing 17, 2007): no outcome beyond those in
//! the graph is looked at, and tasks that hang together loosely count as one.
//!
//! # Cost
//!
//! The graph costs what it costs in `graph`, O(n^2 (d + m D)) flops up to `exact_limit` prompts. Eigenvectors are found by block
//! subspace iteration with a Chebyshev filter: about 22 l flops an edge and 8 n l^2 an iteration, of which some 3 to 20 are needed, l
//! being k and at least 10 more, filled up to a multiple of 32. k-means costs 2 n k^2 flops an iteration. Choosing k by outcomes costs
//! about two fits more. Memory is O(n (neighbors + l)).
//!
//! # When to choose it
//!
//! Where the number of tasks is known, or tasks are stretched out in the embedding: unlike `kmeans` it follows
//! neighborhoods, unlike `graph` it gives exactly k tasks of comparable size, and tiny ones never.

mod config;
mod discover;

pub use config::{Selection, SpectralConfig};

#[cfg(test)]
mod tests;

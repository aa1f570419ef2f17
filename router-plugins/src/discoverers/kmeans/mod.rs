//! Spherical k-means: tasks as clusters of prompts whose embeddings point the same way.
//!
//! Embeddings are scaled to unit length; centers are unit vectors that maximise the summed cosine of every prompt to its center
//! (Dhillon and Modha, Concept decompositions for large sparse text data using clustering, Machine Learning 42, 2001). Centers
//! begin at prompts drawn by k-means++ (Arthur and Vassilvitskii, SODA 2007) with 1 - cosine, half the squared distance, as the
//! weight. Of several restarts the highest sum wins, ties to the first. A cluster that runs empty takes the prompt that lies
//! farthest from its center. A prompt whose embedding is zero has no task.
//!
//! # How k is chosen
//!
//! If it is left out, k is chosen by stability (Lange, Roth, Braun and Buhmann, Neural Computation 16, 2004). Three times, up to
//! 5,000 prompts drawn from the context's stream are halved; each half is clustered, and the second half is also assigned to the
//! centers of the first. A k that fits the structure of the prompts gives the same tasks both ways, one too small or too large
//! merges and splits by chance. Of 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64 (at most a tenth of the prompts) the largest is taken
//! whose adjusted Rand index is within 0.05 of the best. With fewer than 20 prompts all are one task.
//!
//! # Cost
//!
//! O(n k d) flops an iteration as blocked matrix products, times iterations (at most 100, usually some tens) and restarts; the
//! choice of k as much as 219 centers with two restarts, three times, on at most 5,000 prompts. Memory O((n + k) d). Choose it where outcomes
//! are few or say little, as with one outcome a prompt, or where the number of tasks is known. Unlike `graph` it sees no
//! outcomes, and every prompt gets a task.

mod cluster;
mod config;

pub use config::KmeansConfig;

#[cfg(test)]
mod tests;

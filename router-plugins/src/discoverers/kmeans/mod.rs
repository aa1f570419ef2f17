//! Spherical k-means: tasks as clusters of prompts whose embeddings point the same way.
//!
//! Embeddings are scaled to unit length; centers are unit vectors that maximise the summed cosine of every prompt to its center
//! (Dhillon and Modha, Concept decompositions for large sparse text data using clustering, Machine Learning 42, 2001). Centers
//! begin at prompts drawn by greedy k-means++ (Arthur and Vassilvitskii, SODA 2007) with 1 - cosine, half the squared distance, as
//! the weight: of 2 + ln k prompts drawn, the one that serves all best is the next center. Of several restarts the highest sum
//! wins, ties to the first. A cluster that runs empty takes the prompt that lies farthest from its center. A prompt whose
//! embedding is zero has no task.
//!
//! # How k is chosen
//!
//! If it is left out, k is chosen by what tasks are for: predicting outcomes. Three times, up to 5,000 prompts drawn from the
//! context's stream are halved; one half is clustered, and every model's mean quality on each cluster, pulled to its mean over all
//! by empirical Bayes as in `task-mean` (so that any number of models that do equally well everywhere adds no noise), predicts
//! the outcomes of the other half. Of 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64 (at most a tenth of the prompts) the k of the
//! smallest summed squared error is taken, ties to the smallest. Measures of the embeddings alone, such as the silhouette, and
//! stability under resampling merged tasks that read alike but need different models.
//!
//! # Cost
//!
//! 2 n k d flops an iteration as blocked matrix products, times iterations (at most 100, usually some tens) and restarts; as much
//! as 2 + ln k iterations for the first centers; the choice of k as much as 220 centers with four restarts, three times, on 2,500
//! prompts, and a pass over their outcomes. Memory O((n + k) d). Choose it where outcomes are few or say little, as with one
//! outcome a prompt, or where the number of tasks is known. Unlike `graph` it looks at outcomes only to choose k, and every
//! prompt gets a task.

mod config;

pub use config::KmeansConfig;

#[cfg(test)]
mod tests;

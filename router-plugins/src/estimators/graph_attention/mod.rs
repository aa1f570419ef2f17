//! Graph attention: tasks, prompts and models are the nodes of a graph, which tell each other what they know along its edges.
//!
//! A prompt has an edge to its task and one to every model that answered it, which carries the outcome. What is asked is an edge that is not there:
//! the quality of a model's answer to a new prompt (`GraphRouter`: Feng, Shen and You, arXiv 2410.03834, section 3). With z the standardized embedding,
//! e_mi the quality of model m on prompt i less the mean quality of m, and all states of `width` r:
//!
//! ```text
//! h_i = W z_i + b                                               prompts
//! g_t = mean of h_i over the prompts of task t                  tasks, by their prompts
//! v_m = E_m + A sum_i a_mi e_mi h_i                             models, by the prompts that they answered
//! x_i = relu(h_i + B sum_t b_it g_t)                            prompts, by their tasks
//! quality(i, m) = s(x_i v_m + c_m)
//! ```
//!
//! a_mi is the softmax over prompts of u_m K h_i / sqrt(r) + ln(weight of the outcome), b_it that over tasks of g_t Q h_i / sqrt(r) + ln(probability of the
//! task). The tasks are those of the router; in one without discovery, `clusters` clusters of the training prompts.
//!
//! # Training
//!
//! By the cross-entropy of the outcomes of a batch, whose own edges are hidden meanwhile: models hear from `support` other training prompts, drawn anew for
//! every step (Hamilton, Ying and Leskovec, `GraphSAGE`, arXiv 1706.02216). AdamW, early stopping on held-out prompts, the mean of `members` networks that hold out other prompts.
//!
//! # New prompts
//!
//! After training, the states of tasks and models are computed on the whole graph of training prompts and stored; no training prompt is needed any more. A new prompt joins by its embedding
//! and the probabilities of its tasks (the nearest cluster in a router without discovery). A model without outcomes gets the mean state of the others.
//!
//! # Cost
//!
//! With n prompts, d dimensions, m models, T tasks, width r and a support S: an epoch takes O((1 + S / `batch_size`) n r d + n r (r + T + m + m S / `batch_size`)) a
//! member, a prompt O(r (d + T + m)) a member. The artifact holds r (d + 2 T + m) numbers a member.
//!
//! # When to choose it
//!
//! Where tasks are known and say much beyond the embedding. To compare with papers that use it; `mlp` and `matrix-factorization` are simpler.
//!
//! # How it differs from the authors' code
//!
//! `GraphRouter` begins with embeddings of texts about tasks and models; here tasks begin with the mean of their prompts and models with free vectors, for
//! pools come without such texts. Their layers are of one kind, twice, over all edges; here each kind of edge has its layer, and prompts do not hear from models but at the end.
//! Their edges carry the cost too, here cost is the policy's. They choose the model by a softmax over a prompt's edges; here every edge has its quality. They predict on the training graph with the new
//! prompts added; here from stored states. Base rates, dropout, early stopping and averaging are ours.

mod config;
mod fitted;
mod network;
mod objective;
mod task_edges;

pub use config::GraphAttentionConfig;
pub use fitted::GraphAttentionEstimator;

#[cfg(test)]
mod tests;

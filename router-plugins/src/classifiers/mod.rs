//! Classifiers: embeddings to tasks, or none.

pub mod softmax;

//! Classifiers: embeddings to tasks, or none.

mod calibration;
pub mod centroid;
pub mod neighbors;
pub mod softmax;

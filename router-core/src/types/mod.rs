//! The vocabulary: prompts, models, outcomes, embeddings, tasks, estimates, constraints, decisions.

pub mod constraints;
pub mod dataset;
pub mod decision;
pub mod estimates;
pub mod exploration;
pub mod folds;
pub mod hierarchy;
pub mod matrix;
pub mod model;
pub mod outcome;
pub mod prompt;
pub mod request;
pub mod task;

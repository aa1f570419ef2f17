//! What is known of discovered tasks: scores and candidates for machines, cards for people.

mod cards;
mod keywords;
mod profile;

pub use cards::{Exemplar, ModelCard, TaskCard, TaskCards};
pub use profile::{ModelScore, TaskProfile, Tasks, wilson};

//! What is known of discovered tasks: scores and candidates for machines, cards for people.

mod cards;
mod exemplars;
mod keywords;
mod profile;
mod stability;
mod words;

pub use cards::{Exemplar, ModelCard, TaskCard, TaskCards};
pub use profile::{ModelScore, TaskProfile, Tasks};
pub(crate) use stability::stability;

//! Data sets for the prompt router: directories read, written and checked, near duplicates found, splits, and synthetic worlds
//! with a planted truth.
//!
//! - [`directory`]: the format of a data set on disk.
//! - [`near_duplicates`]: prompts that are nearly the same text and must stay on one side of a split.
//! - [`split`]: random, stratified and leave-one-benchmark-out splits.
//! - [`stats`]: a data set in numbers.
//! - [`synthetic`]: seeded worlds with planted tasks.

pub mod directory;
pub mod near_duplicates;
pub mod split;
pub mod stats;
pub mod synthetic;

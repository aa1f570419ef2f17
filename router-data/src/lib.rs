//! What the prompt router keeps on disk and learns from: dataset directories read, written and checked, other formats imported and
//! exported, near duplicates found,
//! splits, synthetic worlds with a planted truth, and the cache of embeddings.
//!
//! - [`cache`]: what is kept between runs, embeddings among it.
//! - [`directory`]: the format of a data set on disk.
//! - [`formats`]: the formats of the field, read and written.
//! - [`near_duplicates`]: prompts that are nearly the same text and must stay on one side of a split.
//! - [`split`]: random, stratified and leave-one-benchmark-out splits.
//! - [`stats`]: a data set in numbers.
//! - [`synthetic`]: seeded worlds with planted tasks.
//! - [`table`]: plain tables as CSV, JSON and Parquet.

pub mod cache;
pub mod directory;
pub mod formats;
pub mod near_duplicates;
pub mod split;
pub mod stats;
pub mod synthetic;
pub mod table;

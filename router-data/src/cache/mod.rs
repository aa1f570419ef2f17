//! What is kept between runs in the user's cache folder: [`folder()`] says where it is, [`DiskCache`] keeps embeddings in it.
//!
//! Everything here may be deleted at any time; it is made again when it is needed.

mod disk;
mod folder;
mod segment;
mod usage;

pub use disk::{Counts, DiskCache};
pub use folder::{VARIABLE, folder};
pub use usage::{Usage, usage};

#[cfg(test)]
mod tests;

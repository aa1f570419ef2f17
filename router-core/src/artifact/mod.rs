//! Artifacts: a fitted router on disk.
//!
//! A directory of `manifest.json`, `tasks.json` and one `<slot>.safetensors` a component. It is written to a temporary
//! directory beside its place and takes it in one step; a load verifies versions, hashes, shapes and the embedder's
//! fingerprint. No thread count, path or time enters it. Artifacts of older releases load: `migrate.rs` brings the layout up to
//! date, and every component reads its own older formats.

mod directory;
mod migrate;
mod slot;
mod workplace;

pub use directory::{ArtifactReader, ArtifactWriter, FORMAT_VERSION, Manifest};
pub use slot::{ErasedPersist, Persist, SlotReader, SlotWriter};

use sha2::{Digest, Sha256};

/// Lower-case hexadecimal digits of `bytes`.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// SHA-256 of `bytes` as hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

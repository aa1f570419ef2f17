//! SHA-256 of files: whole, and sampled.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use router_core::artifact::hex;
use router_core::{CancelToken, Error, ProgressBar, Result};
use sha2::{Digest, Sha256};

/// Bytes that are read at once.
const BLOCK: usize = 1 << 18;
/// Blocks of a sample, evenly spaced from the first byte to the last.
const SAMPLES: u64 = 128;
/// Bytes of one block of a sample.
const SAMPLE_BYTES: u64 = 4096;

/// SHA-256 of the file at `path` as lower-case hexadecimal digits. Reads all of it: about 0.5 ms a megabyte with the CPU's SHA
/// instructions, 3 ms without.
///
/// # Errors
/// [`router_core::ErrorKind::Io`].
pub(super) fn sha256_file(path: &Path) -> Result<String> {
    let file = File::open(path).map_err(|source| Error::io(path, source))?;
    copy_hashed(file, &mut io::sink(), &CancelToken::new(), None)
        .map(|(_, sha256)| sha256)
        .map_err(|failure| failure.reading(path))
}

/// SHA-256 over the length and over 128 evenly spaced blocks of 4 KiB of the file at `path`: a guard against a file that was
/// replaced or damaged on a large scale, for half a megabyte of reading whatever the file's size. It is no proof of identity.
///
/// # Errors
/// [`router_core::ErrorKind::Io`].
pub(super) fn sample_file(path: &Path) -> Result<String> {
    let sample = || -> io::Result<String> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        let mut hash = Sha256::new();
        hash.update(length.to_le_bytes());
        let last = length.saturating_sub(SAMPLE_BYTES);
        let mut block = Vec::with_capacity(SAMPLE_BYTES as usize);
        for at in 0..SAMPLES {
            let start = (u128::from(last) * u128::from(at) / u128::from(SAMPLES - 1)) as u64;
            file.seek(SeekFrom::Start(start))?;
            block.clear();
            (&mut file).take(SAMPLE_BYTES).read_to_end(&mut block)?;
            hash.update(&block);
        }
        Ok(hex(&hash.finalize()))
    };
    sample().map_err(|source| Error::io(path, source))
}

/// What ended a copy.
pub(super) enum CopyFailure {
    Read(io::Error),
    Write(io::Error),
    Cancelled(Error),
}

impl CopyFailure {
    /// The error, where only reading `path` can have failed.
    fn reading(self, path: &Path) -> Error {
        self.of(path, path)
    }

    /// The error of a copy from `source` to `target`.
    pub(super) fn of(self, source: &Path, target: &Path) -> Error {
        match self {
            Self::Read(error) => Error::io(source, error),
            Self::Write(error) => Error::io(target, error),
            Self::Cancelled(error) => error,
        }
    }
}

/// Copies `from` to `to` and gives the number of bytes and their SHA-256. Advances `bar` by bytes.
pub(super) fn copy_hashed(
    mut from: impl Read,
    to: &mut impl Write,
    cancel: &CancelToken,
    bar: Option<&dyn ProgressBar>,
) -> Result<(u64, String), CopyFailure> {
    let mut hash = Sha256::new();
    let mut block = vec![0; BLOCK];
    let mut copied = 0;
    loop {
        cancel.check().map_err(CopyFailure::Cancelled)?;
        let read = match from.read(&mut block) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(CopyFailure::Read(error)),
        };
        let bytes = block.get(..read).unwrap_or_default();
        hash.update(bytes);
        to.write_all(bytes).map_err(CopyFailure::Write)?;
        copied += read as u64;
        if let Some(bar) = bar {
            bar.advance(read as u64);
        }
    }
    to.flush().map_err(CopyFailure::Write)?;
    Ok((copied, hex(&hash.finalize())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_a_file_is_the_published_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("abc");
        std::fs::write(&path, "abc").unwrap();
        // FIPS 180-4, example of one block.
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256_file(&path).unwrap(), expected);
        let missing = sha256_file(&directory.path().join("missing")).unwrap_err();
        assert_eq!(missing.exit_status(), 2);
    }

    #[test]
    fn a_sample_sees_another_length_and_damage_at_both_ends() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let sample = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            sample_file(&path).unwrap()
        };
        let bytes: Vec<u8> = (0..3_000_000_u32).map(|at| (at % 251) as u8).collect();
        let whole = sample(&bytes);
        assert_eq!(whole, sample(&bytes));
        assert_ne!(whole, sample(&bytes[..bytes.len() - 1]));
        for place in [0, bytes.len() - 1] {
            let mut damaged = bytes.clone();
            damaged[place] ^= 1;
            assert_ne!(whole, sample(&damaged), "{place}");
        }
        let zeroed: Vec<u8> = bytes.iter().enumerate().map(|(at, &b)| if at / 30_000 == 50 { 0 } else { b }).collect();
        assert_ne!(whole, sample(&zeroed), "a hole of 30 kB");
        assert_eq!(sample(b"").len(), 64);
    }
}

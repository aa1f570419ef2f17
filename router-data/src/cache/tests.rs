//! The cache on a disk: what it gives back, and what it makes of damage.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use router_core::{CachedEmbedding, EmbeddingCache, Embeddings, Matrix, Prompt, PromptKey};
use tempfile::TempDir;

use super::disk::{directory_name, segments};
use super::{DiskCache, Usage, usage};

const FINGERPRINT: &str = "encoder 1 d=3";
const D: usize = 3;

fn key(number: usize) -> PromptKey {
    PromptKey::of(&Prompt::new("", number.to_string()))
}

fn keys(numbers: std::ops::Range<usize>) -> Vec<PromptKey> {
    numbers.map(key).collect()
}

/// Bit patterns that a careless format would lose.
fn vector(number: usize) -> [f32; D] {
    [number as f32 + 0.1, -0.0, f32::from_bits(number as u32 + 1)]
}

fn truncated(number: usize) -> bool {
    number % 3 == 1
}

fn embeddings(numbers: std::ops::Range<usize>) -> Embeddings {
    let first = numbers.start;
    let data: Vec<f32> = numbers.clone().flat_map(vector).collect();
    let truncated = numbers.clone().filter(|&number| truncated(number)).map(|number| number - first).collect();
    Embeddings { vectors: Matrix::from_vec(numbers.len(), D, data).unwrap(), truncated }
}

/// How many of the rows are known. Every one that is must be right to the bit.
fn known(cache: &DiskCache, numbers: std::ops::Range<usize>) -> usize {
    let rows = cache.lookup(FINGERPRINT, D, &keys(numbers.clone()));
    assert_eq!(rows.len(), numbers.len());
    for (number, row) in numbers.zip(&rows) {
        if let Some(CachedEmbedding { vector: found, truncated: cut }) = row {
            let bits = |vector: &[f32]| vector.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
            assert_eq!((bits(found), *cut), (bits(&vector(number)), truncated(number)), "row {number}");
        }
    }
    rows.iter().flatten().count()
}

fn only_segment(folder: &Path) -> PathBuf {
    let segments = segments(&folder.join(directory_name(FINGERPRINT))).unwrap();
    assert_eq!(segments.len(), 1, "{segments:?}");
    segments[0].clone()
}

/// A folder with one segment of two blocks: rows 0 to 3, and 4 and 5.
fn small() -> (TempDir, PathBuf, Vec<u8>) {
    let folder = TempDir::new().unwrap();
    let cache = DiskCache::new(folder.path());
    cache.store(FINGERPRINT, &keys(0..4), &embeddings(0..4));
    cache.store(FINGERPRINT, &keys(4..6), &embeddings(4..6));
    let segment = only_segment(folder.path());
    let bytes = fs::read(&segment).unwrap();
    (folder, segment, bytes)
}

#[test]
fn rows_come_back_to_the_bit() {
    let (folder, ..) = small();
    let cache = DiskCache::new(folder.path());
    assert_eq!(known(&cache, 0..6), 6);
    assert_eq!(known(&cache, 3..9), 3);
    let counts = cache.counts();
    assert_eq!((counts.found, counts.stored, counts.damaged), (9, 0, 0));
    assert_eq!(cache.problem(), None);
    let mixed = [key(5), key(100), key(0), key(5)];
    let rows = cache.lookup(FINGERPRINT, D, &mixed);
    assert_eq!(rows[0], rows[3]);
    assert_eq!(rows[1], None);
    assert_eq!(rows[2].as_ref().unwrap().vector[0], 0.1);
}

#[test]
fn nothing_is_created_before_a_row_is_stored() {
    let folder = TempDir::new().unwrap();
    let place = folder.path().join("not/there");
    let cache = DiskCache::new(&place);
    assert_eq!(known(&cache, 0..2), 0);
    assert!(!place.exists());
    assert_eq!(usage(&place).unwrap(), []);
    cache.store(FINGERPRINT, &keys(0..2), &embeddings(0..2));
    assert_eq!(known(&cache, 0..2), 2);
    assert_eq!(cache.counts().stored, 2);
}

#[test]
fn other_embedders_and_dimensions_do_not_mix() {
    let (folder, segment, bytes) = small();
    let cache = DiskCache::new(folder.path());
    assert!(cache.lookup("encoder 2 d=3", D, &keys(0..6)).iter().all(Option::is_none));
    assert!(cache.lookup(FINGERPRINT, 4, &keys(0..6)).iter().all(Option::is_none));
    assert_eq!(known(&cache, 0..6), 6);

    // A segment of this embedder in the folder of another, whole or under the other's header.
    let other = "encoder 2 d=3";
    let others = folder.path().join(directory_name(other));
    fs::create_dir_all(&others).unwrap();
    fs::copy(&segment, others.join("a.rows")).unwrap();
    let mut forged = bytes.clone();
    let at = forged.windows(FINGERPRINT.len()).position(|window| window == FINGERPRINT.as_bytes()).unwrap();
    forged[at..at + other.len()].copy_from_slice(other.as_bytes());
    fs::write(others.join("b.rows"), forged).unwrap();
    let cache = DiskCache::new(folder.path());
    assert!(cache.lookup(other, D, &keys(0..6)).iter().all(Option::is_none));

    // The same fingerprint under another dimension: both are kept, neither is taken for the other.
    let wide = Embeddings::new(Matrix::from_vec(1, 4, vec![1.0; 4]).unwrap());
    cache.store(FINGERPRINT, &keys(0..1), &wide);
    let cache = DiskCache::new(folder.path());
    assert_eq!(known(&cache, 0..6), 6);
    assert_eq!(cache.lookup(FINGERPRINT, 4, &keys(0..1))[0].as_ref().unwrap().vector, [1.0; 4]);
}

#[test]
fn every_flipped_byte_of_a_segment_is_harmless() {
    let (folder, segment, bytes) = small();
    let mut lost = 0;
    for at in 0..bytes.len() {
        for flip in [1 << (at % 8), 0xff] {
            let mut damaged = bytes.clone();
            damaged[at] ^= flip;
            fs::write(&segment, damaged).unwrap();
            let cache = DiskCache::new(folder.path());
            let found = known(&cache, 0..6);
            // No byte of the file is without a meaning: whatever was hit is missed.
            assert!(found < 6, "byte {at} ^ {flip} was not noticed");
            assert_eq!(cache.problem(), None);
            lost = lost.max(6 - found);
        }
    }
    assert_eq!(lost, 6, "a damaged header costs the segment");
}

#[test]
fn every_cut_of_a_segment_is_harmless() {
    let (folder, segment, bytes) = small();
    let mut kept = std::collections::BTreeSet::new();
    for length in 0..bytes.len() {
        fs::write(&segment, &bytes[..length]).unwrap();
        kept.insert(known(&DiskCache::new(folder.path()), 0..6));
    }
    assert_eq!(kept.into_iter().collect::<Vec<_>>(), [0, 4], "whole blocks are kept");
}

#[test]
fn damaged_rows_are_replaced_once_and_for_all() {
    let (folder, segment, bytes) = small();
    let mut damaged = bytes.clone();
    *damaged.last_mut().unwrap() ^= 1;
    fs::write(&segment, damaged).unwrap();
    let cache = DiskCache::new(folder.path());
    assert_eq!(known(&cache, 0..6), 5);
    assert_eq!(cache.counts().damaged, 1);
    cache.store(FINGERPRINT, &keys(5..6), &embeddings(5..6));
    assert_eq!(known(&cache, 0..6), 6);
    // However the two segments are called, the whole row is found.
    let twin = segment.with_file_name("zzz.rows");
    fs::rename(&segment, &twin).unwrap();
    assert_eq!(known(&DiskCache::new(folder.path()), 0..6), 6);
    fs::rename(&twin, segment.with_file_name("000.rows")).unwrap();
    assert_eq!(known(&DiskCache::new(folder.path()), 0..6), 6);
}

#[test]
fn what_another_cache_stores_meanwhile_is_found() {
    let folder = TempDir::new().unwrap();
    let (one, two) = (DiskCache::new(folder.path()), DiskCache::new(folder.path()));
    assert_eq!((known(&one, 0..9), known(&two, 0..9)), (0, 0));
    for at in 0..3 {
        let rows = at * 3..at * 3 + 3;
        let (writer, reader) = if at % 2 == 0 { (&one, &two) } else { (&two, &one) };
        writer.store(FINGERPRINT, &keys(rows.clone()), &embeddings(rows.clone()));
        assert_eq!(known(reader, rows), 3);
    }
    assert_eq!((known(&one, 0..9), known(&two, 0..9)), (9, 9));
}

#[test]
fn a_folder_that_cannot_be_used_is_told_and_no_error() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "no folder").unwrap();
    let cache = DiskCache::new(&file);
    assert_eq!(known(&cache, 0..2), 0);
    cache.store(FINGERPRINT, &keys(0..2), &embeddings(0..2));
    cache.store(FINGERPRINT, &keys(0..2), &embeddings(0..2));
    assert_eq!(known(&cache, 0..2), 0);
    assert_eq!(cache.counts().stored, 0);
    let problem = cache.problem().unwrap();
    assert!(problem.starts_with("cannot ") && problem.contains("file"), "{problem}");
}

#[test]
fn usage_tells_rows_and_bytes_of_every_embedder() {
    let (folder, _, bytes) = small();
    let cache = DiskCache::new(folder.path());
    cache.store("another", &keys(0..1), &embeddings(0..1));
    fs::write(folder.path().join("README"), "a stranger").unwrap();
    let all = usage(folder.path()).unwrap();
    assert_eq!(all.len(), 2);
    assert_eq!((all[0].fingerprint.as_str(), all[0].dimension, all[0].rows), ("another", D, 1));
    let expected = Usage { fingerprint: FINGERPRINT.into(), dimension: D, rows: 6, bytes: bytes.len() as u64 };
    assert_eq!(all[1], expected);
}

proptest! {
    #[test]
    fn any_damage_is_harmless(edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..40_usize, 0..3_u8), 1..6)) {
        let (folder, segment, mut bytes) = small();
        for (at, value, length, kind) in edits {
            let at = at.index(bytes.len() + 1).min(bytes.len());
            let end = (at + length).min(bytes.len());
            match kind {
                0 => bytes[at..end].fill(value),
                1 => drop(bytes.drain(at..end)),
                _ => drop(bytes.splice(at..at, std::iter::repeat_n(value, length))),
            }
        }
        fs::write(&segment, &bytes).unwrap();
        let cache = DiskCache::new(folder.path());
        known(&cache, 0..6);
        // And it can be written to again.
        cache.store(FINGERPRINT, &keys(0..6), &embeddings(0..6));
        prop_assert_eq!(known(&cache, 0..6), 6);
        prop_assert_eq!(known(&DiskCache::new(folder.path()), 0..6), 6);
    }
}

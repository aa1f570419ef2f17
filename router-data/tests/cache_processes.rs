//! The cache of embeddings under several processes at once, and under processes that are killed. The processes are this test
//! binary again, at the test [`child`].
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use router_core::{EmbeddingCache, Embeddings, Matrix, Prompt, PromptKey};
use router_data::cache::{DiskCache, usage};

const FINGERPRINT: &str = "encoder";
const D: usize = 96;
const ROWS: usize = 2_000;
const CHUNK: usize = 16;

fn key(number: usize) -> PromptKey {
    PromptKey::of(&Prompt::new("", number.to_string()))
}

fn vector(number: usize) -> impl Iterator<Item = f32> {
    (0..D).map(move |at| ((number * D + at) as f32).sin())
}

/// Rows known to `cache`; every one of them must be right.
fn known(cache: &DiskCache, numbers: &[usize]) -> Vec<bool> {
    let keys: Vec<PromptKey> = numbers.iter().map(|&number| key(number)).collect();
    let rows = cache.lookup(FINGERPRINT, D, &keys);
    for (row, &number) in rows.iter().zip(numbers) {
        if let Some(row) = row {
            assert!(row.vector.iter().copied().eq(vector(number)), "row {number} is wrong");
            assert_eq!(row.truncated, number.is_multiple_of(7));
        }
    }
    rows.iter().map(Option::is_some).collect()
}

/// What a training run does: asks for a chunk, stores what is missing. With a pause before each chunk it is still at work when
/// a busy machine lets the test look.
fn fill(cache: &DiskCache, order: &[usize], pause: Duration) {
    for chunk in order.chunks(CHUNK) {
        std::thread::sleep(pause);
        let missing: Vec<usize> =
            known(cache, chunk).iter().zip(chunk).filter(|(known, _)| !**known).map(|(_, &number)| number).collect();
        let keys: Vec<PromptKey> = missing.iter().map(|&number| key(number)).collect();
        let vectors =
            Matrix::from_vec(missing.len(), D, missing.iter().flat_map(|&number| vector(number)).collect()).unwrap();
        let truncated = (0..missing.len()).filter(|&at| missing[at].is_multiple_of(7)).collect();
        cache.store(FINGERPRINT, &keys, &Embeddings { vectors, truncated });
    }
}

/// Not a test: what the processes do.
#[test]
#[ignore = "the tests beside it run it in processes of its own"]
fn child() {
    let Some(folder) = std::env::var_os("ROUTER_TEST_FOLDER") else { return };
    let start: usize = std::env::var("ROUTER_TEST_START").unwrap().parse().unwrap();
    let order: Vec<usize> = (0..ROWS).map(|number| (number + start) % ROWS).collect();
    let cache = DiskCache::new(folder);
    let pause: u64 = std::env::var("ROUTER_TEST_PAUSE").unwrap().parse().unwrap();
    fill(&cache, &order, Duration::from_millis(pause));
    assert_eq!((cache.problem(), cache.counts().damaged), (None, 0));
}

fn spawn(folder: &Path, start: usize, pause: u32) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--ignored"])
        .env("ROUTER_TEST_FOLDER", folder)
        .env("ROUTER_TEST_START", start.to_string())
        .env("ROUTER_TEST_PAUSE", pause.to_string())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

fn bytes(folder: &Path) -> u64 {
    usage(folder).unwrap().iter().map(|one| one.bytes).sum()
}

#[test]
fn processes_fill_one_cache_at_once() {
    let folder = tempfile::tempdir().unwrap();
    // From three places in the circle, so that they store different rows first and meet later.
    let children = [0, 700, 1_400].map(|start| spawn(folder.path(), start, 0));
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let cache = DiskCache::new(folder.path());
    assert!(known(&cache, &(0..ROWS).collect::<Vec<_>>()).iter().all(|&known| known));
    let usage = usage(folder.path()).unwrap();
    assert_eq!(usage.len(), 1);
    assert!((ROWS as u64..=3 * ROWS as u64).contains(&usage[0].rows), "{usage:?}");
}

#[test]
fn processes_that_are_killed_leave_whole_rows_and_the_next_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let all: Vec<usize> = (0..ROWS).collect();
    let mut before = 0;
    let mut cut_off = 0;
    for round in 0..40 {
        let size = bytes(folder.path());
        let mut child = spawn(folder.path(), round * 50, 2);
        // Killed as soon as it has written something, at whatever point that happens to be.
        while child.try_wait().unwrap().is_none() && bytes(folder.path()) <= size {
            std::hint::spin_loop();
        }
        if child.try_wait().unwrap().is_none() {
            cut_off += 1;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let cache = DiskCache::new(folder.path());
        let found = known(&cache, &all).iter().filter(|&&known| known).count();
        assert!(found >= before, "rows got lost: {found} after {before}");
        assert_eq!(cache.counts().damaged, 0);
        before = found;
    }
    assert!(cut_off > 0, "no process was killed at work");
    assert!(before > 0);
    assert!(spawn(folder.path(), 0, 0).wait().unwrap().success());
    assert!(known(&DiskCache::new(folder.path()), &all).iter().all(|&known| known));
}

/// The cost that the documentation states: `cargo test --release -p router-data --test cache_processes -- --ignored --nocapture`.
#[test]
#[ignore = "measures"]
#[allow(clippy::disallowed_methods, clippy::print_stdout, reason = "it measures")]
fn open_and_read_a_hundred_thousand_rows() {
    let folder = tempfile::tempdir().unwrap();
    let cache = DiskCache::new(folder.path());
    let keys: Vec<PromptKey> = (0..100_000).map(key).collect();
    let timed = |what: &str, work: &mut dyn FnMut()| {
        let start = std::time::Instant::now();
        work();
        println!("{what}: {:.3} s", start.elapsed().as_secs_f64());
    };
    let vectors = Embeddings::new(Matrix::from_vec(128, 384, vec![0.5; 128 * 384]).unwrap());
    timed("storing 100,000 rows of 384", &mut || {
        for keys in keys.chunks_exact(128) {
            cache.store(FINGERPRINT, keys, &vectors);
        }
    });
    let cache = DiskCache::new(folder.path());
    timed("opening", &mut || assert!(cache.lookup(FINGERPRINT, 384, &[key(200_000)])[0].is_none()));
    timed("reading all", &mut || {
        for keys in keys.chunks_exact(128) {
            assert!(cache.lookup(FINGERPRINT, 384, keys).iter().all(Option::is_some));
        }
    });
    println!("{} bytes", bytes(folder.path()));
}

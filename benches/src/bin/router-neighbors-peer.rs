//! Our side of `benches/peers/neighbors`: searches the points of a file as every line of stdin says, and answers with a line of JSON.
//!
//! ```text
//! router-neighbors-peer POINTS.f32 DIMENSION OUT.u32
//! ```
//!
//! POINTS.f32 holds points of unit length, row by row, little end first. A line is one of
//!
//! ```text
//! exact K THREADS         the K nearest other points of every point
//! approximate K THREADS   the same by the navigable small-world graph
//! product SIDE THREADS    the product of two square matrices of that side: {"gigaflops"}
//! copy MEGABYTES THREADS  a copy of that much memory by every thread: {"gigabytes"} read and written a second
//! ```
//!
//! The first two write the neighbors to OUT.u32, points x K, and answer `{"build": [wall, processor], "search": [wall, processor]}` in seconds. The others count
//! processor seconds, so that what else runs on the machine does not make it seem slower.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement: it fails by panicking, prints its result, and reads the clock"
)]

use std::io::{BufRead, Write, stdin, stdout};
use std::path::Path;
use std::time::Instant;

use faer::{Accum, Mat, Par, linalg::matmul::matmul};
use rayon::prelude::*;
use router_benches::processor_seconds;
use router_core::parallel::with_threads;
use router_core::{FitContext, Matrix};
use router_plugins::neighbors::{NeighborIndex, Neighbors, Search};
use serde_json::{Value, json};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let dimension: usize = arguments[1].parse().unwrap();
    let bytes = std::fs::read(&arguments[0]).unwrap();
    let numbers: Vec<f32> = bytes.as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
    let points = Matrix::from_vec(numbers.len() / dimension, dimension, numbers).unwrap();
    for line in stdin().lock().lines() {
        let line = line.unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        let (size, threads): (usize, usize) = (words[1].parse().unwrap(), words[2].parse().unwrap());
        let out = Path::new(&arguments[2]);
        let answer = with_threads(threads, || match words[0] {
            "exact" => search(&points, size, Search::Exact, out),
            "approximate" => search(&points, size, Search::Approximate, out),
            "product" => product(size, threads),
            "copy" => copy(size, threads),
            other => panic!("`{other}` is no job"),
        });
        println!("{}", answer.unwrap());
        stdout().flush().unwrap();
    }
}

fn search(points: &Matrix, k: usize, search: Search, out: &Path) -> Value {
    let (points, cx) = (points.clone(), FitContext::new(0));
    let (build, index) = clocked(|| NeighborIndex::new(points, search, 0, &cx).unwrap());
    let (spent, Neighbors { indices, .. }) = clocked(|| index.search_among(k, &cx).unwrap());
    let bytes: Vec<u8> = indices.iter().flat_map(|index| index.to_le_bytes()).collect();
    std::fs::write(out, bytes).unwrap();
    json!({ "build": build, "search": spent })
}

/// Wall and processor seconds of `work`.
fn clocked<T>(work: impl FnOnce() -> T) -> ([f64; 2], T) {
    let (wall, processor) = (Instant::now(), processor_seconds());
    let found = work();
    ([wall.elapsed().as_secs_f64(), processor_seconds() - processor], found)
}

/// Products by every thread for itself: what the machine's multiply-add units give to the code that the exact search calls.
fn product(side: usize, threads: usize) -> Value {
    let a = Mat::<f32>::from_fn(side, side, |i, j| ((i * 31 + j * 17) % 97) as f32 / 97.0);
    let mut outs = vec![Mat::<f32>::zeros(side, side); threads];
    let seconds = processor_seconds_of(|| {
        outs.par_iter_mut().for_each(|out| {
            matmul(out.as_mut(), Accum::Replace, a.as_ref(), a.transpose(), 1.0, Par::Seq);
        });
    });
    json!({ "gigaflops": 2.0 * (side as f64).powi(3) * (threads * threads) as f64 / seconds / 1e9 })
}

/// Copies.
fn copy(megabytes: usize, threads: usize) -> Value {
    let numbers = megabytes * 1_000_000 / 4;
    let from = vec![1.0f32; numbers * threads];
    let mut to = vec![0.0f32; numbers * threads];
    let seconds = processor_seconds_of(|| {
        to.par_chunks_mut(numbers).zip(from.par_chunks(numbers)).for_each(|(to, from)| to.copy_from_slice(from));
    });
    json!({ "gigabytes": 2.0 * 4.0 * (numbers * threads * threads) as f64 / seconds / 1e9 })
}

/// Processor seconds of all threads together that a call of `work` takes, the mean of calls that take a second at least.
fn processor_seconds_of(mut work: impl FnMut()) -> f64 {
    work();
    let (start, mut calls) = (processor_seconds(), 0);
    loop {
        work();
        calls += 1;
        let spent = processor_seconds() - start;
        if spent >= 1.0 {
            return spent / f64::from(calls);
        }
    }
}

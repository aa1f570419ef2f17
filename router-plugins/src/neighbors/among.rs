//! The exact search among the points themselves: every pair is compared once and serves both its ends.
#![allow(clippy::indexing_slicing, reason = "blocks are cut from the matrix they index")]

use std::sync::{Mutex, MutexGuard, PoisonError};

use rayon::prelude::*;
use router_core::{CancelToken, MatrixView, ProgressBar, Result};

use super::exact::products;
use super::selection::Selections;

/// Points a block. A product of two blocks is a megabyte, and reads every number it is given this many times.
const BLOCK: usize = 512;

/// The tiles that `points` points make: pairs of blocks, the second not before the first.
pub(super) fn tiles(points: usize) -> usize {
    let blocks = points.div_ceil(BLOCK);
    blocks * (blocks + 1) / 2
}

/// Writes the `k` (1 or more) nearest other points of every point to `indices` and `similarities`, both points x k, on rayon's
/// current pool; `bar` advances by one a tile. There are at least `k` other points.
///
/// Threads take tiles in any order, and lock the selections of one block at a time; which k are best does not depend on it.
///
/// # Errors
/// [`router_core::ErrorKind::Cancelled`].
pub(super) fn search(
    points: MatrixView<'_>,
    k: usize,
    indices: &mut [u32],
    similarities: &mut [f32],
    bar: &dyn ProgressBar,
    cancel: &CancelToken,
) -> Result<()> {
    let n = points.rows();
    let block = |at: usize| (at * BLOCK, ((at + 1) * BLOCK).min(n));
    let blocks = n.div_ceil(BLOCK);
    let selections: Vec<Mutex<Selections>> = (0..blocks)
        .map(|at| {
            let mut selections = Selections::default();
            let (start, end) = block(at);
            selections.begin(end - start, k, n);
            Mutex::new(selections)
        })
        .collect();
    let pairs: Vec<(usize, usize)> = (0..blocks).flat_map(|a| (a..blocks).map(move |b| (a, b))).collect();
    pairs.par_iter().try_for_each_init(Vec::new, |tile: &mut Vec<f32>, &(a, b)| {
        cancel.check()?;
        let ((a_start, a_end), (b_start, b_end)) = (block(a), block(b));
        let width = b_end - b_start;
        tile.resize((a_end - a_start) * width, 0.0);
        // A row a point of block a, a column a point of block b.
        products(points.slice_rows(a_start, a_end), points.slice_rows(b_start, b_end), tile);
        let mut of_a = lock(&selections[a]);
        for (at, row) in tile.chunks(width).enumerate() {
            of_a.offer_points(at, b_start, row, Some(a_start + at));
        }
        drop(of_a);
        if a != b {
            let mut of_b = lock(&selections[b]);
            for (at, row) in tile.chunks(width).enumerate() {
                of_b.offer_to_all((a_start + at) as u32, row);
            }
        }
        bar.advance(1);
        Ok::<(), router_core::Error>(())
    })?;
    let outputs = indices.par_chunks_mut(BLOCK * k).zip(similarities.par_chunks_mut(BLOCK * k));
    outputs.zip(&selections).for_each(|((indices, similarities), selections)| {
        lock(selections).finish(indices, similarities);
    });
    Ok(())
}

/// A thread that panicked takes the whole search down with it, so nobody reads what it left.
fn lock(selections: &Mutex<Selections>) -> MutexGuard<'_, Selections> {
    selections.lock().unwrap_or_else(PoisonError::into_inner)
}

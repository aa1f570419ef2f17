//! The exact search of queries: blocks of inner products by matrix multiplication, and a bounded selection from each.
#![allow(clippy::indexing_slicing, reason = "blocks are cut from the matrices they index")]

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use router_core::MatrixView;

use super::selection::Selections;

/// Queries a block.
pub(super) const QUERY_BLOCK: usize = 256;
/// Points a block: with [`QUERY_BLOCK`], half a megabyte of similarities, which stays in the cache.
const POINT_BLOCK: usize = 512;
/// A block of fewer queries is filled up with zeros to a multiple of this, so that the matrix product takes the same path
/// for one query as for many: otherwise the last bits of a similarity would depend on the batch.
const QUERY_STEP: usize = 8;

/// Memory that blocks reuse.
#[derive(Default)]
pub(super) struct Scratch {
    similarities: Vec<f32>,
    padded: Vec<f32>,
    selections: Selections,
}

/// Writes the `k` nearest points of every query (at most [`QUERY_BLOCK`] of them) to `indices` and `out`, both queries x k.
/// No query sees the point `excluded`. There are at least `k` (1 or more) points to be seen.
pub(super) fn search(
    points: MatrixView<'_>,
    queries: MatrixView<'_>,
    excluded: Option<usize>,
    k: usize,
    indices: &mut [u32],
    out: &mut [f32],
    scratch: &mut Scratch,
) {
    let (count, d) = (queries.rows(), points.cols());
    let padded = count.next_multiple_of(QUERY_STEP);
    let query_data = if padded == count {
        queries.as_slice()
    } else {
        scratch.padded.clear();
        scratch.padded.extend_from_slice(queries.as_slice());
        scratch.padded.resize(padded * d, 0.0);
        &scratch.padded
    };
    scratch.selections.begin(count, k, points.rows());
    scratch.similarities.resize(POINT_BLOCK * padded, 0.0);
    for start in (0..points.rows()).step_by(POINT_BLOCK) {
        let block = POINT_BLOCK.min(points.rows() - start);
        let similarities = &mut scratch.similarities[..block * padded];
        multiply(query_data, points.slice_rows(start, start + block).as_slice(), d, similarities);
        for (query, similarities) in similarities.chunks(block).take(count).enumerate() {
            scratch.selections.offer_points(query, start, similarities, excluded);
        }
    }
    scratch.selections.finish(indices, out);
}

/// The inner products of the rows of `a` with those of `b`, to `out` of rows of a x rows of b.
pub(crate) fn products(a: MatrixView<'_>, b: MatrixView<'_>, out: &mut [f32]) {
    multiply(a.as_slice(), b.as_slice(), a.cols(), out);
}

/// The inner products of the rows (of `d` numbers) of `a` with those of `b`, to `out` of rows of a x rows of b.
fn multiply(a: &[f32], b: &[f32], d: usize, out: &mut [f32]) {
    if d == 0 {
        out.fill(0.0);
        return;
    }
    let (rows, cols) = (a.len() / d, b.len() / d);
    matmul(
        MatMut::from_column_major_slice_mut(out, cols, rows),
        Accum::Replace,
        MatRef::from_row_major_slice(b, cols, d),
        MatRef::from_column_major_slice(a, d, rows),
        1.0f32,
        Par::Seq,
    );
}

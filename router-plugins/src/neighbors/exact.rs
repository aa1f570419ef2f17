//! The exact search of queries: blocks of inner products, and a bounded selection from each.
#![allow(clippy::indexing_slicing, reason = "blocks are cut from the matrices they index")]

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use router_core::MatrixView;

use super::inner_products::inner_products;
use super::selection::Selections;

/// Queries a block.
pub(super) const QUERY_BLOCK: usize = 256;
/// Points a block: with [`QUERY_BLOCK`], half a megabyte of similarities, which stays in the cache.
const POINT_BLOCK: usize = 512;
/// Memory that blocks reuse.
#[derive(Default)]
pub(super) struct Scratch {
    similarities: Vec<f32>,
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
    let count = queries.rows();
    scratch.selections.begin(count, k, points.rows());
    scratch.similarities.resize(POINT_BLOCK * count, 0.0);
    for start in (0..points.rows()).step_by(POINT_BLOCK) {
        let block = POINT_BLOCK.min(points.rows() - start);
        let similarities = &mut scratch.similarities[..block * count];
        inner_products(queries, points.slice_rows(start, start + block), similarities);
        for (query, similarities) in similarities.chunks(block).enumerate() {
            scratch.selections.offer_points(query, start, similarities, excluded);
        }
    }
    scratch.selections.finish(indices, out);
}

/// The inner products of the rows of `a` with those of `b`, to `out` of rows of a x rows of b: for many rows of both.
pub(crate) fn products(a: MatrixView<'_>, b: MatrixView<'_>, out: &mut [f32]) {
    let (rows, cols, d) = (a.rows(), b.rows(), a.cols());
    if d == 0 {
        out.fill(0.0);
        return;
    }
    matmul(
        MatMut::from_column_major_slice_mut(out, cols, rows),
        Accum::Replace,
        MatRef::from_row_major_slice(b.as_slice(), cols, d),
        MatRef::from_column_major_slice(a.as_slice(), d, rows),
        1.0f32,
        Par::Seq,
    );
}

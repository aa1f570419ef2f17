//! The exact search: blocks of inner products by matrix multiplication, and a bounded selection from each.
#![allow(clippy::indexing_slicing, reason = "blocks are cut from the matrices they index")]

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use router_core::MatrixView;

/// Queries a block.
pub(super) const QUERY_BLOCK: usize = 64;
/// Points a block: with [`QUERY_BLOCK`], half a megabyte of similarities, which stays in the cache.
const POINT_BLOCK: usize = 2048;
/// A block of fewer queries is filled up with zeros to a multiple of this, so that the matrix product takes the same path
/// for one query as for many: otherwise the last bits of a similarity would depend on the batch.
const QUERY_STEP: usize = 8;

/// Memory that blocks reuse.
#[derive(Default)]
pub(super) struct Scratch {
    similarities: Vec<f32>,
    padded: Vec<f32>,
    selections: Vec<Selection>,
}

/// Writes the `k` nearest points of every query (at most [`QUERY_BLOCK`] of them) to `indices` and `out`, both queries x k.
/// Where `first_self` is given, query i does not see point `first_self + i`. There are at least `k` points to be seen.
pub(super) fn search(
    points: MatrixView<'_>,
    queries: MatrixView<'_>,
    first_self: Option<usize>,
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
    scratch.selections.resize_with(count.max(scratch.selections.len()), Selection::default);
    for selection in &mut scratch.selections[..count] {
        selection.begin(k);
    }
    scratch.similarities.resize(POINT_BLOCK * padded, 0.0);
    for start in (0..points.rows()).step_by(POINT_BLOCK) {
        let block = POINT_BLOCK.min(points.rows() - start);
        let similarities = &mut scratch.similarities[..block * padded];
        if d == 0 {
            similarities.fill(0.0);
        } else {
            matmul(
                // A column a query, so that a query's similarities are contiguous.
                MatMut::from_column_major_slice_mut(similarities, block, padded),
                Accum::Replace,
                MatRef::from_row_major_slice(points.slice_rows(start, start + block).as_slice(), block, d),
                MatRef::from_column_major_slice(query_data, d, padded),
                1.0f32,
                Par::Seq,
            );
        }
        for (query, similarities) in similarities.chunks(block).take(count).enumerate() {
            let excluded = first_self.map_or(usize::MAX, |first| first + query);
            scratch.selections[query].offer(start, similarities, excluded);
        }
    }
    let outputs = indices.chunks_mut(k).zip(out.chunks_mut(k));
    for (selection, (indices, out)) in scratch.selections.iter_mut().zip(outputs) {
        selection.finish(indices, out);
    }
}

/// The k best of a stream of candidates that come by ascending row: O(1) a candidate, O(k) memory.
#[derive(Default)]
struct Selection {
    k: usize,
    /// At most 2 k + 32 candidates; the best k of them after each [`Selection::shrink`].
    candidates: Vec<(f32, u32)>,
    /// The k-th best similarity so far. A later candidate that only equals it has a higher row, so it loses.
    threshold: f32,
}

impl Selection {
    fn begin(&mut self, k: usize) {
        self.k = k;
        self.candidates.clear();
        self.threshold = f32::NEG_INFINITY;
    }

    fn offer(&mut self, start: usize, similarities: &[f32], excluded: usize) {
        let limit = 2 * self.k + 32;
        for (offset, &similarity) in similarities.iter().enumerate() {
            if similarity > self.threshold && start + offset != excluded {
                // Adding zero turns -0 into 0, which total order tells apart.
                self.candidates.push((similarity + 0.0, (start + offset) as u32));
                if self.candidates.len() == limit {
                    self.shrink();
                }
            }
        }
    }

    fn shrink(&mut self) {
        if self.candidates.len() > self.k {
            self.candidates.select_nth_unstable_by(self.k - 1, better);
            self.candidates.truncate(self.k);
            self.threshold = self.candidates[self.k - 1].0;
        }
    }

    fn finish(&mut self, indices: &mut [u32], similarities: &mut [f32]) {
        self.shrink();
        self.candidates.sort_unstable_by(better);
        for ((index, similarity), &(value, row)) in indices.iter_mut().zip(similarities).zip(&self.candidates) {
            *index = row;
            *similarity = value;
        }
    }
}

/// Higher similarity first, then lower row.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature that sorting asks for")]
pub(super) fn better(a: &(f32, u32), b: &(f32, u32)) -> std::cmp::Ordering {
    b.0.total_cmp(&a.0).then(a.1.cmp(&b.1))
}

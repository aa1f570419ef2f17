//! The approximate search: a hierarchical navigable small-world graph (Malkov and Yashunin 2020, arXiv:1603.09320), by hnsw_rs.

use hnsw_rs::anndists::dist::distances::Distance;
use hnsw_rs::hnsw::Hnsw;
use router_core::{CancelToken, MatrixView, ProgressBar, Result};

use super::selection::better;
use crate::nn::kernels::inner_product;

/// Links a point and layer.
const CONNECTIONS: usize = 24;
/// Candidates that are held while a point is inserted.
const BUILD_WIDTH: usize = 200;
/// Candidates that are held while a query is answered: this many times k, and at least [`MINIMUM_WIDTH`].
const WIDTH_FACTOR: usize = 4;
/// See [`WIDTH_FACTOR`].
const MINIMUM_WIDTH: usize = 128;
/// Layers at most; the library's own limit.
const LAYERS: usize = 16;

/// 1 - inner product, never negative. The library's own dot distance aborts on vectors that rounding has left a little
/// longer than 1.
#[derive(Clone, Copy)]
struct InnerProduct;

impl Distance<f32> for InnerProduct {
    fn eval(&self, a: &[f32], b: &[f32]) -> f32 {
        (1.0 - inner_product(a, b)).max(0.0)
    }
}

/// The graph over all points that are not zero.
pub(super) struct SmallWorld {
    graph: Hnsw<'static, f32, InnerProduct>,
}

impl SmallWorld {
    /// Inserts the points one after the other: inserting in parallel would give another graph every time.
    pub(super) fn new(points: MatrixView<'_>, bar: &dyn ProgressBar, cancel: &CancelToken) -> Result<Self> {
        let mut graph = Hnsw::new(CONNECTIONS, points.rows().max(1), LAYERS, BUILD_WIDTH, InnerProduct);
        // Keeping pruned candidates (an option of the library) would clog the links of hubs: on the clustered points of the
        // tests recall falls below 0.9.
        for row in 0..points.rows() {
            if row % 256 == 0 {
                cancel.check()?;
            }
            let point = points.row(row);
            // Zeros are equally far from everything, and many of them would be a clique that traps the search.
            if point.iter().any(|&value| value != 0.0) {
                graph.insert_slice((point, row));
            }
            bar.advance(1);
        }
        graph.set_searching_mode(true);
        Ok(Self { graph })
    }

    /// Fills `indices` and `out` with the nearest points of `query`. Says no, and writes nothing, if the graph gave too few.
    pub(super) fn search(
        &self,
        points: MatrixView<'_>,
        query: &[f32],
        excluded: Option<usize>,
        indices: &mut [u32],
        out: &mut [f32],
    ) -> bool {
        if query.iter().all(|&value| value == 0.0) {
            // All similarities are 0, so the lowest rows win.
            for (index, row) in indices.iter_mut().zip((0..).filter(|&row| Some(row) != excluded)) {
                *index = row as u32;
            }
            out.fill(0.0);
            return true;
        }
        let wanted = indices.len() + usize::from(excluded.is_some());
        let mut found: Vec<(f32, u32)> = self
            .graph
            .search(query, wanted, (WIDTH_FACTOR * wanted).max(MINIMUM_WIDTH))
            .iter()
            .map(|neighbor| neighbor.d_id)
            .filter(|&row| Some(row) != excluded)
            .map(|row| (inner_product(query, points.row(row)) + 0.0, row as u32))
            .collect();
        if found.len() < indices.len() {
            return false;
        }
        found.sort_unstable_by(better);
        for ((index, similarity), &(value, row)) in indices.iter_mut().zip(out).zip(&found) {
            *index = row;
            *similarity = value;
        }
        true
    }
}

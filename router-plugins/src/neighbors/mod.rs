//! Nearest-neighbor search: exact by blocked matrix products, approximate by a navigable small-world graph.
//!
//! Similarity is the inner product; on rows of unit length ([`normalized`]) it is the cosine. Results are ordered by falling
//! similarity, ties by ascending row, and do not depend on the number of threads or on which queries share a block.
//!
//! | search | build | n queries | memory beyond the points |
//! |---|---|---|---|
//! | exact | nothing | O(n * points * d), at the speed of a matrix product | 0.5 MB a thread, n * k results |
//! | exact, of the points themselves | nothing | half of that: a pair serves both its ends | 1 MB a thread, 16 k + 256 bytes a point |
//! | approximate | O(points * log(points) * d), on one thread | O(n * log(points) * d) | a copy of the points and about 400 bytes a point |
//!
//! No matrix of n x points is ever held. [`Search::Automatic`] is exact while that costs less: up to [`EXACT_LIMIT`] points
//! where every new query has to be answered, and up to [`EXACT_LIMIT_AMONG`] where the points search among themselves once (of
//! 80,000 points of 394 numbers the exact search takes 37 seconds of processor time, shared out among threads; building and
//! asking the graph takes 190, most of it on one thread).

mod among;
mod approximate;
mod exact;
mod inner_products;
mod selection;

use rayon::prelude::*;
use router_core::{CancelToken, Error, FitContext, Matrix, MatrixView, ProgressBar, Result, Silent};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use approximate::SmallWorld;
use exact::Scratch;
pub(crate) use exact::products;

/// Up to how many points [`Search::Automatic`] answers queries exactly, unless said otherwise.
pub const EXACT_LIMIT: usize = 50_000;
/// Up to how many points [`Search::Automatic`] searches exactly among themselves, unless said otherwise.
pub const EXACT_LIMIT_AMONG: usize = 200_000;

/// How neighbors are searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Search {
    /// Every point is compared with every query.
    Exact,
    /// A navigable small-world graph finds nearly all true neighbors (Malkov and Yashunin 2020).
    Approximate,
    /// Exact up to a number of points, approximate beyond it.
    #[default]
    Automatic,
}

impl Search {
    /// Whether `points` points are searched exactly, where `exact_limit` is the limit of [`Search::Automatic`].
    pub fn is_exact(self, points: usize, exact_limit: usize) -> bool {
        match self {
            Self::Exact => true,
            Self::Approximate => false,
            Self::Automatic => points <= exact_limit,
        }
    }
}

/// The k nearest points of every query, nearest first.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Neighbors {
    /// Rows of the points, queries x k.
    pub indices: Vec<u32>,
    /// Their similarities, queries x k.
    pub similarities: Vec<f32>,
    /// Neighbors a query: what was asked for, or all there are.
    pub k: usize,
}

impl Neighbors {
    /// The neighbors of query `row` and their similarities, nearest first; empty for a query that is not there.
    pub fn row(&self, row: usize) -> (&[u32], &[f32]) {
        let range = row * self.k..(row + 1) * self.k;
        (self.indices.get(range.clone()).unwrap_or_default(), self.similarities.get(range).unwrap_or_default())
    }
}

/// A copy of `rows` in which every row has unit length. A row of zeros stays one: its similarity with everything is 0.
pub fn normalized(rows: MatrixView<'_>) -> Matrix {
    let mut copy = rows.to_matrix();
    for row in 0..copy.rows() {
        normalize(copy.row_mut(row));
    }
    copy
}

/// Scales `row` to unit length in double precision; zeros stay zeros.
pub(crate) fn normalize(row: &mut [f32]) {
    let norm = row.iter().map(|&value| f64::from(value) * f64::from(value)).sum::<f64>().sqrt();
    if norm > 0.0 {
        for value in row {
            *value = (f64::from(*value) / norm) as f32;
        }
    }
}

/// The inner product, summed in eight lanes: vectorizes, and gives the same bits wherever it is called.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a_chunks, a_rest) = a.as_chunks::<8>();
    let (b_chunks, b_rest) = b.as_chunks::<8>();
    let mut lanes = [0.0f32; 8];
    for (x, y) in a_chunks.iter().zip(b_chunks) {
        for ((lane, &x), &y) in lanes.iter_mut().zip(x).zip(y) {
            *lane += x * y;
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(&x, &y)| x * y).sum();
    lanes.iter().sum::<f32>() + rest
}

/// The `k` points of highest cosine similarity to every query, searched exactly. Both are normalized here.
///
/// `points` is n x d and `queries` q x d; with `exclude_self`, query i is point i and not its own neighbor. O(q * n * d).
///
/// # Errors
/// [`router_core::ErrorKind::Shape`] if the dimensions differ, or queries and points differ in number with `exclude_self`;
/// [`router_core::ErrorKind::NonFinite`] for a number that is not finite.
pub fn knn(points: MatrixView<'_>, queries: MatrixView<'_>, k: usize, exclude_self: bool) -> Result<Neighbors> {
    points.check_finite("points")?;
    let index = NeighborIndex::exact(normalized(points));
    let (queries, cancel) = (normalized(queries), CancelToken::new());
    if exclude_self {
        index.prepare(queries.view(), k, true)?;
        return index.search_tiles(k, &Silent, &cancel);
    }
    index.search_blocks(queries.view(), k, false, &Silent, &cancel)
}

/// Points that can be searched by inner product.
pub struct NeighborIndex {
    points: Matrix,
    small_world: Option<SmallWorld>,
}

impl std::fmt::Debug for NeighborIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NeighborIndex")
            .field("points", &self.points.rows())
            .field("dimension", &self.points.cols())
            .field("exact", &self.small_world.is_none())
            .finish()
    }
}

impl NeighborIndex {
    /// An index of `points` (n x d) that is searched exactly.
    pub fn exact(points: Matrix) -> Self {
        Self { points, small_world: None }
    }

    /// An index of `points` (n x d) that is searched as `search` and `exact_limit` say. An approximate one wants rows of at
    /// most unit length ([`normalized`] gives them); it is built point after point, so that it repeats.
    ///
    /// # Errors
    /// [`router_core::ErrorKind::NonFinite`] for a number that is not finite; [`router_core::ErrorKind::Cancelled`].
    pub fn new(points: Matrix, search: Search, exact_limit: usize, cx: &FitContext) -> Result<Self> {
        points.view().check_finite("points")?;
        let small_world = if search.is_exact(points.rows(), exact_limit) {
            None
        } else {
            let bar = cx.begin("indexing neighbors", Some(points.rows() as u64));
            Some(SmallWorld::new(points.view(), bar.as_ref(), cx.cancel_token())?)
        };
        Ok(Self { points, small_world })
    }

    /// The points, n x d.
    pub fn points(&self) -> MatrixView<'_> {
        self.points.view()
    }

    /// The `k` nearest points of every query (q x d), on rayon's current pool.
    ///
    /// # Errors
    /// [`router_core::ErrorKind::Shape`] for another dimension; [`router_core::ErrorKind::NonFinite`];
    /// [`router_core::ErrorKind::Cancelled`].
    pub fn search(&self, queries: MatrixView<'_>, k: usize, cx: &FitContext) -> Result<Neighbors> {
        let bar = cx.begin("searching neighbors", Some(queries.rows() as u64));
        self.search_blocks(queries, k, false, bar.as_ref(), cx.cancel_token())
    }

    /// The `k` nearest other points of every point, on rayon's current pool.
    ///
    /// # Errors
    /// [`router_core::ErrorKind::Cancelled`].
    pub fn search_among(&self, k: usize, cx: &FitContext) -> Result<Neighbors> {
        let name = "searching neighbors";
        if self.small_world.is_none() {
            let bar = cx.begin(name, Some(among::tiles(self.points.rows()) as u64));
            return self.search_tiles(k, bar.as_ref(), cx.cancel_token());
        }
        let bar = cx.begin(name, Some(self.points.rows() as u64));
        self.search_blocks(self.points.view(), k, true, bar.as_ref(), cx.cancel_token())
    }

    /// The exact search among the points.
    fn search_tiles(&self, k: usize, bar: &dyn ProgressBar, cancel: &CancelToken) -> Result<Neighbors> {
        let (mut found, _) = self.prepare(self.points.view(), k, true)?;
        cancel.check()?;
        if found.k > 0 {
            let Neighbors { indices, similarities, k } = &mut found;
            among::search(self.points.view(), *k, indices, similarities, bar, cancel)?;
        }
        Ok(found)
    }

    /// The `k` nearest points of every query (q x d), on the calling thread.
    ///
    /// # Errors
    /// [`router_core::ErrorKind::Shape`] for another dimension; [`router_core::ErrorKind::NonFinite`].
    pub fn search_here(&self, queries: MatrixView<'_>, k: usize) -> Result<Neighbors> {
        let (mut found, step) = self.prepare(queries, k, false)?;
        if found.k > 0 {
            let mut scratch = Scratch::default();
            let outputs = found.indices.chunks_mut(step).zip(found.similarities.chunks_mut(step));
            for (block, (indices, similarities)) in outputs.enumerate() {
                self.search_block(queries, block, found.k, false, indices, similarities, &mut scratch);
            }
        }
        Ok(found)
    }

    fn search_blocks(
        &self,
        queries: MatrixView<'_>,
        k: usize,
        exclude_self: bool,
        bar: &dyn ProgressBar,
        cancel: &CancelToken,
    ) -> Result<Neighbors> {
        let (mut found, step) = self.prepare(queries, k, exclude_self)?;
        if found.k > 0 {
            found
                .indices
                .par_chunks_mut(step)
                .zip(found.similarities.par_chunks_mut(step))
                .enumerate()
                .try_for_each_init(Scratch::default, |scratch, (block, (indices, similarities))| {
                    cancel.check()?;
                    self.search_block(queries, block, found.k, exclude_self, indices, similarities, scratch);
                    bar.advance((indices.len() / found.k) as u64);
                    Ok::<(), Error>(())
                })?;
        }
        Ok(found)
    }

    /// Checks the shapes, and allocates the results; gives also the length of one block's part of them.
    fn prepare(&self, queries: MatrixView<'_>, k: usize, exclude_self: bool) -> Result<(Neighbors, usize)> {
        if queries.cols() != self.points.cols() {
            return Err(Error::shape("dimension of the queries", self.points.cols(), queries.cols()));
        }
        queries.check_finite("queries")?;
        if exclude_self && queries.rows() != self.points.rows() {
            return Err(Error::shape("queries that are the points", self.points.rows(), queries.rows()));
        }
        let k = k.min(self.points.rows().saturating_sub(usize::from(exclude_self)));
        let size = queries.rows() * k;
        Ok((Neighbors { indices: vec![0; size], similarities: vec![0.0; size], k }, exact::QUERY_BLOCK * k))
    }

    #[allow(clippy::too_many_arguments, reason = "the inputs and outputs of one block")]
    fn search_block(
        &self,
        queries: MatrixView<'_>,
        block: usize,
        k: usize,
        exclude_self: bool,
        indices: &mut [u32],
        similarities: &mut [f32],
        scratch: &mut Scratch,
    ) {
        let start = block * exact::QUERY_BLOCK;
        let end = (start + exact::QUERY_BLOCK).min(queries.rows());
        match &self.small_world {
            None => {
                let queries = queries.slice_rows(start, end);
                exact::search(self.points.view(), queries, None, k, indices, similarities, scratch);
            }
            Some(small_world) => {
                let outputs = indices.chunks_mut(k).zip(similarities.chunks_mut(k));
                for (row, (indices, similarities)) in (start..end).zip(outputs) {
                    let excluded = exclude_self.then_some(row);
                    let query = queries.slice_rows(row, row + 1);
                    if !small_world.search(self.points.view(), query.row(0), excluded, indices, similarities) {
                        exact::search(self.points.view(), query, excluded, k, indices, similarities, scratch);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;

//! Inner products of a few queries with many points, read as they lie in memory.
//!
//! A general matrix product lays out all points anew at every call; for a single query that takes ten times as long as to multiply them. Here
//! every pair of rows is multiplied along its length, and for many queries this is about as fast as the general product. A processor without fused
//! multiplication and addition (x86 before 2013) computes each of them in software, slowly, to the same bits.
#![allow(clippy::indexing_slicing, reason = "rows are cut to one length before their numbers are indexed")]
#![allow(clippy::inline_always, reason = "what is called instead of inlined is compiled for the narrowest vectors")]
#![allow(clippy::needless_range_loop, reason = "closures, iterators' too, are compiled for the narrowest vectors")]

use pulp::{Arch, Simd, WithSimd};
use router_core::MatrixView;

/// Partial sums of a product, on every processor.
const LANES: usize = 8;
/// Queries, and points, whose products are summed at once: their sums and one vector of each fill the registers of AVX2.
const QUERIES: usize = 3;
const POINTS: usize = 4;
/// Points at once for a query that is left over.
const POINTS_OF_ONE: usize = 6;
/// Points that all queries are multiplied with before the next ones are read: of some hundreds of numbers, they stay in the nearest cache.
const BLOCK: usize = 12;

/// Writes the inner products of the rows of `queries` (q x d) with those of `points` (n x d) to `out`, q x n, row by row. O(q n d).
///
/// Number i of a pair goes to partial sum i mod 8, each product and sum rounded once; sums a, b, ... h are added up as
/// ((a+e)+(c+g)) + ((b+f)+(d+h)), and the numbers beyond the last multiple of 8, summed one by one, at the end: the same bits for a query alone
/// as among others, on any processor.
///
/// # Panics
/// If the dimensions disagree.
pub(crate) fn inner_products(queries: MatrixView<'_>, points: MatrixView<'_>, out: &mut [f32]) {
    assert_eq!(
        (queries.cols(), queries.rows() * points.rows()),
        (points.cols(), out.len()),
        "dimension of queries and points, and number of their products"
    );
    Arch::new().dispatch(Products { queries, points, out });
}

/// [`inner_products`], to be compiled for each width of vectors.
struct Products<'a> {
    queries: MatrixView<'a>,
    points: MatrixView<'a>,
    out: &'a mut [f32],
}

impl WithSimd for Products<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let (queries, points) = (self.queries.rows(), self.points.rows());
        let together = queries - queries % QUERIES;
        let mut start = 0;
        while start < points {
            let end = points.min(start + BLOCK);
            let mut query = 0;
            while query < together {
                self.tiles::<S, QUERIES, POINTS>(simd, query, start, end);
                query += QUERIES;
            }
            while query < queries {
                self.tiles::<S, 1, POINTS_OF_ONE>(simd, query, start, end);
                query += 1;
            }
            start = end;
        }
    }
}

impl Products<'_> {
    /// `Q` queries from `query` on by the points from `start` to `end`, `P` at once.
    #[inline(always)]
    fn tiles<S: Simd, const Q: usize, const P: usize>(&mut self, simd: S, query: usize, start: usize, end: usize) {
        let mut point = start;
        while point + P <= end {
            self.tile::<S, Q, P>(simd, query, point);
            point += P;
        }
        while point < end {
            self.tile::<S, Q, 1>(simd, query, point);
            point += 1;
        }
    }

    /// `Q` queries from `query` on by `P` points from `point` on.
    #[inline(always)]
    fn tile<S: Simd, const Q: usize, const P: usize>(&mut self, simd: S, query: usize, point: usize) {
        let (whole, n) = (self.points.cols() - self.points.cols() % LANES, self.points.rows());
        let (mut queries, mut points): ([&[f32]; Q], [&[f32]; P]) = ([&[]; Q], [&[]; P]);
        for at in 0..Q {
            queries[at] = self.queries.row(query + at);
        }
        for at in 0..P {
            points[at] = self.points.row(point + at);
        }
        let sums = if S::F32_LANES == LANES {
            in_registers::<S, Q, P>(simd, &queries, &points, whole)
        } else {
            in_memory(&queries, &points, whole)
        };
        for of in 0..Q {
            for at in 0..P {
                let mut rest = 0.0f32;
                for number in whole..points[at].len() {
                    rest = queries[of][number].mul_add(points[at][number], rest);
                }
                self.out[(query + of) * n + point + at] = sums[of][at] + rest;
            }
        }
    }
}

/// The products over the first `whole` numbers, where a register holds the partial sums of a pair.
#[inline(always)]
fn in_registers<S: Simd, const Q: usize, const P: usize>(
    simd: S,
    queries: &[&[f32]; Q],
    points: &[&[f32]; P],
    whole: usize,
) -> [[f32; P]; Q] {
    let steps = whole / LANES;
    let mut of_queries: [&[S::f32s]; Q] = [&[]; Q];
    let mut of_points: [&[S::f32s]; P] = [&[]; P];
    for of in 0..Q {
        of_queries[of] = &S::as_simd_f32s(&queries[of][..whole]).0[..steps];
    }
    for at in 0..P {
        of_points[at] = &S::as_simd_f32s(&points[at][..whole]).0[..steps];
    }
    let mut sums = [[simd.splat_f32s(0.0); P]; Q];
    for step in 0..steps {
        for at in 0..P {
            let point = of_points[at][step];
            for of in 0..Q {
                sums[of][at] = simd.mul_add_f32s(of_queries[of][step], point, sums[of][at]);
            }
        }
    }
    let mut out = [[0.0; P]; Q];
    for of in 0..Q {
        for at in 0..P {
            out[of][at] = simd.reduce_sum_f32s(sums[of][at]);
        }
    }
    out
}

/// The same, one pair after the other.
#[inline(always)]
fn in_memory<const Q: usize, const P: usize>(
    queries: &[&[f32]; Q],
    points: &[&[f32]; P],
    whole: usize,
) -> [[f32; P]; Q] {
    let mut out = [[0.0; P]; Q];
    for of in 0..Q {
        for at in 0..P {
            let mut sums = [0.0f32; LANES];
            let (query, point) =
                (queries[of][..whole].as_chunks::<LANES>().0, points[at][..whole].as_chunks::<LANES>().0);
            for (query, point) in query.iter().zip(point) {
                for lane in 0..LANES {
                    sums[lane] = f32::mul_add(query[lane], point[lane], sums[lane]);
                }
            }
            out[of][at] = total(sums);
        }
    }
    out
}

/// The partial sums added up in the documented order.
#[inline(always)]
fn total([a, b, c, d, e, f, g, h]: [f32; LANES]) -> f32 {
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use router_core::Matrix;

    use super::*;

    /// The documented order of additions, one number at a time.
    fn plain(a: &[f32], b: &[f32]) -> f32 {
        let whole = a.len() - a.len() % LANES;
        let mut sums = [0.0f32; LANES];
        for at in 0..whole {
            sums[at % LANES] = a[at].mul_add(b[at], sums[at % LANES]);
        }
        total(sums) + (whole..a.len()).fold(0.0f32, |sum, at| a[at].mul_add(b[at], sum))
    }

    fn matrix(rows: usize, cols: usize, seed: usize) -> Matrix {
        let number = |at: usize| (((at + seed) * 7919 % 1013) as f32 - 506.0) / 613.0;
        Matrix::from_vec(rows, cols, (0..rows * cols).map(number).collect()).unwrap()
    }

    proptest! {
        #[test]
        fn every_product_is_the_plain_sum_to_the_bit(q in 0usize..9, n in 0usize..30, d in 0usize..40, seed in 0usize..1000) {
            let (queries, points) = (matrix(q, d, seed), matrix(n, d, seed + 77));
            let mut out = vec![f32::NAN; q * n];
            inner_products(queries.view(), points.view(), &mut out);
            for (at, found) in out.iter().enumerate() {
                let expected = plain(queries.row(at / n), points.row(at % n));
                prop_assert_eq!(found.to_bits(), expected.to_bits());
            }
        }

        #[test]
        fn both_ways_to_sum_give_the_same_bits(d in 0usize..40, seed in 0usize..1000) {
            let (whole, rows) = (d / LANES * LANES, matrix(5, d, seed));
            let (queries, points) = ([rows.row(0), rows.row(1)], [rows.row(2), rows.row(3), rows.row(4)]);
            let sums = in_memory(&queries, &points, whole);
            for (of, query) in queries.iter().enumerate() {
                for (at, point) in points.iter().enumerate() {
                    prop_assert_eq!(sums[of][at].to_bits(), plain(&query[..whole], &point[..whole]).to_bits());
                }
            }
        }
    }

    #[test]
    fn numbers_worked_out_by_hand() {
        let ones = Matrix::from_vec(1, 10, vec![1.0; 10]).unwrap();
        let points = Matrix::from_vec(2, 10, (1..=20).map(|number| number as f32).collect()).unwrap();
        let mut out = [0.0; 2];
        inner_products(ones.view(), points.view(), &mut out);
        assert_eq!(out, [55.0, 155.0]);
    }
}

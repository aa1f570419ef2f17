//! The leading singular values and right singular vectors of a sparse matrix.

use faer::diag::Diag;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::matmul::matmul;
use faer::linalg::svd::{ComputeSvdVectors, svd, svd_scratch};
use faer::{Accum, Mat, MatRef, Par, Spec};
use router_core::prelude::*;

use super::Scalar;
use super::orthonormal::{check_orthonormal, thin_qr};
use super::panels::{Panels, WIDTH};
use super::sparse::SparseMatrix;

/// Columns at least that the subspace has beyond those wanted.
const OVERSAMPLING: usize = 10;
/// How far the right vectors may be off orthonormal, as single precision allows.
const TOLERANCE: f64 = 1e-4;
/// Directions below this share of the largest singular value are rounding.
const RANK: f64 = 1e-5;

/// The leading singular values and right singular vectors.
#[derive(Debug, Clone)]
pub(crate) struct RightSingular {
    /// Descending, all above zero.
    pub(crate) values: Vec<f32>,
    /// v x r, a column a value. Signs are such that the number of largest magnitude in a column is positive, ties to the first.
    pub(crate) vectors: Mat<f32>,
}

/// The `count` leading singular values of `matrix` (n x v) and their right vectors, fewer where its rank is lower.
///
/// Randomized block subspace iteration (Halko, Martinsson and Tropp, SIAM Review 53, 2011, algorithms 4.4 and 5.1): a basis of
/// the product with l random sign vectors is multiplied by the matrix and its transpose `iterations` times, made orthonormal by
/// dense QR after every product; the small matrix in that basis is then decomposed. l is `count` and at least 10 more, filled
/// up to whole panels of 32. A singular value's relative error falls by the square of its ratio to value l + 1 an iteration.
///
/// 4 (iterations + 1) l flops a stored number, and 4 (iterations + 1) (n + v) l^2 for QR; memory of about 4 (n + 2 v) l numbers.
///
/// # Errors
/// [`ErrorKind::Training`] if the right vectors are not orthonormal, or the small matrix cannot be decomposed;
/// [`ErrorKind::Cancelled`].
pub(crate) fn right_singular(
    matrix: &SparseMatrix<f32>,
    count: usize,
    iterations: usize,
    cx: &FitContext,
) -> Result<RightSingular> {
    let most = matrix.rows().min(matrix.cols());
    let l = (count + OVERSAMPLING).next_multiple_of(WIDTH).min(most);
    if l == 0 {
        return Ok(RightSingular { values: Vec::new(), vectors: Mat::zeros(matrix.cols(), 0) });
    }
    let bar = cx.begin("reducing dimensions", Some(iterations as u64 + 1));
    let basis = |product: Panels<f32>| -> Result<Panels<f32>> {
        cx.check_cancelled()?;
        Ok(Panels::from_mat(thin_qr(product.to_mat())?.0.as_ref()))
    };
    let mut left = basis(matrix.times(&Panels::random_signs(matrix.cols(), l, &mut cx.stream("subspace")))?)?;
    for _ in 0..iterations {
        let right = basis(matrix.transposed_times(&left)?)?;
        left = basis(matrix.times(&right)?)?;
        bar.advance(1);
    }
    cx.check_cancelled()?;
    // matrix = left B with B' = basis triangle: the left vectors of the triangle lead from the basis to the right vectors.
    let (basis, triangle) = thin_qr(matrix.transposed_times(&left)?.to_mat())?;
    drop(left);
    let (values, rotation) = left_singular(triangle.as_ref())?;
    let floor = f64::from(*values.first().unwrap_or(&0.0)) * RANK;
    let rank = values.iter().take(count).filter(|&&value| f64::from(value) > floor).count();
    let mut vectors = Mat::<f32>::zeros(matrix.cols(), rank);
    matmul(vectors.as_mut(), Accum::Replace, basis.as_ref(), rotation.subcols(0, rank), 1.0, Par::Seq);
    check_orthonormal(vectors.as_ref(), TOLERANCE)?;
    fix_signs(&mut vectors);
    bar.advance(1);
    Ok(RightSingular { values: values.into_iter().take(rank).collect(), vectors })
}

/// The singular values of a small square matrix, descending, and its left vectors.
fn left_singular(matrix: MatRef<'_, f32>) -> Result<(Vec<f32>, Mat<f32>)> {
    let l = matrix.nrows();
    let mut values = Diag::<f32>::zeros(l);
    let mut left = Mat::<f32>::zeros(l, l);
    let parameters = Spec::default();
    let (u, v) = (ComputeSvdVectors::Thin, ComputeSvdVectors::No);
    let mut memory = MemBuffer::new(svd_scratch::<f32>(l, l, u, v, Par::Seq, parameters));
    svd(matrix, values.as_mut(), Some(left.as_mut()), None, Par::Seq, MemStack::new(&mut memory), parameters)
        .map_err(|_| Error::new(ErrorKind::Training, "the singular values of the reduced matrix do not converge"))?;
    Ok((values.column_vector().iter().copied().collect(), left))
}

/// Turns every column so that its number of largest magnitude is positive: QR leaves the sign to chance.
fn fix_signs<T: Scalar>(vectors: &mut Mat<T>) {
    for col in 0..vectors.ncols() {
        let mut largest = T::ZERO;
        for &value in vectors.col(col).iter() {
            if value.to_f64().abs() > largest.to_f64().abs() {
                largest = value;
            }
        }
        if largest.to_f64() < 0.0 {
            for value in vectors.col_mut(col).iter_mut() {
                *value = -*value;
            }
        }
    }
}

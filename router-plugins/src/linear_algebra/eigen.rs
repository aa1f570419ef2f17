//! The leading eigenpairs of a sparse symmetric matrix.
#![allow(clippy::indexing_slicing, reason = "columns are those of the block")]

use faer::diag::Diag;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::evd::{ComputeEigenvectors, self_adjoint_evd, self_adjoint_evd_scratch};
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, Par, Spec};
use router_core::prelude::*;

use super::orthonormal::{check_orthonormal, thin_qr};
use super::panels::{Panels, WIDTH};
use super::sparse::SparseMatrix;

/// Vectors at least that the block has beyond those wanted: the gap behind the last wanted one is what convergence depends on.
const OVERSAMPLING: usize = 10;
/// Degree of the filter.
const DEGREE: usize = 10;
/// How far the vectors may be off orthonormal.
const TOLERANCE: f64 = 1e-8;

/// The leading eigenpairs.
#[derive(Debug, Clone)]
pub(crate) struct Eigen {
    /// Descending.
    pub(crate) values: Vec<f64>,
    /// n x k, a column a value.
    pub(crate) vectors: Mat<f64>,
}

/// The `count` largest eigenvalues of `matrix`, symmetric and with all eigenvalues at least `floor`, and their vectors.
///
/// Block subspace iteration with a Chebyshev filter (Zhou, Saad, Tiago and Chelikowsky, Journal of Computational Physics 219,
/// 2006): a block of orthonormal vectors, begun at random signs, is multiplied by a polynomial of the matrix that is small
/// between `floor` and the block's least Ritz value and large above, made orthonormal by dense QR, and turned to the eigenvectors of
/// the matrix within the block (Rayleigh and Ritz), until every wanted vector's residual |Sv - v theta| is at most `residual`.
///
/// 2 (degree + 1) l flops a stored number and 8 n l^2 an iteration, of degree 10 and l = `count` and at least 10 more, filled up to a
/// multiple of 32; usually 3 to 20 iterations. Memory of about 4 n l numbers.
///
/// # Errors
/// [`ErrorKind::Training`] if it has not converged in `iterations` iterations, or if the vectors are not orthonormal;
/// [`ErrorKind::Shape`] for a matrix that is not square; [`ErrorKind::Cancelled`].
pub(crate) fn leading_eigen(
    matrix: &SparseMatrix<f64>,
    count: usize,
    floor: f64,
    residual: f64,
    iterations: usize,
    cx: &FitContext,
) -> Result<Eigen> {
    let n = matrix.rows();
    if matrix.cols() != n {
        return Err(Error::shape("columns of a symmetric matrix", n, matrix.cols()));
    }
    let count = count.min(n);
    let l = (count + OVERSAMPLING).next_multiple_of(WIDTH).min(n);
    if count == 0 {
        return Ok(Eigen { values: Vec::new(), vectors: Mat::zeros(n, 0) });
    }
    let bar = cx.begin("finding eigenvectors", None);
    let (mut block, _) = thin_qr(Panels::random_signs(n, l, &mut cx.stream("subspace")).to_mat())?;
    let mut worst = f64::INFINITY;
    for iteration in 0..=iterations {
        cx.check_cancelled()?;
        let product = matrix.times(&Panels::from_mat(block.as_ref()))?.to_mat();
        let (values, rotation) = dense_eigen(within(block.as_ref(), product.as_ref()).as_ref())?;
        block = times(block.as_ref(), rotation.as_ref());
        let product = times(product.as_ref(), rotation.as_ref());
        worst = (0..count).map(|col| off(&block, &product, col, values[col])).fold(0.0, f64::max);
        bar.message(&format!("residual {worst:.1e}"));
        if worst <= residual {
            let vectors = block.subcols(0, count).to_owned();
            check_orthonormal(vectors.as_ref(), TOLERANCE)?;
            return Ok(Eigen { values: values[..count].to_vec(), vectors });
        }
        if iteration < iterations {
            block = thin_qr(filter(matrix, block, floor, values[l - 1])?)?.0;
        }
    }
    Err(Error::new(
        ErrorKind::Training,
        format!(
            "the eigenvectors have not converged: the largest residual is {worst:.1e} where {residual:.1e} is wanted"
        ),
    ))
}

/// The matrix within the block, V'SV, made exactly symmetric.
fn within(block: MatRef<'_, f64>, product: MatRef<'_, f64>) -> Mat<f64> {
    let small = times(block.transpose(), product);
    Mat::from_fn(small.nrows(), small.ncols(), |row, col| 0.5 * (small[(row, col)] + small[(col, row)]))
}

/// All eigenvalues of a dense symmetric matrix, descending, and their vectors. O(l^3).
fn dense_eigen(matrix: MatRef<'_, f64>) -> Result<(Vec<f64>, Mat<f64>)> {
    let l = matrix.nrows();
    let mut values = Diag::<f64>::zeros(l);
    let mut vectors = Mat::<f64>::zeros(l, l);
    let parameters = Spec::default();
    let scratch = self_adjoint_evd_scratch::<f64>(l, ComputeEigenvectors::Yes, Par::Seq, parameters);
    let mut memory = MemBuffer::new(scratch);
    let stack = MemStack::new(&mut memory);
    self_adjoint_evd(matrix, values.as_mut(), Some(vectors.as_mut()), Par::Seq, stack, parameters)
        .map_err(|_| Error::new(ErrorKind::Training, "the eigenvalues of a symmetric matrix do not converge"))?;
    // They ascend.
    let descending: Vec<f64> = values.column_vector().iter().rev().copied().collect();
    Ok((descending, Mat::from_fn(l, l, |row, col| vectors[(row, l - 1 - col)])))
}

/// The length of Sv - v theta.
fn off(block: &Mat<f64>, product: &Mat<f64>, col: usize, theta: f64) -> f64 {
    let (vector, image) = (block.col(col), product.col(col));
    vector.iter().zip(image.iter()).map(|(&v, &s)| (s - theta * v).powi(2)).sum::<f64>().sqrt()
}

/// The Chebyshev polynomial of [`DEGREE`] of the matrix, mapped so that [low, high] is where it stays within -1 and 1, times
/// the block.
fn filter(matrix: &SparseMatrix<f64>, block: Mat<f64>, low: f64, high: f64) -> Result<Mat<f64>> {
    let center = f64::midpoint(low, high);
    let half = ((high - low) / 2.0).max(1e-3);
    // The next polynomial: 2 (S - center) / half x - before; without a factor of 2 after the first, x itself.
    let step = |x: &Mat<f64>, before: Option<&Mat<f64>>| -> Result<Mat<f64>> {
        let mut next = matrix.times(&Panels::from_mat(x.as_ref()))?.to_mat();
        let scale = if before.is_some() { 2.0 } else { 1.0 } / half;
        for col in 0..next.ncols() {
            for (row, next) in next.col_mut(col).iter_mut().enumerate() {
                *next = scale * (*next - center * x[(row, col)]) - before.map_or(0.0, |before| before[(row, col)]);
            }
        }
        Ok(next)
    };
    let mut before = block;
    let mut now = step(&before, None)?;
    for _ in 1..DEGREE {
        let next = step(&now, Some(&before))?;
        before = std::mem::replace(&mut now, next);
    }
    Ok(now)
}

pub(crate) fn times(left: MatRef<'_, f64>, right: MatRef<'_, f64>) -> Mat<f64> {
    let mut product = Mat::zeros(left.nrows(), right.ncols());
    matmul(product.as_mut(), Accum::Replace, left, right, 1.0, Par::Seq);
    product
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The adjacency matrix of a path of n nodes: its eigenvalues are 2 cos(pi i / (n + 1)).
    fn path(n: usize) -> SparseMatrix<f64> {
        let mut matrix = SparseMatrix::new(n);
        for row in 0..n {
            let others = [row.checked_sub(1), Some(row + 1).filter(|&other| other < n)];
            matrix.push_row(others.into_iter().flatten().map(|col| (col as u32, 1.0))).unwrap();
        }
        matrix
    }

    #[test]
    fn eigenvalues_of_a_path_are_cosines() {
        // 300 nodes: the block of 32 is a small part. 20 nodes: the block is everything.
        for n in [20, 300] {
            let found = leading_eigen(&path(n), 7, -2.0, 1e-9, 200, &FitContext::new(1)).unwrap();
            for (at, value) in found.values.iter().enumerate() {
                let expected = 2.0 * (std::f64::consts::PI * (at + 1) as f64 / (n + 1) as f64).cos();
                assert!((value - expected).abs() < 1e-10, "{n}: {value} against {expected}");
            }
            check_orthonormal(found.vectors.as_ref(), 1e-12).unwrap();
        }
    }

    #[test]
    fn repeated_eigenvalues_have_orthonormal_vectors() {
        // Forty pairs of nodes: the eigenvalue 1, forty times.
        let mut matrix = SparseMatrix::new(80);
        for row in 0..80u32 {
            matrix.push_row([(row ^ 1, 1.0)]).unwrap();
        }
        let found = leading_eigen(&matrix, 5, -1.0, 1e-8, 50, &FitContext::new(1)).unwrap();
        assert!(found.values.iter().all(|value| (value - 1.0).abs() < 1e-10), "{:?}", found.values);
        for col in 0..5 {
            for row in (0..80).step_by(2) {
                assert!((found.vectors[(row, col)] - found.vectors[(row + 1, col)]).abs() < 1e-7);
            }
        }
    }

    #[test]
    fn what_does_not_converge_is_an_error() {
        let error = leading_eigen(&path(2000), 20, -2.0, 1e-12, 0, &FitContext::new(1)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Training);
        let mut wide = SparseMatrix::new(3);
        wide.push_row([(2, 1.0)]).unwrap();
        assert_eq!(leading_eigen(&wide, 1, -1.0, 1e-3, 5, &FitContext::new(1)).unwrap_err().kind(), ErrorKind::Shape);
    }
}

//! Small dense matrices: leading singular vectors, and factors with orthonormal columns. In double precision inside.
#![allow(clippy::indexing_slicing, reason = "faer's own indices, over the shapes given")]

use faer::diag::Diag;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::svd::{ComputeSvdVectors, svd, svd_scratch};
use faer::{Mat, MatRef, Par, Spec};
use router_core::{Error, ErrorKind, Matrix, Result};

use super::orthonormal::thin_qr;

/// The leading right singular vectors of `matrix` (k x p) as the rows of a matrix: `count` of them, or min(k, p) where there are
/// no more. Their signs are such that the number of largest magnitude is positive. O(k p min(k, p)).
///
/// The product of `matrix` with their transpose and with them again is its best approximation of that rank (Eckart and Young
/// 1936).
///
/// # Errors
/// [`ErrorKind::Training`] if the iteration does not converge, as for numbers that are not finite.
pub(crate) fn leading_right(matrix: &Matrix, count: usize) -> Result<Matrix> {
    let (k, p) = (matrix.rows(), matrix.cols());
    let least = k.min(p);
    if least == 0 {
        return Ok(Matrix::zeros(0, p));
    }
    let wide = to_mat(matrix);
    let (mut values, mut right) = (Diag::<f64>::zeros(least), Mat::<f64>::zeros(p, least));
    let parameters = Spec::default();
    let (u, v) = (ComputeSvdVectors::No, ComputeSvdVectors::Thin);
    let mut memory = MemBuffer::new(svd_scratch::<f64>(k, p, u, v, Par::Seq, parameters));
    let stack = MemStack::new(&mut memory);
    svd(wide.as_ref(), values.as_mut(), None, Some(right.as_mut()), Par::Seq, stack, parameters).map_err(|_| {
        Error::new(ErrorKind::Training, format!("the singular values of a {k} x {p} matrix do not converge"))
    })?;
    let mut rows = from_mat(right.subcols(0, count.min(least)).transpose());
    for row in 0..rows.rows() {
        let row = rows.row_mut(row);
        let largest =
            row.iter().fold(0.0f32, |largest, &value| if value.abs() > largest.abs() { value } else { largest });
        if largest < 0.0 {
            for value in row {
                *value = -*value;
            }
        }
    }
    Ok(rows)
}

/// `matrix` (k x p, k at least p) as a basis of orthonormal columns (k x p) times a triangle (p x p). O(k p^2).
///
/// # Errors
/// [`ErrorKind::Shape`] for more columns than rows.
pub(crate) fn orthonormal_columns(matrix: &Matrix) -> Result<(Matrix, Matrix)> {
    let (basis, triangle) = thin_qr(to_mat(matrix))?;
    Ok((from_mat(basis.as_ref()), from_mat(triangle.as_ref())))
}

/// The transpose.
pub(crate) fn transpose(matrix: &Matrix) -> Matrix {
    let mut out = Matrix::zeros(matrix.cols(), matrix.rows());
    for row in 0..matrix.rows() {
        for (col, &value) in matrix.row(row).iter().enumerate() {
            out.set(col, row, value);
        }
    }
    out
}

/// `a * b'`: the inner products of the rows of `a` (n x p) with those of `b` (k x p), n x k.
pub(crate) fn times_transposed(a: &Matrix, b: &Matrix) -> Matrix {
    let mut out = Matrix::zeros(a.rows(), b.rows());
    for row in 0..a.rows() {
        for col in 0..b.rows() {
            out.set(row, col, crate::nn::kernels::dot(a.row(row), b.row(col)));
        }
    }
    out
}

fn to_mat(matrix: &Matrix) -> Mat<f64> {
    Mat::from_fn(matrix.rows(), matrix.cols(), |row, col| f64::from(matrix.get(row, col)))
}

fn from_mat(mat: MatRef<'_, f64>) -> Matrix {
    let mut matrix = Matrix::zeros(mat.nrows(), mat.ncols());
    for row in 0..mat.nrows() {
        for col in 0..mat.ncols() {
            matrix.set(row, col, mat[(row, col)] as f32);
        }
    }
    matrix
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: &Matrix, b: &Matrix) -> bool {
        a.rows() == b.rows() && a.as_slice().iter().zip(b.as_slice()).all(|(a, b)| (a - b).abs() < 1e-6)
    }

    #[test]
    fn singular_vectors_of_a_matrix_worked_out_by_hand() {
        // 3 (0.6, 0.8) is the leading part, and 1 (-0.8, 0.6) the other.
        let matrix = Matrix::from_vec(3, 2, vec![1.8, 2.4, -0.8, 0.6, 0.0, 0.0]).unwrap();
        let expected = Matrix::from_vec(2, 2, vec![0.6, 0.8, 0.8, -0.6]).unwrap();
        assert!(near(&leading_right(&matrix, 2).unwrap(), &expected));
        assert!(near(&leading_right(&matrix, 1).unwrap(), &Matrix::from_vec(1, 2, vec![0.6, 0.8]).unwrap()));
        // Wide, without rank, empty.
        assert_eq!(leading_right(&transpose(&matrix), 5).unwrap().rows(), 2);
        assert_eq!(leading_right(&Matrix::zeros(2, 4), 1).unwrap().cols(), 4);
        assert_eq!(leading_right(&Matrix::zeros(0, 4), 1).unwrap().rows(), 0);
        let infinite = Matrix::from_vec(1, 1, vec![f32::NAN]).unwrap();
        assert_eq!(leading_right(&infinite, 1).unwrap_err().kind(), ErrorKind::Training);
    }

    #[test]
    fn the_factors_give_the_matrix_back() {
        let matrix = Matrix::from_vec(3, 2, vec![1.0, 2.0, 3.0, 4.0, 5.0, 7.0]).unwrap();
        let (basis, triangle) = orthonormal_columns(&matrix).unwrap();
        assert!(near(&times_transposed(&basis, &transpose(&triangle)), &matrix));
        let gram = times_transposed(&transpose(&basis), &transpose(&basis));
        assert!(near(&gram, &Matrix::from_vec(2, 2, vec![1.0, 0.0, 0.0, 1.0]).unwrap()));
        assert_eq!(orthonormal_columns(&transpose(&matrix)).unwrap_err().kind(), ErrorKind::Shape);
    }
}

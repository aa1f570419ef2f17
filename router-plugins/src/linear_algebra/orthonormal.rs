//! Orthonormal bases by Householder QR.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::householder::{
    apply_block_householder_sequence_on_the_left_in_place_scratch,
    apply_block_householder_sequence_on_the_left_in_place_with_conj,
};
use faer::linalg::matmul::matmul;
use faer::linalg::qr::no_pivoting::factor::{qr_in_place, qr_in_place_scratch, recommended_block_size};
use faer::{Accum, Conj, Mat, MatRef, Par, Spec};
use router_core::{Error, ErrorKind, Result};

use super::Scalar;

/// The factors of a tall matrix: an orthonormal basis (n x l) of what its columns span, and the triangle (l x l) that gives
/// the columns back. 4 n l^2 flops. Columns that depend on others are replaced by some that do not.
///
/// # Errors
/// [`ErrorKind::Shape`] for more columns than rows.
pub(crate) fn thin_qr<T: Scalar>(mut matrix: Mat<T>) -> Result<(Mat<T>, Mat<T>)> {
    let (n, l) = matrix.shape();
    if l > n {
        return Err(Error::shape("columns of a basis", format!("at most {n}"), l));
    }
    let block = recommended_block_size::<T>(n, l);
    let mut coefficients = Mat::zeros(block, l);
    let parameters = Spec::default();
    let mut memory = MemBuffer::new(qr_in_place_scratch::<T>(n, l, block, Par::Seq, parameters));
    qr_in_place(matrix.as_mut(), coefficients.as_mut(), Par::Seq, MemStack::new(&mut memory), parameters);
    let triangle = Mat::from_fn(l, l, |row, col| if row <= col { matrix[(row, col)] } else { T::ZERO });
    let mut basis = Mat::from_fn(n, l, |row, col| if row == col { T::ONE } else { T::ZERO });
    let scratch = apply_block_householder_sequence_on_the_left_in_place_scratch::<T>(n, block, l);
    apply_block_householder_sequence_on_the_left_in_place_with_conj(
        matrix.as_ref(),
        coefficients.as_ref(),
        Conj::No,
        basis.as_mut(),
        Par::Seq,
        MemStack::new(&mut MemBuffer::new(scratch)),
    );
    Ok((basis, triangle))
}

/// Checks that the columns of `basis` (n x l) are orthonormal: every number of V'V - I at most `tolerance`. 2 n l^2 flops.
///
/// # Errors
/// [`ErrorKind::Training`] if they are not, or not finite.
pub(crate) fn check_orthonormal<T: Scalar>(basis: MatRef<'_, T>, tolerance: f64) -> Result<()> {
    let l = basis.ncols();
    let mut products = Mat::<T>::zeros(l, l);
    matmul(products.as_mut(), Accum::Replace, basis.transpose(), basis, T::ONE, Par::Seq);
    for row in 0..l {
        for col in 0..l {
            let off = products[(row, col)].to_f64() - if row == col { 1.0 } else { 0.0 };
            // Written so that a NaN fails.
            let close = off.abs() <= tolerance;
            if !close {
                return Err(Error::new(
                    ErrorKind::Training,
                    format!("vectors {row} and {col} of a basis are off orthonormal by {off:e}"),
                )
                .help("a bug, or numbers too large for this precision: please report it"));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use router_core::Seed;

    use super::*;
    use crate::linear_algebra::panels::Panels;

    #[test]
    fn the_factors_give_the_matrix_back_even_without_full_rank() {
        let mut matrix = Panels::<f64>::random_signs(60, 7, &mut Seed::root(1).stream("m")).to_mat();
        let copy = matrix.col(2).to_owned();
        matrix.col_mut(5).copy_from(&copy);
        matrix.col_mut(6).fill(0.0);
        let (basis, triangle) = thin_qr(matrix.clone()).unwrap();
        assert!((&basis * &triangle - &matrix).norm_max() < 1e-12);
        check_orthonormal(basis.as_ref(), 1e-13).unwrap();
        assert_eq!(thin_qr(matrix.transpose().to_owned()).unwrap_err().kind(), ErrorKind::Shape);
    }

    #[test]
    fn what_is_not_orthonormal_is_refused() {
        let mut basis = Mat::<f64>::identity(4, 2);
        basis[(0, 1)] = 1e-3;
        assert_eq!(check_orthonormal(basis.as_ref(), 1e-6).unwrap_err().kind(), ErrorKind::Training);
        check_orthonormal(basis.as_ref(), 1e-2).unwrap();
        basis[(0, 0)] = f64::NAN;
        assert_eq!(check_orthonormal(basis.as_ref(), 1e-2).unwrap_err().kind(), ErrorKind::Training);
    }
}

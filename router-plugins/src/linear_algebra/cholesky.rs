//! Cholesky factors of dense symmetric matrices.
#![allow(clippy::indexing_slicing, reason = "d x d numbers, as the constructor is given")]

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt::factor::{LltParams, LltRegularization, cholesky_in_place, cholesky_in_place_scratch};
use faer::linalg::triangular_solve::{solve_lower_triangular_in_place, solve_upper_triangular_in_place};
use faer::{MatMut, MatRef, Par, Spec};
use router_core::prelude::*;

/// A lower triangular d x d factor L, column by column: L L' is the matrix.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Factor {
    d: usize,
    lower: Vec<f64>,
}

impl Factor {
    /// Factors the symmetric positive definite `matrix`, d x d, of which the lower triangle is read. O(d^3).
    ///
    /// # Errors
    /// [`ErrorKind::Training`] if it is not positive definite.
    pub(crate) fn new(mut matrix: Vec<f64>, d: usize) -> Result<Self> {
        let parameters: Spec<LltParams, f64> = Spec::default();
        let mut memory = MemBuffer::new(cholesky_in_place_scratch::<f64>(d, Par::Seq, parameters));
        cholesky_in_place(
            MatMut::from_column_major_slice_mut(&mut matrix, d, d),
            LltRegularization::default(),
            Par::Seq,
            MemStack::new(&mut memory),
            parameters,
        )
        .map_err(|_| {
            Error::new(ErrorKind::Training, "a Gram matrix has no Cholesky factor: it is not positive definite")
                .help("raise the penalty")
        })?;
        Ok(Self { d, lower: matrix })
    }

    /// Solves L L' x = `right`, d x `columns`, column by column, in place. O(d^2 columns).
    pub(crate) fn solve(&self, right: &mut [f64], columns: usize) {
        let lower = MatRef::from_column_major_slice(&self.lower, self.d, self.d);
        let mut right = MatMut::from_column_major_slice_mut(right, self.d, columns);
        solve_lower_triangular_in_place(lower, right.as_mut(), Par::Seq);
        solve_upper_triangular_in_place(lower.transpose(), right, Par::Seq);
    }

    /// The inverse of L, d x d, row by row; zeros above the diagonal.
    pub(crate) fn inverse(&self) -> Vec<f64> {
        let d = self.d;
        let mut inverse = vec![0.0; d * d];
        for at in 0..d {
            inverse[at * d + at] = 1.0;
        }
        let lower = MatRef::from_column_major_slice(&self.lower, d, d);
        solve_lower_triangular_in_place(lower, MatMut::from_row_major_slice_mut(&mut inverse, d, d), Par::Seq);
        inverse
    }

    /// The logarithm of the determinant of L L'.
    pub(crate) fn log_determinant(&self) -> f64 {
        (0..self.d).map(|at| 2.0 * self.lower[at * self.d + at].ln()).sum()
    }
}

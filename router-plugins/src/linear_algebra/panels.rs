//! Tall dense matrices in panels of columns.
#![allow(clippy::indexing_slicing, reason = "every panel has as many rows as the matrix; columns are counted by panel")]

use faer::{Mat, MatRef};
use rand::Rng;
use router_core::SeedStream;

use super::Scalar;

/// Columns of a panel.
pub(crate) const WIDTH: usize = 32;

/// A dense matrix of n x l: panels of [`WIDTH`] columns, row by row in each; the last is filled up with zeros.
///
/// A sparse product reads rows of a panel in any order. A panel of 40,000 rows is 5 MB and stays in the cache where the whole
/// matrix would not; panels are also what threads share out.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Panels<T> {
    rows: usize,
    cols: usize,
    /// From left to right.
    data: Vec<Vec<[T; WIDTH]>>,
}

impl<T: Scalar> Panels<T> {
    /// A matrix of n x l from its panels.
    pub(super) fn from_panels(rows: usize, cols: usize, panels: Vec<Vec<[T; WIDTH]>>) -> Self {
        debug_assert!(panels.len() == cols.div_ceil(WIDTH) && panels.iter().all(|panel| panel.len() == rows));
        Self { rows, cols, data: panels }
    }

    /// A matrix of random signs, every one drawn from `stream`.
    pub(crate) fn random_signs(rows: usize, cols: usize, stream: &mut SeedStream) -> Self {
        let mut panels = vec![vec![[T::ZERO; WIDTH]; rows]; cols.div_ceil(WIDTH)];
        for (at, panel) in panels.iter_mut().enumerate() {
            let width = (cols - at * WIDTH).min(WIDTH);
            for row in panel {
                let bits = stream.next_u32();
                for (col, value) in row[..width].iter_mut().enumerate() {
                    *value = T::from_f64(if bits >> col & 1 == 0 { 1.0 } else { -1.0 });
                }
            }
        }
        Self { rows, cols, data: panels }
    }

    /// The same numbers as a matrix of faer.
    pub(crate) fn to_mat(&self) -> Mat<T> {
        Mat::from_fn(self.rows, self.cols, |row, col| self.data[col / WIDTH][row][col % WIDTH])
    }

    /// The numbers of `matrix`.
    pub(crate) fn from_mat(matrix: MatRef<'_, T>) -> Self {
        let (rows, cols) = (matrix.nrows(), matrix.ncols());
        let mut panels = vec![vec![[T::ZERO; WIDTH]; rows]; cols.div_ceil(WIDTH)];
        for col in 0..cols {
            let panel = &mut panels[col / WIDTH];
            for (row, to) in panel.iter_mut().enumerate() {
                to[col % WIDTH] = matrix[(row, col)];
            }
        }
        Self { rows, cols, data: panels }
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn cols(&self) -> usize {
        self.cols
    }

    /// The panels from left to right.
    pub(super) fn panels(&self) -> &[Vec<[T; WIDTH]>] {
        &self.data
    }
}

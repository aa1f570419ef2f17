//! Sparse matrices in compressed rows.
#![allow(clippy::indexing_slicing, reason = "columns are checked when a row is added")]
#![allow(clippy::inline_always, reason = "what is called instead of inlined is compiled for the narrowest vectors")]

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use router_core::{Error, Result};

use super::Scalar;
use super::panels::{Panels, WIDTH};

/// Rows of a product that a thread takes at a time.
const BLOCK: usize = 1024;

/// A sparse n x v matrix in compressed rows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SparseMatrix<T> {
    cols: usize,
    offsets: Vec<usize>,
    indices: Vec<u32>,
    values: Vec<T>,
}

impl<T: Scalar> SparseMatrix<T> {
    /// A matrix of `cols` columns and no row.
    pub(crate) fn new(cols: usize) -> Self {
        Self { cols, offsets: vec![0], indices: Vec::new(), values: Vec::new() }
    }

    /// Adds a row of (column, value) entries.
    ///
    /// # Errors
    /// [`router_core::ErrorKind::Shape`] for a column that there is not.
    pub(crate) fn push_row(&mut self, entries: impl IntoIterator<Item = (u32, T)>) -> Result<()> {
        for (col, value) in entries {
            if col as usize >= self.cols {
                return Err(Error::shape("column of a sparse matrix", format!("below {}", self.cols), col));
            }
            self.indices.push(col);
            self.values.push(value);
        }
        self.offsets.push(self.indices.len());
        Ok(())
    }

    pub(crate) fn rows(&self) -> usize {
        self.offsets.len() - 1
    }

    pub(crate) fn cols(&self) -> usize {
        self.cols
    }

    /// The (column, value) entries of a row, as they were added.
    pub(crate) fn entries(&self, row: usize) -> impl Iterator<Item = (u32, T)> {
        let (indices, values) = self.row(row);
        indices.iter().copied().zip(values.iter().copied())
    }

    fn row(&self, row: usize) -> (&[u32], &[T]) {
        let range = self.offsets[row]..self.offsets[row + 1];
        (&self.indices[range.clone()], &self.values[range])
    }

    /// This matrix times `right` (v x l): n x l, in 2 l flops a stored number.
    ///
    /// # Errors
    /// [`router_core::ErrorKind::Shape`] if the inner sizes differ.
    pub(crate) fn times(&self, right: &Panels<T>) -> Result<Panels<T>> {
        if right.rows() != self.cols {
            return Err(Error::shape("rows of the right factor", self.cols, right.rows()));
        }
        let panels = right.panels().par_iter().map(|right| {
            let mut out = vec![[T::ZERO; WIDTH]; self.rows()];
            out.par_chunks_mut(BLOCK).enumerate().for_each(|(block, out)| {
                Arch::new().dispatch(Times { matrix: self, right, start: block * BLOCK, out });
            });
            out
        });
        Ok(Panels::from_panels(self.rows(), right.cols(), panels.collect()))
    }

    /// The transpose of this matrix times `right` (n x l): v x l, in 2 l flops a stored number.
    ///
    /// # Errors
    /// [`router_core::ErrorKind::Shape`] if the inner sizes differ.
    pub(crate) fn transposed_times(&self, right: &Panels<T>) -> Result<Panels<T>> {
        if right.rows() != self.rows() {
            return Err(Error::shape("rows of the right factor", self.rows(), right.rows()));
        }
        let panels = right.panels().par_iter().map(|right| {
            let mut out = vec![[T::ZERO; WIDTH]; self.cols];
            Arch::new().dispatch(TransposedTimes { matrix: self, right, out: &mut out });
            out
        });
        Ok(Panels::from_panels(self.cols, right.cols(), panels.collect()))
    }
}

/// Writes rows of the product of `matrix` and a panel, from row `start`, to `out`, which is zeros.
struct Times<'a, T> {
    matrix: &'a SparseMatrix<T>,
    right: &'a [[T; WIDTH]],
    start: usize,
    out: &'a mut [[T; WIDTH]],
}

impl<T: Scalar> WithSimd for Times<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        for (row, out) in (self.start..).zip(self.out) {
            let (indices, values) = self.matrix.row(row);
            for (&index, &value) in indices.iter().zip(values) {
                T::add_scaled(simd, out, value, &self.right[index as usize]);
            }
        }
    }
}

/// Adds the product of the transpose of `matrix` and a panel to `out`.
struct TransposedTimes<'a, T> {
    matrix: &'a SparseMatrix<T>,
    right: &'a [[T; WIDTH]],
    out: &'a mut [[T; WIDTH]],
}

impl<T: Scalar> WithSimd for TransposedTimes<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        for (row, right) in self.right.iter().enumerate() {
            let (indices, values) = self.matrix.row(row);
            for (&index, &value) in indices.iter().zip(values) {
                T::add_scaled(simd, &mut self.out[index as usize], value, right);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use router_core::{ErrorKind, Seed};

    use super::*;

    #[test]
    fn products_are_those_of_the_dense_matrix() {
        let mut matrix = SparseMatrix::<f64>::new(3);
        for entries in [vec![(0, 2.0), (2, -1.0)], vec![], vec![(1, 0.5)], vec![(0, 1.0), (1, 1.0), (2, 1.0)]] {
            matrix.push_row(entries).unwrap();
        }
        let dense = faer::mat![[2.0, 0.0, -1.0], [0.0, 0.0, 0.0], [0.0, 0.5, 0.0], [1.0, 1.0, 1.0]];
        // 40 columns: a full panel and a part of one.
        let right = Panels::<f64>::random_signs(3, 40, &mut Seed::root(1).stream("r"));
        assert_eq!(matrix.times(&right).unwrap().to_mat(), &dense * right.to_mat());
        let right = Panels::<f64>::random_signs(4, 40, &mut Seed::root(2).stream("r"));
        assert_eq!(matrix.transposed_times(&right).unwrap().to_mat(), dense.transpose() * right.to_mat());
        assert_eq!(Panels::from_mat(right.to_mat().as_ref()), right);
        assert!(right.to_mat().col(39).iter().all(|value| value.abs() == 1.0));
        assert!(right.to_mat().col(39) != right.to_mat().col(38));
    }

    #[test]
    fn wrong_sizes_are_errors() {
        let mut matrix = SparseMatrix::<f32>::new(2);
        matrix.push_row([(1, 1.0)]).unwrap();
        assert_eq!(matrix.push_row([(2, 1.0)]).unwrap_err().kind(), ErrorKind::Shape);
        let stream = &mut Seed::root(1).stream("r");
        assert_eq!(matrix.times(&Panels::random_signs(1, 1, stream)).unwrap_err().kind(), ErrorKind::Shape);
        assert_eq!(matrix.transposed_times(&Panels::random_signs(2, 1, stream)).unwrap_err().kind(), ErrorKind::Shape);
    }
}

//! Row-major f32 matrices: owned, and viewed.
#![allow(clippy::indexing_slicing, reason = "rows * cols == data.len() is checked at construction")]

use crate::error::{Error, ErrorKind, Result};

/// A row-major matrix of `rows x cols` f32.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Matrix {
    rows: usize,
    cols: usize,
    data: Vec<f32>,
}

impl Matrix {
    /// A matrix of zeros.
    pub fn zeros(rows: usize, cols: usize) -> Self {
        Self { rows, cols, data: vec![0.0; rows * cols] }
    }

    /// A matrix of `rows x cols` over `data`, row by row.
    ///
    /// # Errors
    /// [`ErrorKind::Shape`] if `data` has another length than `rows * cols`.
    pub fn from_vec(rows: usize, cols: usize, data: Vec<f32>) -> Result<Self> {
        if data.len() != rows * cols {
            return Err(Error::shape("matrix", format!("{rows} x {cols} numbers"), data.len()));
        }
        Ok(Self { rows, cols, data })
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// All numbers, row by row.
    pub fn as_slice(&self) -> &[f32] {
        &self.data
    }

    /// All numbers, row by row, to be written.
    pub fn as_mut_slice(&mut self) -> &mut [f32] {
        &mut self.data
    }

    /// Row `row`.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.data[row * self.cols..(row + 1) * self.cols]
    }

    /// Row `row`, to be written.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row_mut(&mut self, row: usize) -> &mut [f32] {
        &mut self.data[row * self.cols..(row + 1) * self.cols]
    }

    /// The number in `row` and `col`.
    ///
    /// # Panics
    /// If there is no such cell.
    pub fn get(&self, row: usize, col: usize) -> f32 {
        self.row(row)[col]
    }

    /// Writes the number in `row` and `col`.
    ///
    /// # Panics
    /// If there is no such cell.
    pub fn set(&mut self, row: usize, col: usize, value: f32) {
        self.row_mut(row)[col] = value;
    }

    /// Makes this a matrix of `rows x cols` zeros, keeping the memory.
    pub fn reset(&mut self, rows: usize, cols: usize) {
        self.rows = rows;
        self.cols = cols;
        self.data.clear();
        self.data.resize(rows * cols, 0.0);
    }

    /// A view of the whole matrix.
    pub fn view(&self) -> MatrixView<'_> {
        MatrixView { rows: self.rows, cols: self.cols, data: &self.data }
    }

    /// A new matrix of the named rows, in their order. Costs `rows.len() * cols` copies.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn gather(&self, rows: &[usize]) -> Self {
        self.view().gather(rows)
    }

    /// The numbers, given away.
    pub fn into_vec(self) -> Vec<f32> {
        self.data
    }
}

/// A borrowed row-major matrix.
#[derive(Debug, Clone, Copy)]
pub struct MatrixView<'a> {
    rows: usize,
    cols: usize,
    data: &'a [f32],
}

impl<'a> MatrixView<'a> {
    /// A view of `rows x cols` over `data`.
    ///
    /// # Errors
    /// [`ErrorKind::Shape`] if `data` has another length than `rows * cols`.
    pub fn new(rows: usize, cols: usize, data: &'a [f32]) -> Result<Self> {
        if data.len() != rows * cols {
            return Err(Error::shape("matrix view", format!("{rows} x {cols} numbers"), data.len()));
        }
        Ok(Self { rows, cols, data })
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// All numbers, row by row.
    pub fn as_slice(&self) -> &'a [f32] {
        self.data
    }

    /// Row `row`.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row(&self, row: usize) -> &'a [f32] {
        &self.data[row * self.cols..(row + 1) * self.cols]
    }

    /// The number in `row` and `col`.
    ///
    /// # Panics
    /// If there is no such cell.
    pub fn get(&self, row: usize, col: usize) -> f32 {
        self.row(row)[col]
    }

    /// Rows `start..end` of this view.
    ///
    /// # Panics
    /// If there are no such rows.
    pub fn slice_rows(&self, start: usize, end: usize) -> MatrixView<'a> {
        MatrixView { rows: end - start, cols: self.cols, data: &self.data[start * self.cols..end * self.cols] }
    }

    /// A new matrix of the named rows, in their order. Costs `rows.len() * cols` copies.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn gather(&self, rows: &[usize]) -> Matrix {
        let mut data = Vec::with_capacity(rows.len() * self.cols);
        for &row in rows {
            data.extend_from_slice(self.row(row));
        }
        Matrix { rows: rows.len(), cols: self.cols, data }
    }

    /// An owned copy.
    pub fn to_matrix(&self) -> Matrix {
        Matrix { rows: self.rows, cols: self.cols, data: self.data.to_vec() }
    }

    /// # Errors
    /// [`ErrorKind::NonFinite`] naming `what` and the first row and column that is NaN or infinite.
    pub fn check_finite(&self, what: &str) -> Result<()> {
        match self.data.iter().position(|value| !value.is_finite()) {
            None => Ok(()),
            Some(index) => Err(Error::new(
                ErrorKind::NonFinite,
                format!("{what}: row {}, column {} is {}", index / self.cols, index % self.cols, self.data[index]),
            )),
        }
    }
}

/// Embeddings of prompts: an n x d matrix in the order of the prompts, and which texts did not fit the encoder.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Embeddings {
    /// n x d, row i is the embedding of prompt i.
    pub vectors: Matrix,
    /// The rows, ascending, whose text was cut because it was longer than the encoder's limit.
    pub truncated: Vec<usize>,
}

impl Embeddings {
    /// Embeddings of texts that all fitted.
    pub fn new(vectors: Matrix) -> Self {
        Self { vectors, truncated: Vec::new() }
    }

    /// The embeddings of the named rows, in their order.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn gather(&self, rows: &[usize]) -> Self {
        Self {
            vectors: self.vectors.gather(rows),
            truncated: (0..rows.len()).filter(|&at| self.truncated.binary_search(&rows[at]).is_ok()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_length_is_an_error() {
        assert_eq!(Matrix::from_vec(2, 2, vec![0.0; 3]).unwrap_err().kind(), ErrorKind::Shape);
        assert_eq!(MatrixView::new(2, 2, &[0.0; 3]).unwrap_err().kind(), ErrorKind::Shape);
    }

    #[test]
    fn gather_keeps_order_and_truncation() {
        let vectors = Matrix::from_vec(3, 1, vec![1.0, 2.0, 3.0]).unwrap();
        let embeddings = Embeddings { vectors, truncated: vec![2] };
        let gathered = embeddings.gather(&[2, 0]);
        assert_eq!(gathered.vectors.as_slice(), [3.0, 1.0]);
        assert_eq!(gathered.truncated, [0]);
    }

    #[test]
    fn a_nan_is_found_with_its_place() {
        let matrix = Matrix::from_vec(2, 2, vec![0.0, 1.0, f32::NAN, 0.0]).unwrap();
        let error = matrix.view().check_finite("embeddings").unwrap_err();
        assert_eq!(error.to_string(), "embeddings: row 1, column 0 is NaN");
    }
}

//! Estimates of quality, its variance and cost for every prompt and model of a batch.

use crate::error::Result;
use crate::types::matrix::{Matrix, MatrixView};

/// What is expected of every (prompt, model) pair of a batch: n x m matrices.
///
/// The caller owns it and reuses it: [`reset`](Self::reset) keeps the memory.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Estimates {
    quality: Matrix,
    variance: Optional,
    cost_usd: Optional,
}

/// A matrix that may be absent and keeps its memory while it is.
#[derive(Debug, Clone, Default)]
struct Optional {
    matrix: Matrix,
    is_present: bool,
}

impl Optional {
    fn get(&self) -> Option<&Matrix> {
        self.is_present.then_some(&self.matrix)
    }

    /// The matrix; one of `rows x cols` zeros if it was absent.
    fn get_or_zeros(&mut self, rows: usize, cols: usize) -> &mut Matrix {
        if !self.is_present {
            self.matrix.reset(rows, cols);
            self.is_present = true;
        }
        &mut self.matrix
    }

    fn gather(&self, rows: &[usize]) -> Self {
        self.get().map_or_else(Self::default, |matrix| Self { matrix: matrix.gather(rows), is_present: true })
    }
}

impl PartialEq for Optional {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl Estimates {
    /// Empty estimates, to be [`reset`](Self::reset).
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes these the estimates of `prompts x models` pairs: quality 0, no variance, no cost. Keeps the memory of all three.
    pub fn reset(&mut self, prompts: usize, models: usize) {
        self.quality.reset(prompts, models);
        self.variance.is_present = false;
        self.cost_usd.is_present = false;
    }

    /// Expected quality, n x m. On the scale of the outcomes' quality, but not clamped to it.
    pub fn quality(&self) -> MatrixView<'_> {
        self.quality.view()
    }

    /// Expected quality, to be written.
    pub fn quality_mut(&mut self) -> &mut Matrix {
        &mut self.quality
    }

    /// Variance of the expected quality (not of an outcome), n x m, where the estimator knows it.
    pub fn variance(&self) -> Option<MatrixView<'_>> {
        self.variance.get().map(Matrix::view)
    }

    /// Says that these estimates have a variance, zero at first, and gives it to be written.
    pub fn variance_mut(&mut self) -> &mut Matrix {
        let (rows, cols) = (self.quality.rows(), self.quality.cols());
        self.variance.get_or_zeros(rows, cols)
    }

    /// Expected cost of the call in US dollars, n x m, where known.
    pub fn cost_usd(&self) -> Option<MatrixView<'_>> {
        self.cost_usd.get().map(Matrix::view)
    }

    /// Says that these estimates have a cost, zero at first, and gives it to be written.
    pub fn cost_usd_mut(&mut self) -> &mut Matrix {
        let (rows, cols) = (self.quality.rows(), self.quality.cols());
        self.cost_usd.get_or_zeros(rows, cols)
    }

    /// A view of all of it.
    pub fn view(&self) -> EstimatesView<'_> {
        EstimatesView { quality: self.quality(), variance: self.variance(), cost_usd: self.cost_usd() }
    }

    /// Copies the rows of `part` to the rows `rows` of this. Variance and cost are kept where `part` has them.
    ///
    /// # Panics
    /// If there is no such row, or the models differ in number.
    pub fn scatter(&mut self, rows: &[usize], part: EstimatesView<'_>) {
        let copy = |to: &mut Matrix, from: MatrixView<'_>| {
            for (at, &row) in rows.iter().enumerate() {
                to.row_mut(row).copy_from_slice(from.row(at));
            }
        };
        copy(&mut self.quality, part.quality);
        if let Some(variance) = part.variance {
            copy(self.variance_mut(), variance);
        }
        if let Some(cost) = part.cost_usd {
            copy(self.cost_usd_mut(), cost);
        }
    }

    /// The named rows, in their order.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn gather(&self, rows: &[usize]) -> Self {
        Self {
            quality: self.quality.gather(rows),
            variance: self.variance.gather(rows),
            cost_usd: self.cost_usd.gather(rows),
        }
    }
}

/// Borrowed [`Estimates`].
#[derive(Debug, Clone, Copy)]
pub struct EstimatesView<'a> {
    /// Expected quality, n x m.
    pub quality: MatrixView<'a>,
    /// Variance of the expected quality, n x m, where known.
    pub variance: Option<MatrixView<'a>>,
    /// Expected cost in US dollars, n x m, where known. A model of unknown price has an infinite cost in no case: see
    /// [`crate::cost::CostModel`].
    pub cost_usd: Option<MatrixView<'a>>,
}

impl EstimatesView<'_> {
    /// Number of prompts.
    pub fn prompts(&self) -> usize {
        self.quality.rows()
    }

    /// Number of models.
    pub fn models(&self) -> usize {
        self.quality.cols()
    }

    /// # Errors
    /// [`crate::ErrorKind::NonFinite`] if any number is NaN or infinite.
    pub fn check_finite(&self, what: &str) -> Result<()> {
        self.quality.check_finite(what)?;
        if let Some(variance) = self.variance {
            variance.check_finite(&format!("{what} (variance)"))?;
        }
        if let Some(cost) = self.cost_usd {
            cost.check_finite(&format!("{what} (cost)"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reset_forgets_the_numbers_and_keeps_the_memory() {
        let mut estimates = Estimates::new();
        estimates.reset(20, 5);
        estimates.variance_mut().set(3, 2, 0.5);
        estimates.cost_usd_mut().set(3, 2, 0.1);
        let memory = |estimates: &Estimates| {
            let of = |view: Option<MatrixView<'_>>| view.unwrap().as_slice().as_ptr();
            (of(estimates.variance()), of(estimates.cost_usd()))
        };
        let before = memory(&estimates);
        estimates.reset(10, 5);
        assert!(estimates.variance().is_none() && estimates.cost_usd().is_none());
        let mut fresh = Estimates::new();
        fresh.reset(10, 5);
        assert_eq!(estimates, fresh);
        assert!(estimates.variance_mut().as_slice().iter().all(|&value| value == 0.0));
        estimates.cost_usd_mut();
        assert_eq!(memory(&estimates), before);
        assert_eq!(estimates.gather(&[1]).variance().unwrap().rows(), 1);
    }
}

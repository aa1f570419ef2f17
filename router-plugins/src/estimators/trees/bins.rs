//! Every number of the embedding in bins.
#![allow(clippy::indexing_slicing, reason = "columns and rows are those of the embeddings")]

use rayon::prelude::*;
use router_core::prelude::*;

/// Rows that thresholds are taken from, at most.
const SAMPLE: usize = 20_000;

/// The bins of all prompts.
pub(super) struct Bins {
    rows: usize,
    /// Of every column the bin of every prompt, column by column.
    columns: Vec<u8>,
    /// Of every column the thresholds between its bins, ascending: a number is in the first bin whose threshold lies above it.
    thresholds: Vec<Vec<f32>>,
}

impl Bins {
    /// Puts `embeddings` (n x d) into at most `most` (2 to 256) bins a column. O(d n log n).
    pub(super) fn new(embeddings: MatrixView<'_>, most: usize) -> Self {
        let (n, d) = (embeddings.rows(), embeddings.cols());
        let every = n.div_ceil(SAMPLE).max(1);
        let mut bins = vec![0u8; n * d];
        let thresholds = bins
            .par_chunks_mut(n.max(1))
            .enumerate()
            .map(|(column, bins)| {
                let mut values: Vec<f32> = (0..n).step_by(every).map(|row| embeddings.get(row, column)).collect();
                values.sort_unstable_by(f32::total_cmp);
                let thresholds = thresholds(&values, most);
                for (row, bin) in bins.iter_mut().enumerate() {
                    let value = embeddings.get(row, column);
                    *bin = thresholds.partition_point(|&threshold| threshold <= value) as u8;
                }
                thresholds
            })
            .collect();
        Self { rows: n, columns: bins, thresholds }
    }

    /// Number of columns.
    pub(super) fn columns(&self) -> usize {
        self.thresholds.len()
    }

    /// The bin of every prompt in `column`.
    pub(super) fn column(&self, column: usize) -> &[u8] {
        &self.columns[column * self.rows..(column + 1) * self.rows]
    }

    /// The thresholds of `column`.
    pub(super) fn thresholds(&self, column: usize) -> &[f32] {
        &self.thresholds[column]
    }
}

/// Numbers between neighboring different values of `sorted`, such that about equally many values lie between them.
fn thresholds(sorted: &[f32], most: usize) -> Vec<f32> {
    let mut out: Vec<f32> = Vec::new();
    for bin in 1..most {
        let at = bin * sorted.len() / most;
        let Some(&value) = sorted.get(at) else { continue };
        // The nearest smaller value: a threshold lies between the two.
        let first = sorted.partition_point(|&other| other < value);
        let Some(&below) = first.checked_sub(1).and_then(|before| sorted.get(before)) else { continue };
        let middle = f32::midpoint(below, value);
        let threshold = if middle > below { middle } else { value };
        if out.last().is_none_or(|&last| threshold > last) {
            out.push(threshold);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_keep_the_order_and_hold_about_equally_many() {
        let values: Vec<f32> = (0..100).map(|at| ((at * 37) % 100) as f32).collect();
        let bins = Bins::new(MatrixView::new(100, 1, &values).unwrap(), 10);
        assert_eq!(bins.thresholds(0).len(), 9);
        for (&value, &bin) in values.iter().zip(bins.column(0)) {
            assert_eq!(usize::from(bin), value as usize / 10);
        }
    }

    #[test]
    fn few_or_equal_values_have_few_bins() {
        let constant = Bins::new(MatrixView::new(5, 1, &[2.0; 5]).unwrap(), 64);
        assert!(constant.thresholds(0).is_empty() && constant.column(0) == [0; 5]);
        let two = Bins::new(MatrixView::new(4, 1, &[1.0, 0.0, 1.0, 1.0]).unwrap(), 64);
        assert_eq!((two.thresholds(0), two.column(0)), (&[0.5f32][..], &[1u8, 0, 1, 1][..]));
    }
}

//! Regressions whose coefficients are a matrix K between two vectors: the logit is `l'K r + b`, l a short vector of the
//! observation's head, r a long one of its prompt, b a bias of the head.
//!
//! In such a regression the features are the outer product of l and r. They are never written down: K r is computed once a
//! prompt, whatever the number of its heads.
#![allow(clippy::indexing_slicing, reason = "pairs are checked against both matrices at construction")]

use router_core::{Error, Matrix, Result};

use crate::nn::kernels::{add_scaled, dot};
use crate::nn::logistic::{Design, Observation};

/// Pairs of a left and a right vector as the features of a [`LogisticProblem`](crate::nn::logistic::LogisticProblem).
///
/// Coefficients are K, a x b, row by row, and where there are biases one for every left vector. A product costs
/// O(prompts * a * b + pairs * a), if the pairs of a prompt follow each other.
#[derive(Debug)]
pub struct Bilinear<'a> {
    left: &'a Matrix,
    right: &'a Matrix,
    width: usize,
    biases: bool,
    pairs: Vec<Pair>,
}

/// A row of the features: which left and which right vector it is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    /// A row of the left vectors: the head.
    pub left: usize,
    /// A row of the right vectors: the prompt.
    pub right: usize,
}

impl<'a> Bilinear<'a> {
    /// The pairs of the rows of `left` (g x a) and of the first `width` numbers of those of `right` (n x b), with or without
    /// a bias a left row.
    ///
    /// # Errors
    /// [`router_core::ErrorKind::Shape`] for a pair of a row that is not there, or a width beyond b.
    pub fn new(left: &'a Matrix, right: &'a Matrix, width: usize, biases: bool, pairs: Vec<Pair>) -> Result<Self> {
        if width > right.cols() {
            return Err(Error::shape("width of the right vectors", format!("at most {}", right.cols()), width));
        }
        if let Some(bad) = pairs.iter().find(|pair| pair.left >= left.rows() || pair.right >= right.rows()) {
            let allowed = format!("below {} and {}", left.rows(), right.rows());
            return Err(Error::shape("pair of vectors", allowed, format!("{} and {}", bad.left, bad.right)));
        }
        Ok(Self { left, right, width, biases, pairs })
    }

    /// Calls `of_prompt` with every run of observations of one prompt.
    fn each_prompt(&self, observations: &[Observation], mut of_prompt: impl FnMut(std::ops::Range<usize>, &[f32])) {
        let mut start = 0;
        while start < observations.len() {
            let right = self.pairs[observations[start].row].right;
            let same = |seen: &&Observation| self.pairs[seen.row].right == right;
            let end = start + observations[start..].iter().take_while(same).count();
            of_prompt(start..end, &self.right.row(right)[..self.width]);
            start = end;
        }
    }
}

impl Design for Bilinear<'_> {
    fn rows(&self) -> usize {
        self.pairs.len()
    }

    fn features(&self) -> usize {
        self.left.cols() * self.width + if self.biases { self.left.rows() } else { 0 }
    }

    fn multiply(&self, observations: &[Observation], coefficients: &[f32], out: &mut [f32]) {
        let a = self.left.cols();
        let (matrix, biases) = coefficients.split_at(a * self.width);
        let mut image = vec![0.0f32; a];
        self.each_prompt(observations, |run, right| {
            for (image, row) in image.iter_mut().zip(matrix.chunks_exact(self.width.max(1))) {
                *image = dot(row, right);
            }
            for at in run {
                let left = self.pairs[observations[at].row].left;
                out[at] = dot(self.left.row(left), &image) + biases.get(left).copied().unwrap_or(0.0);
            }
        });
    }

    fn accumulate(&self, observations: &[Observation], factors: &[f32], to: &mut [f32]) {
        let a = self.left.cols();
        let (matrix, biases) = to.split_at_mut(a * self.width);
        let mut sums = vec![0.0f32; a];
        self.each_prompt(observations, |run, right| {
            sums.fill(0.0);
            for at in run {
                let left = self.pairs[observations[at].row].left;
                add_scaled(&mut sums, factors[at], self.left.row(left));
                if let Some(bias) = biases.get_mut(left) {
                    *bias += factors[at];
                }
            }
            for (&sum, row) in sums.iter().zip(matrix.chunks_exact_mut(self.width.max(1))) {
                add_scaled(row, sum, right);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::nn::logistic::LogisticProblem;

    proptest! {
        /// The same regression with the outer products written down as a matrix has the same solution and objective.
        #[test]
        fn it_is_the_regression_on_outer_products(
            left in prop::collection::vec(-2.0f32..2.0, 6),
            right in prop::collection::vec(-2.0f32..2.0, 20),
            targets in prop::collection::vec(0.0f32..=1.0, 15),
            penalty in 0.5f32..10.0,
            biases: bool,
        ) {
            // 3 heads of 2 numbers; 5 prompts of 4, of which the first 3 count.
            let left = Matrix::from_vec(3, 2, left).unwrap();
            let right = Matrix::from_vec(5, 4, right).unwrap();
            let pairs: Vec<Pair> = (0..15).map(|at| Pair { left: at % 3, right: at / 3 }).collect();
            let features = if biases { 9 } else { 6 };
            let mut written = Matrix::zeros(15, features);
            for (at, pair) in pairs.iter().enumerate() {
                for i in 0..2 {
                    for j in 0..3 {
                        written.set(at, i * 3 + j, left.get(pair.left, i) * right.get(pair.right, j));
                    }
                }
                if biases {
                    written.set(at, 6 + pair.left, 1.0);
                }
            }
            let observations: Vec<Observation> = (0..15)
                .map(|row| Observation { row, target: targets[row], weight: 1.0, offset: 0.3 })
                .collect();
            let design = Bilinear::new(&left, &right, 3, biases, pairs).unwrap();
            let bilinear = LogisticProblem::new(&design, observations.clone()).unwrap();
            let plain = LogisticProblem::new(&written, observations).unwrap();
            let (mut found, mut expected) = (vec![0.0; features], vec![0.0; features]);
            bilinear.solve(penalty, &mut found).unwrap();
            plain.solve(penalty, &mut expected).unwrap();
            for (found, expected) in found.iter().zip(&expected) {
                prop_assert!((found - expected).abs() < 1e-3, "{found} and {expected}");
            }
            prop_assert!((bilinear.objective(&found, penalty) - plain.objective(&found, penalty)).abs() < 1e-3);
        }
    }

    #[test]
    fn rows_that_are_not_there_are_refused() {
        let (left, right) = (Matrix::zeros(1, 2), Matrix::zeros(2, 3));
        assert!(Bilinear::new(&left, &right, 3, true, vec![Pair { left: 0, right: 1 }]).is_ok());
        assert!(Bilinear::new(&left, &right, 3, true, vec![Pair { left: 1, right: 0 }]).is_err());
        assert!(Bilinear::new(&left, &right, 3, true, vec![Pair { left: 0, right: 2 }]).is_err());
        assert!(Bilinear::new(&left, &right, 4, true, vec![]).is_err());
    }
}

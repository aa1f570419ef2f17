//! Cross-validation folds that keep near duplicates together.
#![allow(clippy::indexing_slicing, reason = "fold numbers are below the fold count by construction")]

use rand::seq::SliceRandom;

use crate::error::{Error, ErrorKind, Result};
use crate::seed::Seed;

/// A partition of rows into folds.
///
/// ```
/// use router_core::{Folds, Seed};
/// let folds = Folds::new(&[0, 0, 1, 2, 3], 2, &Seed::root(7)).unwrap();
/// let (train, held_out) = folds.split(0);
/// assert_eq!(train.len() + held_out.len(), 5);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folds {
    fold_of: Vec<usize>,
    count: usize,
}

impl Folds {
    /// Deals the rows into `count` folds of nearly equal size; rows of one group share a fold. O(n log n).
    ///
    /// Groups are shuffled, then the largest go first, each to the fold that is smallest so far (ties to the lowest).
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for fewer than two folds, or fewer groups than folds.
    pub fn new(groups: &[u32], count: usize, seed: &Seed) -> Result<Self> {
        if count < 2 {
            return Err(
                Error::new(ErrorKind::Usage, format!("{count} folds")).help("cross-validation needs at least 2")
            );
        }
        let mut order: Vec<usize> = (0..groups.len()).collect();
        order.sort_by_key(|&row| groups[row]);
        let mut chunks: Vec<&[usize]> = order.chunk_by(|&a, &b| groups[a] == groups[b]).collect();
        if chunks.len() < count {
            return Err(Error::new(
                ErrorKind::Usage,
                format!("{count} folds of {} groups of near-duplicate prompts", chunks.len()),
            )
            .help("use fewer folds or more prompts"));
        }
        chunks.shuffle(&mut seed.stream("folds"));
        chunks.sort_by_key(|chunk| std::cmp::Reverse(chunk.len()));
        let mut sizes = vec![0usize; count];
        let mut fold_of = vec![0; groups.len()];
        for chunk in chunks {
            let fold = (0..count).min_by_key(|&fold| sizes[fold]).unwrap_or(0);
            sizes[fold] += chunk.len();
            for &row in chunk {
                fold_of[row] = fold;
            }
        }
        Ok(Self { fold_of, count })
    }

    /// Number of folds.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The fold of every row.
    pub fn fold_of(&self) -> &[usize] {
        &self.fold_of
    }

    /// The rows outside and inside `fold`, both ascending.
    pub fn split(&self, fold: usize) -> (Vec<usize>, Vec<usize>) {
        (0..self.fold_of.len()).partition(|&row| self.fold_of[row] != fold)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn groups_stay_together_and_folds_are_balanced(groups in prop::collection::vec(0u32..40, 50..200), count in 2usize..6, seed: u64) {
            let distinct = groups.iter().collect::<std::collections::BTreeSet<_>>().len();
            prop_assume!(distinct >= count);
            let folds = Folds::new(&groups, count, &Seed::root(seed)).unwrap();
            let largest = (0..40).map(|g| groups.iter().filter(|&&x| x == g).count()).max().unwrap();
            let mut sizes = vec![0usize; count];
            for (row, &fold) in folds.fold_of().iter().enumerate() {
                sizes[fold] += 1;
                for other in 0..groups.len() {
                    if groups[other] == groups[row] {
                        prop_assert_eq!(folds.fold_of()[other], fold);
                    }
                }
            }
            prop_assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= largest);
        }
    }

    #[test]
    fn too_few_groups_are_an_error() {
        assert_eq!(Folds::new(&[1, 1, 1], 2, &Seed::root(0)).unwrap_err().kind(), ErrorKind::Usage);
    }
}

//! How well two partitions of the same things agree.
//!
//! Labels are any numbers: only which things share one matters. Both measures are O(n log n) and symmetric, and do not change
//! when labels are renamed.
#![allow(clippy::indexing_slicing, reason = "labels are renumbered from 0 before they index")]

use std::collections::BTreeMap;

use router_core::{Error, Result};

/// The counts that two partitions have in common.
struct Contingency {
    things: usize,
    cells: BTreeMap<(u32, u32), usize>,
    rows: Vec<usize>,
    columns: Vec<usize>,
}

impl Contingency {
    fn new(a: &[u32], b: &[u32]) -> Result<Self> {
        if a.len() != b.len() {
            return Err(Error::shape("labels of the second partition", a.len(), b.len()));
        }
        let (a, b) = (renumbered(a), renumbered(b));
        let sizes = |labels: &[u32]| {
            let mut sizes = vec![0; labels.iter().max().map_or(0, |&label| label as usize + 1)];
            for &label in labels {
                sizes[label as usize] += 1;
            }
            sizes
        };
        let mut cells = BTreeMap::new();
        for (&x, &y) in a.iter().zip(&b) {
            *cells.entry((x, y)).or_insert(0) += 1;
        }
        Ok(Self { things: a.len(), cells, rows: sizes(&a), columns: sizes(&b) })
    }
}

/// The same partition with labels 0, 1, ... in the order of their first appearance.
pub(crate) fn renumbered(labels: &[u32]) -> Vec<u32> {
    let mut names = BTreeMap::new();
    labels
        .iter()
        .map(|&label| {
            let next = names.len() as u32;
            *names.entry(label).or_insert(next)
        })
        .collect()
}

/// The adjusted Rand index of two partitions (Hubert and Arabie 1985, equation 5): 1 for the same partition, 0 expected by
/// chance, at least -0.5. Two partitions that cannot differ (both of one part, or both of single things) agree fully.
///
/// # Errors
/// [`router_core::ErrorKind::Shape`] if they are of different length.
///
/// ```
/// use router_plugins::graph::adjusted_rand_index;
/// assert_eq!(adjusted_rand_index(&[0, 0, 1, 1], &[5, 5, 3, 3]).unwrap(), 1.0);
/// assert!((adjusted_rand_index(&[0, 0, 1, 2], &[0, 0, 1, 1]).unwrap() - 0.5714).abs() < 1e-4);
/// ```
pub fn adjusted_rand_index(a: &[u32], b: &[u32]) -> Result<f64> {
    let table = Contingency::new(a, b)?;
    let pairs = |count: usize| count as f64 * (count as f64 - 1.0) / 2.0;
    let together: f64 = table.cells.values().map(|&count| pairs(count)).sum();
    let in_a: f64 = table.rows.iter().map(|&count| pairs(count)).sum();
    let in_b: f64 = table.columns.iter().map(|&count| pairs(count)).sum();
    let all = pairs(table.things);
    let expected = if all > 0.0 { in_a * in_b / all } else { 0.0 };
    let largest = f64::midpoint(in_a, in_b);
    Ok(if largest == expected { 1.0 } else { (together - expected) / (largest - expected) })
}

/// The mutual information of two partitions divided by the arithmetic mean of their entropies (Vinh, Epps and Bailey 2010,
/// table 2), in [0, 1]. Two partitions without entropy agree fully.
///
/// # Errors
/// [`router_core::ErrorKind::Shape`] if they are of different length.
///
/// ```
/// use router_plugins::graph::normalized_mutual_information;
/// assert_eq!(normalized_mutual_information(&[0, 0, 1, 1], &[0, 1, 0, 1]).unwrap(), 0.0);
/// ```
pub fn normalized_mutual_information(a: &[u32], b: &[u32]) -> Result<f64> {
    let table = Contingency::new(a, b)?;
    let n = table.things as f64;
    let entropy = |sizes: &[usize]| -> f64 {
        sizes.iter().map(|&size| size as f64 / n).map(|share| -share * share.ln()).sum::<f64>()
    };
    let (in_a, in_b) = (entropy(&table.rows), entropy(&table.columns));
    if table.rows.len() <= 1 && table.columns.len() <= 1 {
        return Ok(1.0);
    }
    let mutual: f64 = table
        .cells
        .iter()
        .map(|(&(x, y), &count)| {
            let expected = table.rows[x as usize] as f64 * table.columns[y as usize] as f64 / n;
            count as f64 / n * (count as f64 / expected).ln()
        })
        .sum();
    Ok((mutual / f64::midpoint(in_a, in_b)).clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use router_core::ErrorKind;

    use super::*;

    const A: [u32; 12] = [0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 0, 1];
    const B: [u32; 12] = [0, 0, 1, 1, 1, 1, 2, 2, 0, 2, 0, 2];

    #[test]
    fn the_values_are_those_of_scikit_learn() {
        // sklearn.metrics 1.9.1, adjusted_rand_score and normalized_mutual_info_score.
        assert!((adjusted_rand_index(&A, &B).unwrap() - 0.3125).abs() < 1e-12);
        assert!((normalized_mutual_information(&A, &B).unwrap() - 0.488_140_492_857_085_3).abs() < 1e-12);
    }

    #[test]
    fn the_example_by_hand() {
        // Pairs together in both: 1; in a: 1; in b: 2; of 6. Expected 1 * 2 / 6; (1 - 1/3) / (3/2 - 1/3) = 4/7.
        assert!((adjusted_rand_index(&[0, 0, 1, 2], &[0, 0, 1, 1]).unwrap() - 4.0 / 7.0).abs() < 1e-15);
        // H(a) = 3/2 ln 2, H(b) = ln 2 = I(a, b): 1 / (5/4).
        assert!((normalized_mutual_information(&[0, 0, 1, 2], &[0, 0, 1, 1]).unwrap() - 0.8).abs() < 1e-15);
    }

    #[test]
    fn partitions_that_cannot_differ_and_lengths_that_do() {
        for labels in [vec![], vec![3], vec![1, 1, 1]] {
            assert_eq!(adjusted_rand_index(&labels, &labels).unwrap(), 1.0);
            assert_eq!(normalized_mutual_information(&labels, &labels).unwrap(), 1.0);
        }
        assert_eq!(adjusted_rand_index(&[0, 1, 2], &[0, 1, 2]).unwrap(), 1.0);
        assert_eq!(normalized_mutual_information(&[0, 0, 0], &[0, 1, 2]).unwrap(), 0.0);
        assert_eq!(adjusted_rand_index(&[0], &[0, 1]).unwrap_err().kind(), ErrorKind::Shape);
        assert_eq!(normalized_mutual_information(&[0], &[0, 1]).unwrap_err().kind(), ErrorKind::Shape);
    }

    proptest! {
        #[test]
        fn symmetric_and_blind_to_names(a in prop::collection::vec(0u32..5, 2..40), shift in 1u32..9, seed: u64) {
            let b: Vec<u32> = a.iter().enumerate().map(|(i, &x)| if (seed >> (i % 64)) & 1 == 1 { x } else { 7 }).collect();
            let renamed: Vec<u32> = b.iter().map(|&x| (x + shift) * 3).collect();
            for measure in [adjusted_rand_index, normalized_mutual_information] {
                prop_assert!((measure(&a, &b).unwrap() - measure(&b, &a).unwrap()).abs() < 1e-12);
                prop_assert!((measure(&a, &b).unwrap() - measure(&a, &renamed).unwrap()).abs() < 1e-12);
                prop_assert!((measure(&a, &a).unwrap() - 1.0).abs() < 1e-12);
                prop_assert!((-0.5..=1.0 + 1e-12).contains(&measure(&a, &b).unwrap()));
            }
        }
    }
}

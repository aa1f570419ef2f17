//! A share of the training prompts, for learning curves.

use std::collections::BTreeMap;

use rand::seq::SliceRandom as _;
use router_core::Seed;

/// About `share` of `rows` (in (0, 1], at least one group), ascending: whole groups of near duplicates, drawn under `seed`. A smaller
/// share is a part of a larger one, so that a curve rises by what is added. O(n log n).
pub(super) fn share_of(rows: &[usize], groups: &[u32], share: f64, seed: &Seed) -> Vec<usize> {
    if share >= 1.0 {
        return rows.to_vec();
    }
    let mut members: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for &row in rows {
        members.entry(groups.get(row).copied().unwrap_or(row as u32)).or_default().push(row);
    }
    let mut order: Vec<Vec<usize>> = members.into_values().collect();
    order.shuffle(&mut seed.stream("share"));
    let wanted = (share * rows.len() as f64).round().max(1.0) as usize;
    let mut kept = Vec::with_capacity(wanted);
    for group in order {
        if kept.len() >= wanted {
            break;
        }
        kept.extend(group);
    }
    kept.sort_unstable();
    kept
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn shares_are_nested_whole_groups_of_about_the_size(
            groups in prop::collection::vec(0u32..8, 2..60), a in 0.05f64..1.0, b in 0.05f64..1.0, seed in any::<u64>()
        ) {
            let rows: Vec<usize> = (0..groups.len()).filter(|row| row % 5 != 0).collect();
            prop_assume!(!rows.is_empty());
            let seed = Seed::root(seed);
            let of = |share| share_of(&rows, &groups, share, &seed);
            let (small, large) = (of(a.min(b)), of(a.max(b)));
            prop_assert!(small.iter().all(|row| large.contains(row)), "nested");
            prop_assert!(small.is_sorted() && small.iter().all(|row| rows.contains(row)));
            for row in &rows {
                let with = |other: &&usize| groups[**other] == groups[*row];
                let kept = small.iter().filter(with).count();
                prop_assert!(kept == 0 || kept == rows.iter().filter(with).count(), "whole groups");
            }
            let largest = (0..8).map(|group| rows.iter().filter(|&&row| groups[row] == group).count()).max().unwrap();
            let wanted = (a.min(b) * rows.len() as f64).round().max(1.0) as usize;
            prop_assert!(small.len() >= wanted && small.len() < wanted + largest);
            prop_assert_eq!(of(1.0), rows);
        }
    }
}

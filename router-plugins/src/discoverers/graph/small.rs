//! What becomes of communities that are too small to be tasks.
#![allow(clippy::indexing_slicing, reason = "labels are numbered without gaps, one entry a community is allocated")]

use std::collections::{BTreeMap, BTreeSet};

use super::config::Small;
use crate::graph::Graph;

/// A connection is weak below this share of a community's strength.
const WEAK_SHARE: f64 = 0.1;

/// The community of every node, or none, after those below `minimum` have been settled.
///
/// Folding takes the smallest community first (ties to the lowest label) and merges it into the one that it shares the most
/// weight with. Where that is less than [`WEAK_SHARE`] of its strength, its ties are scattered, and the community is dissolved.
/// Merged communities may themselves be small and are settled in their turn. (Weight beyond chance would be no measure here:
/// Leiden has merged whatever exceeds chance.)
/// O(e + c^2 log c) at worst for c communities.
pub(super) fn settle(graph: &Graph, labels: &[u32], minimum: usize, small: Small) -> Vec<Option<u32>> {
    let communities = labels.iter().max().map_or(0, |&label| label as usize + 1);
    let mut sizes = vec![0usize; communities];
    for &label in labels {
        sizes[label as usize] += 1;
    }
    // Where each community ended up.
    let mut fate: Vec<Option<u32>> = (0..communities as u32).map(Some).collect();
    match small {
        Small::None => {
            for (fate, &size) in fate.iter_mut().zip(&sizes) {
                if size < minimum {
                    *fate = None;
                }
            }
        }
        Small::Fold => fold(graph, labels, minimum, &mut sizes, &mut fate),
    }
    labels.iter().map(|&label| last(&fate, label)).collect()
}

/// Follows a community through its merges. A community that was never merged is its own fate.
fn last(fate: &[Option<u32>], mut label: u32) -> Option<u32> {
    loop {
        let next = fate[label as usize]?;
        if next == label {
            return Some(label);
        }
        label = next;
    }
}

fn fold(graph: &Graph, labels: &[u32], minimum: usize, sizes: &mut [usize], fate: &mut [Option<u32>]) {
    let mut strengths = vec![0.0; sizes.len()];
    let mut between: Vec<BTreeMap<u32, f64>> = vec![BTreeMap::new(); sizes.len()];
    for (node, &label) in labels.iter().enumerate() {
        strengths[label as usize] += graph.strength(node);
        let (targets, weights) = graph.row(node);
        for (&target, &weight) in targets.iter().zip(weights) {
            let other = labels[target as usize];
            if other != label {
                *between[label as usize].entry(other).or_insert(0.0) += weight;
            }
        }
    }
    let mut waiting: BTreeSet<(usize, u32)> = sizes
        .iter()
        .enumerate()
        .filter(|&(_, &size)| size < minimum)
        .map(|(label, &size)| (size, label as u32))
        .collect();
    while let Some((size, label)) = waiting.pop_first() {
        let ties = std::mem::take(&mut between[label as usize]);
        let mut best: Option<(f64, u32)> = None;
        for (&other, &weight) in &ties {
            if weight > best.map_or(0.0, |(weight, _)| weight) {
                best = Some((weight, other));
            }
        }
        let best = best.filter(|&(weight, _)| weight >= WEAK_SHARE * strengths[label as usize]);
        for &other in ties.keys() {
            between[other as usize].remove(&label);
        }
        let Some((_, target)) = best else {
            fate[label as usize] = None;
            continue;
        };
        fate[label as usize] = Some(target);
        for (other, weight) in ties {
            if other != target {
                *between[target as usize].entry(other).or_insert(0.0) += weight;
                *between[other as usize].entry(target).or_insert(0.0) += weight;
            }
        }
        strengths[target as usize] += strengths[label as usize];
        let before = sizes[target as usize];
        sizes[target as usize] += size;
        if waiting.remove(&(before, target)) && sizes[target as usize] < minimum {
            waiting.insert((sizes[target as usize], target));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cliques of 6 (0-5), 6 (6-11), 2 (12-13, tied to the second and, weakly, the first), a pair alone (14-15), a node alone.
    fn graph() -> (Graph, Vec<u32>) {
        let mut edges = vec![(12, 13, 1.0), (12, 6, 1.0), (13, 7, 1.0), (12, 0, 0.1), (14, 15, 1.0)];
        for start in [0, 6] {
            for a in start..start + 6 {
                edges.extend((a + 1..start + 6).map(|b| (a, b, 1.0)));
            }
        }
        let labels = vec![0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 2, 2, 3, 3, 4];
        (Graph::from_edges(17, &edges).unwrap(), labels)
    }

    #[test]
    fn small_communities_join_the_nearest_or_none() {
        let (graph, labels) = graph();
        let folded = settle(&graph, &labels, 4, Small::Fold);
        assert_eq!(folded[..6], [Some(0); 6]);
        assert_eq!(folded[6..14], [Some(1); 8]);
        assert_eq!(folded[14..], [None; 3]);
        let dropped = settle(&graph, &labels, 4, Small::None);
        assert_eq!(dropped[12..], [None; 5]);
        assert_eq!(dropped[..12], folded[..12]);
        let all = settle(&graph, &labels, 1, Small::Fold);
        assert!(all.iter().zip(&labels).all(|(found, &label)| *found == Some(label)));
    }

    #[test]
    fn small_ones_may_become_large_together() {
        // A path of three pairs: none is large enough alone.
        let graph = Graph::from_edges(6, &[(0, 1, 1.0), (1, 2, 1.0), (2, 3, 1.0), (3, 4, 1.0), (4, 5, 1.0)]).unwrap();
        let folded = settle(&graph, &[0, 0, 1, 1, 2, 2], 4, Small::Fold);
        assert!(folded.iter().all(Option::is_some), "{folded:?}");
        assert_eq!(settle(&graph, &[0, 0, 1, 1, 2, 2], 7, Small::Fold), [None; 6]);
    }
}

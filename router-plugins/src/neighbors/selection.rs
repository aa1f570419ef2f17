//! The k nearest of many candidates, for a block of queries at once.
#![allow(clippy::indexing_slicing, reason = "queries are numbered below the count given, candidates below the limit")]
#![allow(
    clippy::needless_bitwise_bool,
    reason = "a group is compared by vector instructions where no comparison waits for another"
)]

use std::cmp::Ordering;

/// Similarities that are held against a threshold at once: few candidates pass, so most groups are passed over whole.
const GROUP: usize = 16;
/// Candidates that a query gathers beyond 2 k before the best are kept.
const SLACK: usize = 32;

/// The k best candidates of every query so far: O(1) a candidate, 8 (2 k + 32) bytes a query. The best are the best in whatever
/// order candidates come, since no two are equal.
#[derive(Debug, Default)]
pub(super) struct Selections {
    k: usize,
    /// Candidates a query can hold.
    limit: usize,
    /// The k-th best similarity of every query so far. A candidate below it is none.
    thresholds: Vec<f32>,
    /// Queries x limit. Once a query has a threshold, its k-th best stands at k - 1.
    candidates: Vec<(f32, u32)>,
    /// Candidates that every query holds.
    lengths: Vec<u32>,
}

impl Selections {
    /// Begins anew for `queries` queries, each of which wants `k` (1 or more) of at most `points` candidates.
    pub(super) fn begin(&mut self, queries: usize, k: usize, points: usize) {
        self.k = k;
        self.limit = (2 * k + SLACK).min(points.max(k));
        self.thresholds.clear();
        self.thresholds.resize(queries, f32::NEG_INFINITY);
        self.lengths.clear();
        self.lengths.resize(queries, 0);
        self.candidates.resize(queries * self.limit, (0.0, 0));
    }

    /// Offers `query` the points from `first` on, whose similarities with it are `similarities`, all but point `excluded`.
    pub(super) fn offer_points(&mut self, query: usize, first: usize, similarities: &[f32], excluded: Option<usize>) {
        for (group, similarities) in similarities.chunks(GROUP).enumerate() {
            let threshold = self.thresholds[query];
            if similarities.iter().fold(false, |any, &similarity| any | (similarity >= threshold)) {
                for (at, &similarity) in similarities.iter().enumerate() {
                    let point = first + group * GROUP + at;
                    if similarity >= self.thresholds[query] && Some(point) != excluded {
                        self.push(query, similarity, point as u32);
                    }
                }
            }
        }
    }

    /// Offers `point` to the queries, whose similarities with it are `similarities`.
    pub(super) fn offer_to_all(&mut self, point: u32, similarities: &[f32]) {
        let groups = similarities.chunks(GROUP).enumerate();
        for (group, similarities) in groups {
            let first = group * GROUP;
            let thresholds = &self.thresholds[first..first + similarities.len()];
            let any = similarities.iter().zip(thresholds).fold(false, |any, (&s, &threshold)| any | (s >= threshold));
            if any {
                for (at, &similarity) in similarities.iter().enumerate() {
                    if similarity >= self.thresholds[first + at] {
                        self.push(first + at, similarity, point);
                    }
                }
            }
        }
    }

    /// Takes a candidate that is not below the threshold.
    fn push(&mut self, query: usize, similarity: f32, point: u32) {
        let candidates = &mut self.candidates[query * self.limit..(query + 1) * self.limit];
        let threshold = self.thresholds[query];
        if similarity == threshold && threshold > f32::NEG_INFINITY && point > candidates[self.k - 1].1 {
            return;
        }
        // Adding zero turns -0 into 0, which total order tells apart.
        let length = self.lengths[query] as usize;
        candidates[length] = (similarity + 0.0, point);
        self.lengths[query] += 1;
        if length + 1 == self.limit && self.limit > self.k {
            candidates.select_nth_unstable_by(self.k - 1, better);
            self.thresholds[query] = candidates[self.k - 1].0;
            self.lengths[query] = self.k as u32;
        }
    }

    /// Writes the k best of every query, best first, to `indices` and `similarities`, both queries x k. Every query has been
    /// offered at least k points.
    pub(super) fn finish(&mut self, indices: &mut [u32], similarities: &mut [f32]) {
        let outputs = indices.chunks_mut(self.k).zip(similarities.chunks_mut(self.k));
        for (query, (indices, similarities)) in outputs.enumerate() {
            let start = query * self.limit;
            let candidates = &mut self.candidates[start..start + self.lengths[query] as usize];
            if candidates.len() > self.k {
                candidates.select_nth_unstable_by(self.k - 1, better);
            }
            let best = candidates.len().min(self.k);
            candidates[..best].sort_unstable_by(better);
            for ((index, similarity), &(value, point)) in indices.iter_mut().zip(similarities).zip(&*candidates) {
                *index = point;
                *similarity = value;
            }
        }
    }
}

/// Higher similarity first, then lower row.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature that sorting asks for")]
pub(super) fn better(a: &(f32, u32), b: &(f32, u32)) -> Ordering {
    b.0.total_cmp(&a.0).then(a.1.cmp(&b.1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Few different similarities, so that ties at the threshold are common; -0 and 0 tie.
        #[test]
        fn the_best_are_the_best_in_any_order(
            levels in prop::collection::vec(-3i8..4, 1..300),
            k in 1usize..40,
            order in any::<prop::sample::Index>(),
        ) {
            let k = k.min(levels.len());
            let similarity = |level: i8| if level == 0 { -0.0 } else { f32::from(level) };
            let mut expected: Vec<(f32, u32)> =
                levels.iter().enumerate().map(|(row, &level)| (similarity(level) + 0.0, row as u32)).collect();
            expected.sort_unstable_by(better);
            let similarities: Vec<f32> = levels.iter().map(|&level| similarity(level)).collect();
            let mut by_points = Selections::default();
            by_points.begin(2, k, levels.len());
            by_points.offer_points(0, 0, &similarities, None);
            by_points.offer_points(1, 0, &similarities, None);
            let mut one_by_one = Selections::default();
            one_by_one.begin(2, k, levels.len());
            let turn = order.index(levels.len());
            for point in (0..levels.len()).map(|point| (point + turn) % levels.len()).rev() {
                one_by_one.offer_to_all(point as u32, &[similarities[point]; 2]);
            }
            for mut selections in [by_points, one_by_one] {
                let (mut indices, mut values) = (vec![0; 2 * k], vec![f32::NAN; 2 * k]);
                selections.finish(&mut indices, &mut values);
                for (at, &(value, point)) in expected[..k].iter().enumerate() {
                    prop_assert_eq!((indices[at], values[at].to_bits()), (point, value.to_bits()));
                    prop_assert_eq!((indices[k + at], values[k + at].to_bits()), (point, value.to_bits()));
                }
            }
        }
    }

    #[test]
    fn the_excluded_point_is_not_selected_and_selections_begin_anew() {
        let mut selections = Selections::default();
        for _ in 0..2 {
            selections.begin(1, 2, 5);
            selections.offer_points(0, 10, &[1.0, 3.0, 2.0, 0.0, 5.0], Some(14));
            let (mut indices, mut similarities) = ([0; 2], [0.0; 2]);
            selections.finish(&mut indices, &mut similarities);
            assert_eq!((indices, similarities), ([11, 12], [3.0, 2.0]));
        }
    }
}

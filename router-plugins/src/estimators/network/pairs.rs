//! Which pairs of a prompt's outcomes are compared.

use router_core::Outcome;

/// Pairs of a prompt at most, up to one more round of its outcomes.
const PAIRS: usize = 64;

/// A comparison that one model won.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Pair {
    pub(super) winner: usize,
    pub(super) loser: usize,
    /// How far the winner was ahead, times the mean weight of both outcomes.
    pub(super) weight: f32,
}

/// Calls `each` with the pairs of `outcomes` that differ in quality: all of them where they are about [`PAIRS`] or fewer, otherwise those
/// at some distances in the circle of outcomes, so that every outcome takes part equally often. `turn` says which distances.
pub(super) fn each_pair(outcomes: &[Outcome], turn: usize, mut each: impl FnMut(Pair)) {
    let count = outcomes.len();
    let all = count / 2;
    let rounds = all.min(PAIRS.div_ceil(count.max(1)));
    for round in 0..rounds {
        let distance = 1 + (turn + round) % all;
        // At half of an even circle every pair would come twice.
        let starts = if 2 * distance == count { distance } else { count };
        for (at, a) in outcomes.iter().enumerate().take(starts) {
            let Some(b) = outcomes.get((at + distance) % count) else { continue };
            let ahead = a.quality - b.quality;
            if ahead == 0.0 {
                continue;
            }
            let (winner, loser) = if ahead > 0.0 { (a.model, b.model) } else { (b.model, a.model) };
            each(Pair { winner, loser, weight: ahead.abs() * 0.5 * (a.weight + b.weight) });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_pair_comes_once_and_the_better_wins() {
        for count in 0..12usize {
            let outcomes: Vec<Outcome> = (0..count).map(|model| Outcome::new(model, model as f32 / 12.0)).collect();
            let mut seen = BTreeSet::new();
            for turn in [0, 5] {
                seen.clear();
                each_pair(&outcomes, turn, |pair| {
                    assert!(pair.winner > pair.loser && pair.weight > 0.0);
                    assert!(seen.insert((pair.winner, pair.loser)));
                });
                assert_eq!(seen.len(), count * count.saturating_sub(1) / 2, "{count} outcomes");
            }
        }
    }

    #[test]
    fn many_outcomes_take_part_equally_often_and_ties_not_at_all() {
        let outcomes: Vec<Outcome> = (0..200).map(|model| Outcome::new(model, model as f32 / 200.0)).collect();
        let mut times = vec![0; 200];
        each_pair(&outcomes, 3, |pair| {
            times[pair.winner] += 1;
            times[pair.loser] += 1;
        });
        assert!(times.iter().all(|&count| count == 2));
        let tied: Vec<Outcome> = (0..5).map(|model| Outcome::new(model, 0.5)).collect();
        each_pair(&tied, 0, |pair| panic!("{pair:?}"));
    }
}

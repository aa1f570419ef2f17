//! What a grid of parameters chooses for held-out prompts.
//!
//! Models are taken in tiles, few enough that their votes stay in the nearest cache, and a tile's outcomes are read once for all held-out prompts. The
//! temperatures are the lanes of [`pulp`]'s vectors, whose width is chosen when the program runs; nothing is fused, so that all widths give the same bits.
#![allow(
    clippy::indexing_slicing,
    reason = "neighbors are rows of the tile, and there is a choice for every size and shrinkage"
)]
#![allow(clippy::inline_always, reason = "what is called instead of inlined is compiled for the narrowest vectors")]

use pulp::{Arch, Simd, WithSimd};
use router_core::Outcomes;

use super::fitted::vote;
use crate::estimators::stored_outcomes::Seen;

/// Temperatures at most: as many as the widest vectors have lanes.
pub(super) const LANES: usize = 8;
/// Models of a tile: their votes are 16 KB.
const MODELS: usize = 128;

/// The outcomes of training prompts with consecutive models.
pub(super) struct Tile<'a> {
    first_model: usize,
    /// Of these models.
    means: &'a [f32],
    /// Row i's outcomes are those from offset i up to offset i + 1.
    offsets: Vec<usize>,
    /// Models are counted from the tile's first on.
    outcomes: Vec<Seen>,
}

/// The `outcomes` of the prompts `rows` by tiles of models, whose means are `means`.
pub(super) fn tiles<'a>(outcomes: &Outcomes, rows: &[usize], means: &'a [f32]) -> Vec<Tile<'a>> {
    let firsts = (0..).step_by(MODELS);
    let mut tiles: Vec<Tile<'_>> = (firsts.zip(means.chunks(MODELS)))
        .map(|(first_model, means)| Tile { first_model, means, offsets: vec![0], outcomes: Vec::new() })
        .collect();
    for &row in rows {
        for outcome in outcomes.row(row) {
            let (tile, model) = (outcome.model / MODELS, (outcome.model % MODELS) as u32);
            tiles[tile].outcomes.push(Seen { model, quality: outcome.quality, weight: outcome.weight });
        }
        for tile in &mut tiles {
            tile.offsets.push(tile.outcomes.len());
        }
    }
    tiles
}

/// The model of the highest estimate so far under every temperature.
#[derive(Debug, Clone, Copy)]
pub(super) struct Choice {
    estimates: [f64; LANES],
    models: [u64; LANES],
}

impl Choice {
    pub(super) const NONE: Self = Self { estimates: [f64::NEG_INFINITY; LANES], models: [0; LANES] };

    /// The models, a temperature each.
    pub(super) fn models(&self) -> [usize; LANES] {
        self.models.map(|model| model as usize)
    }
}

/// The running vote on a model, a lane a temperature.
#[derive(Clone, Copy)]
pub(super) struct Ballot {
    /// Summed votes times qualities.
    sums: [f64; LANES],
    /// Summed votes.
    weights: [f64; LANES],
}

/// The ballots of a tile, to be used again and again.
pub(super) fn ballots() -> Vec<Ballot> {
    vec![Ballot { sums: [0.0; LANES], weights: [0.0; LANES] }; MODELS]
}

/// `temperatures` (1 to [`LANES`]) as lanes; those beyond repeat the last.
pub(super) fn lanes(temperatures: &[f64]) -> [f64; LANES] {
    let last = temperatures.last().copied().unwrap_or(f64::INFINITY);
    std::array::from_fn(|lane| temperatures.get(lane).copied().unwrap_or(last))
}

/// The neighbors of a held-out prompt vote on the models of a tile.
pub(super) struct Vote<'a> {
    pub(super) tile: &'a Tile<'a>,
    /// Training prompts, nearest first, and their similarities.
    pub(super) neighbors: (&'a [u32], &'a [f32]),
    pub(super) temperatures: &'a [f64; LANES],
    /// After how many neighbors models are chosen, ascending.
    pub(super) sizes: &'a [usize],
    pub(super) shrinkages: &'a [f64],
    pub(super) ballots: &'a mut [Ballot],
    /// What was chosen from the tiles before, sizes x shrinkages; ties go to the lower model.
    pub(super) choices: &'a mut [Choice],
}

impl Vote<'_> {
    pub(super) fn cast(self) {
        Arch::new().dispatch(self);
    }

    /// Adds the outcomes of training prompt `row`, whose votes are `votes`.
    #[inline(always)]
    fn add<S: Simd>(&mut self, simd: S, row: usize, votes: &[f64; LANES]) {
        let votes = S::as_simd_f64s(votes).0;
        let range = self.tile.offsets[row]..self.tile.offsets[row + 1];
        for outcome in &self.tile.outcomes[range] {
            let Some(ballot) = self.ballots.get_mut(outcome.model as usize) else { continue };
            let quality = simd.splat_f64s(f64::from(outcome.quality));
            let own = simd.splat_f64s(f64::from(outcome.weight));
            let (sums, weights) = (S::as_mut_simd_f64s(&mut ballot.sums).0, S::as_mut_simd_f64s(&mut ballot.weights).0);
            for ((sum, weight), &vote) in sums.iter_mut().zip(weights).zip(votes) {
                let vote = simd.mul_f64s(vote, own);
                *sum = simd.add_f64s(*sum, simd.mul_f64s(vote, quality));
                *weight = simd.add_f64s(*weight, vote);
            }
        }
    }

    /// Holds the estimates under `shrinkage` against `choice`.
    #[inline(always)]
    fn choose<S: Simd>(&self, simd: S, shrinkage: f64, choice: &mut Choice) {
        let highest = S::as_mut_simd_f64s(&mut choice.estimates).0;
        let chosen = S::as_mut_simd_u64s(&mut choice.models).0;
        let more = simd.splat_f64s(shrinkage);
        for ((ballot, &mean), model) in self.ballots.iter().zip(self.tile.means).zip(self.tile.first_model as u64..) {
            let (sums, weights) = (S::as_simd_f64s(&ballot.sums).0, S::as_simd_f64s(&ballot.weights).0);
            let (mean, pull) = (simd.splat_f64s(f64::from(mean)), simd.splat_f64s(shrinkage * f64::from(mean)));
            let model = simd.splat_u64s(model);
            for (((highest, chosen), &sum), &weight) in highest.iter_mut().zip(&mut *chosen).zip(sums).zip(weights) {
                let weight = simd.add_f64s(weight, more);
                let estimate = simd.div_f64s(simd.add_f64s(sum, pull), weight);
                let known = simd.greater_than_f64s(weight, simd.splat_f64s(0.0));
                let estimate = simd.select_f64s(known, estimate, mean);
                let better = simd.greater_than_f64s(estimate, *highest);
                *highest = simd.select_f64s(better, estimate, *highest);
                *chosen = simd.select_u64s(better, model, *chosen);
            }
        }
    }
}

impl WithSimd for Vote<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        for ballot in self.ballots.iter_mut().take(self.tile.means.len()) {
            *ballot = Ballot { sums: [0.0; LANES], weights: [0.0; LANES] };
        }
        let (neighbors, similarities) = self.neighbors;
        let Some(&nearest) = similarities.first() else { return };
        let choices = std::mem::take(&mut self.choices);
        let mut sizes = self.sizes.iter().zip(choices.chunks_mut(self.shrinkages.len())).peekable();
        for (count, (&row, &similarity)) in (1..).zip(neighbors.iter().zip(similarities)) {
            let mut votes = [0.0; LANES];
            for (to, &temperature) in votes.iter_mut().zip(self.temperatures) {
                *to = vote(similarity, nearest, temperature);
            }
            self.add(simd, row as usize, &votes);
            while let Some((_, choices)) = sizes.next_if(|&(&size, _)| size == count) {
                for (choice, &shrinkage) in choices.iter_mut().zip(self.shrinkages) {
                    self.choose(simd, shrinkage, choice);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::RngExt;
    use router_core::{Outcome, Seed};

    use super::super::fitted::Votes;
    use super::*;
    use crate::estimators::stored_outcomes::StoredOutcomes;

    #[test]
    fn every_lane_chooses_as_votes_alone_do() {
        let mut stream = Seed::root(3).stream("votes");
        // More models than a tile has, and fewer.
        for models in [7, 2 * MODELS + 5] {
            // Some are missing, weights differ, and neighbor 3 has none at all.
            let rows: Vec<Vec<Outcome>> = (0..20)
                .map(|row| {
                    let there = (0..models).filter(|model| row != 3 && (model + row) % 3 > 0);
                    let outcome = |model| Outcome {
                        weight: stream.random_range(0.0..2.0),
                        ..Outcome::new(model, stream.random())
                    };
                    there.map(outcome).collect()
                })
                .collect();
            let outcomes = Outcomes::from_rows(models, rows).unwrap();
            let stored = StoredOutcomes::from(&outcomes);
            let means: Vec<f32> = (0..models).map(|_| stream.random()).collect();
            let neighbors: Vec<u32> = (0..20).rev().collect();
            let rows: Vec<usize> = (0..20).collect();
            let similarities: Vec<f32> = (0..20u8).map(|at| 0.9 - f32::from(at) * 0.01).collect();
            let (sizes, shrinkages) = ([1, 5, 20], [0.0, 0.5, 16.0]);
            for temperatures in [&[0.02, 0.1, f64::INFINITY][..], &[0.05, 0.1, 0.2, 0.4, f64::INFINITY]] {
                let mut choices = [Choice::NONE; 9];
                let mut ballots = ballots();
                for tile in &tiles(&outcomes, &rows, &means) {
                    let vote = Vote {
                        tile,
                        neighbors: (&neighbors, &similarities),
                        temperatures: &lanes(temperatures),
                        sizes: &sizes,
                        shrinkages: &shrinkages,
                        ballots: &mut ballots,
                        choices: &mut choices,
                    };
                    vote.cast();
                }
                for (choices, size) in choices.chunks(3).zip(sizes) {
                    for (choice, shrinkage) in choices.iter().zip(shrinkages) {
                        let expected = temperatures.iter().map(|&temperature| {
                            let mut alone = Votes::new(models);
                            alone.begin();
                            for (&row, &similarity) in neighbors.iter().zip(&similarities).take(size) {
                                alone.add(stored.row(row as usize), similarity, 0.9, temperature);
                            }
                            let estimates: Vec<f64> =
                                (0..models).map(|model| alone.estimate(model, means[model], shrinkage)).collect();
                            let highest = estimates.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                            estimates.iter().position(|&estimate| estimate == highest).unwrap()
                        });
                        let expected: Vec<usize> = expected.collect();
                        assert_eq!(choice.models()[..temperatures.len()], expected, "{models} {size} {shrinkage}");
                    }
                }
            }
        }
    }
}

//! Votes under several temperatures at once.
#![allow(clippy::indexing_slicing, reason = "models of outcomes are below the pool's size")]

use router_core::Outcome;

use super::fitted::vote;

/// Temperatures at most.
pub(super) const LANES: usize = 5;

/// The running votes on every model, a lane a temperature: the outcomes of a neighbor are read once for all of them, and the
/// lanes fill vector registers. A lane has the bits that [`Votes`](super::fitted::Votes) of its temperature alone have.
pub(super) struct Ballots {
    /// Lanes beyond those given repeat the last.
    temperatures: [f64; LANES],
    /// Summed votes times qualities, and summed votes, of every model.
    sums: Vec<([f64; LANES], [f64; LANES])>,
}

impl Ballots {
    /// Votes on `models` models under `temperatures`, 1 to [`LANES`] of them.
    pub(super) fn new(temperatures: &[f64], models: usize) -> Self {
        let last = temperatures.last().copied().unwrap_or(f64::INFINITY);
        Self {
            temperatures: std::array::from_fn(|lane| temperatures.get(lane).copied().unwrap_or(last)),
            sums: vec![([0.0; LANES], [0.0; LANES]); models],
        }
    }

    pub(super) fn begin(&mut self) {
        self.sums.fill(([0.0; LANES], [0.0; LANES]));
    }

    /// Adds the outcomes of a neighbor of `similarity`, where the nearest has similarity `nearest`.
    pub(super) fn add(&mut self, outcomes: &[Outcome], similarity: f32, nearest: f32) {
        let votes = self.temperatures.map(|temperature| vote(similarity, nearest, temperature));
        for outcome in outcomes {
            let (sums, weights) = &mut self.sums[outcome.model];
            let (own, quality) = (f64::from(outcome.weight), f64::from(outcome.quality));
            for ((sum, weight), vote) in sums.iter_mut().zip(weights).zip(votes) {
                let vote = vote * own;
                *sum += vote * quality;
                *weight += vote;
            }
        }
    }

    /// The model of the highest estimate under every temperature, ties to the lowest.
    pub(super) fn best(&self, means: &[f32], shrinkage: f64) -> [usize; LANES] {
        let mut best = [0; LANES];
        let mut highest = [f64::NEG_INFINITY; LANES];
        for (model, ((sums, weights), &mean)) in self.sums.iter().zip(means).enumerate() {
            let mean = f64::from(mean);
            for lane in 0..LANES {
                let weight = weights[lane] + shrinkage;
                let estimate = if weight > 0.0 { (sums[lane] + shrinkage * mean) / weight } else { mean };
                if estimate > highest[lane] {
                    (best[lane], highest[lane]) = (model, estimate);
                }
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use rand::RngExt;
    use router_core::Seed;

    use super::super::fitted::Votes;
    use super::*;

    #[test]
    fn every_lane_votes_as_alone() {
        let mut stream = Seed::root(3).stream("votes");
        let models = 7;
        let means: Vec<f32> = (0..models).map(|_| stream.random()).collect();
        for temperatures in [&[0.02, 0.1, f64::INFINITY][..], &[0.05, 0.1, 0.2, 0.4, f64::INFINITY]] {
            let mut ballots = Ballots::new(temperatures, models);
            let mut alone: Vec<Votes> = temperatures.iter().map(|_| Votes::new(models)).collect();
            for round in 0..2 {
                ballots.begin();
                alone.iter_mut().for_each(Votes::begin);
                for neighbor in 0..20u8 {
                    let similarity = 0.9 - f32::from(neighbor) * 0.01;
                    // Some models are missing, weights differ.
                    let outcomes: Vec<Outcome> = (0..models)
                        .filter(|model| (model + usize::from(neighbor) + round) % 3 > 0)
                        .map(|model| Outcome {
                            weight: stream.random_range(0.0..2.0),
                            ..Outcome::new(model, stream.random())
                        })
                        .collect();
                    ballots.add(&outcomes, similarity, 0.9);
                    for (votes, &temperature) in alone.iter_mut().zip(temperatures) {
                        votes.add(&outcomes, similarity, 0.9, temperature);
                    }
                    for shrinkage in [0.0, 0.5, 16.0] {
                        let best = |votes: &Votes| {
                            let estimates: Vec<f64> =
                                (0..models).map(|model| votes.estimate(model, means[model], shrinkage)).collect();
                            let highest = estimates.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                            estimates.iter().position(|&estimate| estimate == highest).unwrap()
                        };
                        let expected: Vec<usize> = alone.iter().map(best).collect();
                        assert_eq!(ballots.best(&means, shrinkage)[..temperatures.len()], expected);
                    }
                }
            }
        }
    }
}

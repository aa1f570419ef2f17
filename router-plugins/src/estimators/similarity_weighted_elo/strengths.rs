//! Strengths of Bradley and Terry by minorization and maximization.
#![allow(clippy::indexing_slicing, reason = "tables of m and m x m numbers, allocated here")]

/// Iterations at most.
const ITERATIONS: usize = 100;
/// Relative change of the strengths that ends the iteration.
const TOLERANCE: f64 = 1e-5;

/// The battles among m models and with the prompts.
#[derive(Debug, Clone, Default)]
pub(super) struct Battles {
    /// Weighted number of battles between two models, m x m, symmetric.
    pub(super) fought: Vec<f64>,
    /// Weighted score of every model against the others.
    pub(super) won: Vec<f64>,
    /// Weighted number of battles with prompts, and the score in them.
    pub(super) prompts: Vec<f64>,
    pub(super) answered: Vec<f64>,
}

impl Battles {
    pub(super) fn reset(&mut self, models: usize) {
        for (table, len) in [
            (&mut self.fought, models * models),
            (&mut self.won, models),
            (&mut self.prompts, models),
            (&mut self.answered, models),
        ] {
            table.clear();
            table.resize(len, 0.0);
        }
    }

    /// Writes exp(strength) of every model into `powers`, that of prompts being 1 (Hunter, MM algorithms for generalized Bradley-Terry
    /// models, Annals of Statistics 32, 2004, equation 3). Every model needs a battle with the prompts that it neither wins nor
    /// loses altogether.
    pub(super) fn solve(&self, powers: &mut Vec<f64>) {
        let m = self.won.len();
        powers.clear();
        // The odds of answering: the solution if there were no other battles.
        powers
            .extend((0..m).map(|model| self.answered[model] / (self.prompts[model] - self.answered[model]).max(1e-9)));
        for _ in 0..ITERATIONS {
            let mut moved = 0.0f64;
            for model in 0..m {
                let power = powers[model];
                let fought = &self.fought[model * m..(model + 1) * m];
                let others: f64 = fought.iter().zip(&*powers).map(|(count, other)| count / (power + other)).sum();
                let next = (self.won[model] + self.answered[model]) / (others + self.prompts[model] / (power + 1.0));
                moved = moved.max((next - power).abs() / power.max(1e-9));
                powers[model] = next;
            }
            if moved < TOLERANCE {
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planted_strengths_are_recovered_and_the_likelihood_is_stationary() {
        // Expected scores of planted strengths, with differing numbers of battles: the solution is the planted one exactly.
        let planted = [0.5f64, 1.0, 3.0, 8.0];
        let m = planted.len();
        let mut battles = Battles::default();
        battles.reset(m);
        for a in 0..m {
            for b in 0..m {
                if a != b {
                    let count = (1 + (a + b) % 3) as f64;
                    battles.fought[a * m + b] = count;
                    battles.won[a] += count * planted[a] / (planted[a] + planted[b]);
                }
            }
            battles.prompts[a] = 2.0 + a as f64;
            battles.answered[a] = battles.prompts[a] * planted[a] / (planted[a] + 1.0);
        }
        // Another start than the solution: odds of answering that are off.
        let mut found = Vec::new();
        battles.answered[0] += 0.2;
        battles.won[0] -= 0.2;
        battles.solve(&mut found);
        for (found, planted) in found.iter().zip(planted) {
            assert!((found / planted - 1.0).abs() < 1e-3, "{found} {planted}");
        }
    }
}

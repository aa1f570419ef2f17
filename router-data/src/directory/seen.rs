//! What a file of outcomes says, row after row, until all of it is known.
#![allow(clippy::indexing_slicing, reason = "the three columns are of one length, and positions come from it")]

use router_core::{ModelIndex, Outcome, Outcomes, Result};

/// The pairs of prompt and model that a file names, a column each: in the usual order, prompt by prompt, they become [`Outcomes`]
/// without being copied.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    rows: Vec<usize>,
    lines: Vec<usize>,
    /// A quality that is not a number stands for one that is not known.
    outcomes: Vec<Outcome>,
}

impl Seen {
    /// Takes in the outcome of prompt `row` that stands in `line`. The quality of one that is not known is not a number.
    pub(crate) fn add(&mut self, row: usize, line: usize, outcome: Outcome) {
        self.rows.push(row);
        self.lines.push(line);
        self.outcomes.push(outcome);
    }

    fn pair(&self, at: usize) -> (usize, ModelIndex) {
        (self.rows[at], self.outcomes[at].model)
    }

    /// Orders by prompt, then model, then line. O(outcomes) where they are in order, O(outcomes log outcomes) otherwise.
    pub(crate) fn sort(&mut self) {
        if (1..self.rows.len()).all(|at| self.pair(at - 1) <= self.pair(at)) {
            return;
        }
        let mut order: Vec<usize> = (0..self.rows.len()).collect();
        // Positions are in the order of lines.
        order.sort_unstable_by_key(|&at| (self.pair(at), at));
        self.rows = order.iter().map(|&at| self.rows[at]).collect();
        self.lines = order.iter().map(|&at| self.lines[at]).collect();
        self.outcomes = order.iter().map(|&at| self.outcomes[at]).collect();
    }

    /// Prompt, model, line and first line of every pair that stood before. Sorted.
    pub(crate) fn repeated(&self) -> impl Iterator<Item = (usize, ModelIndex, usize, usize)> {
        let mut first = 0;
        (1..self.rows.len()).filter_map(move |at| {
            if self.pair(at) != self.pair(at - 1) {
                first = at;
                return None;
            }
            let (row, model) = self.pair(at);
            Some((row, model, self.lines[at], self.lines[first]))
        })
    }

    /// The outcomes of `prompts` prompts and `models` models, those left out that are not known. Sorted, and nothing repeated.
    ///
    /// # Errors
    /// What [`Outcomes::from_sorted`] reports.
    pub(crate) fn into_outcomes(self, models: usize, prompts: usize) -> Result<Outcomes> {
        let Self { rows, mut outcomes, lines } = self;
        drop(lines);
        let mut offsets = vec![0; prompts + 1];
        for (&row, outcome) in rows.iter().zip(&outcomes) {
            offsets[row + 1] += usize::from(!outcome.quality.is_nan());
        }
        for row in 0..prompts {
            offsets[row + 1] += offsets[row];
        }
        drop(rows);
        outcomes.retain(|outcome| !outcome.quality.is_nan());
        Outcomes::from_sorted(models, offsets, outcomes)
    }
}

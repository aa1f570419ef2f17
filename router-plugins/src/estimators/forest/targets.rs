//! What the cuts of a forest shall tell apart.

use rand::Rng;
use router_core::SeedStream;
use router_core::prelude::*;

/// Numbers of a target vector as a tree sees it, at most; beyond, random projections stand for it.
pub(super) const MAXIMUM_WIDTH: usize = 32;
/// Target vectors are padded to multiples of this, so that sums run in whole vector registers.
const LANES: usize = 8;

/// What a tree sees of the targets: n x `width`.
pub(super) struct Seen {
    pub(super) width: usize,
    values: Vec<f32>,
}

impl Seen {
    /// The target of prompt `row`.
    pub(super) fn row(&self, row: u32) -> &[f32] {
        let start = row as usize * self.width;
        self.values.get(start..start + self.width).unwrap_or_default()
    }
}

/// The target of every prompt that has outcomes.
pub(super) struct Targets {
    /// Prompts with outcomes.
    rows: Vec<u32>,
    /// n x m for all prompts, zero where nothing is known.
    values: Matrix,
    /// Mean quality of every model.
    global: Vec<f32>,
}

impl Targets {
    /// The targets of `set`, whose models have the mean qualities `global`. O(outcomes + n m).
    pub(super) fn new(set: &TrainingSet, global: &[f64], relative: bool) -> Self {
        let outcomes = set.outcomes();
        let global: Vec<f32> = global.iter().map(|&mean| mean as f32).collect();
        let (total, count) = outcomes
            .iter()
            .fold((0.0f64, 0usize), |(total, count), (_, outcome)| (total + f64::from(outcome.weight), count + 1));
        // Weights in units of the mean weight, so that they change what counts more and not how much there is.
        let unit = if total > 0.0 { (count as f64 / total) as f32 } else { 0.0 };
        let mut values = Matrix::zeros(set.len(), set.models().len());
        let mut rows = Vec::new();
        for row in 0..set.len() {
            let observed = || {
                let known = outcomes.row(row).iter().filter(|outcome| outcome.weight > 0.0);
                known.filter_map(|outcome| global.get(outcome.model).map(|mean| (outcome, outcome.quality - mean)))
            };
            let (sum, weight, known) =
                observed().fold((0.0f32, 0.0f32, 0usize), |(sum, weight, known), (outcome, above)| {
                    (sum + outcome.weight * above, weight + outcome.weight, known + 1)
                });
            if known == 0 {
                continue;
            }
            rows.push(row as u32);
            let level = if relative && known > 1 { sum / weight } else { 0.0 };
            for (outcome, above) in observed() {
                values.set(row, outcome.model, unit * outcome.weight * (above - level));
            }
        }
        Self { rows, values, global }
    }

    /// Prompts with outcomes, ascending.
    pub(super) fn rows(&self) -> &[u32] {
        &self.rows
    }

    /// Mean quality of every model.
    pub(super) fn global(&self) -> &[f32] {
        &self.global
    }

    /// The targets as they are where they fit, padded with zeros; otherwise random projections with independent signs, which
    /// keep squared lengths on average (Achlioptas, Database-friendly random projections, JCSS 66, 2003).
    pub(super) fn seen(&self, stream: &mut SeedStream) -> Seen {
        let models = self.values.cols();
        let width = models.next_multiple_of(LANES).min(MAXIMUM_WIDTH);
        let mut values = Vec::with_capacity(self.values.rows() * width);
        if models <= width {
            for row in 0..self.values.rows() {
                values.extend_from_slice(self.values.row(row));
                values.resize((row + 1) * width, 0.0);
            }
            return Seen { width, values };
        }
        let scale = (width as f32).sqrt().recip();
        let signs: Vec<u32> = (0..models).map(|_| stream.next_u32()).collect();
        let mut target = [0.0f32; MAXIMUM_WIDTH];
        for row in 0..self.values.rows() {
            target.fill(0.0);
            for (value, bits) in self.values.row(row).iter().zip(&signs) {
                for (lane, to) in target.iter_mut().enumerate() {
                    *to += if bits >> lane & 1 == 1 { *value } else { -*value };
                }
            }
            values.extend(target.iter().map(|value| scale * value));
        }
        Seen { width, values }
    }
}

//! What a router expects of every model, before it chooses.

use router_core::{Matrix, ModelIndex};

/// The estimates of a contestant for some prompts.
#[derive(Debug, Clone)]
pub(crate) struct Forecast {
    /// Expected quality, rows x models.
    pub(crate) quality: Matrix,
    /// Expected US dollars a call, rows x models; infinite where unknown, so that no trade-off with cost takes such a model.
    pub(crate) cost_usd: Matrix,
}

impl Forecast {
    /// A forecast of nothing yet.
    pub(crate) fn blank(rows: usize, models: usize) -> Self {
        let mut cost_usd = Matrix::zeros(rows, models);
        cost_usd.as_mut_slice().fill(f32::INFINITY);
        Self { quality: Matrix::zeros(rows, models), cost_usd }
    }

    /// Copies row i of `part` to row `rows[i]`.
    pub(crate) fn scatter(&mut self, rows: &[usize], part: &Self) {
        for (at, &row) in rows.iter().enumerate() {
            self.quality.row_mut(row).copy_from_slice(part.quality.row(at));
            self.cost_usd.row_mut(row).copy_from_slice(part.cost_usd.row(at));
        }
    }
}

/// What train knows of the models whose cost is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PricedModels {
    /// The model of the lowest mean cost.
    pub(crate) cheapest: ModelIndex,
    /// The model of the best mean quality.
    pub(crate) best: ModelIndex,
}

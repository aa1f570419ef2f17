//! The evidence of policies that look at sets of models.

use router_core::prelude::*;

/// The estimates of every training prompt: the cross-fitted ones, or every model's mean quality where the set could not be split.
pub(super) struct Expected<'a> {
    means: Vec<f32>,
    cross_fitted: Option<MatrixView<'a>>,
    cost_usd: MatrixView<'a>,
}

impl<'a> Expected<'a> {
    /// # Errors
    /// [`ErrorKind::Shape`] if estimates or costs are not n x m.
    pub(super) fn new(evidence: &PolicyEvidence<'a>) -> Result<Self> {
        let (n, m) = (evidence.set.len(), evidence.set.models().len());
        let check = |what: &str, matrix: MatrixView<'_>| {
            if (matrix.rows(), matrix.cols()) == (n, m) {
                return Ok(());
            }
            Err(Error::shape(what, format!("{n} x {m}"), format!("{} x {}", matrix.rows(), matrix.cols())))
        };
        let cross_fitted = evidence.cross_fitted.map(|estimates| estimates.quality);
        check("expected costs", evidence.cost_usd)?;
        if let Some(quality) = cross_fitted {
            check("cross-fitted estimates", quality)?;
        }
        let means = Tasks::none(evidence.set).global().iter().map(|&mean| mean as f32).collect();
        Ok(Self { means, cross_fitted, cost_usd: evidence.cost_usd })
    }

    /// The quality that was expected of every model on training prompt `row`.
    pub(super) fn quality(&self, row: usize) -> &[f32] {
        self.cross_fitted.as_ref().map_or(&self.means, |quality| quality.row(row))
    }

    /// The cost in US dollars that was expected.
    pub(super) fn cost(&self, row: usize) -> &[f32] {
        self.cost_usd.row(row)
    }
}

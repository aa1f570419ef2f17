//! The ridge estimator, ready.

use std::cell::Cell;

use router_core::prelude::*;

use crate::neighbors::dot;

/// What the variance of estimates needs.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Posterior {
    /// d x d, lower triangular: the inverse of the Cholesky factor of the penalised Gram matrix.
    pub(super) inverse: Matrix,
    /// The weighted mean of the scaled embeddings.
    pub(super) mean: Vec<f32>,
    /// The variance of an intercept, over that of the noise.
    pub(super) of_intercept: f32,
    /// The variance of the noise of every model; the variance itself where the model is not known.
    pub(super) noise: Vec<f32>,
    /// Whether a model had outcomes.
    pub(super) known: Vec<bool>,
}

/// Ridge regressions that are ready.
#[derive(Debug, Clone, PartialEq)]
pub struct RidgeEstimator {
    mean: Vec<f32>,
    factor: f32,
    /// m x d, on scaled embeddings.
    weights: Matrix,
    intercepts: Vec<f32>,
    posterior: Option<Posterior>,
    penalty: f64,
}

impl RidgeEstimator {
    pub(super) fn new(
        mean: Vec<f32>,
        factor: f32,
        weights: Matrix,
        intercepts: Vec<f32>,
        posterior: Option<Posterior>,
        penalty: f64,
    ) -> Result<Self> {
        let (m, d) = (weights.rows(), weights.cols());
        if mean.len() != d || intercepts.len() != m {
            return Err(Error::shape(
                "ridge weights",
                format!("{} x {}", intercepts.len(), mean.len()),
                format!("{m} x {d}"),
            ));
        }
        let finite = |values: &[f32]| values.iter().all(|value| value.is_finite());
        if !finite(&mean) || !finite(weights.as_slice()) || !finite(&intercepts) || !factor.is_finite() {
            return Err(Error::new(ErrorKind::NonFinite, "weights of a ridge regression"));
        }
        if let Some(Posterior { inverse, mean, of_intercept, noise, known }) = &posterior {
            let shapes = (inverse.rows(), inverse.cols(), mean.len(), noise.len(), known.len());
            if shapes != (d, d, d, m, m) {
                return Err(Error::shape(
                    "posterior of a ridge regression",
                    format!("{:?}", (d, d, d, m, m)),
                    format!("{shapes:?}"),
                ));
            }
            let positive = |values: &[f32]| values.iter().all(|value| value.is_finite() && *value >= 0.0);
            if !finite(inverse.as_slice()) || !finite(mean) || !positive(&[*of_intercept]) || !positive(noise) {
                return Err(Error::new(ErrorKind::NonFinite, "posterior of a ridge regression"));
            }
        }
        Ok(Self { mean, factor, weights, intercepts, posterior, penalty })
    }

    /// The penalty that was given or chosen.
    pub fn penalty(&self) -> f64 {
        self.penalty
    }

    /// The weights on centered and scaled embeddings, m x d.
    pub fn weights(&self) -> MatrixView<'_> {
        self.weights.view()
    }

    /// The intercept of every model: its estimate for the mean embedding.
    pub fn intercepts(&self) -> &[f32] {
        &self.intercepts
    }
}

thread_local! {
    /// Memory of this thread's last batch, so that a decision asks for none.
    static SCALED: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

impl FittedEstimator for RidgeEstimator {
    fn models(&self) -> usize {
        self.intercepts.len()
    }

    fn estimate(&self, batch: &QueryBatch<'_>, out: &mut Estimates) -> Result<()> {
        let (n, d) = (batch.embeddings.rows(), self.mean.len());
        if batch.embeddings.cols() != d {
            return Err(Error::shape("dimension of embeddings", d, batch.embeddings.cols()));
        }
        batch.embeddings.check_finite("embeddings")?;
        out.reset(n, self.models());
        let mut scaled = SCALED.take();
        scaled.clear();
        scaled.resize(d, 0.0f32);
        for row in 0..n {
            self.scale(batch.embeddings.row(row), &mut scaled);
            let weights = (0..self.models()).map(|model| self.weights.row(model));
            for ((to, weights), intercept) in
                out.quality_mut().row_mut(row).iter_mut().zip(weights).zip(&self.intercepts)
            {
                *to = dot(weights, &scaled) + intercept;
            }
        }
        let Some(posterior) = &self.posterior else {
            SCALED.set(scaled);
            return Ok(());
        };
        let variances = out.variance_mut();
        for row in 0..n {
            self.scale(batch.embeddings.row(row), &mut scaled);
            scaled.iter_mut().zip(&posterior.mean).for_each(|(value, mean)| *value -= mean);
            let spread: f32 = (0..d)
                .map(|at| {
                    let lower = posterior.inverse.row(at).get(..=at).unwrap_or_default();
                    dot(lower, scaled.get(..=at).unwrap_or_default()).powi(2)
                })
                .sum();
            let known = posterior.noise.iter().zip(&posterior.known);
            for (to, (noise, &known)) in variances.row_mut(row).iter_mut().zip(known) {
                *to = if known { noise * (posterior.of_intercept + spread) } else { *noise };
            }
        }
        SCALED.set(scaled);
        Ok(())
    }
}

impl RidgeEstimator {
    fn scale(&self, embedding: &[f32], out: &mut [f32]) {
        for ((to, value), mean) in out.iter_mut().zip(embedding).zip(&self.mean) {
            *to = (value - mean) * self.factor;
        }
    }
}

impl Persist for RidgeEstimator {
    const FORMAT: &'static str = "ridge-estimator";
    const VERSION: u32 = 1;

    fn save(&self, writer: &mut SlotWriter) -> Result<()> {
        writer.put_f32("mean", &self.mean)?;
        writer.put_f32("factor", &[self.factor])?;
        writer.put_matrix("weights", &self.weights)?;
        writer.put_f32("intercepts", &self.intercepts)?;
        writer.put_json("penalty", &self.penalty)?;
        writer.put_json("posterior", &self.posterior.is_some())?;
        if let Some(posterior) = &self.posterior {
            writer.put_matrix("posterior/inverse", &posterior.inverse)?;
            writer.put_f32("posterior/mean", &posterior.mean)?;
            writer.put_f32("posterior/of_intercept", &[posterior.of_intercept])?;
            writer.put_f32("posterior/noise", &posterior.noise)?;
            writer.put_json("posterior/known", &posterior.known)?;
        }
        Ok(())
    }

    fn load(reader: &SlotReader<'_>) -> Result<Self> {
        let one = |name| -> Result<f32> { Ok(reader.get_f32_of(name, 1)?.into_iter().sum()) };
        let posterior = if reader.get_json("posterior")? {
            Some(Posterior {
                inverse: reader.get_matrix("posterior/inverse")?,
                mean: reader.get_f32("posterior/mean")?,
                of_intercept: one("posterior/of_intercept")?,
                noise: reader.get_f32("posterior/noise")?,
                known: reader.get_json("posterior/known")?,
            })
        } else {
            None
        };
        Self::new(
            reader.get_f32("mean")?,
            one("factor")?,
            reader.get_matrix("weights")?,
            reader.get_f32("intercepts")?,
            posterior,
            reader.get_json("penalty")?,
        )
        .map_err(|error| reader.corrupt(&error.to_string()))
    }
}

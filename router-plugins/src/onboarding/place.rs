//! Where a newcomer stands among the known models.
#![allow(clippy::indexing_slicing, reason = "one entry an outcome, model or task, as the features have them")]

use router_core::Placement;
use router_core::pipeline::Prediction;
use router_core::prelude::*;

use super::kernel::{Features, Prior, Products};
use crate::linear_algebra::cholesky::Factor;

/// Outcomes by which the prior is chosen, at most.
const OUTCOMES_OF_PRIOR: usize = 1000;
/// What is tried of every variance of the prior, as factors of what it is before anything is known.
const FACTORS: [f64; 7] = [0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0];
/// A variance off by this factor is as unlikely beforehand as a number one standard deviation off: a few outcomes cannot say much.
const LIKELY_FACTOR: f64 = 3.0;
/// How often every variance is tried anew, the others being held.
const ROUNDS: usize = 2;

/// A placement, and how far it can be trusted.
#[derive(Debug, Clone, PartialEq)]
pub struct Placed {
    /// The placement.
    pub placement: Placement,
    /// Root of the mean squared error of an outcome that the placement has not seen, by leaving each out in turn.
    pub held_out_error: f64,
    /// The same for the newcomer's mean quality in the other outcomes, which knows nothing of the prompt; `None` for one outcome.
    pub held_out_error_of_mean: Option<f64>,
}

/// Places a newcomer in a router that was fitted on the first `models` models, by its outcomes `(row of prediction, quality)`.
///
/// Its expected quality is lowered by `caution` (0 or more, 1 is a good start) posterior standard deviations of the deviation, a mean over
/// the prompts asked: a router takes the best of many estimates, and what is hardly known looks best by chance.
///
/// # Errors
/// [`ErrorKind::Data`] without an outcome; [`ErrorKind::Shape`] for a row or a model that is not there; [`ErrorKind::NonFinite`];
/// [`ErrorKind::Training`] if the covariance cannot be factored.
pub fn place(prediction: &Prediction, models: usize, outcomes: &[(usize, f32)], caution: f64) -> Result<Placed> {
    let quality = prediction.aggregate.quality();
    if models == 0 || quality.cols() < models {
        return Err(Error::shape("models of a prediction", format!("at least {}", models.max(1)), quality.cols()));
    }
    if let Some((row, _)) = outcomes.iter().find(|(row, _)| *row >= quality.rows()) {
        return Err(Error::shape("rows of a prediction", format!("more than {row}"), quality.rows()));
    }
    if outcomes.is_empty() {
        return Err(Error::new(ErrorKind::Data, "the new model has no outcome").help("ask it some prompts first"));
    }
    if outcomes.iter().any(|(_, quality)| !quality.is_finite()) {
        return Err(Error::new(ErrorKind::NonFinite, "the quality of an outcome of the new model"));
    }
    let rows: Vec<usize> = outcomes.iter().map(|&(row, _)| row).collect();
    let features = Features::new(prediction, models, &rows);
    let deviations: Vec<f64> =
        outcomes.iter().zip(&features.mean).map(|(&(_, quality), mean)| f64::from(quality) - mean).collect();
    let products = features.products();
    let prior = choose_prior(&products, &deviations, models)?;
    let posterior = Posterior::new(&products, &deviations, &prior)?;

    let scaled_sums = |columns: &[f64], width: usize, variance: f64| -> Vec<f32> {
        let mut sums = vec![0.0f64; width];
        for (row, weight) in columns.chunks(width.max(1)).zip(&posterior.weights) {
            sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += variance * weight * value);
        }
        sums.into_iter().map(|sum| sum as f32).collect()
    };
    let variance = posterior.mean_variance(&products, &prior);
    let placement = Placement {
        intercept: (prior.level * posterior.weights.iter().sum::<f64>() - caution * variance.sqrt()) as f32,
        weights: scaled_sums(&features.strengths, features.models, prior.strengths),
        tasks: scaled_sums(&features.probabilities, features.tasks, prior.tasks),
        variance: variance as f32,
    };
    let n = outcomes.len() as f64;
    let total: f64 = outcomes.iter().map(|&(_, quality)| f64::from(quality)).sum();
    let of_mean = |quality: f32| (f64::from(quality) - (total - f64::from(quality)) / (n - 1.0)).powi(2);
    Ok(Placed {
        placement,
        held_out_error: posterior.held_out_error(),
        held_out_error_of_mean: (outcomes.len() > 1)
            .then(|| (outcomes.iter().map(|&(_, quality)| of_mean(quality)).sum::<f64>() / n).sqrt()),
    })
}

/// The prior of the highest marginal likelihood (Rasmussen and Williams, equation 2.30) times that of its factors, one variance after
/// the other.
fn choose_prior(products: &Products, deviations: &[f64], models: usize) -> Result<Prior> {
    let cut;
    let (products, deviations) = if products.len() > OUTCOMES_OF_PRIOR {
        cut = products.first(OUTCOMES_OF_PRIOR);
        (&cut, &deviations[..OUTCOMES_OF_PRIOR])
    } else {
        (products, deviations)
    };
    let start = Prior::of_pool(models);
    let fields: [fn(&Prior) -> f64; 4] = [|it| it.noise, |it| it.level, |it| it.strengths, |it| it.tasks];
    let likelihood_of = |prior: &Prior| -> Result<f64> {
        let off = |field: fn(&Prior) -> f64| ((field(prior) / field(&start)).ln() / LIKELY_FACTOR.ln()).powi(2);
        let beforehand = -0.5 * fields.into_iter().map(off).sum::<f64>();
        Ok(Posterior::new(products, deviations, prior)?.log_likelihood + beforehand)
    };
    let mut best = (start, likelihood_of(&start)?);
    let variances: [fn(&mut Prior) -> &mut f64; 4] =
        [|prior| &mut prior.noise, |prior| &mut prior.level, |prior| &mut prior.strengths, |prior| &mut prior.tasks];
    for _ in 0..ROUNDS {
        for variance in variances {
            for factor in FACTORS {
                let (mut prior, mut from) = (best.0, start);
                *variance(&mut prior) = factor * *variance(&mut from);
                let likelihood = likelihood_of(&prior)?;
                if likelihood > best.1 {
                    best = (prior, likelihood);
                }
            }
        }
    }
    Ok(best.0)
}

/// What outcomes say under a prior.
struct Posterior<'a> {
    deviations: &'a [f64],
    factor: Factor,
    /// (K + noise I)^-1 deviations.
    weights: Vec<f64>,
    log_likelihood: f64,
}

impl<'a> Posterior<'a> {
    fn new(products: &Products, deviations: &'a [f64], prior: &Prior) -> Result<Self> {
        let n = products.len();
        let mut covariance = products.covariance(prior);
        for at in 0..n {
            covariance[at * n + at] += prior.noise;
        }
        let factor = Factor::new(covariance, n)?;
        let mut weights = deviations.to_vec();
        factor.solve(&mut weights, 1);
        let fit: f64 = weights.iter().zip(deviations).map(|(a, b)| a * b).sum();
        let log_likelihood = -0.5 * (fit + factor.log_determinant());
        Ok(Self { deviations, factor, weights, log_likelihood })
    }

    /// The diagonal of (K + noise I)^-1.
    fn precisions(&self) -> Vec<f64> {
        let n = self.deviations.len();
        let inverse = self.factor.inverse();
        let mut sums = vec![0.0; n];
        for row in inverse.chunks(n.max(1)) {
            sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += value * value);
        }
        sums
    }

    /// Root mean squared error of every outcome by the others (Rasmussen and Williams, equation 5.12).
    fn held_out_error(&self) -> f64 {
        let errors = self.weights.iter().zip(self.precisions()).map(|(weight, precision)| (weight / precision).powi(2));
        (errors.sum::<f64>() / self.weights.len().max(1) as f64).sqrt()
    }

    /// Posterior variance of the deviation, a mean over the prompts asked.
    fn mean_variance(&self, products: &Products, prior: &Prior) -> f64 {
        let n = products.len();
        let covariance = products.covariance(prior);
        let mut solved = covariance.clone();
        self.factor.solve(&mut solved, n);
        let explained = |at: usize| (0..n).map(|i| covariance[at * n + i] * solved[at * n + i]).sum::<f64>();
        let total: f64 = (0..n).map(|at| (covariance[at * n + at] - explained(at)).max(0.0)).sum();
        total / n.max(1) as f64
    }
}

/// The held-out error under a given prior.
#[cfg(test)]
pub(super) fn held_out_error_under(
    prediction: &Prediction,
    models: usize,
    outcomes: &[(usize, f32)],
    prior: &Prior,
) -> Result<f64> {
    let rows: Vec<usize> = outcomes.iter().map(|&(row, _)| row).collect();
    let features = Features::new(prediction, models, &rows);
    let deviations: Vec<f64> =
        outcomes.iter().zip(&features.mean).map(|(&(_, quality), mean)| f64::from(quality) - mean).collect();
    Ok(Posterior::new(&features.products(), &deviations, prior)?.held_out_error())
}

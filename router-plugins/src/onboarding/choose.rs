//! Which prompts to ask a newcomer.
#![allow(clippy::indexing_slicing, reason = "c x c numbers for c candidates")]

use rand::seq::index::sample;
use rayon::prelude::*;
use router_core::pipeline::Prediction;
use router_core::prelude::*;

use super::kernel::{Features, Prior};

/// Candidates at most; more are sampled.
const CANDIDATES: usize = 2000;

/// The `count` prompts of `prediction` (all, if there are fewer; 2,000 at most) whose outcomes would say most about a newcomer to a router that
/// was fitted on the first `models` models, the most telling first. Where there are more than 2,000 prompts, that many are drawn
/// by the seed of `cx`.
///
/// # Errors
/// [`ErrorKind::Shape`] if `prediction` has fewer models; [`ErrorKind::Cancelled`].
pub fn choose(prediction: &Prediction, models: usize, count: usize, cx: &FitContext) -> Result<Vec<usize>> {
    let quality = prediction.aggregate.quality();
    if models == 0 || quality.cols() < models {
        return Err(Error::shape("models of a prediction", format!("at least {}", models.max(1)), quality.cols()));
    }
    let candidates: Vec<usize> = if quality.rows() > CANDIDATES {
        let mut drawn = sample(&mut cx.stream("candidates"), quality.rows(), CANDIDATES).into_vec();
        drawn.sort_unstable();
        drawn
    } else {
        (0..quality.rows()).collect()
    };
    let c = candidates.len();
    let prior = Prior::of_pool(models);
    let mut covariance = Features::new(prediction, models, &candidates).products().covariance(&prior);
    let mut is_chosen = vec![false; c];
    let mut chosen = Vec::with_capacity(count.min(c));
    let mut gains = vec![0.0f64; c];
    while chosen.len() < count.min(c) {
        cx.check_cancelled()?;
        // What an outcome of each candidate takes off the summed variance. The matrix is symmetric: a row is a column.
        gains.par_iter_mut().zip(covariance.par_chunks(c)).enumerate().for_each(|(at, (gain, row))| {
            *gain = row.iter().map(|value| value * value).sum::<f64>() / (row[at] + prior.noise);
        });
        let mut best: Option<usize> = None;
        for at in (0..c).filter(|&at| !is_chosen[at]) {
            if best.is_none_or(|best| gains[at] > gains[best]) {
                best = Some(at);
            }
        }
        let Some(best) = best else { break };
        is_chosen[best] = true;
        chosen.push(candidates[best]);
        let of_best = covariance[best * c..(best + 1) * c].to_vec();
        let share = 1.0 / (of_best[best] + prior.noise);
        covariance.par_chunks_mut(c).zip(&of_best).for_each(|(row, with_best)| {
            for (value, other) in row.iter_mut().zip(&of_best) {
                *value -= share * with_best * other;
            }
        });
    }
    Ok(chosen)
}

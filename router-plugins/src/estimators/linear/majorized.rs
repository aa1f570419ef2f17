//! Convex linear regressions of many models at once, by a quadratic bound that all of them share.
//!
//! For every model with targets q and scores f(z) = b + w'z it finds the weights and the intercept that minimise
//!
//! ```text
//! sum over rows of weight * loss(f(z), q)  +  penalty / 2 * |w|^2
//! ```
//!
//! for a convex loss whose second derivative is at most c. Its Hessian then lies below H = c (Z' diag(weight) Z + penalty / c), one
//! matrix for all models with outcomes on the same rows, and w - H^-1 gradient never makes the objective worse (Böhning and Lindsay,
//! Monotonicity of quadratic-approximation algorithms, 1988). So a single Cholesky factor serves all models and steps, and a step is
//! two matrix products over all of them. Steps have momentum, begun anew for a model whose step turns against its gradient
//! (O'Donoghue and Candès, Adaptive restart for accelerated gradient schemes, 2015).
//!
//! Features are centered by their weighted mean, which parts the intercept from the weights in H.
#![allow(clippy::indexing_slicing, reason = "all sizes follow from rows, dimension and models of the problem")]
#![allow(clippy::inline_always, reason = "what is called instead of inlined is compiled for the narrowest vectors")]

use std::marker::PhantomData;

use faer::Accum;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use router_core::prelude::*;

use super::coverage::Group;
use super::normal_equations::Sums;
use super::scaling::Scaling;
use crate::nn::kernels::{View, product};

/// Rows whose scores and gradients are taken at once: what a thread works on, and in whose order gradients are added.
const BLOCK: usize = 512;
/// Steps at most; tens are usual.
const STEPS: usize = 1000;
/// The root mean square by which a last step may move scores.
const TOLERANCE: f64 = 2e-4;

/// A convex loss of a score against a target in [0, 1].
pub(in crate::estimators) trait Loss: Sync {
    /// A bound of the second derivative by the score.
    const CURVATURE: f64;
    /// The loss.
    fn value(score: f32, target: f32) -> f32;
    /// Its derivative by the score.
    fn derivative(score: f32, target: f32) -> f32;
}

/// Puts in place of scores, row by row, the derivative of the weighted loss by each.
struct Derivatives<'a, L> {
    scores: &'a mut [f32],
    /// As the scores.
    targets: &'a [f32],
    /// One a row.
    weights: &'a [f32],
    loss: PhantomData<L>,
}

impl<L: Loss> WithSimd for Derivatives<'_, L> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let models = (self.scores.len() / self.weights.len().max(1)).max(1);
        let rows = self.scores.chunks_exact_mut(models).zip(self.targets.chunks_exact(models)).zip(self.weights);
        for ((scores, targets), &weight) in rows {
            for (score, &target) in scores.iter_mut().zip(targets) {
                *score = weight * L::derivative(*score, target);
            }
        }
    }
}

/// Rows of features with the targets of k models and weights that these share.
pub(in crate::estimators) struct Problem {
    /// n x d, scaled and centered.
    features: Matrix,
    /// What was taken off the scaled features, d.
    mean: Vec<f32>,
    /// One a row.
    weights: Vec<f32>,
    /// n x k.
    targets: Matrix,
    sums: Sums,
}

/// Weights and intercepts of k models, on the way or at the end.
#[derive(Debug, Clone)]
pub(in crate::estimators) struct State {
    /// k x d.
    pub(in crate::estimators) weights: Matrix,
    /// k, for centered features.
    pub(in crate::estimators) intercepts: Vec<f32>,
}

impl State {
    /// Nothing known: no weight.
    pub(in crate::estimators) fn zeros(models: usize, dimension: usize) -> Self {
        Self { weights: Matrix::zeros(models, dimension), intercepts: vec![0.0; models] }
    }
}

/// A gradient, or what sums up to one: k x d and k.
struct Gradient {
    weights: Vec<f32>,
    intercepts: Vec<f64>,
}

impl Problem {
    /// The problem of the models of `group` on `rows`, all of which it covers.
    pub(in crate::estimators) fn new(
        set: &TrainingSet,
        group: &Group,
        rows: &[usize],
        scaling: &Scaling,
        cx: &FitContext,
    ) -> Result<Self> {
        let (n, d, k) = (rows.len(), set.embeddings().cols(), group.models.len());
        let (mut features, mut targets, mut weights) = (Matrix::zeros(n, d), Matrix::zeros(n, k), vec![0.0f32; n]);
        let mut sums = Sums::new(d, 0);
        let mut at = 0;
        let write = |row: usize, scaled: &mut [f64], _: &mut [f64]| {
            scaling.write(set.embeddings().row(row), scaled);
            features.row_mut(at).iter_mut().zip(&*scaled).for_each(|(to, &value)| *to = value as f32);
            for (target, &model) in targets.row_mut(at).iter_mut().zip(&group.models) {
                if let Some(outcome) = set.outcomes().get(row, model) {
                    *target = outcome.quality;
                    weights[at] = outcome.weight;
                }
            }
            at += 1;
            f64::from(weights[at - 1])
        };
        sums.add_rows(rows, write, || cx.check_cancelled())?;
        let mean: Vec<f32> = sums.mean().into_iter().map(|mean| mean as f32).collect();
        for row in 0..n {
            features.row_mut(row).iter_mut().zip(&mean).for_each(|(value, mean)| *value -= mean);
        }
        Ok(Self { features, mean, weights, targets, sums })
    }

    fn models(&self) -> usize {
        self.targets.cols()
    }

    /// Whether there is nothing to learn from.
    pub(in crate::estimators) fn is_empty(&self) -> bool {
        self.sums.weight() <= 0.0
    }

    /// Moves `state` to the solution under `penalty` > 0. Starting close saves steps.
    pub(in crate::estimators) fn solve<L: Loss>(&self, penalty: f64, state: &mut State, cx: &FitContext) -> Result<()> {
        let (d, k) = (self.features.cols(), self.models());
        let weight = self.sums.weight();
        let factor = self.sums.factor(penalty / L::CURVATURE)?;
        let (mut previous, mut point) = (state.clone(), state.clone());
        let mut momentum = vec![1.0f64; k];
        let mut step = vec![0.0f64; k * d];
        for _ in 0..STEPS {
            cx.check_cancelled()?;
            let gradient = self.gradient::<L>(&point, penalty);
            step.iter_mut().zip(&gradient.weights).for_each(|(to, &value)| *to = f64::from(value) / L::CURVATURE);
            factor.solve(&mut step, k);
            let mut largest = 0.0f64;
            for model in 0..k {
                let (gradient_of, step) =
                    (&gradient.weights[model * d..(model + 1) * d], &step[model * d..(model + 1) * d]);
                let intercept_step = gradient.intercepts[model] / (L::CURVATURE * weight);
                let decrement = gradient_of.iter().zip(step).map(|(&g, &s)| f64::from(g) * s).sum::<f64>()
                    + gradient.intercepts[model] * intercept_step;
                largest = largest.max(decrement);
                // The step from the extrapolated point, and whether it goes on from the last one.
                let mut onward = 0.0f64;
                for (at, (&step, &gradient)) in step.iter().zip(gradient_of).enumerate() {
                    let next = (f64::from(point.weights.get(model, at)) - step) as f32;
                    onward += f64::from(gradient) * f64::from(next - state.weights.get(model, at));
                    previous.weights.set(model, at, state.weights.get(model, at));
                    state.weights.set(model, at, next);
                }
                let next = (f64::from(point.intercepts[model]) - intercept_step) as f32;
                onward += gradient.intercepts[model] * f64::from(next - state.intercepts[model]);
                previous.intercepts[model] = state.intercepts[model];
                state.intercepts[model] = next;
                let (last, now) = (momentum[model], 0.5 * (1.0 + (1.0 + 4.0 * momentum[model].powi(2)).sqrt()));
                momentum[model] = if onward > 0.0 { 1.0 } else { now };
                let beta = if onward > 0.0 { 0.0 } else { ((last - 1.0) / now) as f32 };
                let ahead = |to: f32, from: f32| to + beta * (to - from);
                for at in 0..d {
                    let value = ahead(state.weights.get(model, at), previous.weights.get(model, at));
                    point.weights.set(model, at, value);
                }
                point.intercepts[model] = ahead(state.intercepts[model], previous.intercepts[model]);
            }
            if largest <= L::CURVATURE * weight * TOLERANCE * TOLERANCE {
                break;
            }
        }
        Ok(())
    }

    fn gradient<L: Loss>(&self, at: &State, penalty: f64) -> Gradient {
        let (n, d, k) = (self.features.rows(), self.features.cols(), self.models());
        let starts: Vec<usize> = (0..n).step_by(BLOCK).collect();
        let parts: Vec<Gradient> = starts
            .into_par_iter()
            .map(|start| {
                let end = n.min(start + BLOCK);
                let mut scores = self.block_scores(at, start, end);
                Arch::new().dispatch(Derivatives::<L> {
                    scores: &mut scores,
                    targets: &self.targets.as_slice()[start * k..end * k],
                    weights: &self.weights[start..end],
                    loss: PhantomData,
                });
                let mut weights = vec![0.0f32; k * d];
                let left = View { data: &scores, rows: end - start, cols: k, transposed: true };
                product(left, self.block(start, end), Accum::Replace, &mut weights);
                let mut intercepts = vec![0.0f64; k];
                for scores in scores.chunks_exact(k) {
                    intercepts.iter_mut().zip(scores).for_each(|(sum, &value)| *sum += f64::from(value));
                }
                Gradient { weights, intercepts }
            })
            .collect();
        let mut sum = Gradient {
            weights: at.weights.as_slice().iter().map(|&weight| (penalty * f64::from(weight)) as f32).collect(),
            intercepts: vec![0.0; k],
        };
        for part in parts {
            sum.weights.iter_mut().zip(&part.weights).for_each(|(sum, value)| *sum += value);
            sum.intercepts.iter_mut().zip(&part.intercepts).for_each(|(sum, value)| *sum += value);
        }
        sum
    }

    fn block(&self, start: usize, end: usize) -> View<'_> {
        let d = self.features.cols();
        View { data: &self.features.as_slice()[start * d..end * d], rows: end - start, cols: d, transposed: false }
    }

    /// The scores of rows `start..end`, row by row.
    fn block_scores(&self, at: &State, start: usize, end: usize) -> Vec<f32> {
        let k = self.models();
        let mut scores = at.intercepts.repeat(end - start);
        let weights = View { data: at.weights.as_slice(), rows: k, cols: self.features.cols(), transposed: true };
        product(self.block(start, end), weights, Accum::Add, &mut scores);
        scores
    }

    /// The scores under `solution`, n x k.
    pub(in crate::estimators) fn scores(&self, solution: &Solved) -> Matrix {
        let here = solution.at(&self.mean);
        let mut scores = Matrix::zeros(self.features.rows(), self.models());
        let n = self.features.rows();
        for start in (0..n).step_by(BLOCK) {
            for (at, of_row) in
                self.block_scores(&here, start, n.min(start + BLOCK)).chunks_exact(self.models()).enumerate()
            {
                scores.row_mut(start + at).copy_from_slice(of_row);
            }
        }
        scores
    }

    /// The weighted loss of `solution` on these rows, all models together.
    pub(in crate::estimators) fn loss<L: Loss>(&self, solution: &Solved) -> f64 {
        let scores = self.scores(solution);
        (0..scores.rows())
            .map(|row| {
                let of_row = scores.row(row).iter().zip(self.targets.row(row));
                f64::from(self.weights[row]) * of_row.map(|(&f, &q)| f64::from(L::value(f, q))).sum::<f64>()
            })
            .sum()
    }

    /// The targets, n x k, and the weights, n.
    pub(in crate::estimators) fn observed(&self) -> (&Matrix, &[f32]) {
        (&self.targets, &self.weights)
    }

    /// What `state` is on scaled features that are not centered.
    pub(in crate::estimators) fn solved(&self, state: State) -> Solved {
        let off = State { intercepts: vec![0.0; state.intercepts.len()], ..state };
        let shifted = shifted(&off.weights, &self.mean, -1.0);
        let intercepts =
            state.intercepts.iter().zip(shifted).map(|(b, shift)| (f64::from(*b) + shift) as f32).collect();
        Solved(State { weights: off.weights, intercepts })
    }
}

/// A solution on scaled features that are not centered.
#[derive(Debug, Clone)]
pub(in crate::estimators) struct Solved(pub(in crate::estimators) State);

impl Solved {
    /// The same for features that `mean` was taken off.
    fn at(&self, mean: &[f32]) -> State {
        let shifted = shifted(&self.0.weights, mean, 1.0);
        let intercepts =
            self.0.intercepts.iter().zip(shifted).map(|(b, shift)| (f64::from(*b) + shift) as f32).collect();
        State { weights: self.0.weights.clone(), intercepts }
    }
}

/// `sign` times what every model's weights make of `mean`.
fn shifted(weights: &Matrix, mean: &[f32], sign: f64) -> Vec<f64> {
    let of_model = |model| weights.row(model).iter().zip(mean).map(|(&w, &m)| f64::from(w) * f64::from(m)).sum::<f64>();
    (0..weights.rows()).map(|model| sign * of_model(model)).collect()
}

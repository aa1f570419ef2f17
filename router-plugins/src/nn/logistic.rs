//! Ridge logistic regression with an offset.
//!
//! For observations with features z, target q in [0, 1], weight w and offset o, it finds the r that minimises
//!
//! ```text
//! sum of w * cross_entropy(o + z'r, q)  +  penalty / 2 * |r|^2
//! ```
//!
//! which is strictly convex: there is one solution, whatever the start, and no learning rate. Newton's method, its steps by
//! conjugate gradients and halved until the objective falls enough (Nocedal and Wright, Numerical Optimization, algorithms 7.1
//! and 3.1). Each product with the Hessian costs O(n p); strong penalties need few of them. Sequential.
//!
//! The features are a [`Design`]: the rows of a matrix, or anything that can be multiplied with.
#![allow(clippy::indexing_slicing, reason = "lengths are checked at construction")]

use router_core::{Error, Matrix, Result};

use crate::nn::exponential::{cross_entropy, sigmoid};
use crate::nn::kernels::{add_scaled, dot};

/// Newton steps at most; a handful is usual.
const NEWTON_STEPS: usize = 50;
/// Products with the Hessian a Newton step at most.
const CONJUGATE_STEPS: usize = 100;
/// The solution is good when the gradient is below this share of the penalty: no coefficient is then further off than it.
const TOLERANCE: f64 = 1e-4;
/// Relative rounding error of the objective.
const ROUNDING: f64 = 1e-6;

/// The features of all observations, as the solver sees them: by what they make of coefficients.
pub trait Design {
    /// Rows of features; an observation names one.
    fn rows(&self) -> usize;
    /// Features a row, p.
    fn features(&self) -> usize;
    /// `out[i] = z'coefficients` for the features z of observation i.
    fn multiply(&self, observations: &[Observation], coefficients: &[f32], out: &mut [f32]);
    /// `to += sum over i of factors[i] * z`, z the features of observation i.
    fn accumulate(&self, observations: &[Observation], factors: &[f32], to: &mut [f32]);
}

impl Design for Matrix {
    fn rows(&self) -> usize {
        self.rows()
    }

    fn features(&self) -> usize {
        self.cols()
    }

    fn multiply(&self, observations: &[Observation], coefficients: &[f32], out: &mut [f32]) {
        for (seen, out) in observations.iter().zip(out) {
            *out = dot(self.row(seen.row), coefficients);
        }
    }

    fn accumulate(&self, observations: &[Observation], factors: &[f32], to: &mut [f32]) {
        for (seen, &factor) in observations.iter().zip(factors) {
            add_scaled(to, factor, self.row(seen.row));
        }
    }
}

/// The observations of one regression; several regressions may share their features.
#[derive(Debug)]
pub struct LogisticProblem<'a, D: Design = Matrix> {
    design: &'a D,
    observations: Vec<Observation>,
}

/// One observation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observation {
    /// The row of its features.
    pub row: usize,
    /// What was seen, in [0, 1].
    pub target: f32,
    /// How much it counts, zero or more.
    pub weight: f32,
    /// The logit without any coefficient.
    pub offset: f32,
}

impl<'a, D: Design> LogisticProblem<'a, D> {
    /// # Errors
    /// [`router_core::ErrorKind::Shape`] for an observation of a row that the features lack.
    pub fn new(design: &'a D, observations: Vec<Observation>) -> Result<Self> {
        if let Some(bad) = observations.iter().find(|observation| observation.row >= design.rows()) {
            return Err(Error::shape("row of features", format!("below {}", design.rows()), bad.row));
        }
        Ok(Self { design, observations })
    }

    /// Whether nothing was observed.
    pub fn is_empty(&self) -> bool {
        self.observations.is_empty()
    }

    /// The weighted sum of the cross-entropies under `coefficients`, without the penalty.
    pub fn loss(&self, coefficients: &[f32]) -> f64 {
        self.loss_of(coefficients, &mut vec![0.0; self.observations.len()])
    }

    /// [`loss`](Self::loss) with a number an observation to work on.
    fn loss_of(&self, coefficients: &[f32], logits: &mut [f32]) -> f64 {
        self.design.multiply(&self.observations, coefficients, logits);
        self.observations
            .iter()
            .zip(logits)
            .map(|(seen, logit)| f64::from(seen.weight) * f64::from(cross_entropy(seen.offset + *logit, seen.target)))
            .sum()
    }

    /// Moves `coefficients`, one a feature, from where they stand to the solution under `penalty` > 0. Starting close saves
    /// steps and changes the solution by no more than the tolerance.
    ///
    /// # Errors
    /// [`router_core::ErrorKind::Shape`] if there is not one coefficient a feature.
    pub fn solve(&self, penalty: f32, coefficients: &mut [f32]) -> Result<()> {
        let p = self.design.features();
        if coefficients.len() != p {
            return Err(Error::shape("coefficients", p, coefficients.len()));
        }
        let (mut curvature, mut logits) =
            (vec![0.0f32; self.observations.len()], vec![0.0f32; self.observations.len()]);
        let (mut gradient, mut step, mut trial) = (vec![0.0f32; p], vec![0.0f32; p], vec![0.0f32; p]);
        let mut workspace = Workspace { residual: vec![0.0; p], direction: vec![0.0; p], product: vec![0.0; p] };
        let mut objective = self.objective_of(coefficients, penalty, &mut logits);
        let (mut last_norm, mut settled) = (f64::INFINITY, false);
        for _ in 0..NEWTON_STEPS {
            self.differentiate(coefficients, penalty, &mut gradient, &mut curvature, &mut logits);
            let norm = f64::from(dot(&gradient, &gradient)).sqrt();
            if norm <= TOLERANCE * f64::from(penalty) || (settled && norm >= last_norm) {
                break;
            }
            last_norm = norm;
            self.newton_step(&gradient, &curvature, penalty, &mut step, &mut workspace, &mut logits);
            let slope = f64::from(dot(&gradient, &step));
            // Close to the solution the objective moves less than f32 can tell; from there the gradient's norm is the judge.
            let noise = ROUNDING * (1.0 + objective);
            let mut length = 1.0f32;
            loop {
                trial.copy_from_slice(coefficients);
                add_scaled(&mut trial, -length, &step);
                let there = self.objective_of(&trial, penalty, &mut logits);
                if there <= objective - 1e-4 * f64::from(length) * slope + noise {
                    settled = objective - there <= noise;
                    objective = there;
                    coefficients.copy_from_slice(&trial);
                    break;
                }
                length *= 0.5;
                if length < 1e-6 {
                    return Ok(()); // as good as f32 gets
                }
            }
        }
        Ok(())
    }

    /// What [`solve`](Self::solve) minimises: the loss and half the penalty on the squared coefficients.
    pub fn objective(&self, coefficients: &[f32], penalty: f32) -> f64 {
        self.objective_of(coefficients, penalty, &mut vec![0.0; self.observations.len()])
    }

    fn objective_of(&self, coefficients: &[f32], penalty: f32, logits: &mut [f32]) -> f64 {
        self.loss_of(coefficients, logits) + 0.5 * f64::from(penalty) * f64::from(dot(coefficients, coefficients))
    }

    fn differentiate(
        &self,
        coefficients: &[f32],
        penalty: f32,
        gradient: &mut [f32],
        curvature: &mut [f32],
        logits: &mut [f32],
    ) {
        for (gradient, &coefficient) in gradient.iter_mut().zip(coefficients) {
            *gradient = penalty * coefficient;
        }
        self.design.multiply(&self.observations, coefficients, logits);
        for ((seen, curvature), logit) in self.observations.iter().zip(curvature).zip(logits.iter_mut()) {
            let probability = sigmoid(seen.offset + *logit);
            *logit = seen.weight * (probability - seen.target);
            *curvature = seen.weight * probability * (1.0 - probability);
        }
        self.design.accumulate(&self.observations, logits, gradient);
    }

    /// Solves Hessian * step = gradient by conjugate gradients, to a tenth of the gradient.
    fn newton_step(
        &self,
        gradient: &[f32],
        curvature: &[f32],
        penalty: f32,
        step: &mut [f32],
        work: &mut Workspace,
        products: &mut [f32],
    ) {
        step.fill(0.0);
        work.residual.copy_from_slice(gradient);
        work.direction.copy_from_slice(gradient);
        let mut squared = dot(gradient, gradient);
        let enough = squared * 1e-2;
        for _ in 0..CONJUGATE_STEPS {
            for (product, &direction) in work.product.iter_mut().zip(&work.direction) {
                *product = penalty * direction;
            }
            self.design.multiply(&self.observations, &work.direction, products);
            products.iter_mut().zip(curvature).for_each(|(product, &curvature)| *product *= curvature);
            self.design.accumulate(&self.observations, products, &mut work.product);
            let length = squared / dot(&work.direction, &work.product);
            add_scaled(step, length, &work.direction);
            add_scaled(&mut work.residual, -length, &work.product);
            let next = dot(&work.residual, &work.residual);
            if next <= enough {
                break;
            }
            let keep = next / squared;
            for (direction, &residual) in work.direction.iter_mut().zip(&work.residual) {
                *direction = residual + keep * *direction;
            }
            squared = next;
        }
    }
}

struct Workspace {
    residual: Vec<f32>,
    direction: Vec<f32>,
    product: Vec<f32>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_constant_feature_has_the_solution_of_its_scalar_equation() {
        // 8 of 10 succeed: 10 s(r) - 8 + 2 r = 0, solved by bisection.
        let features = Matrix::from_vec(1, 1, vec![1.0]).unwrap();
        let seen = |target| Observation { row: 0, target, weight: 1.0, offset: 0.0 };
        let observations = (0..10).map(|i| seen(f32::from(u8::from(i < 8)))).collect();
        let problem = LogisticProblem::new(&features, observations).unwrap();
        let mut found = [0.0];
        problem.solve(2.0, &mut found).unwrap();
        let (mut low, mut high) = (0.0f64, 2.0f64);
        for _ in 0..60 {
            let r = 0.5 * (low + high);
            if 10.0 / (1.0 + (-r).exp()) - 8.0 + 2.0 * r > 0.0 { high = r } else { low = r }
        }
        assert!((f64::from(found[0]) - low).abs() < 2e-4, "{} and {low}", found[0]);
    }

    #[test]
    fn without_evidence_nothing_moves() {
        let features = Matrix::zeros(1, 3);
        let problem = LogisticProblem::new(&features, vec![]).unwrap();
        let mut found = [0.0; 3];
        problem.solve(1.0, &mut found).unwrap();
        assert_eq!(found, [0.0; 3]);
    }

    proptest! {
        /// At the solution the gradient, computed here apart in f64, is zero; from any start.
        #[test]
        fn the_gradient_vanishes_at_the_solution(
            numbers in prop::collection::vec(-3.0f32..3.0, 60),
            targets in prop::collection::vec(0.0f32..=1.0, 20),
            offsets in prop::collection::vec(-4.0f32..4.0, 20),
            start in -5.0f32..5.0,
            penalty in 0.1f32..30.0,
        ) {
            let features = Matrix::from_vec(20, 3, numbers).unwrap();
            let observations: Vec<Observation> = (0..20)
                .map(|row| Observation { row, target: targets[row], weight: 1.0 + (row % 3) as f32, offset: offsets[row] })
                .collect();
            let problem = LogisticProblem::new(&features, observations.clone()).unwrap();
            let mut found = [start; 3];
            problem.solve(penalty, &mut found).unwrap();
            for feature in 0..3 {
                let mut gradient = f64::from(penalty) * f64::from(found[feature]);
                for seen in &observations {
                    let z: f64 = f64::from(seen.offset)
                        + (0..3).map(|j| f64::from(features.get(seen.row, j)) * f64::from(found[j])).sum::<f64>();
                    let error = 1.0 / (1.0 + (-z).exp()) - f64::from(seen.target);
                    gradient += f64::from(seen.weight) * error * f64::from(features.get(seen.row, feature));
                }
                prop_assert!(gradient.abs() < 1e-3 * f64::from(penalty) + 1e-3, "{gradient}");
            }
        }
    }
}

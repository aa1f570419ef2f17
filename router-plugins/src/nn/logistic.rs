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
#![allow(clippy::indexing_slicing, reason = "lengths are checked at construction")]

use router_core::{Error, Matrix, Result};

use crate::nn::kernels::{add_scaled, cross_entropy, dot, sigmoid};

/// Newton steps at most; a handful is usual.
const NEWTON_STEPS: usize = 50;
/// Products with the Hessian a Newton step at most.
const CONJUGATE_STEPS: usize = 100;
/// The solution is good when the gradient is below this share of the penalty: no coefficient is then further off than it.
const TOLERANCE: f64 = 1e-4;
/// Relative rounding error of the objective.
const ROUNDING: f64 = 1e-6;

/// The observations of one regression; features are rows of a matrix that several regressions share.
#[derive(Debug)]
pub struct LogisticProblem<'a> {
    features: &'a Matrix,
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

impl<'a> LogisticProblem<'a> {
    /// # Errors
    /// [`router_core::ErrorKind::Shape`] for an observation of a row that the features lack.
    pub fn new(features: &'a Matrix, observations: Vec<Observation>) -> Result<Self> {
        if let Some(bad) = observations.iter().find(|observation| observation.row >= features.rows()) {
            return Err(Error::shape("row of features", format!("below {}", features.rows()), bad.row));
        }
        Ok(Self { features, observations })
    }

    /// Whether nothing was observed.
    pub fn is_empty(&self) -> bool {
        self.observations.is_empty()
    }

    /// The weighted sum of the cross-entropies under `coefficients`, without the penalty.
    pub fn loss(&self, coefficients: &[f32]) -> f64 {
        self.observations
            .iter()
            .map(|seen| {
                let logit = seen.offset + dot(self.features.row(seen.row), coefficients);
                f64::from(seen.weight) * f64::from(cross_entropy(logit, seen.target))
            })
            .sum()
    }

    /// Moves `coefficients`, one a feature, from where they stand to the solution under `penalty` > 0. Starting close saves
    /// steps and changes the solution by no more than the tolerance.
    ///
    /// # Errors
    /// [`router_core::ErrorKind::Shape`] if there is not one coefficient a feature.
    pub fn solve(&self, penalty: f32, coefficients: &mut [f32]) -> Result<()> {
        let p = self.features.cols();
        if coefficients.len() != p {
            return Err(Error::shape("coefficients", p, coefficients.len()));
        }
        let mut curvature = vec![0.0f32; self.observations.len()];
        let (mut gradient, mut step, mut trial) = (vec![0.0f32; p], vec![0.0f32; p], vec![0.0f32; p]);
        let mut workspace = Workspace { residual: vec![0.0; p], direction: vec![0.0; p], product: vec![0.0; p] };
        let mut objective = self.objective(coefficients, penalty);
        let (mut last_norm, mut settled) = (f64::INFINITY, false);
        for _ in 0..NEWTON_STEPS {
            self.differentiate(coefficients, penalty, &mut gradient, &mut curvature);
            let norm = f64::from(dot(&gradient, &gradient)).sqrt();
            if norm <= TOLERANCE * f64::from(penalty) || (settled && norm >= last_norm) {
                break;
            }
            last_norm = norm;
            self.newton_step(&gradient, &curvature, penalty, &mut step, &mut workspace);
            let slope = f64::from(dot(&gradient, &step));
            // Close to the solution the objective moves less than f32 can tell; from there the gradient's norm is the judge.
            let noise = ROUNDING * (1.0 + objective);
            let mut length = 1.0f32;
            loop {
                trial.copy_from_slice(coefficients);
                add_scaled(&mut trial, -length, &step);
                let there = self.objective(&trial, penalty);
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

    fn objective(&self, coefficients: &[f32], penalty: f32) -> f64 {
        self.loss(coefficients) + 0.5 * f64::from(penalty) * f64::from(dot(coefficients, coefficients))
    }

    fn differentiate(&self, coefficients: &[f32], penalty: f32, gradient: &mut [f32], curvature: &mut [f32]) {
        for (gradient, &coefficient) in gradient.iter_mut().zip(coefficients) {
            *gradient = penalty * coefficient;
        }
        for (seen, curvature) in self.observations.iter().zip(curvature) {
            let features = self.features.row(seen.row);
            let probability = sigmoid(seen.offset + dot(features, coefficients));
            add_scaled(gradient, seen.weight * (probability - seen.target), features);
            *curvature = seen.weight * probability * (1.0 - probability);
        }
    }

    /// Solves Hessian * step = gradient by conjugate gradients, to a tenth of the gradient.
    fn newton_step(&self, gradient: &[f32], curvature: &[f32], penalty: f32, step: &mut [f32], work: &mut Workspace) {
        step.fill(0.0);
        work.residual.copy_from_slice(gradient);
        work.direction.copy_from_slice(gradient);
        let mut squared = dot(gradient, gradient);
        let enough = squared * 1e-2;
        for _ in 0..CONJUGATE_STEPS {
            for (product, &direction) in work.product.iter_mut().zip(&work.direction) {
                *product = penalty * direction;
            }
            for (seen, &curvature) in self.observations.iter().zip(curvature) {
                let features = self.features.row(seen.row);
                add_scaled(&mut work.product, curvature * dot(features, &work.direction), features);
            }
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

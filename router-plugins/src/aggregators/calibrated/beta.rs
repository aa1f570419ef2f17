//! Beta calibration by Newton's method.
#![allow(
    clippy::indexing_slicing,
    clippy::needless_range_loop,
    reason = "arrays of three numbers, indexed as in the formulas"
)]

use super::map::{Map, Point, logarithms};

/// Strength of the pull to the identity, in outcomes.
const PULL: f64 = 1.0;
/// Steps at most; a handful is needed.
const STEPS: usize = 100;

/// The map of the highest penalized likelihood of `points`, a and b at least 0:
///
/// ```text
/// sum of weight * (y ln p + (1 - y) ln(1 - p)) - 1/2 PULL * |(a, b, c) - (1, 1, 0)|^2
/// ```
///
/// A parameter that would be negative is zero, and the rest is fitted again, as in section 4.1 of the paper. The identity without a
/// point. O(n) a step.
pub(super) fn fit(points: &[Point]) -> Map {
    if points.is_empty() {
        return Map::Identity;
    }
    let mut free = [true; 3];
    loop {
        let found = maximize(points, free);
        match (0..2).find(|&at| found[at] < 0.0) {
            Some(negative) => free[negative] = false,
            None => return Map::Beta { a: found[0], b: found[1], c: found[2] },
        }
    }
}

/// The identity.
const START: [f64; 3] = [1.0, 1.0, 0.0];

/// The maximum over the `free` parameters, the others zero. The objective is strictly concave, so that steps that are halved until they
/// gain find it.
fn maximize(points: &[Point], free: [bool; 3]) -> [f64; 3] {
    let mut at: [f64; 3] = std::array::from_fn(|part| if free[part] { START[part] } else { 0.0 });
    let mut value = objective(points, at);
    for _ in 0..STEPS {
        let (gradient, hessian) = derivatives(points, at, free);
        let step = solve(hessian, gradient);
        let mut scale = 1.0;
        let mut moved = false;
        while scale > 1e-6 {
            let next: [f64; 3] = std::array::from_fn(|part| at[part] + scale * step[part]);
            let gained = objective(points, next);
            if gained > value {
                (at, value, moved) = (next, gained, true);
                break;
            }
            scale *= 0.5;
        }
        if !moved || step.iter().all(|part| part.abs() < 1e-10) {
            break;
        }
    }
    at
}

fn features(point: &Point) -> [f64; 3] {
    let [low, high] = logarithms(point.estimate);
    [low, high, 1.0]
}

fn logit(parameters: [f64; 3], features: [f64; 3]) -> f64 {
    parameters.iter().zip(features).map(|(parameter, feature)| parameter * feature).sum()
}

fn objective(points: &[Point], parameters: [f64; 3]) -> f64 {
    let likelihood: f64 = points
        .iter()
        .map(|point| {
            let logit = logit(parameters, features(point));
            // y z - ln(1 + e^z), without overflow.
            point.weight * (point.quality * logit - logit.max(0.0) - (-logit.abs()).exp().ln_1p())
        })
        .sum();
    let away: f64 = parameters.iter().zip(START).map(|(parameter, start)| (parameter - start).powi(2)).sum();
    likelihood - 0.5 * PULL * away
}

/// Gradient and negative Hessian; a parameter that is not free has the gradient 0 and stands alone.
fn derivatives(points: &[Point], parameters: [f64; 3], free: [bool; 3]) -> ([f64; 3], [[f64; 3]; 3]) {
    let (mut gradient, mut hessian) = ([0.0; 3], [[0.0; 3]; 3]);
    for point in points {
        let features = features(point);
        let probability = 1.0 / (1.0 + (-logit(parameters, features)).exp());
        for i in 0..3 {
            gradient[i] += point.weight * (point.quality - probability) * features[i];
            for j in 0..3 {
                hessian[i][j] += point.weight * probability * (1.0 - probability) * features[i] * features[j];
            }
        }
    }
    for i in 0..3 {
        gradient[i] -= PULL * (parameters[i] - START[i]);
        hessian[i][i] += PULL;
        if !free[i] {
            gradient[i] = 0.0;
            for j in 0..3 {
                hessian[i][j] = 0.0;
                hessian[j][i] = 0.0;
            }
            hessian[i][i] = 1.0;
        }
    }
    (gradient, hessian)
}

/// Solves a positive definite system by Gaussian elimination, which needs no pivots there.
fn solve(mut matrix: [[f64; 3]; 3], mut right: [f64; 3]) -> [f64; 3] {
    for at in 0..3 {
        for below in at + 1..3 {
            let factor = matrix[below][at] / matrix[at][at];
            for column in at..3 {
                matrix[below][column] -= factor * matrix[at][column];
            }
            right[below] -= factor * right[at];
        }
    }
    let mut solution = [0.0; 3];
    for at in (0..3).rev() {
        let known: f64 = (at + 1..3).map(|column| matrix[at][column] * solution[column]).sum();
        solution[at] = (right[at] - known) / matrix[at][at];
    }
    solution
}

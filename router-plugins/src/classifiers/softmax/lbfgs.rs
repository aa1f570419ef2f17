//! Limited-memory BFGS with a weak Wolfe line search, for smooth convex functions.
#![allow(clippy::indexing_slicing, reason = "all vectors have the length of the start, as the history was built")]

use std::collections::VecDeque;

use router_core::Result;

/// Pairs of steps and gradient changes that stand for the Hessian.
const MEMORY: usize = 10;
/// Most evaluations of one line search.
const LINE_SEARCH: usize = 40;
/// A step must bring this share of the decrease that the slope promises.
const SUFFICIENT_DECREASE: f64 = 1e-4;
/// A step must leave less than this share of the slope.
const CURVATURE: f64 = 0.9;

/// Step, gradient change, and the inverse of their inner product.
type Pair = (Vec<f64>, Vec<f64>, f64);

/// Minimises `evaluate`, which writes the gradient and gives the value, starting at `at`. Gives the number of iterations.
///
/// Nocedal and Wright, algorithm 7.5, with the two-loop recursion 7.4; steps by bisection until the weak Wolfe conditions hold
/// (Lewis and Overton, 2013). Stops where no element of the gradient exceeds `tolerance`, or where rounding leaves no decrease.
pub(super) fn minimize(
    at: &mut [f64],
    iterations: usize,
    tolerance: f64,
    mut evaluate: impl FnMut(&[f64], &mut [f64]) -> f64,
    mut each: impl FnMut() -> Result<()>,
) -> Result<usize> {
    let mut gradient = vec![0.0; at.len()];
    let mut value = evaluate(at, &mut gradient);
    let mut history: VecDeque<Pair> = VecDeque::with_capacity(MEMORY);
    let (mut next, mut next_gradient) = (at.to_vec(), gradient.clone());
    for iteration in 0..iterations {
        each()?;
        if gradient.iter().all(|slope| slope.abs() <= tolerance) {
            return Ok(iteration);
        }
        let mut direction = direction(&gradient, &history);
        let mut slope = dot(&direction, &gradient);
        if slope >= 0.0 {
            // Rounding has spoiled the history; steepest descent always descends.
            history.clear();
            direction.clone_from(&gradient);
            for element in &mut direction {
                *element = -*element;
            }
            slope = -dot(&gradient, &gradient);
        }
        let first = if history.is_empty() { 1.0 / dot(&gradient, &gradient).sqrt().max(1.0) } else { 1.0 };
        let (mut step, mut shortest, mut longest) = (first, 0.0, f64::INFINITY);
        let mut found = None;
        for _ in 0..LINE_SEARCH {
            for ((next, at), direction) in next.iter_mut().zip(at.iter()).zip(&direction) {
                *next = at + step * direction;
            }
            let next_value = evaluate(&next, &mut next_gradient);
            if next_value.is_nan() || next_value > value + SUFFICIENT_DECREASE * step * slope {
                longest = step;
            } else if dot(&next_gradient, &direction) < CURVATURE * slope {
                found = Some(next_value);
                shortest = step;
            } else {
                found = Some(next_value);
                break;
            }
            step = if longest.is_finite() { f64::midpoint(shortest, longest) } else { 2.0 * step };
        }
        let Some(next_value) = found.filter(|&found| found < value) else { return Ok(iteration) };
        remember(&mut history, at, &next, &gradient, &next_gradient);
        at.copy_from_slice(&next);
        std::mem::swap(&mut gradient, &mut next_gradient);
        value = next_value;
    }
    Ok(iterations)
}

fn remember(history: &mut VecDeque<Pair>, at: &[f64], next: &[f64], gradient: &[f64], next_gradient: &[f64]) {
    let step: Vec<f64> = next.iter().zip(at).map(|(next, at)| next - at).collect();
    let change: Vec<f64> = next_gradient.iter().zip(gradient).map(|(next, at)| next - at).collect();
    let product = dot(&step, &change);
    // Without positive curvature the pair would spoil the Hessian's positive definiteness.
    if product > 1e-12 * dot(&change, &change).max(f64::MIN_POSITIVE) {
        if history.len() == MEMORY {
            history.pop_front();
        }
        history.push_back((step, change, 1.0 / product));
    }
}

/// The two-loop recursion: minus the inverse Hessian's estimate times the gradient.
fn direction(gradient: &[f64], history: &VecDeque<Pair>) -> Vec<f64> {
    let mut direction: Vec<f64> = gradient.iter().map(|slope| -slope).collect();
    let mut shares = vec![0.0; history.len()];
    for (share, (step, change, inverse)) in shares.iter_mut().zip(history).rev() {
        *share = inverse * dot(step, &direction);
        add(&mut direction, -*share, change);
    }
    if let Some((_, change, inverse)) = history.back() {
        let scale = 1.0 / (inverse * dot(change, change));
        for element in &mut direction {
            *element *= scale;
        }
    }
    for (share, (step, change, inverse)) in shares.iter().zip(history) {
        let back = inverse * dot(change, &direction);
        add(&mut direction, share - back, step);
    }
    direction
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn add(sum: &mut [f64], scale: f64, part: &[f64]) {
    for (sum, part) in sum.iter_mut().zip(part) {
        *sum += scale * part;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ill_conditioned_quadratic_is_solved() {
        // Minimum of sum c_i (x_i - i)^2 / 2 with c from 1 to 10,000.
        let curvature = |i: usize| 10f64.powi(i as i32);
        let mut at = vec![0.0; 5];
        let iterations = minimize(
            &mut at,
            500,
            1e-8,
            |x, gradient| {
                let mut value = 0.0;
                for i in 0..5 {
                    let off = x[i] - i as f64;
                    gradient[i] = curvature(i) * off;
                    value += 0.5 * curvature(i) * off * off;
                }
                value
            },
            || Ok(()),
        )
        .unwrap();
        assert!(iterations < 100, "{iterations}");
        for (i, x) in at.iter().enumerate() {
            assert!((x - i as f64).abs() < 1e-6);
        }
    }

    #[test]
    fn rosenbrock_is_solved_and_work_can_be_stopped() {
        let rosenbrock = |x: &[f64], gradient: &mut [f64]| {
            let (a, b) = (1.0 - x[0], x[1] - x[0] * x[0]);
            gradient[0] = -2.0 * a - 400.0 * x[0] * b;
            gradient[1] = 200.0 * b;
            a * a + 100.0 * b * b
        };
        let mut at = [-1.2, 1.0];
        minimize(&mut at, 200, 1e-9, rosenbrock, || Ok(())).unwrap();
        assert!((at[0] - 1.0).abs() < 1e-6 && (at[1] - 1.0).abs() < 1e-6, "{at:?}");
        let stop = || Err(router_core::Error::new(router_core::ErrorKind::Cancelled, "enough"));
        assert!(minimize(&mut [-1.2, 1.0], 200, 1e-9, rosenbrock, stop).is_err());
    }
}

use rand::Rng as _;
use router_core::pipeline::Prediction;
use router_core::prelude::*;
use router_core::{Placement, Seed};

use super::*;

/// Predictions for `n` prompts of two tasks by three models: the first is better in the first task, the second in the second, the
/// third the same everywhere; hardness varies with the prompt.
fn prediction(n: usize) -> Prediction {
    let mut aggregate = Estimates::new();
    aggregate.reset(n, 3);
    let mut tasks = TaskDistribution::new();
    tasks.reset(n, 2);
    for row in 0..n {
        let (first, ease) = (row % 2 == 0, 0.2 * ((row * 7) % 10) as f32 / 10.0);
        let quality = if first { [0.8, 0.2, 0.5] } else { [0.2, 0.8, 0.5] };
        aggregate.quality_mut().row_mut(row).copy_from_slice(&quality.map(|quality| quality - ease));
        let (probabilities, assigned) = tasks.row_mut(row);
        probabilities.copy_from_slice(if first { &[0.9, 0.1] } else { &[0.1, 0.9] });
        *assigned = Some(TaskId(u32::from(!first)));
    }
    Prediction { tasks, parts: Vec::new(), aggregate, cost_usd: Matrix::zeros(n, 3) }
}

/// What the placement expects of the newcomer for every prompt.
fn expected(prediction: &Prediction, placement: &Placement) -> Vec<f32> {
    (0..prediction.cost_usd.rows())
        .map(|row| {
            let known = prediction.aggregate.quality().row(row);
            let mean = known.iter().sum::<f32>() / known.len() as f32;
            let strengths: f32 = known.iter().zip(&placement.weights).map(|(q, w)| w * (q - mean)).sum();
            let tasks: f32 = prediction.tasks.probabilities(row).iter().zip(&placement.tasks).map(|(p, t)| p * t).sum();
            mean + placement.intercept + strengths + tasks
        })
        .collect()
}

fn mean_error(found: &[f32], truth: &[f32]) -> f32 {
    found.iter().zip(truth).map(|(a, b)| (a - b).abs()).sum::<f32>() / truth.len() as f32
}

#[test]
fn a_newcomer_that_is_like_a_known_model_is_placed_there() {
    let all = prediction(200);
    // Exactly the first model, and a tenth better.
    let truth: Vec<f32> = (0..200).map(|row| all.aggregate.quality().get(row, 0) + 0.1).collect();
    let outcomes: Vec<(usize, f32)> = (0..60).map(|row| (row, truth[row])).collect();
    let placed = place(&all, 3, &outcomes, 0.0).unwrap();
    assert!(mean_error(&expected(&all, &placed.placement), &truth) < 0.02, "{placed:?}");
    assert!(placed.held_out_error < 0.1 * placed.held_out_error_of_mean.unwrap(), "{placed:?}");
}

#[test]
fn noisy_outcomes_of_a_specialist_teach_its_task() {
    let all = prediction(400);
    let chance: Vec<f32> = (0..400).map(|row| if row % 2 == 0 { 0.9 } else { 0.1 }).collect();
    let mut stream = Seed::root(3).stream("outcomes");
    let draw = |chance: f32, stream: &mut router_core::SeedStream| {
        f32::from(u8::from((stream.next_u32() >> 8) as f32 / 16_777_216.0 < chance))
    };
    let outcomes: Vec<(usize, f32)> = (0..80).map(|row| (row, draw(chance[row], &mut stream))).collect();
    let placed = place(&all, 3, &outcomes, 0.0).unwrap();
    let found = expected(&all, &placed.placement);
    assert!(found[0] > 0.7 && found[1] < 0.3, "{} {}", found[0], found[1]);
    // One outcome says something of the level and little else.
    let one = place(&all, 3, &[(0, 1.0)], 0.0).unwrap();
    let found = expected(&all, &one.placement);
    let mean = all.aggregate.quality().row(1).iter().sum::<f32>() / 3.0;
    assert!((found[1] - mean).abs() < 0.15, "{} {mean}", found[1]);
    assert!(one.placement.variance > placed.placement.variance, "{one:?}");
    let cautious = place(&all, 3, &[(0, 1.0)], 2.0).unwrap();
    let lowered = one.placement.intercept - cautious.placement.intercept;
    assert!((lowered - 2.0 * one.placement.variance.sqrt()).abs() < 1e-5, "{lowered}");
}

/// Rasmussen and Williams' equation 5.12 against fitting anew without each outcome.
#[test]
fn leaving_out_is_what_leaving_out_does() {
    let all = prediction(12);
    let outcomes: Vec<(usize, f32)> = (0..12).map(|row| (row, f32::from(u8::from(row % 3 == 0)))).collect();
    let products = |rows: &[usize]| super::kernel::Features::new(&all, 3, rows).products();
    let prior = super::kernel::Prior::of_pool(3);
    // By hand for the kernel of one prompt left out: k' (K + noise)^-1 y by Gaussian elimination on eleven prompts.
    let everything = products(&(0..12).collect::<Vec<_>>()).covariance(&prior);
    let deviation = |row: usize| {
        let known = all.aggregate.quality().row(row);
        f64::from(outcomes[row].1) - f64::from(known.iter().sum::<f32>()) / 3.0
    };
    let mut total = 0.0;
    for out in 0..12 {
        let rest: Vec<usize> = (0..12).filter(|&row| row != out).collect();
        let mut system: Vec<Vec<f64>> = rest
            .iter()
            .map(|&a| {
                let mut line: Vec<f64> = rest.iter().map(|&b| everything[a * 12 + b]).collect();
                line.push(deviation(a));
                line
            })
            .collect();
        for (at, line) in system.iter_mut().enumerate() {
            line[at] += prior.noise;
        }
        for at in 0..11 {
            for below in at + 1..11 {
                let share = system[below][at] / system[at][at];
                let (above, line) = system.split_at_mut(below);
                line[0].iter_mut().zip(&above[at]).skip(at).for_each(|(to, value)| *to -= share * value);
            }
        }
        let mut weights = [0.0; 11];
        for at in (0..11).rev() {
            let known: f64 = (at + 1..11).map(|column| system[at][column] * weights[column]).sum();
            weights[at] = (system[at][11] - known) / system[at][at];
        }
        let predicted: f64 = rest.iter().zip(weights).map(|(&row, weight)| weight * everything[out * 12 + row]).sum();
        total += (deviation(out) - predicted).powi(2);
    }
    let by_hand = (total / 12.0).sqrt();
    let found = super::place::held_out_error_under(&all, 3, &outcomes, &prior).unwrap();
    assert!((found - by_hand).abs() < 1e-6, "{found} {by_hand}");
}

#[test]
fn the_first_prompts_asked_are_of_both_tasks_and_differ() {
    let all = prediction(300);
    let chosen = choose(&all, 3, 20, &FitContext::new(7)).unwrap();
    assert_eq!(chosen.len(), 20);
    assert_ne!(chosen[0] % 2, chosen[1] % 2, "{chosen:?}");
    let first = chosen.iter().filter(|&&row| row % 2 == 0).count();
    assert!((8..=12).contains(&first), "{chosen:?}");
    let distinct: std::collections::BTreeSet<_> = chosen.iter().collect();
    assert_eq!(distinct.len(), 20);
    assert_eq!(choose(&all, 3, 1000, &FitContext::new(7)).unwrap().len(), 300, "as many as there are");
}

#[test]
fn what_cannot_be_placed_is_told() {
    let all = prediction(10);
    let kind = |result: Result<Placed>| result.err().map(|error| error.kind());
    assert_eq!(kind(place(&all, 3, &[], 0.0)), Some(ErrorKind::Data));
    assert_eq!(kind(place(&all, 4, &[(0, 1.0)], 0.0)), Some(ErrorKind::Shape));
    assert_eq!(kind(place(&all, 3, &[(10, 1.0)], 0.0)), Some(ErrorKind::Shape));
    assert_eq!(kind(place(&all, 3, &[(1, f32::NAN)], 0.0)), Some(ErrorKind::NonFinite));
}

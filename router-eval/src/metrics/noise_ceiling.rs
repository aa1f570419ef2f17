//! The noise ceiling: how much of the oracle's lead single samples alone would explain.
//!
//! An outcome is one sample of a model's answer. The oracle takes the best of m samples, and that maximum rises with m even where
//! all models are alike: part of its lead over the best single model is luck, which no router can earn. How large that part is
//! cannot be read from single samples without assumptions, since a coin that fell heads and a sure success look the same. This is
//! therefore a **model**, and what it gives is a bound:
//!
//! **Model.** Outcomes are Bernoulli with `P(model m solves prompt i) = logistic(a(b, m) + d(i))`: an ability of the model on the
//! prompt's benchmark b, and a difficulty of the prompt, `d(i) ~ Normal(0, sigma(b)^2)`, that all models share (Rasch 1960; the
//! marginal form of Bock and Lieberman 1970). Given benchmark and difficulty, models differ by chance alone. The rate of a model on
//! a benchmark is its mean there, with one more observation at its mean over all (so that a rate of 0 or 1 of few prompts is
//! not taken for a certainty); `a` gives that rate in the mean over d; `sigma` is what reproduces the observed covariance between models'
//! outcomes on the same prompt, by bisection. Normal integrals are sums over 33 equidistant points in [-4, 4].
//!
//! **Noise lead.** `mean over prompts of E[max over m of outcome] - max over m of P(m)`: what the maximum over single samples has above
//! the best model for each benchmark. In closed form given d: `1 - product of (1 - p)`.
//!
//! **How to read it.** The share `noise lead / observed lead of the oracle` is an **upper bound** of what noise explains as far as the
//! model holds: skills that differ from prompt to prompt within a benchmark, for one model and not for others, are counted as noise
//! here. What is left, `1 - share`, is lead that chance does not explain, however models were lucky. Repeated samples would tell
//! more. Prompts with a graded outcome (neither 0 nor 1) are left out, since their noise is not Bernoulli.
//!
//! O(prompts * models + benchmarks * models * 33 * 900).
#![allow(clippy::indexing_slicing, reason = "tables are allocated for every benchmark and model seen")]

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Points of the normal integrals, from -4 to 4.
const POINTS: i32 = 33;
/// Steps of a bisection.
const STEPS: usize = 30;
/// The largest standard deviation of difficulty that is looked for.
const LARGEST_SIGMA: f64 = 8.0;

/// The outcomes of one prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct PromptOutcomes {
    /// The number of its benchmark.
    pub benchmark: usize,
    /// The quality of every model; `None` where it was not observed.
    pub outcomes: Vec<Option<f64>>,
}

/// How much of the oracle's lead chance alone would explain.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct NoiseCeiling {
    /// The oracle's observed lead over the best single model of these prompts.
    pub oracle_lead: f64,
    /// The lead that single samples alone would give an oracle over the best model for each benchmark.
    pub noise_lead: f64,
    /// `noise_lead / oracle_lead`, at most 1; `None` where the oracle leads by less than 0.005. An upper bound: see the module.
    pub share: Option<f64>,
    /// The lead of the best model for each benchmark over the best single one, by the model's rates.
    pub benchmark_lead: f64,
    /// The standard deviation of difficulty, in logits, the mean over benchmarks by prompts.
    pub difficulty: f64,
    /// Prompts that count.
    pub prompts: usize,
    /// Prompts left out for a graded outcome.
    pub graded: usize,
}

/// The noise ceiling of `prompts`; `None` for fewer than two models, or without a prompt of 0/1 outcomes.
pub fn noise_ceiling(prompts: &[PromptOutcomes]) -> Option<NoiseCeiling> {
    let is_graded = |prompt: &&PromptOutcomes| prompt.outcomes.iter().flatten().any(|&y| y > 0.0 && y < 1.0);
    let graded = prompts.iter().filter(is_graded).count();
    let rows: Vec<&PromptOutcomes> =
        prompts.iter().filter(|prompt| !is_graded(prompt) && prompt.outcomes.iter().any(Option::is_some)).collect();
    let models = rows.iter().map(|row| row.outcomes.len()).max()?;
    if models < 2 {
        return None;
    }
    let overall = rates(&rows, models, &vec![0.5; models], 0.0);
    let mut benchmarks: BTreeMap<usize, Vec<&PromptOutcomes>> = BTreeMap::new();
    for row in &rows {
        benchmarks.entry(row.benchmark).or_default().push(row);
    }
    let n = rows.len() as f64;
    let (mut noise, mut benchmark_best, mut difficulty) = (0.0, 0.0, 0.0);
    let mut single = vec![(0.0, 0.0); models];
    for rows in benchmarks.values() {
        let rates = rates(rows, models, &overall, 1.0);
        let sigma = shared_difficulty(rows, &rates);
        let abilities: Vec<f64> = rates.iter().map(|&rate| ability(rate, sigma)).collect();
        let mut known: BTreeMap<Vec<bool>, (f64, f64)> = BTreeMap::new();
        for row in rows {
            let mask: Vec<bool> = row.outcomes.iter().map(Option::is_some).collect();
            let (lucky, best) = *known.entry(mask).or_insert_with_key(|mask| {
                let observed = |values: &[f64]| -> Vec<f64> {
                    values.iter().zip(mask).filter(|(_, seen)| **seen).map(|(value, _)| *value).collect()
                };
                let best = observed(&rates).into_iter().fold(0.0, f64::max);
                (any_success(&observed(&abilities), sigma), best)
            });
            noise += lucky - best;
            benchmark_best += best;
            for ((sum, rate), _) in single.iter_mut().zip(&rates).zip(&row.outcomes).filter(|(_, y)| y.is_some()) {
                sum.0 += rate;
                sum.1 += 1.0;
            }
        }
        difficulty += sigma * rows.len() as f64;
    }
    let best_of = |sums: &[(f64, f64)]| {
        sums.iter().filter(|(_, count)| *count > 0.0).map(|(sum, count)| sum / count).fold(0.0, f64::max)
    };
    let observed: Vec<(f64, f64)> = (0..models)
        .map(|model| {
            let known = rows.iter().filter_map(|row| row.outcomes.get(model).copied().flatten());
            known.fold((0.0, 0.0), |(sum, count), y| (sum + y, count + 1.0))
        })
        .collect();
    let oracle: f64 = rows.iter().map(|row| row.outcomes.iter().flatten().copied().fold(0.0, f64::max)).sum();
    let (oracle_lead, noise_lead) = (oracle / n - best_of(&observed), noise / n);
    Some(NoiseCeiling {
        oracle_lead,
        noise_lead,
        share: (oracle_lead >= 0.005).then(|| (noise_lead / oracle_lead).clamp(0.0, 1.0)),
        benchmark_lead: benchmark_best / n - best_of(&single),
        difficulty: difficulty / n,
        prompts: rows.len(),
        graded,
    })
}

/// Every model's rate over `rows`, with `weight` further observations at `prior`.
fn rates(rows: &[&PromptOutcomes], models: usize, prior: &[f64], weight: f64) -> Vec<f64> {
    let mut sums: Vec<(f64, f64)> = prior.iter().map(|rate| (rate * weight, weight)).collect();
    sums.resize(models, (0.0, 0.0));
    for row in rows {
        for (sum, y) in sums.iter_mut().zip(&row.outcomes) {
            if let Some(y) = y {
                sum.0 += y;
                sum.1 += 1.0;
            }
        }
    }
    sums.iter().zip(prior).map(|((sum, count), prior)| if *count > 0.0 { sum / count } else { *prior }).collect()
}

/// The standard deviation of difficulty at which the model has the observed covariance between models, summed over pairs.
fn shared_difficulty(rows: &[&PromptOutcomes], rates: &[f64]) -> f64 {
    let (mut observed, mut pairs) = (0.0, 0.0);
    for row in rows {
        let residuals = row.outcomes.iter().zip(rates).filter_map(|(y, rate)| Some((*y)? - rate));
        let (sum, squares, count) =
            residuals.fold((0.0, 0.0, 0.0), |(sum, squares, count), e| (sum + e, squares + e * e, count + 1.0));
        observed += sum * sum - squares;
        pairs += count * (count - 1.0);
    }
    let n = rows.len() as f64;
    if n < 2.0 || pairs <= 0.0 {
        return 0.0;
    }
    // Residuals from a mean of the same rows are too small by that.
    let observed = observed / pairs * n / (n - 1.0);
    let expected = |sigma: f64| {
        let abilities: Vec<f64> = rates.iter().map(|&rate| ability(rate, sigma)).collect();
        let mut total = 0.0;
        for (z, weight) in normal() {
            let residuals = abilities.iter().zip(rates).map(|(a, rate)| logistic(a + sigma * z) - rate);
            let (sum, squares) = residuals.fold((0.0, 0.0), |(sum, squares), e| (sum + e, squares + e * e));
            total += weight * (sum * sum - squares);
        }
        total / (rates.len() * (rates.len() - 1)) as f64
    };
    if observed <= 0.0 {
        return 0.0;
    }
    bisect(0.0, LARGEST_SIGMA, |sigma| expected(sigma) < observed)
}

/// The ability at which the mean rate over normal difficulty is `rate`.
fn ability(rate: f64, sigma: f64) -> f64 {
    let rate = rate.clamp(1e-9, 1.0 - 1e-9);
    let alone = (rate / (1.0 - rate)).ln();
    if sigma <= 0.0 {
        return alone;
    }
    let mean = |a: f64| normal().map(|(z, weight)| weight * logistic(a + sigma * z)).sum::<f64>();
    let reach = 6.0 * sigma + 1.0;
    bisect(alone - reach, alone + reach, |a| mean(a) < rate)
}

/// The chance that any model of these abilities succeeds.
fn any_success(abilities: &[f64], sigma: f64) -> f64 {
    let all_fail = |z: f64| abilities.iter().map(|a| 1.0 - logistic(a + sigma * z)).product::<f64>();
    1.0 - normal().map(|(z, weight)| weight * all_fail(z)).sum::<f64>()
}

/// Points and weights of the standard normal distribution.
fn normal() -> impl Iterator<Item = (f64, f64)> {
    let half = f64::from(POINTS - 1) / 2.0;
    let step = 4.0 / half;
    let points = move || (0..POINTS).map(move |at| (f64::from(at) - half) * step);
    let density = |z: f64| (-z * z / 2.0).exp();
    let total: f64 = points().map(density).sum();
    points().map(move |z| (z, density(z) / total))
}

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Where `is_below` turns from true to false.
fn bisect(mut low: f64, mut high: f64, is_below: impl Fn(f64) -> bool) -> f64 {
    for _ in 0..STEPS {
        let middle = f64::midpoint(low, high);
        if is_below(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}

#[cfg(test)]
mod tests {
    use rand::RngExt as _;
    use router_core::Seed;

    use super::*;

    /// A world of `n` prompts in which model m of prompt i succeeds with `chance(i, m)`; prompt i is of benchmark `i % labels`.
    fn world(n: usize, models: usize, labels: usize, chance: impl Fn(usize, usize) -> f64) -> Vec<PromptOutcomes> {
        let mut stream = Seed::root(5).stream("world");
        (0..n)
            .map(|i| PromptOutcomes {
                benchmark: i % labels,
                outcomes: (0..models)
                    .map(|m| Some(f64::from(u8::from(stream.random::<f64>() < chance(i, m)))))
                    .collect(),
            })
            .collect()
    }

    #[test]
    fn equal_models_lead_by_noise_alone() {
        // Seven models that all succeed with 0.6: the oracle has 1 - 0.4^7 = 0.998, a lead of 0.398 that is all luck.
        let found = noise_ceiling(&world(3000, 7, 3, |_, _| 0.6)).unwrap();
        assert!((found.noise_lead - (1.0 - 0.4f64.powi(7) - 0.6)).abs() < 0.03, "{found:?}");
        assert!(found.share.unwrap() > 0.93, "{found:?}");
        assert!(found.difficulty < 0.3, "{found:?}");
    }

    #[test]
    fn certain_skills_leave_no_noise() {
        // Model m solves benchmark m and nothing else: the oracle's lead of 0.75 is skill.
        let found = noise_ceiling(&world(2000, 4, 4, |i, m| f64::from(u8::from(i % 4 == m)))).unwrap();
        assert!((found.oracle_lead - 0.75).abs() < 1e-12 && (found.benchmark_lead - 0.75).abs() < 0.01, "{found:?}");
        assert!(found.share.unwrap() < 0.01, "{found:?}");
    }

    #[test]
    fn shared_difficulty_is_no_luck() {
        // Every prompt is solved by all or by none, at random: the oracle leads by nothing, and nothing is ascribed to noise.
        let mut stream = Seed::root(6).stream("prompts");
        let easy: Vec<f64> = (0..2000).map(|_| f64::from(u8::from(stream.random::<f64>() < 0.6))).collect();
        let found = noise_ceiling(&world(2000, 5, 1, |i, _| easy[i])).unwrap();
        assert_eq!((found.oracle_lead, found.share), (0.0, None));
        assert!(found.noise_lead < 0.12, "independent coins would give 0.39: {found:?}");
    }

    #[test]
    fn a_mixed_world_has_the_noise_that_was_planted() {
        // Abilities from -0.5 to 0.7 and difficulties of standard deviation 1.5; the truth is known prompt by prompt.
        let (n, models) = (6000, 6);
        let mut stream = Seed::root(7).stream("difficulty");
        let mut normal = || (0..12).map(|_| stream.random::<f64>()).sum::<f64>() - 6.0;
        let difficulty: Vec<f64> = (0..n).map(|_| 1.5 * normal()).collect();
        let chance = |i: usize, m: usize| logistic(0.24 * m as f64 - 0.5 + difficulty[i]);
        let truth: f64 = (0..n)
            .map(|i| {
                let fail: f64 = (0..models).map(|m| 1.0 - chance(i, m)).product();
                1.0 - fail - chance(i, models - 1)
            })
            .sum::<f64>()
            / n as f64;
        let found = noise_ceiling(&world(n, models, 2, chance)).unwrap();
        assert!((found.noise_lead - truth).abs() < 0.02, "{truth} {found:?}");
        assert!((found.difficulty - 1.5).abs() < 0.15, "{found:?}");
        assert!(found.share.unwrap() > 0.9, "nothing else leads here: {found:?}");
    }

    #[test]
    fn skills_without_a_label_count_as_noise() {
        // The world of certain skills with its labels hidden: the bound is loose, as its documentation says.
        let mut hidden = world(2000, 4, 4, |i, m| f64::from(u8::from(i % 4 == m)));
        for prompt in &mut hidden {
            prompt.benchmark = 0;
        }
        assert!(noise_ceiling(&hidden).unwrap().share.unwrap() > 0.5);
    }

    #[test]
    fn graded_and_missing_outcomes_are_left_out() {
        let prompt = |outcomes: &[Option<f64>]| PromptOutcomes { benchmark: 0, outcomes: outcomes.to_vec() };
        let rows = [
            prompt(&[Some(0.5), Some(1.0)]),
            prompt(&[Some(1.0), None]),
            prompt(&[Some(1.0), Some(1.0)]),
            prompt(&[None, None]),
        ];
        let found = noise_ceiling(&rows).unwrap();
        assert_eq!((found.prompts, found.graded, found.oracle_lead), (2, 1, 0.0));
        assert_eq!(noise_ceiling(&[prompt(&[Some(1.0)])]), None);
        assert_eq!(noise_ceiling(&[]), None);
    }
}

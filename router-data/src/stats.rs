//! What a data set holds, in numbers.
#![allow(
    clippy::indexing_slicing,
    reason = "models are those of the pool, rows those of the data set, ranks below the count"
)]

use std::collections::{BTreeMap, BTreeSet};

use router_core::statistics::wilson;
use router_core::{Dataset, ModelIndex, Outcomes};
use serde::Serialize;

/// A summary of a data set.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stats {
    /// The name of the data set.
    pub name: String,
    /// Number of prompts.
    pub prompts: usize,
    /// Prompts whose text, word for word, is that of an earlier one.
    pub duplicate_texts: usize,
    /// Prompts that have a near duplicate, duplicates included.
    pub near_duplicates: usize,
    /// Number of near-duplicate groups; as many as prompts where no prompt is like another.
    pub near_duplicate_groups: usize,
    /// Prompts in the largest of these groups.
    pub largest_group: usize,
    /// Tokens of a prompt, roughly: one for every four bytes.
    pub prompt_tokens: Option<Distribution>,
    /// Number of outcomes seen.
    pub outcomes: usize,
    /// Outcomes of a prompt.
    pub outcomes_per_prompt: Option<Distribution>,
    /// The share of pairs of prompt and model whose outcome was seen, in [0, 1].
    pub coverage: f64,
    /// The share of outcomes whose cost was measured, in [0, 1]; 0 without an outcome.
    pub cost_known: f64,
    /// The share of outcomes with a propensity, in [0, 1]; 0 without an outcome.
    pub propensity_known: f64,
    /// Output tokens of the outcomes where they were measured.
    pub output_tokens: Option<Distribution>,
    /// The mean over prompts of the best quality seen, in [0, 1], prompts without an outcome left out; `None` without one.
    /// Noise in single outcomes makes it higher than any router can reach.
    pub oracle: Option<f64>,
    /// The models, in the order of the pool.
    pub models: Vec<ModelStats>,
    /// The benchmarks, by name; prompts without one are not counted.
    pub benchmarks: BTreeMap<String, BenchmarkStats>,
}

/// How counts are spread.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Distribution {
    /// The smallest.
    pub minimum: u32,
    /// Half of all are at most this.
    pub median: u32,
    /// The mean.
    pub mean: f64,
    /// Nine of ten are at most this.
    pub ninetieth: u32,
    /// The largest.
    pub maximum: u32,
}

impl Distribution {
    /// The distribution of `counts`; `None` without one. O(n log n).
    fn of(mut counts: Vec<u32>) -> Option<Self> {
        counts.sort_unstable();
        let (&minimum, &maximum) = (counts.first()?, counts.last()?);
        // The nearest rank.
        let at = |percent: usize| counts[(counts.len() * percent).div_ceil(100).max(1) - 1];
        let sum: f64 = counts.iter().map(|&count| f64::from(count)).sum();
        Some(Self { minimum, median: at(50), mean: sum / counts.len() as f64, ninetieth: at(90), maximum })
    }
}

/// A summary of one model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelStats {
    /// The name of the model.
    pub model: String,
    /// Number of outcomes seen.
    pub outcomes: usize,
    /// Mean quality in [0, 1], weighted by weights and inverse propensities; `None` without an outcome.
    pub mean_quality: Option<f64>,
    /// Its 95% interval (Wilson, with the effective number of outcomes); `None` without an outcome.
    pub quality_ci: Option<[f64; 2]>,
    /// Mean measured cost of a call in US dollars; `None` where none was measured.
    pub mean_cost_usd: Option<f64>,
}

/// A summary of one benchmark.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BenchmarkStats {
    /// Number of prompts.
    pub prompts: usize,
    /// The model of the best mean quality; `None` without an outcome.
    pub best_model: Option<String>,
    /// Its mean quality in [0, 1].
    pub best_quality: Option<f64>,
}

impl Stats {
    /// Summarises `dataset`. O(prompts + outcomes), and a sort of each.
    pub fn of(dataset: &Dataset) -> Self {
        let prompts = dataset.prompts();
        let outcomes = dataset.outcomes().inverse_propensity_weighted();
        let share = |part: usize, whole: usize| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
        let count = |known: fn(&router_core::Outcome) -> bool| outcomes.iter().filter(|(_, o)| known(o)).count();

        let mut texts = BTreeSet::new();
        let duplicate_texts = prompts.iter().filter(|prompt| !texts.insert(prompt.text())).count();
        let mut groups: BTreeMap<u32, usize> = BTreeMap::new();
        for &group in dataset.groups() {
            *groups.entry(group).or_default() += 1;
        }
        let best: Vec<f64> = (0..prompts.len())
            .filter_map(|row| outcomes.row(row).iter().map(|outcome| f64::from(outcome.quality)).reduce(f64::max))
            .collect();
        let mut rows: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (row, prompt) in prompts.iter().enumerate() {
            if let Some(benchmark) = &prompt.benchmark {
                rows.entry(benchmark).or_default().push(row);
            }
        }
        Self {
            name: dataset.name().to_owned(),
            prompts: prompts.len(),
            duplicate_texts,
            near_duplicates: groups.values().filter(|&&size| size > 1).sum(),
            near_duplicate_groups: groups.len(),
            largest_group: groups.values().max().copied().unwrap_or(0),
            prompt_tokens: Distribution::of(prompts.iter().map(router_core::Prompt::approximate_tokens).collect()),
            outcomes: outcomes.len(),
            outcomes_per_prompt: Distribution::of(
                (0..prompts.len()).map(|row| outcomes.row(row).len() as u32).collect(),
            ),
            coverage: share(outcomes.len(), prompts.len() * dataset.models().len()),
            cost_known: share(count(|outcome| outcome.cost_usd.is_some()), outcomes.len()),
            propensity_known: share(count(|outcome| outcome.propensity.is_some()), outcomes.len()),
            output_tokens: Distribution::of(outcomes.iter().filter_map(|(_, outcome)| outcome.output_tokens).collect()),
            oracle: (!best.is_empty()).then(|| best.iter().sum::<f64>() / best.len() as f64),
            models: models(dataset, &outcomes),
            benchmarks: rows
                .into_iter()
                .map(|(name, rows)| (name.to_owned(), benchmark(dataset, &outcomes, &rows)))
                .collect(),
        }
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    outcomes: usize,
    quality: f64,
    weight: f64,
    squared_weight: f64,
    cost: f64,
    costs: usize,
}

fn models(dataset: &Dataset, outcomes: &Outcomes) -> Vec<ModelStats> {
    let mut sums = vec![Sums::default(); dataset.models().len()];
    for (_, outcome) in outcomes.iter() {
        let sum = &mut sums[outcome.model];
        let weight = f64::from(outcome.weight);
        sum.outcomes += 1;
        sum.quality += weight * f64::from(outcome.quality);
        sum.weight += weight;
        sum.squared_weight += weight * weight;
        sum.cost += outcome.cost_usd.unwrap_or(0.0);
        sum.costs += usize::from(outcome.cost_usd.is_some());
    }
    let describe = |(model, sum): (&router_core::Model, &Sums)| {
        let mean = (sum.weight > 0.0).then(|| sum.quality / sum.weight);
        ModelStats {
            model: model.name.clone(),
            outcomes: sum.outcomes,
            mean_quality: mean,
            quality_ci: mean.map(|mean| {
                let [low, high] = wilson(mean, sum.weight * sum.weight / sum.squared_weight);
                [low, high]
            }),
            mean_cost_usd: (sum.costs > 0).then(|| sum.cost / sum.costs as f64),
        }
    };
    dataset.models().models().iter().zip(&sums).map(describe).collect()
}

fn benchmark(dataset: &Dataset, outcomes: &Outcomes, rows: &[usize]) -> BenchmarkStats {
    let part = outcomes.gather(rows);
    let best: Option<(ModelIndex, f64)> =
        part.mean_quality().get(part.best_single()).copied().flatten().map(|(mean, _)| (part.best_single(), mean));
    BenchmarkStats {
        prompts: rows.len(),
        best_model: best.map(|(model, _)| dataset.models().name(model).to_owned()),
        best_quality: best.map(|(_, mean)| mean),
    }
}

#[cfg(test)]
mod tests {
    use router_core::{Model, ModelPool, Outcome, Outcomes, Prompt};

    use super::*;

    #[test]
    fn numbers_by_hand() {
        let prompts = vec![
            Prompt::new("a", "one").with_benchmark("x"),
            Prompt::new("b", "two").with_benchmark("x"),
            Prompt::new("c", "three"),
        ];
        let pool = ModelPool::new(vec![Model::new("m"), Model::new("n"), Model::new("never")]).unwrap();
        let costly = |model, quality, cost| Outcome { cost_usd: Some(cost), ..Outcome::new(model, quality) };
        let rows = vec![vec![costly(0, 1.0, 0.5), Outcome::new(1, 0.5)], vec![costly(0, 0.0, 1.5)], vec![]];
        let data = Dataset::new("hand", prompts, pool, Outcomes::from_rows(3, rows).unwrap()).unwrap();
        let stats = Stats::of(&data.with_groups(vec![0, 0, 1]).unwrap());
        assert_eq!((stats.prompts, stats.near_duplicate_groups, stats.outcomes), (3, 2, 3));
        assert_eq!(stats.coverage, 3.0 / 9.0);
        assert_eq!(stats.cost_known, 2.0 / 3.0);
        assert_eq!(stats.oracle, Some(0.5));
        assert_eq!(stats.models[0].mean_quality, Some(0.5));
        assert_eq!(stats.models[0].mean_cost_usd, Some(1.0));
        assert_eq!((stats.models[1].mean_quality, stats.models[1].mean_cost_usd), (Some(0.5), None));
        assert_eq!((stats.models[2].outcomes, stats.models[2].mean_quality), (0, None));
        assert_eq!((stats.near_duplicates, stats.largest_group, stats.duplicate_texts), (2, 2, 0));
        assert_eq!(
            stats.outcomes_per_prompt.map(|spread| (spread.minimum, spread.maximum, spread.mean)),
            Some((0, 2, 1.0))
        );
        assert_eq!(stats.output_tokens, None);
        // Wilson's interval of one outcome of 0.5: (0.5 + z^2 / 2 -+ z sqrt(0.25 + z^2 / 4)) / (1 + z^2).
        let [low, high] = stats.models[1].quality_ci.unwrap();
        assert!((low - 0.054_621).abs() < 1e-6 && (high - 0.945_379).abs() < 1e-6, "{low} {high}");
        let best =
            |model: &str| BenchmarkStats { prompts: 2, best_model: Some(model.to_owned()), best_quality: Some(0.5) };
        assert_eq!(stats.benchmarks, BTreeMap::from([("x".to_owned(), best("m"))]));
        let json = serde_json::to_value(&stats).unwrap();
        assert_eq!(json["models"][2]["mean_quality"], serde_json::Value::Null);
    }
    #[test]
    fn ranks_by_hand() {
        let spread = Distribution::of((1..=10).rev().collect()).unwrap();
        assert_eq!((spread.minimum, spread.median, spread.ninetieth, spread.maximum, spread.mean), (1, 5, 9, 10, 5.5));
        assert_eq!(Distribution::of(vec![7]).unwrap().ninetieth, 7);
        assert_eq!(Distribution::of(vec![]), None);
    }
}

//! What a data set holds, in numbers.
#![allow(clippy::indexing_slicing, reason = "models are those of the pool")]

use std::collections::{BTreeMap, BTreeSet};

use router_core::Dataset;
use serde::Serialize;

/// A summary of a data set.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stats {
    /// The name of the data set.
    pub name: String,
    /// Number of prompts.
    pub prompts: usize,
    /// Number of near-duplicate groups; as many as prompts where no prompt is like another.
    pub near_duplicate_groups: usize,
    /// Number of outcomes seen.
    pub outcomes: usize,
    /// The share of pairs of prompt and model whose outcome was seen, in [0, 1].
    pub coverage: f64,
    /// The share of outcomes whose cost was measured, in [0, 1]; 0 without an outcome.
    pub cost_known: f64,
    /// The mean over prompts of the best quality seen, in [0, 1], prompts without an outcome left out; `None` without one.
    /// Noise in single outcomes makes it higher than any router can reach.
    pub oracle: Option<f64>,
    /// The models, in the order of the pool.
    pub models: Vec<ModelStats>,
    /// Number of prompts of every benchmark; those without one are not counted.
    pub benchmarks: BTreeMap<String, usize>,
}

/// A summary of one model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelStats {
    /// The name of the model.
    pub model: String,
    /// Number of outcomes seen.
    pub outcomes: usize,
    /// Weighted mean quality in [0, 1]; `None` without an outcome.
    pub mean_quality: Option<f64>,
    /// Mean measured cost of a call in US dollars; `None` where none was measured.
    pub mean_cost_usd: Option<f64>,
}

impl Stats {
    /// Summarises `dataset`. O(prompts + outcomes).
    pub fn of(dataset: &Dataset) -> Self {
        let outcomes = dataset.outcomes();
        let pairs = dataset.prompts().len() * dataset.models().len();
        let mut costs = vec![(0.0f64, 0usize); dataset.models().len()];
        for (_, outcome) in outcomes.iter() {
            if let Some(cost) = outcome.cost_usd {
                costs[outcome.model].0 += cost;
                costs[outcome.model].1 += 1;
            }
        }
        let known: usize = costs.iter().map(|&(_, count)| count).sum();
        let models = dataset
            .models()
            .models()
            .iter()
            .zip(outcomes.mean_quality())
            .zip(&costs)
            .map(|((model, mean), &(cost, count))| ModelStats {
                model: model.name.clone(),
                outcomes: mean.map_or(0, |(_, count)| count),
                mean_quality: mean.map(|(mean, _)| mean),
                mean_cost_usd: (count > 0).then(|| cost / count as f64),
            })
            .collect();
        let best: Vec<f64> = (0..dataset.prompts().len())
            .filter_map(|row| outcomes.row(row).iter().map(|outcome| f64::from(outcome.quality)).reduce(f64::max))
            .collect();
        let mut benchmarks: BTreeMap<String, usize> = BTreeMap::new();
        for benchmark in dataset.prompts().iter().filter_map(|prompt| prompt.benchmark.as_ref()) {
            *benchmarks.entry(benchmark.clone()).or_default() += 1;
        }
        let share = |part: usize, whole: usize| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
        Self {
            name: dataset.name().to_owned(),
            prompts: dataset.prompts().len(),
            near_duplicate_groups: dataset.groups().iter().collect::<BTreeSet<_>>().len(),
            outcomes: outcomes.len(),
            coverage: share(outcomes.len(), pairs),
            cost_known: share(known, outcomes.len()),
            oracle: (!best.is_empty()).then(|| best.iter().sum::<f64>() / best.len() as f64),
            models,
            benchmarks,
        }
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
        assert_eq!(stats.benchmarks, BTreeMap::from([("x".to_owned(), 2)]));
        let json = serde_json::to_value(&stats).unwrap();
        assert_eq!(json["models"][2]["mean_quality"], serde_json::Value::Null);
    }
}

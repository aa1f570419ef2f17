//! Which models have outcomes on the same prompts.
#![allow(clippy::indexing_slicing, reason = "models come from the pool, places from the groups made here")]

use std::collections::BTreeMap;

use router_core::prelude::*;

/// Models with outcomes on the same rows under the same weights: their regressions share a Gram matrix.
pub(in crate::estimators) struct Group {
    pub(in crate::estimators) models: Vec<ModelIndex>,
    /// Ascending.
    pub(in crate::estimators) rows: Vec<usize>,
}

/// The models by coverage, in order of their first model; models without a weighted outcome are in none.
pub(in crate::estimators) fn groups(set: &TrainingSet) -> Vec<Group> {
    let mut coverage: Vec<Vec<(usize, u32)>> = vec![Vec::new(); set.models().len()];
    for (row, outcome) in set.outcomes().iter() {
        if outcome.weight > 0.0 {
            coverage[outcome.model].push((row, outcome.weight.to_bits()));
        }
    }
    let mut places: BTreeMap<&[(usize, u32)], usize> = BTreeMap::new();
    let mut groups: Vec<Group> = Vec::new();
    for (model, covered) in coverage.iter().enumerate().filter(|(_, covered)| !covered.is_empty()) {
        let place = *places.entry(covered).or_insert_with(|| {
            groups.push(Group { models: Vec::new(), rows: covered.iter().map(|&(row, _)| row).collect() });
            groups.len() - 1
        });
        groups[place].models.push(model);
    }
    groups
}

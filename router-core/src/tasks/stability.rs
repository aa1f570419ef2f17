//! How far tasks come back when the prompts are drawn anew.
#![allow(clippy::indexing_slicing, reason = "rows and tasks are below the counts that the vectors were made with")]

use std::collections::BTreeMap;

use rand::RngExt as _;
use rayon::prelude::*;

use crate::context::FitContext;
use crate::error::Result;
use crate::traits::TaskDiscoverer;
use crate::types::dataset::TrainingSet;
use crate::types::task::{TaskId, TaskMap};

/// The stability of every task of `map`, found by `discoverer` in `set`: the mean, over `resamples` bootstrap resamples, of the
/// highest Jaccard similarity between the task and a task that is found in the resample, both restricted to the prompts that
/// were drawn (Hennig, Cluster-wise assessment of cluster stability, Computational Statistics & Data Analysis 52, 2007,
/// section 3). In [0, 1]; by Hennig's rule of thumb 0.75 and above is a stable task, below 0.6 one not to be trusted. `None`
/// where no resample held a prompt of the task.
///
/// Groups of near duplicates are drawn, with replacement, and each stands once in its resample: repeated prompts would be their
/// own nearest neighbors. Embeddings are kept as they are. Cost: a discovery in about 63% of the prompts a resample; resamples
/// run in parallel, each from a stream of its own.
///
/// # Errors
/// What the discoverer reports on a resample.
pub(crate) fn stability(
    discoverer: &dyn TaskDiscoverer,
    set: &TrainingSet,
    map: &TaskMap,
    resamples: usize,
    cx: &FitContext,
) -> Result<Vec<Option<f64>>> {
    let bar = cx.begin("stability", Some(resamples as u64));
    let groups = numbered_groups(set);
    let found: Vec<Vec<Option<f64>>> = (0..resamples)
        .into_par_iter()
        .map(|resample| {
            let cx = cx.child(&format!("resample/{resample}")).silent();
            cx.check_cancelled()?;
            let rows = draw(&groups, &cx);
            let again = discoverer
                .discover(&set.subset(&rows)?, &cx)
                .map_err(|error| error.context(format!("stability, resample {resample}")))?;
            bar.advance(1);
            Ok(best_jaccard(&map.restrict(&rows), &again))
        })
        .collect::<Result<_>>()?;
    Ok((0..map.count())
        .map(|task| {
            let seen: Vec<f64> = found.iter().filter_map(|resample| resample[task]).collect();
            (!seen.is_empty()).then(|| seen.iter().sum::<f64>() / seen.len() as f64)
        })
        .collect())
}

/// The rows of every group of near duplicates.
fn numbered_groups(set: &TrainingSet) -> Vec<Vec<usize>> {
    let mut groups: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for row in 0..set.len() {
        groups.entry(set.group(row)).or_default().push(row);
    }
    groups.into_values().collect()
}

/// The rows of the groups that were drawn at least once, ascending.
fn draw(groups: &[Vec<usize>], cx: &FitContext) -> Vec<usize> {
    let mut stream = cx.stream("draw");
    let mut drawn = vec![false; groups.len()];
    for _ in 0..groups.len() {
        drawn[stream.random_range(0..groups.len())] = true;
    }
    let mut rows: Vec<usize> =
        groups.iter().zip(&drawn).filter(|(_, drawn)| **drawn).flat_map(|(rows, _)| rows).copied().collect();
    rows.sort_unstable();
    rows
}

/// For every task of `before`, the highest Jaccard similarity with a task of `after`, over the same prompts; `None` for a task
/// without a prompt.
fn best_jaccard(before: &TaskMap, after: &TaskMap) -> Vec<Option<f64>> {
    let sizes = |map: &TaskMap| -> Vec<usize> { map.members().iter().map(Vec::len).collect() };
    let (sizes_before, sizes_after) = (sizes(before), sizes(after));
    let mut shared: BTreeMap<(TaskId, TaskId), usize> = BTreeMap::new();
    for (a, b) in before.assignments().iter().zip(after.assignments()) {
        if let (Some(a), Some(b)) = (a, b) {
            *shared.entry((*a, *b)).or_default() += 1;
        }
    }
    let mut best: Vec<Option<f64>> = sizes_before.iter().map(|&size| (size > 0).then_some(0.0)).collect();
    for ((a, b), both) in shared {
        let either = sizes_before[a.index()] + sizes_after[b.index()] - both;
        let jaccard = both as f64 / either as f64;
        best[a.index()] = best[a.index()].map(|best| best.max(jaccard));
    }
    best
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::types::dataset::Dataset;
    use crate::types::matrix::Matrix;
    use crate::types::model::{Model, ModelPool};
    use crate::types::outcome::{Outcome, Outcomes};
    use crate::types::prompt::Prompt;

    /// n prompts of one dimension: even rows near 0, odd rows near 10.
    fn set(n: usize) -> TrainingSet {
        let prompts = (0..n).map(|row| Prompt::new(row.to_string(), "x")).collect();
        let pool = ModelPool::new(vec![Model::new("a")]).unwrap();
        let outcomes = Outcomes::from_rows(1, vec![vec![Outcome::new(0, 1.0)]; n]).unwrap();
        let dataset = Dataset::new("d", prompts, pool, outcomes).unwrap();
        let values = (0..n).map(|row| if row % 2 == 0 { 0.0 } else { 10.0 }).collect();
        TrainingSet::new(Arc::new(dataset), Arc::new(Matrix::from_vec(n, 1, values).unwrap())).unwrap()
    }

    /// Finds the two halves, and splits the far one in two at random.
    struct HalfAtRandom;

    impl TaskDiscoverer for HalfAtRandom {
        fn discover(&self, set: &TrainingSet, cx: &FitContext) -> Result<TaskMap> {
            let mut stream = cx.stream("split");
            let labels: Vec<Option<u32>> = (0..set.len())
                .map(|row| {
                    let far = set.embeddings().get(row, 0) > 5.0;
                    Some(if far { 1 + stream.random_range(0..2u32) } else { 0 })
                })
                .collect();
            Ok(TaskMap::from_labels(&labels))
        }
    }

    #[test]
    fn a_task_that_is_there_is_stable_and_one_split_at_random_is_not() {
        let set = set(400);
        let cx = FitContext::new(7);
        let map = HalfAtRandom.discover(&set, &cx).unwrap();
        let found = stability(&HalfAtRandom, &set, &map, 20, &cx).unwrap();
        assert_eq!(found.len(), 3);
        assert_eq!(found[0], Some(1.0), "the near half comes back whole");
        // A random half of a half against another: |both| = 1/4, |either| = 3/4 of it, that is 1/3; the better of two a little more.
        for task in &found[1..] {
            let stability = task.unwrap();
            assert!((0.30..0.45).contains(&stability), "{stability}");
        }
        assert_eq!(found, stability(&HalfAtRandom, &set, &map, 20, &cx).unwrap());
        let other =
            crate::parallel::with_threads(1, || stability(&HalfAtRandom, &set, &map, 20, &cx).unwrap()).unwrap();
        assert_eq!(found, other);
    }

    #[test]
    fn jaccard_is_that_of_the_definition() {
        let before = TaskMap::from_labels(&[Some(0), Some(0), Some(0), Some(1), Some(1), None]);
        let after = TaskMap::from_labels(&[Some(0), Some(0), Some(1), Some(1), None, Some(1)]);
        // Task 0 = {0, 1, 2}: {0, 1} gives 2/3, {2, 3, 5} gives 1/5. Task 1 = {3, 4}: {2, 3, 5} gives 1/4.
        assert_eq!(best_jaccard(&before, &after), [Some(2.0 / 3.0), Some(0.25)]);
        assert_eq!(best_jaccard(&before.restrict(&[0, 5]), &after.restrict(&[0, 5])), [Some(1.0), None]);
    }
}

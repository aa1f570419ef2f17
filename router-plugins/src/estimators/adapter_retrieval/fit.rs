//! Tasks, what represents them, what they list, and how many of them are retrieved.
#![allow(clippy::indexing_slicing, reason = "rows come from the set and its folds, tasks are below their number")]

use rand::seq::SliceRandom;
use rayon::prelude::*;
use router_core::SeedStream;
use router_core::prelude::*;

use super::config::AdapterRetrievalConfig;
use super::fitted::AdapterRetrievalEstimator;
use super::lists::Lists;
use crate::estimators::clusters::pulled;
use crate::estimators::prompt_clusters::PromptClusters;
use crate::estimators::realized::{Worth, best_model, last_best, means};
use crate::neighbors::{NeighborIndex, normalize, normalized};
use crate::nn::exponential::softmax;

/// Clusters at most where their number is not given, and prompts that each then holds at least, on average: a mean of fewer says little.
const CLUSTERS: usize = 64;
const PROMPTS_A_CLUSTER: usize = 20;
/// Numbers of retrieved tasks that are tried.
const RETRIEVED: [usize; 4] = [1, 2, 4, 8];
/// Temperatures that are tried.
const TEMPERATURES: [f64; 3] = [0.02, 0.1, 0.5];

pub(super) fn fit(
    config: &AdapterRetrievalConfig,
    set: &TrainingSet,
    tasks: &Tasks,
    cx: &FitContext,
) -> Result<AdapterRetrievalEstimator> {
    cx.check_cancelled()?;
    let of_rows: Vec<Option<usize>> = if tasks.count() > 0 {
        tasks.assigned().iter().map(|task| task.map(TaskId::index)).collect()
    } else {
        let clusters = config.clusters.unwrap_or_else(|| (set.len() / PROMPTS_A_CLUSTER).clamp(1, CLUSTERS));
        PromptClusters::new(set, clusters, cx)?.of_rows
    };
    let points = normalized(set.embeddings());
    let rows: Vec<usize> = (0..set.len()).collect();
    let (retrieved, temperature) = choose(config, set, &points, &of_rows, cx)?;
    let directory = Directory::new(config, set, &points, &of_rows, &rows, &mut cx.stream("examples"))?;
    AdapterRetrievalEstimator::new(
        NeighborIndex::exact(directory.representations),
        directory.lists,
        directory.means,
        config.into(),
        retrieved,
        temperature,
    )
}

/// Tasks by their representations, and what they list.
struct Directory {
    /// Tasks x d, of unit length.
    representations: Matrix,
    lists: Lists,
    means: Vec<f32>,
}

impl Directory {
    /// Of the prompts of `rows`, whose tasks `of_rows` names. A task without an outcome or a direction is left out.
    fn new(
        config: &AdapterRetrievalConfig,
        set: &TrainingSet,
        points: &Matrix,
        of_rows: &[Option<usize>],
        rows: &[usize],
        stream: &mut SeedStream,
    ) -> Result<Self> {
        let means = means(set.outcomes(), rows);
        let count = of_rows.iter().flatten().max().map_or(0, |&last| last + 1);
        let mut members: Vec<Vec<usize>> = vec![Vec::new(); count];
        for &row in rows {
            if let Some(task) = of_rows[row] {
                members[task].push(row);
            }
        }
        let (mut representations, mut lists) = (Vec::new(), Lists::new());
        for mut rows in members {
            let listed = scores(set.outcomes(), &rows, &means, config.shrinkage);
            rows.shuffle(stream);
            rows.truncate(config.examples);
            let mut mean = vec![0.0f32; points.cols()];
            for &row in &rows {
                mean.iter_mut().zip(points.row(row)).for_each(|(to, value)| *to += value);
            }
            normalize(&mut mean);
            if !listed.is_empty() && mean.iter().any(|&value| value != 0.0) {
                representations.extend(mean);
                lists.push(listed, config.adapters);
            }
        }
        Ok(Self { representations: Matrix::from_vec(lists.tasks(), points.cols(), representations)?, lists, means })
    }
}

/// The score of every adapter with an outcome among `rows`.
fn scores(outcomes: &Outcomes, rows: &[usize], means: &[f32], shrinkage: f64) -> Vec<(u32, f32)> {
    let seen = rows.iter().flat_map(|&row| outcomes.row(row)).filter(|outcome| outcome.weight > 0.0);
    let mut seen: Vec<(usize, f64, f64)> =
        seen.map(|outcome| (outcome.model, f64::from(outcome.weight), f64::from(outcome.quality))).collect();
    // Stable: outcomes of an adapter stay in the order of their prompts, so that their sum is the same every time.
    seen.sort_by_key(|&(model, ..)| model);
    seen.chunk_by(|a, b| a.0 == b.0)
        .filter_map(|of_one| {
            let &(model, ..) = of_one.first()?;
            let sums = of_one
                .iter()
                .fold((0.0, 0.0), |(sum, total), &(_, weight, quality)| (weight.mul_add(quality, sum), total + weight));
            Some((model as u32, pulled(sums, f64::from(means[model]), shrinkage) as f32))
        })
        .collect()
}

/// The shares of retrieved tasks of these similarities.
pub(super) fn shares(similarities: &[f32], temperature: f64, out: &mut Vec<f32>) {
    out.clear();
    out.extend_from_slice(similarities);
    softmax(out, temperature as f32);
}

/// The number of retrieved tasks and the temperature, given or of the highest held-out worth.
fn choose(
    config: &AdapterRetrievalConfig,
    set: &TrainingSet,
    points: &Matrix,
    of_rows: &[Option<usize>],
    cx: &FitContext,
) -> Result<(usize, f64)> {
    let retrieved: Vec<usize> = config.retrieved.map_or(RETRIEVED.to_vec(), |retrieved| vec![retrieved]);
    let temperatures: Vec<f64> = config.temperature.map_or(TEMPERATURES.to_vec(), |temperature| vec![temperature]);
    let pairs: Vec<(usize, f64)> =
        retrieved.iter().flat_map(|&count| temperatures.iter().map(move |&value| (count, value))).collect();
    if pairs.len() == 1 {
        return Ok(pairs[0]);
    }
    let Some(folds) = set.folds(config.folds, &cx.seed().child("folds")) else { return Ok(pairs[0]) };
    let bar = cx.begin("choosing retrieved tasks", Some(folds.count() as u64));
    let of_folds: Vec<Vec<Worth>> = (0..folds.count())
        .into_par_iter()
        .map(|fold| {
            cx.check_cancelled()?;
            let (train, held_out) = folds.split(fold);
            let mut stream = cx.stream(&format!("examples of fold {fold}"));
            let directory = Directory::new(config, set, points, of_rows, &train, &mut stream)?;
            let worths = judge(&directory, set, points, &held_out, &pairs)?;
            bar.advance(1);
            Ok(worths)
        })
        .collect::<Result<_>>()?;
    let mut totals = vec![Worth::default(); pairs.len()];
    for worths in &of_folds {
        totals.iter_mut().zip(worths).for_each(|(total, worth)| total.add(worth));
    }
    Ok(pairs[last_best(&totals, set.len())])
}

/// What every pair of a number of retrieved tasks and a temperature is worth on `rows`.
fn judge(
    directory: &Directory,
    set: &TrainingSet,
    points: &Matrix,
    rows: &[usize],
    pairs: &[(usize, f64)],
) -> Result<Vec<Worth>> {
    let index = NeighborIndex::exact(directory.representations.clone());
    let most = pairs.iter().map(|&(retrieved, _)| retrieved).max().unwrap_or(1);
    let found = index.search_here(points.gather(rows).view(), most)?;
    let mut worths = vec![Worth::default(); pairs.len()];
    let (mut weights, mut quality) = (Vec::new(), vec![0.0f32; directory.means.len()]);
    for (at, &row) in rows.iter().enumerate() {
        let (tasks, similarities) = found.row(at);
        for (worth, &(retrieved, temperature)) in worths.iter_mut().zip(pairs) {
            let count = retrieved.min(tasks.len());
            shares(&similarities[..count], temperature, &mut weights);
            let chosen = tasks.iter().map(|&task| task as usize).zip(weights.iter().copied());
            directory.lists.blend(chosen, &directory.means, &mut quality);
            let model = best_model(&quality);
            worth.add(&Worth::of(set, row, model, directory.means[model]));
        }
    }
    Ok(worths)
}

//! Clusters, their scores, and the choice of their number.
#![allow(
    clippy::indexing_slicing,
    reason = "rows come from the set and its folds, models from its pool, clusters are below their number"
)]

use rayon::prelude::*;
use router_core::SeedStream;
use router_core::cost::call_cost;
use router_core::prelude::*;

use super::config::ClustersConfig;
use super::fitted::ClustersEstimator;
use crate::clustering::Lloyd;
use crate::estimators::realized::{Worth, best_model, last_best, means};
use crate::neighbors::{NeighborIndex, normalized};

/// Numbers of clusters that are tried.
const CANDIDATES: [usize; 6] = [4, 8, 16, 32, 64, 128];
/// Numbers of nearest clusters that are tried.
const NEAREST: [usize; 3] = [1, 2, 4];
/// Prompts that a cluster holds at least, on average, where k is chosen.
const PROMPTS_A_CLUSTER: usize = 5;
/// Output tokens of a call whose cost and tokens were not measured. Costs are compared within a cluster, so that only how far
/// input and output prices differ depends on it.
const NOMINAL_OUTPUT_TOKENS: u32 = 500;

pub(super) fn fit(config: &ClustersConfig, set: &TrainingSet, cx: &FitContext) -> Result<ClustersEstimator> {
    cx.check_cancelled()?;
    let points = normalized(set.embeddings());
    let (k, nearest) = choose(config, set, &points, cx)?;
    let rows: Vec<usize> = (0..set.len()).collect();
    let centers = centers(config, &points, &rows, k, config.restarts, &mut cx.stream("clusters"), cx)?;
    let index = NeighborIndex::exact(centers);
    let clusters = assign(&index, &points, &rows, cx)?;
    let mut scores = qualities(set.outcomes(), &rows, &clusters, index.points().rows(), config.shrinkage);
    if config.efficiency > 0.0 {
        charge(config, set, &clusters, &mut scores)?;
    }
    let nearest = nearest.min(scores.rows());
    ClustersEstimator::new(index, scores, nearest, config.shrinkage)
}

/// The centers of `k` clusters of the points of `rows`, the best of `restarts`. Points of zeros have no direction and no say in it; where all are, their
/// cluster is the one at zero.
fn centers(
    config: &ClustersConfig,
    points: &Matrix,
    rows: &[usize],
    k: usize,
    restarts: usize,
    stream: &mut SeedStream,
    cx: &FitContext,
) -> Result<Matrix> {
    let rows: Vec<usize> =
        rows.iter().copied().filter(|&row| points.row(row).iter().any(|&value| value != 0.0)).collect();
    if rows.is_empty() {
        return Ok(Matrix::zeros(1, points.cols()));
    }
    let points = points.gather(&rows);
    let lloyd = Lloyd { points: points.view(), k, iterations: config.iterations };
    let clusters = lloyd.best(restarts, stream, cx)?;
    let count = clusters.labels().iter().max().map_or(1, |&last| last as usize + 1);
    Ok(lloyd.centers(clusters.labels(), count))
}

/// The cluster of every one of `rows`.
fn assign(index: &NeighborIndex, points: &Matrix, rows: &[usize], cx: &FitContext) -> Result<Vec<usize>> {
    let found = index.search(points.gather(rows).view(), 1, &cx.silent())?;
    Ok(found.indices.iter().map(|&cluster| cluster as usize).collect())
}

/// The mean quality of every model in every cluster, k x m, pulled toward its mean; `clusters` holds one entry a row of `rows`.
pub(in crate::estimators) fn qualities(
    outcomes: &Outcomes,
    rows: &[usize],
    clusters: &[usize],
    k: usize,
    shrinkage: f64,
) -> Matrix {
    let m = outcomes.models();
    let means = means(outcomes, rows);
    let mut sums = vec![(0.0f64, 0.0f64); k * m];
    for (&row, &cluster) in rows.iter().zip(clusters) {
        for outcome in outcomes.row(row) {
            let (sum, weight) = &mut sums[cluster * m + outcome.model];
            *sum += f64::from(outcome.weight) * f64::from(outcome.quality);
            *weight += f64::from(outcome.weight);
        }
    }
    let mut scores = Matrix::zeros(k, m);
    for cluster in 0..k {
        for (model, score) in scores.row_mut(cluster).iter_mut().enumerate() {
            *score = pulled(sums[cluster * m + model], f64::from(means[model]), shrinkage) as f32;
        }
    }
    scores
}

/// A mean of `sum` over `weight`, pulled toward `mean` as if by `shrinkage` more.
pub(in crate::estimators) fn pulled((sum, weight): (f64, f64), mean: f64, shrinkage: f64) -> f64 {
    if weight + shrinkage > 0.0 { (sum + shrinkage * mean) / (weight + shrinkage) } else { mean }
}

/// Takes what cost is worth off the scores. A model without any known cost counts as the dearest of its cluster.
fn charge(config: &ClustersConfig, set: &TrainingSet, clusters: &[usize], scores: &mut Matrix) -> Result<()> {
    let (k, m) = (scores.rows(), scores.cols());
    let (mut sums, mut totals) = (vec![(0.0f64, 0.0f64); k * m], vec![(0.0f64, 0.0f64); m]);
    for (row, outcome) in set.outcomes().iter() {
        let model = &set.models().models()[outcome.model];
        if let Some((cost, _)) = call_cost(outcome, set.prompt(row), model, NOMINAL_OUTPUT_TOKENS) {
            for (sum, count) in [&mut sums[clusters[row] * m + outcome.model], &mut totals[outcome.model]] {
                *sum += cost;
                *count += 1.0;
            }
        }
    }
    if totals.iter().all(|&(_, count)| count == 0.0) {
        return Err(Error::new(ErrorKind::Data, "no cost of any model is known, so that efficiency cannot count")
            .at_field("efficiency")
            .help("give models.json prices or outcomes their cost_usd, or leave `efficiency` out"));
    }
    let rate = config.efficiency / (1.0 - config.efficiency);
    let bounds = |values: &mut dyn Iterator<Item = f64>| {
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), value| (least.min(value), most.max(value)))
    };
    for cluster in 0..k {
        let costs: Vec<Option<f64>> = (0..m)
            .map(|model| {
                let (total, count) = totals[model];
                (count > 0.0).then(|| pulled(sums[cluster * m + model], total / count, config.shrinkage))
            })
            .collect();
        let (cheapest, dearest) = bounds(&mut costs.iter().flatten().copied());
        let (worst, best) = bounds(&mut scores.row(cluster).iter().map(|&score| f64::from(score)));
        for (score, cost) in scores.row_mut(cluster).iter_mut().zip(&costs) {
            let spread = dearest - cheapest;
            let share = cost.map_or(1.0, |cost| if spread > 0.0 { (cost - cheapest) / spread } else { 0.0 });
            *score -= (rate * (best - worst) * share) as f32;
        }
    }
    Ok(())
}

/// The number of clusters and of nearest ones, given or of the highest held-out worth.
fn choose(config: &ClustersConfig, set: &TrainingSet, points: &Matrix, cx: &FitContext) -> Result<(usize, usize)> {
    let n = set.len();
    let ks: Vec<usize> = match config.k {
        Some(k) => vec![k],
        None => CANDIDATES.into_iter().filter(|&k| k == CANDIDATES[0] || k * PROMPTS_A_CLUSTER <= n).collect(),
    };
    let nearest: Vec<usize> = config.nearest.map_or(NEAREST.to_vec(), |nearest| vec![nearest]);
    if ks.len() * nearest.len() == 1 {
        return Ok((ks[0], nearest[0]));
    }
    let Some(folds) = set.folds(config.folds, &cx.seed().child("folds")) else { return Ok((ks[0], nearest[0])) };
    let trials: Vec<(usize, usize)> = (0..folds.count()).flat_map(|fold| ks.iter().map(move |&k| (fold, k))).collect();
    let bar = cx.begin("choosing clusters", Some(trials.len() as u64));
    let worths: Vec<Vec<Worth>> = trials
        .par_iter()
        .map(|&(fold, k)| {
            let (train, held_out) = folds.split(fold);
            let mut stream = cx.stream(&format!("fold {fold} k {k}"));
            let worths = judge(config, set, points, (&train, &held_out), k, &nearest, &mut stream, cx);
            bar.advance(1);
            worths
        })
        .collect::<Result<_>>()?;
    // In the order of k, then of nearest.
    let mut totals = vec![Worth::default(); ks.len() * nearest.len()];
    for (at, worths) in worths.iter().enumerate() {
        let start = at % ks.len() * nearest.len();
        for (total, worth) in totals[start..].iter_mut().zip(worths) {
            total.add(worth);
        }
    }
    let best = last_best(&totals, n);
    Ok((ks[best / nearest.len()], nearest[best % nearest.len()]))
}

/// What `k` clusters of the first rows are worth on the second, a number of nearest clusters each.
#[allow(clippy::too_many_arguments, reason = "one trial of the cross-validation, with all that it depends on")]
fn judge(
    config: &ClustersConfig,
    set: &TrainingSet,
    points: &Matrix,
    (train, held_out): (&[usize], &[usize]),
    k: usize,
    nearest: &[usize],
    stream: &mut SeedStream,
    cx: &FitContext,
) -> Result<Vec<Worth>> {
    let index = NeighborIndex::exact(centers(config, points, train, k, 1, stream, cx)?);
    let clusters = assign(&index, points, train, cx)?;
    let scores = qualities(set.outcomes(), train, &clusters, index.points().rows(), config.shrinkage);
    let means = means(set.outcomes(), train);
    let most = nearest.iter().copied().max().unwrap_or(1);
    let found = index.search_here(points.gather(held_out).view(), most)?;
    let mut worths = vec![Worth::default(); nearest.len()];
    let mut estimate = vec![0.0f32; means.len()];
    for (at, &row) in held_out.iter().enumerate() {
        for (worth, &nearest) in worths.iter_mut().zip(nearest) {
            average(&scores, &found.row(at).0[..nearest.min(found.k)], &mut estimate);
            let model = best_model(&estimate);
            worth.add(&Worth::of(set, row, model, means[model]));
        }
    }
    Ok(worths)
}

/// The mean of the scores of `clusters`.
pub(super) fn average(scores: &Matrix, clusters: &[u32], out: &mut [f32]) {
    out.fill(0.0);
    let share = (clusters.len().max(1) as f32).recip();
    for &cluster in clusters {
        out.iter_mut().zip(scores.row(cluster as usize)).for_each(|(to, score)| *to += share * score);
    }
}

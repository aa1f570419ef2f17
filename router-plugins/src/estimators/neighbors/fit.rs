//! Choosing k, temperature and shrinkage by cross-validation.
#![allow(clippy::indexing_slicing, reason = "rows come from the folds of the set, grid positions from its own length")]

use rand::seq::SliceRandom;
use rayon::prelude::*;
use router_core::ProgressBar;
use router_core::prelude::*;

use super::ballots::{Choice, Tile, Vote, ballots, lanes, tiles};
use super::config::{Metric, NeighborsConfig};
use super::fitted::{NeighborsEstimator, Parameters, placed};
use crate::estimators::realized::{Worth, last_best, means};
use crate::estimators::stored_outcomes::StoredOutcomes;
use crate::neighbors::NeighborIndex;

const NEIGHBORS: [usize; 8] = [5, 10, 20, 40, 80, 160, 320, 640];
/// Infinity weighs all alike.
const TEMPERATURES: [f64; 5] = [0.02, 0.05, 0.1, 0.2, f64::INFINITY];
const SHRINKAGES: [f64; 3] = [1.0, 4.0, 16.0];
/// Prompts at most that cross-validation holds out.
const HELD_OUT: usize = 20_000;
/// Held-out prompts whose neighbors are in memory at once.
const BLOCK: usize = 2_048;

pub(super) fn fit(config: &NeighborsConfig, set: &TrainingSet, cx: &FitContext) -> Result<NeighborsEstimator> {
    cx.check_cancelled()?;
    let mean = mean(set.embeddings());
    let candidates = match config.metric {
        Metric::Cosine => vec![None],
        Metric::Centered => vec![Some(mean)],
        Metric::Automatic => vec![None, Some(mean)],
    };
    let mut best: Option<(f64, Option<Vec<f32>>, Matrix, Parameters)> = None;
    for mean in candidates {
        let points = placed(set.embeddings(), mean.as_deref());
        // A metric that alone is there need not be judged.
        let (parameters, worth) = choose(config, set, &points, config.metric == Metric::Automatic, cx)?;
        if best.as_ref().is_none_or(|(most, ..)| worth > most + 1e-12) {
            best = Some((worth, mean, points, parameters));
        }
    }
    let Some((_, mean, points, parameters)) = best else {
        return Err(Error::new(ErrorKind::Internal, "no metric was tried"));
    };
    let index = NeighborIndex::new(points, config.search, config.exact_limit, cx)?;
    let outcomes = StoredOutcomes::from(set.outcomes());
    NeighborsEstimator::new(index, outcomes, parameters, mean, config.search, config.exact_limit)
}

/// The mean of all embeddings, in double precision and by ascending row.
fn mean(embeddings: MatrixView<'_>) -> Vec<f32> {
    let mut sums = vec![0.0f64; embeddings.cols()];
    for row in 0..embeddings.rows() {
        sums.iter_mut().zip(embeddings.row(row)).for_each(|(sum, &value)| *sum += f64::from(value));
    }
    sums.into_iter().map(|sum| (sum / embeddings.rows().max(1) as f64) as f32).collect()
}

/// What cross-validation tries: every k with every temperature with every shrinkage, all ascending.
struct Grid {
    neighbors: Vec<usize>,
    temperatures: Vec<f64>,
    shrinkages: Vec<f64>,
}

impl Grid {
    fn new(config: &NeighborsConfig, most: usize) -> Self {
        let neighbors = match config.k {
            Some(k) => vec![k.min(most)],
            None if most <= NEIGHBORS[0] => vec![most],
            None => NEIGHBORS.into_iter().filter(|&k| k <= most).collect(),
        };
        Self {
            neighbors,
            temperatures: config.temperature.map_or(TEMPERATURES.to_vec(), |fixed| vec![fixed]),
            shrinkages: config.shrinkage.map_or(SHRINKAGES.to_vec(), |fixed| vec![fixed]),
        }
    }

    fn len(&self) -> usize {
        self.neighbors.len() * self.temperatures.len() * self.shrinkages.len()
    }

    /// Position `at`; k changes slowest, shrinkage fastest.
    fn get(&self, at: usize) -> Parameters {
        let (inner, shrinkages) = (self.temperatures.len() * self.shrinkages.len(), self.shrinkages.len());
        Parameters {
            k: self.neighbors[at / inner],
            temperature: self.temperatures[at % inner / shrinkages],
            shrinkage: self.shrinkages[at % shrinkages],
        }
    }
}

/// The parameters of the highest held-out worth, and that worth. Where nothing is left to be chosen, it is only computed if `judge` says so.
fn choose(
    config: &NeighborsConfig,
    set: &TrainingSet,
    points: &Matrix,
    judge: bool,
    cx: &FitContext,
) -> Result<(Parameters, f64)> {
    let n = set.len();
    let grid = Grid::new(config, n);
    if grid.len() == 1 && !judge {
        return Ok((Parameters { k: config.k.unwrap_or(n), ..grid.get(0) }, 0.0));
    }
    let Some(folds) = set.folds(config.folds, &cx.seed().child("folds")) else {
        // Nothing can be held out: the rule of thumb, the square root of n, weighing all alike.
        let k = config.k.unwrap_or_else(|| (n as f64).sqrt().ceil() as usize);
        return Ok((Parameters { k, ..grid.get(grid.len() - 1) }, 0.0));
    };
    let splits: Vec<_> = (0..folds.count()).map(|fold| folds.split(fold)).collect();
    let grid = Grid::new(config, splits.iter().map(|(train, _)| train.len()).min().unwrap_or(n));
    let held_out = sample(n, cx);
    let judged = n.min(HELD_OUT);
    let bar = cx.begin("tuning neighbors", Some(judged as u64));
    let mut totals = vec![Worth::default(); grid.len()];
    for (train, rows) in &splits {
        let rows: Vec<usize> = rows.iter().copied().filter(|&row| held_out[row]).collect();
        let means = means(set.outcomes(), train);
        let fold = Fold {
            index: NeighborIndex::exact(points.gather(train)),
            tiles: tiles(set.outcomes(), train, &means),
            means: &means,
            grid: &grid,
            set,
        };
        for block in rows.chunks(BLOCK) {
            fold.add(points, block, &mut totals, bar.as_ref(), cx)?;
        }
    }
    // Later is better where scores are equal.
    let best = last_best(&totals, judged);
    bar.message(&format!("k = {}", grid.get(best).k));
    let mut parameters = grid.get(best);
    if let Some(k) = config.k {
        parameters.k = k;
    }
    Ok((parameters, totals[best].average(judged)))
}

/// Which of `n` rows may be held out: all, or [`HELD_OUT`] of them.
fn sample(n: usize, cx: &FitContext) -> Vec<bool> {
    let mut order: Vec<usize> = (0..n).collect();
    if n > HELD_OUT {
        order.shuffle(&mut cx.stream("held-out prompts"));
    }
    let mut held_out = vec![false; n];
    for &row in order.iter().take(HELD_OUT) {
        held_out[row] = true;
    }
    held_out
}

struct Fold<'a> {
    index: NeighborIndex,
    tiles: Vec<Tile<'a>>,
    means: &'a [f32],
    grid: &'a Grid,
    set: &'a TrainingSet,
}

impl Fold<'_> {
    /// Adds the worth of every position of the grid on the held-out `rows`.
    fn add(
        &self,
        points: &Matrix,
        rows: &[usize],
        totals: &mut [Worth],
        bar: &dyn ProgressBar,
        cx: &FitContext,
    ) -> Result<()> {
        let most = self.grid.neighbors.last().copied().unwrap_or(1);
        let queries = points.gather(rows);
        let neighbors = self.index.search(queries.view(), most, &cx.silent())?;
        cx.check_cancelled()?;
        let (temperatures, shrinkages) = (self.grid.temperatures.len(), &self.grid.shrinkages);
        let lanes = lanes(&self.grid.temperatures);
        let each = self.grid.neighbors.len() * shrinkages.len();
        let mut choices = vec![Choice::NONE; rows.len() * each];
        for tile in &self.tiles {
            choices.par_chunks_mut(each).enumerate().for_each_init(ballots, |ballots, (at, choices)| {
                let vote = Vote {
                    tile,
                    neighbors: neighbors.row(at),
                    temperatures: &lanes,
                    sizes: &self.grid.neighbors,
                    shrinkages,
                    ballots,
                    choices,
                };
                vote.cast();
            });
            cx.check_cancelled()?;
        }
        // One after the other, in the order of the rows: the same sum at any thread count.
        for (&row, choices) in rows.iter().zip(choices.chunks(each)) {
            // A choice for every size and shrinkage; a total for every size, temperature and shrinkage.
            for (at, choice) in choices.iter().enumerate() {
                let (size, shrinkage) = (at / shrinkages.len(), at % shrinkages.len());
                for (t, model) in choice.models().into_iter().enumerate().take(temperatures) {
                    totals[(size * temperatures + t) * shrinkages.len() + shrinkage].add(&Worth::of(
                        self.set,
                        row,
                        model,
                        self.means[model],
                    ));
                }
            }
        }
        bar.advance(rows.len() as u64);
        Ok(())
    }
}

//! From prompts and outcomes to communities.

use rayon::prelude::*;
use router_core::prelude::*;

use super::config::{Automatic, Edges, GraphConfig, HIERARCHICAL, Objective, Resolution};
use super::{hierarchical, small};
use crate::discoverers::held_out::{Candidate, Split, choose, choose_within, folds};
use crate::graph::csr::Symmetrization;
use crate::graph::{Graph, Leiden, Quality, RankBiasedOverlap};
use crate::neighbors::{NeighborIndex, Neighbors, dot, normalized};

/// Folds that are held out in turn to choose the resolution.
const FOLDS: usize = 3;
/// Held-out prompts that are enough to judge by: folds beyond those that hold so many are not looked at.
const JUDGES: usize = 10_000;
/// Where `"auto"` begins, and what it comes to where nothing tells resolutions apart.
const COARSEST: f64 = 1.0;
/// Where it ends at the latest.
const FINEST: f64 = 65_536.0;
/// Standard errors by which it has to be worth more to be finer: twice those of a list, as nobody asked for fine tasks.
const ERRORS: f64 = 2.0;
/// Resolutions in a row that are no better than the best before it gives up.
const PATIENCE: usize = 2;

pub(super) fn discover(config: &GraphConfig, set: &TrainingSet, cx: &FitContext) -> Result<TaskMap> {
    cx.check_cancelled()?;
    let graph = prompt_graph(config, set, cx)?;
    let bar = cx.begin("finding communities", None);
    let one_for_all = |resolution| -> Result<TaskMap> {
        Ok(TaskMap::from_labels(&communities(config, resolution, &graph, "leiden", cx)?))
    };
    let map = match &config.resolution {
        Resolution::Fixed(resolution) => one_for_all(*resolution)?,
        Resolution::Among(resolutions) => match resolutions.as_slice() {
            &[resolution] => one_for_all(resolution)?,
            several => one_for_all(choose_among(config, several, set, &graph, cx)?)?,
        },
        Resolution::Automatic(Automatic::Auto) => one_for_all(choose_from_one_on(config, set, &graph, cx)?)?,
        Resolution::Automatic(Automatic::Hierarchical) => {
            hierarchical::discover(config, &HIERARCHICAL, set, &graph, cx)?
        }
    };
    bar.message(&format!("{} tasks", map.count()));
    Ok(map)
}

/// The task of every node, or none, at `resolution`; random numbers come from the stream `purpose`.
fn communities(
    config: &GraphConfig,
    resolution: f64,
    graph: &Graph,
    purpose: &str,
    cx: &FitContext,
) -> Result<Vec<Option<u32>>> {
    let resolution = match config.quality {
        Objective::Modularity => resolution,
        Objective::Cpm => resolution * density(graph),
    };
    communities_at(config, resolution, graph, purpose, cx)
}

/// The same at a resolution as Leiden takes it: on the scale of the weights for the constant Potts model.
pub(super) fn communities_at(
    config: &GraphConfig,
    resolution: f64,
    graph: &Graph,
    purpose: &str,
    cx: &FitContext,
) -> Result<Vec<Option<u32>>> {
    let quality = match config.quality {
        Objective::Modularity => Quality::Modularity,
        Objective::Cpm => Quality::ConstantPotts,
    };
    let leiden = Leiden { quality, resolution, ..Leiden::default() };
    let partition = leiden.run(graph, &mut cx.stream(purpose), cx.cancel_token())?;
    Ok(small::settle(graph, &partition.labels, config.minimum_size, config.small))
}

/// Prompts that are held out to judge resolutions by. The graph is not built again: tasks are found among the nodes that are not
/// held out and the edges between them, whose weights no held-out outcome is in, unless an estimator's expectations have learned from it.
struct HeldOut<'a> {
    config: &'a GraphConfig,
    set: &'a TrainingSet,
    cx: &'a FitContext,
    points: Matrix,
    folds: Vec<(Split, Graph)>,
}

impl<'a> HeldOut<'a> {
    fn new(config: &'a GraphConfig, set: &'a TrainingSet, graph: &Graph, cx: &'a FitContext) -> Self {
        let all: Vec<usize> = (0..set.len()).collect();
        let with_graph = |split: Split| {
            let part = graph.induced(&split.learn);
            (split, part)
        };
        let enough = JUDGES.div_ceil(set.len().div_ceil(FOLDS).max(1)).clamp(1, FOLDS);
        let folds = folds(&all, FOLDS, cx).into_iter().take(enough).map(with_graph).collect();
        Self { config, set, cx, points: normalized(set.embeddings()), folds }
    }

    /// What the tasks of `resolution` are worth.
    fn judge(&self, resolution: f64) -> Result<Candidate> {
        let mut candidate = Candidate::default();
        for (fold, (split, part)) in self.folds.iter().enumerate() {
            self.cx.check_cancelled()?;
            let purpose = format!("leiden {fold} {resolution}");
            let labels = communities(self.config, resolution, part, &purpose, self.cx)?;
            candidate.add(self.set, &self.points, split, &labels);
        }
        Ok(candidate)
    }
}

/// The lowest of `resolutions` that serves held-out prompts about as well as the best.
fn choose_among(
    config: &GraphConfig,
    resolutions: &[f64],
    set: &TrainingSet,
    graph: &Graph,
    cx: &FitContext,
) -> Result<f64> {
    let mut resolutions = resolutions.to_vec();
    resolutions.sort_by(f64::total_cmp);
    let held_out = HeldOut::new(config, set, graph, cx);
    let bar = cx.begin("choosing the resolution", Some(resolutions.len() as u64));
    let mut candidates = Vec::with_capacity(resolutions.len());
    for &resolution in &resolutions {
        candidates.push(held_out.judge(resolution)?);
        bar.advance(1);
    }
    Ok(resolutions.get(choose(&candidates)).copied().unwrap_or(COARSEST))
}

/// The lowest that comes within [`ERRORS`] standard errors of the best, of [`COARSEST`] and, each twice the one before, as many more
/// as it takes until [`PATIENCE`] in a row do not beat the best.
fn choose_from_one_on(config: &GraphConfig, set: &TrainingSet, graph: &Graph, cx: &FitContext) -> Result<f64> {
    let held_out = HeldOut::new(config, set, graph, cx);
    let bar = cx.begin("choosing the resolution", None);
    let (mut candidates, mut resolutions) = (Vec::new(), Vec::new());
    let (mut best, mut since) = (f64::NEG_INFINITY, 0);
    let mut resolution = COARSEST;
    while since < PATIENCE && resolution <= FINEST {
        let candidate = held_out.judge(resolution)?;
        let worth = candidate.mean();
        if worth > best {
            (best, since) = (worth, 0);
        } else {
            since += 1;
        }
        candidates.push(candidate);
        resolutions.push(resolution);
        if !worth.is_finite() {
            break; // Nothing tells resolutions apart.
        }
        resolution *= 2.0;
        bar.advance(1);
    }
    Ok(resolutions.get(choose_within(&candidates, ERRORS)).copied().unwrap_or(COARSEST))
}

/// The weight of all edges over all pairs of nodes.
pub(super) fn density(graph: &Graph) -> f64 {
    let n = graph.nodes() as f64;
    graph.total_weight() / (n * (n - 1.0) / 2.0).max(1.0)
}

/// The nearest-neighbor graph of the prompts, its weights the joint similarity.
pub(in crate::discoverers) fn prompt_graph(config: &GraphConfig, set: &TrainingSet, cx: &FitContext) -> Result<Graph> {
    let overlap = RankBiasedOverlap::new(config.persistence, config.ties, config.chance)?;
    let rankings = match &config.estimator {
        _ if config.agreement == 0.0 => Matrix::zeros(set.len(), 0),
        Some(estimator) => estimator.preferences(set, cx)?,
        None => overlap.features(set.outcomes()),
    };
    let semantic = normalized(set.embeddings());
    let index = |points| NeighborIndex::new(points, config.search, config.exact_limit, cx);
    let neighbors = match config.edges {
        Edges::Joint => {
            let joint = joined(&semantic, &rankings, config.agreement);
            drop((semantic, rankings));
            index(joint)?.search_among(config.neighbors, cx)?
        }
        Edges::Semantic => {
            let index = index(semantic)?;
            let mut neighbors = index.search_among(config.neighbors, cx)?;
            reweigh(&mut neighbors, &rankings, config.agreement);
            neighbors
        }
    };
    Graph::from_neighbors(&neighbors, set.len(), Symmetrization::Union)
}

/// [sqrt(1-a) * semantic, sqrt(a) * rankings]: the inner product of two such rows is the joint similarity.
fn joined(semantic: &Matrix, rankings: &Matrix, agreement: f64) -> Matrix {
    let (d, r) = (semantic.cols(), rankings.cols());
    let mut joint = Matrix::zeros(semantic.rows(), d + r);
    let (of_words, of_ranks) = ((1.0 - agreement).sqrt() as f32, agreement.sqrt() as f32);
    for row in 0..semantic.rows() {
        let (words, ranks) = joint.row_mut(row).split_at_mut(d);
        words.iter_mut().zip(semantic.row(row)).for_each(|(to, &from)| *to = of_words * from);
        ranks.iter_mut().zip(rankings.row(row)).for_each(|(to, &from)| *to = of_ranks * from);
    }
    joint
}

/// Replaces the cosines of `neighbors` by joint similarities.
fn reweigh(neighbors: &mut Neighbors, rankings: &Matrix, agreement: f64) {
    let k = neighbors.k.max(1);
    let (of_words, of_ranks) = ((1.0 - agreement) as f32, agreement as f32);
    neighbors.similarities.par_chunks_mut(k).zip(neighbors.indices.par_chunks(k)).enumerate().for_each(
        |(row, (similarities, indices))| {
            for (similarity, &other) in similarities.iter_mut().zip(indices) {
                let overlap = dot(rankings.row(row), rankings.row(other as usize));
                *similarity = of_words * *similarity + of_ranks * overlap;
            }
        },
    );
}

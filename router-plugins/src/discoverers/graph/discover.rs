//! From prompts and outcomes to communities.

use rayon::prelude::*;
use router_core::prelude::*;

use super::config::{Edges, GraphConfig, Objective};
use super::small;
use crate::graph::csr::Symmetrization;
use crate::graph::{Graph, Leiden, Quality, RankBiasedOverlap};
use crate::neighbors::{NeighborIndex, Neighbors, dot, normalized};

pub(super) fn discover(config: &GraphConfig, set: &TrainingSet, cx: &FitContext) -> Result<TaskMap> {
    cx.check_cancelled()?;
    let graph = prompt_graph(config, set, cx)?;
    let bar = cx.begin("finding communities", None);
    let leiden = Leiden {
        quality: match config.quality {
            Objective::Modularity => Quality::Modularity,
            Objective::Cpm => Quality::ConstantPotts,
        },
        resolution: match config.quality {
            Objective::Modularity => config.resolution,
            Objective::Cpm => config.resolution * density(&graph),
        },
        ..Leiden::default()
    };
    let partition = leiden.run(&graph, &mut cx.stream("leiden"), cx.cancel_token())?;
    let labels = small::settle(&graph, &partition.labels, config.minimum_size, config.small);
    let map = TaskMap::from_labels(&labels);
    bar.message(&format!("{} tasks", map.count()));
    Ok(map)
}

/// The weight of all edges over all pairs of nodes.
fn density(graph: &Graph) -> f64 {
    let n = graph.nodes() as f64;
    graph.total_weight() / (n * (n - 1.0) / 2.0).max(1.0)
}

/// The nearest-neighbor graph of the prompts, its weights the joint similarity.
pub(in crate::discoverers) fn prompt_graph(config: &GraphConfig, set: &TrainingSet, cx: &FitContext) -> Result<Graph> {
    let overlap = RankBiasedOverlap::new(config.persistence, config.ties, config.chance)?;
    let semantic = normalized(set.embeddings());
    let rankings = if config.agreement > 0.0 { overlap.features(set.outcomes()) } else { Matrix::zeros(set.len(), 0) };
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

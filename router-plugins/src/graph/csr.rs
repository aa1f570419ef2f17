//! Weighted undirected graphs in compressed sparse rows.
#![allow(clippy::indexing_slicing, reason = "offsets and targets are checked or counted when a graph is built")]

use router_core::{Error, ErrorKind, Result};

use crate::neighbors::Neighbors;

/// Which of two prompts has to name the other for an edge between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Symmetrization {
    /// Either: no node is cut off because nobody names it. The choice for communities.
    Union,
    /// Both: sparser, but rare kinds of prompts fall into single nodes.
    Mutual,
}

/// A weighted undirected graph of n nodes: every edge stands in the rows of both ends, targets ascending; weights are above
/// zero; a node's weight with itself is kept apart.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Graph {
    offsets: Vec<usize>,
    targets: Vec<u32>,
    weights: Vec<f64>,
    loops: Vec<f64>,
}

impl Graph {
    /// A graph of `nodes` nodes and `edges` (from, to, weight), each given once, in any order. Parallel edges add up; edges of
    /// weight zero are left out. O(n + e log e).
    ///
    /// # Errors
    /// [`ErrorKind::Shape`] for an end that is no node; [`ErrorKind::NonFinite`] or [`ErrorKind::Data`] for a weight that is
    /// not finite or negative.
    pub fn from_edges(nodes: usize, edges: &[(u32, u32, f64)]) -> Result<Self> {
        let mut loops = vec![0.0; nodes];
        let mut degrees = vec![0usize; nodes + 1];
        for &(from, to, weight) in edges {
            if from as usize >= nodes || to as usize >= nodes {
                return Err(Error::shape("end of an edge", format!("below {nodes}"), from.max(to)));
            }
            if !weight.is_finite() || weight < 0.0 {
                let kind = if weight < 0.0 { ErrorKind::Data } else { ErrorKind::NonFinite };
                return Err(Error::new(kind, format!("the weight of edge {from} - {to} is {weight}"))
                    .help("weights of edges are finite, zero or more"));
            }
            if from == to {
                loops[from as usize] += weight;
            } else if weight > 0.0 {
                degrees[from as usize + 1] += 1;
                degrees[to as usize + 1] += 1;
            }
        }
        for node in 0..nodes {
            degrees[node + 1] += degrees[node];
        }
        let mut place = degrees.clone();
        let mut entries = vec![(0u32, 0.0f64); degrees[nodes]];
        for &(from, to, weight) in edges {
            if from != to && weight > 0.0 {
                for (from, to) in [(from, to), (to, from)] {
                    entries[place[from as usize]] = (to, weight);
                    place[from as usize] += 1;
                }
            }
        }
        let mut graph = Self {
            offsets: Vec::with_capacity(nodes + 1),
            targets: Vec::with_capacity(entries.len()),
            weights: Vec::with_capacity(entries.len()),
            loops,
        };
        graph.offsets.push(0);
        for node in 0..nodes {
            let row = &mut entries[degrees[node]..degrees[node + 1]];
            row.sort_by_key(|&(target, _)| target); // stable: parallel edges add up in the order given, at both ends
            for same in row.chunk_by(|a, b| a.0 == b.0) {
                graph.targets.push(same[0].0);
                graph.weights.push(same.iter().map(|&(_, weight)| weight).sum());
            }
            graph.offsets.push(graph.targets.len());
        }
        Ok(graph)
    }

    /// The graph of nearest neighbors: an edge where `symmetrization` says so, its weight the similarity; similarities of zero
    /// or less give no edge. O(n k log k).
    ///
    /// The weight is the similarity itself, not its excess over the neighborhood's weakest: what an edge is worth should not
    /// depend on who else is near, and with the excess a node's last neighbor, often its only tie to a rare kind, counts nothing.
    ///
    /// # Errors
    /// [`ErrorKind::Shape`] if a neighbor is no node.
    pub fn from_neighbors(neighbors: &Neighbors, nodes: usize, symmetrization: Symmetrization) -> Result<Self> {
        let mut edges: Vec<(u32, u32, f64)> = Vec::with_capacity(neighbors.indices.len());
        for node in 0..nodes as u32 {
            let (indices, similarities) = neighbors.row(node as usize);
            for (&other, &similarity) in indices.iter().zip(similarities) {
                if other != node && similarity > 0.0 {
                    edges.push((node.min(other), node.max(other), f64::from(similarity)));
                }
            }
        }
        edges.sort_unstable_by(|a, b| (a.0, a.1).cmp(&(b.0, b.1)).then(b.2.total_cmp(&a.2)));
        let wanted = if symmetrization == Symmetrization::Union { 1 } else { 2 };
        // Named from both sides, a similarity can differ in its last bits: the larger one stands.
        let edges: Vec<_> = edges
            .chunk_by(|a, b| (a.0, a.1) == (b.0, b.1))
            .filter(|named| named.len() >= wanted)
            .map(|named| named[0])
            .collect();
        Self::from_edges(nodes, &edges)
    }

    /// The graph of `nodes` alone, ascending, and the edges among them; node i is `nodes[i]`. O(n + e).
    ///
    /// # Panics
    /// If there is no such node.
    pub fn induced(&self, nodes: &[usize]) -> Self {
        let mut places = vec![u32::MAX; self.nodes()];
        for (place, &node) in nodes.iter().enumerate() {
            places[node] = place as u32;
        }
        let mut induced = Self { offsets: vec![0], ..Self::default() };
        for &node in nodes {
            let (targets, weights) = self.row(node);
            for (&target, &weight) in targets.iter().zip(weights) {
                if places[target as usize] != u32::MAX {
                    induced.targets.push(places[target as usize]);
                    induced.weights.push(weight);
                }
            }
            induced.offsets.push(induced.targets.len());
            induced.loops.push(self.loops[node]);
        }
        induced
    }

    /// A graph from rows that are already sorted and symmetric.
    pub(crate) fn from_parts(offsets: Vec<usize>, targets: Vec<u32>, weights: Vec<f64>, loops: Vec<f64>) -> Self {
        Self { offsets, targets, weights, loops }
    }

    /// Number of nodes.
    pub fn nodes(&self) -> usize {
        self.loops.len()
    }

    /// Number of edges between different nodes.
    pub fn edges(&self) -> usize {
        self.targets.len() / 2
    }

    /// The other ends of `node`'s edges and their weights.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn row(&self, node: usize) -> (&[u32], &[f64]) {
        let range = self.offsets[node]..self.offsets[node + 1];
        (&self.targets[range.clone()], &self.weights[range])
    }

    /// The weight of `node` with itself.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn self_weight(&self, node: usize) -> f64 {
        self.loops[node]
    }

    /// The strength of `node`: the weights of its edges, one with itself twice.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn strength(&self, node: usize) -> f64 {
        self.row(node).1.iter().sum::<f64>() + 2.0 * self.loops[node]
    }

    /// The weight of all edges, each once.
    pub fn total_weight(&self) -> f64 {
        self.weights.iter().sum::<f64>() / 2.0 + self.loops.iter().sum::<f64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_stand_at_both_ends_and_parallel_ones_add_up() {
        let graph = Graph::from_edges(4, &[(2, 0, 1.5), (0, 1, 1.0), (0, 2, 0.5), (3, 3, 2.0), (1, 3, 0.0)]).unwrap();
        assert_eq!((graph.nodes(), graph.edges()), (4, 2));
        assert_eq!(graph.row(0), (&[1u32, 2][..], &[1.0, 2.0][..]));
        assert_eq!(graph.row(2), (&[0u32][..], &[2.0][..]));
        assert_eq!(graph.row(3), (&[][..], &[][..]));
        assert_eq!((graph.self_weight(3), graph.strength(3), graph.strength(0)), (2.0, 4.0, 3.0));
        assert_eq!(graph.total_weight(), 5.0);
    }

    #[test]
    fn an_induced_graph_keeps_the_edges_among_its_nodes() {
        let graph = Graph::from_edges(4, &[(2, 0, 1.5), (0, 1, 1.0), (2, 3, 0.5), (3, 3, 2.0)]).unwrap();
        let expected = Graph::from_edges(3, &[(0, 1, 1.5), (1, 2, 0.5), (2, 2, 2.0)]).unwrap();
        assert_eq!(graph.induced(&[0, 2, 3]), expected);
        assert_eq!(graph.induced(&[]).nodes(), 0);
        assert_eq!(graph.induced(&[0, 1, 2, 3]), graph);
    }

    #[test]
    fn bad_edges_are_refused() {
        let kind = |edge| Graph::from_edges(2, &[edge]).unwrap_err().kind();
        assert_eq!(kind((0, 2, 1.0)), ErrorKind::Shape);
        assert_eq!(kind((0, 1, -1.0)), ErrorKind::Data);
        assert_eq!(kind((0, 1, f64::NAN)), ErrorKind::NonFinite);
        assert_eq!(Graph::from_edges(0, &[]).unwrap().total_weight(), 0.0);
    }

    #[test]
    fn neighbors_are_joined_by_union_or_mutually() {
        // 0 names 1 and 2; 1 names 0 and 2; 2 names 1 (0.2) and, without similarity, 0.
        let neighbors =
            Neighbors { indices: vec![1, 2, 0, 2, 1, 0], similarities: vec![0.9, 0.4, 0.9, 0.2, 0.2, 0.0], k: 2 };
        let union = Graph::from_neighbors(&neighbors, 3, Symmetrization::Union).unwrap();
        assert_eq!(union.row(2), (&[0u32, 1][..], &[f64::from(0.4f32), f64::from(0.2f32)][..]));
        let mutual = Graph::from_neighbors(&neighbors, 3, Symmetrization::Mutual).unwrap();
        assert_eq!(mutual.row(2), (&[1u32][..], &[f64::from(0.2f32)][..]));
        assert_eq!(mutual.row(0), (&[1u32][..], &[f64::from(0.9f32)][..]));
    }
}

//! Leiden: communities of a graph, every one of them connected.
//!
//! Traag, Waltman and van Eck 2019, "From Louvain to Leiden: guaranteeing well-connected communities" (Scientific Reports 9,
//! 5233; algorithm A.2 of the supplement). A pass moves nodes to better communities until none wants to move (a queue holds
//! those whose neighborhood has changed), refines every community into well-connected parts, makes each part a node of a
//! smaller graph whose nodes start in the communities that were found, and begins again there. Passes repeat on the result
//! until the quality stops growing.
//!
//! A pass costs about O(e log n) for e edges, on one thread, and 12 bytes an edge beside the graph; three to six passes are
//! usual. Everything random comes from the stream given, and ties go to the candidate met first, so the same graph and stream
//! give the same partition.
#![allow(clippy::indexing_slicing, reason = "labels and nodes are numbered from 0 without gaps by the code here")]

use rand::RngExt;
use rand::seq::SliceRandom;
use router_core::{CancelToken, Error, Result, SeedStream};

use super::agreement::renumbered;
use super::csr::Graph;

/// What a good partition is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quality {
    /// Modularity with resolution g (Reichardt and Bornholdt 2006): the share of edge weight inside communities less g times
    /// its expectation among nodes of the same strengths. Blind to the scale of weights; at g = 1, finds no communities much
    /// smaller than the square root of the graph's edges.
    Modularity,
    /// The constant Potts model (Traag, Van Dooren and Nesterov 2011): weight inside communities less g for every pair of
    /// nodes in one. A community is denser than g inside and sparser toward others, whatever the size of the graph; g is on
    /// the scale of the weights.
    ConstantPotts,
}

/// The algorithm with its parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Leiden {
    /// What to maximize.
    pub quality: Quality,
    /// The resolution g, zero or more: the larger, the more communities.
    pub resolution: f64,
    /// How freely the refinement merges, in units of the mean edge weight (theta in the paper): a merge that gains x is
    /// chosen with a probability proportional to exp(x / randomness). At 0 the best is always chosen.
    pub randomness: f64,
    /// Passes at most; `None`: until a pass no longer improves the quality.
    pub passes: Option<usize>,
}

impl Default for Leiden {
    fn default() -> Self {
        Self { quality: Quality::Modularity, resolution: 1.0, randomness: 0.01, passes: None }
    }
}

/// Communities.
#[derive(Debug, Clone, PartialEq)]
pub struct Partition {
    /// The community of every node, numbered from 0 by first member.
    pub labels: Vec<u32>,
    /// Number of communities.
    pub communities: usize,
    /// For modularity what [`modularity`] gives; for the constant Potts model the sum over communities of weight inside less
    /// resolution times pairs of nodes.
    pub quality: f64,
    /// The parts that the last pass built the communities from, finest level first, each a partition of the nodes that
    /// coarsens the one before.
    pub levels: Vec<Vec<u32>>,
    /// Passes made.
    pub passes: usize,
}

/// The modularity of `labels` on `graph` (Newman and Girvan 2004, with the resolution of Reichardt and Bornholdt 2006):
/// the sum over communities of (weight inside / all weight) - resolution * (strength / all strength)^2, at most 1; 0 for a
/// graph without edges. O(n + e).
///
/// # Errors
/// [`router_core::ErrorKind::Shape`] if there is not one label a node.
///
/// ```
/// use router_plugins::graph::{Graph, modularity};
/// let two_triangles = Graph::from_edges(6, &[(0, 1, 1.0), (1, 2, 1.0), (0, 2, 1.0), (3, 4, 1.0), (4, 5, 1.0), (3, 5, 1.0)])?;
/// assert_eq!(modularity(&two_triangles, &[0, 0, 0, 1, 1, 1], 1.0)?, 0.5);
/// # Ok::<(), router_core::Error>(())
/// ```
pub fn modularity(graph: &Graph, labels: &[u32], resolution: f64) -> Result<f64> {
    check_labels(graph, labels)?;
    Ok(quality_of(graph, &renumbered(labels), Quality::Modularity, resolution))
}

/// The quality of `labels` under the constant Potts model: the sum over communities of the weight inside less `resolution`
/// for every pair of nodes. O(n + e).
///
/// # Errors
/// [`router_core::ErrorKind::Shape`] if there is not one label a node.
pub fn constant_potts(graph: &Graph, labels: &[u32], resolution: f64) -> Result<f64> {
    check_labels(graph, labels)?;
    Ok(quality_of(graph, &renumbered(labels), Quality::ConstantPotts, resolution))
}

fn check_labels(graph: &Graph, labels: &[u32]) -> Result<()> {
    if labels.len() == graph.nodes() { Ok(()) } else { Err(Error::shape("labels", graph.nodes(), labels.len())) }
}

fn quality_of(graph: &Graph, labels: &[u32], quality: Quality, resolution: f64) -> f64 {
    let communities = labels.iter().max().map_or(0, |&label| label as usize + 1);
    let mut inside = 0.0;
    let mut masses = vec![0.0; communities];
    for (node, &label) in labels.iter().enumerate() {
        let (targets, weights) = graph.row(node);
        let own: f64 =
            targets.iter().zip(weights).filter(|&(&t, _)| labels[t as usize] == label).map(|(_, &weight)| weight).sum();
        inside += own / 2.0 + graph.self_weight(node);
        masses[label as usize] += match quality {
            Quality::Modularity => graph.strength(node),
            Quality::ConstantPotts => 1.0,
        };
    }
    match quality {
        Quality::Modularity => {
            let total = graph.total_weight();
            if total == 0.0 {
                return 0.0;
            }
            let expected: f64 = masses.iter().map(|mass| (mass / (2.0 * total)).powi(2)).sum();
            inside / total - resolution * expected
        }
        Quality::ConstantPotts => inside - resolution * masses.iter().map(|n| n * (n - 1.0) / 2.0).sum::<f64>(),
    }
}

impl Leiden {
    /// The communities of `graph`. A node without edges is one of its own.
    ///
    /// # Errors
    /// [`router_core::ErrorKind::Cancelled`].
    pub fn run(&self, graph: &Graph, stream: &mut SeedStream, cancel: &CancelToken) -> Result<Partition> {
        let total = graph.total_weight();
        let mut labels: Vec<u32> = (0..graph.nodes() as u32).collect();
        let mut best = quality_of(graph, &labels, self.quality, self.resolution);
        let mut levels = Vec::new();
        let mut passes = 0;
        // Without weight between nodes there is nothing to merge (and no scale of modularity).
        if graph.edges() > 0 {
            let masses = match self.quality {
                Quality::Modularity => (0..graph.nodes()).map(|node| graph.strength(node)).collect(),
                Quality::ConstantPotts => vec![1.0; graph.nodes()],
            };
            let mean_weight = total / graph.edges() as f64;
            let mut search = Search {
                penalty: match self.quality {
                    Quality::Modularity => self.resolution / (2.0 * total),
                    Quality::ConstantPotts => self.resolution,
                },
                temperature: self.randomness.max(0.0) * mean_weight,
                least_gain: 1e-10 * mean_weight,
                stream,
                weights: vec![0.0; graph.nodes()],
                touched: Vec::new(),
            };
            while self.passes.is_none_or(|limit| passes < limit) {
                let mut next = labels.clone();
                let built = search.pass(graph, &masses, &mut next, cancel)?;
                let next = connected_parts(graph, &next);
                passes += 1;
                let quality = quality_of(graph, &next, self.quality, self.resolution);
                let gain = quality - best;
                if passes == 1 || gain > 0.0 {
                    (labels, best, levels) = (next, quality, built);
                }
                if gain <= 1e-9 * best.abs().max(f64::MIN_POSITIVE) {
                    break;
                }
            }
        }
        let communities = labels.iter().max().map_or(0, |&label| label as usize + 1);
        Ok(Partition { labels, communities, quality: best, levels, passes })
    }
}

/// The communities of `labels` split into their connected parts, renumbered by first member. The moves of a last level can
/// leave a community that a departed node held together; splitting it always improves the quality. O(n + e).
fn connected_parts(graph: &Graph, labels: &[u32]) -> Vec<u32> {
    let mut parts = vec![u32::MAX; labels.len()];
    let mut count = 0;
    let mut stack = Vec::new();
    for start in 0..labels.len() {
        if parts[start] != u32::MAX {
            continue;
        }
        parts[start] = count;
        stack.push(start);
        while let Some(node) = stack.pop() {
            for &target in graph.row(node).0 {
                let target = target as usize;
                if parts[target] == u32::MAX && labels[target] == labels[node] {
                    parts[target] = count;
                    stack.push(target);
                }
            }
        }
        count += 1;
    }
    parts
}

/// Renumbers `labels`, all below `bound`, without gaps in the order of first appearance; gives their number. O(n).
fn compress(labels: &mut [u32], bound: usize) -> usize {
    let mut names = vec![u32::MAX; bound];
    let mut count = 0;
    for label in labels {
        let name = &mut names[*label as usize];
        if *name == u32::MAX {
            *name = count;
            count += 1;
        }
        *label = *name;
    }
    count as usize
}

/// A graph of one level: its nodes are nodes of the graph given, or parts of it.
struct Level {
    graph: Graph,
    /// What every node weighs in the penalty: its strength, or the number of nodes in it.
    masses: Vec<f64>,
}

struct Search<'a> {
    /// What a pair of masses in one community costs.
    penalty: f64,
    temperature: f64,
    /// A move must gain more than this, so that rounding cannot move nodes back and forth.
    least_gain: f64,
    stream: &'a mut SeedStream,
    /// Weight from the node at hand to every community; zero outside of `touched`.
    weights: Vec<f64>,
    touched: Vec<u32>,
}

impl Search<'_> {
    /// One pass from the partition `labels` to a better one; gives the refined partition of every level.
    fn pass(
        &mut self,
        graph: &Graph,
        masses: &[f64],
        labels: &mut [u32],
        cancel: &CancelToken,
    ) -> Result<Vec<Vec<u32>>> {
        let mut levels: Vec<Vec<u32>> = Vec::new();
        // The node of the current level that stands for every node of the graph, and that level's partition.
        let mut place: Vec<u32> = (0..labels.len() as u32).collect();
        let mut current = labels.to_vec();
        let mut level: Option<Level> = None;
        loop {
            cancel.check()?;
            let (graph, masses) = level.as_ref().map_or((graph, masses), |level| (&level.graph, &level.masses));
            let nodes = graph.nodes();
            self.move_nodes(graph, masses, &mut current);
            let communities = compress(&mut current, nodes);
            if communities == nodes {
                break;
            }
            let mut refined = self.refine(graph, masses, &current, communities);
            let mut parts = compress(&mut refined, nodes);
            if parts == nodes {
                // No part could be merged: go on with the communities themselves.
                refined.clone_from(&current);
                parts = communities;
            }
            let mut community_of_part = vec![0; parts];
            for (node, &part) in refined.iter().enumerate() {
                community_of_part[part as usize] = current[node];
            }
            let next = self.aggregate(graph, masses, &refined, parts);
            for node in &mut place {
                *node = refined[*node as usize];
            }
            levels.push(place.clone());
            level = Some(next);
            current = community_of_part;
        }
        for (label, &node) in labels.iter_mut().zip(&place) {
            *label = current[node as usize];
        }
        Ok(levels)
    }

    /// Sums the weights from `node` to the communities of its neighbors into `self.weights`, for neighbors that `counts`.
    #[inline]
    fn gather(&mut self, graph: &Graph, node: usize, labels: &[u32], counts: impl Fn(usize) -> bool) {
        let (targets, weights) = graph.row(node);
        for (&target, &weight) in targets.iter().zip(weights) {
            if counts(target as usize) {
                let label = labels[target as usize];
                let sum = &mut self.weights[label as usize];
                if *sum == 0.0 {
                    self.touched.push(label);
                }
                *sum += weight;
            }
        }
    }

    /// Moves nodes to the neighboring or empty community that gains most, until no node gains.
    fn move_nodes(&mut self, graph: &Graph, masses: &[f64], labels: &mut [u32]) {
        let nodes = graph.nodes();
        let mut community_masses = vec![0.0; nodes];
        let mut sizes = vec![0u32; nodes];
        for (node, &label) in labels.iter().enumerate() {
            community_masses[label as usize] += masses[node];
            sizes[label as usize] += 1;
        }
        let mut empty: Vec<u32> = (0..nodes as u32).rev().filter(|&label| sizes[label as usize] == 0).collect();
        // A ring: never more than all nodes wait.
        let mut queue: Vec<u32> = (0..nodes as u32).collect();
        queue.shuffle(self.stream);
        let mut waits = vec![true; nodes];
        let (mut head, mut waiting) = (0, nodes);
        while waiting > 0 {
            let node = queue[head] as usize;
            head = if head + 1 == nodes { 0 } else { head + 1 };
            waiting -= 1;
            waits[node] = false;

            self.gather(graph, node, labels, |_| true);
            let own = labels[node];
            let penalty = self.penalty * masses[node];
            let stay = self.weights[own as usize] - penalty * (community_masses[own as usize] - masses[node]);
            let (mut best, mut best_value) = (own, stay + self.least_gain);
            for &label in &self.touched {
                let sum = std::mem::take(&mut self.weights[label as usize]);
                let value = sum - penalty * community_masses[label as usize];
                if value > best_value && label != own {
                    (best, best_value) = (label, value);
                }
            }
            self.touched.clear();
            if best_value < 0.0
                && sizes[own as usize] > 1
                && let Some(&label) = empty.last()
            {
                best = label;
            }
            if best == own {
                continue;
            }
            community_masses[own as usize] -= masses[node];
            sizes[own as usize] -= 1;
            if sizes[own as usize] == 0 {
                community_masses[own as usize] = 0.0;
                empty.push(own);
            }
            if sizes[best as usize] == 0 {
                empty.pop();
            }
            community_masses[best as usize] += masses[node];
            sizes[best as usize] += 1;
            labels[node] = best;
            for &target in graph.row(node).0 {
                let target = target as usize;
                if !waits[target] && labels[target] != best {
                    waits[target] = true;
                    let tail = head + waiting;
                    queue[if tail >= nodes { tail - nodes } else { tail }] = target as u32;
                    waiting += 1;
                }
            }
        }
    }

    /// Splits every community into well-connected parts: nodes start alone, and each that is still alone and well connected to
    /// its community may join a well-connected part of it at no loss.
    fn refine(&mut self, graph: &Graph, masses: &[f64], labels: &[u32], communities: usize) -> Vec<u32> {
        let nodes = graph.nodes();
        let mut parts: Vec<u32> = (0..nodes as u32).collect();
        let mut part_masses = masses.to_vec();
        let mut alone = vec![true; nodes];
        // Weight from every part to the rest of its community.
        let mut ties = vec![0.0; nodes];
        for (node, ties) in ties.iter_mut().enumerate() {
            let (targets, weights) = graph.row(node);
            *ties = targets
                .iter()
                .zip(weights)
                .filter(|&(&target, _)| labels[target as usize] == labels[node])
                .map(|(_, &weight)| weight)
                .sum();
        }
        let mut community_masses = vec![0.0; communities];
        for (node, &label) in labels.iter().enumerate() {
            community_masses[label as usize] += masses[node];
        }
        let mut choices: Vec<(u32, f64)> = Vec::new();
        // Communities do not see each other here, so one random order of all nodes serves them all.
        let mut order: Vec<u32> = (0..nodes as u32).collect();
        order.shuffle(self.stream);
        for node in order {
            let node = node as usize;
            let label = labels[node];
            let whole = community_masses[label as usize];
            let penalty = self.penalty;
            let well_tied = |ties: f64, mass: f64| ties >= penalty * mass * (whole - mass);
            if !alone[node] || ties[node] == 0.0 || !well_tied(ties[node], masses[node]) {
                continue;
            }
            self.gather(graph, node, &parts, |target| labels[target] == label);
            let mut highest = 0.0;
            choices.clear();
            for &part in &self.touched {
                let (sum, mass) = (self.weights[part as usize], part_masses[part as usize]);
                let gain = sum - penalty * masses[node] * mass;
                if gain >= 0.0 && well_tied(ties[part as usize], mass) {
                    choices.push((part, gain));
                    highest = gain.max(highest);
                }
            }
            if let Some(part) = self.choose(&choices, highest) {
                let sum = self.weights[part as usize];
                ties[part as usize] += ties[node] - 2.0 * sum;
                part_masses[part as usize] += masses[node];
                parts[node] = part;
                alone[part as usize] = false; // the part's first node bears its number
                alone[node] = false;
            }
            for part in self.touched.drain(..) {
                self.weights[part as usize] = 0.0;
            }
        }
        parts
    }

    /// One of `choices` by the exponential of its gain; staying alone, which gains 0, is one too (`None`).
    fn choose(&mut self, choices: &[(u32, f64)], highest: f64) -> Option<u32> {
        if self.temperature <= 0.0 {
            return choices.iter().find(|&&(_, gain)| gain == highest).map(|&(part, _)| part);
        }
        let chance = |gain: f64| ((gain - highest) / self.temperature).exp();
        let alone = chance(0.0);
        let total = alone + choices.iter().map(|&(_, gain)| chance(gain)).sum::<f64>();
        let mut draw = self.stream.random::<f64>() * total - alone;
        if draw < 0.0 {
            return None;
        }
        for &(part, gain) in choices {
            draw -= chance(gain);
            if draw < 0.0 {
                return Some(part);
            }
        }
        choices.iter().rev().find(|&&(_, gain)| gain == highest).map(|&(part, _)| part)
    }

    /// The graph whose nodes are the `count` parts.
    fn aggregate(&mut self, graph: &Graph, masses: &[f64], parts: &[u32], count: usize) -> Level {
        let mut starts = vec![0usize; count + 1];
        for &part in parts {
            starts[part as usize + 1] += 1;
        }
        for part in 0..count {
            starts[part + 1] += starts[part];
        }
        let mut members = vec![0u32; parts.len()];
        let mut next = starts.clone();
        for (node, &part) in parts.iter().enumerate() {
            members[next[part as usize]] = node as u32;
            next[part as usize] += 1;
        }
        let mut offsets = Vec::with_capacity(count + 1);
        offsets.push(0);
        let (mut targets, mut weights) = (Vec::new(), Vec::new());
        let mut loops = vec![0.0; count];
        let mut part_masses = vec![0.0; count];
        for part in 0..count {
            for &node in &members[starts[part]..starts[part + 1]] {
                let node = node as usize;
                self.gather(graph, node, parts, |_| true);
                loops[part] += graph.self_weight(node);
                part_masses[part] += masses[node];
            }
            for target in self.touched.drain(..) {
                let weight = std::mem::take(&mut self.weights[target as usize]);
                if target as usize == part {
                    loops[part] += weight / 2.0; // seen from both ends
                } else {
                    targets.push(target);
                    weights.push(weight);
                }
            }
            offsets.push(targets.len());
        }
        Level { graph: Graph::from_parts(offsets, targets, weights, loops), masses: part_masses }
    }
}

#[cfg(test)]
mod tests;

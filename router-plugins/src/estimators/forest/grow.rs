//! How a tree grows.

#![allow(clippy::indexing_slicing, reason = "one entry a row, feature or model, allocated here")]

use pulp::Arch;
use rand::RngExt;
use rand::seq::index::sample;
use router_core::SeedStream;
use router_core::prelude::*;

use super::config::ForestConfig;
use super::sums::{BLOCK, Below, Numbers, Range};
use super::targets::{MAXIMUM_WIDTH, Seen, Targets};
use crate::estimators::decision_trees::{Node, Tree};

/// What grows one tree.
pub(super) struct Grower<'a> {
    config: &'a ForestConfig,
    set: &'a TrainingSet,
    global: &'a [f32],
    targets: Seen,
    rows: Vec<u32>,
    stream: SeedStream,
    tree: Tree,
    scratch: Scratch,
}

/// Buffers of a node: one entry a number that is looked at.
#[derive(Default)]
struct Scratch {
    /// Which numbers are looked at; empty where all are.
    columns: Vec<usize>,
    /// The looked-at numbers of a block of prompts, unless they are all.
    values: Vec<f32>,
    least: Vec<f32>,
    greatest: Vec<f32>,
    thresholds: Vec<f32>,
    /// Sums of the targets below the threshold, a target's width a number.
    sums: Vec<f32>,
    counts: Vec<f32>,
}

/// A node that is still to be made: rows `start..end` and the quality of every model in the node above.
struct Pending {
    node: usize,
    start: usize,
    end: usize,
    above: Vec<f32>,
}

/// The best cut of a node.
struct Cut {
    feature: usize,
    threshold: f32,
    gain: f32,
}

impl<'a> Grower<'a> {
    pub(super) fn new(config: &'a ForestConfig, set: &'a TrainingSet, targets: &'a Targets, cx: &FitContext) -> Self {
        Self {
            config,
            set,
            global: targets.global(),
            targets: targets.seen(&mut cx.stream("projection")),
            rows: targets.rows().to_vec(),
            stream: cx.stream("cuts"),
            tree: Tree::default(),
            scratch: Scratch::default(),
        }
    }

    /// Grows the tree. A node that no cut can divide into two of `minimum_leaf` prompts is a leaf.
    pub(super) fn grow(mut self) -> Tree {
        self.tree.nodes.push(Node::Leaf(0));
        let root = Pending { node: 0, start: 0, end: self.rows.len(), above: self.global.to_vec() };
        let mut pending = vec![root];
        while let Some(Pending { node, start, end, above }) = pending.pop() {
            let quality = self.shrunk(start, end, &above);
            let Some(cut) = self.best_cut(start, end) else {
                let leaf = self.tree.values.len() / self.global.len().max(1);
                self.tree.values.extend(quality);
                self.tree.nodes[node] = Node::Leaf(leaf as u32);
                continue;
            };
            let middle = start + self.divide(start, end, &cut);
            let below = self.tree.nodes.len();
            self.tree.nodes[node] =
                Node::Cut { feature: cut.feature as u32, threshold: cut.threshold, below: below as u32 };
            self.tree.nodes.extend([Node::Leaf(0), Node::Leaf(0)]);
            pending.push(Pending { node: below + 1, start: middle, end, above: quality.clone() });
            pending.push(Pending { node: below, start, end: middle, above: quality });
        }
        self.tree
    }

    /// Mean quality of every model on the rows `start..end`, pulled toward that of the node above.
    fn shrunk(&self, start: usize, end: usize, above: &[f32]) -> Vec<f32> {
        let prior = self.config.prior as f32;
        let mut sums: Vec<f32> = above.iter().map(|quality| prior * quality).collect();
        let mut weights = vec![prior; above.len()];
        for &row in &self.rows[start..end] {
            for outcome in self.set.outcomes().row(row as usize) {
                sums[outcome.model] += outcome.weight * outcome.quality;
                weights[outcome.model] += outcome.weight;
            }
        }
        let mean = |((sum, weight), above): ((f32, f32), &f32)| if weight > 0.0 { sum / weight } else { *above };
        sums.into_iter().zip(weights).zip(above).map(mean).collect()
    }

    /// The best of one random cut a looked-at number.
    fn best_cut(&mut self, start: usize, end: usize) -> Option<Cut> {
        let count = end - start;
        if count < 2 * self.config.minimum_leaf {
            return None;
        }
        let embeddings = self.set.embeddings();
        let all = embeddings.cols();
        let looked_at = ((all as f64 * self.config.features).ceil() as usize).clamp(1.min(all), all);
        let scratch = &mut self.scratch;
        scratch.columns.clear();
        if looked_at < all {
            scratch.columns.extend(sample(&mut self.stream, all, looked_at));
        }
        scratch.range(embeddings, &self.rows[start..end], looked_at);
        scratch.draw(&mut self.stream);
        scratch.add_up(embeddings, &self.rows[start..end], &self.targets);
        let width = self.targets.width;
        let mut total = vec![0.0f32; width];
        for &row in &self.rows[start..end] {
            total.iter_mut().zip(self.targets.row(row)).for_each(|(to, value)| *to += value);
        }
        let least = self.config.minimum_leaf as f32;
        let mut best: Option<Cut> = None;
        for at in 0..looked_at {
            let (below, beyond) = (scratch.counts[at], count as f32 - scratch.counts[at]);
            if below < least || beyond < least {
                continue;
            }
            let (mut squares_below, mut squares_beyond) = (0.0f32, 0.0f32);
            for (sum, total) in scratch.sums[at * width..(at + 1) * width].iter().zip(&total) {
                squares_below += sum * sum;
                squares_beyond += (total - sum) * (total - sum);
            }
            let gain = squares_below / below + squares_beyond / beyond;
            if best.as_ref().is_none_or(|best| gain > best.gain) {
                let feature = scratch.columns.get(at).copied().unwrap_or(at);
                best = Some(Cut { feature, threshold: scratch.thresholds[at], gain });
            }
        }
        best
    }

    /// Puts the rows below the cut before the others, both in their order, and returns how many there are.
    fn divide(&mut self, start: usize, end: usize, cut: &Cut) -> usize {
        let embeddings = self.set.embeddings();
        let is_below = |row: &u32| embeddings.get(*row as usize, cut.feature) < cut.threshold;
        let (below, beyond): (Vec<u32>, Vec<u32>) = self.rows[start..end].iter().partition(|row| is_below(row));
        self.rows[start..start + below.len()].copy_from_slice(&below);
        self.rows[start + below.len()..end].copy_from_slice(&beyond);
        below.len()
    }
}

impl Scratch {
    /// Gathers the looked-at numbers of a block of prompts where they are not all; the others are read where they are.
    fn gather(&mut self, embeddings: MatrixView<'_>, rows: &[u32]) {
        self.values.clear();
        if self.columns.is_empty() {
            return;
        }
        for &row in rows {
            let embedding = embeddings.row(row as usize);
            self.values.extend(self.columns.iter().map(|&column| embedding[column]));
        }
    }

    /// The least and the greatest of every looked-at number.
    fn range(&mut self, embeddings: MatrixView<'_>, rows: &[u32], looked_at: usize) {
        for (bound, at_first) in [(&mut self.least, f32::INFINITY), (&mut self.greatest, f32::NEG_INFINITY)] {
            bound.clear();
            bound.resize(looked_at, at_first);
        }
        for block in rows.chunks(BLOCK) {
            self.gather(embeddings, block);
            let numbers = Numbers::new(embeddings, block, &self.values, looked_at);
            Arch::new().dispatch(Range { numbers: &numbers, least: &mut self.least, greatest: &mut self.greatest });
        }
    }

    /// A threshold for every number, uniform between its bounds. Nothing lies below that of a constant.
    fn draw(&mut self, stream: &mut SeedStream) {
        self.thresholds.clear();
        let bounds = self.least.iter().zip(&self.greatest);
        self.thresholds.extend(bounds.map(|(&least, &greatest)| least + stream.random::<f32>() * (greatest - least)));
    }

    /// Sums and numbers of the targets below every threshold.
    fn add_up(&mut self, embeddings: MatrixView<'_>, rows: &[u32], targets: &Seen) {
        let (numbers, width) = (self.thresholds.len(), targets.width);
        self.sums.clear();
        self.sums.resize(numbers * width, 0.0);
        self.counts.clear();
        self.counts.resize(numbers, 0.0);
        let mut seen = [0.0; MAXIMUM_WIDTH * BLOCK];
        for block in rows.chunks(BLOCK) {
            self.gather(embeddings, block);
            for (to, &row) in seen.chunks_mut(width).zip(block) {
                to.copy_from_slice(targets.row(row));
            }
            Arch::new().dispatch(Below {
                numbers: &Numbers::new(embeddings, block, &self.values, numbers),
                width,
                targets: &seen[..block.len() * width],
                thresholds: &self.thresholds,
                sums: &mut self.sums,
                counts: &mut self.counts,
            });
        }
    }
}

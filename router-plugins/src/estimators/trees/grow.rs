//! How one tree grows: cuts by histograms, level after level.
#![allow(clippy::indexing_slicing, reason = "rows, columns and bins are those of the binned embeddings")]

use super::bins::Bins;
use super::config::TreesConfig;
use crate::estimators::decision_trees::{Node, Tree};

/// What is summed up over prompts: derivatives of the loss, and their number. Four numbers wide, so that one addition adds them all.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[repr(C, align(16))]
struct Sums {
    gradient: f32,
    curvature: f32,
    count: f32,
    nothing: f32,
}

impl Sums {
    fn plus(self, other: Self) -> Self {
        Self {
            gradient: self.gradient + other.gradient,
            curvature: self.curvature + other.curvature,
            count: self.count + other.count,
            nothing: self.nothing + other.nothing,
        }
    }

    fn minus(self, other: Self) -> Self {
        Self {
            gradient: self.gradient - other.gradient,
            curvature: self.curvature - other.curvature,
            count: self.count - other.count,
            nothing: self.nothing - other.nothing,
        }
    }

    fn score(self, penalty: f32) -> f32 {
        self.gradient * self.gradient / (self.curvature + penalty)
    }
}

/// The sum of both scores, by one division.
fn both_scores(a: Sums, b: Sums, penalty: f32) -> f32 {
    let (of_a, of_b) = (a.curvature + penalty, b.curvature + penalty);
    (a.gradient * a.gradient * of_b + b.gradient * b.gradient * of_a) / (of_a * of_b)
}

/// Derivatives of the loss at a prompt, by its row.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Derivative {
    pub(super) gradient: f32,
    pub(super) curvature: f32,
}

/// A node that may be cut.
struct Pending {
    node: usize,
    start: usize,
    end: usize,
    depth: usize,
    total: Sums,
    /// A histogram a looked-at column, one after the other.
    histogram: Vec<Sums>,
}

/// The best cut of a node.
struct Cut {
    column: usize,
    /// Prompts of bins up to this one lie below.
    bin: usize,
    below: Sums,
    gain: f32,
}

/// What grows the trees of one model.
pub(super) struct Grower<'a> {
    pub(super) config: &'a TreesConfig,
    pub(super) bins: &'a Bins,
    /// The looked-at columns.
    pub(super) columns: &'a [usize],
}

impl Grower<'_> {
    fn width(&self) -> usize {
        self.config.bins
    }

    /// Grows a tree on `rows`, which it reorders, and adds its values to `scores`, a number a prompt. Leaves say what a tree adds.
    pub(super) fn grow(&self, rows: &mut [u32], derivatives: &[Derivative], scores: &mut [f32]) -> Tree {
        let mut tree = Tree { nodes: vec![Node::Leaf(0)], values: Vec::new() };
        let histogram = self.histogram(rows, derivatives);
        let total = rows.iter().fold(Sums::default(), |sum, &row| {
            let Derivative { gradient, curvature } = derivatives[row as usize];
            sum.plus(Sums { gradient, curvature, count: 1.0, nothing: 0.0 })
        });
        let mut pending = vec![Pending { node: 0, start: 0, end: rows.len(), depth: 0, total, histogram }];
        while let Some(Pending { node, start, end, depth, total, histogram }) = pending.pop() {
            let may_be_cut = depth < self.config.depth && end - start >= 2 * self.config.minimum_leaf;
            let cut = if may_be_cut { self.best_cut(&histogram, total) } else { None };
            let Some(cut) = cut else {
                let value = -(self.config.learning_rate as f32) * total.gradient
                    / (total.curvature + self.config.penalty as f32);
                tree.nodes[node] = Node::Leaf(tree.values.len() as u32);
                tree.values.push(value);
                for &row in &rows[start..end] {
                    scores[row as usize] += value;
                }
                continue;
            };
            let column = self.columns[cut.column];
            let middle = start + divide(&mut rows[start..end], self.bins.column(column), cut.bin);
            let below = tree.nodes.len();
            let threshold = self.bins.thresholds(column)[cut.bin];
            tree.nodes[node] = Node::Cut { feature: column as u32, threshold, below: below as u32 };
            tree.nodes.extend([Node::Leaf(0), Node::Leaf(0)]);
            // The smaller child is counted, the larger is what it leaves over. Where neither can be cut any more, nobody asks.
            let (mut small, mut large) = (Vec::new(), histogram);
            let is_below_small = middle - start <= end - middle;
            let larger = (middle - start).max(end - middle);
            if depth + 1 < self.config.depth && larger >= 2 * self.config.minimum_leaf {
                let counted = if is_below_small { &rows[start..middle] } else { &rows[middle..end] };
                small = self.histogram(counted, derivatives);
                large.iter_mut().zip(&small).for_each(|(all, small)| *all = all.minus(*small));
            }
            let (of_below, of_beyond) = if is_below_small { (small, large) } else { (large, small) };
            let depth = depth + 1;
            let beyond = total.minus(cut.below);
            pending.push(Pending { node: below + 1, start: middle, end, depth, total: beyond, histogram: of_beyond });
            pending.push(Pending { node: below, start, end: middle, depth, total: cut.below, histogram: of_below });
        }
        tree
    }

    fn histogram(&self, rows: &[u32], derivatives: &[Derivative]) -> Vec<Sums> {
        let width = self.width();
        let mut histogram = vec![Sums::default(); self.columns.len() * width];
        // In the order of the rows, so that every column reads them one after the other.
        let of_rows: Vec<Sums> = rows
            .iter()
            .map(|&row| {
                let Derivative { gradient, curvature } = derivatives[row as usize];
                Sums { gradient, curvature, count: 1.0, nothing: 0.0 }
            })
            .collect();
        for (&column, to) in self.columns.iter().zip(histogram.chunks_exact_mut(width)) {
            let bins = self.bins.column(column);
            for (&row, of_row) in rows.iter().zip(&of_rows) {
                let sums = &mut to[usize::from(bins[row as usize])];
                *sums = sums.plus(*of_row);
            }
        }
        histogram
    }

    /// The cut of the highest gain, ties to the first; `None` where none gains.
    fn best_cut(&self, histogram: &[Sums], total: Sums) -> Option<Cut> {
        let (least, penalty) = (self.config.minimum_leaf as f32, self.config.penalty as f32);
        let uncut = total.score(penalty);
        let mut best: Option<Cut> = None;
        for (at, (&column, sums)) in self.columns.iter().zip(histogram.chunks_exact(self.width())).enumerate() {
            let mut below = Sums::default();
            for (bin, &sums) in sums.iter().enumerate().take(self.bins.thresholds(column).len()) {
                below = below.plus(sums);
                if below.count < least {
                    continue;
                }
                let beyond = total.minus(below);
                if beyond.count < least {
                    break;
                }
                let gain = both_scores(below, beyond, penalty) - uncut;
                // Rounding alone is no gain.
                if gain > 1e-6 * uncut + 1e-7 && best.as_ref().is_none_or(|best| gain > best.gain) {
                    best = Some(Cut { column: at, bin, below, gain });
                }
            }
        }
        best
    }
}

/// Puts the rows of bins up to `bin` before the others, both in their order, and returns how many there are.
fn divide(rows: &mut [u32], bins: &[u8], bin: usize) -> usize {
    let (below, beyond): (Vec<u32>, Vec<u32>) = rows.iter().partition(|&&row| usize::from(bins[row as usize]) <= bin);
    rows[..below.len()].copy_from_slice(&below);
    rows[below.len()..].copy_from_slice(&beyond);
    below.len()
}

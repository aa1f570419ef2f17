//! Isotonic regression by pool adjacent violators.

use super::map::{Map, Point};

/// Neighbors in the order of estimates that share one value.
struct Block {
    first: f64,
    last: f64,
    total: f64,
    weight: f64,
}

impl Block {
    fn mean(&self) -> f64 {
        self.total / self.weight
    }
}

/// The non-decreasing map of least weighted squares through `points`, whose weights are positive; the identity without a point.
/// Equal estimates are one point. O(n log n).
pub(super) fn fit(mut points: Vec<Point>) -> Map {
    points.sort_by(|a, b| a.estimate.total_cmp(&b.estimate));
    let mut blocks: Vec<Block> = Vec::new();
    for same in points.chunk_by(|a, b| a.estimate == b.estimate) {
        let weight = same.iter().map(|point| point.weight).sum();
        let total = same.iter().map(|point| point.weight * point.quality).sum();
        let estimate = same.first().map_or(0.0, |point| point.estimate);
        let mut block = Block { first: estimate, last: estimate, total, weight };
        while let Some(before) = blocks.pop_if(|before| before.mean() >= block.mean()) {
            block = Block {
                first: before.first,
                last: block.last,
                total: before.total + block.total,
                weight: before.weight + block.weight,
            };
        }
        blocks.push(block);
    }
    let (mut at, mut to) = (Vec::new(), Vec::new());
    for block in &blocks {
        at.push(block.first);
        to.push(block.mean());
        if block.last > block.first {
            at.push(block.last);
            to.push(block.mean());
        }
    }
    if at.is_empty() { Map::Identity } else { Map::Knots { at, to } }
}

//! The static mixtures of models that no other static mixture beats: the upper hull of (cost, quality).
#![allow(clippy::indexing_slicing, reason = "indices are below the hull's length, by the loops' bounds")]

use router_core::ModelIndex;

/// A model's mean cost in US dollars a call and mean quality.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Point {
    pub(crate) model: ModelIndex,
    pub(crate) cost: f64,
    pub(crate) quality: f64,
}

/// The vertices of the upper hull of `points` from the cheapest to the best, both rising. O(m log m).
///
/// A mixture of two neighbors on it has the highest quality of all mixtures of that cost.
pub(crate) fn upper_hull(points: &[Point]) -> Vec<Point> {
    let mut sorted = points.to_vec();
    sorted.sort_by(|a, b| a.cost.total_cmp(&b.cost).then(b.quality.total_cmp(&a.quality)).then(a.model.cmp(&b.model)));
    let mut hull: Vec<Point> = Vec::new();
    for point in sorted {
        // Only what is better than everything cheaper can be a vertex on the rising side.
        if hull.last().is_some_and(|last| point.quality <= last.quality) {
            continue;
        }
        while hull.len() >= 2 && !turns_right(hull[hull.len() - 2], hull[hull.len() - 1], point) {
            hull.pop();
        }
        hull.push(point);
    }
    hull
}

/// Whether `b` lies strictly above the line from `a` to `c`.
fn turns_right(a: Point, b: Point, c: Point) -> bool {
    (b.cost - a.cost) * (c.quality - a.quality) < (b.quality - a.quality) * (c.cost - a.cost)
}

/// The mixture of neighboring vertices that costs `target`, where vertex i costs `costs[i]` (in the order of the hull, cheapest
/// first): shares that sum to 1. Beyond an end of the hull it is that end. Empty for an empty hull.
pub(crate) fn mixture(vertices: &[ModelIndex], costs: &[f64], target: f64) -> Vec<(ModelIndex, f64)> {
    let (Some(&first), Some(&last)) = (vertices.first(), vertices.last()) else { return Vec::new() };
    // The best segment that holds the target; costs on other prompts than the hull's need not rise from vertex to vertex.
    for at in (1..vertices.len()).rev() {
        let (low, high) = (costs[at - 1], costs[at]);
        if low != high && (low.min(high)..=low.max(high)).contains(&target) {
            let share = (target - low) / (high - low);
            return [(vertices[at - 1], 1.0 - share), (vertices[at], share)]
                .into_iter()
                .filter(|(_, share)| *share > 0.0)
                .collect();
        }
    }
    vec![if target < costs[0] { (first, 1.0) } else { (last, 1.0) }]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn point(model: ModelIndex, cost: f64, quality: f64) -> Point {
        Point { model, cost, quality }
    }

    #[test]
    fn the_hull_leaves_out_what_a_mixture_beats() {
        // Model 2 lies under the line from 0 to 3; model 1 is dearer and worse than 3.
        let points = [point(0, 1.0, 0.4), point(1, 5.0, 0.7), point(2, 2.0, 0.5), point(3, 3.0, 0.8)];
        let hull: Vec<ModelIndex> = upper_hull(&points).iter().map(|point| point.model).collect();
        assert_eq!(hull, [0, 3]);
        assert_eq!(mixture(&hull, &[1.0, 3.0], 1.5), [(0, 0.75), (3, 0.25)]);
        assert_eq!(mixture(&hull, &[1.0, 3.0], 0.5), [(0, 1.0)]);
        assert_eq!(mixture(&hull, &[1.0, 3.0], 9.0), [(3, 1.0)]);
        assert_eq!(mixture(&hull, &[1.0, 3.0], 3.0), [(3, 1.0)]);
    }

    proptest! {
        #[test]
        fn no_mixture_of_two_models_beats_the_hull(
            raw in prop::collection::vec((0.0f64..10.0, 0.0f64..1.0), 1..8),
            (a, b, share) in (0usize..8, 0usize..8, 0.0f64..=1.0),
        ) {
            let points: Vec<Point> = raw.iter().enumerate().map(|(i, &(cost, quality))| point(i, cost, quality)).collect();
            let hull = upper_hull(&points);
            let (a, b) = (points[a % points.len()], points[b % points.len()]);
            let (cost, quality) = (a.cost + share * (b.cost - a.cost), a.quality + share * (b.quality - a.quality));
            let vertices: Vec<ModelIndex> = hull.iter().map(|v| v.model).collect();
            let costs: Vec<f64> = hull.iter().map(|v| v.cost).collect();
            let mix = mixture(&vertices, &costs, cost);
            let best: f64 = mix.iter().map(|&(model, share)| share * points[model].quality).sum();
            let spent: f64 = mix.iter().map(|&(model, share)| share * points[model].cost).sum();
            prop_assert!(best >= quality - 1e-9);
            prop_assert!(spent <= cost + 1e-9);
            prop_assert!((mix.iter().map(|x| x.1).sum::<f64>() - 1.0).abs() < 1e-12);
        }
    }
}

//! Average improvement in quality: the area under a router's quality-cost curve, divided by the width of the range of costs.
//!
//! `AIQ = 1 / (c_max - c_min) * integral from c_min to c_max of hull(c) dc`, where `hull` is the non-decreasing convex hull of
//! the router's points: the best quality at no more than the cost c that a mixture of its points reaches (Hu et al.,
//! RouterBench, arXiv 2403.12031, section 3.3). All routers of an evaluation share one range, from the highest of their cheapest
//! costs to the highest of all costs, so that no curve is extended to the left, where it has no point; to the right a hull
//! goes on as a constant. (The paper's code divides by c_max instead, which counts the empty stretch below the cheapest point
//! as quality 0.)
#![allow(clippy::indexing_slicing, reason = "windows of two have two")]

use crate::references::hull::{Point, upper_hull};

/// The area under the non-decreasing convex hull of `points` (US dollars, quality) between two costs, by the width; `None`
/// where the range is empty or begins below the cheapest point. In the units of quality. O(p log p).
///
/// ```
/// use router_eval::metrics::aiq::aiq;
/// // The hull rises from 0.5 at 1 to 0.9 at 3 (the point at 2 lies below it) and stays there.
/// // Area from 1 to 5: 2 * 0.7 + 2 * 0.9 = 3.2, by a width of 4.
/// let found = aiq(&[(1.0, 0.5), (2.0, 0.6), (3.0, 0.9), (4.0, 0.8)], 1.0, 5.0).unwrap();
/// assert!((found - 0.8).abs() < 1e-12);
/// ```
pub fn aiq(points: &[(f64, f64)], from: f64, to: f64) -> Option<f64> {
    let hull = hull(points);
    let (first, last) = (hull.first()?, hull.last()?);
    if to.partial_cmp(&from) != Some(std::cmp::Ordering::Greater) || from < first.0 {
        return None;
    }
    let mut area = last.1 * (to - from.max(last.0)).max(0.0);
    for pair in hull.windows(2) {
        let ([a, b], start, end) = ([pair[0], pair[1]], pair[0].0.max(from), pair[1].0.min(to));
        if end > start {
            let at = |cost: f64| a.1 + (b.1 - a.1) * (cost - a.0) / (b.0 - a.0);
            area += (end - start) * f64::midpoint(at(start), at(end));
        }
    }
    Some(area / (to - from))
}

/// The vertices of the non-decreasing convex hull of `points` (US dollars, quality), by rising cost.
pub fn hull(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let points: Vec<Point> =
        points.iter().enumerate().map(|(model, &(cost, quality))| Point { model, cost, quality }).collect();
    upper_hull(&points).into_iter().map(|point| (point.cost, point.quality)).collect()
}

/// The range of costs that all of `curves` share: from the highest of their cheapest points to the highest of all. `None`
/// without a curve, or where it is empty.
pub fn shared_range(curves: &[Vec<(f64, f64)>]) -> Option<(f64, f64)> {
    let ends = |curve: &Vec<(f64, f64)>| {
        let costs = curve.iter().map(|point| point.0);
        (costs.clone().fold(f64::INFINITY, f64::min), costs.fold(f64::NEG_INFINITY, f64::max))
    };
    let (from, to) = curves
        .iter()
        .filter(|curve| !curve.is_empty())
        .map(ends)
        .reduce(|(from, to), (low, high)| (from.max(low), to.max(high)))?;
    (to > from).then_some((from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_may_cut_a_segment() {
        // From 2 to 3 on the line from (1, 0.5) to (3, 0.9): 0.7 to 0.9.
        let found = aiq(&[(1.0, 0.5), (3.0, 0.9)], 2.0, 3.0).unwrap();
        assert!((found - 0.8).abs() < 1e-12);
        // Beyond the last point the hull is constant.
        assert_eq!(aiq(&[(1.0, 0.5)], 1.0, 9.0), Some(0.5));
    }

    #[test]
    fn nothing_is_made_up_to_the_left() {
        assert_eq!(aiq(&[(1.0, 0.5), (3.0, 0.9)], 0.5, 3.0), None);
        assert_eq!(aiq(&[(1.0, 0.5)], 1.0, 1.0), None);
        assert_eq!(aiq(&[], 0.0, 1.0), None);
    }

    #[test]
    fn curves_share_what_all_have() {
        let curves = [vec![(1.0, 0.1), (4.0, 0.2)], vec![(2.0, 0.1), (3.0, 0.2)], vec![]];
        assert_eq!(shared_range(&curves), Some((2.0, 4.0)));
        assert_eq!(shared_range(&[]), None);
    }
}

//! The cost at equal quality: what a router costs where it is as good as the best single model.
//!
//! Over the points of the router's quality-cost curve ([`super::sweep`]), the lowest mean cost at which its mean quality is at least
//! that of the best single model of known cost (as train has it), as a share of that model's cost. The best single model is itself a
//! point, as any router may fall back on it: a share of 1 means that nothing is saved. FineRouter reports less than half
//! at equal quality on its data (the paper's abstract).
//!
//! The interval is a paired bootstrap that chooses the point anew in every resample. The point estimate still chooses on the prompts
//! that it is read on; `held_out` does not: the trade-off is chosen on nine tenths of the prompts and read on the last, ten times.

use serde::{Deserialize, Serialize};

/// The cost at equal quality.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CostAtEqualQuality {
    /// The best single model's mean quality, over the prompts of the curve.
    pub best_single_quality: f64,
    /// Its mean cost in US dollars a call.
    pub best_single_cost_usd: f64,
    /// The lowest cost of a point that is at least as good.
    pub cost_usd: f64,
    /// That by the best single model's cost, at most 1.
    pub share: f64,
    /// Its interval.
    pub share_ci: Option<[f64; 2]>,
    /// With the trade-off chosen on other prompts.
    pub held_out: Option<HeldOut>,
}

/// What a trade-off gives on prompts that it was not chosen on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct HeldOut {
    /// Cost by the best single model's cost.
    pub share: f64,
    /// Quality less that of the best single model.
    pub quality_delta: f64,
}

/// The position of the cheapest of `points` (US dollars, quality) that is at least as good as `best_single` and no dearer;
/// `None` to fall back on the best single model.
///
/// ```
/// use router_eval::metrics::cost_at_equal_quality::cheapest_equal;
/// let curve = [(1.0, 0.5), (2.0, 0.8), (4.0, 0.88)];
/// assert_eq!(cheapest_equal(&curve, (8.0, 0.8)), Some(1));
/// assert_eq!(cheapest_equal(&curve, (8.0, 0.9)), None);
/// assert_eq!(cheapest_equal(&curve, (1.5, 0.6)), None);
/// ```
pub fn cheapest_equal(points: &[(f64, f64)], best_single: (f64, f64)) -> Option<usize> {
    let enough = |point: &(f64, f64)| point.1 >= best_single.1 - 1e-12 && point.0 <= best_single.0;
    let good = points.iter().enumerate().filter(|(_, point)| enough(point));
    good.min_by(|(a, x), (b, y)| x.0.total_cmp(&y.0).then(a.cmp(b))).map(|(at, _)| at)
}

//! RouteLLM's metrics: a router as a chooser between a weak and a strong model.
//!
//! With `PGR(c) = (quality(c) - weak) / (strong - weak)`, the performance gap recovered when the share c of the calls goes to the
//! strong model (Ong et al., RouteLLM, arXiv 2406.18665, section 3.2, equations 5 to 7):
//!
//! - APGR: the integral of PGR(c) over c in [0, 1]. The paper takes the mean at ten shares; here every share is read, by the
//!   trapezoidal rule. A random router has 0.5.
//! - CPT(x): the least share of calls to the strong model at which PGR reaches x, for x of 20%, 50% and 80%. A random router
//!   needs x.
//!
//! A pool of more than two models is judged on the pair of the cheapest model and the best single model of known cost, both as
//! train has them. Prompts go to the strong one by falling difference of the router's own two estimates: within a pair of fixed
//! costs that is the router's lambda swept from 0 to infinity. Prompts of equal difference go together, in proportion.
//!
//! O(n log n).

use serde::{Deserialize, Serialize};

/// A prompt for both models of the pair.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairedCall {
    /// How much better the router expects the strong model to be.
    pub expected_gain: f64,
    /// The observed quality of the weak model.
    pub weak: f64,
    /// The observed quality of the strong model.
    pub strong: f64,
}

/// RouteLLM's metrics.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RouteLlm {
    /// Average performance gap recovered; 0.5 for a random router.
    pub apgr: f64,
    /// The least share of calls to the strong model at which 20% of the gap are recovered.
    pub cpt_20: f64,
    /// The same for 50%.
    pub cpt_50: f64,
    /// The same for 80%.
    pub cpt_80: f64,
}

/// The metrics of a router over `calls`; `None` where the strong model is not the better one.
///
/// ```
/// use router_eval::metrics::routellm::{PairedCall, routellm};
/// let call = |expected_gain, weak, strong| PairedCall { expected_gain, weak, strong };
/// // The strong model wins on the two prompts that the router sends to it first: PGR is 0.5, 1, 1, 1 at 1/4, ..., 1.
/// let found = routellm(&[call(0.4, 0.0, 1.0), call(0.3, 0.0, 1.0), call(0.2, 1.0, 1.0), call(0.1, 0.0, 0.0)]).unwrap();
/// assert_eq!(found.apgr, (0.25 + 0.75 + 1.0 + 1.0) / 4.0);
/// assert_eq!((found.cpt_20, found.cpt_50), (0.1, 0.25));
/// assert!((found.cpt_80 - 0.4).abs() < 1e-12);
/// ```
pub fn routellm(calls: &[PairedCall]) -> Option<RouteLlm> {
    let gap: f64 = calls.iter().map(|call| call.strong - call.weak).sum();
    if gap <= 0.0 {
        return None;
    }
    let mut order: Vec<&PairedCall> = calls.iter().collect();
    order.sort_by(|a, b| b.expected_gain.total_cmp(&a.expected_gain));
    // (share of calls to the strong model, gap recovered), from (0, 0) to (1, 1).
    let mut path = vec![(0.0, 0.0)];
    let (mut moved, mut gained) = (0usize, 0.0);
    for equal in order.chunk_by(|a, b| a.expected_gain.total_cmp(&b.expected_gain).is_eq()) {
        moved += equal.len();
        gained += equal.iter().map(|call| call.strong - call.weak).sum::<f64>();
        path.push((moved as f64 / calls.len() as f64, gained / gap));
    }
    let steps = || path.iter().zip(path.iter().skip(1));
    let apgr = steps().map(|(a, b)| (b.0 - a.0) * f64::midpoint(a.1, b.1)).sum();
    let least = |level: f64| {
        let crossing = steps().find(|(_, b)| b.1 >= level);
        crossing.map_or(1.0, |(a, b)| if b.1 > a.1 { a.0 + (b.0 - a.0) * (level - a.1) / (b.1 - a.1) } else { b.0 })
    };
    Some(RouteLlm { apgr, cpt_20: least(0.2), cpt_50: least(0.5), cpt_80: least(0.8) })
}

/// The mean of several; `None` of none.
pub(crate) fn mean(found: &[RouteLlm]) -> Option<RouteLlm> {
    let over = |of: fn(&RouteLlm) -> f64| found.iter().map(of).sum::<f64>() / found.len() as f64;
    (!found.is_empty()).then(|| RouteLlm {
        apgr: over(|one| one.apgr),
        cpt_20: over(|one| one.cpt_20),
        cpt_50: over(|one| one.cpt_50),
        cpt_80: over(|one| one.cpt_80),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(expected_gain: f64, weak: f64, strong: f64) -> PairedCall {
        PairedCall { expected_gain, weak, strong }
    }

    #[test]
    fn a_router_that_cannot_tell_is_a_random_one() {
        let calls = [call(0.1, 0.0, 1.0), call(0.1, 1.0, 0.0), call(0.1, 0.0, 1.0)];
        let found = routellm(&calls).unwrap();
        assert_eq!((found.apgr, found.cpt_20, found.cpt_50), (0.5, 0.2, 0.5));
    }

    #[test]
    fn a_router_that_is_always_wrong_recovers_nothing_until_the_end() {
        // PGR 0, 0, 1 at 1/3, 2/3, 1: 1/6 by the trapezoidal rule.
        let found = routellm(&[call(0.3, 0.0, 0.0), call(0.2, 1.0, 1.0), call(0.1, 0.0, 1.0)]).unwrap();
        assert!((found.apgr - 1.0 / 6.0).abs() < 1e-12);
        assert!((found.cpt_50 - (2.0 / 3.0 + 1.0 / 6.0)).abs() < 1e-12);
    }

    #[test]
    fn going_past_the_strong_model_counts() {
        // Sending only the first prompt to the strong model is better than sending both: PGR 2 at 1/2, 1 at 1. gap = 0.5.
        let found = routellm(&[call(0.9, 0.0, 1.0), call(0.1, 0.5, 0.0)]).unwrap();
        assert_eq!(found.apgr, 0.5 * 1.0 + 0.5 * 1.5);
        assert_eq!(found.cpt_80, 0.5 * 0.8 / 2.0);
    }

    #[test]
    fn without_a_gap_there_is_nothing_to_recover() {
        assert_eq!(routellm(&[call(0.1, 1.0, 0.5)]), None);
        assert_eq!(routellm(&[]), None);
    }
}

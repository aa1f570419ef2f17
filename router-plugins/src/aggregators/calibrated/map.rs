//! A monotone map of one model's estimates.

use router_core::prelude::*;
use serde::{Deserialize, Serialize};

/// An estimate, the quality seen, and how much it counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    pub(super) estimate: f64,
    pub(super) quality: f64,
    pub(super) weight: f64,
}

/// A non-decreasing map.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Map {
    /// Every estimate stays.
    Identity,
    /// Linear between knots, constant beyond the outer ones.
    Knots {
        /// Estimates, rising strictly.
        at: Vec<f64>,
        /// What they become, not falling.
        to: Vec<f64>,
    },
    /// 1 / (1 + exp(-c) * (1 - s)^b / s^a).
    Beta {
        /// At least 0.
        a: f64,
        /// At least 0.
        b: f64,
        /// Any number.
        c: f64,
    },
}

/// Estimates are clipped to this much within (0, 1) before their logarithm is taken.
const CLIP: f64 = 1e-3;

/// ln s and -ln(1 - s) of a clipped estimate.
pub(super) fn logarithms(estimate: f64) -> [f64; 2] {
    let clipped = estimate.clamp(CLIP, 1.0 - CLIP);
    [clipped.ln(), -(-clipped).ln_1p()]
}

impl Map {
    /// What `estimate` becomes. O(log knots).
    pub(super) fn apply(&self, estimate: f64) -> f64 {
        match self {
            Self::Identity => estimate,
            Self::Beta { a, b, c } => {
                let [low, high] = logarithms(estimate);
                1.0 / (1.0 + (-(a * low + b * high + c)).exp())
            }
            Self::Knots { at, to } => {
                let above = at.partition_point(|&knot| knot <= estimate);
                let knot = |index: usize| Some((*at.get(index)?, *to.get(index)?));
                match (above.checked_sub(1).and_then(knot), knot(above)) {
                    (Some((x0, y0)), Some((x1, y1))) => y0 + (y1 - y0) * ((estimate - x0) / (x1 - x0)).clamp(0.0, 1.0),
                    (Some((_, y)), None) | (None, Some((_, y))) => y,
                    (None, None) => estimate,
                }
            }
        }
    }

    /// # Errors
    /// [`ErrorKind::Config`] if it is not a finite, non-decreasing map.
    pub(super) fn check(&self) -> Result<()> {
        let sound = match self {
            Self::Identity => true,
            Self::Beta { a, b, c } => [a, b, c].iter().all(|value| value.is_finite()) && *a >= 0.0 && *b >= 0.0,
            Self::Knots { at, to } => {
                at.len() == to.len()
                    && !at.is_empty()
                    && at.iter().chain(to).all(|value| value.is_finite())
                    && at.iter().zip(at.iter().skip(1)).all(|(a, b)| a < b)
                    && to.iter().zip(to.iter().skip(1)).all(|(a, b)| a <= b)
            }
        };
        if sound { Ok(()) } else { Err(Error::new(ErrorKind::Config, "a calibration map is not finite and rising")) }
    }
}

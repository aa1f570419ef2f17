//! Calibration: estimates that mean what they say, model by model.
//!
//! Another aggregator makes the estimate, and a monotone map of one variable for every model turns it into the quality that
//! held-out outcomes had at such estimates:
//!
//! - `isotonic`: the non-decreasing map of least squares, by pool adjacent violators (Ayer et al., Annals of Mathematical Statistics
//!   26, 1955; Zadrozny and Elkan, KDD 2002), linear between the blocks. Any shape, but hungry: some hundreds of outcomes a model.
//! - `beta`: 1 / (1 + exp(-c) * (1 - s)^b / s^a), a, b >= 0 (Kull, Silva Filho and Flach, AISTATS 2017, equation 6), by maximum likelihood
//!   with soft labels. Three parameters, pulled to the identity (a = b = 1, c = 0) as if by one outcome each, so that a model with few
//!   outcomes keeps its estimates. Estimates are clipped to [0.001, 0.999] first.
//!
//! No map sees an estimate by parts that were fitted on its row: the parts' estimates come cross-fitted, and the inner aggregator is
//! fitted anew in `folds` folds of its own. How much that brought is measured again over these folds (maps fitted on the others) and
//! told by [`findings`](router_core::FittedAggregator::findings): the mean squared error (Brier score) and the expected calibration error over ten bins of
//! equal mass a model (Naeini, Cooper and Hauskrecht, AAAI 2015), before and after.
//!
//! A variance goes with its estimate: it becomes the square of half of what the map makes of one standard error up and down.
//! A model without outcomes, and a set that cannot be split, keep their estimates.
//!
//! Fitting costs `folds` + 1 fits of the inner aggregator and O(outcomes log outcomes), a pair O(log outcomes) or O(1). Choose it where the
//! scale of the estimates counts: a `floor`, a lambda in dollars, a `guarded` threshold. Where only the order of the models counts it helps
//! if models are over- or underestimated in different ways.

mod beta;
mod config;
mod fit;
mod fitted;
mod isotonic;
mod map;
mod reliability;
#[cfg(test)]
mod tests;

pub use config::{CalibratedConfig, Method};
pub use fitted::CalibratedAggregator;
pub use reliability::Reliability;

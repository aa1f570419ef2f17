//! What estimators that train a small network share: base rates, standardized embeddings, the objective on sparse outcomes, and the
//! mean of several networks that hold out other prompts.
//!
//! A network is an [`Architecture`] in training and an [`Answer`] afterwards: plain numbers, without candle.

mod base_rates;
mod ensemble;
mod multi_layer;
mod pairs;
mod spread;
mod standardization;
mod training;

pub(super) use base_rates::{BaseRates, mean_row};
pub(super) use ensemble::{Ensemble, ensemble, ensemble_estimator};
pub(super) use multi_layer::{MultiLayer, MultiLayerNetwork};
pub(super) use spread::Spread;
pub(super) use standardization::Standardization;
pub(super) use training::{
    Answer, Architecture, Loss, Scratch, Training, dimension_of, each_answer, loss_scale, outcome_loss,
};

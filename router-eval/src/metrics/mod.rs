//! The metrics of an evaluation, a family a file, each with its formula and source.
//!
//! | family | metrics |
//! |---|---|
//! | [`averages`] | micro and macro means of quality |
//! | [`sweep`], [`aiq`], [`llmrouterbench`], [`cost_at_equal_quality`] | of the router's quality-cost curve |
//! | [`routellm`] | of the choice between a weak and a strong model |
//! | [`routerarena`] | score and optimality ratios |
//! | [`ranking`] | recall of an optimal model, regret |
//! | [`calibration`] | of the estimates |
//! | [`agreement`], [`stability`] | between routers, and between seeds |
//! | [`noise_ceiling`] | what single samples alone would explain |
//!
//! What an evaluation reports of every router and reference is [`Metrics`]; what does not apply is `None`.

pub mod agreement;
pub mod aiq;
pub mod averages;
pub mod calibration;
pub mod cost_at_equal_quality;
mod curve;
pub mod llmrouterbench;
mod measure;
pub mod noise_ceiling;
pub mod ranking;
pub mod routellm;
pub mod routerarena;
pub mod stability;
pub mod sweep;

use serde::{Deserialize, Serialize};

pub(crate) use measure::{Measured, measure};

/// The metrics of one router or reference.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Metrics {
    /// Micro and macro means of quality.
    pub averages: Option<averages::Averages>,
    /// RouterArena's score and optimality ratios.
    pub routerarena: Option<routerarena::RouterArena>,
    /// How often the choice was the best, and what it lost.
    pub selection: Option<ranking::Selection>,
    /// Recall of the ranking by estimates; `None` for what has no estimates.
    pub ranking: Option<ranking::Ranking>,
    /// Calibration of the estimates.
    pub calibration: Option<calibration::Calibration>,
    /// The quality-cost curve; `None` where no cost is known.
    pub curve: Option<Curve>,
    /// RouteLLM's metrics; `None` where no pair of a weak and a better strong model is known.
    pub routellm: Option<routellm::RouteLlm>,
    /// Stability over seeds; `None` for one seed.
    pub stability: Option<stability::Stability>,
}

/// A router's quality-cost curve, and what is read from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// The points, by rising lambda: from the best expected quality to the cheapest.
    pub points: Vec<sweep::OperatingPoint>,
    /// Average improvement in quality over the range of costs that all curves share.
    pub aiq: Option<f64>,
    /// LLMRouterBench's metrics.
    pub llmrouterbench: Option<llmrouterbench::LlmRouterBench>,
    /// The cost at the best single model's quality.
    pub cost_at_equal_quality: Option<cost_at_equal_quality::CostAtEqualQuality>,
    /// How the costs are known.
    pub cost_kind: router_core::cost::CostKind,
    /// Prompts that the curve is read on: those on which every point's call is known, with its cost.
    pub prompts: usize,
}

/// The single models' own points, which routers are held against.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SingleModels {
    /// The models of known cost that every data set has.
    pub models: Vec<SingleModel>,
    /// AIQ of their hull, over the same range of costs as the routers': RouterBench's "zero router", a static mixture. It is made
    /// of what the models score here, not on train: the strongest mixture there is.
    pub aiq: Option<f64>,
}

/// What sending everything to one model gives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SingleModel {
    /// The model.
    pub model: String,
    /// Mean quality, the macro mean over data sets.
    pub quality: f64,
    /// Mean US dollars a call.
    pub cost_usd: f64,
}

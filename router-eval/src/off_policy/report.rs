//! The report as a document.

use serde::Serialize;

/// What the records say.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Calls in all.
    pub calls: usize,
    /// Calls with more than one eligible model, about which the rest is.
    pub with_choice: usize,
    /// Calls of them whose model was drawn at random, with a known probability.
    pub drawn: usize,
    /// Calls of them in which the draw asked another model than the router chose.
    pub explored: usize,
    /// Calls of them that were answered by another model than was asked, since that one failed.
    pub fallen_back: usize,
    /// Calls of them with a quality.
    pub rated: usize,
    /// Calls of them with billed tokens and a cost.
    pub billed: usize,
    /// What these cost in US dollars.
    pub cost_usd: f64,
    /// Mean quality of the rated calls, as they were made.
    pub quality: Option<Estimate>,
    /// Mean cost of the billed calls in US dollars, as they were made.
    pub cost_usd_per_call: Option<Estimate>,
    /// The best model for all, by estimated quality or as the caller named it; `None` where nobody knows.
    pub best: Option<String>,
    /// Where `best` comes from: `estimated`, `named`, `unknown`.
    pub best_source: &'static str,
    /// The cheapest model for all, by the billed tokens at its price.
    pub cheapest: Option<String>,
    /// Every model as the one for all, by name.
    pub models: Vec<OfModel>,
    /// Every router that decided, or decided beside. Two that calls were dealt to at random (A/B) can be held against each other.
    pub routers: Vec<OfRouter>,
    /// What cannot be said, and on what the rest relies.
    pub notes: Vec<String>,
}

/// A router, on the calls that it decided.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OfRouter {
    /// Its fingerprint.
    pub router: String,
    /// Calls that it decided, of those with a choice.
    pub calls: usize,
    /// Mean quality of its rated calls.
    pub quality: Option<Estimate>,
    /// Mean cost of its billed calls in US dollars.
    pub cost_usd_per_call: Option<Estimate>,
    /// Calls of another router beside which it decided without effect.
    pub shadowed: usize,
    /// The share of those in which it would have asked the model that the other router chose.
    pub agreement: Option<f64>,
}

/// A number and its bootstrap interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Estimate {
    /// The number.
    pub value: f64,
    /// Its interval.
    pub ci: [f64; 2],
}

/// One model for all calls.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OfModel {
    /// The model.
    pub model: String,
    /// The share of calls in which it was asked first.
    pub asked: f64,
    /// The mean quality of its rated answers, on the prompts that were sent to it: no estimate of what it would do on all.
    pub quality_as_sent: Option<f64>,
    /// Its quality on all, where calls were drawn.
    pub quality: Option<Quality>,
    /// What was saved against sending it all calls, at the same tokens.
    pub saved: Option<Saving>,
    /// Its mean cost a call in US dollars by inverse propensities, where calls were drawn: without the assumption of equal tokens.
    pub cost_usd_per_call: Option<Estimate>,
}

/// A self-normalized inverse-propensity estimate of quality.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Quality {
    /// The model's mean quality over the drawn, rated calls for which it was eligible.
    pub estimate: Estimate,
    /// The quality of the router's own choices less that, over the same calls.
    pub gain: Option<Estimate>,
    /// Calls that the estimate rests on: drawn, rated, answered by it.
    pub answers: usize,
    /// The effective number of them (Kish, 1965): that many equally weighted calls say as much.
    pub effective: f64,
}

/// What was saved.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Saving {
    /// Billed calls for which the model was eligible and has a price.
    pub calls: usize,
    /// What they would have cost in US dollars: their tokens at the model's price.
    pub cost_usd: f64,
    /// US dollars saved on them by doing what was done; negative where that cost more.
    pub saved_usd: Estimate,
    /// The same as a share of `cost_usd`.
    pub share: Option<f64>,
}

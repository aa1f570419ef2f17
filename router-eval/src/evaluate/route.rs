//! What fitted routers choose.
#![allow(clippy::indexing_slicing, reason = "rows and models are within the estimates' shape")]

use router_core::pipeline::{Prediction, RouteBuffers};
use router_core::traits::PromptsView;
use router_core::types::matrix::Embeddings;
use router_core::{
    Decision, Error, ErrorKind, Estimates, FitContext, Matrix, Plan, Prompt, Result, Router, Seed, Stage,
};

use crate::contest::Play;
use crate::forecast::Forecast;
use crate::latency::LatencySamples;
use crate::options::Options;
use crate::pick::Pick;
use crate::robustness::Perturbation;
use crate::timing::timed;

/// Prompts that are embedded once more, by themselves, to time it; fewer where that is slow or costs money.
const TIMED_PROMPTS: usize = 256;
const TIMED_PROMPTS_WORTH_CACHING: usize = 32;

/// Embeds `prompts`, through the cache of `cx` if it has one, and measures the seconds a prompt.
pub(crate) fn embed_timed(router: &Router, prompts: &[Prompt], cx: &FitContext) -> Result<(Embeddings, f64)> {
    let embeddings = pollster::block_on(router.embed_with(prompts, cx))?;
    Ok((embeddings, embedding_seconds(router, prompts)?))
}

/// The seconds that embedding one of `prompts` takes, measured on the first few. No cache is asked: a decision has none.
pub(crate) fn embedding_seconds(router: &Router, prompts: &[Prompt]) -> Result<f64> {
    let embedder = router.embedder();
    let timed_prompts = if embedder.worth_caching() { TIMED_PROMPTS_WORTH_CACHING } else { TIMED_PROMPTS };
    let prompts: Vec<&Prompt> = prompts.iter().take(timed_prompts).collect();
    let (embeddings, seconds) = timed(|| pollster::block_on(embedder.embed_prompts(&prompts)));
    embeddings?;
    Ok(seconds / prompts.len().max(1) as f64)
}

/// A fitted router before prompts that it decides.
#[derive(Clone, Copy)]
pub(crate) struct Candidate<'a> {
    pub(crate) name: &'a str,
    pub(crate) router: &'a Router,
    pub(crate) prompts: PromptsView<'a>,
    /// Their embeddings, in order.
    pub(crate) embeddings: &'a Embeddings,
    /// Seconds that embedding one of them took.
    pub(crate) embedding_seconds: f64,
}

impl Candidate<'_> {
    /// What the router chooses and expects; with `options.stages`, what each of its stages chooses alone too, if it has both.
    /// Single decisions are timed where `timing` and `options.latency` say so.
    pub(crate) fn play(&self, options: &Options, timing: bool) -> Result<Vec<Play>> {
        let Self { name, router, prompts, embeddings, embedding_seconds } = *self;
        let (picks, seconds) = timed(|| picks(router, prompts, embeddings));
        let prediction = router.predict_embedded(prompts, embeddings.vectors.view())?;
        let mut own =
            Play::router(name, picks?).timed(seconds, embedding_seconds).expecting(forecast(router, &prediction));
        if timing && options.latency {
            own.latency = self.latency()?;
        }
        let mut plays = vec![own];
        if options.stages {
            plays.extend(stages_alone(name, router, prompts.len(), &prediction));
        }
        Ok(plays)
    }

    /// What the router chooses for the prompts after every perturbation; empty unless `options.robustness`.
    pub(crate) fn play_perturbed(&self, options: &Options, cx: &FitContext) -> Result<Vec<Play>> {
        if !options.robustness {
            return Ok(Vec::new());
        }
        let seed = Seed::root(options.bootstrap_seed).child("robustness");
        let plays = Perturbation::ALL.into_iter().map(|perturbation| {
            cx.check_cancelled()?;
            let prompts: Vec<Prompt> = self.prompts.iter().map(|prompt| perturbation.apply(prompt, &seed)).collect();
            let embeddings = pollster::block_on(self.router.embed_with(&prompts, cx))?;
            let picks = picks(self.router, PromptsView::all(&prompts), &embeddings)?;
            let name = Some(self.name.to_owned());
            Ok(Play { matched_to: name, ..Play::router(perturbation.name(), picks) })
        });
        plays.collect()
    }

    /// Times decisions one by one on this thread, with the embedding at hand and from the text. The first of each kind warms up and
    /// is not counted.
    fn latency(&self) -> Result<LatencySamples> {
        let embedder = self.router.embedder();
        let encoded = if embedder.worth_caching() { TIMED_PROMPTS_WORTH_CACHING } else { TIMED_PROMPTS };
        let mut buffers = RouteBuffers::default();
        let mut decision = [Decision::default()];
        let mut samples = LatencySamples::default();
        for at in 0..self.prompts.len().min(TIMED_PROMPTS + 1) {
            let (prompt, vector) =
                (self.prompts.slice(at, at + 1), self.embeddings.vectors.view().slice_rows(at, at + 1));
            let (routed, seconds) = timed(|| self.router.route_batch(prompt, vector, &[], &mut buffers, &mut decision));
            routed?;
            samples.decision.extend((at > 0).then_some(seconds));
        }
        for (at, prompt) in self.prompts.iter().enumerate().take(encoded + 1) {
            let (routed, seconds) = timed(|| {
                let vector = pollster::block_on(embedder.embed_prompts(&[prompt]))?.vectors;
                let prompt = self.prompts.slice(at, at + 1);
                self.router.route_batch(prompt, vector.view(), &[], &mut buffers, &mut decision)
            });
            routed?;
            samples.with_encoder.extend((at > 0).then_some(seconds));
        }
        Ok(samples)
    }
}

/// What `router` chooses.
fn picks(router: &Router, prompts: PromptsView<'_>, embeddings: &Embeddings) -> Result<Vec<Pick>> {
    let mut decisions = vec![Decision::default(); prompts.len()];
    router.route_embedded(prompts, embeddings, &[], &mut decisions)?;
    decisions.iter().map(pick).collect()
}

/// The aggregate's estimates, with the costs that the policy reads.
fn forecast(router: &Router, prediction: &Prediction) -> Forecast {
    let mut cost_usd = prediction.cost_usd.clone();
    if prediction.aggregate.cost_usd().is_none() {
        let known: Vec<bool> = router.costs().known().collect();
        for row in 0..cost_usd.rows() {
            for (cost, known) in cost_usd.row_mut(row).iter_mut().zip(&known) {
                if !known {
                    *cost = f32::INFINITY;
                }
            }
        }
    }
    Forecast { quality: prediction.aggregate.quality().to_matrix(), cost_usd }
}

fn pick(decision: &Decision) -> Result<Pick> {
    match &decision.plan {
        Plan::NoEligibleModel => Ok(Pick::Nobody),
        Plan::One(model) => Ok(Pick::One(*model)),
        Plan::Set(models) => Ok(Pick::Set(models.as_slice().into())),
        Plan::Cascade(steps) => Ok(Pick::Cascade(steps.as_slice().into())),
        other => Err(Error::new(ErrorKind::Unsupported, format!("evaluation cannot score the plan {other:?}"))
            .help("use a policy that plans one model, a set or a cascade")),
    }
}

/// What stage 1 and stage 2 would choose without each other, by the router's own policy where that is `utility`, otherwise by
/// expected quality; ties to the cheaper model, then to the lowest index. Several estimators of a stage count by their
/// weights in the aggregate, or equally where it has none.
fn stages_alone(name: &str, router: &Router, prompts: usize, prediction: &Prediction) -> Vec<Play> {
    let of = |stage: Stage| -> Vec<usize> {
        router.parts().enumerate().filter(|(_, part)| part.stage == stage).map(|(at, _)| at).collect()
    };
    let (task, prompt) = (of(Stage::Task), of(Stage::Prompt));
    if task.is_empty() || prompt.is_empty() {
        return Vec::new();
    }
    let lambda = lambda(router);
    [("stage 1 alone", task), ("stage 2 alone", prompt)]
        .into_iter()
        .map(|(what, parts)| {
            let weights = weights(&parts, router.part_weights());
            let picks =
                (0..prompts).map(|row| best(&prediction.parts, &parts, &weights, &prediction.cost_usd, lambda, row));
            Play::router(format!("{name}: {what}"), picks.collect())
        })
        .collect()
}

/// Quality given up for a US dollar saved, if the policy says so.
fn lambda(router: &Router) -> f64 {
    let policy = router.config().policy.as_ref().filter(|policy| policy.name == "utility");
    policy.and_then(|policy| policy.parameters.get("lambda")).and_then(serde_json::Value::as_f64).unwrap_or(0.0)
}

fn weights(parts: &[usize], of_all: Option<&[f32]>) -> Vec<f64> {
    let weights: Vec<f64> = match of_all {
        Some(of_all) => parts.iter().map(|&part| of_all.get(part).copied().map_or(0.0, f64::from)).collect(),
        None => vec![1.0; parts.len()],
    };
    let sum: f64 = weights.iter().sum();
    if sum > 0.0 {
        weights.into_iter().map(|weight| weight / sum).collect()
    } else {
        vec![1.0 / parts.len() as f64; parts.len()]
    }
}

fn best(estimates: &[Estimates], parts: &[usize], weights: &[f64], cost_usd: &Matrix, lambda: f64, row: usize) -> Pick {
    let costs = cost_usd.row(row);
    let utility = |model: usize| {
        let quality: f64 = parts
            .iter()
            .zip(weights)
            .map(|(&part, weight)| weight * f64::from(estimates[part].quality().get(row, model)))
            .sum();
        quality - lambda * f64::from(costs[model])
    };
    (0..costs.len())
        .map(|model| (model, utility(model)))
        .max_by(|a, b| a.1.total_cmp(&b.1).then(costs[b.0].total_cmp(&costs[a.0])).then(b.0.cmp(&a.0)))
        .map_or(Pick::Nobody, |(model, _)| Pick::One(model))
}

//! `router onboard`: a new model joins a trained router.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use router_core::artifact::ArtifactWriter;
use router_core::pipeline::Prediction;
use router_core::{
    Constraints, Dataset, Embeddings, Error, ErrorKind, Model, ModelIndex, Newcomer, Outcome, Prompt, PromptsView,
    Result, Router,
};
use router_plugins::onboarding;
use serde_json::{Value, json};

use super::requests::Lines;
use super::{Session, read};
use crate::table::{count, percent, plural, score, short_difference};

/// Known models whose strengths the newcomer shares most that are named.
const LIKE_SHOWN: usize = 3;

#[derive(Debug, Subcommand)]
pub(crate) enum Onboard {
    Choose(Choose),
    Place(Place),
}

/// Says which prompts to ask a new model
///
/// Chooses prompts whose outcomes would say most about any new model: prompts of all tasks on which the known models differ. Prints
/// their ids, the most telling first. Ask the new model, grade its answers, and go on with `router onboard place`.
#[derive(Debug, Args)]
#[command(
    next_display_order = None,
    after_help = "\
Examples:
  router onboard choose --router my-router --count 50 my-data/prompts.jsonl
  router onboard choose --router my-router my-data/prompts.jsonl --json | jq -r '.prompts[]'

Prompts that the router was not trained on say more: what it expects on its own training prompts is too close to
what it saw there."
)]
pub(crate) struct Choose {
    /// How many prompts to choose
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=2000))]
    count: u32,
    /// Prompts to choose from, a JSON object a line; - reads stdin
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// An artifact that `router train` wrote
    #[arg(long, value_name = "ARTIFACT")]
    router: PathBuf,
}

/// Places a new model by its outcomes and writes the router that has it
///
/// What is expected of the new model is the mean of what is expected of the known ones, a share of their strengths, and a shift a task, by
/// a Gaussian process over its outcomes. The estimators stay as they are. A policy that was fitted (guarded) keeps what it
/// learned: the new model never becomes its best single model, and is chosen from 30 outcomes on.
#[derive(Debug, Args)]
#[command(
    next_display_order = None,
    after_help = "\
Examples:
  router onboard place --router my-router --data new-outcomes --model gpt-next --out my-router-2

DIR is a dataset directory with the new model in models.json and its outcomes; outcomes of other models are not read.
The references that an artifact carries belong to the old pool and are left out: evaluate with --config, or train again."
)]
pub(crate) struct Place {
    /// Standard deviations by which what is expected of the model is lowered, at least 0
    #[arg(long, value_name = "N", default_value_t = 1.0, value_parser = caution)]
    caution: f64,
    /// The dataset directory with the new model's outcomes
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The new model's name
    #[arg(long, value_name = "NAME")]
    model: String,
    /// Neither take embeddings from the cache nor keep them there
    #[arg(long)]
    no_cache: bool,
    /// Where to write the artifact
    #[arg(long, value_name = "ARTIFACT")]
    out: PathBuf,
    /// An artifact that `router train` wrote
    #[arg(long, value_name = "ARTIFACT")]
    router: PathBuf,
}

fn caution(text: &str) -> std::result::Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() && value >= 0.0 => Ok(value),
        _ => Err("a number of at least 0".to_owned()),
    }
}

pub(super) fn run(arguments: &Onboard, session: &mut Session) -> Result<()> {
    match arguments {
        Onboard::Choose(arguments) => choose(arguments, session),
        Onboard::Place(arguments) => place(arguments, session),
    }
}

fn choose(arguments: &Choose, session: &mut Session) -> Result<()> {
    let router = Router::load(&arguments.router, &session.registry)?;
    let mut lines = Lines::open(&arguments.file)?;
    let mut prompts: Vec<Prompt> = Vec::new();
    while let Some((prompt, _)) = lines.next()? {
        prompts.push(prompt);
    }
    if prompts.is_empty() {
        return Err(Error::new(ErrorKind::Data, "there is no prompt to choose from").in_file(&arguments.file));
    }
    let cx = session.caching(session.seed.unwrap_or(router.config().seed), false);
    let embedded = pollster::block_on(router.embed_with(&prompts, &cx));
    session.tell_cache();
    let chosen = onboarding::choose(
        &predict(&router, &prompts, &embedded?)?,
        router.fitted_models(),
        arguments.count as usize,
        &cx,
    )?;
    let ids: Vec<&str> = chosen.iter().filter_map(|&row| prompts.get(row)).map(|prompt| prompt.id.as_str()).collect();
    let output = &mut session.output;
    output.document(&json!({ "prompts": ids }))?;
    ids.iter().try_for_each(|id| output.line(id))
}

fn place(arguments: &Place, session: &mut Session) -> Result<()> {
    let router = Router::load(&arguments.router, &session.registry)?;
    drop(ArtifactWriter::create(&arguments.out)?);
    let data = read(&arguments.data)?;
    let index =
        data.models().index_of(&arguments.model).map_err(|error| error.in_file(arguments.data.join("models.json")))?;
    let asked = Asked::of(&data, index)?;
    let cx = session.caching(router.config().seed, arguments.no_cache);
    let embedded = pollster::block_on(router.embed_with(&asked.prompts, &cx));
    session.tell_cache();
    let embeddings = embedded?;
    let prediction = predict(&router, &asked.prompts, &embeddings)?;
    let fitted = router.fitted_models();
    let qualities: Vec<(usize, f32)> = asked.outcomes.iter().map(|outcome| outcome.quality).enumerate().collect();
    let placed = onboarding::place(&prediction, fitted, &qualities, arguments.caution)?;

    let like = shared(&router, &placed.placement.weights);
    let newcomer = asked.newcomer(data.models().get(index).ok_or_else(|| unknown(&arguments.model))?);
    let joined = router.with_model(&newcomer, placed.placement.clone())?;
    joined.save(&arguments.out)?;

    let share = share_of_last(&joined, &asked.prompts, &embeddings)?;
    let measured = qualities.iter().map(|&(_, quality)| f64::from(quality)).sum::<f64>() / qualities.len() as f64;
    let document = json!({
        "model": arguments.model,
        "outcomes": qualities.len(),
        "mean_quality": measured,
        "intercept": placed.placement.intercept,
        "like": like.iter().map(|(name, weight)| json!({ "model": name, "weight": weight })).collect::<Vec<Value>>(),
        "held_out_error": placed.held_out_error,
        "held_out_error_of_mean": placed.held_out_error_of_mean,
        "share_of_asked": share,
        "artifact": arguments.out.display().to_string(),
    });
    let output = &mut session.output;
    output.document(&document)?;
    let (name, asked) = (&arguments.model, plural(qualities.len(), "outcome"));
    output.line(format_args!("placed      {name} by {asked} of mean quality {}", score(measured)))?;
    let models = plural(fitted, "known model");
    let level = short_difference(f64::from(placed.placement.intercept));
    output.line(format_args!("level       {level} against the mean of {models}"))?;
    if !like.is_empty() {
        let like: Vec<String> = like.iter().map(|(name, weight)| format!("{name} ({weight:.2})")).collect();
        output.line(format_args!("like        {}", like.join(", ")))?;
    }
    let of_mean =
        placed.held_out_error_of_mean.map_or_else(String::new, |error| format!("; by the mean alone {error:.3}"));
    output.line(format_args!("error       {:.3} on outcomes left out one by one{of_mean}", placed.held_out_error))?;
    output.line(format_args!("chosen for  {} of the {} prompts asked", percent(share), count(qualities.len())))?;
    output.line(format_args!("wrote       {}", arguments.out.display()))
}

fn unknown(model: &str) -> Error {
    Error::new(ErrorKind::UnknownModel, format!("unknown model `{model}`"))
}

fn predict(router: &Router, prompts: &[Prompt], embeddings: &Embeddings) -> Result<Prediction> {
    router.predict_embedded(PromptsView::all(prompts), embeddings.vectors.view())
}

/// The prompts that a model was asked, and what came of it.
struct Asked {
    prompts: Vec<Prompt>,
    outcomes: Vec<Outcome>,
}

impl Asked {
    fn of(data: &Dataset, model: ModelIndex) -> Result<Self> {
        let (prompts, outcomes): (Vec<Prompt>, Vec<Outcome>) = (0..data.prompts().len())
            .filter_map(|row| Some((data.prompts().get(row)?.clone(), *data.outcomes().get(row, model)?)))
            .unzip();
        if outcomes.is_empty() {
            let name = data.models().name(model);
            return Err(Error::new(ErrorKind::Data, format!("`{name}` has no outcome in `{}`", data.name()))
                .help("`router onboard choose` says which prompts to ask it"));
        }
        Ok(Self { prompts, outcomes })
    }

    fn newcomer<'a>(&self, model: &'a Model) -> Newcomer<'a> {
        let mean = |values: Vec<f64>| (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64);
        let tokens = self.outcomes.iter().filter_map(|outcome| outcome.output_tokens.map(f64::from)).collect();
        let with_cost = || self.outcomes.iter().zip(&self.prompts).filter(|(outcome, _)| outcome.cost_usd.is_some());
        let input = |(outcome, prompt): (&Outcome, &Prompt)| {
            f64::from(outcome.input_tokens.unwrap_or_else(|| prompt.approximate_tokens()))
        };
        Newcomer {
            model,
            outcomes: self.outcomes.len(),
            output_tokens: mean(tokens),
            measured_cost: mean(with_cost().filter_map(|(outcome, _)| outcome.cost_usd).collect())
                .zip(mean(with_cost().map(input).collect())),
        }
    }
}

/// The known models whose strengths a newcomer shares most, with their weights; none by a weight of 0 or less.
fn shared(router: &Router, weights: &[f32]) -> Vec<(String, f32)> {
    let mut order: Vec<(usize, f32)> =
        weights.iter().copied().enumerate().filter(|(_, weight)| *weight > 0.0).collect();
    order.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    order.into_iter().take(LIKE_SHOWN).map(|(model, weight)| (router.models().name(model).to_owned(), weight)).collect()
}

/// The share of `prompts` that `router` sends to the last model of its pool.
fn share_of_last(router: &Router, prompts: &[Prompt], embeddings: &Embeddings) -> Result<f64> {
    let mut decisions = vec![router_core::Decision::default(); prompts.len()];
    let free: &[Constraints] = &[];
    router.route_embedded(PromptsView::all(prompts), embeddings, free, &mut decisions)?;
    let last = router.models().len() - 1;
    let chosen = decisions.iter().filter(|decision| decision.model() == Some(last)).count();
    Ok(chosen as f64 / prompts.len().max(1) as f64)
}

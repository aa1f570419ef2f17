//! Train -> test.

use std::sync::Arc;

use router_core::types::matrix::Embeddings as Vectors;
use router_core::{Dataset, Error, ErrorKind, FitContext, PromptsView, Registry, Result, Seed, TaskCards};

use crate::arena::Arena;
use crate::contest::{Contest, Place};
use crate::evaluate::embedded::Embeddings;
use crate::evaluate::route::{Candidate, embed_timed};
use crate::evaluate::{Configs, check_names, resolved, seeds, unfitted};
use crate::evaluation::Evaluation;
use crate::leakage;
use crate::options::{NamedConfig, Options};
use crate::references::{Cell, References};
use crate::summarize::{Circumstances, Leaks, summarize};

/// Fits every configuration and the references on `train`, under every seed of `options`, and evaluates them on `test`. The
/// references read the first configuration's embedding.
///
/// # Errors
/// [`ErrorKind::Usage`] without a configuration or test set, or for two of one name; [`ErrorKind::Data`] for a test set that
/// holds no outcome of the training pool's models; whatever a component reports; [`ErrorKind::Cancelled`].
pub fn train_test(
    configs: &[NamedConfig],
    registry: &Registry,
    train: &Arc<Dataset>,
    test: &[Arc<Dataset>],
    options: &Options,
    cx: &FitContext,
) -> Result<Evaluation> {
    options.check()?;
    check_names(configs)?;
    let nominal = configs.first().map_or(0, |first| first.config.cost.nominal_output_tokens);
    let mut contest = Contest::new(arenas(test, train.models(), nominal)?, seeds(configs, options), None);
    let mut embeddings = Embeddings::default();
    let mut test_vectors: Vec<Vec<(Vectors, f64)>> = Vec::new();
    let mut reported: Option<(References, TaskCards, Configs)> = None;
    let bar = cx.begin("evaluating", Some((contest.seeds.len() * configs.len()) as u64));
    for (number, &seed) in contest.seeds.clone().iter().enumerate() {
        let cx = cx.with_seed(seed);
        let unfitted = unfitted(configs, seed, registry)?;
        let mut fitted = Vec::with_capacity(configs.len());
        for router in &unfitted {
            cx.check_cancelled()?;
            let (at, embedded) = embeddings.of(router, train, &cx)?;
            let router = router.fit_embedded(&embedded.set, Arc::clone(&embedded.embedder), &cx)?;
            if at == test_vectors.len() {
                let embedded = test.iter().map(|data| embed_timed(&router, data.prompts(), &cx));
                test_vectors.push(embedded.collect::<Result<_>>()?);
            }
            fitted.push((at, router, embedded));
            bar.advance(1);
        }
        let Some((first, router, embedded)) = fitted.first() else { continue };
        let references = References::fit(&embedded.set, registry, nominal, &cx)?;
        for data in 0..test.len() {
            cx.check_cancelled()?;
            let Some(arena) = contest.arenas.get(data) else { continue };
            let vectors = |at: usize| {
                let vectors = test_vectors.get(at).and_then(|of_data| of_data.get(data));
                vectors.ok_or_else(|| Error::new(ErrorKind::Internal, "a test set was not embedded"))
            };
            let prompts = PromptsView::all(arena.dataset.prompts());
            let (mut plays, mut perturbed) = (Vec::new(), Vec::new());
            for (named, (at, router, _)) in configs.iter().zip(&fitted) {
                let (embeddings, seconds) = vectors(*at)?;
                let candidate =
                    Candidate { name: &named.name, router, prompts, embeddings, embedding_seconds: *seconds };
                plays.extend(candidate.play(options, number == 0)?);
                perturbed.extend(candidate.play_perturbed(options, &cx)?);
            }
            let rows: Vec<usize> = (0..arena.len()).collect();
            let (vectors, embedding_seconds) = vectors(*first)?;
            let cell =
                Cell { arena, rows: &rows, embeddings: vectors.vectors.view(), embedding_seconds: *embedding_seconds };
            let draws = draws(options, &arena.name, seed, 0);
            plays.extend(references.play(cell, &plays, &draws)?);
            let place = Place { data, seed: number, fold: 0 };
            contest.enter(place, &rows, references.priced(), plays)?;
            contest.enter_perturbed(place, &rows, perturbed)?;
        }
        if reported.is_none() {
            reported = Some((references, router.tasks().clone(), resolved(configs, &unfitted)?));
        }
    }
    let Some((references, tasks, configs)) = reported else {
        return Err(Error::new(ErrorKind::Usage, "there is no seed to evaluate under"));
    };
    let near = options
        .near_duplicates
        .map(|groups| test.iter().map(|data| leakage::near(train.prompts(), data.prompts(), groups)).collect());
    let (summary, decisions) = summarize(&contest, circumstances(&references, test, near), options)?;
    Ok(Evaluation { summary, decisions, tasks: Some(tasks), configs })
}

/// The data sets as seen through the models of `pool`.
///
/// # Errors
/// [`ErrorKind::Usage`] if there is none.
pub(super) fn arenas(
    test: &[Arc<Dataset>],
    pool: &router_core::ModelPool,
    nominal_output_tokens: u32,
) -> Result<Vec<Arena>> {
    if test.is_empty() {
        return Err(no_data());
    }
    test.iter().map(|data| Arena::new(data, pool, nominal_output_tokens)).collect()
}

pub(super) fn no_data() -> Error {
    Error::new(ErrorKind::Usage, "there is no data set to evaluate on")
}

/// What an evaluation of test sets against `references` says beside the scores.
pub(super) fn circumstances(
    references: &References,
    test: &[Arc<Dataset>],
    near: Option<Vec<Vec<bool>>>,
) -> Circumstances {
    let exact = test.iter().map(|data| leakage::exact(references.training_texts(), data.prompts())).collect();
    Circumstances {
        train: Some(references.train().clone()),
        unpriced_models: references.unpriced(),
        nominal_output_tokens: references.nominal_output_tokens(),
        leaks: Some(Leaks { exact, near }),
    }
}

/// The seed of the draws in one cell.
pub(crate) fn draws(options: &Options, data: &str, seed: u64, fold: usize) -> Seed {
    Seed::root(options.bootstrap_seed).child("draws").child(data).child(&format!("seed/{seed}/fold/{fold}"))
}

//! A stored router on test sets.

use std::sync::Arc;

use router_core::{Dataset, Error, ErrorKind, FitContext, PromptsView, Result, Router};

use crate::contest::{Contest, Place};
use crate::evaluate::route::{Candidate, embed_timed};
use crate::evaluate::train_test::{arenas, circumstances, draws};
use crate::evaluation::Evaluation;
use crate::options::Options;
use crate::references::{Cell, References};
use crate::summarize::summarize;

/// The name of a router that is evaluated without a configuration's name.
const NAME: &str = "router";

/// Evaluates `router`, fitted before, on `test`, beside `references` that were fitted on the same training data. The router is
/// called `router`. Of `cx`, its progress, cancellation and cache of embeddings play a part.
///
/// # Errors
/// [`ErrorKind::Incompatible`] if the references know other models than the router; otherwise as
/// [`train_test`](crate::train_test).
pub fn artifact(
    router: &Router,
    references: &References,
    test: &[Arc<Dataset>],
    options: &Options,
    cx: &FitContext,
) -> Result<Evaluation> {
    options.check()?;
    if references.models() != router.models() {
        return Err(Error::new(ErrorKind::Incompatible, "the references and the router know different models")
            .help("use the references that were stored with the router"));
    }
    let seed = router.config().seed;
    let arenas = arenas(test, router.models(), references.nominal_output_tokens())?;
    let mut contest = Contest::new(arenas, vec![seed], None);
    for data in 0..test.len() {
        let Some(arena) = contest.arenas.get(data) else { continue };
        let prompts = PromptsView::all(arena.dataset.prompts());
        let (vectors, embedding_seconds) = embed_timed(router, arena.dataset.prompts(), cx)?;
        let rows: Vec<usize> = (0..arena.len()).collect();
        let candidate = Candidate { name: NAME, router, prompts, embeddings: &vectors, embedding_seconds };
        let mut plays = candidate.play(options, true)?;
        let perturbed = candidate.play_perturbed(options, cx)?;
        let cell = Cell { arena, rows: &rows, embeddings: vectors.vectors.view(), embedding_seconds };
        plays.extend(references.play(cell, &plays, &draws(options, &arena.name, seed, 0))?);
        let place = Place { data, seed: 0, fold: 0 };
        contest.enter(place, &rows, references.priced(), plays)?;
        contest.enter_perturbed(place, &rows, perturbed)?;
    }
    let (summary, decisions) = summarize(&contest, circumstances(references, test, None), options)?;
    let configs = vec![(NAME.to_owned(), router.config().to_json()?)];
    Ok(Evaluation { summary, decisions, tasks: Some(router.tasks().clone()), configs })
}

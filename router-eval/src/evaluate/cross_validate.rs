//! Cross-validation: everything is fitted anew for every fold or benchmark, on the others alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use router_core::types::matrix::Embeddings as Vectors;
use router_core::{
    Dataset, Error, ErrorKind, FitContext, Folds, PromptsView, Registry, Result, Router, TrainingSet, UnfittedRouter,
};

use crate::contest::{Contest, Place};
use crate::evaluate::embedded::{Embedded, Embeddings};
use crate::evaluate::route::{Candidate, embed_timed, embedding_seconds};
use crate::evaluate::train_test::{arenas, draws, no_data};
use crate::evaluate::{check_names, resolved, seeds, unfitted};
use crate::evaluation::Evaluation;
use crate::options::{NamedConfig, Options};
use crate::references::{Cell, References};
use crate::summarize::{Circumstances, summarize};

/// Cross-validates every configuration on each of `data`: every data set by itself, with its own models, the results pooled.
///
/// Each seed deals its own folds, near duplicates sharing one. For every fold, the embedder (if it learns), the references and
/// every router are fitted on the other folds alone, whatever cross-fitting they do inside. An embedder that does not learn
/// embeds every prompt once. Cost: `seeds x folds` fits of every configuration.
///
/// # Errors
/// [`ErrorKind::Usage`] for fewer than two folds, more folds than groups of near duplicates, no configuration, or
/// two of one name; whatever a component reports; [`ErrorKind::Cancelled`].
pub fn cross_validate(
    configs: &[NamedConfig],
    registry: &Registry,
    data: &[Arc<Dataset>],
    folds: usize,
    options: &Options,
    cx: &FitContext,
) -> Result<Evaluation> {
    evaluate(configs, registry, data, Split::Folds(folds), options, cx)
}

/// Cross-validates over benchmarks: every benchmark of every data set is held out in turn, and everything is fitted on the others
/// alone. What it tells is how a router does on prompts of a kind that it has not seen. Training prompts that are near duplicates
/// of a held-out one are left out. Prompts of no named benchmark are one of their own.
///
/// # Errors
/// [`ErrorKind::Data`] for a data set of fewer than two benchmarks; otherwise as [`cross_validate`].
pub fn leave_benchmark_out(
    configs: &[NamedConfig],
    registry: &Registry,
    data: &[Arc<Dataset>],
    options: &Options,
    cx: &FitContext,
) -> Result<Evaluation> {
    evaluate(configs, registry, data, Split::Benchmarks, options, cx)
}

/// What is held out together.
#[derive(Debug, Clone, Copy)]
enum Split {
    /// Random parts, near duplicates in one of them.
    Folds(usize),
    /// The prompts of one benchmark.
    Benchmarks,
}

/// Rows to learn from, and rows held out.
type Part = (Vec<usize>, Vec<usize>);

impl Split {
    fn parts(self, data: &Dataset, cx: &FitContext) -> Result<Vec<Part>> {
        match self {
            Self::Folds(folds) => {
                let folds = Folds::new(data.groups(), folds, cx.child("evaluation").child(data.name()).seed())?;
                Ok((0..folds.count()).map(|fold| folds.split(fold)).collect())
            }
            Self::Benchmarks => benchmark_parts(data),
        }
    }

    /// How many parts there are at most.
    fn count(self, data: &[Arc<Dataset>]) -> Result<usize> {
        match self {
            Self::Folds(folds) => Ok(folds),
            Self::Benchmarks => data
                .iter()
                .map(|data| Ok(benchmark_parts(data)?.len()))
                .try_fold(0, |most: usize, parts: Result<usize>| Ok(most.max(parts?))),
        }
    }
}

fn benchmark_parts(data: &Dataset) -> Result<Vec<Part>> {
    let mut held_out: BTreeMap<Option<&str>, Vec<usize>> = BTreeMap::new();
    for (row, prompt) in data.prompts().iter().enumerate() {
        held_out.entry(prompt.benchmark.as_deref()).or_default().push(row);
    }
    if held_out.len() < 2 {
        return Err(Error::new(ErrorKind::Data, format!("data set `{}` has one benchmark", data.name()))
            .help("leaving one benchmark out needs another to learn from: use folds"));
    }
    let of_group = |row: &usize| data.groups().get(*row);
    Ok(held_out
        .into_values()
        .map(|held_out| {
            let groups: BTreeSet<_> = held_out.iter().filter_map(of_group).collect();
            let train =
                (0..data.prompts().len()).filter(|row| of_group(row).is_some_and(|group| !groups.contains(group)));
            (train.collect(), held_out)
        })
        .collect())
}

fn evaluate(
    configs: &[NamedConfig],
    registry: &Registry,
    data: &[Arc<Dataset>],
    split: Split,
    options: &Options,
    cx: &FitContext,
) -> Result<Evaluation> {
    options.check()?;
    check_names(configs)?;
    let nominal = configs.first().map_or(0, |first| first.config.cost.nominal_output_tokens);
    let mut all = Vec::with_capacity(data.len());
    for data in data {
        all.extend(arenas(std::slice::from_ref(data), data.models(), nominal)?);
    }
    if all.is_empty() {
        return Err(no_data());
    }
    let folds = split.count(data)?;
    let mut contest = Contest::new(all, seeds(configs, options), Some(folds));
    contest.leave_benchmark_out = matches!(split, Split::Benchmarks);
    let mut unpriced = BTreeSet::new();
    let steps = data.len() * contest.seeds.len() * folds * configs.len();
    let bar = cx.begin("cross-validating", Some(steps as u64));
    for (data_number, data) in data.iter().enumerate() {
        let mut embeddings = Embeddings::default();
        for (seed_number, &seed) in contest.seeds.clone().iter().enumerate() {
            let cx = cx.with_seed(seed);
            let unfitted = unfitted(configs, seed, registry)?;
            for (fold, (train, held_out)) in split.parts(data, &cx)?.into_iter().enumerate() {
                let cx = cx.child(&format!("fold/{fold}")).silent();
                let mut splits = Splits {
                    data,
                    train: &train,
                    held_out: &held_out,
                    all: &mut embeddings,
                    anew: Embeddings::default(),
                };
                let (mut plays, mut perturbed) = (Vec::new(), Vec::new());
                let mut first: Option<(TrainingSet, Vectors, f64)> = None;
                let Some(arena) = contest.arenas.get(data_number) else { continue };
                for (named, unfitted) in configs.iter().zip(&unfitted) {
                    cx.check_cancelled()?;
                    let (router, set, vectors, seconds) = splits.fit(unfitted, &cx)?;
                    let prompts = PromptsView::rows(data.prompts(), &held_out);
                    let candidate = Candidate {
                        name: &named.name,
                        router: &router,
                        prompts,
                        embeddings: &vectors,
                        embedding_seconds: seconds,
                    };
                    plays.extend(candidate.play(options, seed_number == 0 && fold == 0)?);
                    perturbed.extend(candidate.play_perturbed(options, &cx)?);
                    first.get_or_insert((set, vectors, seconds));
                    bar.advance(1);
                }
                let Some((set, vectors, embedding_seconds)) = first else { continue };
                let references = References::fit(&set, registry, nominal, &cx)?;
                unpriced.extend(references.unpriced());
                let cell = Cell { arena, rows: &held_out, embeddings: vectors.vectors.view(), embedding_seconds };
                plays.extend(references.play(cell, &plays, &draws(options, &arena.name, seed, fold))?);
                let place = Place { data: data_number, seed: seed_number, fold };
                contest.enter(place, &held_out, references.priced(), plays)?;
                contest.enter_perturbed(place, &held_out, perturbed)?;
            }
        }
    }
    let circumstances = Circumstances {
        train: None,
        unpriced_models: unpriced.into_iter().collect(),
        nominal_output_tokens: nominal,
        leaks: None,
    };
    let (summary, decisions) = summarize(&contest, circumstances, options)?;
    let first_seed = contest.seeds.first().copied().unwrap_or_default();
    let configs = resolved(configs, &unfitted(configs, first_seed, registry)?)?;
    Ok(Evaluation { summary, decisions, tasks: None, configs })
}

/// One fold of one data set, and the embeddings made for it so far.
struct Splits<'a> {
    data: &'a Arc<Dataset>,
    train: &'a [usize],
    held_out: &'a [usize],
    /// Embeddings of the whole data set by embedders that do not learn.
    all: &'a mut Embeddings,
    /// Embeddings of the training part by embedders that were fitted on it.
    anew: Embeddings,
}

impl Splits<'_> {
    /// Fits `router` on the training part; gives the set it was fitted on, the embeddings of the held-out part, and the
    /// seconds that embedding a prompt takes.
    fn fit(&mut self, router: &UnfittedRouter, cx: &FitContext) -> Result<(Router, TrainingSet, Vectors, f64)> {
        let held_out = self.data.subset(self.held_out);
        if router.embedder_learns() {
            let train = Arc::new(self.data.subset(self.train));
            let Embedded { set, embedder } = self.anew.of(router, &train, cx)?.1;
            let router = router.fit_embedded(&set, embedder, cx)?;
            let (vectors, seconds) = embed_timed(&router, held_out.prompts(), cx)?;
            return Ok((router, set, vectors, seconds));
        }
        let (at, Embedded { set: whole, embedder }) = self.all.of(router, self.data, cx)?;
        let set = whole.subset(self.train)?;
        let router = router.fit_embedded(&set, embedder, cx)?;
        let seconds = self.all.seconds(at, || embedding_seconds(&router, held_out.prompts()))?;
        let mut vectors = router_core::Matrix::zeros(self.held_out.len(), whole.embeddings().cols());
        for (at, &row) in self.held_out.iter().enumerate() {
            vectors.row_mut(at).copy_from_slice(whole.embeddings().row(row));
        }
        Ok((router, set, Vectors::new(vectors), seconds))
    }
}

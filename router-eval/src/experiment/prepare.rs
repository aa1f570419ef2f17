//! What cells share: embeddings, and for every group of cells the folds, their embedders, and the references.
//!
//! Cells of one data set, seed, size, embedder and cost assumption are a group: they differ in what learns from the same
//! embeddings, so that the references are fitted once for all of them. An embedder that does not learn embeds a data set once for all
//! groups. A group of one seed does what [`crate::cross_validate`] and [`crate::train_test`] do under that seed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use router_core::pipeline::embed_in_batches;
use router_core::traits::StoredEmbedder;
use router_core::types::matrix::Embeddings as Vectors;
use router_core::{
    Dataset, FitContext, Folds, Matrix, ModelPool, Prompt, Registry, Result, Seed, TrainingSet, UnfittedRouter,
};

use super::cell::{Cell, Loaded};
use super::once::Once;
use super::share::share_of;
use crate::arena::Arena;
use crate::contest::Play;
use crate::evaluate::train_test::draws;
use crate::options::Options;
use crate::references::{self, References};

/// A data set embedded by an embedder that does not learn.
struct Embedded {
    set: TrainingSet,
    embedder: Arc<dyn StoredEmbedder>,
    /// The embeddings of what is evaluated on, where that is another data set.
    test: Option<Vectors>,
}

/// One part of an evaluation: what is learned from, and what is asked.
pub(super) struct Part {
    pub(super) set: TrainingSet,
    pub(super) embedder: Arc<dyn StoredEmbedder>,
    /// The rows of the evaluated data set that are asked, ascending.
    pub(super) rows: Vec<usize>,
    /// Their embeddings.
    pub(super) vectors: Vectors,
    pub(super) references: References,
    /// What those references choose that depend on no router.
    pub(super) alone: Vec<Play>,
    /// The context that routers are fitted in.
    pub(super) cx: FitContext,
    /// The seed of draws.
    pub(super) draws: Seed,
}

/// What the cells of a group share.
pub(super) struct Group {
    pub(super) evaluated: Arc<Dataset>,
    pub(super) pool: ModelPool,
    pub(super) nominal_output_tokens: u32,
    pub(super) folds: Option<usize>,
    pub(super) parts: Vec<Part>,
    pub(super) unpriced: Vec<String>,
}

impl Group {
    /// The arena of a contest over this group's prompts.
    pub(super) fn arena(&self) -> Result<Arena> {
        Arena::new(&self.evaluated, &self.pool, self.nominal_output_tokens)
    }
}

/// Embeddings by data set and embedder.
type Known = BTreeMap<(usize, String), Arc<Once<Embedded>>>;

/// Everything that cells share.
pub(super) struct Shared<'a> {
    pub(super) data: &'a [Loaded],
    pub(super) folds: usize,
    pub(super) registry: &'a Registry,
    pub(super) options: &'a Options,
    pub(super) cx: &'a FitContext,
    embedded: Mutex<Known>,
}

impl<'a> Shared<'a> {
    pub(super) fn new(
        data: &'a [Loaded],
        folds: usize,
        registry: &'a Registry,
        options: &'a Options,
        cx: &'a FitContext,
    ) -> Self {
        Self { data, folds, registry, options, cx, embedded: Mutex::default() }
    }

    /// Prepares what the group of `cell` shares; `router` is that of any of its cells.
    pub(super) fn group(&self, cell: &Cell, router: &UnfittedRouter) -> Result<Group> {
        let Some(data) = self.data.get(cell.data) else {
            return Err(router_core::Error::new(router_core::ErrorKind::Internal, "a cell of no data set"));
        };
        let nominal = router.config().cost.nominal_output_tokens;
        let cx = self.cx.with_seed(cell.seed).silent();
        let evaluated = Arc::clone(data.evaluated());
        let arena = Arena::new(&evaluated, data.train.models(), nominal)?;
        let all: Vec<usize> = (0..data.train.prompts().len()).collect();
        let splits: Vec<(Vec<usize>, Vec<usize>, FitContext)> = if data.test.is_some() {
            vec![(all, (0..arena.len()).collect(), cx.clone())]
        } else {
            let seed = cx.child("evaluation").child(data.train.name());
            let folds = Folds::new(data.train.groups(), self.folds, seed.seed())?;
            let split = |fold: usize| {
                let (train, held_out) = folds.split(fold);
                (train, held_out, cx.child(&format!("fold/{fold}")))
            };
            (0..folds.count()).map(split).collect()
        };
        let mut parts = Vec::with_capacity(splits.len());
        let mut unpriced = std::collections::BTreeSet::new();
        for (fold, (train, rows, cx)) in splits.into_iter().enumerate() {
            cx.check_cancelled()?;
            let train = share_of(&train, data.train.groups(), cell.size, cx.child("size").seed());
            let (set, embedder, vectors) = self.embed(cell, router, data, &train, &rows, &cx)?;
            let references = References::fit(&set, self.registry, nominal, &cx)?;
            unpriced.extend(references.unpriced());
            let draws = draws(self.options, &arena.name, cell.seed, fold);
            let asked = references::Cell {
                arena: &arena,
                rows: &rows,
                embeddings: vectors.vectors.view(),
                embedding_seconds: 0.0,
            };
            let alone = references.play_alone(asked, &draws)?;
            parts.push(Part { set, embedder, rows, vectors, references, alone, cx, draws });
        }
        Ok(Group {
            evaluated,
            pool: data.train.models().clone(),
            nominal_output_tokens: nominal,
            folds: data.test.is_none().then_some(self.folds),
            parts,
            unpriced: unpriced.into_iter().collect(),
        })
    }

    /// The training rows embedded, the embedder, and the embeddings of the rows that are asked.
    fn embed(
        &self,
        cell: &Cell,
        router: &UnfittedRouter,
        data: &Loaded,
        train: &[usize],
        rows: &[usize],
        cx: &FitContext,
    ) -> Result<(TrainingSet, Arc<dyn StoredEmbedder>, Vectors)> {
        if router.embedder_learns() {
            let part = Arc::new(data.train.subset(train));
            let (embedder, vectors) = pollster::block_on(router.embed(&part, cx))?;
            let set = TrainingSet::new(part, Arc::new(vectors.vectors))?;
            let asked = data.evaluated();
            let prompts: Vec<&Prompt> = rows.iter().filter_map(|&row| asked.prompts().get(row)).collect();
            let vectors = pollster::block_on(embed_in_batches(&*embedder, &prompts, cx))?;
            return Ok((set, embedder, vectors));
        }
        let key = (cell.data, serde_json::to_string(&cell.embedder.0).unwrap_or_default());
        let once = {
            let mut known = self.embedded.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(known.entry(key).or_default())
        };
        let whole = once.get(|| {
            let (embedder, vectors) = pollster::block_on(router.embed(&data.train, cx))?;
            let test = match &data.test {
                None => None,
                Some(test) => {
                    let prompts: Vec<&Prompt> = test.prompts().iter().collect();
                    Some(pollster::block_on(embed_in_batches(&*embedder, &prompts, cx))?)
                }
            };
            Ok(Embedded { set: TrainingSet::new(Arc::clone(&data.train), Arc::new(vectors.vectors))?, embedder, test })
        })?;
        let everything = train.len() == data.train.prompts().len();
        let set = if everything { whole.set.clone() } else { whole.set.subset(train)? };
        let vectors = whole.test.clone().unwrap_or_else(|| {
            let all = whole.set.embeddings();
            let mut vectors = Matrix::zeros(rows.len(), all.cols());
            for (at, &row) in rows.iter().enumerate() {
                vectors.row_mut(at).copy_from_slice(all.row(row));
            }
            Vectors::new(vectors)
        });
        Ok((set, Arc::clone(&whole.embedder), vectors))
    }
}

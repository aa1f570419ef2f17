//! Embeddings that several routers or seeds share: a prompt is embedded once for each embedder that differs.

use std::collections::BTreeMap;
use std::sync::Arc;

use router_core::config::ComponentConfig;
use router_core::traits::StoredEmbedder;
use router_core::{Dataset, FitContext, Result, TrainingSet, UnfittedRouter};

/// A data set embedded by an embedder that was fitted on it.
#[derive(Clone)]
pub(crate) struct Embedded {
    pub(crate) set: TrainingSet,
    pub(crate) embedder: Arc<dyn StoredEmbedder>,
}

/// What was embedded so far. An embedder that learns is fitted anew under every seed; any other ignores seed and texts.
#[derive(Default)]
pub(crate) struct Embeddings {
    done: Vec<(ComponentConfig, Option<u64>, Embedded)>,
    /// By number: the seconds that embedding a prompt takes, where that was measured.
    seconds: BTreeMap<usize, f64>,
}

impl Embeddings {
    /// The embedder of `router` fitted on `data`, and the data embedded. Returns its number, the same for the same embedder.
    pub(crate) fn of(
        &mut self,
        router: &UnfittedRouter,
        data: &Arc<Dataset>,
        cx: &FitContext,
    ) -> Result<(usize, Embedded)> {
        let seed = router.embedder_learns().then_some(router.config().seed);
        let config = &router.config().embedder;
        let known = self.done.iter().position(|(done, under, _)| done == config && *under == seed);
        if let Some((at, (_, _, embedded))) = known.and_then(|at| Some((at, self.done.get(at)?))) {
            return Ok((at, embedded.clone()));
        }
        let (embedder, vectors) = pollster::block_on(router.embed(data, cx))?;
        let embedded = Embedded { set: TrainingSet::new(Arc::clone(data), Arc::new(vectors.vectors))?, embedder };
        self.done.push((config.clone(), seed, embedded.clone()));
        Ok((self.done.len() - 1, embedded))
    }

    /// The seconds that the embedder of this number takes for a prompt, measured once.
    pub(crate) fn seconds(&mut self, number: usize, measure: impl FnOnce() -> Result<f64>) -> Result<f64> {
        if let Some(&seconds) = self.seconds.get(&number) {
            return Ok(seconds);
        }
        let seconds = measure()?;
        self.seconds.insert(number, seconds);
        Ok(seconds)
    }
}

//! One router's answers to all prompts.

use router_core::pipeline::Prediction;
use router_core::types::decision::Decision;
use router_core::{PromptsView, Result, Router, TaskId};

use crate::compare::{Asked, ScorePair};

/// A router, what it predicted and what it chose.
pub(super) struct Side<'a> {
    pub(super) router: &'a Router,
    prediction: Prediction,
    decisions: Vec<Decision>,
}

impl<'a> Side<'a> {
    pub(super) fn ask(router: &'a Router, asked: &Asked<'_>) -> Result<Self> {
        let embeddings = router.embed_blocking(asked.prompts)?;
        let prompts = PromptsView::all(asked.prompts);
        let prediction = router.predict_embedded(prompts, embeddings.vectors.view())?;
        let mut decisions = vec![Decision::default(); asked.prompts.len()];
        router.route_embedded(prompts, &embeddings, asked.constraints, &mut decisions)?;
        Ok(Self { router, prediction, decisions })
    }

    /// The choice on prompt `row`; `None` if no model was eligible.
    pub(super) fn model(&self, row: usize) -> Option<&str> {
        self.decisions.get(row)?.model().map(|model| self.router.models().name(model))
    }

    /// The task of prompt `row`.
    pub(super) fn task(&self, row: usize) -> Option<TaskId> {
        if self.prediction.tasks.tasks() == 0 { None } else { self.prediction.tasks.assigned(row) }
    }

    /// Why, a sentence each.
    pub(super) fn reasons(&self, row: usize) -> Vec<String> {
        let reasons = self.decisions.get(row).map(|decision| decision.reasons.as_slice()).unwrap_or_default();
        reasons.iter().map(|reason| self.router.describe(reason)).collect()
    }

    /// Whether the router's pool has `model`.
    pub(super) fn knows(&self, model: &str) -> bool {
        self.router.models().index_of(model).is_ok()
    }

    /// The aggregate's quality of model `a` - that of model `b`; `None` if the pool lacks one.
    pub(super) fn lead(&self, row: usize, a: &str, b: &str) -> Option<f64> {
        let models = self.router.models();
        let (a, b) = (models.index_of(a).ok()?, models.index_of(b).ok()?);
        let quality = self.prediction.aggregate.quality();
        Some(f64::from(quality.get(row, a)) - f64::from(quality.get(row, b)))
    }

    /// For every part its slot, its weight (if the aggregator has fixed weights), and its quality of `a` - that of `b`.
    pub(super) fn part_leads(&self, row: usize, a: &str, b: &str) -> Vec<(String, Option<f64>, f64)> {
        let models = self.router.models();
        let (Ok(a), Ok(b)) = (models.index_of(a), models.index_of(b)) else { return Vec::new() };
        self.router
            .parts()
            .zip(&self.prediction.parts)
            .enumerate()
            .map(|(at, (info, part))| {
                let quality = part.quality();
                let lead = f64::from(quality.get(row, a)) - f64::from(quality.get(row, b));
                (info.slot.clone(), self.weight(at).map(f64::from), lead)
            })
            .collect()
    }

    fn weight(&self, part: usize) -> Option<f32> {
        self.router.part_weights()?.get(part).copied()
    }

    /// What every part and the aggregate expect of models `a` and `b`.
    pub(super) fn scores(&self, row: usize, a: Option<&str>, b: Option<&str>) -> Vec<ScorePair> {
        let index = |model: Option<&str>| model.and_then(|model| self.router.models().index_of(model).ok());
        let (a, b) = (index(a), index(b));
        let parts = self
            .router
            .parts()
            .zip(&self.prediction.parts)
            .enumerate()
            .map(|(at, (info, part))| (format!("{} ({})", info.slot, info.name), self.weight(at), part));
        parts
            .chain([("aggregate".to_owned(), None, &self.prediction.aggregate)])
            .map(|(part, weight, estimates)| {
                let of = |model: Option<usize>| model.map(|model| estimates.quality().get(row, model));
                ScorePair { part, weight, of_a: of(a), of_b: of(b) }
            })
            .collect()
    }
}

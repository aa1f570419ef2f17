//! A data set to be evaluated on, seen through the models that routers choose from.

use std::sync::Arc;

use router_core::cost::{CostKind, call_cost};
use router_core::{Dataset, Error, ErrorKind, Model, ModelIndex, ModelPool, Result};

/// What one observed call brought.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Call {
    pub(crate) model: ModelIndex,
    pub(crate) quality: f64,
    /// US dollars, where known.
    pub(crate) cost: Option<(f64, CostKind)>,
}

/// A data set whose outcomes are addressed by the models of `pool`, which may be another pool than the data set's own.
pub(crate) struct Arena {
    pub(crate) name: String,
    pub(crate) dataset: Arc<Dataset>,
    pub(crate) pool: ModelPool,
    /// The data set's column of every model of the pool.
    columns: Vec<Option<ModelIndex>>,
    /// What every model of the pool costs: the data set's price, or the pool's where it has none.
    priced: Vec<Model>,
    nominal_output_tokens: u32,
}

impl Arena {
    /// # Errors
    /// [`ErrorKind::Data`] if there is nothing to score with: no prompt, or no outcome of a model of `pool`.
    pub(crate) fn new(dataset: &Arc<Dataset>, pool: &ModelPool, nominal_output_tokens: u32) -> Result<Self> {
        let columns: Vec<Option<ModelIndex>> =
            pool.models().iter().map(|model| dataset.models().index_of(&model.name).ok()).collect();
        let priced = pool
            .models()
            .iter()
            .zip(&columns)
            .map(|(model, column)| match column.and_then(|column| dataset.models().get(column)) {
                Some(own) if own.price(1.0, 1.0).is_some() => own.clone(),
                _ => model.clone(),
            })
            .collect();
        let nothing = |what: String| {
            Err(Error::new(ErrorKind::Data, format!("data set `{}`: {what}", dataset.name()))
                .help("evaluation needs outcomes of the models that the router chooses from"))
        };
        if dataset.prompts().is_empty() {
            return nothing("there is no prompt to evaluate on".into());
        }
        let observed = dataset.outcomes().iter().any(|(_, outcome)| columns.contains(&Some(outcome.model)));
        if !observed {
            return nothing("it holds no outcome of any of the router's models".into());
        }
        Ok(Self {
            name: dataset.name().to_owned(),
            dataset: Arc::clone(dataset),
            pool: pool.clone(),
            columns,
            priced,
            nominal_output_tokens,
        })
    }

    /// Number of prompts.
    pub(crate) fn len(&self) -> usize {
        self.dataset.prompts().len()
    }

    /// What sending prompt `row` to `model` brought, if it was observed.
    pub(crate) fn call(&self, row: usize, model: ModelIndex) -> Option<Call> {
        let outcome = self.dataset.outcomes().get(row, (*self.columns.get(model)?)?)?;
        let prompt = self.dataset.prompts().get(row)?;
        let cost = call_cost(outcome, prompt, self.priced.get(model)?, self.nominal_output_tokens);
        Some(Call { model, quality: f64::from(outcome.quality), cost })
    }

    /// All observed calls of prompt `row`, by ascending model.
    pub(crate) fn calls(&self, row: usize) -> impl Iterator<Item = Call> {
        (0..self.pool.len()).filter_map(move |model| self.call(row, model))
    }

    /// The models of the pool that the data set has no outcome column for, and those of the data set that the pool lacks.
    pub(crate) fn differences(&self) -> (Vec<&str>, Vec<&str>) {
        let absent = (0..self.columns.len())
            .filter(|&model| self.columns.get(model).is_some_and(Option::is_none))
            .map(|model| self.pool.name(model))
            .collect();
        let ignored = self.dataset.models().models().iter().map(|model| model.name.as_str());
        (absent, ignored.filter(|name| self.pool.index_of(name).is_err()).collect())
    }
}

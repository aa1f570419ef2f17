//! A data set, and the part of it that a component is fitted on.
#![allow(clippy::indexing_slicing, reason = "row numbers are checked when a subset is made")]

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::error::{Error, ErrorKind, Result};
use crate::seed::Seed;
use crate::types::folds::Folds;
use crate::types::matrix::{Matrix, MatrixView};
use crate::types::model::ModelPool;
use crate::types::outcome::Outcomes;
use crate::types::prompt::Prompt;

/// Prompts, a model pool, and the outcomes seen.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    name: String,
    prompts: Vec<Prompt>,
    models: ModelPool,
    outcomes: Arc<Outcomes>,
    groups: Vec<u32>,
}

impl Dataset {
    /// A data set called `name`; row i of `outcomes` belongs to prompt i.
    ///
    /// # Errors
    /// [`ErrorKind::Shape`] if the counts of prompts or models disagree; [`ErrorKind::Data`] if a prompt id stands twice.
    pub fn new(name: impl Into<String>, prompts: Vec<Prompt>, models: ModelPool, outcomes: Outcomes) -> Result<Self> {
        if outcomes.prompts() != prompts.len() {
            return Err(Error::shape("rows of outcomes", prompts.len(), outcomes.prompts()));
        }
        if outcomes.models() != models.len() {
            return Err(Error::shape("models of outcomes", models.len(), outcomes.models()));
        }
        let mut seen = HashSet::with_capacity(prompts.len());
        for prompt in &prompts {
            if !seen.insert(prompt.id.as_str()) {
                return Err(Error::new(ErrorKind::Data, format!("prompt id `{}` stands twice", prompt.id))
                    .at_field("prompt_id"));
            }
        }
        let groups = (0..prompts.len() as u32).collect();
        Ok(Self { name: name.into(), prompts, models, outcomes: Arc::new(outcomes), groups })
    }

    /// The same data set with near-duplicate groups: prompts of one group are never split over folds, and are resampled together.
    ///
    /// # Errors
    /// [`ErrorKind::Shape`] if there is not one group a prompt.
    pub fn with_groups(mut self, groups: Vec<u32>) -> Result<Self> {
        if groups.len() != self.prompts.len() {
            return Err(Error::shape("near-duplicate groups", self.prompts.len(), groups.len()));
        }
        self.groups = groups;
        Ok(self)
    }

    /// The name of the data set.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The prompts in order.
    pub fn prompts(&self) -> &[Prompt] {
        &self.prompts
    }

    /// The pool of models.
    pub fn models(&self) -> &ModelPool {
        &self.models
    }

    /// The outcomes, a row a prompt.
    pub fn outcomes(&self) -> &Outcomes {
        &self.outcomes
    }

    /// The near-duplicate group of every prompt.
    pub fn groups(&self) -> &[u32] {
        &self.groups
    }

    /// A new data set of the named rows, in their order.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn subset(&self, rows: &[usize]) -> Self {
        Self {
            name: self.name.clone(),
            prompts: rows.iter().map(|&row| self.prompts[row].clone()).collect(),
            models: self.models.clone(),
            outcomes: Arc::new(self.outcomes.gather(rows)),
            groups: rows.iter().map(|&row| self.groups[row]).collect(),
        }
    }

    /// SHA-256 over prompts, models and outcomes, as hexadecimal digits: the identity of what a router was trained on.
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        let mut text = |part: &str| {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        };
        for prompt in &self.prompts {
            text(&prompt.id);
            text(&prompt.text());
            text(prompt.description.as_deref().unwrap_or(""));
        }
        for model in self.models.models() {
            text(&model.name);
            text(&format!("{:?} {:?}", model.input_usd_per_mtok, model.output_usd_per_mtok));
        }
        for (row, outcome) in self.outcomes.iter() {
            hash.update((row as u64).to_le_bytes());
            hash.update((outcome.model as u64).to_le_bytes());
            hash.update(outcome.quality.to_le_bytes());
            hash.update(outcome.weight.to_le_bytes());
            hash.update(outcome.cost_usd.unwrap_or(-1.0).to_le_bytes());
            hash.update(outcome.input_tokens.map_or(-1, i64::from).to_le_bytes());
            hash.update(outcome.output_tokens.map_or(-1, i64::from).to_le_bytes());
            // Only where there is one, so that data sets without logs keep the fingerprint that artifacts hold.
            if let Some(propensity) = outcome.propensity {
                hash.update(b"propensity");
                hash.update(propensity.to_le_bytes());
            }
        }
        crate::artifact::hex(&hash.finalize())
    }
}

/// Rows of a data set with their embeddings: what discoverers, classifiers and estimators are fitted on.
///
/// Subsets share the prompts; embeddings and outcomes of a subset are gathered, because the kernels want them contiguous.
#[derive(Debug, Clone)]
pub struct TrainingSet {
    dataset: Arc<Dataset>,
    rows: Arc<[usize]>,
    embeddings: Arc<Matrix>,
    outcomes: Arc<Outcomes>,
}

impl TrainingSet {
    /// All rows of `dataset`, with `embeddings` n x d in the same order. Propensities become weights here, once for every part
    /// that learns ([`Outcomes::inverse_propensity_weighted`]).
    ///
    /// # Errors
    /// [`ErrorKind::Shape`] if there is not one embedding a prompt; [`ErrorKind::Data`] without a prompt or an outcome;
    /// [`ErrorKind::NonFinite`] for an embedding that is not finite.
    pub fn new(dataset: Arc<Dataset>, embeddings: Arc<Matrix>) -> Result<Self> {
        if embeddings.rows() != dataset.prompts().len() {
            return Err(Error::shape("rows of embeddings", dataset.prompts().len(), embeddings.rows()));
        }
        if dataset.prompts().is_empty() {
            return Err(Error::new(ErrorKind::Data, "there is no prompt to train on"));
        }
        if dataset.outcomes().is_empty() {
            return Err(Error::new(ErrorKind::Data, "there is no outcome to train on"));
        }
        embeddings.view().check_finite("embeddings")?;
        let rows = (0..dataset.prompts().len()).collect();
        let outcomes = if dataset.outcomes.has_propensities() {
            Arc::new(dataset.outcomes.inverse_propensity_weighted())
        } else {
            Arc::clone(&dataset.outcomes)
        };
        Ok(Self { dataset, rows, embeddings, outcomes })
    }

    /// Number of prompts.
    #[allow(clippy::len_without_is_empty, reason = "a training set is never empty")]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Prompt `row` of this set.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn prompt(&self, row: usize) -> &Prompt {
        &self.dataset.prompts()[self.rows[row]]
    }

    /// The prompts of this set in order.
    pub fn prompts(&self) -> impl ExactSizeIterator<Item = &Prompt> {
        self.rows.iter().map(|&row| &self.dataset.prompts()[row])
    }

    /// The near-duplicate group of prompt `row`.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn group(&self, row: usize) -> u32 {
        self.dataset.groups()[self.rows[row]]
    }

    /// The pool of models.
    pub fn models(&self) -> &ModelPool {
        self.dataset.models()
    }

    /// The outcomes of this set, a row a prompt; their weights hold the inverse propensities.
    pub fn outcomes(&self) -> &Outcomes {
        &self.outcomes
    }

    /// The embeddings of this set, n x d.
    pub fn embeddings(&self) -> MatrixView<'_> {
        self.embeddings.view()
    }

    /// The data set that this is a part of.
    pub fn dataset(&self) -> &Arc<Dataset> {
        &self.dataset
    }

    /// The row of the data set that every row of this set stands for.
    pub fn rows(&self) -> &[usize] {
        &self.rows
    }

    /// `count` folds of the rows that keep groups of near duplicates together, or as many as there are groups; none for fewer than
    /// two groups, or `count` below 2.
    pub fn folds(&self, count: usize, seed: &Seed) -> Option<Folds> {
        let groups: Vec<u32> = (0..self.len()).map(|row| self.group(row)).collect();
        let distinct = groups.iter().collect::<BTreeSet<_>>().len();
        Folds::new(&groups, count.min(distinct), seed).ok()
    }

    /// The named rows of this set, in their order.
    ///
    /// # Errors
    /// [`ErrorKind::Shape`] for a row that is not there; [`ErrorKind::Data`] if no prompt or no outcome is left.
    pub fn subset(&self, rows: &[usize]) -> Result<Self> {
        let embeddings = Arc::new({
            self.check_rows(rows)?;
            self.embeddings.gather(rows)
        });
        self.subset_with_embeddings(rows, embeddings)
    }

    /// The named rows of this set with other embeddings, for embedders that are fitted anew in every fold.
    ///
    /// # Errors
    /// As [`TrainingSet::subset`]; [`ErrorKind::Shape`] if there is not one embedding a row.
    pub fn subset_with_embeddings(&self, rows: &[usize], embeddings: Arc<Matrix>) -> Result<Self> {
        self.check_rows(rows)?;
        if embeddings.rows() != rows.len() {
            return Err(Error::shape("rows of embeddings", rows.len(), embeddings.rows()));
        }
        let outcomes = Arc::new(self.outcomes.gather(rows));
        if rows.is_empty() || outcomes.is_empty() {
            return Err(Error::new(ErrorKind::Data, "a part of the training set has no prompt or no outcome")
                .help("train on more prompts, or use fewer folds"));
        }
        let rows = rows.iter().map(|&row| self.rows[row]).collect();
        Ok(Self { dataset: Arc::clone(&self.dataset), rows, embeddings, outcomes })
    }

    /// The same prompts and embeddings with other outcomes, for what is learned about the models beside quality.
    ///
    /// # Errors
    /// [`ErrorKind::Shape`] for outcomes of another number of prompts or models; [`ErrorKind::Data`] for none.
    pub fn with_outcomes(&self, outcomes: Outcomes) -> Result<Self> {
        let shape = |outcomes: &Outcomes| format!("{} x {}", outcomes.prompts(), outcomes.models());
        if shape(&outcomes) != shape(&self.outcomes) {
            return Err(Error::shape("outcomes", shape(&self.outcomes), shape(&outcomes)));
        }
        if outcomes.is_empty() {
            return Err(Error::new(ErrorKind::Data, "there is no outcome to train on"));
        }
        Ok(Self { outcomes: Arc::new(outcomes), ..self.clone() })
    }

    fn check_rows(&self, rows: &[usize]) -> Result<()> {
        match rows.iter().find(|&&row| row >= self.len()) {
            Some(row) => Err(Error::shape("row of a training set", format!("below {}", self.len()), row)),
            None => Ok(()),
        }
    }
}

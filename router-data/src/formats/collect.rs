//! A data set in the making, out of rows that come in any order.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use router_core::{Dataset, ErrorKind, Model, ModelIndex, ModelPool, Outcome, Outcomes, Prompt, Result};

use super::{Fields, Import, MOST_FINDINGS};
use crate::directory::{Finding, Findings};

/// Takes in models, prompts and outcomes as they are found, and what is wrong with the rest.
///
/// What stands twice is one: a prompt by the key that its format gives it, a model by its name. Outcomes of the same prompt and model
/// are averaged, with a warning that counts them.
#[derive(Debug)]
pub struct Collector {
    models: Vec<Model>,
    model_of: HashMap<String, ModelIndex>,
    prompts: Vec<Prompt>,
    prompt_of: HashMap<String, usize>,
    ids: HashSet<String>,
    /// How many ids were made up after each stem.
    numbered: HashMap<String, usize>,
    outcomes: Vec<Vec<Outcome>>,
    pub(super) findings: Findings,
    errors: usize,
    rows: usize,
    skipped: usize,
    /// Remarks that are one finding however many rows earn them: by file, field and words, the first line and a count.
    remarks: BTreeMap<(PathBuf, String, &'static str), (usize, usize)>,
}

impl Collector {
    pub(super) fn new() -> Self {
        Self {
            models: Vec::new(),
            model_of: HashMap::new(),
            prompts: Vec::new(),
            prompt_of: HashMap::new(),
            ids: HashSet::new(),
            numbered: HashMap::new(),
            outcomes: Vec::new(),
            findings: Findings::default(),
            errors: 0,
            rows: 0,
            skipped: 0,
            remarks: BTreeMap::new(),
        }
    }

    /// Adds a fault that belongs to no row, such as a file that cannot be read.
    pub fn fault(&mut self, fault: Finding) {
        self.errors += 1;
        if self.errors <= MOST_FINDINGS {
            self.findings.push(fault);
        }
    }

    /// Adds a row that could not be read as one.
    pub fn malformed(&mut self, fault: Finding) {
        self.rows += 1;
        self.skipped += 1;
        self.fault(fault);
    }

    /// Ends a row; false if something is wrong with it, so that it is left out.
    pub fn close(&mut self, row: Fields<'_>) -> bool {
        self.rows += 1;
        if row.faults.is_empty() {
            return true;
        }
        self.skipped += 1;
        for fault in row.faults {
            self.fault(fault);
        }
        false
    }

    /// A remark on the row in `line`: one warning for all rows of the file that earn it.
    pub fn remark(&mut self, path: &Path, line: usize, field: &str, words: &'static str) {
        let key = (path.to_path_buf(), field.to_owned(), words);
        self.remarks.entry(key).or_insert((line, 0)).1 += 1;
    }

    /// Takes over what the readers of files found.
    pub(super) fn adopt(&mut self, findings: Findings) {
        for finding in findings {
            if finding.severity == crate::directory::Severity::Error {
                self.fault(finding);
            } else {
                self.findings.push(finding);
            }
        }
    }

    /// The model called `name`, which is added if it is new.
    pub fn model(&mut self, name: &str) -> ModelIndex {
        if let Some(&model) = self.model_of.get(name) {
            return model;
        }
        self.models.push(Model::new(name));
        self.model_of.insert(name.to_owned(), self.models.len() - 1);
        self.models.len() - 1
    }

    /// The model called `name`, if it was named before.
    pub fn known_model(&self, name: &str) -> Option<ModelIndex> {
        self.model_of.get(name).copied()
    }

    /// What is known of a model, to be added to.
    pub fn model_mut(&mut self, model: ModelIndex) -> Option<&mut Model> {
        self.models.get_mut(model)
    }

    /// Puts the models in the order of `rank`; those of the same rank stay in theirs.
    pub fn order_models(&mut self, rank: impl Fn(&str) -> Option<u64>) {
        let mut order: Vec<ModelIndex> = (0..self.models.len()).collect();
        let name = |&model: &ModelIndex| self.models.get(model).map_or("", |model| model.name.as_str());
        order.sort_by_key(|model| rank(name(model)).unwrap_or(u64::MAX));
        let mut place = vec![0; order.len()];
        for (new, &old) in order.iter().enumerate() {
            if let Some(place) = place.get_mut(old) {
                *place = new;
            }
        }
        let mut ordered: Vec<(usize, Model)> = place.iter().copied().zip(std::mem::take(&mut self.models)).collect();
        ordered.sort_by_key(|(place, _)| *place);
        self.models = ordered.into_iter().map(|(_, model)| model).collect();
        for model in self.model_of.values_mut() {
            *model = place.get(*model).copied().unwrap_or(*model);
        }
        for outcome in self.outcomes.iter_mut().flatten() {
            outcome.model = place.get(outcome.model).copied().unwrap_or(outcome.model);
        }
    }

    /// The row of the prompt with `key`, and whether it is new; if so `make` makes it.
    pub fn prompt(&mut self, key: String, make: impl FnOnce(&mut Self) -> Prompt) -> (usize, bool) {
        if let Some(&row) = self.prompt_of.get(&key) {
            return (row, false);
        }
        let prompt = make(self);
        let row = self.prompts.len();
        self.ids.insert(prompt.id.clone());
        self.prompts.push(prompt);
        self.outcomes.push(Vec::new());
        self.prompt_of.insert(key, row);
        (row, true)
    }

    /// The prompt in `row`.
    pub fn prompt_at(&self, row: usize) -> Option<&Prompt> {
        self.prompts.get(row)
    }

    /// Whether no prompt has `id`.
    pub fn is_free(&self, id: &str) -> bool {
        !id.is_empty() && !self.ids.contains(id)
    }

    /// An id that no prompt has: `stem/1`, `stem/2`...
    pub fn next_id(&mut self, stem: &str) -> String {
        loop {
            let number = self.numbered.entry(stem.to_owned()).or_insert(0);
            *number += 1;
            let id = format!("{stem}/{number}");
            if self.is_free(&id) {
                return id;
            }
        }
    }

    /// Adds what `row`'s prompt and a model came to, as it stands in `line` of `path`.
    pub fn outcome(&mut self, row: usize, outcome: Outcome, path: &Path, line: usize) {
        let repeated = match self.outcomes.get_mut(row) {
            Some(outcomes) => {
                let repeated = outcomes.iter().any(|known| known.model == outcome.model);
                outcomes.push(outcome);
                repeated
            }
            None => false,
        };
        if repeated {
            self.remark(path, line, "", "the same prompt and model stand together again; their outcomes are averaged");
        }
    }

    /// The data set, and what there is to tell; no data set if there is no prompt or no outcome.
    pub(super) fn finish(mut self, name: &str, place: &Path) -> (Option<Result<Dataset>>, Import) {
        for ((file, field, words), (line, count)) in std::mem::take(&mut self.remarks) {
            let message = if count > 1 { format!("{words}; rows: {count}") } else { words.to_owned() };
            let mut finding = Finding::warning(file, line, message);
            if !field.is_empty() {
                finding = finding.at_field(field);
            }
            self.findings.push(finding);
        }
        let empty = if self.prompts.is_empty() {
            Some("there is no prompt in what was read")
        } else if self.outcomes.iter().all(Vec::is_empty) {
            Some("there is no outcome in what was read")
        } else {
            None
        };
        let built = if let Some(message) = empty {
            self.fault(Finding::error(place, 1, message).of_kind(ErrorKind::Data));
            None
        } else {
            let models = self.models.len();
            let rows: Vec<Vec<Outcome>> = std::mem::take(&mut self.outcomes).into_iter().map(average).collect();
            let pool = ModelPool::new(std::mem::take(&mut self.models));
            let prompts = std::mem::take(&mut self.prompts);
            Some(pool.and_then(|pool| Dataset::new(name, prompts, pool, Outcomes::from_rows(models, rows)?)))
        };
        let Self { findings, errors, rows, skipped, .. } = self;
        (built, Import { dataset: None, findings, errors, rows, skipped })
    }
}

/// One outcome a model: those of the same are averaged, unknown costs and counts left out of the mean.
fn average(mut outcomes: Vec<Outcome>) -> Vec<Outcome> {
    outcomes.sort_by_key(|outcome| outcome.model);
    outcomes.chunk_by(|a, b| a.model == b.model).filter_map(mean).collect()
}

fn mean(same: &[Outcome]) -> Option<Outcome> {
    let first = *same.first()?;
    if same.len() == 1 {
        return Some(first);
    }
    let of = |value: &dyn Fn(&Outcome) -> Option<f64>| {
        let values: Vec<f64> = same.iter().filter_map(value).collect();
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    };
    Some(Outcome {
        model: first.model,
        quality: of(&|outcome| Some(f64::from(outcome.quality))).map_or(first.quality, |mean| mean as f32),
        weight: of(&|outcome| Some(f64::from(outcome.weight))).map_or(first.weight, |mean| mean as f32),
        propensity: of(&|outcome| outcome.propensity.map(f64::from)).map(|mean| mean as f32),
        cost_usd: of(&|outcome| outcome.cost_usd),
        input_tokens: of(&|outcome| outcome.input_tokens.map(f64::from)).map(|mean| mean.round() as u32),
        output_tokens: of(&|outcome| outcome.output_tokens.map(f64::from)).map(|mean| mean.round() as u32),
    })
}

//! Where two routers decide differently on the same prompts, and why.
//!
//! [`compare`] asks both, and gives a [`Comparison`]: how often they agree, which model takes over from which, the same by the
//! tasks of either, the prompts on which they are furthest apart, and, where outcomes are known, which choice was better.
//!
//! **Gap.** On a prompt for which A chooses a and B chooses b, let G = quality(a) - quality(b) by one router's own expectation. The
//! gap is G of A - G of B: how far they are apart on which of the two is better.
//!
//! **Causes.** Where a router's aggregate is a weighted sum of parts, G is the sum over parts of weight * G of the part, and
//! the gap splits exactly by w g - w' g' = (w + w') / 2 * (g - g') + (g + g') / 2 * (w - w'): what the parts' scores and what the
//! weights contribute. What is left (an intercept, an aggregate without fixed weights) is called `aggregation`. The cause of a
//! difference is its largest contribution; `policy` where both routers hold the same of the two models for better and yet
//! choose differently; `models` where one of them has no choice or does not know the other's.

mod causes;
mod side;
mod tables;

use std::path::Path;

use router_core::{Constraints, Dataset, Error, ErrorKind, Outcomes, Prompt, Result, Router, Seed, TaskId};
use router_core::{ModelPool, statistics};
use serde::Serialize;
use serde_json::Value;

use crate::bootstrap::{Mean, Stratum, resample};
use crate::evaluation::{json, replace};
use causes::{Causes, POLICY};
use side::Side;

pub use causes::Contribution;
pub use tables::{SettingDifference, Switch, TaskAgreement};

/// Confidence of intervals.
const CONFIDENCE: f64 = 0.95;

/// The prompts that two routers are asked, and what is known of them.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    prompts: &'a [Prompt],
    constraints: &'a [Constraints],
    groups: &'a [u32],
    outcomes: Option<(&'a ModelPool, &'a Outcomes)>,
}

impl<'a> Asked<'a> {
    /// The prompts of a data set, with their outcomes.
    pub fn dataset(dataset: &'a Dataset) -> Self {
        Self {
            prompts: dataset.prompts(),
            constraints: &[],
            groups: dataset.groups(),
            outcomes: Some((dataset.models(), dataset.outcomes())),
        }
    }

    /// Prompts without outcomes: `constraints` one a prompt, or none; `groups` the near-duplicate group of every prompt.
    ///
    /// # Errors
    /// [`ErrorKind::Shape`] if the lengths disagree.
    pub fn prompts(prompts: &'a [Prompt], constraints: &'a [Constraints], groups: &'a [u32]) -> Result<Self> {
        if !constraints.is_empty() && constraints.len() != prompts.len() {
            return Err(Error::shape("constraints", prompts.len(), constraints.len()));
        }
        if groups.len() != prompts.len() {
            return Err(Error::shape("near-duplicate groups", prompts.len(), groups.len()));
        }
        Ok(Self { prompts, constraints, groups, outcomes: None })
    }

    /// The quality of `model` on prompt `row`, where it was observed.
    fn quality(&self, row: usize, model: Option<&str>) -> Option<f64> {
        let (pool, outcomes) = self.outcomes?;
        let model = pool.index_of(model?).ok()?;
        outcomes.get(row, model).map(|outcome| f64::from(outcome.quality))
    }
}

/// How a comparison is made.
#[derive(Debug, Clone, Copy)]
pub struct CompareOptions {
    /// Bootstrap resamples.
    pub resamples: usize,
    /// Seed of the bootstrap.
    pub seed: u64,
    /// The most differences that are described in full.
    pub differences: usize,
}

impl Default for CompareOptions {
    fn default() -> Self {
        Self { resamples: 10_000, seed: 0, differences: 10 }
    }
}

/// What two routers make of the same prompts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Prompts asked.
    pub prompts: usize,
    /// Prompts on which both chose the same model.
    pub agreed: usize,
    /// Their share.
    pub agreement: f64,
    /// Its 95% Wilson interval, a group of near duplicates counted as one prompt.
    pub agreement_ci: [f64; 2],
    /// Whether both were fitted to the same data.
    pub same_training_data: bool,
    /// Settings that differ, by their path in the resolved configuration.
    pub settings: Vec<SettingDifference>,
    /// Which choices of A became which of B, the most frequent first.
    pub switches: Vec<Switch>,
    /// Differences by cause, the most frequent first.
    pub causes: Vec<CauseCount>,
    /// What separates the two on the prompts on which they differ: the mean gap and its contributions.
    pub contributions: Vec<Contribution>,
    /// Agreement by the tasks of A, and without a task.
    pub tasks_a: Vec<TaskAgreement>,
    /// Agreement by the tasks of B, and without a task.
    pub tasks_b: Vec<TaskAgreement>,
    /// Whose choices were better, where outcomes are known.
    pub quality: Option<QualityComparison>,
    /// The prompts with the largest gap.
    pub differences: Vec<Difference>,
    /// Every prompt: the rows of `decisions.csv`.
    #[serde(skip)]
    pub decisions: Vec<ComparedDecision>,
}

/// How many differences have a cause.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CauseCount {
    /// `scores of SLOT`, `weights`, `aggregation`, `policy` or `models`.
    pub cause: String,
    /// Prompts.
    pub prompts: usize,
}

/// Whose choices were better.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct QualityComparison {
    /// Over all prompts on which both choices were observed.
    pub all: Option<QualityDifference>,
    /// Over those of them on which the choices differ.
    pub differing: Option<QualityDifference>,
    /// Prompts on which a choice was not observed.
    pub unscored: usize,
}

/// A paired difference of quality.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct QualityDifference {
    /// Prompts counted.
    pub prompts: usize,
    /// Mean quality of the choices of A.
    pub a: f64,
    /// Mean quality of the choices of B.
    pub b: f64,
    /// b - a.
    pub delta: f64,
    /// The paired bootstrap 95% interval of `delta`, near duplicates resampled together; a single point without resamples.
    pub ci: [f64; 2],
}

/// A prompt on which the two differ, in full.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// The prompt's id.
    pub prompt_id: String,
    /// The beginning of its text.
    pub prompt: String,
    /// How far the two are apart on which model is better; null where one does not know the other's choice.
    pub gap: Option<f64>,
    /// Its main cause.
    pub cause: String,
    /// What the gap is made of.
    pub contributions: Vec<Contribution>,
    /// A's view.
    pub a: View,
    /// B's view.
    pub b: View,
}

/// What one router made of a prompt.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct View {
    /// Its choice; null if no model was eligible.
    pub model: Option<String>,
    /// The quality of that choice, where observed.
    pub quality: Option<f64>,
    /// The task; null if none.
    pub task: Option<TaskId>,
    /// The task's keywords.
    pub keywords: Vec<String>,
    /// The policy's reasons, a sentence each.
    pub reasons: Vec<String>,
    /// What it expects of both choices.
    pub scores: Vec<ScorePair>,
}

/// What a part, or the aggregate, expects of both choices.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScorePair {
    /// `SLOT (NAME)`, or `aggregate`.
    pub part: String,
    /// The part's weight in the aggregate, where it is fixed.
    pub weight: Option<f32>,
    /// The expected quality of A's choice; null if it is not in this router's pool.
    pub of_a: Option<f32>,
    /// The expected quality of B's choice.
    pub of_b: Option<f32>,
}

/// A prompt and both choices.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComparedDecision {
    /// The prompt's id.
    pub prompt_id: String,
    /// Whether both chose the same model.
    pub agree: bool,
    /// A's choice.
    pub a_model: Option<String>,
    /// B's choice.
    pub b_model: Option<String>,
    /// A's task.
    pub a_task: Option<TaskId>,
    /// B's task.
    pub b_task: Option<TaskId>,
    /// The gap, where the two differ and know each other's choice.
    pub gap: Option<f64>,
    /// The main cause, where the two differ.
    pub cause: Option<String>,
    /// Quality of A's choice, where observed.
    pub a_quality: Option<f64>,
    /// Quality of B's choice, where observed.
    pub b_quality: Option<f64>,
}

/// Asks routers `a` and `b` the same prompts. Costs a prediction of every prompt by each, and the bootstrap.
///
/// # Errors
/// [`ErrorKind::Usage`] without a prompt; [`ErrorKind::UnknownModel`] if a constraint names a model that a pool lacks; what a
/// component reports.
pub fn compare(a: &Router, b: &Router, asked: &Asked<'_>, options: &CompareOptions) -> Result<Comparison> {
    if asked.prompts.is_empty() {
        return Err(Error::new(ErrorKind::Usage, "there is no prompt to compare on"));
    }
    let sides = [Side::ask(a, asked)?, Side::ask(b, asked)?];
    let [side_a, side_b] = &sides;
    let rows = asked.prompts.len();
    let differing: Vec<usize> = (0..rows).filter(|&row| side_a.model(row) != side_b.model(row)).collect();
    let explained: Vec<(usize, Causes)> = differing.iter().map(|&row| (row, Causes::of(side_a, side_b, row))).collect();

    let agreed = rows - differing.len();
    let agreement = agreed as f64 / rows as f64;
    let groups = tables::distinct_groups(asked, 0..rows);
    let mut differences: Vec<&(usize, Causes)> = explained.iter().collect();
    // The largest gap first; where there is none to speak of, last. Ties in the order of the prompts.
    differences.sort_by(|x, y| {
        let key = |causes: &Causes| causes.gap.map_or(f64::NEG_INFINITY, f64::abs);
        key(&y.1).total_cmp(&key(&x.1)).then(x.0.cmp(&y.0))
    });
    let differences = differences
        .into_iter()
        .take(options.differences)
        .map(|(row, causes)| difference(side_a, side_b, asked, *row, causes))
        .collect::<Result<_>>()?;
    let seed = Seed::root(options.seed).child("compare");
    let quality = asked.outcomes.map(|_| {
        let scored: Vec<usize> = (0..rows).filter(|&row| scores(&sides, asked, row).is_some()).collect();
        let disagreeing: Vec<usize> =
            scored.iter().copied().filter(|row| differing.binary_search(row).is_ok()).collect();
        QualityComparison {
            all: paired(&sides, asked, &scored, options.resamples, &seed.child("all")),
            differing: paired(&sides, asked, &disagreeing, options.resamples, &seed.child("differing")),
            unscored: rows - scored.len(),
        }
    });
    let mut causes_by_row = explained.iter().peekable();
    let decisions = (0..rows)
        .map(|row| {
            let causes = causes_by_row.next_if(|(differs, _)| *differs == row).map(|(_, causes)| causes);
            ComparedDecision {
                prompt_id: asked.prompts.get(row).map(|prompt| prompt.id.clone()).unwrap_or_default(),
                agree: causes.is_none(),
                a_model: side_a.model(row).map(str::to_owned),
                b_model: side_b.model(row).map(str::to_owned),
                a_task: side_a.task(row),
                b_task: side_b.task(row),
                gap: causes.and_then(|causes| causes.gap),
                cause: causes.map(|causes| causes.main.clone()),
                a_quality: asked.quality(row, side_a.model(row)),
                b_quality: asked.quality(row, side_b.model(row)),
            }
        })
        .collect();
    Ok(Comparison {
        prompts: rows,
        agreed,
        agreement,
        agreement_ci: statistics::wilson(agreement, groups as f64),
        same_training_data: a.data_fingerprint() == b.data_fingerprint(),
        settings: tables::settings(&a.config().to_json()?, &b.config().to_json()?),
        switches: tables::switches(side_a, side_b, asked, &differing),
        causes: tables::cause_counts(explained.iter().map(|(_, causes)| causes.main.as_str())),
        contributions: causes::mean_contributions(explained.iter().map(|(_, causes)| causes)),
        tasks_a: tables::tasks(side_a, side_a, side_b, asked),
        tasks_b: tables::tasks(side_b, side_a, side_b, asked),
        quality,
        differences,
        decisions,
    })
}

fn difference(a: &Side<'_>, b: &Side<'_>, asked: &Asked<'_>, row: usize, causes: &Causes) -> Result<Difference> {
    let prompt = asked.prompts.get(row);
    let view = |side: &Side<'_>| -> Result<View> {
        let task = side.task(row);
        let keywords = match task {
            Some(task) => side.router.tasks().get(task)?.keywords.clone(),
            None => Vec::new(),
        };
        Ok(View {
            model: side.model(row).map(str::to_owned),
            quality: asked.quality(row, side.model(row)),
            task,
            keywords,
            reasons: side.reasons(row),
            scores: side.scores(row, a.model(row), b.model(row)),
        })
    };
    Ok(Difference {
        prompt_id: prompt.map(|prompt| prompt.id.clone()).unwrap_or_default(),
        prompt: prompt.map(|prompt| beginning(&prompt.text())).unwrap_or_default(),
        gap: causes.gap,
        cause: causes.main.clone(),
        contributions: if causes.main == POLICY { Vec::new() } else { causes.contributions.clone() },
        a: view(a)?,
        b: view(b)?,
    })
}

/// The beginning of a text, on one line.
fn beginning(text: &str) -> String {
    const MOST: usize = 160;
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if words.chars().count() <= MOST {
        return words;
    }
    words.chars().take(MOST).chain("...".chars()).collect()
}

/// The quality of both choices on prompt `row`, where both were observed.
fn scores(sides: &[Side<'_>; 2], asked: &Asked<'_>, row: usize) -> Option<[f64; 2]> {
    let [a, b] = sides;
    Some([asked.quality(row, a.model(row))?, asked.quality(row, b.model(row))?])
}

/// The paired difference over the named rows.
fn paired(
    sides: &[Side<'_>; 2],
    asked: &Asked<'_>,
    rows: &[usize],
    resamples: usize,
    seed: &Seed,
) -> Option<QualityDifference> {
    if rows.is_empty() {
        return None;
    }
    let pairs: Vec<[f64; 2]> = rows.iter().filter_map(|&row| scores(sides, asked, row)).collect();
    let groups: Vec<u32> = rows.iter().filter_map(|&row| asked.groups.get(row).copied()).collect();
    let mut stratum = Stratum::new(&groups);
    let difference = stratum.column(pairs.iter().map(|[a, b]| b - a));
    let count = stratum.column(pairs.iter().map(|_| 1.0));
    let mean = Mean(vec![Some((difference, count))]);
    let sums = resample(&[stratum], resamples, seed);
    let n = pairs.len() as f64;
    let delta = sums.point(&mean)?;
    let ci = sums.interval(&[&mean], CONFIDENCE, |means| means.first().copied()).unwrap_or([delta, delta]);
    Some(QualityDifference {
        prompts: pairs.len(),
        a: pairs.iter().map(|[a, _]| a).sum::<f64>() / n,
        b: pairs.iter().map(|[_, b]| b).sum::<f64>() / n,
        delta,
        ci,
    })
}

impl Comparison {
    /// Writes `comparison.json` and `decisions.csv` (every prompt) into `directory`, which is made if it is not there. Files of
    /// these names are replaced, each by a rename.
    ///
    /// # Errors
    /// [`ErrorKind::Io`].
    pub fn write(&self, directory: &Path) -> Result<()> {
        std::fs::create_dir_all(directory).map_err(|source| Error::io(directory, source))?;
        replace(&directory.join("comparison.json"), &json(self)?)?;
        replace(&directory.join("decisions.csv"), &self.csv()?)
    }

    fn csv(&self) -> Result<Vec<u8>> {
        let internal =
            |source: csv::Error| Error::new(ErrorKind::Internal, "cannot write decisions as CSV").caused_by(source);
        let mut writer = csv::Writer::from_writer(Vec::new());
        for decision in &self.decisions {
            writer.serialize(decision).map_err(internal)?;
        }
        writer.into_inner().map_err(|source| {
            Error::new(ErrorKind::Internal, "cannot write decisions as CSV").caused_by(source.into_error())
        })
    }
}

/// A JSON value as a short text: strings without quotes.
fn short(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

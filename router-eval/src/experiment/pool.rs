//! A stored experiment pooled over its seeds and data sets: every setting against one of them.
//!
//! A setting is what remains of a cell without its data set and its seed. On every prompt its score is the mean over seeds; on every data set
//! the difference is the mean over prompts of its score less that of the setting it is held against; over data sets it is the plain mean of those (macro mean).
//! Only cells count that both settings have, and only prompts that both scored under the same seed. Intervals are a paired bootstrap
//! over groups of near duplicates, stratified by data set, 95%; p-values are two-sided, from the same resamples, and corrected by Holm
//! (1979): those of the pooled differences over settings, those by data set over the data sets of a setting.

use std::collections::BTreeMap;
use std::path::Path;

use router_core::{Error, ErrorKind, Result, Seed};
use serde::Serialize;

use super::cell::name_of;
use super::finished::Finished;
use super::paired::{Paired, Resamples, Scores};
use crate::significance::holm;

/// Fields that are pooled over.
const POOLED: [&str; 2] = ["data", "seed"];

/// A stored experiment, pooled.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pooled {
    /// The setting that the others are held against.
    pub against: String,
    /// The others, in the order of the table.
    pub settings: Vec<PooledSetting>,
    /// Bootstrap resamples.
    pub resamples: usize,
}

/// A setting over all data sets and seeds that it shares with the one it is held against.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PooledSetting {
    /// Its fields.
    pub setting: String,
    /// Over all data sets.
    pub pooled: PooledDifference,
    /// On every data set.
    pub data: Vec<DataDifference>,
}

/// A setting on one data set.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DataDifference {
    /// The data set.
    pub data: String,
    /// Seeds that both settings have.
    pub seeds: usize,
    /// Prompts that both scored under at least one of them.
    pub prompts: usize,
    /// What it comes to.
    #[serde(flatten)]
    pub difference: PooledDifference,
}

/// A difference to the setting that the others are held against.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PooledDifference {
    /// Mean score of the setting.
    pub quality: f64,
    /// Mean score of the one it is held against, on the same prompts.
    pub against: f64,
    /// The first less the second.
    pub delta: f64,
    /// Its interval.
    pub ci: [f64; 2],
    /// Two-sided p-value.
    pub p: f64,
    /// The p-value after Holm's correction.
    pub p_holm: f64,
}

impl From<Paired> for PooledDifference {
    fn from(Paired { first, second, delta, ci, p }: Paired) -> Self {
        Self { quality: first, against: second, delta, ci, p, p_holm: p }
    }
}

/// Pools the experiment in `directory` over data sets and seeds. `against` is as many `FIELD=VALUE` as it takes to tell one setting.
///
/// # Errors
/// [`ErrorKind::Io`] where there is no table; [`ErrorKind::Data`] for a damaged one; [`ErrorKind::Usage`] if `against` fits no setting or several, or
/// nothing can be held against it.
pub fn pool(directory: &Path, against: &[String], resamples: usize) -> Result<Pooled> {
    let cells = Finished::all(directory)?;
    let mut settings: Vec<(String, Vec<&Finished>)> = Vec::new();
    for cell in &cells {
        let name = name_of(cell.fields().filter(|(field, _)| !POOLED.contains(field)));
        match settings.iter_mut().find(|(other, _)| *other == name) {
            Some((_, cells)) => cells.push(cell),
            None => settings.push((name, vec![cell])),
        }
    }
    let baseline = find(&settings, against)?;
    let mut pooled = Vec::new();
    for (name, cells) in settings.iter().filter(|(name, _)| *name != baseline.0) {
        if let Some(setting) = held_against(name, cells, &baseline.1, resamples)? {
            pooled.push(setting);
        }
    }
    if pooled.is_empty() {
        return Err(Error::new(ErrorKind::Usage, format!("nothing can be held against `{}`", baseline.0))
            .in_file(directory)
            .help("run cells of other settings on the same data and seeds"));
    }
    let corrected = holm(&pooled.iter().map(|setting| setting.pooled.p).collect::<Vec<_>>());
    for (setting, p_holm) in pooled.iter_mut().zip(corrected) {
        setting.pooled.p_holm = p_holm;
    }
    Ok(Pooled { against: baseline.0.clone(), settings: pooled, resamples })
}

/// The one setting whose cells all have the fields in `wanted`.
fn find<'a, 'b>(
    settings: &'a [(String, Vec<&'b Finished>)],
    wanted: &[String],
) -> Result<&'a (String, Vec<&'b Finished>)> {
    let usage = |message: String| Error::new(ErrorKind::Usage, message).at_field("--against");
    let names = || settings.iter().map(|(name, _)| name.as_str()).take(10).collect::<Vec<_>>().join("; ");
    let mut conditions = Vec::new();
    for condition in wanted {
        let Some(condition) = condition.split_once('=') else {
            return Err(usage(format!("`{condition}` is not FIELD=VALUE")).help(format!("settings are: {}", names())));
        };
        conditions.push(condition);
    }
    let mut fit = settings.iter().filter(|(_, cells)| {
        cells.iter().all(|cell| conditions.iter().all(|&(field, value)| cell.field(field) == Some(value)))
    });
    match (fit.next(), fit.next()) {
        (Some(one), None) => Ok(one),
        (Some((first, _)), Some((second, _))) => {
            Err(usage(format!("`{first}` and `{second}` both fit")).help("name more fields"))
        }
        (None, _) => Err(usage("no setting fits".to_owned()).help(format!("settings are: {}", names()))),
    }
}

/// Scores of a prompt, summed over seeds.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    ours: f64,
    theirs: f64,
    seeds: usize,
}

/// What a setting and the one it is held against scored on a data set.
struct Shared {
    data: String,
    seeds: usize,
    /// The mean over seeds of both on every prompt.
    scores: Scores,
}

/// The scores that both have, by data set in the order of `ours`.
fn shared(ours: &[&Finished], theirs: &[&Finished]) -> Result<Vec<Shared>> {
    let mut names: Vec<&str> = Vec::new();
    for name in ours.iter().filter_map(|cell| cell.field("data")) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let mut all = Vec::new();
    for data in names {
        // By prompt, as the prompts' order is the same for all cells of a data set.
        let mut sums: BTreeMap<&str, (u32, Sum)> = BTreeMap::new();
        let mut seeds = 0;
        for cell in ours.iter().filter(|cell| cell.field("data") == Some(data)) {
            let same = |other: &&&Finished| POOLED.iter().all(|field| other.field(field) == cell.field(field));
            let Some(other) = theirs.iter().find(same) else { continue };
            if other.prompts.prompt_ids != cell.prompts.prompt_ids {
                return Err(Error::new(ErrorKind::Data, format!("cells of `{data}` were scored on other prompts"))
                    .help("run the experiment again"));
            }
            seeds += 1;
            let prompts = cell.prompts.prompt_ids.iter().zip(&cell.prompts.groups);
            let scores = cell.file.qualities.iter().zip(&other.file.qualities);
            for ((id, &group), (ours, theirs)) in prompts.zip(scores) {
                if let (Some(ours), Some(theirs)) = (ours, theirs) {
                    let (_, sum) = sums.entry(id.as_str()).or_insert((group, Sum::default()));
                    sum.ours += ours;
                    sum.theirs += theirs;
                    sum.seeds += 1;
                }
            }
        }
        if !sums.is_empty() {
            let mean = |sum: &Sum| (sum.ours / sum.seeds as f64, sum.theirs / sum.seeds as f64);
            all.push(Shared {
                data: data.to_owned(),
                seeds,
                scores: Scores {
                    groups: sums.values().map(|(group, _)| *group).collect(),
                    scores: sums.values().map(|(_, sum)| mean(sum)).collect(),
                },
            });
        }
    }
    Ok(all)
}

fn held_against(
    name: &str,
    ours: &[&Finished],
    theirs: &[&Finished],
    resamples: usize,
) -> Result<Option<PooledSetting>> {
    let shared = shared(ours, theirs)?;
    if shared.is_empty() {
        return Ok(None);
    }
    let scores = shared.iter().map(|shared| &shared.scores);
    let resamples = Resamples::of(scores, resamples, &Seed::root(0).child("experiment/pool"));
    let mut data: Vec<DataDifference> = shared
        .iter()
        .enumerate()
        .map(|(at, shared)| DataDifference {
            data: shared.data.clone(),
            seeds: shared.seeds,
            prompts: shared.scores.scores.len(),
            difference: resamples.on(at).into(),
        })
        .collect();
    let corrected = holm(&data.iter().map(|data| data.difference.p).collect::<Vec<_>>());
    for (data, p_holm) in data.iter_mut().zip(corrected) {
        data.difference.p_holm = p_holm;
    }
    Ok(Some(PooledSetting { setting: name.to_owned(), pooled: resamples.pooled().into(), data }))
}

//! Two stored experiments against each other, cell by cell, on the prompts that both scored.
//!
//! A difference is the mean over prompts of B's score less A's, with a paired bootstrap interval over groups of near duplicates
//! ([`crate::Options::resamples`] resamples, 95%) and a two-sided p-value, twice the smaller tail of the same resamples. Over all
//! cells the p-values are corrected by Holm (1979), which bounds the chance that any of them is called a difference wrongly.

use std::collections::HashMap;
use std::path::Path;

use router_core::{Error, ErrorKind, Result, Seed};
use serde::Serialize;

use super::cell::name_of;
use super::finished::Finished;
use super::paired::{CONFIDENCE, Paired, Resamples, Scores};
use super::store::CellFile;
use crate::significance::holm;

/// Two experiments compared.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Differences {
    /// The cells that both have, in A's order.
    pub cells: Vec<CellDifference>,
    /// Cells of A that B has no result of.
    pub only_in_a: Vec<String>,
    /// Cells of B that A has no result of.
    pub only_in_b: Vec<String>,
    /// The plain mean of the differences.
    pub mean_delta: Option<f64>,
    /// How many cells differ by Holm's correction, at 0.05.
    pub significant: usize,
    /// Bootstrap resamples.
    pub resamples: usize,
}

/// One cell of both.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CellDifference {
    /// What they have in common.
    pub cell: String,
    /// Prompts scored in both.
    pub prompts: usize,
    /// Mean score of A on them.
    pub a: f64,
    /// Mean score of B on them.
    pub b: f64,
    /// B less A.
    pub delta: f64,
    /// Its interval.
    pub ci: [f64; 2],
    /// Two-sided p-value.
    pub p: f64,
    /// The p-value after Holm's correction over all cells.
    pub p_holm: f64,
    /// The share of prompts for which both chose the same model.
    pub agreement: f64,
}

/// Compares the experiments in directories `a` and `b`. Cells belong together if they have the same fields, or the same of the fields named in
/// `by` where that is not empty.
///
/// # Errors
/// [`ErrorKind::Io`] where there is no table; [`ErrorKind::Data`] for a damaged one; [`ErrorKind::Usage`] if two cells of one side look the same
/// by `by`, or no cell stands on both sides.
pub fn compare(a: &Path, b: &Path, by: &[String], resamples: usize) -> Result<Differences> {
    let (of_a, mut of_b) = (finished(a, by)?, finished(b, by)?);
    let mut cells = Vec::new();
    let mut only_in_a = Vec::new();
    for (name, a) in of_a {
        match of_b.iter().position(|(other, _)| *other == name) {
            Some(at) => {
                let (_, b) = of_b.remove(at);
                cells.push(difference(name, &a, &b, resamples)?);
            }
            None => only_in_a.push(name),
        }
    }
    let only_in_b: Vec<String> = of_b.into_iter().map(|(name, _)| name).collect();
    if cells.is_empty() {
        return Err(Error::new(ErrorKind::Usage, "the experiments have no cell in common")
            .help("name the fields that cells have in common with --by, as data,seed"));
    }
    for (cell, p_holm) in holm(&cells.iter().map(|cell| cell.p).collect::<Vec<_>>()).into_iter().enumerate() {
        if let Some(cell) = cells.get_mut(cell) {
            cell.p_holm = p_holm;
        }
    }
    let sum: f64 = cells.iter().map(|cell| cell.delta).sum();
    Ok(Differences {
        mean_delta: Some(sum / cells.len() as f64),
        significant: cells.iter().filter(|cell| cell.p_holm <= 1.0 - CONFIDENCE).count(),
        cells,
        only_in_a,
        only_in_b,
        resamples,
    })
}

/// The cells of the table in `directory` that came to something, by the fields in `by`.
fn finished(directory: &Path, by: &[String]) -> Result<Vec<(String, Finished)>> {
    let mut cells: Vec<(String, Finished)> = Vec::new();
    for cell in Finished::all(directory)? {
        let name = name_of(cell.fields().filter(|(name, _)| by.is_empty() || by.iter().any(|field| field == name)));
        if cells.iter().any(|(other, _)| *other == name) {
            return Err(Error::new(ErrorKind::Usage, format!("two cells are `{name}`"))
                .in_file(directory)
                .at_field("--by")
                .help("name more fields"));
        }
        cells.push((name, cell));
    }
    Ok(cells)
}

fn difference(name: String, a: &Finished, b: &Finished, resamples: usize) -> Result<CellDifference> {
    let rows: HashMap<&str, usize> =
        b.prompts.prompt_ids.iter().enumerate().map(|(row, id)| (id.as_str(), row)).collect();
    let (mut groups, mut scores, mut same) = (Vec::new(), Vec::new(), 0usize);
    for (row, id) in a.prompts.prompt_ids.iter().enumerate() {
        let Some(&other) = rows.get(id.as_str()) else { continue };
        let score = |file: &CellFile, row: usize| file.qualities.get(row).copied().flatten();
        let (Some(of_a), Some(of_b)) = (score(&a.file, row), score(&b.file, other)) else { continue };
        groups.push(a.prompts.groups.get(row).copied().unwrap_or(row as u32));
        scores.push((of_b, of_a));
        let model = |file: &CellFile, row: usize| {
            let place = file.choices.get(row).copied().flatten()?;
            file.models.get(place).cloned()
        };
        same += usize::from(model(&a.file, row) == model(&b.file, other));
    }
    if scores.is_empty() {
        return Err(Error::new(ErrorKind::Usage, format!("no prompt of `{name}` is scored in both"))
            .help("compare experiments on the same data"));
    }
    let prompts = scores.len();
    let resamples = Resamples::of([&Scores { groups, scores }], resamples, &Seed::root(0).child("experiment/compare"));
    let Paired { first, second, delta, ci, p } = resamples.pooled();
    Ok(CellDifference {
        cell: name,
        prompts,
        a: second,
        b: first,
        delta,
        ci,
        p,
        p_holm: 1.0,
        agreement: same as f64 / prompts as f64,
    })
}

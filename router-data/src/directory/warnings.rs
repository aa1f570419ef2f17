//! What a check warns of in a directory that reads.
#![allow(clippy::indexing_slicing, reason = "rows and models are those of the data set that was just read")]

use std::collections::BTreeMap;

use super::findings::{Finding, Findings, named};
use super::{Loaded, outcomes};

pub(crate) fn add(loaded: &Loaded, findings: &mut Findings) {
    let mut seen = vec![0usize; loaded.dataset.models().len()];
    for (_, outcome) in loaded.dataset.outcomes().iter() {
        seen[outcome.model] += 1;
    }
    missing_cells(loaded, &seen, findings);
    prompts_without_outcome(loaded, findings);
    models_without_outcome(loaded, &seen, findings);
    empty_costs(loaded, findings);
    empty_propensities(loaded, findings);
    constant_models(loaded, findings);
    duplicates(loaded, findings);
}

/// One warning a model at most: how many prompts have no outcome of it. Prompts and models that have no outcome at
/// all are told of elsewhere.
fn missing_cells(loaded: &Loaded, seen: &[usize], findings: &mut Findings) {
    let (prompts, outcomes) = (loaded.dataset.prompts(), loaded.dataset.outcomes());
    for (model, known) in loaded.dataset.models().models().iter().enumerate() {
        let missing = |row: &usize| !outcomes.row(*row).is_empty() && outcomes.get(*row, model).is_none();
        if seen[model] == 0 {
            continue;
        }
        let count = (0..prompts.len()).filter(missing).count();
        let Some(first) = (0..prompts.len()).find(missing) else { continue };
        let message = format!(
            "model `{}` has no outcome for {count} of {} prompts, first `{}`",
            known.name,
            prompts.len(),
            prompts[first].id
        );
        // A row with an empty quality is in the outcomes' file; a row that is not there is in no line of it.
        let (file, line) = match loaded.read.without_quality.get(&model) {
            Some(outcomes::Tally { first, .. }) => (&loaded.files.outcomes, *first),
            None => (&loaded.files.prompts, loaded.prompt_lines[first]),
        };
        findings.push(Finding::warning(file, line, message).at_field("quality"));
    }
}

fn prompts_without_outcome(loaded: &Loaded, findings: &mut Findings) {
    let (prompts, outcomes) = (loaded.dataset.prompts(), loaded.dataset.outcomes());
    let without: Vec<usize> = (0..prompts.len()).filter(|&row| outcomes.row(row).is_empty()).collect();
    let at = |row: usize, message| Finding::warning(&loaded.files.prompts, loaded.prompt_lines[row], message);
    named(
        &without,
        |&row| at(row, format!("prompt `{}` has no outcome", prompts[row].id)),
        |&row, more| at(row, format!("{more} more of {} prompts have no outcome", prompts.len())),
        findings,
    );
}

fn models_without_outcome(loaded: &Loaded, seen: &[usize], findings: &mut Findings) {
    for (model, known) in loaded.dataset.models().models().iter().enumerate() {
        if seen[model] == 0 {
            let message = format!("model `{}` has no outcome", known.name);
            findings.push(
                Finding::warning(&loaded.files.models, loaded.model_lines[model], message)
                    .help("a router can say nothing of it"),
            );
        }
    }
}

fn empty_costs(loaded: &Loaded, findings: &mut Findings) {
    let without = loaded.read.without_cost;
    if without.count > 0 {
        let message = format!("the cost is empty in {} of {} outcomes", without.count, loaded.dataset.outcomes().len());
        findings.push(
            Finding::warning(&loaded.files.outcomes, without.first, message)
                .at_field("cost_usd")
                .help("costs are estimated there from price and tokens"),
        );
    }
}

/// A log in which only some calls have a propensity.
fn empty_propensities(loaded: &Loaded, findings: &mut Findings) {
    let (without, outcomes) = (loaded.read.without_propensity, loaded.dataset.outcomes().len());
    if without.count > 0 && without.count < outcomes {
        let message = format!("the propensity is empty in {} of {outcomes} outcomes", without.count);
        findings.push(
            Finding::warning(&loaded.files.outcomes, without.first, message)
                .at_field("propensity")
                .help("they count as if they had been certain"),
        );
    }
}

fn constant_models(loaded: &Loaded, findings: &mut Findings) {
    let models = loaded.dataset.models().models();
    let mut seen: Vec<(usize, f32, bool)> = vec![(0, 0.0, true); models.len()];
    for (_, outcome) in loaded.dataset.outcomes().iter() {
        let (count, quality, constant) = &mut seen[outcome.model];
        *constant &= *count == 0 || *quality == outcome.quality;
        *quality = outcome.quality;
        *count += 1;
    }
    for (at, (count, quality, constant)) in seen.into_iter().enumerate() {
        if constant && count >= 2 {
            let message = format!("every one of the {count} outcomes of model `{}` is {quality}", models[at].name);
            findings.push(Finding::warning(&loaded.files.models, loaded.model_lines[at], message));
        }
    }
}

/// Prompts of one text, word for word, and groups of prompts that are nearly so: a warning a group.
fn duplicates(loaded: &Loaded, findings: &mut Findings) {
    let (prompts, groups) = (loaded.dataset.prompts(), loaded.dataset.groups());
    let mut order: Vec<usize> = (0..groups.len()).collect();
    order.sort_by_key(|&row| groups[row]);
    let at = |row: usize, message| Finding::warning(&loaded.files.prompts, loaded.prompt_lines[row], message);
    let mut exact: Vec<Vec<usize>> = Vec::new();
    let mut near: Vec<&[usize]> = Vec::new();
    for rows in order.chunk_by(|&a, &b| groups[a] == groups[b]).filter(|rows| rows.len() > 1) {
        let mut by_text: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        for &row in rows {
            by_text.entry(prompts[row].text()).or_default().push(row);
        }
        if by_text.len() > 1 {
            near.push(rows);
        }
        exact.extend(by_text.into_values().filter(|rows| rows.len() > 1));
    }
    exact.sort_by_key(|rows| rows[0]);
    near.sort_by_key(|rows| rows[0]);
    let told = |what: &str, rows: &[usize]| {
        let (first, count) = (rows[0], rows.len());
        let (id, line) = (&prompts[first].id, loaded.prompt_lines[first]);
        at(rows[1], format!("{what} of `{id}` in line {line}; {count} prompts are alike"))
    };
    let rest = |what: &str, rows: &[usize], more: usize| at(rows[1], format!("{more} more groups of {what}"));
    named(
        &exact,
        |rows| told("the text is a duplicate", rows),
        |rows, more| rest("prompts of one text", rows, more),
        findings,
    );
    named(&near, |rows| told("near duplicate", rows), |rows, more| rest("near duplicates", rows, more), findings);
}

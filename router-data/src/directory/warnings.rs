//! What a check warns of in a directory that reads.
#![allow(clippy::indexing_slicing, reason = "rows and models are those of the data set that was just read")]

use super::findings::{Finding, Findings};
use super::{Loaded, outcomes};

/// So many near-duplicate groups are named one by one; the rest is counted.
const NAMED_GROUPS: usize = 20;

pub(crate) fn add(loaded: &Loaded, findings: &mut Findings) {
    missing_cells(loaded, findings);
    prompts_without_outcome(loaded, findings);
    empty_costs(loaded, findings);
    constant_models(loaded, findings);
    near_duplicates(loaded, findings);
}

/// One warning a model at most: how many prompts have no outcome of it. Prompts that have no outcome at all are not counted.
fn missing_cells(loaded: &Loaded, findings: &mut Findings) {
    let (prompts, outcomes) = (loaded.dataset.prompts(), loaded.dataset.outcomes());
    for (model, known) in loaded.dataset.models().models().iter().enumerate() {
        let missing = |row: &usize| !outcomes.row(*row).is_empty() && outcomes.get(*row, model).is_none();
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
    let mut without = (0..prompts.len()).filter(|&row| outcomes.row(row).is_empty());
    if let Some(first) = without.next() {
        let message = format!(
            "{} of {} prompts have no outcome at all, first `{}`",
            without.count() + 1,
            prompts.len(),
            prompts[first].id
        );
        findings.push(Finding::warning(&loaded.files.prompts, loaded.prompt_lines[first], message));
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

fn near_duplicates(loaded: &Loaded, findings: &mut Findings) {
    let groups = loaded.dataset.groups();
    let mut order: Vec<usize> = (0..groups.len()).collect();
    order.sort_by_key(|&row| groups[row]);
    let mut several: Vec<&[usize]> =
        order.chunk_by(|&a, &b| groups[a] == groups[b]).filter(|rows| rows.len() > 1).collect();
    several.sort_by_key(|rows| rows[0]);
    for rows in several.iter().take(NAMED_GROUPS) {
        let first = rows[0];
        let message = format!(
            "near duplicate of `{}` in line {}; {} prompts are alike",
            loaded.dataset.prompts()[first].id,
            loaded.prompt_lines[first],
            rows.len()
        );
        findings.push(Finding::warning(&loaded.files.prompts, loaded.prompt_lines[rows[1]], message));
    }
    if let Some(rows) = several.get(NAMED_GROUPS) {
        let prompts: usize = several.iter().skip(NAMED_GROUPS).map(|rows| rows.len()).sum();
        let message = format!(
            "{} more groups of near duplicates, {prompts} prompts in all, the first of them here",
            several.len() - NAMED_GROUPS
        );
        findings.push(Finding::warning(&loaded.files.prompts, loaded.prompt_lines[rows[1]], message));
    }
}

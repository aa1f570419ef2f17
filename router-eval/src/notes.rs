//! What a reader must know to read the numbers right, in words.

use router_core::cost::CostKind;

use crate::contest::Contest;
use crate::pick::Pick;
use crate::scores::Scores;
use crate::summary::{Entry, Summary};

/// Names listed in a note before the rest is counted.
const NAMES: usize = 12;

pub(crate) fn notes(summary: &Summary, contest: &Contest, scores: &[Scores]) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(leakage) = &summary.leakage {
        let near = leakage.near.unwrap_or(0);
        if leakage.exact > 0 {
            notes.push(format!(
                "{} of {} test prompts stand in the training data too, word for word.",
                leakage.exact, summary.prompts
            ));
        }
        if near > leakage.exact {
            notes.push(format!(
                "{near} of {} test prompts have a near duplicate in the training data, the exact ones included.",
                summary.prompts
            ));
        }
        if let Some(first) = summary.routers.first()
            && let (Some(with), Some(without)) = (first.quality, leakage.quality_without.get(&first.name))
        {
            notes.push(format!(
                "Without these duplicates, the quality of `{}` is {without:.4} where it is {with:.4} with them.",
                first.name
            ));
        }
    }
    for series in &contest.series {
        if series.picks.iter().flatten().flatten().any(Pick::is_judged) {
            notes.push(format!(
                "`{}` asks several models for a prompt: its quality is that of the best answer it got, what a perfect picker or scorer of answers would keep, and its cost that of all of them.",
                series.name
            ));
        }
    }
    for (router, scores) in summary.routers.iter().zip(scores).filter(|(router, _)| router.unscored > 0) {
        let undecided = match scores.undecided {
            0 => String::new(),
            undecided => format!(", or (in {undecided}) no model was eligible"),
        };
        notes.push(format!(
            "{} of {} decisions of `{}` have no score: the outcome of the chosen pair is missing{undecided}.",
            router.unscored,
            summary.prompts * summary.seeds.len(),
            router.name
        ));
    }
    let references: Vec<String> = summary
        .references
        .iter()
        .filter(|entry| entry.unscored > 0)
        .map(|entry| format!("`{}` ({})", entry.label(contest.first_router()), entry.unscored))
        .collect();
    if !references.is_empty() {
        notes.push(format!(
            "Missing outcomes leave decisions of references without a score too: {}.",
            list(&references)
        ));
    }
    if entries(summary).any(|entry| entry.cost_kind == CostKind::Estimated) {
        notes.push(format!(
            "Estimated costs are list price x tokens; a call whose tokens were not measured is taken to read one token for \
             every four bytes of its prompt and to answer with {} tokens.",
            summary.nominal_output_tokens
        ));
    }
    if !summary.unpriced_models.is_empty() {
        notes.push(format!(
            "No cost is known for {}: left out of `cheapest` and of `cost-matched-mix`.",
            list(&summary.unpriced_models)
        ));
    }
    for arena in &contest.arenas {
        let (absent, ignored) = arena.differences();
        if !absent.is_empty() {
            notes.push(format!("`{}` has no outcome of {}.", arena.name, list(&absent)));
        }
        if !ignored.is_empty() {
            notes.push(format!(
                "In `{}`, {} are not among the router's models and are left out.",
                arena.name,
                list(&ignored)
            ));
        }
    }
    for (data, ceiling) in summary.data.iter().zip(&summary.noise_ceilings) {
        if let Some(ceiling) = ceiling
            && let Some(share) = ceiling.share
        {
            notes.push(format!(
                "On `{data}`, luck of single samples could explain up to {:.0}% of the oracle's lead of {:.3} over the best single \
                 model: a bound by a model, see docs/metrics.md.",
                share * 100.0,
                ceiling.oracle_lead
            ));
        }
    }
    if let (Some(groups), true) = (groups(summary), summary.test.len() == 1)
        && groups < summary.prompts
    {
        notes.push(format!(
            "{} prompts form {groups} groups of near duplicates, which are resampled together.",
            summary.prompts
        ));
    }
    if summary.data.len() > 1 {
        notes.push("Numbers over several data sets are the plain mean of the numbers of each.".into());
    }
    if summary.seeds.len() > 1 {
        notes.push(format!(
            "Scores are averaged over {} seeds for each prompt before resampling; the spread over seeds is given apart.",
            summary.seeds.len()
        ));
    }
    notes
}

fn entries(summary: &Summary) -> impl Iterator<Item = &Entry> {
    summary.routers.iter().chain(&summary.references)
}

fn groups(summary: &Summary) -> Option<usize> {
    summary.test.first().map(|data| data.groups)
}

fn list(names: &[impl AsRef<str>]) -> String {
    let shown: Vec<&str> = names.iter().take(NAMES).map(AsRef::as_ref).collect();
    match names.len().saturating_sub(NAMES) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

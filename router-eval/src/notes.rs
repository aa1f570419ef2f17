//! What a reader must know to read the numbers right, in words.

use router_core::cost::CostKind;

use crate::contest::Contest;
use crate::pick::Pick;
use crate::scores::Scores;
use crate::significance::Claim;
use crate::summary::{Entry, Summary};

/// The share of the oracle's lead that a good router closes.
const PLAUSIBLE: f64 = 0.3;

/// Names listed in a note before the rest is counted.
const NAMES: usize = 12;

pub(crate) fn notes(summary: &Summary, contest: &Contest, scores: &[Scores]) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(leakage) = &summary.leakage {
        let near = leakage.near.unwrap_or(0);
        if leakage.near.is_none() {
            notes.push(
                "Near duplicates between training and test prompts were not looked for, since the training prompts are not at hand: \
                 evaluate with a configuration and the training data to find them."
                    .into(),
            );
        }
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
                "Without these duplicates, the quality of `{}` is {without:.4} where it is {with:.4} with them{}.",
                first.name,
                leakage.vs_best_single_without.get(&first.name).map_or_else(String::new, |difference| format!(
                    ", and {:+.4} ({:+.4} to {:+.4}) against the best single model",
                    difference.delta, difference.ci[0], difference.ci[1]
                ))
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
    notes.extend(size(summary));
    notes.extend(many(summary));
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
    if summary.leave_benchmark_out {
        notes.push("Every benchmark was held out as a whole: routers had seen none of its kind.".into());
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

/// Where the pool is so narrow or the set so small that a claim could hardly be shown, with the size that would be needed.
fn size(summary: &Summary) -> Vec<String> {
    let mut notes = Vec::new();
    let quality = |name: &str| summary.references.iter().find(|entry| entry.name == name)?.quality;
    let spread = summary
        .routers
        .iter()
        .filter_map(|router| router.claim_vs_best_single)
        .map(|claim| claim.smallest_detectable)
        .fold(0.0, f64::max);
    if let Some((oracle, best_single)) = quality("oracle").zip(quality("best-single"))
        && spread > 0.0
    {
        let (lead, gain) = (oracle - best_single, (oracle - best_single) * PLAUSIBLE);
        if gain < spread {
            let ratio = spread / gain;
            let needed = if gain > 0.0 {
                format!(
                    "about {:.0} prompts like these would be needed",
                    (summary.prompts as f64 * ratio * ratio).ceil()
                )
            } else {
                "no number of prompts would do".to_owned()
            };
            notes.push(format!(
                "The pool is narrow for a set of this size: the oracle leads the best single model by {lead:.3}, and closing {:.0}% of \
                 that, {gain:.4}, is less than the smallest difference that {} prompts show in four of five samples, {spread:.4}; {needed}.",
                PLAUSIBLE * 100.0,
                summary.prompts
            ));
        }
    }
    for router in &summary.routers {
        if let (Some(difference), Some(claim)) = (router.vs_best_single, router.claim_vs_best_single)
            && difference.delta > 0.0
            && !difference.is_significant()
            && let Some(needed) = claim.prompts_needed
        {
            notes.push(format!(
                "That `{}` is above the best single model by {:.4} is not shown: {needed} prompts like these would show a true \
                 difference of that size in four of five samples, here are {}.",
                router.name, difference.delta, summary.prompts
            ));
        }
    }
    notes
}

/// Where several routers are compared at once: what holds after Holm's correction.
fn many(summary: &Summary) -> Option<String> {
    if summary.routers.len() < 2 {
        return None;
    }
    let level = 1.0 - summary.bootstrap.confidence;
    let above = |router: &&Entry| router.vs_best_single.is_some_and(|difference| difference.delta > 0.0);
    let claims = |p: fn(&Claim) -> f64| -> Vec<String> {
        let holds = |router: &&Entry| router.claim_vs_best_single.is_some_and(|claim| p(&claim) <= level);
        summary.routers.iter().filter(above).filter(holds).map(|router| format!("`{}`", router.name)).collect()
    };
    let (alone, corrected) = (claims(|claim| claim.p_value), claims(|claim| claim.p_holm));
    let names = |names: &[String]| if names.is_empty() { "none".to_owned() } else { list(names) };
    Some(format!(
        "{} routers are compared at once. Above the best single model at the {:.0}% level, each by itself: {}; after Holm's correction for \
         all of them: {}.",
        summary.routers.len(),
        level * 100.0,
        names(&alone),
        names(&corrected)
    ))
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

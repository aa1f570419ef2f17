//! What the sections of the report show.
#![allow(clippy::indexing_slicing, reason = "colors are taken modulo their number")]

use std::collections::BTreeMap;

use router_core::TaskCards;
use router_core::cost::CostKind;
use serde::Serialize;

use crate::evaluation::Evaluation;
use crate::metrics::Curve;
use crate::report::words::{count, dollars, interval, p_value, percent, quality_text, signed, time};
use crate::summary::{Difference, Entry, Summary};

/// Colors of models in the bars; the last is for all others.
const COLORS: usize = 10;
/// Models listed on a task's card.
const MODELS: usize = 5;

fn labeled(summary: &Summary) -> impl Iterator<Item = (&Entry, String, bool)> {
    let first = summary.routers.first().map_or("", |router| router.name.as_str());
    summary
        .routers
        .iter()
        .map(|entry| (entry, true))
        .chain(summary.references.iter().map(|entry| (entry, false)))
        .map(move |(entry, router)| (entry, entry.label(first), router))
}

/// A row of the table. What does not apply is empty.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    label: String,
    router: bool,
    quality: String,
    quality_ci: String,
    cost: String,
    estimated: bool,
    gap: String,
    gap_ci: String,
    best_single: Compared,
    knn: Compared,
    time: String,
}

#[derive(Debug, Serialize, Default)]
struct Compared {
    delta: String,
    ci: String,
    /// `better`, `worse`, or nothing where the interval holds zero.
    class: &'static str,
}

fn compared(difference: Option<&Difference>) -> Compared {
    difference.map_or_else(Compared::default, |difference| Compared {
        delta: signed(difference.delta),
        ci: interval(difference.ci, signed),
        class: match difference.is_significant() {
            true if difference.delta > 0.0 => "better",
            true => "worse",
            false => "",
        },
    })
}

pub(crate) fn rows(summary: &Summary) -> Vec<Row> {
    labeled(summary)
        .map(|(entry, label, router)| Row {
            label,
            router,
            quality: entry.quality.map_or(String::new(), quality_text),
            quality_ci: entry.quality_ci.map_or(String::new(), |ci| interval(ci, quality_text)),
            cost: entry.cost_usd.map_or(String::new(), |cost| dollars(cost * 1000.0)),
            estimated: entry.cost_kind == CostKind::Estimated,
            gap: entry.gap_closed.map_or(String::new(), percent),
            gap_ci: entry.gap_closed_ci.map_or(String::new(), |ci| interval(ci, percent)),
            best_single: compared(entry.vs_best_single.as_ref().filter(|_| entry.name != "best-single")),
            knn: compared(entry.vs_knn.as_ref().filter(|_| entry.name != "knn")),
            time: entry.microseconds_per_prompt.map_or(String::new(), |time| format!("{time:.0}")),
        })
        .collect()
}

/// A row of the second table.
#[derive(Debug, Serialize)]
pub(crate) struct FurtherRow {
    label: String,
    router: bool,
    /// The mean over benchmarks of the mean quality on each.
    macro_benchmark: String,
    aiq: String,
    equal: String,
    equal_ci: String,
    apgr: String,
    cpt: String,
    arena: String,
    recall: String,
    regret: String,
    ece: String,
}

/// What a router's difference from the best single model can claim.
#[derive(Debug, Serialize)]
pub(crate) struct ClaimRow {
    label: String,
    difference: Compared,
    p: String,
    holm: String,
    detectable: String,
    needed: String,
}

pub(crate) fn claims(summary: &Summary) -> Vec<ClaimRow> {
    let row = |router: &Entry| {
        let claim = router.claim_vs_best_single?;
        Some(ClaimRow {
            label: router.name.clone(),
            difference: compared(router.vs_best_single.as_ref()),
            p: p_value(claim.p_value),
            holm: p_value(claim.p_holm),
            detectable: quality_text(claim.smallest_detectable),
            needed: claim.prompts_needed.map_or(String::new(), count),
        })
    };
    summary.routers.iter().filter_map(row).collect()
}

pub(crate) fn further(summary: &Summary) -> Vec<FurtherRow> {
    let number = |value: Option<f64>| value.map_or(String::new(), quality_text);
    labeled(summary)
        .filter(|(entry, _, router)| {
            *router || ["random", "best-single", "knn", "benchmark-label"].contains(&entry.name.as_str())
        })
        .map(|(entry, label, router)| {
            let metrics = &entry.metrics;
            let equal = metrics.curve.as_ref().and_then(|curve: &Curve| curve.cost_at_equal_quality.as_ref());
            FurtherRow {
                label,
                router,
                macro_benchmark: number(metrics.averages.map(|averages| averages.macro_benchmark)),
                aiq: number(metrics.curve.as_ref().and_then(|curve| curve.aiq)),
                equal: equal.map_or(String::new(), |equal| percent(equal.share)),
                equal_ci: equal.and_then(|equal| equal.share_ci).map_or(String::new(), |ci| interval(ci, percent)),
                apgr: number(metrics.routellm.map(|pair| pair.apgr)),
                cpt: metrics.routellm.map_or(String::new(), |pair| percent(pair.cpt_50)),
                arena: number(metrics.routerarena.and_then(|arena| arena.score)),
                recall: metrics.selection.and_then(|selection| selection.recall).map_or(String::new(), percent),
                regret: number(metrics.selection.map(|selection| selection.regret)),
                ece: number(metrics.calibration.as_ref().map(|calibration| calibration.pooled.ece)),
            }
        })
        .collect()
}

/// What changed prompts do to the routers.
#[derive(Debug, Serialize)]
pub(crate) struct RobustnessRow {
    router: String,
    perturbation: &'static str,
    unchanged: String,
    quality: String,
    difference: Compared,
}

pub(crate) fn robustness(summary: &Summary) -> Vec<RobustnessRow> {
    let row = |found: &crate::robustness::Robustness| RobustnessRow {
        router: found.router.clone(),
        perturbation: found.perturbation.name(),
        unchanged: percent(found.unchanged),
        quality: found.quality.map_or(String::new(), quality_text),
        difference: compared(found.vs_unchanged.as_ref()),
    };
    summary.robustness.iter().map(row).collect()
}

/// How the oracle's lead comes about, a data set each.
#[derive(Debug, Serialize)]
pub(crate) struct CeilingRow {
    data: String,
    lead: String,
    /// Shares in percent of what the first router has, of what luck could explain at most, and of the rest.
    noise: String,
    rest: String,
    text: String,
}

pub(crate) fn ceilings(summary: &Summary) -> Vec<CeilingRow> {
    let row = |(data, ceiling): (&String, &Option<crate::metrics::noise_ceiling::NoiseCeiling>)| {
        let ceiling = ceiling.as_ref()?;
        let share = ceiling.share?;
        Some(CeilingRow {
            data: data.clone(),
            lead: quality_text(ceiling.oracle_lead),
            noise: format!("{:.1}", share * 100.0),
            rest: format!("{:.1}", (1.0 - share) * 100.0),
            text: format!("luck could explain up to {}, skill at least {}", percent(share), percent(1.0 - share)),
        })
    };
    summary.data.iter().zip(&summary.noise_ceilings).filter_map(row).collect()
}

/// How often two decide alike.
#[derive(Debug, Serialize)]
pub(crate) struct AgreementRow {
    a: String,
    b: String,
    share: String,
    kappa: String,
}

pub(crate) fn agreement(summary: &Summary) -> Vec<AgreementRow> {
    let row = |found: &crate::metrics::agreement::Agreement| AgreementRow {
        a: found.a.clone(),
        b: found.b.clone(),
        share: percent(found.share),
        kappa: found.kappa.map_or(String::new(), |kappa| format!("{kappa:.2}")),
    };
    summary.agreement.iter().map(row).collect()
}

/// Chosen models as stacked bars.
#[derive(Debug, Serialize)]
pub(crate) struct Distribution {
    legend: Vec<(String, usize)>,
    others: bool,
    bars: Vec<Bar>,
}

#[derive(Debug, Serialize)]
struct Bar {
    label: String,
    parts: Vec<Part>,
}

#[derive(Debug, Serialize)]
struct Part {
    color: usize,
    /// Share in percent, for the width.
    width: String,
    title: String,
}

pub(crate) fn bars(summary: &Summary) -> Distribution {
    let mut totals: BTreeMap<&str, f64> = BTreeMap::new();
    for (entry, _, router) in labeled(summary) {
        for (model, share) in &entry.distribution {
            // What routers choose gets colors first.
            *totals.entry(model).or_default() += if router { share * 100.0 } else { *share };
        }
    }
    let mut order: Vec<(&str, f64)> = totals.into_iter().collect();
    order.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(b.0)));
    let colors: BTreeMap<&str, usize> =
        order.iter().take(COLORS - 1).enumerate().map(|(color, (model, _))| (*model, color)).collect();
    let bars = labeled(summary)
        .filter(|(entry, ..)| !entry.distribution.is_empty() && entry.distribution.len() > 1)
        .map(|(entry, label, _)| {
            let mut parts: Vec<(usize, &str, f64)> = entry
                .distribution
                .iter()
                .map(|(model, share)| {
                    (colors.get(model.as_str()).copied().unwrap_or(COLORS - 1), model.as_str(), *share)
                })
                .collect();
            parts.sort_by(|a, b| a.0.cmp(&b.0).then(b.2.total_cmp(&a.2)));
            let part = |(color, model, share): (usize, &str, f64)| Part {
                color,
                width: format!("{:.3}", share * 100.0),
                title: format!("{model}: {}", percent(share)),
            };
            Bar { label, parts: parts.into_iter().map(part).collect() }
        })
        .collect();
    Distribution {
        legend: order
            .iter()
            .take(COLORS - 1)
            .enumerate()
            .map(|(color, (model, _))| ((*model).to_owned(), color))
            .collect(),
        others: order.len() >= COLORS,
        bars,
    }
}

/// Quality by benchmark, colored by the difference from the best single model.
#[derive(Debug, Serialize)]
pub(crate) struct HeatMap {
    columns: Vec<String>,
    rows: Vec<HeatRow>,
}

#[derive(Debug, Serialize)]
struct HeatRow {
    benchmark: String,
    prompts: String,
    cells: Vec<HeatCell>,
}

#[derive(Debug, Serialize)]
struct HeatCell {
    text: String,
    /// From `m4` (far below the best single model) over `z0` to `p4` (far above it).
    class: String,
    title: String,
}

pub(crate) fn heat_map(summary: &Summary) -> Option<HeatMap> {
    if !summary.benchmarks.iter().any(|row| row.benchmark.is_some()) {
        return None;
    }
    let columns: Vec<String> = labeled(summary)
        .filter(|(entry, _, router)| {
            *router || !["random", "cheapest", "cost-matched-mix"].contains(&entry.name.as_str())
        })
        .filter(|(entry, ..)| entry.quality.is_some())
        .map(|(_, label, _)| label)
        .collect();
    let several = summary.data.len() > 1;
    let rows = summary
        .benchmarks
        .iter()
        .map(|row| {
            let benchmark = row.benchmark.as_deref().unwrap_or("(none named)");
            let best_single = row.quality.get("best-single");
            let cell = |label: &String| match row.quality.get(label) {
                None => HeatCell { text: String::new(), class: "z0".into(), title: String::new() },
                Some(quality) => {
                    let difference = best_single.map_or(0.0, |best_single| quality - best_single);
                    HeatCell {
                        text: quality_text(*quality),
                        class: shade(difference),
                        title: format!("{label} on {benchmark}: {} against the best single model", signed(difference)),
                    }
                }
            };
            HeatRow {
                benchmark: if several { format!("{} / {benchmark}", row.data) } else { benchmark.to_owned() },
                prompts: count(row.prompts),
                cells: columns.iter().map(cell).collect(),
            }
        })
        .collect();
    Some(HeatMap { columns, rows })
}

/// Four steps on either side: from 0.005, 0.025, 0.05 and 0.1.
fn shade(difference: f64) -> String {
    let step = [0.005, 0.025, 0.05, 0.1].iter().filter(|&&limit| difference.abs() >= limit).count();
    match step {
        0 => "z0".into(),
        step => format!("{}{step}", if difference > 0.0 { 'p' } else { 'm' }),
    }
}

/// The discovered tasks.
#[derive(Debug, Serialize)]
pub(crate) struct TaskSection {
    count: String,
    without: String,
    cards: Vec<Card>,
}

#[derive(Debug, Serialize)]
struct Card {
    id: u32,
    size: String,
    share: String,
    keywords: Vec<String>,
    exemplars: Vec<String>,
    models: Vec<CardModel>,
}

#[derive(Debug, Serialize)]
struct CardModel {
    name: String,
    score: String,
    /// Score in percent, for the width of its bar.
    width: String,
    interval: String,
    candidate: bool,
}

pub(crate) fn tasks(cards: &TaskCards) -> TaskSection {
    TaskSection {
        count: count(cards.tasks.len()),
        without: percent(cards.without_task as f64 / cards.prompts.max(1) as f64),
        cards: cards
            .tasks
            .iter()
            .map(|card| Card {
                id: card.id.0,
                size: count(card.size),
                share: percent(card.share),
                keywords: card.keywords.clone(),
                exemplars: card.exemplars.iter().map(|exemplar| exemplar.text.clone()).collect(),
                models: card
                    .models
                    .iter()
                    .take(MODELS)
                    .map(|model| CardModel {
                        name: model.model.clone(),
                        score: quality_text(model.score),
                        width: format!("{:.1}", model.score.clamp(0.0, 1.0) * 100.0),
                        interval: interval(model.interval, quality_text),
                        candidate: card.candidates.contains(&model.model),
                    })
                    .collect(),
            })
            .collect(),
    }
}

/// What is needed to come to the same numbers.
#[derive(Debug, Serialize)]
pub(crate) struct Reproduction {
    facts: Vec<(String, String)>,
    configs: Vec<(String, String)>,
}

pub(crate) fn reproduction(evaluation: &Evaluation) -> Reproduction {
    let summary = &evaluation.summary;
    let mut facts = Vec::new();
    if let Some(train) = &summary.train {
        facts.push((
            "Trained on".into(),
            format!("{}, {} prompts, SHA-256 {}", train.name, count(train.prompts), train.fingerprint),
        ));
    }
    for data in &summary.test {
        facts.push((
            "Evaluated on".into(),
            format!(
                "{}, {} prompts, {} models, SHA-256 {}",
                data.name,
                count(data.prompts),
                data.models,
                data.fingerprint
            ),
        ));
    }
    let seeds: Vec<String> = summary.seeds.iter().map(u64::to_string).collect();
    facts.push(("Seeds".into(), seeds.join(", ")));
    if let Some(folds) = summary.folds {
        let held_out = if summary.leave_benchmark_out { "Benchmarks, each held out" } else { "Folds" };
        facts.push((held_out.into(), folds.to_string()));
    }
    facts.push((
        "Intervals".into(),
        format!(
            "{} paired bootstrap over prompts, {} resamples, seed {}",
            percent(summary.bootstrap.confidence),
            count(summary.bootstrap.resamples),
            summary.bootstrap.seed
        ),
    ));
    for router in &summary.routers {
        if let Some(latency) = router.latency {
            let times = |times: crate::latency::Percentiles| {
                format!("{} median, {} at the 99th percentile", time(times.p50_us), time(times.p99_us))
            };
            facts.push((
                format!("One decision of {}", router.name),
                format!(
                    "{} with the embedding at hand; {} from the text",
                    times(latency.decision),
                    times(latency.with_encoder)
                ),
            ));
        }
    }
    if summary.seeds.len() > 1 {
        for router in &summary.routers {
            if let Some(spread) = router.quality_seed_sd {
                facts.push((format!("{} over seeds", router.name), format!("standard deviation {spread:.4}")));
            }
        }
    }
    facts.push(("Output tokens where not measured".into(), count(summary.nominal_output_tokens as usize)));
    facts.push(("Version".into(), env!("CARGO_PKG_VERSION").to_owned()));
    let configs = evaluation
        .configs
        .iter()
        .map(|(name, config)| (name.clone(), serde_json::to_string_pretty(config).unwrap_or_default()))
        .collect();
    Reproduction { facts, configs }
}

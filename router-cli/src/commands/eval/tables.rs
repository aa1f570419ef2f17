//! The tables of an evaluation.

use router_eval::metrics::Curve;
use router_eval::summary::{Difference, Entry};
use router_eval::{Percentiles, Summary};

use crate::table::{Align, Table, count, interval, percent, plural, short_difference, short_score, usd};

/// References that say nothing in the second table.
const PLAIN: [&str; 3] = ["cheapest", "cost-matched-mix", "oracle"];

/// What was evaluated on what.
pub(super) fn heading(summary: &Summary) -> String {
    let folds = match summary.folds {
        Some(_) if summary.leave_benchmark_out => ", one benchmark held out at a time".to_owned(),
        Some(folds) => format!(", {folds} folds"),
        None => String::new(),
    };
    let seeds: Vec<String> = summary.seeds.iter().map(u64::to_string).collect();
    format!(
        "{}: {}, {}{folds}, seed{} {}; {:.0}% intervals of {} resamples",
        summary.data.join(" + "),
        plural(summary.prompts, "prompt"),
        plural(summary.models, "model"),
        if seeds.len() == 1 { "" } else { "s" },
        seeds.join(", "),
        summary.bootstrap.confidence * 100.0,
        count(summary.bootstrap.resamples),
    )
}

/// Quality, cost and differences.
pub(super) fn table(summary: &Summary) -> String {
    let mut table = Table::new([
        ("router", Align::Left),
        ("quality", Align::Right),
        ("cost of\n1,000", Align::Right),
        ("gap\nclosed", Align::Right),
        ("vs best single", Align::Right),
        ("vs kNN", Align::Right),
    ]);
    let first = summary.routers.first().map_or("", |router| router.name.as_str());
    let row = |entry: &Entry| {
        [
            entry.label(first),
            with_interval(entry.quality, entry.quality_ci, short_score),
            usd(entry.cost_usd.map(|cost| cost * 1000.0)),
            entry.gap_closed.map_or_else(|| "-".to_owned(), |gap| format!("{gap:.2}")),
            difference(entry.vs_best_single),
            difference(entry.vs_knn),
        ]
    };
    for router in &summary.routers {
        table.row(row(router));
    }
    table.rule();
    for reference in &summary.references {
        table.row(row(reference));
    }
    table.render()
}

fn with_interval(value: Option<f64>, ends: Option<[f64; 2]>, show: fn(f64) -> String) -> String {
    match (value, ends) {
        (Some(value), Some(ends)) => format!("{} {}", show(value), interval(ends, show)),
        (Some(value), None) => show(value),
        (None, _) => "-".to_owned(),
    }
}

fn difference(difference: Option<Difference>) -> String {
    with_interval(difference.map(|found| found.delta), difference.map(|found| found.ci), short_difference)
}

/// The quality-cost curve, the choice between two models, and how good choices and estimates are. docs/metrics.md defines them.
pub(super) fn further(summary: &Summary) -> String {
    let mut table = Table::new([
        ("router", Align::Left),
        ("AIQ", Align::Right),
        ("cost at equal\nquality", Align::Right),
        ("APGR", Align::Right),
        ("CPT\n50%", Align::Right),
        ("arena\nscore", Align::Right),
        ("best\nchosen", Align::Right),
        ("regret", Align::Right),
        ("ECE", Align::Right),
    ]);
    let first = summary.routers.first().map_or("", |router| router.name.as_str());
    let score = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), short_score);
    let row = |entry: &Entry| {
        let metrics = &entry.metrics;
        let pair = metrics.routellm.as_ref();
        let selection = metrics.selection.as_ref();
        [
            entry.label(first),
            score(metrics.curve.as_ref().and_then(|curve| curve.aiq)),
            cost_at_equal_quality(metrics.curve.as_ref()),
            score(pair.map(|pair| pair.apgr)),
            score(pair.map(|pair| pair.cpt_50)),
            score(metrics.routerarena.as_ref().and_then(|arena| arena.score)),
            score(selection.and_then(|selection| selection.recall)),
            score(selection.map(|selection| selection.regret)),
            score(metrics.calibration.as_ref().map(|calibration| calibration.pooled.ece)),
        ]
    };
    for router in &summary.routers {
        table.row(row(router));
    }
    table.rule();
    for reference in summary.references.iter().filter(|entry| !PLAIN.contains(&entry.name.as_str())) {
        table.row(row(reference));
    }
    if let Some(single) = &summary.single_models {
        let mut mixture = vec!["-".to_owned(); 9];
        mixture.splice(..2, ["best static mixture".to_owned(), score(single.aiq)]);
        table.row(mixture);
    }
    table.render()
}

/// As a share of the best single model's cost.
fn cost_at_equal_quality(curve: Option<&Curve>) -> String {
    let found = curve.and_then(|curve| curve.cost_at_equal_quality.as_ref());
    with_interval(found.map(|found| found.share), found.and_then(|found| found.share_ci), short_score)
}

/// What changed prompts do.
pub(super) fn robustness(summary: &Summary) -> String {
    let mut table = Table::new([
        ("router", Align::Left),
        ("prompts with", Align::Left),
        ("decided\nalike", Align::Right),
        ("quality", Align::Right),
        ("vs prompts as they were", Align::Right),
    ]);
    for found in &summary.robustness {
        table.row([
            found.router.clone(),
            found.perturbation.name().to_owned(),
            percent(found.unchanged),
            found.quality.map_or_else(|| "-".to_owned(), short_score),
            difference(found.vs_unchanged),
        ]);
    }
    table.render()
}

/// How long one decision takes, a line a router.
pub(super) fn latency(summary: &Summary) -> Vec<String> {
    let times =
        |times: Percentiles| format!("{} median, {} at the 99th percentile", time(times.p50_us), time(times.p99_us));
    let line = |router: &Entry| {
        let latency = router.latency?;
        Some(format!(
            "one decision of {}: {} with the embedding at hand; {} from the text",
            router.name,
            times(latency.decision),
            times(latency.with_encoder)
        ))
    };
    summary.routers.iter().filter_map(line).collect()
}

/// Microseconds, or milliseconds from one on.
fn time(microseconds: f64) -> String {
    if microseconds < 1000.0 {
        format!("{microseconds:.0} \u{b5}s")
    } else {
        format!("{:.1} ms", microseconds / 1000.0)
    }
}

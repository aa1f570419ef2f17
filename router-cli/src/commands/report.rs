//! `router report`: what a router saved, from records.

use std::fmt::Write as _;

use router_core::{Error, ErrorKind, Result};
use router_eval::off_policy::{Estimate, OfModel, OffPolicyOptions, Report as Told};
use router_serve::records::{Address, Records, Traffic, now_milliseconds};
use serde_json::json;

use super::Session;
use crate::arguments::Report;
use crate::table::{Align, Table, count, interval, percent, plural, score, short_difference, short_score, usd};

const DAY: f64 = 86_400_000.0;

pub(super) fn run(arguments: &Report, session: &mut Session) -> Result<()> {
    let since = match arguments.days {
        None => 0,
        Some(days) if days > 0.0 && days.is_finite() => now_milliseconds() - (days * DAY) as i64,
        Some(days) => {
            return Err(Error::new(ErrorKind::Usage, format!("{days} is not a number of days")).at_field("--days"));
        }
    };
    let mut records = Records::open_to_read(&Address::read(&arguments.records)?)?;
    let traffic = Traffic::read(&mut records, since)?;
    let named = arguments.best.as_ref().map(|best| traffic.models.index_of(best));
    let options = OffPolicyOptions {
        resamples: arguments.resamples,
        seed: session.seed.unwrap_or(0),
        best: named.transpose().map_err(|error| error.at_field("--best"))?,
        ..OffPolicyOptions::default()
    };
    let report = Told::of(&traffic.calls, &traffic.models, &traffic.routers, &options)?;
    let mut document = serde_json::to_value(&report)
        .map_err(|source| Error::new(ErrorKind::Internal, "the report cannot be written").caused_by(source))?;
    if let Some(fields) = document.as_object_mut() {
        fields.insert("period_milliseconds".to_owned(), json!(traffic.period));
    }
    session.output.document(&document)?;
    session.output.line(describe(&report))
}

fn describe(report: &Told) -> String {
    let mut text = String::new();
    let mut fact = |name: &str, value: &str| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{name:<17}{value}");
    };
    let with = |estimate: Estimate, show: fn(f64) -> String| {
        format!("{} {}", show(estimate.value), interval(estimate.ci, show))
    };
    fact(
        "calls",
        &format!(
            "{}, {} of them with a choice between models; {} drawn at random, {} explored",
            count(report.calls),
            count(report.with_choice),
            count(report.drawn),
            count(report.explored)
        ),
    );
    match report.quality {
        Some(quality) => {
            fact("quality", &format!("{} over {}", with(quality, score), plural(report.rated, "rated call")));
        }
        None => fact("quality", "nobody said"),
    }
    match report.cost_usd_per_call {
        Some(cost) => fact(
            "cost",
            &format!(
                "{} over {}; {} a call",
                usd(Some(report.cost_usd)),
                plural(report.billed, "billed call"),
                with(cost, dollars)
            ),
        ),
        None => fact("cost", "not known"),
    }
    for (name, model, source) in
        [("best", &report.best, report.best_source), ("cheapest", &report.cheapest, "at the same tokens")]
    {
        let Some(described) = model.as_ref().and_then(|name| report.models.iter().find(|model| model.model == *name))
        else {
            fact(&format!("always {name}"), "cannot be told; see below");
            continue;
        };
        fact(&format!("always {name}"), &format!("`{}` ({source}): {}", described.model, against(described)));
    }
    let _ = writeln!(text, "\n{}", table(report).render());
    if report.routers.len() > 1 {
        let _ = writeln!(text, "{}", router_table(report).render());
    }
    for note in &report.notes {
        let _ = writeln!(text, "- {note}");
    }
    text.trim_end().to_owned()
}

/// What was saved and gained against `model` for all.
fn against(model: &OfModel) -> String {
    let mut told = Vec::new();
    if let Some(saved) = model.saved {
        let share = saved.share.map_or_else(String::new, |share| format!(", {}", percent(share)));
        told.push(format!("saved {} {}{share}", dollars(saved.saved_usd.value), interval(saved.saved_usd.ci, dollars)));
    }
    if let Some(gain) = model.quality.and_then(|quality| quality.gain) {
        told.push(format!("quality {} {}", short_difference(gain.value), interval(gain.ci, short_difference)));
    }
    if told.is_empty() { "nothing to compare with".to_owned() } else { told.join("; ") }
}

fn dollars(value: f64) -> String {
    if value < 0.0 { format!("-{}", usd(Some(-value))) } else { usd(Some(value)) }
}

fn router_table(report: &Told) -> Table {
    let mut table = Table::new([
        ("router", Align::Left),
        ("decided", Align::Right),
        ("quality", Align::Right),
        ("95% interval", Align::Right),
        ("cost a call", Align::Right),
        ("95% interval", Align::Right),
        ("beside", Align::Right),
        ("agreed", Align::Right),
    ]);
    let none = || "-".to_owned();
    for router in &report.routers {
        let (quality, cost) = (router.quality, router.cost_usd_per_call);
        table.row([
            router.router.clone(),
            count(router.calls),
            quality.map_or_else(none, |quality| score(quality.value)),
            quality.map_or_else(none, |quality| interval(quality.ci, short_score)),
            usd(cost.map(|cost| cost.value)),
            cost.map_or_else(none, |cost| interval(cost.ci, dollars)),
            count(router.shadowed),
            router.agreement.map_or_else(none, percent),
        ]);
    }
    table
}

fn table(report: &Told) -> Table {
    let mut table = Table::new([
        ("one model for all", Align::Left),
        ("asked", Align::Right),
        ("as sent", Align::Right),
        ("quality", Align::Right),
        ("95% interval", Align::Right),
        ("effective", Align::Right),
        ("cost", Align::Right),
        ("saved", Align::Right),
        ("95% interval", Align::Right),
    ]);
    let none = || "-".to_owned();
    for model in &report.models {
        let quality = model.quality;
        table.row([
            model.model.clone(),
            percent(model.asked),
            model.quality_as_sent.map_or_else(none, score),
            quality.map_or_else(none, |quality| score(quality.estimate.value)),
            quality.map_or_else(none, |quality| interval(quality.estimate.ci, short_score)),
            quality.map_or_else(none, |quality| count(quality.effective.round() as usize)),
            usd(model.saved.map(|saved| saved.cost_usd)),
            model.saved.map_or_else(none, |saved| dollars(saved.saved_usd.value)),
            model.saved.map_or_else(none, |saved| interval(saved.saved_usd.ci, dollars)),
        ]);
    }
    table
}

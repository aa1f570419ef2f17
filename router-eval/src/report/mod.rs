//! The HTML report: one file that needs nothing else. The template escapes whatever it shows; nothing in it runs: what appears on hover
//! does so by style.

pub(crate) mod experiment;
mod plot;
mod reliability;
mod sections;
mod tip;
mod words;

use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use router_core::{Error, ErrorKind, Result};
use serde::Serialize;

use crate::evaluation::Evaluation;
use crate::report::plot::{Plot, plot};
use crate::report::reliability::{ReliabilitySection, reliability};
use crate::report::sections::{
    AgreementRow, CeilingRow, ClaimRow, Distribution, FurtherRow, HeatMap, Reproduction, RobustnessRow, Row,
    TaskSection, agreement, bars, ceilings, claims, further, heat_map, reproduction, robustness, rows, tasks,
};
use crate::report::words::{Glance, count, glance, quality_text, verdict};

const TEMPLATE: &str = include_str!("report.html");
const PARTS: &str = include_str!("parts.html");
const STYLE: &str = include_str!("style.css");

/// The report of `evaluation`; `command` is the command line that reproduces it.
///
/// # Errors
/// [`ErrorKind::Internal`] if the template does not fit what it is given.
pub(crate) fn render(evaluation: &Evaluation, command: &str) -> Result<String> {
    let summary = &evaluation.summary;
    let first = summary.routers.first().map_or("", |router| router.name.as_str());
    let plots: Vec<_> =
        [plot(summary, "wide", 920.0, 460.0), plot(summary, "narrow", 400.0, 440.0)].into_iter().flatten().collect();
    let page = Page {
        style: STYLE,
        title: first,
        data: summary.data.join(", "),
        prompts: count(summary.prompts),
        models: count(summary.models),
        folds: summary.folds,
        left_out: summary.leave_benchmark_out,
        glance: glance(summary),
        verdict: verdict(summary),
        plots,
        rows: rows(summary),
        further: further(summary),
        mixture: summary.single_models.as_ref().and_then(|single| single.aiq).map(quality_text),
        claims: claims(summary),
        robustness: robustness(summary),
        reliability: reliability(summary),
        ceilings: ceilings(summary),
        agreement: agreement(summary),
        bars: bars(summary),
        heat: heat_map(summary),
        tasks: evaluation.tasks.as_ref().filter(|cards| !cards.tasks.is_empty()).map(tasks),
        notes: &summary.notes,
        reproduction: reproduction(evaluation),
        command,
    };
    fill(TEMPLATE, &page)
}

/// `template` filled with `page`, whose texts are escaped.
///
/// # Errors
/// [`ErrorKind::Internal`] if the template does not fit what it is given.
fn fill(template: &str, page: &impl Serialize) -> Result<String> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment
        .add_template("parts.html", PARTS)
        .and_then(|()| environment.add_template("page.html", template))
        .and_then(|()| environment.get_template("page.html")?.render(Serde(page)))
        .map_err(|source| Error::new(ErrorKind::Internal, "cannot write the report").caused_by(source))
}

/// What the template gets.
#[derive(Serialize)]
struct Page<'a> {
    style: &'static str,
    title: &'a str,
    data: String,
    prompts: String,
    models: String,
    folds: Option<usize>,
    left_out: bool,
    glance: Option<Glance>,
    verdict: Vec<String>,
    plots: Vec<Plot>,
    rows: Vec<Row>,
    further: Vec<FurtherRow>,
    /// AIQ of the single models' hull.
    mixture: Option<String>,
    claims: Vec<ClaimRow>,
    robustness: Vec<RobustnessRow>,
    reliability: Option<ReliabilitySection>,
    ceilings: Vec<CeilingRow>,
    agreement: Vec<AgreementRow>,
    bars: Distribution,
    heat: Option<HeatMap>,
    tasks: Option<TaskSection>,
    notes: &'a [String],
    reproduction: Reproduction,
    command: &'a str,
}

//! The HTML report: one file that needs nothing else. The template escapes whatever it shows; nothing in it runs.

mod plot;
mod sections;
mod words;

use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use router_core::{Error, ErrorKind, Result};
use serde::Serialize;

use crate::evaluation::Evaluation;
use crate::report::plot::{Plot, plot};
use crate::report::sections::{
    Distribution, HeatMap, Reproduction, Row, TaskSection, bars, heat_map, reproduction, rows, tasks,
};
use crate::report::words::{count, verdict};

const TEMPLATE: &str = include_str!("report.html");
const STYLE: &str = include_str!("style.css");

/// The report of `evaluation`; `command` is the command line that reproduces it.
///
/// # Errors
/// [`ErrorKind::Internal`] if the template does not fit what it is given.
pub(crate) fn render(evaluation: &Evaluation, command: &str) -> Result<String> {
    let summary = &evaluation.summary;
    let failed =
        |source: minijinja::Error| Error::new(ErrorKind::Internal, "cannot write the report").caused_by(source);
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.add_template("report.html", TEMPLATE).map_err(failed)?;
    let template = environment.get_template("report.html").map_err(failed)?;
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
        verdict: verdict(summary),
        plots,
        rows: rows(summary),
        bars: bars(summary),
        heat: heat_map(summary),
        tasks: evaluation.tasks.as_ref().filter(|cards| !cards.tasks.is_empty()).map(tasks),
        notes: &summary.notes,
        reproduction: reproduction(evaluation),
        command,
    };
    template.render(Serde(&page)).map_err(failed)
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
    verdict: Vec<String>,
    plots: Vec<Plot>,
    rows: Vec<Row>,
    bars: Distribution,
    heat: Option<HeatMap>,
    tasks: Option<TaskSection>,
    notes: &'a [String],
    reproduction: Reproduction,
    command: &'a str,
}

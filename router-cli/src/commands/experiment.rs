//! `router experiment`: a grid of evaluations, run and compared.

use std::path::{Path, PathBuf};

use router_core::{Error, ErrorKind, Result};
use router_eval::experiment::{Differences, Experiment, Filter, Grid, Pooled, Report, State, compare, pool};
use serde_json::{Map, Value, json};

use super::Session;
use crate::arguments::{Experiment as Arguments, ExperimentCommand, ExperimentCompare, ExperimentPool};
use crate::table::{Align, Table, count, interval, percent, plural, short_difference, short_score};

/// The status of a run in which a cell failed.
const FAILED: u8 = 1;
/// Most rows of a table that are shown to people.
const SHOWN: usize = 20;

pub(super) fn run(arguments: &Arguments, session: &mut Session) -> Result<u8> {
    match (&arguments.command, &arguments.grid) {
        (Some(ExperimentCommand::Compare(arguments)), _) => compare_stored(arguments, session).map(|()| 0),
        (Some(ExperimentCommand::Pool(arguments)), _) => pool_stored(arguments, session).map(|()| 0),
        (None, Some(grid)) => run_grid(grid, arguments, session),
        // The command line asks for one of the two.
        (None, None) => Ok(0),
    }
}

fn run_grid(path: &Path, arguments: &Arguments, session: &mut Session) -> Result<u8> {
    let grid = Grid::from_file(path, &session.registry, session.seed)?;
    let out = arguments.out.clone().unwrap_or_else(|| default_out(path));
    let first_seed = grid.seeds.first().copied().unwrap_or_default();
    let experiment = Experiment::open(grid, &out, &session.registry)?;
    let filters =
        arguments.filter.iter().map(|filter| Filter::parse(filter, experiment.cells())).collect::<Result<Vec<_>>>()?;
    let selected = experiment.select(&filters);
    if selected.is_empty() {
        return Err(Error::new(ErrorKind::Usage, format!("none of {} cells fits", experiment.cells().len()))
            .at_field("--filter")
            .help("--dry-run without --filter lists them"));
    }
    if arguments.dry_run {
        return list(&experiment, &selected, &out, session).map(|()| 0);
    }
    let cx = session.caching(first_seed, arguments.no_cache);
    let report = experiment.run(&selected, arguments.jobs, &session.registry, &cx)?;
    session.tell_cache();
    tell(&report, &out, session)?;
    Ok(if report.failures.is_empty() { 0 } else { FAILED })
}

fn default_out(grid: &Path) -> PathBuf {
    let stem = grid.file_stem().map_or_else(|| "grid".into(), |stem| stem.to_string_lossy().into_owned());
    ["router-out", "experiments", &stem].iter().collect()
}

/// `--dry-run`: the cells and what is there of them.
fn list(experiment: &Experiment, selected: &[usize], out: &Path, session: &mut Session) -> Result<()> {
    let cells: Vec<_> = selected.iter().filter_map(|&at| experiment.cells().get(at)).collect();
    let states: Vec<State> = cells.iter().map(|cell| experiment.state(cell)).collect();
    let listed = cells.iter().zip(&states).map(|(cell, state)| {
        let fields: Map<String, Value> = cell.fields().map(|(name, value)| (name.to_owned(), json!(value))).collect();
        json!({ "cell": cell.digest(), "state": state, "fields": fields })
    });
    let output = &mut session.output;
    output.document(&json!({
        "out": out.display().to_string(),
        "cells": experiment.cells().len(),
        "selected": listed.collect::<Vec<_>>(),
    }))?;
    for (cell, state) in cells.iter().zip(&states) {
        output.line(format_args!("{:<8}{}", state_name(*state), cell.name()))?;
    }
    let of = |state: State| states.iter().filter(|found| **found == state).count();
    output.line(format_args!(
        "\n{} of {}: {} done, {} failed, {} to do; results in {}",
        count(cells.len()),
        plural(experiment.cells().len(), "cell"),
        count(of(State::Done)),
        count(of(State::Failed)),
        count(of(State::Open)),
        out.display()
    ))
}

fn state_name(state: State) -> &'static str {
    match state {
        State::Open => "to do",
        State::Done => "done",
        State::Failed => "failed",
    }
}

fn tell(report: &Report, out: &Path, session: &mut Session) -> Result<()> {
    let output = &mut session.output;
    let shown = out.display().to_string();
    output.document(&json!({
        "out": shown,
        "cells": report.cells,
        "selected": report.selected,
        "ran": report.ran,
        "reused": report.reused,
        "done": report.done,
        "failed": report.failed,
        "failures": report.failures.iter().map(|(cell, error)| json!({ "cell": cell, "error": error })).collect::<Vec<_>>(),
        "rows": report.rows,
    }))?;
    output.line(best(&report.rows))?;
    for (cell, error) in report.failures.iter().take(SHOWN) {
        output.line(format_args!("failed: {cell}: {error}"))?;
    }
    if report.failures.len() > SHOWN {
        output.line(format_args!("... and {} more", report.failures.len() - SHOWN))?;
    }
    output.line(format_args!(
        "{} run, {} there already, {} failed; {} of {} have a result",
        plural(report.ran, "cell"),
        count(report.reused),
        count(report.failures.len()),
        count(report.done),
        count(report.cells)
    ))?;
    output.line(format_args!("wrote results.csv, results.parquet, results.json and report.html into {shown}"))
}

/// Columns of the table that say nothing about which cell it is.
const RESULTS: [&str; 4] = ["cell", "folds", "result", "reference"];

/// The routers of the table, best first; of what tells cells apart only that in which they differ.
fn best(rows: &[Map<String, Value>]) -> String {
    let mut routers: Vec<&Map<String, Value>> =
        rows.iter().filter(|row| row.get("reference") == Some(&Value::Bool(false))).collect();
    let number = |row: &Map<String, Value>, name: &str| row.get(name).and_then(Value::as_f64);
    routers.sort_by(|a, b| number(b, "quality").unwrap_or(-1.0).total_cmp(&number(a, "quality").unwrap_or(-1.0)));
    let fields: Vec<&String> = routers.first().map_or_else(Vec::new, |first| {
        let before_results = first.keys().take_while(|name| *name != "result");
        let differs = |name: &&String| routers.iter().any(|row| row.get(*name) != first.get(*name));
        before_results.filter(|name| !RESULTS.contains(&name.as_str())).filter(differs).collect()
    });
    let columns = fields.iter().map(|name| ((*name).clone(), Align::Left));
    let numbers = ["quality", "vs best single", "vs kNN"].map(|name| (name.to_owned(), Align::Right));
    let mut table = Table::new(columns.chain(numbers));
    let ends = |row: &Map<String, Value>, name: &str| {
        Some([number(row, &format!("{name}_low"))?, number(row, &format!("{name}_high"))?])
    };
    for row in routers.iter().take(SHOWN) {
        let told = |name: &str, show: fn(f64) -> String| match (number(row, name), ends(row, name)) {
            (Some(value), Some(ends)) => format!("{} {}", show(value), interval(ends, show)),
            (Some(value), None) => show(value),
            (None, _) => "-".to_owned(),
        };
        let cells = fields.iter().map(|name| match row.get(*name) {
            None | Some(Value::Null) => "-".to_owned(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        });
        table.row(cells.chain([
            told("quality", short_score),
            told("vs_best_single", short_difference),
            told("vs_knn", short_difference),
        ]));
    }
    let mut text = table.render();
    if routers.len() > SHOWN {
        text = format!("{text}\n... and {} more", count(routers.len() - SHOWN));
    }
    text.push('\n');
    text
}

fn compare_stored(arguments: &ExperimentCompare, session: &mut Session) -> Result<()> {
    let differences = compare(&arguments.a, &arguments.b, &arguments.by, arguments.resamples)?;
    let output = &mut session.output;
    output.document(&differences)?;
    output.line(table_of(&differences))?;
    let Differences { cells, only_in_a, only_in_b, significant, mean_delta, .. } = &differences;
    if cells.len() > SHOWN {
        output.line(format_args!("... and {} more; --json has all", count(cells.len() - SHOWN)))?;
    }
    output.line(format_args!(
        "{} in common, mean difference {}; {} significant at 0.05 after Holm's correction",
        plural(cells.len(), "cell"),
        mean_delta.map_or_else(|| "-".to_owned(), short_difference),
        count(*significant)
    ))?;
    for (side, only) in [("A", only_in_a), ("B", only_in_b)] {
        if !only.is_empty() {
            output.line(format_args!("only in {side}: {}", plural(only.len(), "cell")))?;
        }
    }
    Ok(())
}

/// The cells, the surest differences first.
fn table_of(differences: &Differences) -> String {
    let mut table = Table::new([
        ("cell", Align::Left),
        ("prompts", Align::Right),
        ("A", Align::Right),
        ("B", Align::Right),
        ("B - A", Align::Right),
        ("p (Holm)", Align::Right),
        ("same choice", Align::Right),
    ]);
    let mut cells: Vec<_> = differences.cells.iter().collect();
    cells.sort_by(|a, b| a.p.total_cmp(&b.p).then(b.delta.abs().total_cmp(&a.delta.abs())));
    for cell in cells.into_iter().take(SHOWN) {
        table.row([
            cell.cell.clone(),
            count(cell.prompts),
            short_score(cell.a),
            short_score(cell.b),
            format!("{} {}", short_difference(cell.delta), interval(cell.ci, short_difference)),
            format!("{:.4}", cell.p_holm),
            percent(cell.agreement),
        ]);
    }
    table.render()
}

fn pool_stored(arguments: &ExperimentPool, session: &mut Session) -> Result<()> {
    let pooled = pool(&arguments.directory, &arguments.against, arguments.resamples)?;
    let output = &mut session.output;
    output.document(&pooled)?;
    output.line(table_of_pooled(&pooled))?;
    output.line(format_args!(
        "differences to {}; intervals of 95%, p-values after Holm's correction over settings, and by data set within one",
        pooled.against
    ))
}

/// A row a setting, and one below it for each of its data sets.
fn table_of_pooled(pooled: &Pooled) -> String {
    let mut table = Table::new([
        ("setting", Align::Left),
        ("seeds", Align::Right),
        ("prompts", Align::Right),
        ("quality", Align::Right),
        ("against", Align::Right),
        ("difference", Align::Right),
        ("p (Holm)", Align::Right),
    ]);
    for setting in &pooled.settings {
        let mut row =
            |name: String, seeds: String, prompts: usize, found: &router_eval::experiment::PooledDifference| {
                table.row([
                    name,
                    seeds,
                    count(prompts),
                    short_score(found.quality),
                    short_score(found.against),
                    format!("{} {}", short_difference(found.delta), interval(found.ci, short_difference)),
                    format!("{:.4}", found.p_holm),
                ]);
            };
        let prompts = setting.data.iter().map(|data| data.prompts).sum();
        row(setting.setting.clone(), String::new(), prompts, &setting.pooled);
        for data in &setting.data {
            row(format!("  {}", data.data), count(data.seeds), data.prompts, &data.difference);
        }
    }
    table.render()
}

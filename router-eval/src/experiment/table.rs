//! The one tidy table of an experiment: a row a cell and router or reference.

use router_core::Result;
use router_core::cost::CostKind;
use router_data::table::{Table, Values};
use serde::Serialize;
use serde_json::Value;

use super::Experiment;
use super::cell::Cell;
use super::evaluate::Row;
use super::store::{CellFile, PAGE, TABLES, pretty};
use crate::report::experiment as report;
use crate::summary::Difference;

/// A row of the table in the making: its cell, and a router's result, or the error of a cell that failed.
struct Line<'a> {
    cell: &'a Cell,
    folds: Option<usize>,
    prompts: usize,
    row: Option<&'a Row>,
    error: Option<&'a str>,
}

#[derive(Serialize)]
struct Document {
    version: &'static str,
    cells: usize,
    done: usize,
    failed: usize,
    rows: Vec<serde_json::Map<String, Value>>,
}

/// Writes the table of all cells of `experiment` that have a result.
pub(super) fn write(experiment: &Experiment) -> Result<Written> {
    let files: Vec<(&Cell, CellFile)> =
        experiment.cells().iter().filter_map(|cell| Some((cell, experiment.store().read(cell.digest())?))).collect();
    let mut lines = Vec::new();
    for (cell, file) in &files {
        let line = |row, error| Line { cell, folds: file.folds, prompts: file.qualities.len(), row, error };
        match &file.error {
            Some(error) => lines.push(line(None, Some(error.as_str()))),
            None => lines.extend(file.rows.iter().map(|row| line(Some(row), None))),
        }
    }
    let table = table(experiment.cells(), &lines)?;
    let failed = files.iter().filter(|(_, file)| file.error.is_some()).count();
    let document = Document {
        version: env!("CARGO_PKG_VERSION"),
        cells: experiment.cells().len(),
        done: files.len() - failed,
        failed,
        rows: table.objects().collect(),
    };
    let [csv, parquet, json] = TABLES;
    experiment.store().write_table(csv, &table.csv()?)?;
    experiment.store().write_table(parquet, &table.parquet()?)?;
    experiment.store().write_table(json, &pretty(&document)?)?;
    let page = report::render(&document.rows, document.done, document.failed)?;
    experiment.store().write_table(PAGE, page.as_bytes())?;
    let Document { done, failed, rows, .. } = document;
    Ok(Written { done, failed, rows })
}

/// What the table holds.
pub(super) struct Written {
    pub(super) done: usize,
    pub(super) failed: usize,
    pub(super) rows: Vec<serde_json::Map<String, Value>>,
}

fn table(cells: &[Cell], lines: &[Line<'_>]) -> Result<Table> {
    let text = |get: &dyn Fn(&Line<'_>) -> Option<String>| Values::Text(lines.iter().map(get).collect());
    let number =
        |get: &dyn Fn(&Row) -> Option<f64>| Values::Number(lines.iter().map(|line| line.row.and_then(get)).collect());
    let count = |get: &dyn Fn(&Line<'_>) -> Option<usize>| {
        Values::Integer(lines.iter().map(|line| get(line).map(|count| count as i64)).collect())
    };
    let mut table = Table::new(lines.len());
    table.push("cell", text(&|line| Some(line.cell.digest().to_owned())))?;
    table.push("data", text(&|line| line.cell.field("data").map(str::to_owned)))?;
    let seeds = lines.iter().map(|line| i64::try_from(line.cell.seed).ok()).collect();
    table.push("seed", Values::Integer(seeds))?;
    table.push("size", Values::Number(lines.iter().map(|line| Some(line.cell.size)).collect()))?;
    table.push("folds", count(&|line| line.folds))?;
    // What varies, in the order of the grid; a cell that has no such choice has an empty place.
    let mut varied: Vec<&str> = Vec::new();
    for (name, _) in cells.iter().flat_map(Cell::fields).filter(|(name, _)| !["data", "seed", "size"].contains(name)) {
        if !varied.contains(&name) {
            varied.push(name);
        }
    }
    for name in varied {
        table.push(name, text(&|line| line.cell.field(name).map(str::to_owned)))?;
    }
    table.push("result", text(&|line| line.row.map(|row| row.router.clone())))?;
    let is_reference = |line: &Line<'_>| line.row.map(|row| row.reference);
    table.push("reference", Values::Truth(lines.iter().map(is_reference).collect()))?;
    table.push("prompts", count(&|line| line.row.map(|_| line.prompts)))?;
    table.push("quality", number(&|row| row.quality))?;
    table.push("quality_low", number(&|row| row.quality_ci.map(|ci| ci[0])))?;
    table.push("quality_high", number(&|row| row.quality_ci.map(|ci| ci[1])))?;
    table.push("cost_usd", number(&|row| row.cost_usd))?;
    table.push("cost_kind", text(&|line| line.row.map(|row| kind(row.cost_kind).to_owned())))?;
    table.push("gap_closed", number(&|row| row.gap_closed))?;
    table.push("gap_closed_low", number(&|row| row.gap_closed_ci.map(|ci| ci[0])))?;
    table.push("gap_closed_high", number(&|row| row.gap_closed_ci.map(|ci| ci[1])))?;
    difference(&mut table, "vs_best_single", lines, |row| row.vs_best_single)?;
    difference(&mut table, "vs_knn", lines, |row| row.vs_knn)?;
    table.push("unscored", count(&|line| line.row.map(|row| row.unscored)))?;
    table.push("error", text(&|line| line.error.map(str::to_owned)))?;
    Ok(table)
}

/// Adds three columns: a paired difference and the ends of its interval.
fn difference(
    table: &mut Table,
    name: &str,
    lines: &[Line<'_>],
    of: impl Fn(&Row) -> Option<Difference>,
) -> Result<()> {
    let number =
        |get: fn(Difference) -> f64| Values::Number(lines.iter().map(|line| line.row.and_then(&of).map(get)).collect());
    table.push(name, number(|difference| difference.delta))?;
    table.push(format!("{name}_low"), number(|difference| difference.ci[0]))?;
    table.push(format!("{name}_high"), number(|difference| difference.ci[1]))
}

fn kind(kind: CostKind) -> &'static str {
    match kind {
        CostKind::Measured => "measured",
        CostKind::Estimated => "estimated",
        CostKind::None => "none",
    }
}

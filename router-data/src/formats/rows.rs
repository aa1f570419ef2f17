//! Files row by row: CSV and Parquet tables, lines of JSON.

use std::cell::RefCell;
use std::path::Path;

use parquet::schema::types::Type;
use serde_json::{Map, Value};

use super::{Collector, inputs};
use crate::directory::csv_rows::Rows;
use crate::directory::object::{self, Object};
use crate::directory::{Finding, Findings, parquet_rows, source};
use crate::table::Cell;

/// What a table has to offer, one after another.
#[derive(Debug)]
pub enum TableEvent<'a> {
    /// The line of the header, and the names of the columns.
    Header(usize, &'a [String]),
    /// The line of a row, and its cells in the order of the header; those that are not wanted are empty.
    Row(usize, &'a [Cell]),
}

/// Reads the table at `path`, Parquet or CSV (packed or not) by its name, and gives header and rows to `take` until it says false.
/// The content of columns that `wanted` denies is not read. Malformed rows go to `collector`.
pub fn table_rows(
    path: &Path,
    wanted: &dyn Fn(&str) -> bool,
    collector: &mut Collector,
    take: &mut dyn FnMut(TableEvent<'_>, &mut Collector) -> bool,
) {
    let mut findings = Findings::default();
    if inputs::extension(path).as_deref() == Some("parquet") {
        parquet_table(path, wanted, &mut findings, collector, take);
    } else if let Some(mut lines) = source::Lines::open(path, &mut findings) {
        collector.adopt(std::mem::take(&mut findings));
        csv_table(path, &mut lines, wanted, collector, take);
        lines.close(&mut findings);
    }
    collector.adopt(findings);
}

fn csv_table(
    path: &Path,
    lines: &mut source::Lines,
    wanted: &dyn Fn(&str) -> bool,
    collector: &mut Collector,
    take: &mut dyn FnMut(TableEvent<'_>, &mut Collector) -> bool,
) {
    let mut rows = Rows::new(|text| lines.read(text));
    let Some((line, header)) = rows.next() else {
        if !lines.failed() {
            collector.fault(Finding::error(path, 1, "the file is empty"));
        }
        return;
    };
    let header = match header {
        Ok(header) => header,
        Err(fault) => return collector.fault(Finding::error(path, line, format!("malformed header: {fault}"))),
    };
    let mut names = Vec::with_capacity(header.len());
    for name in header.iter() {
        match utf8(path, line, name) {
            Ok(name) => names.push(name.trim().to_owned()),
            Err(fault) => return collector.fault(fault),
        }
    }
    if !take(TableEvent::Header(line, &names), collector) {
        return;
    }
    let kept: Vec<bool> = names.iter().map(|name| wanted(name)).collect();
    let mut cells = Vec::with_capacity(names.len());
    while let Some((line, row)) = rows.next() {
        let row = match row {
            Ok(row) if row.len() == names.len() => row,
            Ok(row) => {
                let message = format!("the row has {} cells, the header {}", row.len(), names.len());
                collector.malformed(Finding::error(path, line, message).help("quote a cell that holds a comma"));
                continue;
            }
            Err(fault) => {
                collector.malformed(Finding::error(path, line, format!("malformed row: {fault}")));
                continue;
            }
        };
        cells.clear();
        let mut fault = None;
        for ((content, &kept), name) in row.iter().zip(&kept).zip(&names) {
            match if kept { utf8(path, line, content) } else { Ok("") } {
                Ok(text) => cells.push(Cell::from_text(text)),
                Err(found) => fault = Some(found.at_field(name.as_str())),
            }
        }
        if let Some(fault) = fault {
            collector.malformed(fault);
        } else if !take(TableEvent::Row(line, &cells), collector) {
            return;
        }
    }
}

/// What the reading of a Parquet file works on.
struct State<'a, Take: ?Sized> {
    collector: &'a mut Collector,
    take: &'a mut Take,
    /// Which columns are read.
    kept: Vec<bool>,
    going: bool,
}

fn parquet_table(
    path: &Path,
    wanted: &dyn Fn(&str) -> bool,
    findings: &mut Findings,
    collector: &mut Collector,
    take: &mut dyn FnMut(TableEvent<'_>, &mut Collector) -> bool,
) {
    // Header and rows come through two closures; only one of them runs at a time.
    let state = RefCell::new(State { collector, take, kept: Vec::new(), going: true });
    let select = |schema: &Type, _: &mut Findings| {
        let State { collector, take, kept, going } = &mut *state.borrow_mut();
        let fields = schema.get_fields();
        let names: Vec<String> = fields.iter().map(|field| field.name().to_owned()).collect();
        *kept = names.iter().map(|name| wanted(name)).collect();
        *going = take(TableEvent::Header(1, &names), collector);
        let read: Vec<_> = fields.iter().filter(|field| wanted(field.name())).cloned().collect();
        (*going && !read.is_empty()).then_some(read)
    };
    parquet_rows::read_selected(path, select, findings, |row, fields, _| {
        let State { collector, take, kept, going } = &mut *state.borrow_mut();
        if *going {
            let mut read = fields.into_iter().map(|(_, field)| Cell::from(&field));
            let cell = |&kept: &bool| if kept { read.next().unwrap_or(Cell::Empty) } else { Cell::Empty };
            let cells: Vec<Cell> = kept.iter().map(cell).collect();
            *going = take(TableEvent::Row(row, &cells), collector);
        }
    });
}

fn utf8<'a>(path: &Path, line: usize, bytes: &'a [u8]) -> Result<&'a str, Finding> {
    let mut findings = Findings::default();
    source::utf8(path, line, bytes, &mut findings)
        .ok_or_else(|| findings.take_first_error().unwrap_or_else(|| Finding::error(path, line, "not UTF-8")))
}

/// Reads the lines of JSON at `path` (packed or not), and gives the object of each with its line to `take`. Malformed lines go to `collector`.
pub fn json_lines(
    path: &Path,
    collector: &mut Collector,
    mut take: impl FnMut(usize, Map<String, Value>, &mut Collector),
) {
    let mut findings = Findings::default();
    let lines = source::Lines::open(path, &mut findings);
    collector.adopt(std::mem::take(&mut findings));
    let Some(mut lines) = lines else { return };
    let mut text = Vec::new();
    while let Some((line, content)) = lines.next(&mut text) {
        if content.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let text = match utf8(path, line, content) {
            Ok(text) => text,
            Err(fault) => {
                collector.malformed(fault);
                continue;
            }
        };
        match serde_json::from_str::<Object>(text) {
            Ok(Object(object)) => take(line, object, collector),
            Err(error) => collector.malformed(Finding::error(path, line, object::message(&error))),
        }
    }
    lines.close(&mut findings);
    collector.adopt(findings);
}

/// The JSON document at `path`; none once a fault says why not.
pub(super) fn json_document(path: &Path, collector: &mut Collector) -> Option<Vec<u8>> {
    let mut findings = Findings::default();
    let bytes = source::load(path, &mut findings);
    collector.adopt(findings);
    let bytes = bytes?;
    match serde_json::from_slice::<Value>(&bytes) {
        Ok(_) => Some(bytes),
        Err(error) => {
            let finding = Finding::error(path, error.line().max(1), object::message(&error));
            collector.fault(finding.help("the whole file is one JSON text"));
            None
        }
    }
}

/// The cell of `field` in `object`, taken out of it.
pub(super) fn take_cell(object: &mut Map<String, Value>, field: &str) -> Cell {
    object.shift_remove(field).map_or(Cell::Empty, Cell::from)
}

//! `outcomes.csv.gz`, `outcomes.csv`, `outcomes.jsonl`, `outcomes.parquet`: what happened when prompts were sent to models.
//!
//! Every format becomes [`Cell`]s, and one function makes an outcome of them, so that a rule holds in all.

use std::collections::BTreeMap;
use std::path::Path;

use router_core::{ErrorKind, ModelIndex, Outcome, Outcomes};
use serde_json::Value;

use super::csv_rows::{Cells, Rows};
use super::findings::{Finding, Findings};
use super::models::Models;
use super::object::{self, Object};
use super::prompts::Prompts;
use super::seen::Seen;
use super::{parquet_rows, source};
use crate::table::Cell;

/// The columns of an outcome file: all of the first six must be in a CSV header, `weight` and `propensity` may be.
const COLUMNS: [&str; 8] =
    ["prompt_id", "model", "quality", "cost_usd", "input_tokens", "output_tokens", "weight", "propensity"];
const REQUIRED: usize = 6;
/// In Parquet a column that nobody filled is often left out: prompt, model and quality must be there.
const REQUIRED_IN_PARQUET: usize = 3;
const HEADER: &str =
    "the header is prompt_id,model,quality,cost_usd,input_tokens,output_tokens; leave cells empty where unknown";

/// A count of rows, and the line of the first.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally {
    pub(crate) count: usize,
    pub(crate) first: usize,
}

impl Tally {
    fn add(&mut self, line: usize) {
        if self.count == 0 {
            self.first = line;
        }
        self.count += 1;
    }
}

/// The outcomes as far as they could be read.
#[derive(Debug, Default)]
pub(crate) struct Read {
    /// The outcomes, if models and prompts are known.
    pub(crate) outcomes: Option<Outcomes>,
    /// Rows without a quality, a model.
    pub(crate) without_quality: BTreeMap<ModelIndex, Tally>,
    /// Rows with a quality and without a cost.
    pub(crate) without_cost: Tally,
    /// Rows with a quality and without a propensity.
    pub(crate) without_propensity: Tally,
}

pub(crate) fn read(path: &Path, models: &Models, prompts: &Prompts, findings: &mut Findings) -> Read {
    let mut reader = Reader { path, models, prompts, seen: Seen::default(), read: Read::default(), findings };
    let before = reader.findings.len();
    if source::is_parquet(path) {
        reader.read_parquet();
    } else if let Some(mut lines) = source::Lines::open(path, reader.findings) {
        if path.extension().is_some_and(|extension| extension == "jsonl") {
            reader.read_json_lines(&mut lines);
        } else {
            reader.read_csv(&mut lines);
        }
        lines.close(reader.findings);
    }
    let Reader { mut seen, mut read, .. } = reader;
    seen.sort();
    if let Some(pool) = &models.pool {
        for (row, model, line, first) in seen.repeated() {
            let (id, name) = (prompts.sound.get(row).map_or("?", |prompt| &prompt.id), pool.name(model));
            let message = format!("prompt `{id}` and model `{name}` stand together twice, first in line {first}");
            let help = "average repeated calls first, or give one a prompt of its own";
            findings.push(Finding::error(path, line, message).help(help));
        }
        // What stands twice is known last, and belongs among the rest.
        findings.sort_lines_from(before);
        if findings.has_errors() {
            return read;
        }
        match seen.into_outcomes(pool.len(), prompts.sound.len()) {
            Ok(outcomes) => read.outcomes = Some(outcomes),
            Err(error) => findings.push(Finding::from_error(path, 1, &error)),
        }
    }
    read
}

struct Reader<'a> {
    path: &'a Path,
    models: &'a Models,
    prompts: &'a Prompts,
    seen: Seen,
    read: Read,
    findings: &'a mut Findings,
}

impl Reader<'_> {
    fn wrong(&mut self, line: usize, field: &str, message: impl Into<String>, help: &str) {
        let mut finding = Finding::error(self.path, line, message);
        if !field.is_empty() {
            finding = finding.at_field(field);
        }
        self.findings.push(if help.is_empty() { finding } else { finding.help(help) });
    }

    fn read_csv(&mut self, lines: &mut source::Lines) {
        let mut rows = Rows::new(|text| lines.read(text));
        let Some((line, header)) = rows.next() else {
            if !lines.failed() {
                self.wrong(1, "", "the file is empty", HEADER);
            }
            return;
        };
        let header = match header {
            Ok(header) => header,
            Err(fault) => return self.wrong(line, "", format!("malformed header: {fault}"), HEADER),
        };
        let Some(columns) = self.read_header(line, header) else { return };
        let mut cells = [const { Cell::Empty }; COLUMNS.len()];
        while let Some((line, row)) = rows.next() {
            let row = match row {
                Ok(row) => row,
                Err(fault) => {
                    self.wrong(line, "", format!("malformed row: {fault}"), "double a quote within a quoted cell");
                    continue;
                }
            };
            if row.len() != columns.len() {
                let message = format!("the row has {} cells, the header {}", row.len(), columns.len());
                self.wrong(line, "", message, "quote a cell that holds a comma");
                continue;
            }
            let mut readable = true;
            for (content, column) in row.iter().zip(&columns) {
                let Some(text) = source::utf8(self.path, line, content, self.findings) else {
                    readable = false;
                    break;
                };
                if let Some(cell) = column.and_then(|column| cells.get_mut(column)) {
                    cell.set_text(text);
                }
            }
            if readable {
                self.take(line, &cells);
            }
        }
    }

    /// Which of [`COLUMNS`] stands where; `None` for one that is not read.
    fn read_header(&mut self, line: usize, header: &Cells) -> Option<Vec<Option<usize>>> {
        let before = self.findings.len();
        let mut columns = Vec::with_capacity(header.len());
        for name in header.iter() {
            let name = source::utf8(self.path, line, name, self.findings)?.trim();
            let column = COLUMNS.iter().position(|&column| column == name);
            match column {
                Some(_) if columns.contains(&column) => self.wrong(line, name, "the column stands twice", ""),
                Some(_) => {}
                None => match source::misspelled(name, &COLUMNS) {
                    Some(known) => self.wrong(line, name, "unknown column", &format!("did you mean `{known}`?")),
                    None => self.findings.push(
                        Finding::warning(self.path, line, "the column is not read")
                            .at_field(name)
                            .help(format!("the columns are {}", COLUMNS.join(", "))),
                    ),
                },
            }
            columns.push(column);
        }
        for (at, column) in COLUMNS.iter().enumerate().take(REQUIRED) {
            if !columns.contains(&Some(at)) {
                self.wrong(line, column, "the column is missing", HEADER);
            }
        }
        let sound = self.findings.iter().skip(before).all(|found| found.severity == super::Severity::Warning);
        sound.then_some(columns)
    }

    fn read_json_lines(&mut self, lines: &mut source::Lines) {
        let shape = r#"a line is {"prompt_id": "...", "model": "...", "quality": 0.5, "cost_usd": 0.001}"#;
        let mut unread: BTreeMap<String, Tally> = BTreeMap::new();
        let mut text = Vec::new();
        while let Some((line, content)) = lines.next(&mut text) {
            if content.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let Some(text) = source::utf8(self.path, line, content, self.findings) else { continue };
            let object = match serde_json::from_str::<Object>(text) {
                Ok(Object(object)) => object,
                Err(error) => {
                    self.wrong(line, "", object::message(&error), shape);
                    continue;
                }
            };
            let mut cells = [const { Cell::Empty }; COLUMNS.len()];
            let mut sound = true;
            for (name, value) in object {
                if let Some(cell) = COLUMNS.iter().position(|&column| column == name).and_then(|at| cells.get_mut(at)) {
                    *cell = match value {
                        Value::Null => Cell::Empty,
                        Value::String(text) if matches!(name.as_str(), "prompt_id" | "model") => Cell::Text(text),
                        Value::Number(number) => number.as_f64().map_or(Cell::Other("a huge number"), Cell::Number),
                        other => Cell::Other(object::kind_of(&other)),
                    };
                } else if let Some(known) = source::misspelled(&name, &COLUMNS) {
                    sound = false;
                    self.wrong(line, &name, "unknown field", &format!("did you mean `{known}`?"));
                } else {
                    unread.entry(name).or_default().add(line);
                }
            }
            if sound {
                self.take(line, &cells);
            }
        }
        for (name, tally) in unread {
            let message = format!("the field is not read; lines that have it: {}", tally.count);
            self.findings.push(
                Finding::warning(self.path, tally.first, message)
                    .at_field(name)
                    .help(format!("the fields are {}", COLUMNS.join(", "))),
            );
        }
    }

    fn read_parquet(&mut self) {
        let path = self.path;
        let mut findings = std::mem::take(self.findings);
        parquet_rows::read(path, &COLUMNS, REQUIRED_IN_PARQUET, &mut findings, |row, fields, findings| {
            let mut cells = [const { Cell::Empty }; COLUMNS.len()];
            for (name, field) in fields {
                if let Some(cell) = COLUMNS.iter().position(|&column| column == name).and_then(|at| cells.get_mut(at)) {
                    *cell = Cell::from(&field);
                }
            }
            std::mem::swap(self.findings, findings);
            self.take(row, &cells);
            std::mem::swap(self.findings, findings);
        });
        *self.findings = findings;
    }

    /// Takes one row in, or says what is wrong with it: everything that is.
    fn take(&mut self, line: usize, cells: &[Cell; COLUMNS.len()]) {
        let [id, model, quality, cost, input, output, weight, propensity] = cells;
        let prompt = self.find_prompt(line, id);
        let model = self.find_model(line, model);
        let quality = self.number(line, "quality", quality, 0.0..=1.0, UNIT);
        let cost_usd = self.number(
            line,
            "cost_usd",
            cost,
            0.0..=f64::MAX,
            "US dollars, zero or more; leave it empty where unknown",
        );
        let input_tokens = self.tokens(line, "input_tokens", input);
        let output_tokens = self.tokens(line, "output_tokens", output);
        let weight = self.weight(line, weight);
        let propensity = self.propensity(line, propensity);
        let (Some(Some(row)), Some(Some(model))) = (prompt, model) else { return };
        let (Ok(quality), Ok(cost_usd), Ok(input_tokens), Ok(output_tokens), Ok(weight), Ok(propensity)) =
            (quality, cost_usd, input_tokens, output_tokens, weight, propensity)
        else {
            return self.seen.add(row, line, Outcome::new(model, f32::NAN));
        };
        let Some(quality) = quality else {
            self.seen.add(row, line, Outcome::new(model, f32::NAN));
            return self.read.without_quality.entry(model).or_default().add(line);
        };
        if cost_usd.is_none() {
            self.read.without_cost.add(line);
        }
        if propensity.is_none() {
            self.read.without_propensity.add(line);
        }
        // Adding zero makes a negative zero positive.
        let quality = quality as f32 + 0.0;
        self.seen.add(row, line, Outcome { model, quality, weight, propensity, cost_usd, input_tokens, output_tokens });
    }

    /// The row of a prompt: `None` for an unknown one, `Some(None)` for one that could not be read.
    #[allow(clippy::option_option, reason = "unknown and unreadable are told apart here and nowhere else")]
    fn find_prompt(&mut self, line: usize, id: &Cell) -> Option<Option<usize>> {
        let id = match id.name() {
            Ok(id) => id,
            Err(message) => {
                self.wrong(line, "prompt_id", message, "");
                return None;
            }
        };
        let found = self.prompts.places.get(id).map(|place| place.row);
        if found.is_none() && self.prompts.complete {
            self.wrong(line, "prompt_id", format!("unknown prompt `{id}`"), "it is not in the prompts file");
        }
        found
    }

    /// The index of a model: `None` for an unknown one, `Some(None)` where the pool could not be read.
    #[allow(clippy::option_option, reason = "unknown and unreadable are told apart here and nowhere else")]
    fn find_model(&mut self, line: usize, name: &Cell) -> Option<Option<ModelIndex>> {
        let name = match name.name() {
            Ok(name) => name,
            Err(message) => {
                self.wrong(line, "model", message, "");
                return None;
            }
        };
        if let Some(pool) = &self.models.pool {
            return match pool.index_of(name) {
                Ok(index) => Some(Some(index)),
                Err(error) => {
                    self.findings.push(
                        Finding::from_error(self.path, line, &error)
                            .of_kind(ErrorKind::Data)
                            .at_field("model")
                            .help("it is not in models.json"),
                    );
                    None
                }
            };
        }
        if self.models.complete && !self.models.lines.contains_key(name) {
            self.wrong(line, "model", format!("unknown model `{name}`"), "it is not in models.json");
            return None;
        }
        Some(None)
    }

    fn number(
        &mut self,
        line: usize,
        field: &str,
        cell: &Cell,
        allowed: std::ops::RangeInclusive<f64>,
        help: &str,
    ) -> Result<Option<f64>, ()> {
        let message = match cell.number() {
            Ok(Some(number)) if number.is_nan() => "the number is NaN".to_owned(),
            Ok(Some(number)) if number.is_infinite() => "the number is infinite".to_owned(),
            Ok(Some(number)) if *allowed.end() < f64::MAX && !allowed.contains(&number) => {
                format!("{number} is outside [{}, {}]", allowed.start(), allowed.end())
            }
            Ok(Some(number)) if number < *allowed.start() => format!("{number} is negative"),
            Ok(number) => return Ok(number),
            Err(message) => message,
        };
        self.wrong(line, field, message, help);
        Err(())
    }

    fn tokens(&mut self, line: usize, field: &str, cell: &Cell) -> Result<Option<u32>, ()> {
        let help = "a whole number of tokens, zero or more; leave it empty where unknown";
        let Some(number) = self.number(line, field, cell, 0.0..=f64::MAX, help)? else { return Ok(None) };
        // Tables with gaps are often written with whole numbers as `498.0`.
        if number.fract() != 0.0 || number > f64::from(u32::MAX) {
            self.wrong(line, field, format!("{number} is not a count of tokens"), help);
            return Err(());
        }
        Ok(Some(number as u32))
    }

    /// The weight of an outcome, 1 where the cell is empty.
    fn weight(&mut self, line: usize, cell: &Cell) -> Result<f32, ()> {
        let help = "how much the outcome counts, zero or more";
        let weight = self.number(line, "weight", cell, 0.0..=f64::MAX, help)?.unwrap_or(1.0);
        if weight > f64::from(f32::MAX) {
            self.wrong(line, "weight", format!("{weight} is too large"), help);
            return Err(());
        }
        Ok(weight as f32)
    }

    fn propensity(&mut self, line: usize, cell: &Cell) -> Result<Option<f32>, ()> {
        let help = "the probability that this model was asked, above 0 and at most 1";
        let propensity = self.number(line, "propensity", cell, 0.0..=1.0, help)?.map(|propensity| propensity as f32);
        if propensity == Some(0.0) {
            self.wrong(line, "propensity", "what has propensity 0 cannot have happened", help);
            return Err(());
        }
        Ok(propensity)
    }
}

const UNIT: &str = "a quality lies in [0, 1]; leave it empty where unknown";

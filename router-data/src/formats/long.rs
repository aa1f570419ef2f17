//! A plain long table, a row a prompt and model, as CSV, JSON Lines or Parquet. It carries everything.
//!
//! What belongs to a prompt or a model may stand in any of its rows; the first counts. A row without a model is a prompt
//! without outcomes, a row without a prompt a model without any.

use std::path::{Path, PathBuf};

use router_core::{Dataset, Error, ErrorKind, Message, Outcome, Prompt, PromptContent, Result};
use serde_json::Value;

use super::{Collector, Fields, Format, Output, Part, TableEvent, inputs, json_lines, table_rows};
use crate::directory::Finding;
use crate::table::{Cell, Table, Values};

/// The format.
#[derive(Debug)]
pub(super) struct Long;

/// The columns; those that nobody filled may be left out, but for `prompt_id`, `model` and `quality`.
const COLUMNS: [&str; 18] = [
    "prompt_id",
    "prompt",
    "messages",
    "benchmark",
    "description",
    "prompt_tags",
    "model",
    "quality",
    "cost_usd",
    "input_tokens",
    "output_tokens",
    "weight",
    "propensity",
    "input_usd_per_mtok",
    "output_usd_per_mtok",
    "context_window",
    "latency_seconds",
    "output_tokens_per_second",
];
const MODEL_TAGS: &str = "model_tags";
const REQUIRED: [&str; 3] = ["prompt_id", "model", "quality"];

impl Format for Long {
    fn name(&self) -> &'static str {
        "long"
    }

    fn summary(&self) -> &'static str {
        "a plain long table, csv, jsonl or parquet: a row a prompt and model"
    }

    fn carries(&self) -> &'static [Part] {
        &Part::ALL
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["csv", "jsonl", "parquet"]
    }

    fn read(&self, files: &[PathBuf], collector: &mut Collector) {
        for path in files {
            if inputs::extension(path).as_deref() == Some("jsonl") {
                json_lines(path, collector, |line, object, collector| {
                    let mut cells = [const { Cell::Empty }; COLUMNS.len() + 1];
                    for (name, value) in object {
                        if let Some(cell) = place(&name).and_then(|at| cells.get_mut(at)) {
                            *cell = Cell::from(value);
                        } else {
                            collector.remark(path, line, &name, "the field is not read");
                        }
                    }
                    take(path, line, &cells, collector);
                });
            } else {
                read_table(path, collector);
            }
        }
    }

    fn write(&self, dataset: &Dataset, out: &Path) -> Result<Output> {
        encode(&table(dataset)?, out, &["csv", "jsonl", "parquet"]).map(Output::File)
    }
}

/// The place of a column among [`COLUMNS`] and [`MODEL_TAGS`].
fn place(name: &str) -> Option<usize> {
    COLUMNS.iter().chain([&MODEL_TAGS]).position(|column| *column == name)
}

fn read_table(path: &Path, collector: &mut Collector) {
    let mut places = Vec::new();
    table_rows(path, &|name| place(name).is_some(), collector, &mut |event, collector| match event {
        TableEvent::Header(line, names) => {
            places = names.iter().map(|name| place(name)).collect();
            for name in names.iter().filter(|name| place(name).is_none()) {
                collector.remark(path, line, name, "the column is not read");
            }
            let mut sound = true;
            for (at, name) in names.iter().enumerate() {
                if place(name).is_some() && names.iter().take(at).any(|before| before == name) {
                    collector.fault(Finding::error(path, line, "the column stands twice").at_field(name.as_str()));
                    sound = false;
                }
            }
            for column in REQUIRED.into_iter().filter(|column| !names.iter().any(|name| name == column)) {
                let fault = Finding::error(path, line, "the column is missing").at_field(column);
                collector.fault(fault.help(format!("the columns are {}", COLUMNS.join(", "))));
                sound = false;
            }
            sound
        }
        TableEvent::Row(line, found) => {
            let mut cells = [const { Cell::Empty }; COLUMNS.len() + 1];
            for (place, cell) in places.iter().zip(found) {
                if let Some(known) = place.and_then(|at| cells.get_mut(at)) {
                    *known = cell.clone();
                }
            }
            take(path, line, &cells, collector);
            true
        }
    });
}

fn take(path: &Path, line: usize, cells: &[Cell; COLUMNS.len() + 1], collector: &mut Collector) {
    let [id, text, messages, benchmark, description, tags, model, quality, rest @ ..] = cells;
    let [cost, input, output, weight, propensity, input_price, output_price, window, latency, rate, model_tags] = rest;
    let mut row = Fields::new(path, line);
    let id = row.optional_text("prompt_id", id);
    let name = row.optional_text("model", model);
    if id.is_none() && name.is_none() {
        row.wrong("prompt_id", "the row names neither a prompt nor a model", "");
    }
    let content = content(&mut row, text, messages);
    let benchmark = row.optional_text("benchmark", benchmark);
    let description = row.optional_text("description", description);
    let tags = list(&mut row, "prompt_tags", tags);
    let quality = row.quality("quality", quality);
    let cost_usd = row.amount("cost_usd", cost);
    let input_tokens = row.count("input_tokens", input);
    let output_tokens = row.count("output_tokens", output);
    let weight = row.amount("weight", weight).unwrap_or(1.0);
    let propensity = row.amount("propensity", propensity);
    if propensity.is_some_and(|propensity| !(propensity > 0.0 && propensity <= 1.0)) {
        row.wrong("propensity", "a propensity is above 0 and at most 1", "the probability that this model was asked");
    }
    if weight > f64::from(f32::MAX) {
        row.wrong("weight", format!("{weight} is too large"), "how much the outcome counts, zero or more");
    }
    let prices = (row.amount("input_usd_per_mtok", input_price), row.amount("output_usd_per_mtok", output_price));
    let context_window = row.count("context_window", window);
    let speeds = (row.amount("latency_seconds", latency), row.amount("output_tokens_per_second", rate));
    if speeds.1 == Some(0.0) {
        row.wrong("output_tokens_per_second", "a rate is above zero", "leave it empty where unknown");
    }
    let model_tags = list(&mut row, MODEL_TAGS, model_tags);
    // A prompt's text may stand in its first row alone.
    if let (Some(id), None) = (&id, &content)
        && collector.is_free(id)
    {
        row.wrong("prompt", "the field is missing or empty", "the first row of a prompt holds its text");
    }
    if !collector.close(row) {
        return;
    }
    let model = name.map(|name| collector.model(&name));
    if let Some(known) = model.and_then(|model| collector.model_mut(model)) {
        known.input_usd_per_mtok = known.input_usd_per_mtok.or(prices.0);
        known.output_usd_per_mtok = known.output_usd_per_mtok.or(prices.1);
        known.context_window = known.context_window.or(context_window);
        known.latency_seconds = known.latency_seconds.or(speeds.0);
        known.output_tokens_per_second = known.output_tokens_per_second.or(speeds.1);
        if known.tags.is_empty() {
            known.tags = model_tags;
        }
    }
    let Some(id) = id else { return };
    let (row, new) = collector.prompt(id.clone(), |_| Prompt {
        id,
        content: content.clone().unwrap_or_else(|| PromptContent::Text(String::new())),
        benchmark,
        description,
        tags,
    });
    if let (false, Some(content), Some(known)) = (new, content, collector.prompt_at(row))
        && known.content != content
    {
        collector.remark(path, line, "prompt", "another text than the prompt of this id had first; the first is kept");
    }
    if let (Some(model), Some(quality)) = (model, quality) {
        let (weight, propensity) = (weight as f32, propensity.map(|propensity| propensity as f32));
        let outcome = Outcome { model, quality, weight, propensity, cost_usd, input_tokens, output_tokens };
        collector.outcome(row, outcome, path, line);
    }
}

/// The text, or the conversation, of a row; none if neither stands there.
fn content(row: &mut Fields<'_>, text: &Cell, messages: &Cell) -> Option<PromptContent> {
    let help = r#"[{"role": "user", "content": "..."}]"#;
    // In JSON Lines a conversation may stand in `prompt`, as in a data set directory.
    let (field, messages) = if matches!(text, Cell::Json(_)) { ("prompt", text) } else { ("messages", messages) };
    let read = match messages {
        Cell::Empty => None,
        Cell::Json(value) => {
            Some(serde_json::from_value::<Vec<Message>>(value.clone()).map_err(|error| error.to_string()))
        }
        Cell::Text(json) => Some(serde_json::from_str(json).map_err(|error| error.to_string())),
        other => Some(Err(format!("expected a list of messages, found {}", other.kind()))),
    };
    match read {
        Some(Ok(messages)) if messages.iter().any(|message| !message.content.trim().is_empty()) => {
            return Some(PromptContent::Messages(messages));
        }
        Some(Ok(_)) => row.wrong(field, "the conversation is empty", help),
        Some(Err(message)) => row.wrong(field, message, help),
        None => {}
    }
    if matches!(text, Cell::Json(_)) {
        return None;
    }
    let text = row.optional_text("prompt", text)?;
    if text.trim().is_empty() {
        row.wrong("prompt", "the prompt is empty", "");
        return None;
    }
    Some(PromptContent::Text(text))
}

/// The list of texts in `field`: a list, or JSON of one.
fn list(row: &mut Fields<'_>, field: &str, cell: &Cell) -> Vec<String> {
    let read = match cell {
        Cell::Empty => return Vec::new(),
        Cell::Json(value) => serde_json::from_value(value.clone()).ok(),
        Cell::Text(json) => serde_json::from_str(json).ok(),
        _ => None,
    };
    read.unwrap_or_else(|| {
        row.wrong(field, "expected a list of texts", r#"such as ["long", "german"]"#);
        Vec::new()
    })
}

/// A row of the table: what it says of a prompt, of a model, of both.
type Row<'a> = (Option<&'a Prompt>, Option<usize>, Option<&'a Outcome>);

fn table(dataset: &Dataset) -> Result<Table> {
    let pool = dataset.models();
    // The first row of every model, and the first of every prompt, tells about it. Models come first, so that their order is kept.
    let mut rows: Vec<Row<'_>> = (0..pool.len()).map(|model| (None, Some(model), None)).collect();
    for (row, prompt) in dataset.prompts().iter().enumerate() {
        let outcomes = dataset.outcomes().row(row);
        if outcomes.is_empty() {
            rows.push((Some(prompt), None, None));
        }
        rows.extend(outcomes.iter().map(|outcome| (Some(prompt), Some(outcome.model), Some(outcome))));
    }
    let of_prompt = |get: &dyn Fn(&Prompt) -> Option<String>| {
        Values::Text(rows.iter().map(|(prompt, ..)| prompt.and_then(get)).collect())
    };
    let model = |index: Option<usize>| index.and_then(|index| pool.get(index));
    let of_model = |get: &dyn Fn(&router_core::Model) -> Option<f64>| {
        // Once a model is enough, and keeps the file small.
        let value = |&(prompt, index, _): &Row<'_>| if prompt.is_some() { None } else { model(index).and_then(get) };
        Values::Number(rows.iter().map(value).collect())
    };
    let of_outcome = |get: &dyn Fn(&Outcome) -> Option<f64>| {
        Values::Number(rows.iter().map(|(_, _, outcome)| outcome.and_then(get)).collect())
    };
    let counts = |get: &dyn Fn(&Outcome) -> Option<u32>| {
        Values::Integer(rows.iter().map(|(_, _, outcome)| outcome.and_then(get).map(i64::from)).collect())
    };
    let text = |prompt: &Prompt| match &prompt.content {
        PromptContent::Text(text) => Some(text.clone()),
        PromptContent::Messages(_) => None,
    };
    let messages = |prompt: &Prompt| match &prompt.content {
        PromptContent::Text(_) => None,
        PromptContent::Messages(messages) => serde_json::to_string(messages).ok(),
    };
    let tags = |tags: &[String]| (!tags.is_empty()).then(|| Value::from(tags).to_string());
    let mut table = Table::new(rows.len());
    table.push("prompt_id", of_prompt(&|prompt| Some(prompt.id.clone())))?;
    table.push("prompt", of_prompt(&text))?;
    table.push_known("messages", of_prompt(&messages))?;
    table.push_known("benchmark", of_prompt(&|prompt| prompt.benchmark.clone()))?;
    table.push_known("description", of_prompt(&|prompt| prompt.description.clone()))?;
    table.push_known("prompt_tags", of_prompt(&|prompt| tags(&prompt.tags)))?;
    let names = rows.iter().map(|&(_, index, _)| model(index).map(|model| model.name.clone()));
    table.push("model", Values::Text(names.collect()))?;
    table.push("quality", of_outcome(&|outcome| Some(super::shortest(outcome.quality))))?;
    table.push_known("cost_usd", of_outcome(&|outcome| outcome.cost_usd))?;
    table.push_known("input_tokens", counts(&|outcome| outcome.input_tokens))?;
    table.push_known("output_tokens", counts(&|outcome| outcome.output_tokens))?;
    let weight = |outcome: &Outcome| (outcome.weight != 1.0).then(|| super::shortest(outcome.weight));
    table.push_known("weight", of_outcome(&weight))?;
    table.push_known("propensity", of_outcome(&|outcome| outcome.propensity.map(super::shortest)))?;
    table.push_known("input_usd_per_mtok", of_model(&|model| model.input_usd_per_mtok))?;
    table.push_known("output_usd_per_mtok", of_model(&|model| model.output_usd_per_mtok))?;
    table.push_known("context_window", of_model(&|model| model.context_window.map(f64::from)))?;
    table.push_known("latency_seconds", of_model(&|model| model.latency_seconds))?;
    table.push_known("output_tokens_per_second", of_model(&|model| model.output_tokens_per_second))?;
    let model_tags = |&(prompt, index, _): &Row<'_>| match (prompt, model(index)) {
        (None, Some(model)) => tags(&model.tags),
        _ => None,
    };
    table.push_known(MODEL_TAGS, Values::Text(rows.iter().map(model_tags).collect()))?;
    Ok(table)
}

/// `table` in the format that the name of `out` tells, one of `endings`.
pub(super) fn encode(table: &Table, out: &Path, endings: &[&str]) -> Result<Vec<u8>> {
    let ending = out.extension().map(|ending| ending.to_string_lossy().into_owned()).unwrap_or_default();
    match ending.as_str() {
        "csv" if endings.contains(&"csv") => table.csv(),
        "parquet" if endings.contains(&"parquet") => table.parquet(),
        "jsonl" if endings.contains(&"jsonl") => {
            let mut bytes = Vec::new();
            for mut object in table.objects() {
                object.retain(|_, value| !value.is_null());
                serde_json::to_writer(&mut bytes, &object)
                    .map_err(|source| Error::new(ErrorKind::Internal, "cannot write a row").caused_by(source))?;
                bytes.push(b'\n');
            }
            Ok(bytes)
        }
        _ => {
            let known: Vec<String> = endings.iter().map(|ending| format!(".{ending}")).collect();
            Err(Error::new(ErrorKind::Usage, "the name does not say how to write the table")
                .in_file(out)
                .help(format!("let it end in {}", known.join(", "))))
        }
    }
}

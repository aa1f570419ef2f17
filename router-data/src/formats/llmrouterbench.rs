//! LLMRouterBench: a JSON file a data set, split and model, under `results/bench/<dataset>/<split>/<model>/`.
//!
//! A file is an object with `model_name`, `dataset_name`, `split`, sums, and `records`, a list of `index`, `origin_query`, `prompt`,
//! `prediction`, `ground_truth`, `score`, `prompt_tokens`, `completion_tokens`, `cost`, `raw_output`, `extra_fields`. Of several files
//! for the same three the latest counts, by the time in its name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use router_core::{Dataset, Error, ErrorKind, Outcome, Prompt, PromptContent, Result};
use serde_json::{Map, Value, json};

use super::names::folder_names;
use super::rows::{json_document, take_cell};
use super::{Collector, Fields, Format, Output, Part};
use crate::directory::Finding;
use crate::directory::json_places::{elements, members};
use crate::directory::object::{self, Object};
use crate::table::Cell;

/// The format.
#[derive(Debug)]
pub(super) struct LlmRouterBench;

/// The split that an export calls itself.
const SPLIT: &str = "test";
/// A time in the name of a file, without which the latest cannot be told; an export knows none.
const NO_TIME: &str = "00000000_000000";
/// The folder of prompts without a benchmark.
const NO_BENCHMARK: &str = "unnamed";
/// Where an export keeps a prompt's id: LLMRouterBench leaves `extra_fields` to whoever writes a record.
const ID: &str = "prompt_id";

impl Format for LlmRouterBench {
    fn name(&self) -> &'static str {
        "llmrouterbench"
    }

    fn summary(&self) -> &'static str {
        "LLMRouterBench's tree of result json: a file a data set, split and model"
    }

    fn carries(&self) -> &'static [Part] {
        &[
            Part::PromptIds,
            Part::Benchmarks,
            Part::Conversations,
            Part::Costs,
            Part::Tokens,
            Part::PromptsWithoutOutcomes,
            Part::ModelsWithoutOutcomes,
        ]
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["json"]
    }

    fn read(&self, files: &[PathBuf], collector: &mut Collector) {
        // The latest file a data set, split and model; names sort by time.
        let mut latest: BTreeMap<[Option<String>; 3], ResultFile> = BTreeMap::new();
        for path in files {
            let Some(file) = read_head(path, collector) else { continue };
            let key = [file.benchmark.clone(), Some(file.split.clone()), Some(file.model.clone())];
            let older = match latest.entry(key) {
                std::collections::btree_map::Entry::Vacant(place) => {
                    place.insert(file);
                    continue;
                }
                std::collections::btree_map::Entry::Occupied(mut place) => {
                    if time(&place.get().path) <= time(&file.path) { place.insert(file) } else { file }
                }
            };
            collector.remark(
                &older.path,
                1,
                "",
                "a later file of the same data set, split and model is read in its stead",
            );
        }
        for file in latest.values() {
            file.read_records(collector);
        }
    }

    fn write(&self, dataset: &Dataset, _: &Path) -> Result<Output> {
        write(dataset).map(Output::Directory)
    }
}

/// The last part of a name that looks like a time, `YYYYMMDD_HHMMSS`; the name itself breaks ties.
fn time(path: &Path) -> (String, String) {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let letters: Vec<char> = stem.chars().collect();
    let tail: String = letters.get(letters.len().saturating_sub(NO_TIME.len())..).unwrap_or_default().iter().collect();
    let is_time = tail.len() == NO_TIME.len()
        && tail.char_indices().all(|(at, letter)| if at == 8 { letter == '_' } else { letter.is_ascii_digit() });
    (if is_time { tail } else { String::new() }, stem)
}

/// One result file: what it says of itself, and its records as bytes.
struct ResultFile {
    path: PathBuf,
    benchmark: Option<String>,
    split: String,
    model: String,
    records: Vec<u8>,
    /// The line that the records start in.
    line: usize,
}

fn read_head(path: &Path, collector: &mut Collector) -> Option<ResultFile> {
    let bytes = json_document(path, collector)?;
    let help = r#"a result file is {"model_name", "dataset_name", "split", "records": [...]}"#;
    let members = members(&bytes);
    let find = |name: &str| members.iter().find(|(_, member, _)| member == name);
    // The folders above say the same: <dataset>/<split>/<model>/<file>.
    let folder =
        |up: usize| path.ancestors().nth(up).and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    let text = |name: &str, up: usize| match find(name) {
        Some((_, _, value)) => serde_json::from_slice::<Option<String>>(value).ok(),
        None => Some(folder(up)),
    };
    if find("demo").is_some_and(|(_, _, value)| value.starts_with(b"true")) {
        collector.remark(path, 1, "demo", "a demonstration is not read");
        return None;
    }
    let Some((line, _, records)) = find("records") else {
        collector.fault(Finding::error(path, 1, "the field is missing").at_field("records").help(help));
        return None;
    };
    if !records.starts_with(b"[") {
        collector.fault(Finding::error(path, *line, "expected a list of records").at_field("records").help(help));
        return None;
    }
    let (benchmark, split, model) = (text("dataset_name", 3), text("split", 2), text("model_name", 1));
    for (name, value) in [("dataset_name", &benchmark), ("split", &split), ("model_name", &model)] {
        if value.is_none() {
            let line = find(name).map_or(1, |(line, ..)| *line);
            collector.fault(Finding::error(path, line, "expected a text").at_field(name).help(help));
        }
    }
    let Some(model) = model?.filter(|model| !model.is_empty()) else {
        collector.fault(Finding::error(path, 1, "the field is missing or empty").at_field("model_name").help(help));
        return None;
    };
    Some(ResultFile {
        path: path.to_path_buf(),
        benchmark: benchmark?.filter(|name| !name.is_empty()),
        split: split?.unwrap_or_default(),
        model,
        records: records.to_vec(),
        line: *line,
    })
}

impl ResultFile {
    fn read_records(&self, collector: &mut Collector) {
        let path = self.path.as_path();
        let model = collector.model(&self.model);
        for (line, record) in elements(&self.records) {
            let line = self.line + line - 1;
            let mut object = match serde_json::from_slice::<Object>(record) {
                Ok(Object(object)) => object,
                Err(error) => {
                    let line = line + error.line().saturating_sub(1);
                    collector.malformed(Finding::error(path, line, object::message(&error)));
                    continue;
                }
            };
            let mut row = Fields::new(path, line);
            let index = row.text("index", &take_cell(&mut object, "index"));
            let content = content(&mut row, &mut object);
            let score = row.quality("score", &take_cell(&mut object, "score"));
            let input_tokens = row.count("prompt_tokens", &take_cell(&mut object, "prompt_tokens"));
            let output_tokens = row.count("completion_tokens", &take_cell(&mut object, "completion_tokens"));
            let cost_usd = row.amount("cost", &take_cell(&mut object, "cost"));
            let id = match object.get("extra_fields").and_then(|extra| extra.get(ID)) {
                Some(Value::String(id)) if !id.is_empty() => Some(id.clone()),
                _ => None,
            };
            let (true, Some(index), Some(content)) = (collector.close(row), index, content) else { continue };
            let benchmark = self.benchmark.as_deref().unwrap_or_default();
            let key = [benchmark, &self.split, &index].join("\u{1f}");
            let (row, new) = collector.prompt(key, |collector| {
                let own = [benchmark, &self.split, &index].join("/");
                let free = [id, Some(own)].into_iter().flatten().find(|id| collector.is_free(id));
                let id = free.unwrap_or_else(|| collector.next_id("record"));
                Prompt { content: content.clone(), benchmark: self.benchmark.clone(), ..Prompt::new(id, "") }
            });
            if !new && collector.prompt_at(row).is_some_and(|known| known.content != content) {
                collector.remark(
                    path,
                    line,
                    "prompt",
                    "another text than the record of this index had first; the first is kept",
                );
            }
            if let Some(quality) = score {
                let outcome = Outcome { cost_usd, input_tokens, output_tokens, ..Outcome::new(model, quality) };
                collector.outcome(row, outcome, path, line);
            }
        }
    }
}

/// What was asked: `prompt`, a text or a conversation; where there is none, `origin_query`.
fn content(row: &mut Fields<'_>, object: &mut Map<String, Value>) -> Option<PromptContent> {
    let (prompt, query) = (take_cell(object, "prompt"), take_cell(object, "origin_query"));
    let (field, cell) = if prompt == Cell::Empty { ("origin_query", query) } else { ("prompt", prompt) };
    let content = match cell {
        Cell::Json(messages) => match serde_json::from_value::<PromptContent>(messages) {
            Ok(content) => content,
            Err(_) => {
                row.wrong(field, "neither a text nor a list of messages", r#"[{"role": "user", "content": "..."}]"#);
                return None;
            }
        },
        other => PromptContent::Text(row.text(field, &other)?),
    };
    let empty = match &content {
        PromptContent::Text(text) => text.trim().is_empty(),
        PromptContent::Messages(messages) => messages.iter().all(|message| message.content.trim().is_empty()),
    };
    if empty {
        row.wrong(field, "the prompt is empty", "");
        return None;
    }
    Some(content)
}

fn write(dataset: &Dataset) -> Result<Vec<(PathBuf, Vec<u8>)>> {
    let (prompts, pool) = (dataset.prompts(), dataset.models());
    let mut benchmarks: BTreeMap<Option<&str>, Vec<usize>> = BTreeMap::new();
    for (row, prompt) in prompts.iter().enumerate() {
        benchmarks.entry(prompt.benchmark.as_deref()).or_default().push(row);
    }
    let folders = folder_names(benchmarks.keys().map(|name| name.unwrap_or(NO_BENCHMARK)));
    let model_folders = folder_names(pool.models().iter().map(|model| model.name.as_str()));
    let fingerprint = dataset.fingerprint();
    let mut seen = vec![false; pool.len()];
    let mut files = Vec::new();
    for (first, ((benchmark, rows), folder)) in benchmarks.iter().zip(&folders).enumerate() {
        for ((at, model), model_folder) in pool.models().iter().enumerate().zip(&model_folders) {
            let records: Vec<Value> = rows.iter().filter_map(|&row| record(dataset, row, at)).collect();
            // A model without any outcome is named once, by a file without records.
            let unseen = first + 1 == benchmarks.len() && seen.get(at) == Some(&false);
            if records.is_empty() && !unseen {
                continue;
            }
            if let Some(seen) = seen.get_mut(at) {
                *seen = true;
            }
            let total = |field: &str| -> f64 { records.iter().filter_map(|record| record.get(field)?.as_f64()).sum() };
            let scored = records.iter().filter(|record| record.get("score").is_some_and(Value::is_number)).count();
            let document = json!({
                "performance": if scored > 0 { json!(total("score") / scored as f64) } else { Value::Null },
                "time_taken": null,
                "prompt_tokens": total("prompt_tokens") as u64,
                "completion_tokens": total("completion_tokens") as u64,
                "cost": total("cost"),
                "counts": records.len(),
                "model_name": model.name,
                "dataset_name": benchmark,
                "split": SPLIT,
                "demo": false,
                "extra_metrics": {},
                "data_fingerprint": fingerprint,
                "records": records,
            });
            let mut bytes = serde_json::to_vec_pretty(&document)
                .map_err(|source| Error::new(ErrorKind::Internal, "cannot write a result file").caused_by(source))?;
            bytes.push(b'\n');
            let name = format!("{folder}-{SPLIT}-{model_folder}-{NO_TIME}.json");
            let place: PathBuf = ["results", "bench", folder, SPLIT, model_folder, &name].iter().collect();
            files.push((place, bytes));
        }
    }
    Ok(files)
}

/// What model `at` did on prompt `row`. A prompt without any outcome is told of by the first model, without a score.
fn record(dataset: &Dataset, row: usize, at: usize) -> Option<Value> {
    let prompt = dataset.prompts().get(row)?;
    let outcome = dataset.outcomes().get(row, at);
    if outcome.is_none() && !(at == 0 && dataset.outcomes().row(row).is_empty()) {
        return None;
    }
    Some(json!({
        "index": row,
        "origin_query": prompt.text(),
        "prompt": prompt.content,
        "prompt_tokens": outcome.and_then(|outcome| outcome.input_tokens),
        "completion_tokens": outcome.and_then(|outcome| outcome.output_tokens),
        "cost": outcome.and_then(|outcome| outcome.cost_usd),
        "score": outcome.map(|outcome| super::shortest(outcome.quality)),
        "prediction": null,
        "ground_truth": null,
        "raw_output": null,
        "extra_fields": { ID: prompt.id },
    }))
}

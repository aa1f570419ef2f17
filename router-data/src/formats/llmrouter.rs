//! LLMRouter (U Lab, UIUC): queries and routing rows as JSON Lines, models as one JSON object.
//!
//! - query: `task_name`, `query`, `ground_truth`, `metric`, `choices`, `task_id`
//! - routing, a line a query and model: those and `model_name`, `response`, `token_num`, `input_tokens`, `output_tokens`,
//!   `response_time`, `performance`, `embedding_id`
//! - models: `{name: {"size", "feature", "input_price", "output_price", "model", "service", "api_endpoint"}}`

use std::path::{Path, PathBuf};

use router_core::{Dataset, Error, ErrorKind, Outcome, Prompt, Result};
use serde_json::{Map, Value, json};

use super::rows::{json_document, take_cell};
use super::{Collector, Fields, Format, Output, Part, inputs, json_lines};
use crate::directory::Finding;
use crate::directory::json_places::{lines_before_key, members};
use crate::directory::object::{self, Object};
use crate::table::Cell;

/// The format.
#[derive(Debug)]
pub(super) struct LlmRouter;

impl Format for LlmRouter {
    fn name(&self) -> &'static str {
        "llmrouter"
    }

    fn summary(&self) -> &'static str {
        "LLMRouter's query jsonl, routing jsonl and llm json"
    }

    fn carries(&self) -> &'static [Part] {
        &[
            Part::PromptIds,
            Part::PromptOrder,
            Part::ModelOrder,
            Part::Benchmarks,
            Part::Tokens,
            Part::Prices,
            Part::PromptsWithoutOutcomes,
            Part::ModelsWithoutOutcomes,
        ]
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["json", "jsonl"]
    }

    fn read(&self, files: &[PathBuf], collector: &mut Collector) {
        let is_lines = |path: &&PathBuf| inputs::extension(path).as_deref() != Some("json");
        // Models first, so that the pool has their order.
        for path in files.iter().filter(|path| !is_lines(path)) {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            if name.contains("embedding") {
                collector.remark(path, 1, "", "embeddings of models are not read");
            } else {
                read_models(path, collector);
            }
        }
        for path in files.iter().filter(is_lines) {
            json_lines(path, collector, |line, object, collector| take(path, line, object, collector));
        }
    }

    fn write(&self, dataset: &Dataset, _: &Path) -> Result<Output> {
        Ok(Output::Directory(vec![
            ("llm.json".into(), models(dataset)?),
            ("query.jsonl".into(), queries(dataset)?),
            ("routing.jsonl".into(), routing(dataset)?),
        ]))
    }
}

fn read_models(path: &Path, collector: &mut Collector) {
    let Some(bytes) = json_document(path, collector) else { return };
    let help = r#"expected {"model": {"input_price": 0.2, "output_price": 0.2}, ...}"#;
    if let Err(error) = serde_json::from_slice::<Object>(&bytes) {
        return collector.fault(Finding::error(path, error.line().max(1), object::message(&error)).help(help));
    }
    for (line, name, entry) in members(&bytes) {
        let object = match serde_json::from_slice::<Object>(entry) {
            Ok(Object(object)) => object,
            Err(error) => {
                let line = line + error.line().saturating_sub(1);
                collector.malformed(Finding::error(path, line, object::message(&error)).at_field(name).help(help));
                continue;
            }
        };
        let mut row = Fields::new(path, line);
        if name.is_empty() {
            row.wrong("", "the name of a model is empty", help);
        }
        let mut price = |field: &str| {
            let mut field_row = Fields::new(path, line + lines_before_key(entry, field));
            let price = field_row.amount(field, &object.get(field).cloned().map_or(Cell::Empty, Cell::from));
            row.faults.append(&mut field_row.faults);
            price
        };
        let prices = (price("input_price"), price("output_price"));
        if collector.close(row) {
            let model = collector.model(&name);
            if let Some(model) = collector.model_mut(model) {
                (model.input_usd_per_mtok, model.output_usd_per_mtok) = prices;
            }
        }
    }
}

/// Takes a line in: one with a model's name is a routing row, any other a query.
fn take(path: &Path, line: usize, mut object: Map<String, Value>, collector: &mut Collector) {
    let text = |value: Option<&Value>| value.filter(|value| !value.is_null()).map(Value::to_string).unwrap_or_default();
    let (truth, metric) = (text(object.get("ground_truth")), text(object.get("metric")));
    let routing = object.contains_key("model_name");
    let mut row = Fields::new(path, line);
    let query = row.text("query", &take_cell(&mut object, "query"));
    let task = row.optional_text("task_name", &take_cell(&mut object, "task_name"));
    let id = row.optional_text("task_id", &take_cell(&mut object, "task_id"));
    let mut seen = None;
    if routing {
        let model = row.text("model_name", &take_cell(&mut object, "model_name"));
        let quality = row.quality("performance", &take_cell(&mut object, "performance"));
        let input_tokens = row.count("input_tokens", &take_cell(&mut object, "input_tokens"));
        let output_tokens = row.count("output_tokens", &take_cell(&mut object, "output_tokens"));
        seen = model.map(|model| (model, quality, input_tokens, output_tokens));
    }
    let (true, Some(query)) = (collector.close(row), query) else { return };
    // LLMRouter tells queries apart by task, text, truth and metric; ids of tasks of code stand in `task_id`.
    let key = [task.as_deref().unwrap_or_default(), &query, &truth, &metric, id.as_deref().unwrap_or_default()];
    let (at, _) = collector.prompt(key.join("\u{1f}"), |collector| {
        let stem = task.clone().unwrap_or_else(|| "query".to_owned());
        let free = id.filter(|id| collector.is_free(id));
        Prompt { benchmark: task, ..Prompt::new(free.unwrap_or_else(|| collector.next_id(&stem)), query) }
    });
    if let Some((model, quality, input_tokens, output_tokens)) = seen {
        let model = collector.model(&model);
        if let Some(quality) = quality {
            let outcome = Outcome { input_tokens, output_tokens, ..Outcome::new(model, quality) };
            collector.outcome(at, outcome, path, line);
        }
    }
}

fn query(prompt: &Prompt) -> Map<String, Value> {
    let fields = [
        ("task_name", json!(prompt.benchmark)),
        ("query", json!(prompt.text())),
        ("ground_truth", Value::Null),
        ("metric", Value::Null),
        ("choices", Value::Null),
        ("task_id", json!(prompt.id)),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn queries(dataset: &Dataset) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for prompt in dataset.prompts() {
        push_line(&mut bytes, &query(prompt))?;
    }
    Ok(bytes)
}

fn routing(dataset: &Dataset) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for (row, outcome) in dataset.outcomes().iter() {
        let Some(prompt) = dataset.prompts().get(row) else { continue };
        let mut line = query(prompt);
        let all = outcome.input_tokens.zip(outcome.output_tokens).map(|(a, b)| u64::from(a) + u64::from(b));
        let fields = [
            ("model_name", json!(dataset.models().name(outcome.model))),
            ("response", Value::Null),
            ("token_num", json!(all)),
            ("input_tokens", json!(outcome.input_tokens)),
            ("output_tokens", json!(outcome.output_tokens)),
            ("response_time", Value::Null),
            ("performance", json!(super::shortest(outcome.quality))),
            ("embedding_id", json!(row)),
        ];
        line.extend(fields.map(|(name, value)| (name.to_owned(), value)));
        push_line(&mut bytes, &line)?;
    }
    Ok(bytes)
}

fn push_line(bytes: &mut Vec<u8>, line: &Map<String, Value>) -> Result<()> {
    serde_json::to_writer(&mut *bytes, line).map_err(internal)?;
    bytes.push(b'\n');
    Ok(())
}

fn models(dataset: &Dataset) -> Result<Vec<u8>> {
    let mut pool = Map::new();
    for model in dataset.models().models() {
        pool.insert(
            model.name.clone(),
            json!({
                "size": null,
                "feature": null,
                "input_price": model.input_usd_per_mtok,
                "output_price": model.output_usd_per_mtok,
                "model": model.name,
                "service": null,
                "api_endpoint": null,
            }),
        );
    }
    let mut bytes = serde_json::to_vec_pretty(&Value::Object(pool)).map_err(internal)?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn internal(source: serde_json::Error) -> Error {
    Error::new(ErrorKind::Internal, "cannot write LLMRouter's files").caused_by(source)
}

//! RouterArena (Lu et al., 2025): files of predictions, a JSON list of entries, and a file of prices.
//!
//! An entry is `global index`, `prompt`, `prediction` (a model), `generated_result` (with `token_usage`), `cost`, `accuracy`,
//! `for_optimality`. The price file is `{model: {"input_token_price_per_million", "output_token_price_per_million"}}`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use router_core::{Dataset, Error, ErrorKind, Outcome, Prompt, Result};
use serde_json::{Map, Value, json};

use super::rows::{json_document, take_cell};
use super::{Collector, Fields, Format, Output, Part};
use crate::directory::Finding;
use crate::directory::json_places::{elements, lines_before_key, members};
use crate::directory::object::{self, Object};
use crate::table::Cell;

/// The format.
#[derive(Debug)]
pub(super) struct RouterArena;

const INPUT_PRICE: &str = "input_token_price_per_million";
const OUTPUT_PRICE: &str = "output_token_price_per_million";

impl Format for RouterArena {
    fn name(&self) -> &'static str {
        "routerarena"
    }

    fn summary(&self) -> &'static str {
        "RouterArena's prediction json and price json"
    }

    fn carries(&self) -> &'static [Part] {
        &[Part::PromptIds, Part::PromptOrder, Part::Costs, Part::Tokens, Part::Prices, Part::PromptsWithoutOutcomes]
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["json"]
    }

    fn read(&self, files: &[PathBuf], collector: &mut Collector) {
        let mut prices = HashMap::new();
        for path in files {
            let Some(bytes) = json_document(path, collector) else { continue };
            let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            if name.ends_with("-robustness") {
                collector.remark(path, 1, "", "predictions for altered prompts are not read");
            } else if bytes.trim_ascii_start().starts_with(b"[") {
                read_predictions(path, &bytes, collector);
            } else if bytes.windows(INPUT_PRICE.len()).any(|window| window == INPUT_PRICE.as_bytes()) {
                read_prices(path, &bytes, &mut prices, collector);
            } else {
                collector.remark(path, 1, "", "the file holds neither predictions nor prices and is not read");
            }
        }
        // The price file knows many models that nobody was sent to.
        let mut ranks = HashMap::new();
        for (name, (rank, input, output)) in &prices {
            if let Some(model) = collector.known_model(name)
                && let Some(model) = collector.model_mut(model)
            {
                (model.input_usd_per_mtok, model.output_usd_per_mtok) = (*input, *output);
                ranks.insert(name.as_str(), *rank);
            }
        }
        collector.order_models(|name| ranks.get(name).copied());
    }

    fn write(&self, dataset: &Dataset, _: &Path) -> Result<Output> {
        Ok(Output::Directory(vec![
            (["model_cost", "model_cost.json"].iter().collect(), prices(dataset)?),
            (["router_inference", "predictions", "outcomes.json"].iter().collect(), predictions(dataset)?),
        ]))
    }
}

/// Where a model stands in the price file, and its prices.
type Prices = HashMap<String, (u64, Option<f64>, Option<f64>)>;

fn read_prices(path: &Path, bytes: &[u8], prices: &mut Prices, collector: &mut Collector) {
    for (line, name, entry) in members(bytes) {
        let Ok(Object(object)) = serde_json::from_slice::<Object>(entry) else {
            let help = "expected {\"input_token_price_per_million\": 0.15, \"output_token_price_per_million\": 0.6}";
            collector.malformed(Finding::error(path, line, "not an object of prices").at_field(name).help(help));
            continue;
        };
        let mut row = Fields::new(path, line);
        let mut price = |field: &str| {
            let mut field_row = Fields::new(path, line + lines_before_key(entry, field));
            let price = field_row.amount(field, &object.get(field).cloned().map_or(Cell::Empty, Cell::from));
            row.faults.append(&mut field_row.faults);
            price
        };
        let (input, output) = (price(INPUT_PRICE), price(OUTPUT_PRICE));
        if collector.close(row) {
            let rank = prices.len() as u64;
            prices.entry(name).or_insert((rank, input, output));
        }
    }
}

fn read_predictions(path: &Path, bytes: &[u8], collector: &mut Collector) {
    for (line, entry) in elements(bytes) {
        let mut object = match serde_json::from_slice::<Object>(entry) {
            Ok(Object(object)) => object,
            Err(error) => {
                let line = line + error.line().saturating_sub(1);
                collector.malformed(Finding::error(path, line, object::message(&error)));
                continue;
            }
        };
        let mut row = Fields::new(path, line);
        let id = row.text("global index", &take_cell(&mut object, "global index"));
        let text = row.text("prompt", &take_cell(&mut object, "prompt"));
        let model = row.text("prediction", &take_cell(&mut object, "prediction"));
        let accuracy = row.quality("accuracy", &take_cell(&mut object, "accuracy"));
        let cost_usd = row.amount("cost", &take_cell(&mut object, "cost"));
        let mut tokens = |field: &str| {
            let usage = object.get("generated_result").and_then(|result| result.get("token_usage"));
            let cell = usage.and_then(|usage| usage.get(field)).cloned().map_or(Cell::Empty, Cell::from);
            row.count(&format!("generated_result.token_usage.{field}"), &cell)
        };
        let (input_tokens, output_tokens) = (tokens("input_tokens"), tokens("output_tokens"));
        if let (true, Some(id), Some(text), Some(model)) = (collector.close(row), id, text, model) {
            let benchmark = benchmark(&id);
            let (row, new) = collector.prompt(id.clone(), |_| Prompt { benchmark, ..Prompt::new(id, text.clone()) });
            if !new && collector.prompt_at(row).is_some_and(|known| known.text() != text) {
                collector.remark(
                    path,
                    line,
                    "prompt",
                    "another text than the prompt of this index had first; the first is kept",
                );
            }
            let model = collector.model(&model);
            if let Some(quality) = accuracy {
                let outcome = Outcome { cost_usd, input_tokens, output_tokens, ..Outcome::new(model, quality) };
                collector.outcome(row, outcome, path, line);
            }
        }
    }
}

/// The data set that a global index names: `ArcMMLU` for `ArcMMLU_655`.
fn benchmark(index: &str) -> Option<String> {
    let (name, number) = index.rsplit_once('_')?;
    let numbered = !name.is_empty() && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    numbered.then(|| name.to_owned())
}

fn prices(dataset: &Dataset) -> Result<Vec<u8>> {
    let mut prices = Map::new();
    for model in dataset.models().models() {
        let (input, output) = (model.input_usd_per_mtok, model.output_usd_per_mtok);
        if input.is_some() || output.is_some() {
            prices.insert(model.name.clone(), json!({ INPUT_PRICE: input, OUTPUT_PRICE: output }));
        }
    }
    pretty(&Value::Object(prices))
}

fn predictions(dataset: &Dataset) -> Result<Vec<u8>> {
    let mut entries = Vec::new();
    for (row, prompt) in dataset.prompts().iter().enumerate() {
        let entry = |model: usize, outcome: Option<&Outcome>| {
            let tokens = outcome.map(|outcome| (outcome.input_tokens, outcome.output_tokens)).unwrap_or_default();
            let total = tokens.0.zip(tokens.1).map(|(a, b)| u64::from(a) + u64::from(b));
            let known = tokens != (None, None);
            json!({
                "global index": prompt.id,
                "prompt": prompt.text(),
                "prediction": dataset.models().name(model),
                "generated_result": known.then(|| json!({ "token_usage": {
                    "input_tokens": tokens.0, "output_tokens": tokens.1, "total_tokens": total,
                } })),
                "cost": outcome.and_then(|outcome| outcome.cost_usd),
                "accuracy": outcome.map(|outcome| super::shortest(outcome.quality)),
                // All of them are results of the pool, none a router's choice.
                "for_optimality": true,
            })
        };
        let outcomes = dataset.outcomes().row(row);
        if outcomes.is_empty() {
            entries.push(entry(0, None));
        }
        entries.extend(outcomes.iter().map(|outcome| entry(outcome.model, Some(outcome))));
    }
    pretty(&Value::Array(entries))
}

fn pretty(value: &Value) -> Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(value)
        .map_err(|source| Error::new(ErrorKind::Internal, "cannot write RouterArena's files").caused_by(source))?;
    bytes.push(b'\n');
    Ok(bytes)
}

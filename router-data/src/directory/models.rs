//! `models.json`: the pool.

use std::collections::BTreeMap;
use std::path::Path;

use router_core::{ErrorKind, Model, ModelPool};
use serde_json::Value;

use super::findings::{Finding, Findings};
use super::json_places::{elements, lines_before_key};
use super::object::{self, Object};
use super::source;

/// The pool as far as it could be read.
#[derive(Debug, Default)]
pub(crate) struct Models {
    /// The pool, if there is no error in it.
    pub(crate) pool: Option<ModelPool>,
    /// Every name that stands in the file, with the line of its entry.
    pub(crate) lines: BTreeMap<String, usize>,
    /// Whether `lines` names all: a name that is not there is an unknown model.
    pub(crate) complete: bool,
}

const FIELDS: [&str; 7] = [
    "model",
    "input_usd_per_mtok",
    "output_usd_per_mtok",
    "context_window",
    "latency_seconds",
    "output_tokens_per_second",
    "tags",
];

pub(crate) fn read(path: &Path, findings: &mut Findings) -> Models {
    let mut models = Models::default();
    let Some(bytes) = source::load(path, findings) else { return models };
    for (line, content) in source::lines(&bytes) {
        if source::utf8(path, line, content, findings).is_none() {
            return models;
        }
    }
    let parsed: Value = match serde_json::from_slice(&bytes) {
        Ok(parsed) => parsed,
        Err(error) => {
            findings.push(Finding::error(path, error.line().max(1), object::message(&error)).help(SHAPE));
            return models;
        }
    };
    let Value::Array(entries) = parsed else {
        findings.push(
            Finding::error(path, 1, format!("expected a list of models, found {}", object::kind_of(&parsed)))
                .help(SHAPE),
        );
        return models;
    };
    if entries.is_empty() {
        findings.push(
            Finding::error(path, 1, "the model pool is empty")
                .of_kind(ErrorKind::EmptyPool)
                .help("name at least one model"),
        );
        return models;
    }
    models.complete = true;
    let mut pool = Vec::with_capacity(entries.len());
    for (line, entry) in elements(&bytes) {
        match read_model(path, line, entry, findings) {
            Ok(model) => {
                if let Some(first) = models.lines.get(&model.name) {
                    findings.push(
                        Finding::error(
                            path,
                            line,
                            format!("model `{}` stands twice, first in line {first}", model.name),
                        )
                        .at_field("model"),
                    );
                } else {
                    models.lines.insert(model.name.clone(), line);
                    pool.push(model);
                }
            }
            Err(Some(name)) => {
                models.lines.entry(name).or_insert(line);
            }
            Err(None) => models.complete = false,
        }
    }
    if pool.len() == entries.len() {
        match ModelPool::new(pool) {
            Ok(pool) => models.pool = Some(pool),
            Err(error) => findings.push(Finding::from_error(path, 1, &error)),
        }
    }
    models
}

const SHAPE: &str = r#"expected [{"model": "name", "input_usd_per_mtok": 0.5, "output_usd_per_mtok": 1.5}, ...]"#;

/// The model of one entry; otherwise, once a finding says why not, its name if that much can be read.
fn read_model(path: &Path, line: usize, entry: &[u8], findings: &mut Findings) -> Result<Model, Option<String>> {
    let object = match serde_json::from_slice::<Object>(entry) {
        Ok(Object(object)) => object,
        Err(error) => {
            findings
                .push(Finding::error(path, line + error.line().saturating_sub(1), object::message(&error)).help(SHAPE));
            return Err(None);
        }
    };
    let line_of = |field: &str| line + lines_before_key(entry, field);
    let name = match object.get("model") {
        Some(Value::String(name)) if !name.is_empty() => name.clone(),
        found => {
            let what = match found {
                None => "the field is missing".to_owned(),
                Some(Value::String(_)) => "the name is empty".to_owned(),
                Some(other) => format!("expected a name, found {}", object::kind_of(other)),
            };
            findings.push(Finding::error(path, line_of("model"), what).at_field("model"));
            return Err(None);
        }
    };
    let mut sound = true;
    for (field, value) in &object {
        let problem = match field.as_str() {
            "model" => None,
            "input_usd_per_mtok" | "output_usd_per_mtok" => match value {
                Value::Null => None,
                Value::Number(price) if price.as_f64().is_some_and(|price| price.is_finite() && price >= 0.0) => None,
                Value::Number(price) => Some(format!("{price} is not a price")),
                other => Some(format!("expected a price, found {}", object::kind_of(other))),
            },
            "context_window" => match value {
                Value::Null => None,
                Value::Number(tokens) if tokens.as_u64().is_some_and(|tokens| u32::try_from(tokens).is_ok()) => None,
                Value::Number(tokens) => Some(format!("{tokens} is not a count of tokens")),
                other => Some(format!("expected a count of tokens, found {}", object::kind_of(other))),
            },
            "latency_seconds" => match value {
                Value::Null => None,
                Value::Number(seconds)
                    if seconds.as_f64().is_some_and(|seconds| seconds.is_finite() && seconds >= 0.0) =>
                {
                    None
                }
                Value::Number(seconds) => Some(format!("{seconds} is not a latency")),
                other => Some(format!("expected seconds, found {}", object::kind_of(other))),
            },
            "output_tokens_per_second" => match value {
                Value::Null => None,
                Value::Number(rate) if rate.as_f64().is_some_and(|rate| rate.is_finite() && rate > 0.0) => None,
                Value::Number(rate) => Some(format!("{rate} is not a rate")),
                other => Some(format!("expected tokens a second, found {}", object::kind_of(other))),
            },
            "tags" => match value {
                Value::Array(tags) if tags.iter().all(Value::is_string) => None,
                other => Some(format!("expected a list of strings, found {}", object::kind_of(other))),
            },
            _ => Some("unknown field".to_owned()),
        };
        if let Some(problem) = problem {
            sound = false;
            let help = match field.as_str() {
                "input_usd_per_mtok" | "output_usd_per_mtok" => {
                    "US dollars for a million tokens, zero or more, or null where unknown".to_owned()
                }
                "context_window" => "a whole number of tokens, or null where unknown".to_owned(),
                "latency_seconds" => {
                    "seconds until the first output token, zero or more, or null where unknown".to_owned()
                }
                "output_tokens_per_second" => "a number above zero, or null where unknown".to_owned(),
                "tags" => r#"such as ["tools", "images"]"#.to_owned(),
                _ => format!("the fields are {}", FIELDS.join(", ")),
            };
            findings.push(Finding::error(path, line_of(field), problem).at_field(field.as_str()).help(help));
        }
    }
    if !sound {
        return Err(Some(name));
    }
    serde_json::from_value(Value::Object(object)).map_err(|error| {
        findings.push(Finding::error(path, line, error.to_string()));
        Some(name)
    })
}

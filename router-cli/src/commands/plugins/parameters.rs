//! The parameters of a plugin, as its schema tells.

use serde::Serialize;
use serde_json::{Map, Value};

/// A parameter of a plugin, as its schema tells.
#[derive(Debug, Serialize, PartialEq)]
pub(super) struct Parameter {
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) optional: bool,
    pub(super) range: Option<String>,
    pub(super) default: Option<Value>,
    pub(super) description: String,
}

impl Parameter {
    /// The type with its range.
    pub(super) fn kind_and_range(&self) -> String {
        match &self.range {
            Some(range) => format!("{}, {range}", self.kind),
            None => self.kind.clone(),
        }
    }

    /// The default as a reader of TOML would write it; a dash where the parameter must be given.
    pub(super) fn shown_default(&self) -> String {
        match &self.default {
            Some(value) => shown(value),
            None if self.optional => shown(&Value::Null),
            None => "-".to_owned(),
        }
    }
}

/// The parameters that `schema` has, with the values of `defaults`.
pub(super) fn parameters(schema: &Value, defaults: &Value) -> Vec<Parameter> {
    let empty = Map::new();
    schema
        .get("properties")
        .and_then(Value::as_object)
        .unwrap_or(&empty)
        .iter()
        .map(|(name, property)| {
            let target = target(schema, property);
            let text = |value: &Value| value.get("description").and_then(Value::as_str).map(str::to_owned);
            let (kind, optional) = kind(schema, property);
            Parameter {
                name: name.clone(),
                kind,
                optional,
                range: range(target),
                default: defaults.get(name).or_else(|| property.get("default")).cloned(),
                description: text(property).or_else(|| text(target)).unwrap_or_default().replace('\n', " "),
            }
        })
        .collect()
}

/// What `property` refers to: past `$ref`, and past the `null` of an optional one; of several kinds the first.
fn target<'a>(root: &'a Value, property: &'a Value) -> &'a Value {
    let property = resolved(root, property);
    branches(property).find(|branch| !is_null(branch)).map_or(property, |branch| target(root, branch))
}

/// What `property` stands for, past `$ref`.
fn resolved<'a>(root: &'a Value, property: &'a Value) -> &'a Value {
    let reference = property.get("$ref").and_then(Value::as_str).and_then(|reference| reference.strip_prefix('#'));
    reference.and_then(|pointer| root.pointer(pointer)).map_or(property, |found| resolved(root, found))
}

/// What a property may be one of; nothing if it is of one kind.
fn branches(property: &Value) -> impl Iterator<Item = &Value> {
    property.get("anyOf").and_then(Value::as_array).into_iter().flatten()
}

fn is_null(schema: &Value) -> bool {
    schema.get("type").and_then(Value::as_str) == Some("null")
}

/// The type in words, and whether the parameter may be left out to mean nothing.
fn kind(root: &Value, property: &Value) -> (String, bool) {
    let alternatives = branches(resolved(root, property)).filter(|branch| !is_null(branch));
    let kinds: Vec<String> = alternatives.map(|alternative| kind(root, alternative).0).collect();
    if kinds.len() > 1 {
        return (kinds.join(" or "), branches(property).any(is_null));
    }
    let target = target(root, property);
    let choices: Vec<String> = match (target.get("enum"), target.get("oneOf")) {
        (Some(Value::Array(values)), _) => values.iter().map(shown).collect(),
        (_, Some(Value::Array(branches))) => branches
            .iter()
            .flat_map(|branch| match (branch.get("const"), branch.get("enum").and_then(Value::as_array)) {
                (Some(value), _) => vec![shown(value)],
                (None, Some(values)) => values.iter().map(shown).collect(),
                (None, None) => vec![kind(root, branch).0],
            })
            .collect(),
        _ => Vec::new(),
    };
    let (name, optional) = match target.get("type") {
        Some(Value::String(name)) => (name.clone(), false),
        Some(Value::Array(names)) => {
            let real: Vec<&str> = names.iter().filter_map(Value::as_str).filter(|name| *name != "null").collect();
            (real.join(" or "), real.len() < names.len())
        }
        _ => ("any".to_owned(), false),
    };
    let name = match target.get("items") {
        _ if !choices.is_empty() => choices.join(" | "),
        Some(items) if name == "array" => format!("list of {}", kind(root, items).0),
        _ => name,
    };
    (name, optional || branches(property).any(is_null))
}

fn range(schema: &Value) -> Option<String> {
    let bound = |key: &str| schema.get(key).filter(|value| value.is_number()).map(number);
    let lower = bound("minimum").map(|limit| (limit, true)).or(bound("exclusiveMinimum").map(|limit| (limit, false)));
    let upper = bound("maximum").map(|limit| (limit, true)).or(bound("exclusiveMaximum").map(|limit| (limit, false)));
    match (lower, upper) {
        (Some((lower, true)), Some((upper, true))) => Some(format!("{lower} to {upper}")),
        (None, None) => None,
        (lower, upper) => {
            let lower = lower.map(|(limit, within)| format!("{} {limit}", if within { "at least" } else { "above" }));
            let upper = upper.map(|(limit, within)| format!("{} {limit}", if within { "at most" } else { "below" }));
            Some(lower.into_iter().chain(upper).collect::<Vec<_>>().join(", "))
        }
    }
}

/// `1.0` as `1`: a bound is a limit, not a type.
fn number(value: &Value) -> String {
    match value.as_f64() {
        Some(number) => number.to_string(),
        None => value.to_string(),
    }
}

/// A value as a reader of TOML would write it, or nearly.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "left out".to_owned(),
        Value::String(text) => format!("\"{text}\""),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn parameters_are_read_off_the_schema() {
        let schema = json!({
            "$defs": { "Metric": { "oneOf": [{ "const": "cosine" }, { "const": "dot" }], "description": "Of two vectors." } },
            "properties": {
                "neighbors": { "type": "integer", "minimum": 1, "maximum": 100, "default": 20, "description": "How many." },
                "alpha": { "type": ["number", "null"], "minimum": 0.0, "exclusiveMaximum": 1.0 },
                "metric": { "$ref": "#/$defs/Metric" },
                "layers": { "anyOf": [{ "type": "array", "items": { "type": "integer" } }, { "type": "null" }] },
            }
        });
        let found = parameters(&schema, &json!({ "metric": "dot", "alpha": null }));
        let rows: Vec<String> = found
            .iter()
            .map(|p| format!("{}|{}|{}|{:?}|{:?}|{}", p.name, p.kind, p.optional, p.range, p.default, p.description))
            .collect();
        assert_eq!(
            rows,
            [
                r#"neighbors|integer|false|Some("1 to 100")|Some(Number(20))|How many."#,
                r#"alpha|number|true|Some("at least 0, below 1")|Some(Null)|"#,
                r#"metric|"cosine" | "dot"|false|None|Some(String("dot"))|Of two vectors."#,
                r"layers|list of integer|true|None|None|",
            ]
        );
    }
}

//! `router plugins`: what is registered, and the parameters of one.

use router_core::registry::PluginInfo;
use router_core::{Error, ErrorKind, Result};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::Session;
use crate::arguments::Plugins;
use crate::table::{Align, Table};

pub(super) fn run(arguments: &Plugins, session: &mut Session) -> Result<()> {
    match &arguments.name {
        Some(name) => one(find(name, &session.registry.list())?, session),
        None => list(session),
    }
}

fn list(session: &mut Session) -> Result<()> {
    let plugins = session.registry.list();
    let brief: Vec<Value> = plugins
        .iter()
        .map(|plugin| {
            json!({
                "role": plugin.role,
                "name": plugin.name,
                "summary": plugin.summary,
                "origin": plugin.origin,
                "source": plugin.source,
            })
        })
        .collect();
    session.output.document(&json!({ "plugins": brief }))?;
    let mut table = Table::new(["role", "name", "summary", "origin"].map(|name| (name, Align::Left)));
    let mut role = "";
    for plugin in &plugins {
        if !role.is_empty() && role != plugin.role {
            table.rule();
        }
        table.row([if role == plugin.role { "" } else { plugin.role }, plugin.name, plugin.summary, plugin.origin]);
        role = plugin.role;
    }
    session.output.line(table.render())
}

/// The plugin that `name` or `role/name` means.
fn find(name: &str, plugins: &[PluginInfo]) -> Result<PluginInfo> {
    let full = |plugin: &PluginInfo| format!("{}/{}", plugin.role, plugin.name);
    let mut found = plugins.iter().filter(|plugin| plugin.name == name || full(plugin) == name);
    match (found.next(), found.next()) {
        (Some(plugin), None) => Ok(*plugin),
        (Some(first), Some(second)) => {
            let all: Vec<String> = [first, second].into_iter().chain(found).map(full).collect();
            Err(Error::new(ErrorKind::Usage, format!("several roles have a plugin `{name}`"))
                .help(format!("say which: {}", all.join(" or "))))
        }
        (None, _) => {
            let all: Vec<String> = plugins.iter().map(full).collect();
            Err(Error::new(ErrorKind::UnknownPlugin, format!("unknown plugin `{name}`"))
                .help(format!("registered: {}", all.join(", "))))
        }
    }
}

/// A parameter of a plugin, as its schema tells.
#[derive(Debug, Serialize, PartialEq)]
struct Parameter {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    optional: bool,
    range: Option<String>,
    default: Option<Value>,
    description: String,
}

fn one(plugin: PluginInfo, session: &mut Session) -> Result<()> {
    let schema = session.registry.schema(plugin.role, plugin.name).unwrap_or_default();
    // The resolved empty configuration holds every default; a plugin that needs a parameter has none.
    let defaults = session.registry.resolve(plugin.role, plugin.name, json!({})).unwrap_or_default();
    let parameters = parameters(&schema, &defaults);
    let example = example(&plugin);
    session.output.document(&json!({
        "role": plugin.role,
        "name": plugin.name,
        "summary": plugin.summary,
        "origin": plugin.origin,
        "source": plugin.source,
        "parameters": parameters,
        "example": example,
        "schema": schema,
    }))?;
    let output = &mut session.output;
    output.line(format_args!("{}/{}: {}", plugin.role, plugin.name, plugin.summary))?;
    output.line(format_args!("source  {}\norigin  {}\n", plugin.source, plugin.origin))?;
    if parameters.is_empty() {
        output.line("no parameters\n")?;
    } else {
        let mut table = Table::new([
            ("parameter", Align::Left),
            ("type", Align::Left),
            ("default", Align::Right),
            ("description", Align::Left),
        ]);
        for parameter in parameters {
            let default = match &parameter.default {
                Some(value) => shown(value),
                None if parameter.optional => shown(&Value::Null),
                None => "-".to_owned(),
            };
            let kind = match &parameter.range {
                Some(range) => format!("{}, {range}", parameter.kind),
                None => parameter.kind.clone(),
            };
            table.row([parameter.name, kind, default, parameter.description]);
        }
        output.line(table.render())?;
        output.line("")?;
    }
    output.line(format_args!("Example\n\n{example}"))
}

/// The plugin's example as it would stand in a configuration.
fn example(plugin: &PluginInfo) -> String {
    let section = if plugin.role == "estimator" { "[[estimators]]".to_owned() } else { format!("[{}]", plugin.role) };
    let mut text = format!("{section}\nuse = \"{}\"\n", plugin.name);
    text.push_str(plugin.example.trim());
    text.trim_end().to_owned()
}

fn parameters(schema: &Value, defaults: &Value) -> Vec<Parameter> {
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

/// What `property` refers to: past `$ref`, and past the `null` of an optional one.
fn target<'a>(root: &'a Value, property: &'a Value) -> &'a Value {
    if let Some(reference) = property.get("$ref").and_then(Value::as_str)
        && let Some(found) = reference.strip_prefix('#').and_then(|pointer| root.pointer(pointer))
    {
        return target(root, found);
    }
    let branches = property.get("anyOf").and_then(Value::as_array);
    match branches.and_then(|branches| branches.iter().find(|branch| !is_null(branch))) {
        Some(branch) => target(root, branch),
        None => property,
    }
}

fn is_null(schema: &Value) -> bool {
    schema.get("type").and_then(Value::as_str) == Some("null")
}

/// The type in words, and whether the parameter may be left out to mean nothing.
fn kind(root: &Value, property: &Value) -> (String, bool) {
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
    let branches = property.get("anyOf").and_then(Value::as_array);
    (name, optional || branches.is_some_and(|branches| branches.iter().any(is_null)))
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

    #[test]
    fn a_name_of_two_roles_needs_its_role() {
        let plugin =
            |role, name| PluginInfo { role, name, summary: "", source: "", origin: "", example: "", format: None };
        let plugins = [plugin("classifier", "neighbors"), plugin("estimator", "neighbors"), plugin("estimator", "moe")];
        assert_eq!(find("moe", &plugins).unwrap().role, "estimator");
        assert_eq!(find("estimator/neighbors", &plugins).unwrap().role, "estimator");
        let error = find("neighbors", &plugins).unwrap_err();
        assert_eq!((error.kind(), error.exit_status()), (ErrorKind::Usage, 2));
        assert!(error.to_string().contains("classifier/neighbors or estimator/neighbors"), "{error}");
        let error = find("policy/moe", &plugins).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnknownPlugin);
        assert!(error.to_string().contains("estimator/moe"), "{error}");
    }
}

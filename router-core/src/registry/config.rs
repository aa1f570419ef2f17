//! What a plugin's configuration says about itself, and how it is read and checked.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::error::{Error, ErrorKind, Result};
use crate::registry::Registry;
use crate::registry::finite::first_not_finite;

/// The configuration of a plugin, and the plugin before fitting: one type that implements this, `Serialize`, `Deserialize`
/// (with `deny_unknown_fields` and a default for every field that has one) and `JsonSchema`, and the trait of its role.
///
/// Ranges are declared once, in the schema (`#[schemars(range(min = 1, max = 100))]`); reading checks them, `router schema`
/// and the reference pages print them.
pub trait PluginConfig: Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static {
    /// The name that configurations use, unique in its role: lower-case words with hyphens.
    const NAME: &'static str;
    /// One line on what it does.
    const SUMMARY: &'static str;
    /// Where the algorithm comes from: a paper with its arXiv number or venue, or "this project".
    const SOURCE: &'static str;
    /// What it costs, in n prompts, d dimensions, m models and its parameters: fitting, then a prompt, and memory where that matters.
    const COST: &'static str;
    /// A configuration in TOML, without `use`, that a reader could start from. It is tested.
    const EXAMPLE: &'static str;

    /// Checks what the schema cannot say, and resolves nested components.
    ///
    /// # Errors
    /// [`ErrorKind::Config`], with the field below this component.
    fn prepare(&mut self, registry: &Registry) -> Result<()> {
        let _ = registry;
        Ok(())
    }
}

/// Reads a plugin's configuration from JSON-like `value`, checking names, types and ranges, and what the plugin itself checks.
///
/// # Errors
/// [`ErrorKind::Config`] with the field's dotted path below this component.
pub(crate) fn read<C: PluginConfig>(value: Value, registry: &Registry) -> Result<C> {
    let mut config: C = read_as(value)?;
    config.prepare(registry)?;
    Ok(config)
}

/// Reads a configuration of any type from JSON-like `value`, checking names, types and ranges.
///
/// # Errors
/// [`ErrorKind::Config`] with the field's dotted path.
pub(crate) fn read_as<C: DeserializeOwned + Serialize + JsonSchema>(value: Value) -> Result<C> {
    let config: C = deserialize(value)?;
    check(&config)?;
    Ok(config)
}

/// Reads a configuration of any type, checking names and types alone.
///
/// # Errors
/// [`ErrorKind::Config`] with the field's dotted path.
pub(crate) fn deserialize<'de, C: Deserialize<'de>>(value: impl Deserializer<'de>) -> Result<C> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let error = Error::new(ErrorKind::Config, error.inner().to_string());
        if path == "." { error } else { error.at_field(path) }
    })
}

/// Holds a configuration that was built in code against the ranges of its own schema, as reading one from a file does.
///
/// ```
/// #[derive(serde::Serialize, schemars::JsonSchema)]
/// struct Half {
///     #[schemars(range(min = 0.0, max = 0.5))]
///     share: Option<f64>,
/// }
/// use router_core::registry::config::check;
/// assert!(check(&Half { share: Some(0.2) }).is_ok() && check(&Half { share: None }).is_ok());
/// assert_eq!(check(&Half { share: Some(0.7) }).unwrap_err().field(), Some("share"));
/// assert_eq!(check(&Half { share: Some(f64::NAN) }).unwrap_err().field(), Some("share"));
/// ```
///
/// # Errors
/// [`ErrorKind::Config`] with the field's dotted path, for the first value out of its range, NaN or infinite.
pub fn check<C: JsonSchema + Serialize>(config: &C) -> Result<()> {
    let schema = schemars::schema_for!(C).to_value();
    check_ranges(&schema, &schema, &to_value(config)?, "")
}

/// The configuration as JSON, every default filled in.
///
/// # Errors
/// [`ErrorKind::Config`] for a number that is NaN or infinite, which JSON would turn into null.
pub(crate) fn to_value<C: Serialize>(config: &C) -> Result<Value> {
    if let Some((field, number)) = first_not_finite(config) {
        return Err(Error::new(ErrorKind::Config, format!("{number} has no meaning here"))
            .at_field(field)
            .help("a finite number"));
    }
    serde_json::to_value(config)
        .map_err(|source| Error::new(ErrorKind::Internal, "a configuration is not JSON").caused_by(source))
}

/// Holds `value` against the numeric ranges and lengths of `schema`, following references into `root`.
pub(crate) fn check_ranges(root: &Value, schema: &Value, value: &Value, path: &str) -> Result<()> {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str)
        && let Some(target) = reference.strip_prefix('#').and_then(|pointer| root.pointer(pointer))
    {
        check_ranges(root, target, value, path)?;
    }
    let fail = |allowed: String| {
        let error = Error::new(ErrorKind::Config, format!("{value} is out of range")).help(allowed);
        Err(if path.is_empty() { error } else { error.at_field(path) })
    };
    let bound = |key: &str| schema.get(key).and_then(Value::as_f64);
    match value {
        Value::Number(number) => {
            let number = number.as_f64().unwrap_or(f64::NAN);
            let (minimum, maximum) = (bound("minimum"), bound("maximum"));
            let (above, below) = (bound("exclusiveMinimum"), bound("exclusiveMaximum"));
            if minimum.is_some_and(|limit| number < limit)
                || maximum.is_some_and(|limit| number > limit)
                || above.is_some_and(|limit| number <= limit)
                || below.is_some_and(|limit| number >= limit)
                || number.is_nan()
            {
                let lower = minimum.map(|x| format!("at least {x}")).or(above.map(|x| format!("above {x}")));
                let upper = maximum.map(|x| format!("at most {x}")).or(below.map(|x| format!("below {x}")));
                let allowed: Vec<String> = lower.into_iter().chain(upper).collect();
                return fail(format!("allowed: {}", allowed.join(" and ")));
            }
        }
        Value::Array(items) => {
            if let Some(minimum) = schema.get("minItems").and_then(Value::as_u64)
                && (items.len() as u64) < minimum
            {
                return fail(format!("allowed: at least {minimum} items"));
            }
            if let Some(item_schema) = schema.get("items") {
                for (index, item) in items.iter().enumerate() {
                    check_ranges(root, item_schema, item, &format!("{path}[{index}]"))?;
                }
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                if let Some(field_schema) = schema.get("properties").and_then(|properties| properties.get(name)) {
                    let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    check_ranges(root, field_schema, field, &path)?;
                }
            }
        }
        _ => {}
    }
    // An optional field is `anyOf [its type, null]`: only the branch of a number or more can be out of range.
    if !value.is_null() {
        for branch in schema.get("anyOf").and_then(Value::as_array).into_iter().flatten() {
            if branch.get("type").and_then(Value::as_str) != Some("null") {
                check_ranges(root, branch, value, path)?;
            }
        }
    }
    Ok(())
}

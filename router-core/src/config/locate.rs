//! Finding the line of a field in a TOML source.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use crate::config::RouterConfig;
use crate::error::{Error, ErrorKind, Result};
use crate::registry::config::read_as;

/// A TOML source, kept to say at which line of it a field stands.
#[derive(Debug, Clone)]
pub struct ConfigSource {
    file: PathBuf,
    text: String,
}

impl ConfigSource {
    /// Parses `text`; `file` is the name that errors give.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] with the line of the first syntax error.
    pub fn parse(text: &str, file: impl AsRef<Path>) -> Result<Self> {
        let source = Self { file: file.as_ref().to_path_buf(), text: text.to_owned() };
        match DeTable::parse(&source.text) {
            Ok(_) => Ok(source),
            Err(error) => {
                let line = error.span().map_or(1, |span| source.line_at(span.start));
                Err(Error::new(ErrorKind::Config, error.message().to_owned()).in_file(&source.file).at_line(line))
            }
        }
    }

    /// Reads the router's configuration; errors carry the field, not yet the line.
    pub(crate) fn read(&self) -> Result<RouterConfig> {
        RouterConfig::from_json(&self.to_json()?)
    }

    /// The whole source as JSON; errors carry the field, not yet the line.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for a number that is not finite, or a date.
    pub fn to_json(&self) -> Result<serde_json::Value> {
        let value: toml::Value = toml::from_str::<toml::Table>(&self.text)
            .map(toml::Value::Table)
            .map_err(|error| Error::new(ErrorKind::Config, error.message().to_owned()))?;
        if let Some(path) = not_json(&value, String::new()) {
            return Err(Error::new(ErrorKind::Config, "nan, inf and dates have no meaning here").at_field(path));
        }
        serde_json::to_value(value).map_err(|error| Error::new(ErrorKind::Config, "not representable").caused_by(error))
    }

    /// Reads a configuration of any type: no field that `T` does not know (its `deny_unknown_fields`), no value out of the ranges
    /// of its schema.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] with file, line and field.
    pub fn read_as<T: DeserializeOwned + Serialize + JsonSchema>(&self) -> Result<T> {
        self.to_json().and_then(read_as).map_err(|error| self.locate(error))
    }

    /// Adds the file, and the line of the error's field, to `error`.
    pub fn locate(&self, error: Error) -> Error {
        if error.file().is_some() {
            return error;
        }
        let line = error.field().map(|field| self.line_of(field, error.message()));
        let error = error.in_file(&self.file);
        match line {
            Some(line) => error.at_line(line),
            None => error,
        }
    }

    /// The line of `field` (a dotted path), or of the deepest part of it that stands in the source. If `message` speaks of an
    /// unknown field of that table, the line of that field.
    fn line_of(&self, field: &str, message: &str) -> usize {
        let Ok(table) = DeTable::parse(&self.text) else { return 1 };
        let mut offset = 0;
        let mut tables: Option<&DeTable<'_>> = Some(table.get_ref());
        let mut array: Option<&DeArray<'_>> = None;
        let segments = field.split(['.', '[', ']']).filter(|segment| !segment.is_empty());
        let mut descend = |value: &Spanned<DeValue<'_>>, key_start: Option<usize>| {
            offset = key_start.unwrap_or(value.span().start);
        };
        for segment in segments {
            let next = if let Some(items) = array {
                segment.parse::<usize>().ok().and_then(|index| items.get(index)).map(|value| (value, None))
            } else {
                tables.and_then(|table| {
                    table
                        .iter()
                        .find(|(key, _)| key.get_ref().as_ref() == segment)
                        .map(|(key, value)| (value, Some(key.span().start)))
                })
            };
            let Some((value, key_start)) = next else { break };
            descend(value, key_start);
            (tables, array) = match value.get_ref() {
                DeValue::Table(table) => (Some(table), None),
                DeValue::Array(items) => (None, Some(items)),
                _ => (None, None),
            };
        }
        if let Some(unknown) = message.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next())
            && let Some(table) = tables
            && let Some((key, _)) = table.iter().find(|(key, _)| key.get_ref().as_ref() == unknown)
        {
            offset = key.span().start;
        }
        self.line_at(offset)
    }

    fn line_at(&self, offset: usize) -> usize {
        self.text.bytes().take(offset).filter(|&byte| byte == b'\n').count() + 1
    }
}

/// The path of the first value that JSON cannot hold.
fn not_json(value: &toml::Value, path: String) -> Option<String> {
    let join = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        toml::Value::Float(number) => (!number.is_finite()).then_some(path),
        toml::Value::Datetime(_) => Some(path),
        toml::Value::Array(items) => {
            items.iter().enumerate().find_map(|(index, item)| not_json(item, format!("{path}[{index}]")))
        }
        toml::Value::Table(table) => table.iter().find_map(|(key, item)| not_json(item, join(key))),
        _ => None,
    }
}

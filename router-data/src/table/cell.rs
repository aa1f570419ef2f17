//! One cell of a table, whichever file it came from.

use parquet::record::Field;
use serde_json::Value;

use crate::directory::{object, parquet_rows};

/// What stands in one column of one row.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Nothing.
    Empty,
    /// A text, not empty.
    Text(String),
    /// A number.
    Number(f64),
    /// A truth value.
    Truth(bool),
    /// A list or an object.
    Json(Value),
    /// Something that no column takes, in words.
    Other(&'static str),
}

impl Cell {
    /// The cell of a text file: empty or a text.
    pub fn from_text(text: &str) -> Self {
        if text.is_empty() { Self::Empty } else { Self::Text(text.to_owned()) }
    }

    /// Makes this the cell of a text file, in the memory of the text that it held.
    pub(crate) fn set_text(&mut self, text: &str) {
        match self {
            Self::Text(own) if !text.is_empty() => {
                own.clear();
                own.push_str(text);
            }
            _ => *self = Self::from_text(text),
        }
    }

    /// What this is, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Empty => "an empty cell",
            Self::Text(_) => "a string",
            Self::Number(_) => "a number",
            Self::Truth(_) => "a truth value",
            Self::Json(value) => object::kind_of(value),
            Self::Other(kind) => kind,
        }
    }

    /// The number here, `None` where the cell is empty; otherwise what is wrong.
    pub fn number(&self) -> Result<Option<f64>, String> {
        match self {
            Self::Empty => Ok(None),
            Self::Number(number) => Ok(Some(*number)),
            Self::Text(text) => text.trim().parse().map(Some).map_err(|_| format!("`{text}` is not a number")),
            other => Err(format!("expected a number, found {}", other.kind())),
        }
    }

    /// The name that must stand here; otherwise what is wrong.
    pub fn name(&self) -> Result<&str, String> {
        match self {
            Self::Text(text) => Ok(text),
            Self::Empty => Err("the cell is empty".to_owned()),
            other => Err(format!("expected a string, found {}", other.kind())),
        }
    }

    /// The text or the whole number here as text, `None` where the cell is empty; otherwise what is wrong.
    pub fn label(&self) -> Result<Option<String>, String> {
        match self {
            Self::Empty => Ok(None),
            Self::Text(text) => Ok(Some(text.clone())),
            Self::Number(number) if number.fract() == 0.0 && number.abs() < 9e15 => Ok(Some(format!("{number:.0}"))),
            other => Err(format!("expected a string, found {}", other.kind())),
        }
    }
}

impl From<&Field> for Cell {
    fn from(field: &Field) -> Self {
        if let Some(number) = parquet_rows::number(field) {
            return Self::Number(number);
        }
        match (field, parquet_rows::text(field)) {
            (Field::Null, _) | (_, Some("")) => Self::Empty,
            (_, Some(text)) => Self::Text(text.to_owned()),
            (Field::Bool(truth), None) => Self::Truth(*truth),
            (other, None) => Self::Other(parquet_rows::kind_of(other)),
        }
    }
}

impl From<Value> for Cell {
    fn from(value: Value) -> Self {
        match value {
            Value::Null => Self::Empty,
            Value::Bool(truth) => Self::Truth(truth),
            Value::Number(number) => number.as_f64().map_or(Self::Other("a huge number"), Self::Number),
            Value::String(text) if text.is_empty() => Self::Empty,
            Value::String(text) => Self::Text(text),
            value => Self::Json(value),
        }
    }
}

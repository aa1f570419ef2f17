//! A plain table of named columns, written as CSV, JSON or Parquet; and the cells that such files hold.

mod cell;
mod parquet;

use router_core::{Error, ErrorKind, Result};
use serde_json::{Map, Number, Value};

pub use cell::Cell;

/// The values of one column, one a row; `None` where unknown. A number that is not finite is written as unknown.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// Texts.
    Text(Vec<Option<String>>),
    /// Numbers.
    Number(Vec<Option<f64>>),
    /// Whole numbers.
    Integer(Vec<Option<i64>>),
    /// Truth values, `True` and `False` in CSV.
    Truth(Vec<Option<bool>>),
}

impl Values {
    /// Number of rows.
    pub fn len(&self) -> usize {
        match self {
            Self::Text(cells) => cells.len(),
            Self::Number(cells) => cells.len(),
            Self::Integer(cells) => cells.len(),
            Self::Truth(cells) => cells.len(),
        }
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether no row has a value.
    pub fn is_unknown(&self) -> bool {
        match self {
            Self::Text(cells) => cells.iter().all(Option::is_none),
            Self::Number(cells) => cells.iter().all(Option::is_none),
            Self::Integer(cells) => cells.iter().all(Option::is_none),
            Self::Truth(cells) => cells.iter().all(Option::is_none),
        }
    }

    /// The value of `row` as CSV has it.
    fn text(&self, row: usize) -> String {
        match self {
            Self::Text(cells) => cells.get(row).cloned().flatten(),
            Self::Number(cells) => finite(cells, row).map(|number| number.to_string()),
            Self::Integer(cells) => cells.get(row).copied().flatten().map(|number| number.to_string()),
            Self::Truth(cells) => cells.get(row).copied().flatten().map(|truth| {
                // As the tables of this field have it, which pandas writes.
                if truth { "True".to_owned() } else { "False".to_owned() }
            }),
        }
        .unwrap_or_default()
    }

    /// The value of `row` as JSON.
    fn json(&self, row: usize) -> Value {
        match self {
            Self::Text(cells) => cells.get(row).cloned().flatten().map(Value::String),
            Self::Number(cells) => finite(cells, row).and_then(Number::from_f64).map(Value::Number),
            Self::Integer(cells) => cells.get(row).copied().flatten().map(Value::from),
            Self::Truth(cells) => cells.get(row).copied().flatten().map(Value::Bool),
        }
        .unwrap_or(Value::Null)
    }
}

fn finite(cells: &[Option<f64>], row: usize) -> Option<f64> {
    cells.get(row).copied().flatten().filter(|number| number.is_finite())
}

/// A table in the making: columns of the same length, each with a name of its own.
///
/// ```
/// use router_data::table::{Table, Values};
/// let mut table = Table::new(2);
/// table.push("model", Values::Text(vec![Some("a".into()), Some("b".into())])).unwrap();
/// table.push("quality", Values::Number(vec![Some(0.5), None])).unwrap();
/// assert_eq!(String::from_utf8(table.csv().unwrap()).unwrap(), "model,quality\na,0.5\nb,\n");
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    rows: usize,
    columns: Vec<(String, Values)>,
}

impl Table {
    /// A table of `rows` rows without a column.
    pub fn new(rows: usize) -> Self {
        Self { rows, columns: Vec::new() }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The columns in order.
    pub fn columns(&self) -> &[(String, Values)] {
        &self.columns
    }

    /// Adds a column behind the others.
    ///
    /// # Errors
    /// [`ErrorKind::Shape`] if it has not one value a row; [`ErrorKind::Data`] if its name is taken.
    pub fn push(&mut self, name: impl Into<String>, values: Values) -> Result<()> {
        let name = name.into();
        if values.len() != self.rows {
            return Err(Error::shape(&format!("rows of column `{name}`"), self.rows, values.len()));
        }
        if self.columns.iter().any(|(known, _)| *known == name) {
            return Err(Error::new(ErrorKind::Data, format!("two columns would be called `{name}`")).at_field(name));
        }
        self.columns.push((name, values));
        Ok(())
    }

    /// Adds a column unless every value of it is unknown.
    ///
    /// # Errors
    /// Those of [`push`](Self::push).
    pub fn push_known(&mut self, name: impl Into<String>, values: Values) -> Result<()> {
        if values.is_unknown() { Ok(()) } else { self.push(name, values) }
    }

    /// The table as CSV with a header, lines ending in `\n`.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] if the writer fails.
    pub fn csv(&self) -> Result<Vec<u8>> {
        let failed = |source: csv::Error| Error::new(ErrorKind::Internal, "cannot write a table").caused_by(source);
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(self.columns.iter().map(|(name, _)| name)).map_err(failed)?;
        for row in 0..self.rows {
            writer.write_record(self.columns.iter().map(|(_, values)| values.text(row))).map_err(failed)?;
        }
        writer.into_inner().map_err(|source| Error::new(ErrorKind::Internal, source.to_string()))
    }

    /// The rows as JSON objects, every column a field.
    pub fn objects(&self) -> impl Iterator<Item = Map<String, Value>> {
        (0..self.rows).map(|row| self.columns.iter().map(|(name, values)| (name.clone(), values.json(row))).collect())
    }

    /// The table as Parquet, compressed with snappy, all columns optional.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] if the writer fails.
    pub fn parquet(&self) -> Result<Vec<u8>> {
        parquet::bytes(self)
            .map_err(|source| Error::new(ErrorKind::Internal, "cannot write a table as Parquet").caused_by(source))
    }
}

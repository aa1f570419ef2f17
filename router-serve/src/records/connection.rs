//! A database as far as records need it. Statements are the same for every database: `$1`, `$2`... stand for values, and the types are
//! TEXT, BIGINT and DOUBLE PRECISION.

use router_core::Result;

/// A value of a row.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null,
    Integer(i64),
    Real(f64),
    Text(String),
}

impl Value {
    pub(super) fn integer(&self) -> Option<i64> {
        if let Self::Integer(value) = self { Some(*value) } else { None }
    }

    pub(super) fn real(&self) -> Option<f64> {
        match self {
            Self::Real(value) => Some(*value),
            // SQLite keeps a whole number as one where that takes less room.
            Self::Integer(value) => Some(*value as f64),
            _ => None,
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        if let Self::Text(value) = self { Some(value) } else { None }
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Real(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// Takes the rows of a query, one by one.
pub(super) type EachRow<'a> = &'a mut dyn FnMut(&[Value]) -> Result<()>;

/// A connection to a database. An error that [`is_retryable`](router_core::Error::is_retryable) may be gone at another try: the database is
/// away, locked or full. Another one is the statement's own.
pub(super) trait Connection: Send {
    /// Begins a transaction.
    fn begin(&mut self) -> Result<()>;

    /// Begins a transaction beside which nobody else can change the schema.
    fn begin_alone(&mut self) -> Result<()>;

    /// Ends a transaction: on return, what it wrote outlives a crash.
    fn commit(&mut self) -> Result<()>;

    /// Ends a transaction as if nothing had been written, and connects anew if the connection is lost. What cannot be undone was not done.
    fn recover(&mut self);

    /// Executes `sql` once for each of `rows`, and gives how many rows each changed.
    fn execute(&mut self, sql: &'static str, rows: &[Vec<Value>]) -> Result<Vec<u64>>;

    /// Executes all statements of `sql`, which takes no values.
    fn execute_all(&mut self, sql: &'static str) -> Result<()>;

    /// Gives each row of the answer to `sql`, in order.
    fn query(&mut self, sql: &'static str, values: &[Value], each: EachRow<'_>) -> Result<()>;
}

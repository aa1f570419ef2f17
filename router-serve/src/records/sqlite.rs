//! SQLite, in the process.

use std::path::Path;
use std::time::Duration;

use router_core::{Error, ErrorKind, Result};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{ErrorCode, OpenFlags, ToSql, params_from_iter};

use super::connection::{Connection, EachRow, Value};

/// How long another process may hold the file.
const PATIENCE: Duration = Duration::from_secs(5);

/// A file of SQLite. Its log is written ahead and synchronized at every commit: a committed transaction outlives a crash of the process and
/// of the machine.
pub(super) struct Sqlite {
    inner: rusqlite::Connection,
}

impl Sqlite {
    /// Opens the file at `path`, and makes it if there is none.
    ///
    /// # Errors
    /// [`ErrorKind::Io`], [`ErrorKind::Data`] if it is something else.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let open = || {
            let inner = rusqlite::Connection::open(path)?;
            inner.busy_timeout(PATIENCE)?;
            inner.pragma_update(None, "journal_mode", "WAL")?;
            inner.pragma_update(None, "synchronous", "FULL")?;
            inner.pragma_update(None, "foreign_keys", true)?;
            Ok(Self { inner })
        };
        open().map_err(|error| of_file(error, path))
    }

    /// Opens the file at `path` to read it.
    ///
    /// # Errors
    /// [`ErrorKind::Io`], [`ErrorKind::Data`].
    pub(super) fn open_to_read(path: &Path) -> Result<Self> {
        // SQLite's own words for a missing file do not say that it is missing.
        std::fs::metadata(path).map_err(|source| Error::io(path, source))?;
        let open = || {
            let inner = rusqlite::Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
            inner.busy_timeout(PATIENCE)?;
            Ok(Self { inner })
        };
        open().map_err(|error| of_file(error, path))
    }
}

impl Connection for Sqlite {
    fn begin(&mut self) -> Result<()> {
        self.inner.execute_batch("BEGIN IMMEDIATE").map_err(told)
    }

    fn begin_alone(&mut self) -> Result<()> {
        self.begin()
    }

    fn commit(&mut self) -> Result<()> {
        self.inner.execute_batch("COMMIT").map_err(told)
    }

    fn recover(&mut self) {
        if !self.inner.is_autocommit() {
            // Where even that fails, the next BEGIN says so.
            let _ = self.inner.execute_batch("ROLLBACK");
        }
    }

    fn execute(&mut self, sql: &'static str, rows: &[Vec<Value>]) -> Result<Vec<u64>> {
        let mut statement = self.inner.prepare(&numbered(sql)).map_err(told)?;
        rows.iter()
            .map(|row| statement.execute(params_from_iter(row)).map(|changed| changed as u64).map_err(told))
            .collect()
    }

    fn execute_all(&mut self, sql: &'static str) -> Result<()> {
        self.inner.execute_batch(sql).map_err(told)
    }

    fn query(&mut self, sql: &'static str, values: &[Value], each: EachRow<'_>) -> Result<()> {
        let mut statement = self.inner.prepare(&numbered(sql)).map_err(told)?;
        let columns = statement.column_count();
        let mut rows = statement.query(params_from_iter(values)).map_err(told)?;
        let mut values = Vec::with_capacity(columns);
        while let Some(row) = rows.next().map_err(told)? {
            values.clear();
            for at in 0..columns {
                values.push(match row.get_ref(at).map_err(told)? {
                    ValueRef::Null => Value::Null,
                    ValueRef::Integer(value) => Value::Integer(value),
                    ValueRef::Real(value) => Value::Real(value),
                    ValueRef::Text(value) | ValueRef::Blob(value) => {
                        Value::Text(String::from_utf8_lossy(value).into_owned())
                    }
                });
            }
            each(&values)?;
        }
        Ok(())
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(value) => ValueRef::Integer(*value),
            Self::Real(value) => ValueRef::Real(*value),
            Self::Text(value) => ValueRef::Text(value.as_bytes()),
        }))
    }
}

/// `sql` with SQLite's own sign for the n-th value; `$1` would be a name to it.
fn numbered(sql: &str) -> String {
    sql.replace('$', "?")
}

fn told(error: rusqlite::Error) -> Error {
    let is_away = matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::OutOfMemory
        )
    );
    let told = Error::new(if is_away { ErrorKind::Io } else { ErrorKind::Data }, format!("SQLite: {error}"));
    if is_away { told.retryable() } else { told }
}

fn of_file(error: rusqlite::Error, path: &Path) -> Error {
    let is_none = error.sqlite_error_code() == Some(ErrorCode::NotADatabase);
    let told = told(error).in_file(path);
    if is_none { told.help("a file of SQLite, as the gateway writes it") } else { told }
}

//! PostgreSQL, over a connection of its own.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::error::Error as StdError;
use std::path::PathBuf;
use std::pin::pin;
use std::time::Duration;

use bytes::BytesMut;
use futures_util::TryStreamExt as _;
use futures_util::future::try_join_all;
use router_core::{Error, ErrorKind, Result};
use tokio::runtime::Runtime;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, Config, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::connection::{Connection, EachRow, Value};
use crate::upstream::{reason, tls};

/// How long connecting may take where the address does not say.
const PATIENCE: Duration = Duration::from_secs(10);

/// One gateway changes the schema at a time: the number of the lock that says so.
const ALONE: &str = "SELECT pg_advisory_xact_lock(7236830465122)";

/// A database of PostgreSQL. It is used from one thread, which drives the connection while it waits for an answer.
pub(super) struct Postgres {
    runtime: Runtime,
    config: Config,
    client: Client,
    statements: HashMap<&'static str, Statement>,
}

impl Postgres {
    /// Connects.
    ///
    /// # Errors
    /// [`ErrorKind::Remote`].
    pub(super) fn open(mut config: Config) -> Result<Self> {
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(PATIENCE);
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|source| Error::new(ErrorKind::Internal, "cannot start a runtime").caused_by(source))?;
        let client = connect(&runtime, &config)?;
        Ok(Self { runtime, config, client, statements: HashMap::new() })
    }

    fn statement(&mut self, sql: &'static str) -> Result<Statement> {
        match self.statements.entry(sql) {
            Entry::Occupied(known) => Ok(known.get().clone()),
            Entry::Vacant(place) => {
                let prepared = self.runtime.block_on(self.client.prepare(sql)).map_err(told)?;
                Ok(place.insert(prepared).clone())
            }
        }
    }
}

fn connect(runtime: &Runtime, config: &Config) -> Result<Client> {
    // As PostgreSQL's own programs have it.
    let trusted = std::env::var_os("PGSSLROOTCERT").map(PathBuf::from);
    runtime.block_on(async {
        let (client, connection) =
            config.connect(MakeRustlsConnect::new(tls::client(trusted.as_deref())?)).await.map_err(told)?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::warn!(error = reason(&error), "the connection to the records was lost");
            }
        });
        Ok(client)
    })
}

impl Connection for Postgres {
    fn begin(&mut self) -> Result<()> {
        self.execute_all("BEGIN")
    }

    fn begin_alone(&mut self) -> Result<()> {
        self.begin()?;
        self.execute_all(ALONE)
    }

    fn commit(&mut self) -> Result<()> {
        self.execute_all("COMMIT")
    }

    fn recover(&mut self) {
        // Fails where the connection is lost, or there is no transaction.
        let _ = self.execute_all("ROLLBACK");
        if self.client.is_closed()
            && let Ok(client) = connect(&self.runtime, &self.config)
        {
            self.client = client;
            self.statements.clear();
        }
    }

    fn execute(&mut self, sql: &'static str, rows: &[Vec<Value>]) -> Result<Vec<u64>> {
        let statement = self.statement(sql)?;
        // All are sent before the first is answered.
        let all = rows.iter().map(|row| self.client.execute_raw(&statement, row));
        self.runtime.block_on(try_join_all(all)).map_err(told)
    }

    fn execute_all(&mut self, sql: &'static str) -> Result<()> {
        self.runtime.block_on(self.client.batch_execute(sql)).map_err(told)
    }

    fn query(&mut self, sql: &'static str, values: &[Value], each: EachRow<'_>) -> Result<()> {
        let statement = self.statement(sql)?;
        self.runtime.block_on(async {
            let mut rows = pin!(self.client.query_raw(&statement, values).await.map_err(told)?);
            let mut values = Vec::new();
            while let Some(row) = rows.try_next().await.map_err(told)? {
                values.clear();
                for at in 0..row.len() {
                    values.push(row.try_get::<_, Value>(at).map_err(told)?);
                }
                each(&values)?;
            }
            Ok(())
        })
    }
}

impl ToSql for Value {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> std::result::Result<IsNull, Box<dyn StdError + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Integer(value) => value.to_sql(ty, out),
            Self::Real(value) => value.to_sql(ty, out),
            // PostgreSQL's texts hold every character but this one.
            Self::Text(value) if value.contains('\0') => value.replace('\0', "\u{fffd}").to_sql(ty, out),
            Self::Text(value) => value.to_sql(ty, out),
        }
    }

    fn accepts(ty: &Type) -> bool {
        [Type::INT8, Type::FLOAT8, Type::TEXT].contains(ty)
    }

    to_sql_checked!();
}

impl<'a> FromSql<'a> for Value {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> std::result::Result<Self, Box<dyn StdError + Sync + Send>> {
        match *ty {
            Type::INT8 => i64::from_sql(ty, raw).map(Self::Integer),
            Type::FLOAT8 => f64::from_sql(ty, raw).map(Self::Real),
            _ => String::from_sql(ty, raw).map(Self::Text),
        }
    }

    fn from_sql_null(_: &Type) -> std::result::Result<Self, Box<dyn StdError + Sync + Send>> {
        Ok(Self::Null)
    }

    fn accepts(ty: &Type) -> bool {
        <Self as ToSql>::accepts(ty)
    }
}

/// What PostgreSQL says. A lost connection, a server that starts or stops, one that is full: another try may go better.
fn told(error: tokio_postgres::Error) -> Error {
    let is_away = error.code().is_none_or(|state| {
        let class = state.code().get(..2).unwrap_or_default();
        ["08", "40", "53", "57", "58"].contains(&class) && *state != SqlState::QUERY_CANCELED
    });
    let said = Error::new(ErrorKind::Remote, format!("PostgreSQL: {}", reason(&error)));
    if is_away { said.retryable() } else { said }
}

//! The schema, as numbered migrations. Both databases have the same; a migration that was released is never changed.

use router_core::{Error, ErrorKind, Result};

use super::connection::{Connection, Value};

/// Migration i leads from version i to version i + 1.
const MIGRATIONS: [&str; 3] = [
    // Version 1: decisions, feedback on them, and the prices of models.
    "CREATE TABLE router_decisions (
        id TEXT PRIMARY KEY,
        time_ms BIGINT NOT NULL,
        surface TEXT NOT NULL,
        asked_for TEXT NOT NULL,
        router TEXT,
        model TEXT NOT NULL,
        instead_of TEXT,
        propensity DOUBLE PRECISION NOT NULL,
        eligible TEXT NOT NULL,
        task BIGINT,
        score DOUBLE PRECISION,
        expected_cost_usd DOUBLE PRECISION,
        attempts TEXT NOT NULL,
        answered_by TEXT,
        upstream TEXT,
        status BIGINT NOT NULL,
        outcome TEXT NOT NULL,
        input_tokens BIGINT,
        output_tokens BIGINT,
        cost_usd DOUBLE PRECISION,
        decision_us BIGINT,
        first_byte_ms DOUBLE PRECISION,
        total_ms DOUBLE PRECISION NOT NULL,
        prompt TEXT
    );
    CREATE INDEX router_decisions_time ON router_decisions (time_ms);
    CREATE TABLE router_feedback (
        decision TEXT PRIMARY KEY REFERENCES router_decisions (id),
        time_ms BIGINT NOT NULL,
        quality DOUBLE PRECISION NOT NULL,
        comment TEXT
    );
    CREATE TABLE router_models (
        model TEXT PRIMARY KEY,
        input_usd_per_mtok DOUBLE PRECISION,
        output_usd_per_mtok DOUBLE PRECISION,
        context_window BIGINT,
        tags TEXT NOT NULL
    );",
    // Version 2: whose request it was, and what it took off its budget.
    "ALTER TABLE router_decisions ADD COLUMN client TEXT;
    ALTER TABLE router_decisions ADD COLUMN charged_usd DOUBLE PRECISION;",
    // Version 3: what another router would have chosen. It may be written before the decision is.
    "CREATE TABLE router_shadows (
        decision TEXT PRIMARY KEY,
        router TEXT NOT NULL,
        model TEXT NOT NULL
    );",
];

/// The version that this release works with.
pub(super) const VERSION: i64 = MIGRATIONS.len() as i64;

/// Brings the database to [`VERSION`], each migration whole or not at all. Several gateways may do so at once.
///
/// # Errors
/// [`ErrorKind::Incompatible`] if a newer release wrote it; what the database reports.
pub(super) fn migrate(connection: &mut dyn Connection) -> Result<()> {
    connection.begin_alone()?;
    match migrate_within(connection) {
        Ok(()) => connection.commit(),
        Err(error) => {
            connection.recover();
            Err(error)
        }
    }
}

/// The version of a database's schema.
///
/// # Errors
/// [`ErrorKind::Data`] if it holds none; what the database reports.
pub(super) fn version(connection: &mut dyn Connection) -> Result<i64> {
    let mut version = None;
    connection
        .query("SELECT version FROM router_schema", &[], &mut |row| {
            version = row.first().and_then(Value::integer);
            Ok(())
        })
        .map_err(
            |error| {
                if error.is_retryable() { error } else { error.help("is it where a gateway keeps its records?") }
            },
        )?;
    version.ok_or_else(|| Error::new(ErrorKind::Data, "it holds no records"))
}

fn migrate_within(connection: &mut dyn Connection) -> Result<()> {
    connection.execute_all("CREATE TABLE IF NOT EXISTS router_schema (version BIGINT NOT NULL)")?;
    let mut version = None;
    connection.query("SELECT version FROM router_schema", &[], &mut |row| {
        version = row.first().and_then(Value::integer);
        Ok(())
    })?;
    if version.is_none() {
        connection.execute("INSERT INTO router_schema (version) VALUES ($1)", &[vec![Value::Integer(0)]])?;
    }
    let version = version.unwrap_or(0);
    if version > VERSION {
        let found = format!("the records have version {version} of their schema; this release knows {VERSION}");
        return Err(Error::new(ErrorKind::Incompatible, found).help("take the release that wrote them, or a newer one"));
    }
    for migration in MIGRATIONS.iter().skip(usize::try_from(version).unwrap_or(0)) {
        connection.execute_all(migration)?;
    }
    connection.execute("UPDATE router_schema SET version = $1", &[vec![Value::Integer(VERSION)]])?;
    Ok(())
}

//! Where records are.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;

use router_core::{Error, ErrorKind, Result};

/// The variable that holds the password of a PostgreSQL address without one, as PostgreSQL's own programs have it.
const PASSWORD: &str = "PGPASSWORD";

/// Where records are: a file of SQLite, or a database of PostgreSQL. Printed, it tells no password.
#[derive(Clone)]
pub enum Address {
    /// A file of SQLite.
    Sqlite(PathBuf),
    /// A database of PostgreSQL.
    Postgres(Box<tokio_postgres::Config>),
}

impl Address {
    /// Reads `postgres://USER@HOST/DATABASE`, or takes `text` for a path. A PostgreSQL address without a password takes that of the
    /// environment variable `PGPASSWORD`.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for an address of PostgreSQL that is none; the error does not repeat it, since it may hold a password.
    pub fn read(text: &str) -> Result<Self> {
        if !["postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme)) {
            return Ok(Self::Sqlite(PathBuf::from(text)));
        }
        let mut config = tokio_postgres::Config::from_str(text).map_err(|source| {
            Error::new(ErrorKind::Usage, format!("not an address of PostgreSQL: {source}"))
                .help("postgres://USER@HOST:5432/DATABASE")
        })?;
        if config.get_password().is_none()
            && let Ok(password) = std::env::var(PASSWORD)
        {
            config.password(password);
        }
        Ok(Self::Postgres(Box::new(config)))
    }

    /// The address that the environment variable `variable` holds.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] if it is not set, or holds none.
    pub fn from_environment(variable: &str) -> Result<Self> {
        let text = std::env::var(variable).map_err(|_| {
            Error::new(ErrorKind::Usage, format!("the environment variable {variable} is not set"))
                .help("it holds where records are: postgres://USER:PASSWORD@HOST/DATABASE")
        })?;
        Self::read(text.trim())
    }

    /// The address that the file at `path` holds.
    ///
    /// # Errors
    /// [`ErrorKind::Io`], [`ErrorKind::Usage`].
    pub fn from_file(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|source| Error::io(path, source))?;
        Self::read(text.trim())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "{}", path.display()),
            Self::Postgres(config) => {
                let hosts: Vec<String> = config
                    .get_hosts()
                    .iter()
                    .map(|host| match host {
                        tokio_postgres::config::Host::Tcp(name) => name.clone(),
                        tokio_postgres::config::Host::Unix(path) => path.display().to_string(),
                    })
                    .collect();
                write!(f, "postgres://{}/{}", hosts.join(","), config.get_dbname().unwrap_or_default())
            }
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_tells_no_password() {
        let address = Address::read("postgresql://router:hunter2@db.example:5433/records").unwrap();
        assert_eq!(format!("{address} {address:?}"), "postgres://db.example/records postgres://db.example/records");
        let error = Address::read("postgres://router:hunter2@db.example:port/records").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        assert!(
            matches!(Address::read("./records.sqlite").unwrap(), Address::Sqlite(path) if path == Path::new("./records.sqlite"))
        );
    }
}

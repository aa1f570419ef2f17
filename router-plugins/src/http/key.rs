//! The key of a service.

use std::fmt;
use std::path::Path;

use router_core::{Error, ErrorKind, Result};

/// What stands where the key stood.
const HIDDEN: &str = "[key]";

/// The key of a service, from the environment or a file of its own. It is never printed: `Debug` hides it, and [`hide`](Self::hide) takes it out
/// of what a server says.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

impl ApiKey {
    /// The key in the environment variable `variable`, without white space around it.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] if it is not set or empty, or holds what no HTTP header can.
    pub fn from_environment(variable: &str) -> Result<Self> {
        let usage = |what: &str| {
            Error::new(ErrorKind::Usage, format!("the environment variable {variable} {what}"))
                .help("it must hold the key of the service; a service without keys needs no `api_key_environment`")
        };
        let value = std::env::var(variable).map_err(|error| match error {
            std::env::VarError::NotPresent => usage("is not set"),
            std::env::VarError::NotUnicode(_) => usage("does not hold a key"),
        })?;
        Self::new(&value).ok_or_else(|| usage("does not hold a key"))
    }

    /// The key that the file at `path` holds, without white space around it.
    ///
    /// # Errors
    /// [`ErrorKind::Io`]; [`ErrorKind::Usage`] if the file is empty, or holds what no HTTP header can.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(|source| Error::io(path, source))?;
        Self::new(&text).ok_or_else(|| {
            Error::new(ErrorKind::Usage, "does not hold a key")
                .in_file(path)
                .help("the key of the service and nothing else")
        })
    }

    /// The key `value`; none if it is empty or holds what no HTTP header can.
    pub(super) fn new(value: &str) -> Option<Self> {
        let value = value.trim();
        (!value.is_empty() && value.bytes().all(|byte| byte.is_ascii_graphic())).then(|| Self(value.to_owned()))
    }

    /// The value of the `Authorization` header. It is for that header alone.
    pub fn bearer(&self) -> String {
        format!("Bearer {}", self.0)
    }

    /// `text` without the key, as it is or as JSON escapes it. `cut` says that the text may end within a key, whose beginning is
    /// taken out too.
    pub fn hide(&self, text: &str, cut: bool) -> String {
        let escaped = serde_json::Value::from(self.0.as_str()).to_string();
        let escaped = escaped.trim_matches('"');
        let mut hidden = text.replace(&self.0, HIDDEN);
        if escaped != self.0 {
            hidden = hidden.replace(escaped, HIDDEN);
        }
        if cut {
            for form in [self.0.as_str(), escaped] {
                // A key is ASCII: it can be cut anywhere.
                let begun =
                    (1..form.len()).rev().filter_map(|length| form.get(..length)).find(|begun| hidden.ends_with(begun));
                if let Some(begun) = begun {
                    hidden.truncate(hidden.len() - begun.len());
                }
            }
        }
        hidden
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

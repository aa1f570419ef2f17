//! The one error type of the framework.
//!
//! An [`Error`] says what happened, where (file, line, field) and what to do about it. `Display` is one line for a person;
//! `Debug` shows everything, the source included.

use std::fmt;
use std::path::{Path, PathBuf};

/// `Result` with the framework's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of thing went wrong. Programs match on this; people read the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A file or directory could not be read or written.
    Io,
    /// The command line or an API call was used wrongly.
    Usage,
    /// A configuration is malformed, has an unknown field, or a value out of its range.
    Config,
    /// A data set is malformed: a missing file, a bad line, a NaN, a duplicate.
    Data,
    /// A name that no registered plugin has.
    UnknownPlugin,
    /// A model name that the pool does not hold.
    UnknownModel,
    /// No model to choose from.
    EmptyPool,
    /// Two things that must agree in shape do not.
    Shape,
    /// A number that must be finite is NaN or infinite.
    NonFinite,
    /// An artifact is corrupt, truncated, or not an artifact at all.
    Artifact,
    /// An artifact or embedder of another version or another origin than this one needs.
    Incompatible,
    /// An embedder failed or answered something impossible.
    Embedding,
    /// Training did not converge or diverged.
    Training,
    /// A remote service failed.
    Remote,
    /// The caller cancelled the work.
    Cancelled,
    /// The combination asked for is not supported.
    Unsupported,
    /// A broken promise inside the framework or a plugin: a bug.
    Internal,
}

impl ErrorKind {
    /// Whether the input (command line, configuration, data, artifact) is at fault, so that the exit status is 2 and not 1.
    #[must_use]
    pub fn is_input(self) -> bool {
        matches!(
            self,
            Self::Usage
                | Self::Config
                | Self::Data
                | Self::UnknownPlugin
                | Self::UnknownModel
                | Self::EmptyPool
                | Self::Artifact
                | Self::Incompatible
                | Self::Unsupported
                | Self::NonFinite
        )
    }
}

/// An error with its kind, place, message, advice and source.
///
/// ```
/// use router_core::{Error, ErrorKind};
/// let error = Error::new(ErrorKind::Data, "quality is 1.5")
///     .in_file("outcomes.csv")
///     .at_line(12)
///     .at_field("quality")
///     .help("a quality lies in [0, 1]");
/// assert_eq!(error.to_string(), "outcomes.csv:12: `quality`: quality is 1.5 (a quality lies in [0, 1])");
/// ```
#[derive(thiserror::Error)]
pub struct Error(Box<Repr>);

#[derive(Debug)]
struct Repr {
    kind: ErrorKind,
    message: String,
    file: Option<PathBuf>,
    line: Option<usize>,
    field: Option<String>,
    help: Option<String>,
    retryable: bool,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of `kind` that says `message`.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Repr {
            kind,
            message: message.into(),
            file: None,
            line: None,
            field: None,
            help: None,
            retryable: false,
            source: None,
        }))
    }

    /// A file operation on `path` that failed with `source`.
    pub fn io(path: impl AsRef<Path>, source: std::io::Error) -> Self {
        let help = match source.kind() {
            std::io::ErrorKind::NotFound => Some("check the path"),
            std::io::ErrorKind::PermissionDenied => Some("check the permissions"),
            _ => None,
        };
        let mut error = Self::new(ErrorKind::Io, source.to_string()).in_file(path).caused_by(source);
        error.0.help = help.map(str::to_owned);
        error
    }

    /// Two shapes that must agree and do not.
    pub fn shape(what: &str, expected: impl fmt::Display, found: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Shape, format!("{what}: expected {expected}, found {found}"))
    }

    /// The file it happened in.
    pub fn in_file(mut self, path: impl AsRef<Path>) -> Self {
        self.0.file = Some(path.as_ref().to_path_buf());
        self
    }

    /// The line (from 1) it happened at.
    pub fn at_line(mut self, line: usize) -> Self {
        self.0.line = Some(line);
        self
    }

    /// The field it happened at, as a dotted path.
    pub fn at_field(mut self, field: impl Into<String>) -> Self {
        self.0.field = Some(field.into());
        self
    }

    /// What to do about it.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.0.help = Some(help.into());
        self
    }

    /// Trying again may succeed.
    pub fn retryable(mut self) -> Self {
        self.0.retryable = true;
        self
    }

    /// The error below this one.
    pub fn caused_by(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Puts `context` before the message: `context: message`.
    pub fn context(mut self, context: impl fmt::Display) -> Self {
        self.0.message = format!("{context}: {}", self.0.message);
        self
    }

    /// The kind of this error.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether trying again may succeed.
    pub fn is_retryable(&self) -> bool {
        self.0.retryable
    }

    /// The file it happened in, if known.
    pub fn file(&self) -> Option<&Path> {
        self.0.file.as_deref()
    }

    /// The line (from 1) it happened at, if known.
    pub fn line(&self) -> Option<usize> {
        self.0.line
    }

    /// The dotted path of the field it happened at, if known.
    pub fn field(&self) -> Option<&str> {
        self.0.field.as_deref()
    }

    /// The message alone, without place and advice.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The exit status a command line should end with: 2 for bad input, otherwise 1.
    pub fn exit_status(&self) -> u8 {
        let missing_input = self.0.kind == ErrorKind::Io
            && self
                .0
                .source
                .as_deref()
                .and_then(|source| source.downcast_ref::<std::io::Error>())
                .is_some_and(|source| source.kind() == std::io::ErrorKind::NotFound);
        if self.0.kind.is_input() || missing_input { 2 } else { 1 }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Repr { message, file, line, field, help, .. } = &*self.0;
        match (file, line) {
            (Some(file), Some(line)) => write!(f, "{}:{line}: ", file.display())?,
            (Some(file), None) => write!(f, "{}: ", file.display())?,
            (None, Some(line)) => write!(f, "line {line}: ")?,
            (None, None) => {}
        }
        if let Some(field) = field {
            write!(f, "`{field}`: ")?;
        }
        f.write_str(message)?;
        if let Some(help) = help {
            write!(f, " ({help})")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_input_file_ends_with_status_two() {
        let missing = std::fs::read("/no/such/file").unwrap_err();
        assert_eq!(Error::io("/no/such/file", missing).exit_status(), 2);
        let other = std::io::Error::other("disk on fire");
        assert_eq!(Error::io("x", other).exit_status(), 1);
    }

    #[test]
    fn the_error_is_one_pointer_wide() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }
}

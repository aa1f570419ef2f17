//! What a check of a data set directory has to say.

use std::fmt;
use std::path::{Path, PathBuf};

use router_core::{Error, ErrorKind};
use serde::Serialize;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The directory cannot be read as long as this is so.
    Error,
    /// The directory reads; somebody should look all the same.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// One thing found in a data set directory. `Display` is `FILE:LINE: error|warning: message`.
///
/// ```
/// use router_data::directory::Finding;
/// let finding = Finding::error("outcomes.csv", 12, "1.5 is outside [0, 1]").at_field("quality");
/// assert_eq!(finding.to_string(), "outcomes.csv:12: error: `quality`: 1.5 is outside [0, 1]");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The file it was found in, or the directory where the whole of it is at fault.
    pub file: PathBuf,
    /// The line from 1, a header included; 1 where no line is at fault.
    pub line: usize,
    /// Error or warning.
    pub severity: Severity,
    /// The column or field, where one is at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What was found.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    #[serde(skip)]
    kind: ErrorKind,
}

impl Finding {
    /// An error in `line` of `file`.
    pub fn error(file: impl AsRef<Path>, line: usize, message: impl Into<String>) -> Self {
        Self {
            file: file.as_ref().to_path_buf(),
            line,
            severity: Severity::Error,
            field: None,
            message: message.into(),
            help: None,
            kind: ErrorKind::Data,
        }
    }

    /// A warning in `line` of `file`.
    pub fn warning(file: impl AsRef<Path>, line: usize, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(file, line, message) }
    }

    /// The column or field at fault.
    pub fn at_field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// What to do about it.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(crate) fn of_kind(mut self, kind: ErrorKind) -> Self {
        self.kind = kind;
        self
    }

    /// An error of the framework, found in `line` of `file`.
    pub(crate) fn from_error(file: &Path, line: usize, error: &Error) -> Self {
        let mut finding = Self::error(file, line, error.message()).of_kind(error.kind());
        finding.field = error.field().map(str::to_owned);
        finding
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: ", self.file.display(), self.line, self.severity)?;
        if let Some(field) = &self.field {
            write!(f, "`{field}`: ")?;
        }
        f.write_str(&self.message)?;
        if let Some(help) = &self.help {
            write!(f, " ({help})")?;
        }
        Ok(())
    }
}

impl From<Finding> for Error {
    fn from(finding: Finding) -> Self {
        let mut error = Error::new(finding.kind, finding.message).in_file(finding.file).at_line(finding.line);
        if let Some(field) = finding.field {
            error = error.at_field(field);
        }
        if let Some(help) = finding.help {
            error = error.help(help);
        }
        error
    }
}

/// So many findings of one kind are made one by one; the rest of them is one finding that counts.
const NAMED: usize = 20;

/// Makes a finding of every one of `items`, the first [`NAMED`] by `each`; `rest` makes one of the first item behind those and
/// how many there are from it on.
pub(crate) fn named<T>(
    items: &[T],
    each: impl Fn(&T) -> Finding,
    rest: impl Fn(&T, usize) -> Finding,
    findings: &mut Findings,
) {
    for item in items.iter().take(NAMED) {
        findings.push(each(item));
    }
    if let Some(first) = items.get(NAMED) {
        findings.push(rest(first, items.len() - NAMED));
    }
}

/// All findings of a check, sorted by file, then line. `Display` prints one a line.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(transparent)]
pub struct Findings(Vec<Finding>);

impl Findings {
    /// The findings in the order they were made, to be added to while a directory is read.
    pub(crate) fn push(&mut self, finding: Finding) {
        self.0.push(finding);
    }

    /// The first error that was pushed: in the order of reading, models before prompts before outcomes.
    pub(crate) fn take_first_error(self) -> Option<Finding> {
        self.0.into_iter().find(|finding| finding.severity == Severity::Error)
    }

    pub(crate) fn sort(&mut self) {
        self.0.sort_by(|a, b| (&a.file, a.line, a.severity).cmp(&(&b.file, b.line, b.severity)));
    }

    /// Orders what was pushed from position `from` on, all of one file, by line; what is of one line stays as it is.
    pub(crate) fn sort_lines_from(&mut self, from: usize) {
        if let Some(findings) = self.0.get_mut(from..) {
            findings.sort_by_key(|finding| finding.line);
        }
    }

    /// All findings.
    pub fn iter(&self) -> std::slice::Iter<'_, Finding> {
        self.0.iter()
    }

    /// The errors alone.
    pub fn errors(&self) -> impl Iterator<Item = &Finding> {
        self.iter().filter(|finding| finding.severity == Severity::Error)
    }

    /// The warnings alone.
    pub fn warnings(&self) -> impl Iterator<Item = &Finding> {
        self.iter().filter(|finding| finding.severity == Severity::Warning)
    }

    /// Whether there is an error, so that the directory does not read.
    pub fn has_errors(&self) -> bool {
        self.errors().next().is_some()
    }

    /// Number of findings.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.iter().try_for_each(|finding| writeln!(f, "{finding}"))
    }
}

impl<'a> IntoIterator for &'a Findings {
    type Item = &'a Finding;
    type IntoIter = std::slice::Iter<'a, Finding>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl IntoIterator for Findings {
    type Item = Finding;
    type IntoIter = std::vec::IntoIter<Finding>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

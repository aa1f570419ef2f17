//! The one place that writes to stdout and stderr.
//!
//! Results go to stdout: text, or with `--json` exactly one document. Remarks and errors go to stderr. When the reader of
//! stdout goes away (`| head`), what is left to print is dropped without an error.

use std::fmt::Display;
use std::io::{self, BufWriter, ErrorKind as IoErrorKind, Write};

use router_core::{Error, ErrorKind, Result};
use serde::Serialize;
use serde_json::{Value, json};

/// Where a command's results and remarks go.
pub(crate) struct Output {
    json: bool,
    quiet: bool,
    /// `None` once nobody reads it any more.
    stdout: Option<Box<dyn Write + Send>>,
    documented: bool,
}

impl Output {
    /// The process's own stdout and stderr.
    pub(crate) fn new(json: bool, quiet: bool) -> Self {
        Self::to(Box::new(BufWriter::new(io::stdout())), json, quiet)
    }

    fn to(stdout: Box<dyn Write + Send>, json: bool, quiet: bool) -> Self {
        Self { json, quiet, stdout: Some(stdout), documented: false }
    }

    /// Whether the result is one JSON document.
    pub(crate) fn json(&self) -> bool {
        self.json
    }

    /// Whether remarks are left out.
    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Whether nobody reads stdout any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.stdout.is_none()
    }

    /// A line (or several) of the result for people; nothing with `--json`.
    pub(crate) fn line(&mut self, text: impl Display) -> Result<()> {
        if self.json { Ok(()) } else { self.write(|stdout| writeln!(stdout, "{text}")) }
    }

    /// The whole result as the one JSON document, where `--json` asks for it.
    pub(crate) fn document(&mut self, document: &impl Serialize) -> Result<()> {
        if !self.json {
            return Ok(());
        }
        self.print_document(document)
    }

    /// `document` on stdout, with `--json` or without, for commands whose result is JSON by nature.
    pub(crate) fn print_document(&mut self, document: &impl Serialize) -> Result<()> {
        let mut text = serde_json::to_string_pretty(document).map_err(not_json)?;
        text.push('\n');
        self.documented = true;
        self.write(|stdout| stdout.write_all(text.as_bytes()))?;
        self.flush()
    }

    /// One JSON value as a line of JSON Lines.
    pub(crate) fn json_line(&mut self, value: &impl Serialize) -> Result<()> {
        let text = serde_json::to_string(value).map_err(not_json)?;
        self.line(text)
    }

    /// A remark on stderr, unless `--quiet`.
    pub(crate) fn remark(&self, text: impl Display) {
        if !self.quiet {
            // A remark that cannot be made is no reason to stop.
            let _ = writeln!(io::stderr().lock(), "{text}");
        }
    }

    /// The error on stderr, and with `--json` as the document on stdout if none was printed yet.
    pub(crate) fn error(&mut self, error: &Error) {
        // What was already decided comes first.
        let _ = self.flush();
        let _ = writeln!(io::stderr().lock(), "error: {error}");
        if self.json && !self.documented {
            self.error_document(error);
        }
    }

    /// The error as the JSON document on stdout.
    pub(crate) fn error_document(&mut self, error: &Error) {
        let document = json!({ "error": {
            "kind": kind_name(error.kind()),
            "message": error.message(),
            "file": error.file().map(|file| file.display().to_string()),
            "line": error.line(),
            "field": error.field(),
            "display": error.to_string(),
        } });
        // The error is on stderr already; a second one about stdout would bury it.
        let _ = self.print_document(&document);
    }

    /// Hands everything written so far to the reader.
    pub(crate) fn flush(&mut self) -> Result<()> {
        self.write(|stdout| stdout.flush())
    }

    fn write(&mut self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
        let Some(stdout) = &mut self.stdout else { return Ok(()) };
        match write(&mut **stdout) {
            Err(error) if error.kind() == IoErrorKind::BrokenPipe => {
                self.stdout = None;
                Ok(())
            }
            other => other.map_err(|source| Error::io("stdout", source)),
        }
    }
}

fn not_json(source: serde_json::Error) -> Error {
    Error::new(ErrorKind::Internal, "the result is not JSON").caused_by(source)
}

/// `UnknownPlugin` as `unknown-plugin`.
fn kind_name(kind: ErrorKind) -> Value {
    let mut name = String::new();
    for letter in format!("{kind:?}").chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.push(letter.to_ascii_lowercase());
    }
    Value::String(name)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Failing(IoErrorKind);

    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(self.0.into())
        }
    }

    #[test]
    fn json_silences_text_and_an_error_is_no_second_document() {
        let shared = Shared::default();
        let mut output = Output::to(Box::new(shared.clone()), true, true);
        output.line("text").unwrap();
        output.document(&json!({ "a": 1 })).unwrap();
        output.error(&Error::new(ErrorKind::Usage, "wrong"));
        let written = String::from_utf8(shared.0.lock().unwrap().clone()).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), json!({ "a": 1 }));
    }

    #[test]
    fn a_reader_that_goes_away_is_no_error_but_a_full_disk_is() {
        let mut output = Output::to(Box::new(Failing(IoErrorKind::BrokenPipe)), false, true);
        output.line("text").unwrap();
        assert!(output.is_closed());
        output.line("more").unwrap();
        let mut output = Output::to(Box::new(Failing(IoErrorKind::StorageFull)), false, true);
        assert_eq!(output.line("text").unwrap_err().kind(), ErrorKind::Io);
    }

    #[test]
    fn kinds_are_words_with_hyphens() {
        assert_eq!(kind_name(ErrorKind::UnknownPlugin), "unknown-plugin");
        assert_eq!(kind_name(ErrorKind::Io), "io");
    }
}

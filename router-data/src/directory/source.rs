//! Bytes of an input file: read whole, unpacked, cut into lines, checked to be UTF-8.

use std::fs;
use std::io::Read as _;
use std::path::Path;

use flate2::read::MultiGzDecoder;
use router_core::ErrorKind;

use super::encoding::{self, Mark};
use super::findings::{Finding, Findings};

/// The bytes of `path` without a byte order mark, unpacked where the name ends in `.gz`; `None` once a finding says why not.
pub(crate) fn load(path: &Path, findings: &mut Findings) -> Option<Vec<u8>> {
    let mut bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(source) => {
            findings.push(
                Finding::error(path, 1, format!("cannot be read: {source}"))
                    .of_kind(ErrorKind::Io)
                    .help("check the permissions"),
            );
            return None;
        }
    };
    if path.extension().is_some_and(|extension| extension == "gz") {
        bytes = unpack(path, &bytes, findings)?;
    }
    match encoding::mark(&bytes) {
        Mark::Utf8(length) => {
            bytes.drain(..length);
            let help = "it is passed over; other readers take it for a part of the first name";
            findings.push(Finding::warning(path, 1, "the file begins with a byte order mark").help(help));
        }
        Mark::Utf16 => {
            findings.push(Finding::error(path, 1, "the file is UTF-16").help("save it as UTF-8"));
            return None;
        }
        Mark::None => {}
    }
    if let Some((line, count)) = encoding::mixed_line_ends(&bytes) {
        let message = format!("CRLF and LF are mixed; lines that end otherwise than the first: {count}");
        let help = "both are read; a file in two styles often was joined from two sources";
        findings.push(Finding::warning(path, line, message).help(help));
    }
    Some(bytes)
}

/// Whether the name of `path` says that it is a Parquet file.
pub(crate) fn is_parquet(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "parquet")
}

fn unpack(path: &Path, packed: &[u8], findings: &mut Findings) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    match MultiGzDecoder::new(packed).read_to_end(&mut bytes) {
        Ok(_) => Some(bytes),
        Err(source) => {
            let what = if source.kind() == std::io::ErrorKind::UnexpectedEof {
                "the gzip data ends too early".to_owned()
            } else {
                format!("the gzip data is damaged: {source}")
            };
            let whole = lines(&bytes).count() - 1;
            findings.push(
                Finding::error(path, whole + 1, format!("{what}, after {whole} whole lines"))
                    .help("copy or pack the file again"),
            );
            None
        }
    }
}

/// The lines of `bytes` with their numbers from 1, without line ends (`\n` or `\r\n`).
pub(crate) fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    bytes.split(|&byte| byte == b'\n').enumerate().map(|(at, line)| (at + 1, line.strip_suffix(b"\r").unwrap_or(line)))
}

/// `bytes` as text; `None` once a finding names the first byte that is not UTF-8.
pub(crate) fn utf8<'a>(path: &Path, line: usize, bytes: &'a [u8], findings: &mut Findings) -> Option<&'a str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(source) => {
            let at = source.valid_up_to();
            let byte = bytes.get(at).copied().unwrap_or_default();
            let before = String::from_utf8_lossy(bytes.get(at.saturating_sub(12)..at).unwrap_or_default());
            let before = before.trim_start_matches('\u{fffd}');
            let mut message = format!("byte 0x{byte:02X} behind `{before}` is not UTF-8");
            if byte >= 0xA0 {
                message = format!("{message}, in Latin-1 it is `{}`", char::from(byte));
            }
            findings.push(Finding::error(path, line, message).help("save the whole file in one encoding, UTF-8"));
            None
        }
    }
}

/// Whether `name` is so near to one of `known` that it is a slip of the pen: one or two letters apart, and not itself known.
pub(crate) fn misspelled<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    known.iter().copied().find(|known| known.len() > 3 && distance(name, known) <= 2)
}

/// Edits between two names: letters put in, left out, or replaced (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut next = vec![i + 1];
        for ((j, y), pair) in b.chars().enumerate().zip(row.windows(2)) {
            let &[diagonal, above] = pair else { continue };
            let left = next.get(j).copied().unwrap_or(usize::MAX - 1);
            next.push((diagonal + usize::from(x != y)).min(above + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_either_way() {
        let found: Vec<_> = lines(b"a\r\nb\n\nc").collect();
        assert_eq!(found, [(1, &b"a"[..]), (2, b"b"), (3, b""), (4, b"c")]);
    }

    #[test]
    fn distances_known_from_textbooks() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(misspelled("wieght", &["weight"]), Some("weight"));
        assert_eq!(misspelled("latency", &["weight", "quality"]), None);
    }
}

//! Text files, line after line: unpacked, without a byte order mark, checked to be UTF-8. One line is held at a time.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use router_core::ErrorKind;

use super::encoding::{self, LineEnds, Mark};
use super::findings::{Finding, Findings};

/// Bytes that are read ahead.
const READ_AHEAD: usize = 1 << 18;

/// A text file that is read line after line, unpacked where its name ends in `.gz`. Whoever reads it ends with [`Lines::close`],
/// which tells what is wrong with the file as a whole.
pub(crate) struct Lines {
    path: PathBuf,
    input: Box<dyn BufRead>,
    packed: bool,
    /// Whole lines that were read.
    whole: usize,
    ends: LineEnds,
    failure: Option<io::Error>,
}

impl Lines {
    /// Opens `path`; `None` once a finding says why not.
    pub(crate) fn open(path: &Path, findings: &mut Findings) -> Option<Self> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(source) => {
                findings.push(unreadable(path, 1, &source));
                return None;
            }
        };
        let packed = path.extension().is_some_and(|extension| extension == "gz");
        let mut input: Box<dyn Read> = if packed {
            Box::new(MultiGzDecoder::new(BufReader::with_capacity(READ_AHEAD, file)))
        } else {
            Box::new(file)
        };
        let mut beginning = Vec::with_capacity(encoding::BEGINNING);
        let failure = input.by_ref().take(encoding::BEGINNING as u64).read_to_end(&mut beginning).err();
        match encoding::mark(&beginning) {
            Mark::Utf8(length) => {
                beginning.drain(..length);
                let help = "it is passed over; other readers take it for a part of the first name";
                findings.push(Finding::warning(path, 1, "the file begins with a byte order mark").help(help));
            }
            Mark::Utf16 => {
                findings.push(Finding::error(path, 1, "the file is UTF-16").help("save it as UTF-8"));
                return None;
            }
            Mark::None => {}
        }
        let input = Box::new(BufReader::with_capacity(READ_AHEAD, io::Cursor::new(beginning).chain(input)));
        Some(Self { path: path.to_path_buf(), input, packed, whole: 0, ends: LineEnds::default(), failure })
    }

    /// Puts the next line with its end behind `text`; false at the end of the file, or where it cannot be read any further.
    pub(crate) fn read(&mut self, text: &mut Vec<u8>) -> bool {
        let before = text.len();
        match self.input.read_until(b'\n', text) {
            Ok(0) => return false,
            Ok(_) => {}
            Err(source) => {
                self.failure.get_or_insert(source);
                text.truncate(before);
                return false;
            }
        }
        let line = text.get(before..).unwrap_or_default();
        if line.ends_with(b"\n") {
            self.whole += 1;
            self.ends.add(line.ends_with(b"\r\n"));
        }
        true
    }

    /// The next line without its end (`\n` or `\r\n`), held in `text`, and its number from 1.
    pub(crate) fn next<'t>(&mut self, text: &'t mut Vec<u8>) -> Option<(usize, &'t [u8])> {
        text.clear();
        if !self.read(text) {
            return None;
        }
        let whole = text.ends_with(b"\n");
        Some((self.whole + usize::from(!whole), without_end(text)))
    }

    /// Whether the file could not be read any further.
    pub(crate) fn failed(&self) -> bool {
        self.failure.is_some()
    }

    /// Says what is wrong with the file as a whole; false if it could not be read to its end.
    pub(crate) fn close(self, findings: &mut Findings) -> bool {
        let Self { path, packed, whole, ends, failure, .. } = self;
        if let Some((line, count)) = ends.mixed() {
            let message = format!("CRLF and LF are mixed; lines that end otherwise than the first: {count}");
            let help = "both are read; a file in two styles often was joined from two sources";
            findings.push(Finding::warning(&path, line, message).help(help));
        }
        let Some(source) = failure else { return true };
        findings.push(if packed && source.raw_os_error().is_none() {
            let what = if source.kind() == io::ErrorKind::UnexpectedEof {
                "the gzip data ends too early".to_owned()
            } else {
                format!("the gzip data is damaged: {source}")
            };
            Finding::error(&path, whole + 1, format!("{what}, after {whole} whole lines"))
                .help("copy or pack the file again")
        } else {
            unreadable(&path, whole + 1, &source)
        });
        false
    }
}

fn unreadable(path: &Path, line: usize, source: &io::Error) -> Finding {
    let finding = Finding::error(path, line, format!("cannot be read: {source}"));
    finding.of_kind(ErrorKind::Io).help("check the permissions")
}

/// The whole of `path`, for documents that are no lines; `None` once a finding says why not.
pub(crate) fn load(path: &Path, findings: &mut Findings) -> Option<Vec<u8>> {
    let mut lines = Lines::open(path, findings)?;
    let mut bytes = Vec::new();
    while lines.read(&mut bytes) {}
    lines.close(findings).then_some(bytes)
}

/// Whether the name of `path` says that it is a Parquet file.
pub(crate) fn is_parquet(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "parquet")
}

/// The lines of `bytes` with their numbers from 1, without line ends (`\n` or `\r\n`).
pub(crate) fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    bytes.split(|&byte| byte == b'\n').enumerate().map(|(at, line)| (at + 1, line.strip_suffix(b"\r").unwrap_or(line)))
}

fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
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
    use std::io::Write as _;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_end_either_way() {
        let found: Vec<_> = lines(b"a\r\nb\n\nc").collect();
        assert_eq!(found, [(1, &b"a"[..]), (2, b"b"), (3, b""), (4, b"c")]);
    }

    /// What is read of a file of `bytes`, plain and packed: its lines, and whether it was read to its end.
    fn read_lines(bytes: &[u8]) -> Vec<(usize, Vec<u8>)> {
        let folder = tempfile::tempdir().unwrap();
        let mut found = Vec::new();
        for name in ["a.jsonl", "a.jsonl.gz"] {
            let path = folder.path().join(name);
            let mut file = File::create(&path).unwrap();
            if name.ends_with("gz") {
                let mut packer = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
                packer.write_all(bytes).unwrap();
                packer.finish().unwrap();
            } else {
                file.write_all(bytes).unwrap();
            }
            let mut findings = Findings::default();
            let mut lines = Lines::open(&path, &mut findings).unwrap();
            let (mut read, mut text) = (Vec::new(), Vec::new());
            while let Some((line, content)) = lines.next(&mut text) {
                read.push((line, content.to_vec()));
            }
            assert!(lines.close(&mut findings));
            assert!(!findings.has_errors());
            assert_eq!(load(&path, &mut findings).unwrap(), bytes);
            found.push(read);
        }
        assert_eq!(found[0], found[1]);
        found.swap_remove(0)
    }

    #[test]
    fn lines_longer_than_what_is_read_ahead_are_whole() {
        let long = "x".repeat(3 * READ_AHEAD + 7);
        let found = read_lines(format!("{long}\nshort\r\n\n{long}").as_bytes());
        let expected = [(1, long.as_bytes()), (2, b"short"), (3, b""), (4, long.as_bytes())];
        assert_eq!(found.iter().map(|(line, text)| (*line, text.as_slice())).collect::<Vec<_>>(), expected);
    }

    proptest! {
        #[test]
        fn a_file_read_line_by_line_is_the_file_cut_into_lines(
            bytes in prop::collection::vec(prop::sample::select(b"ab\r\n".to_vec()), 0..300)
        ) {
            // What follows the last line end is a line only if there is something.
            let mut expected: Vec<_> = lines(&bytes).map(|(line, text)| (line, text.to_vec())).collect();
            if bytes.is_empty() || bytes.ends_with(b"\n") {
                expected.pop();
            }
            prop_assert_eq!(read_lines(&bytes), expected);
        }
    }

    #[test]
    fn distances_known_from_textbooks() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(misspelled("wieght", &["weight"]), Some("weight"));
        assert_eq!(misspelled("latency", &["weight", "quality"]), None);
    }
}

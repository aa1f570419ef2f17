//! Bytes of a stream as whole events.

use bytes::{Bytes, BytesMut};

/// Cuts bytes into events, of which each ends with an empty line (WHATWG HTML, server-sent events). Lines end with LF, CR LF or CR.
/// Keeps at most one unfinished event.
#[derive(Debug, Default)]
pub(crate) struct Framer {
    bytes: BytesMut,
    /// Up to where no event ends.
    seen: usize,
}

impl Framer {
    /// Adds what came.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole event, its empty line included.
    pub(crate) fn next(&mut self) -> Option<Bytes> {
        let end = self.end()?;
        self.seen = 0;
        Some(self.bytes.split_to(end).freeze())
    }

    /// Bytes of the event that is not finished.
    pub(crate) fn unfinished(&self) -> usize {
        self.bytes.len()
    }

    /// Behind the first empty line after something.
    fn end(&mut self) -> Option<usize> {
        let bytes = &self.bytes;
        let mut at = self.seen;
        while let Some(&byte) = bytes.get(at) {
            if byte == b'\n' || byte == b'\r' {
                let Some(line_end) = behind_line_end(bytes, at) else {
                    // A CR at the end: whether LF follows is not known yet.
                    self.seen = at;
                    return None;
                };
                match bytes.get(line_end) {
                    None => {
                        self.seen = at;
                        return None;
                    }
                    Some(b'\n' | b'\r') => {
                        // A CR is enough to end the event; the LF behind it, if one comes, belongs to it.
                        let Some(end) = behind_line_end(bytes, line_end) else {
                            self.seen = at;
                            return None;
                        };
                        return Some(end);
                    }
                    Some(_) => at = line_end,
                }
            } else {
                at += 1;
            }
        }
        self.seen = at;
        None
    }
}

/// Behind the line end that begins at `at`; `None` where that cannot be said yet.
fn behind_line_end(bytes: &[u8], at: usize) -> Option<usize> {
    match (bytes.get(at), bytes.get(at + 1)) {
        (Some(b'\r'), Some(b'\n')) => Some(at + 2),
        (Some(b'\r'), None) => None,
        _ => Some(at + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_out_whole_however_the_bytes_are_cut() {
        let stream = "data: a\n\ndata: b\r\n\r\n: c\nid: 1\ndata: d\r\r\ndata: e\n\ndata: unfini";
        let whole = ["data: a\n\n", "data: b\r\n\r\n", ": c\nid: 1\ndata: d\r\r\n", "data: e\n\n"];
        for step in 1..=stream.len() {
            let mut framer = Framer::default();
            let mut events = Vec::new();
            for piece in stream.as_bytes().chunks(step) {
                framer.push(piece);
                while let Some(event) = framer.next() {
                    events.push(String::from_utf8(event.to_vec()).unwrap());
                }
            }
            assert_eq!(events, whole, "in pieces of {step}");
            assert_eq!(framer.unfinished(), "data: unfini".len());
        }
    }
}

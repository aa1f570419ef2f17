//! Rows of comma-separated values as RFC 4180 has them, each with the line it starts in.
//!
//! Read here and not with the `csv` crate because a check has to name the exact line and has to notice a quote that is never
//! closed, which lenient readers take for one huge cell. The `csv` crate writes, and is what the tests hold this against.

/// What is wrong with a row.
pub(crate) type Fault = &'static str;

/// The cells of one row.
#[derive(Debug, Default)]
pub(crate) struct Cells {
    bytes: Vec<u8>,
    /// Where every cell ends.
    ends: Vec<usize>,
}

impl Cells {
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| self.bytes.get(start..end).unwrap_or_default())
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    fn end(&mut self) {
        self.ends.push(self.bytes.len());
    }
}

/// The rows of the lines that a function puts behind what it is given, saying false at the end of them. Empty lines are passed over;
/// lines end in `\n` or `\r\n`. A row that is at fault ends with its line. One row is held at a time.
pub(crate) struct Rows<F> {
    read: F,
    /// The line that is read, with its end, and how far.
    text: Vec<u8>,
    at: usize,
    /// Lines that were read.
    line: usize,
    cells: Cells,
}

impl<F: FnMut(&mut Vec<u8>) -> bool> Rows<F> {
    pub(crate) fn new(read: F) -> Self {
        Self { read, text: Vec::new(), at: 0, line: 0, cells: Cells::default() }
    }

    /// The next row: the line it starts in, and its cells or what is wrong with it.
    pub(crate) fn next(&mut self) -> Option<(usize, Result<&Cells, Fault>)> {
        while self.next_line() {
            if !matches!(self.text.as_slice(), b"\n" | b"\r\n") {
                let line = self.line;
                let found = self.row();
                return Some((line, found.map(|()| &self.cells)));
            }
        }
        None
    }

    fn next_line(&mut self) -> bool {
        self.text.clear();
        self.at = 0;
        let more = (self.read)(&mut self.text);
        self.line += usize::from(more);
        more
    }

    fn rest(&self) -> &[u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn row(&mut self) -> Result<(), Fault> {
        self.cells.clear();
        loop {
            if self.rest().first() == Some(&b'"') {
                self.at += 1;
                self.quoted_cell()?;
            } else {
                self.plain_cell()?;
            }
            self.cells.end();
            match self.rest() {
                [b',', ..] => self.at += 1,
                [] | [b'\n', ..] | [b'\r', b'\n', ..] => return Ok(()),
                _ => return Err("text after the closing quote of a cell"),
            }
        }
    }

    fn quoted_cell(&mut self) -> Result<(), Fault> {
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            let Some(length) = rest.iter().position(|&byte| byte == b'"') else {
                self.cells.bytes.extend_from_slice(rest);
                if self.next_line() {
                    continue;
                }
                return Err("a quote is opened here or later in the row and never closed");
            };
            self.cells.bytes.extend(rest.iter().take(length));
            self.at += length + 1;
            if self.rest().first() != Some(&b'"') {
                return Ok(());
            }
            self.cells.bytes.push(b'"');
            self.at += 1;
        }
    }

    fn plain_cell(&mut self) -> Result<(), Fault> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let end = rest.iter().position(|&byte| matches!(byte, b',' | b'\n')).unwrap_or(rest.len());
        let (mut cell, behind) = rest.split_at(end);
        if behind.first() == Some(&b'\n') {
            cell = cell.strip_suffix(b"\r").unwrap_or(cell);
        }
        if cell.contains(&b'"') {
            return Err("a quote in the middle of a cell");
        }
        self.cells.bytes.extend_from_slice(cell);
        self.at += cell.len();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufRead as _;

    use proptest::prelude::*;

    use super::*;

    type Row = (usize, Result<Vec<Vec<u8>>, Fault>);

    fn rows(mut bytes: &[u8]) -> Vec<Row> {
        let mut rows = Rows::new(|text| bytes.read_until(b'\n', text).unwrap() > 0);
        let mut found = Vec::new();
        while let Some((line, row)) = rows.next() {
            found.push((line, row.map(|cells| cells.iter().map(<[u8]>::to_vec).collect())));
        }
        found
    }

    fn cells(text: &str) -> Vec<(usize, Vec<String>)> {
        let texts = |cells: Vec<Vec<u8>>| cells.into_iter().map(|cell| String::from_utf8(cell).unwrap()).collect();
        rows(text.as_bytes()).into_iter().map(|(line, row)| (line, texts(row.unwrap()))).collect()
    }

    #[test]
    fn lines_are_counted_through_line_ends_and_quotes() {
        let found = cells("a,b\r\n\r\n\"x\ny\",\"say \"\"hi\"\"\"\nlast,\n,");
        let expected: [(usize, &[&str]); 4] =
            [(1, &["a", "b"]), (3, &["x\ny", "say \"hi\""]), (5, &["last", ""]), (6, &["", ""])];
        assert_eq!(found.len(), 4);
        for ((line, cells), (expected_line, expected_cells)) in found.iter().zip(expected) {
            assert_eq!(
                (*line, cells.iter().map(String::as_str).collect::<Vec<_>>()),
                (expected_line, expected_cells.to_vec())
            );
        }
    }

    #[test]
    fn faults_are_told_and_reading_goes_on() {
        let rows = rows(b"a\nb\"c,d\n\"e\"f,g\nh,\"i\n");
        assert_eq!(rows[0], (1, Ok(vec![b"a".to_vec()])));
        assert_eq!(rows[1], (2, Err("a quote in the middle of a cell")));
        assert_eq!(rows[2], (3, Err("text after the closing quote of a cell")));
        assert_eq!(rows[3].0, 4);
        assert!(rows[3].1.as_ref().unwrap_err().contains("never closed"));
        assert_eq!(rows.len(), 4);
    }

    proptest! {
        #[test]
        fn what_the_csv_crate_writes_is_read_back(
            table in prop::collection::vec(prop::collection::vec("[a,\"\r\n é]{0,6}", 2..5), 0..8)
        ) {
            let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
            for row in &table {
                writer.write_record(row).unwrap();
            }
            let text = String::from_utf8(writer.into_inner().unwrap()).unwrap();
            let found: Vec<Vec<String>> = cells(&text).into_iter().map(|(_, row)| row).collect();
            prop_assert_eq!(found, table);
        }

        #[test]
        fn any_bytes_are_read_without_panic_and_to_the_end(bytes in prop::collection::vec(prop::sample::select(b"a,\"\r\n".to_vec()), 0..60)) {
            let lines: Vec<usize> = rows(&bytes).into_iter().map(|(line, _)| line).collect();
            prop_assert!(lines.windows(2).all(|pair| pair[0] < pair[1]));
            prop_assert!(lines.iter().all(|&line| line <= bytes.split(|&b| b == b'\n').count()));
        }
    }
}

//! Rows of comma-separated values as RFC 4180 has them, each with the line it starts in.
//!
//! Read here and not with the `csv` crate because a check has to name the exact line and has to notice a quote that is never
//! closed, which lenient readers take for one huge cell. The `csv` crate writes, and is what the tests hold this against.

/// A row: the line it starts in, and its cells or what is wrong with it.
pub(crate) type Row = (usize, Result<Vec<Vec<u8>>, &'static str>);

/// Iterates over the rows of `bytes`. Empty lines are passed over; lines end in `\n` or `\r\n`.
pub(crate) struct Rows<'a> {
    rest: &'a [u8],
    line: usize,
}

impl<'a> Rows<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, line: 1 }
    }

    fn next_byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        self.line += usize::from(byte == b'\n');
        Some(byte)
    }

    /// Passes over the rest of the line, so that reading goes on behind a fault.
    fn skip_line(&mut self) {
        while self.next_byte().is_some_and(|byte| byte != b'\n') {}
    }

    /// Whether a line ends here, in `\n`, `\r\n` or the end of the file; it is consumed.
    fn end_of_line(&mut self) -> bool {
        if self.rest.starts_with(b"\r\n") {
            self.next_byte();
        }
        match self.rest.first() {
            None => true,
            Some(b'\n') => {
                self.next_byte();
                true
            }
            Some(_) => false,
        }
    }

    fn quoted_cell(&mut self) -> Result<Vec<u8>, &'static str> {
        let mut cell = Vec::new();
        loop {
            match self.next_byte() {
                None => return Err("a quote is opened here or later in the row and never closed"),
                Some(b'"') if self.rest.first() == Some(&b'"') => {
                    self.next_byte();
                    cell.push(b'"');
                }
                Some(b'"') => return Ok(cell),
                Some(byte) => cell.push(byte),
            }
        }
    }

    fn plain_cell(&mut self) -> Result<Vec<u8>, &'static str> {
        let end = self.rest.iter().position(|&byte| matches!(byte, b',' | b'\n')).unwrap_or(self.rest.len());
        let (mut cell, mut rest) = self.rest.split_at(end);
        if rest.first() != Some(&b',') && cell.ends_with(b"\r") && !rest.is_empty() {
            (cell, rest) = self.rest.split_at(end - 1);
        }
        self.rest = rest;
        if cell.contains(&b'"') { Err("a quote in the middle of a cell") } else { Ok(cell.to_vec()) }
    }

    fn row(&mut self) -> Result<Vec<Vec<u8>>, &'static str> {
        let mut cells = Vec::with_capacity(8);
        loop {
            let quoted = self.rest.first() == Some(&b'"');
            cells.push(if quoted {
                self.next_byte();
                self.quoted_cell()?
            } else {
                self.plain_cell()?
            });
            if self.rest.first() == Some(&b',') {
                self.next_byte();
            } else if self.end_of_line() {
                return Ok(cells);
            } else {
                return Err("text after the closing quote of a cell");
            }
        }
    }
}

impl Iterator for Rows<'_> {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        while self.rest.starts_with(b"\n") || self.rest.starts_with(b"\r\n") {
            self.end_of_line();
        }
        if self.rest.is_empty() {
            return None;
        }
        let line = self.line;
        let row = self.row();
        if row.is_err() {
            self.skip_line();
        }
        Some((line, row))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cells(text: &str) -> Vec<(usize, Vec<String>)> {
        Rows::new(text.as_bytes())
            .map(|(line, row)| (line, row.unwrap().into_iter().map(|c| String::from_utf8(c).unwrap()).collect()))
            .collect()
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
        let rows: Vec<Row> = Rows::new(b"a\nb\"c,d\n\"e\"f,g\nh,\"i\n").collect();
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
            let lines: Vec<usize> = Rows::new(&bytes).map(|(line, _)| line).collect();
            prop_assert!(lines.windows(2).all(|pair| pair[0] < pair[1]));
            prop_assert!(lines.iter().all(|&line| line <= bytes.split(|&b| b == b'\n').count()));
        }
    }
}

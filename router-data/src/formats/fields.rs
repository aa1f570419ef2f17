//! The fields of one row: each read, and everything that is wrong with it told.

use std::path::Path;

use crate::directory::Finding;
use crate::table::Cell;

/// One row as it is read: where it stands, and what is wrong with it so far. [`Collector::close`](super::Collector::close) ends it.
#[derive(Debug)]
pub struct Fields<'a> {
    path: &'a Path,
    line: usize,
    pub(super) faults: Vec<Finding>,
}

impl<'a> Fields<'a> {
    /// The row in `line` of `path`.
    pub fn new(path: &'a Path, line: usize) -> Self {
        Self { path, line, faults: Vec::new() }
    }

    /// The file.
    pub fn path(&self) -> &'a Path {
        self.path
    }

    /// The line, or the row of a Parquet file, from 1.
    pub fn line(&self) -> usize {
        self.line
    }

    /// Says what is wrong with `field`.
    pub fn wrong(&mut self, field: &str, message: impl Into<String>, help: &str) {
        let finding = Finding::error(self.path, self.line, message).at_field(field);
        self.faults.push(if help.is_empty() { finding } else { finding.help(help) });
    }

    /// The text, or the whole number as text, that must stand in `field`.
    pub fn text(&mut self, field: &str, cell: &Cell) -> Option<String> {
        match cell.label() {
            Ok(Some(text)) if !text.trim().is_empty() => return Some(text),
            Ok(Some(_)) => self.wrong(field, "the text is empty", ""),
            Ok(None) => self.wrong(field, "the field is missing or empty", ""),
            Err(message) => self.wrong(field, message, ""),
        }
        None
    }

    /// The text that may stand in `field`.
    pub fn optional_text(&mut self, field: &str, cell: &Cell) -> Option<String> {
        cell.label().unwrap_or_else(|message| {
            self.wrong(field, message, "a text, or empty where unknown");
            None
        })
    }

    /// The quality in `field`, a number in [0, 1] or a truth value; none where it is empty.
    pub fn quality(&mut self, field: &str, cell: &Cell) -> Option<f32> {
        let help = "a quality lies in [0, 1]; leave it empty where unknown";
        let number = match cell {
            Cell::Truth(truth) => Some(f64::from(u8::from(*truth))),
            Cell::Text(text) if matches!(text.trim(), "True" | "true" | "TRUE") => Some(1.0),
            Cell::Text(text) if matches!(text.trim(), "False" | "false" | "FALSE") => Some(0.0),
            other => self.known(field, other, help),
        };
        match number {
            Some(number) if !(0.0..=1.0).contains(&number) => {
                self.wrong(field, format!("{number} is outside [0, 1]"), help);
                None
            }
            // Adding zero makes a negative zero positive.
            Some(number) => Some(number as f32 + 0.0),
            None => None,
        }
    }

    /// The amount in `field`, zero or more; none where it is empty.
    pub fn amount(&mut self, field: &str, cell: &Cell) -> Option<f64> {
        let help = "zero or more; leave it empty where unknown";
        let number = self.known(field, cell, help)?;
        if !number.is_finite() || number < 0.0 {
            self.wrong(field, format!("{number} is negative or infinite"), help);
            return None;
        }
        Some(number + 0.0)
    }

    /// The count in `field`; none where it is empty.
    pub fn count(&mut self, field: &str, cell: &Cell) -> Option<u32> {
        let number = self.amount(field, cell)?;
        // Tables with gaps are often written with whole numbers as `498.0`.
        if number.fract() != 0.0 || number > f64::from(u32::MAX) {
            self.wrong(field, format!("{number} is not a count"), "a whole number; leave it empty where unknown");
            return None;
        }
        Some(number as u32)
    }

    /// The number in `field`. A NaN is how these projects' tables write an unknown one.
    fn known(&mut self, field: &str, cell: &Cell, help: &str) -> Option<f64> {
        match cell.number() {
            Ok(number) => number.filter(|number| !number.is_nan()),
            Err(message) => {
                self.wrong(field, message, help);
                None
            }
        }
    }
}

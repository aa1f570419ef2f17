//! Tables that fit the terminal, and how numbers are written in them.

use comfy_table::{
    Cell, CellAlignment, ColumnConstraint, ContentArrangement, ContentLineStyle, LineStyle, Row, TableStyle, Width,
};

/// Width where stdout is no terminal.
const PIPED_WIDTH: u16 = 100;
/// Spaces between columns.
const GAP: u16 = 2;
/// Words up to this length are kept whole.
const LONGEST_WORD: usize = 40;

/// How a column is aligned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// A table in the making: plain text, no colors.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<(String, Align)>,
    rows: Vec<Line>,
}

#[derive(Debug)]
enum Line {
    Cells(Vec<String>),
    Rule,
}

impl Table {
    /// A table with these columns.
    pub(crate) fn new<S: Into<String>>(columns: impl IntoIterator<Item = (S, Align)>) -> Self {
        Self { columns: columns.into_iter().map(|(name, align)| (name.into(), align)).collect(), rows: Vec::new() }
    }

    /// One more row, a cell a column.
    pub(crate) fn row<S: Into<String>>(&mut self, cells: impl IntoIterator<Item = S>) {
        self.rows.push(Line::Cells(cells.into_iter().map(Into::into).collect()));
    }

    /// A rule below the rows so far.
    pub(crate) fn rule(&mut self) {
        self.rows.push(Line::Rule);
    }

    /// The table as lines, as wide as the terminal allows.
    pub(crate) fn render(&self) -> String {
        self.render_within(None)
    }

    fn render_within(&self, width: Option<u16>) -> String {
        let mut table = comfy_table::Table::new();
        table
            .load_style(
                TableStyle::new()
                    .header_lines(ContentLineStyle::none())
                    .header_separator(LineStyle::none().fill('─').junction('─'))
                    .content_lines(ContentLineStyle::none()),
            )
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_truncation_indicator("");
        if let Some(width) = width {
            table.force_no_tty().set_width(width);
        } else if !table.is_tty() {
            table.set_width(PIPED_WIDTH);
        }
        table.set_header(self.columns.iter().map(|(name, _)| name));
        for line in &self.rows {
            match line {
                Line::Cells(cells) => {
                    table.add_row(cells.iter().map(Cell::new));
                }
                Line::Rule => {
                    let mut rule = Row::new();
                    for (at, _) in self.columns.iter().enumerate() {
                        rule.add_cell(Cell::new("─".repeat(self.longest_word(at))));
                    }
                    rule.max_height(1);
                    table.add_row(rule);
                }
            }
        }
        for (at, (column, (_, align))) in table.column_iter_mut().zip(&self.columns).enumerate() {
            let gap = if at + 1 == self.columns.len() { 0 } else { GAP };
            column.set_padding((0, gap));
            // Lines break between words, never within a number or a name.
            let narrowest = self.longest_word(at).min(LONGEST_WORD) as u16 + gap;
            column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(narrowest)));
            column.set_cell_alignment(match align {
                Align::Left => CellAlignment::Left,
                Align::Right => CellAlignment::Right,
            });
        }
        let text = table.trim_fmt().replace(FIRM_SPACE, " ");
        // The rule below the header is whole; those below rows have gaps between the columns.
        let is_rule = |line: &str| line.contains('─') && line.chars().all(|letter| letter == '─' || letter == ' ');
        let rule = text.lines().find(|line| is_rule(line)).unwrap_or_default();
        text.lines().map(|line| if is_rule(line) { rule } else { line }).collect::<Vec<_>>().join("\n")
    }

    /// The cells of column `at`, its header included.
    fn cells(&self, at: usize) -> impl Iterator<Item = &str> {
        let cells = self.rows.iter().filter_map(move |line| match line {
            Line::Cells(cells) => cells.get(at).map(String::as_str),
            Line::Rule => None,
        });
        cells.chain(self.columns.get(at).map(|(name, _)| name.as_str()))
    }

    /// Characters of the longest word of column `at`.
    fn longest_word(&self, at: usize) -> usize {
        self.cells(at).flat_map(|cell| cell.split([' ', '\n'])).map(|word| word.chars().count()).max().unwrap_or(0)
    }
}

/// Stands for a space at which no line breaks.
const FIRM_SPACE: char = '\u{a0}';

/// The same words, kept on one line in a table.
pub(crate) fn together(text: &str) -> String {
    text.replace(' ', &FIRM_SPACE.to_string())
}

/// A score or share with four decimals.
pub(crate) fn score(value: f64) -> String {
    format!("{value:.4}")
}

/// A score with three decimals and no leading zero, for tables with many of them: `.813`.
pub(crate) fn short_score(value: f64) -> String {
    without_zero(format!("{value:.3}"))
}

/// A signed difference of scores with three decimals and no leading zero: `+.024`.
pub(crate) fn short_difference(value: f64) -> String {
    without_zero(format!("{value:+.3}"))
}

fn without_zero(number: String) -> String {
    match number.split_once("0.") {
        Some((sign, decimals)) if sign.is_empty() || sign == "+" || sign == "-" => format!("{sign}.{decimals}"),
        _ => number,
    }
}

/// A share as a percentage.
pub(crate) fn percent(value: f64) -> String {
    format!("{:.1}%", value * 100.0)
}

/// An amount in US dollars with three significant digits; a dash where unknown.
pub(crate) fn usd(value: Option<f64>) -> String {
    match value {
        None => "-".to_owned(),
        Some(value) if value.abs() < 1e-12 => "$0".to_owned(),
        Some(value) => {
            let digits = (2 - value.abs().log10().floor() as i32).clamp(2, 12) as usize;
            format!("${value:.digits$}")
        }
    }
}

/// A count with a thin separator every three digits.
pub(crate) fn count(value: usize) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `one prompt`, `2 prompts`.
pub(crate) fn plural(value: usize, thing: &str) -> String {
    if value == 1 { format!("1 {thing}") } else { format!("{} {thing}s", count(value)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new([("router", Align::Left), ("quality", Align::Right)]);
        table.row(["a router with a long name", "0.9"]);
        table.rule();
        table.row(["oracle", "0.9512"]);
        table
    }

    #[test]
    fn numbers_align_right_and_rules_span_columns() {
        insta::assert_snapshot!(table().render_within(Some(80)), @r"
        router                     quality
        ──────────────────────────────────
        a router with a long name      0.9
        ──────────────────────────────────
        oracle                      0.9512
        ");
    }

    #[test]
    fn a_narrow_terminal_wraps() {
        let text = table().render_within(Some(24));
        assert!(text.lines().all(|line| line.chars().count() <= 24), "{text}");
        assert!(text.contains("0.9512"), "{text}");
    }

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!(usd(None), "-");
        assert_eq!(usd(Some(0.0)), "$0");
        assert_eq!(usd(Some(0.000_123_45)), "$0.000123");
        assert_eq!(usd(Some(12.3456)), "$12.35");
        assert_eq!(count(1), "1");
        assert_eq!(count(12_345), "12,345");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(plural(1, "prompt"), "1 prompt");
        assert_eq!(plural(2, "prompt"), "2 prompts");
        assert_eq!(percent(0.1234), "12.3%");
        let short = [0.8125, 1.0, 10.05, -0.5].map(short_score);
        assert_eq!(short, [".812", "1.000", "10.050", "-.500"]);
        let differences = [0.0, 0.0241, -0.5, 1.5].map(short_difference);
        assert_eq!(differences, ["+.000", "+.024", "-.500", "+1.500"]);
    }
}

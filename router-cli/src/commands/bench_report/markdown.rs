//! A table a group.

use std::fmt::Write as _;

use super::growth::{Series, numbers};

/// The section of one group: its table, and its plot if there is one.
pub(super) fn section(group: &[Series], plot: Option<&str>) -> String {
    let Some(first) = group.first() else { return String::new() };
    let numbers = numbers(group);
    let measure = group.iter().find_map(|series| series.base.measure.as_deref());
    let size: Vec<String> = first.base.size.iter().map(|(name, value)| format!("{name} = {value}")).collect();
    let mut text = format!("\n## {}\n\nMedians at {}", first.group, size.join(", "));
    if !numbers.is_empty() {
        text.push_str("; under a number, the exponent with which time grows in it, all others held");
    }
    text.push_str(".\n\n| plugin | time | 95% | prompts a second |");
    let mut rule = String::from("|---|---:|---:|---:|");
    for number in &numbers {
        let _ = write!(text, " {number} |");
        rule.push_str("---:|");
    }
    if let Some(measure) = measure {
        let _ = write!(text, " {measure} |");
        rule.push_str("---:|");
    }
    let _ = writeln!(text, "\n{rule}");
    for series in group {
        let base = &series.base;
        let [low, high] = base.seconds_ci.map(duration);
        let rate = base.prompts_per_second.map_or_else(|| "-".to_owned(), rounded);
        let _ = write!(text, "| {} | {} | {low} to {high} | {rate} |", series.name, duration(base.seconds));
        for number in &numbers {
            let exponent = series.growth.iter().find(|growth| growth.number == *number);
            let _ = write!(
                text,
                " {} |",
                exponent.map_or_else(|| "-".to_owned(), |growth| format!("{:.2}", growth.exponent))
            );
        }
        if measure.is_some() {
            let _ = write!(text, " {} |", base.quality.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}")));
        }
        text.push('\n');
    }
    if let Some(plot) = plot {
        let _ = writeln!(text, "\n![{} by size]({plot})", first.group);
    }
    text
}

/// Seconds in a unit of three digits.
pub(super) fn duration(seconds: f64) -> String {
    let units = [(1.0, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns")];
    let (unit, name) = units.into_iter().find(|(unit, _)| seconds >= *unit).unwrap_or((1e-9, "ns"));
    format!("{} {name}", rounded(seconds / unit))
}

/// A number with three significant digits, no fewer before the point.
fn rounded(value: f64) -> String {
    let decimals = if value >= 100.0 {
        0
    } else if value >= 10.0 {
        1
    } else {
        2
    };
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_three_digits() {
        let shown: Vec<String> = [2.5e-9, 12.34e-6, 0.4567, 1.0, 123.4].into_iter().map(duration).collect();
        assert_eq!(shown, ["2.50 ns", "12.3 us", "457 ms", "1.00 s", "123 s"]);
    }
}

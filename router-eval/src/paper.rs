//! The table for a paper: Markdown, or LaTeX with the packages booktabs and, for the minus sign, nothing else.
//!
//! Routers and references with quality, cost, gap closed and the differences, each with its interval. A difference of a router is set in
//! bold where it holds after Holm's correction over all routers at the level of the intervals.

use router_core::cost::CostKind;

use crate::significance::Claim;
use crate::summary::{Difference, Entry, Summary};

/// How the table is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaperFormat {
    /// A pipe table, as GitHub shows it.
    Markdown,
    /// A `tabular` in the style of booktabs.
    Latex,
}

/// The table of `summary` with its caption.
pub fn paper_table(summary: &Summary, format: PaperFormat) -> String {
    let first = summary.routers.first().map_or("", |router| router.name.as_str());
    let level = 1.0 - summary.bootstrap.confidence;
    let rows = |entries: &[Entry]| -> Vec<[String; 6]> {
        entries.iter().map(|entry| row(entry, &entry.label(first), level, format)).collect()
    };
    let (routers, references) = (rows(&summary.routers), rows(&summary.references));
    let caption = caption(summary);
    match format {
        PaperFormat::Markdown => markdown(&routers, &references, &caption),
        PaperFormat::Latex => latex(&routers, &references, &caption),
    }
}

const HEAD: [&str; 6] = ["Router", "Quality", "USD per 1,000", "Gap closed", "vs best single", "vs kNN"];

fn row(entry: &Entry, label: &str, level: f64, format: PaperFormat) -> [String; 6] {
    let minus = |text: String| match format {
        PaperFormat::Markdown => text.replace('-', "\u{2212}"),
        PaperFormat::Latex => text.replace('-', "$-$"),
    };
    let none = || "\u{2013}".to_owned();
    let none = || if format == PaperFormat::Latex { "--".to_owned() } else { none() };
    let bold = |text: String| match format {
        PaperFormat::Markdown => format!("**{text}**"),
        PaperFormat::Latex => format!("\\textbf{{{text}}}"),
    };
    let difference = |difference: Option<Difference>, claim: Option<Claim>| {
        difference.map_or_else(none, |found| {
            let text = format!("{:+.3}", found.delta);
            let text = if claim.is_some_and(|claim| claim.p_holm <= level) { bold(minus(text)) } else { minus(text) };
            format!("{text} {}", minus(format!("[{:+.3}, {:+.3}]", found.ci[0], found.ci[1])))
        })
    };
    let estimated = if entry.cost_kind == CostKind::Estimated { " (est.)" } else { "" };
    [
        escaped(label, format),
        entry.quality.map_or_else(none, |quality| {
            let ci = entry.quality_ci.map_or_else(String::new, |ci| format!(" [{:.3}, {:.3}]", ci[0], ci[1]));
            format!("{quality:.3}{ci}")
        }),
        entry.cost_usd.map_or_else(none, |cost| format!("{}{estimated}", amount(cost * 1000.0))),
        entry.gap_closed.map_or_else(none, |gap| {
            let percent = if format == PaperFormat::Latex { "\\%" } else { "%" };
            minus(format!("{:.0}{percent}", gap * 100.0))
        }),
        difference(entry.vs_best_single.filter(|_| entry.name != "best-single"), entry.claim_vs_best_single),
        difference(entry.vs_knn.filter(|_| entry.name != "knn"), entry.claim_vs_knn),
    ]
}

/// Three significant digits.
fn amount(value: f64) -> String {
    if value <= 0.0 {
        return "0".into();
    }
    let digits = (2 - value.log10().floor() as i32).clamp(0, 12) as usize;
    format!("{value:.digits$}")
}

/// A name that means nothing to the format.
fn escaped(text: &str, format: PaperFormat) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match (format, letter) {
            (_, '\n' | '\r') => escaped.push(' '),
            (PaperFormat::Markdown, '|' | '*' | '_' | '`' | '<' | '>' | '\\' | '[' | ']' | '#' | '~')
            | (PaperFormat::Latex, '&' | '%' | '$' | '#' | '_' | '{' | '}') => escaped.extend(['\\', letter]),
            (PaperFormat::Latex, '\\') => escaped.push_str("\\textbackslash{}"),
            (PaperFormat::Latex, '~') => escaped.push_str("\\textasciitilde{}"),
            (PaperFormat::Latex, '^') => escaped.push_str("\\textasciicircum{}"),
            (PaperFormat::Latex, '<') => escaped.push_str("\\textless{}"),
            (PaperFormat::Latex, '>') => escaped.push_str("\\textgreater{}"),
            (_, letter) => escaped.push(letter),
        }
    }
    escaped
}

fn caption(summary: &Summary) -> String {
    let how = match summary.folds {
        Some(_) if summary.leave_benchmark_out => ", one benchmark held out at a time".to_owned(),
        Some(folds) => format!(", {folds}-fold cross-validation"),
        None => String::new(),
    };
    let seeds = summary.seeds.len();
    format!(
        "{}: {} prompts, {} models{how}, {seeds} seed{}; {:.0}% intervals by a paired bootstrap of {} resamples. Bold: a router's difference \
         that holds after Holm's correction.",
        summary.data.join(" + "),
        summary.prompts,
        summary.models,
        if seeds == 1 { "" } else { "s" },
        summary.bootstrap.confidence * 100.0,
        summary.bootstrap.resamples,
    )
}

fn markdown(routers: &[[String; 6]], references: &[[String; 6]], caption: &str) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let mut text = line(&HEAD.map(str::to_owned));
    text.push_str("|---|---:|---:|---:|---:|---:|\n");
    routers.iter().chain(references).for_each(|row| text.push_str(&line(row)));
    format!("{text}\n{}", escaped(caption, PaperFormat::Markdown))
}

fn latex(routers: &[[String; 6]], references: &[[String; 6]], caption: &str) -> String {
    let line = |cells: &[String]| format!("{} \\\\\n", cells.join(" & "));
    let rows = |rows: &[[String; 6]]| rows.iter().map(|row| line(row)).collect::<String>();
    format!(
        "% \\usepackage{{booktabs}}\n\\begin{{tabular}}{{lrrrrr}}\n\\toprule\n{}\\midrule\n{}\\midrule\n{}\\bottomrule\n\\end{{tabular}}\n% {}",
        line(&HEAD.map(str::to_owned)),
        rows(routers),
        rows(references),
        caption.replace(['\n', '\r'], " ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_mean_nothing_to_the_format() {
        assert_eq!(escaped("a|b_c", PaperFormat::Markdown), "a\\|b\\_c");
        assert_eq!(escaped("50% & $x_1$ \\", PaperFormat::Latex), "50\\% \\& \\$x\\_1\\$ \\textbackslash{}");
        assert_eq!(escaped("two\nlines", PaperFormat::Latex), "two lines");
    }

    #[test]
    fn amounts_have_three_digits() {
        assert_eq!([0.0, 0.012_34, 1.5, 123.4].map(amount), ["0", "0.0123", "1.50", "123"]);
    }
}

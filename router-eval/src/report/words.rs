//! The result in a few sentences, and numbers as people read them.

use serde::Serialize;

use crate::summary::{Difference, Entry, Summary};

/// What a reader should take away, a sentence or two each.
pub(crate) fn verdict(summary: &Summary) -> Vec<String> {
    let Some(router) = summary.routers.first() else { return Vec::new() };
    let Some(quality) = router.quality else {
        return vec![format!("{} could not be scored: no outcome of any chosen pair was observed.", router.name)];
    };
    let coverage = percent(summary.bootstrap.confidence);
    let mut sentences = Vec::new();
    let against = |other: &str, difference: &Difference| {
        let interval = format!("{coverage} interval {} to {}", signed(difference.ci[0]), signed(difference.ci[1]));
        if difference.is_significant() {
            let side = if difference.delta > 0.0 { "above" } else { "below" };
            format!("{} {side} {other} ({interval}, which excludes zero)", quality_text(difference.delta.abs()))
        } else {
            format!(
                "not distinguishable from {other} (difference {}, {interval}, which includes zero)",
                signed(difference.delta)
            )
        }
    };
    let mut first = format!("{} scores {} on {} prompts", router.name, quality_text(quality), count(summary.prompts));
    if let Some(difference) = &router.vs_best_single {
        first.push_str(if difference.is_significant() { ": " } else { ": it is " });
        first.push_str(&against("the best single model", difference));
    }
    first.push('.');
    sentences.push(first);
    let best_single = summary.references.iter().find(|entry| entry.name == "best-single");
    let mut second = Vec::new();
    if let Some(difference) = &router.vs_knn {
        second.push(format!("Against tuned nearest neighbors it is {}", against("them", difference)));
    }
    if let Some(gap) = router.gap_closed {
        second.push(format!("it closes {} of the gap between the best single model and the oracle", percent(gap)));
    }
    if !second.is_empty() {
        sentences.push(format!("{}.", capitalized(&second.join("; "))));
    }
    if let Some(cost) = router.cost_usd {
        sentences.push(format!(
            "A thousand calls cost {} on average{}.",
            dollars(cost * 1000.0),
            best_single.and_then(|entry| entry.cost_usd).map_or(String::new(), |other| comparison(cost, other))
        ));
    }
    sentences
}

/// Where more than one test prompt in twenty was trained on.
fn leaked(summary: &Summary) -> Option<String> {
    let leakage = summary.leakage.as_ref()?;
    let found = leakage.near.unwrap_or(0).max(leakage.exact);
    (found * 20 > summary.prompts).then(|| {
        format!(
            "{} of {} test prompts, or near duplicates of them, stand in the training data: what is told here is in part remembered.",
            count(found),
            count(summary.prompts)
        )
    })
}

fn comparison(cost: f64, best_single: f64) -> String {
    if best_single <= 0.0 {
        return String::new();
    }
    let ratio = cost / best_single;
    let place = format!("the best single model ({})", dollars(best_single * 1000.0));
    if (ratio - 1.0).abs() < 0.005 {
        format!(", as much as {place}")
    } else if ratio < 1.0 {
        format!(", {} less than {place}", percent(1.0 - ratio))
    } else {
        format!(", {ratio:.2} times as much as {place}")
    }
}

fn capitalized(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or(String::new(), |first| first.to_uppercase().chain(characters).collect())
}

/// A quality or a difference of two without its sign.
pub(crate) fn quality_text(value: f64) -> String {
    format!("{value:.3}")
}

/// A difference with its sign; a true minus sign, so that columns align.
pub(crate) fn signed(value: f64) -> String {
    let text = format!("{:.3}", value.abs());
    match value {
        _ if text == "0.000" => text,
        value if value < 0.0 => format!("\u{2212}{text}"),
        _ => format!("+{text}"),
    }
}

/// A share as a percentage.
pub(crate) fn percent(share: f64) -> String {
    let percent = share.abs() * 100.0;
    let text = if percent < 0.5 && percent > 0.0 { format!("{percent:.1}%") } else { format!("{percent:.0}%") };
    if share < 0.0 && text != "0%" && text != "0.0%" { format!("\u{2212}{text}") } else { text }
}

/// US dollars with three significant digits.
pub(crate) fn dollars(value: f64) -> String {
    if value <= 0.0 {
        return "$0".into();
    }
    let digits = (2 - value.log10().floor() as i32).clamp(0, 12) as usize;
    format!("${value:.digits$}")
}

/// A mean cost of a call, told as that of a thousand.
pub(crate) fn thousand(cost_usd: f64) -> String {
    format!("{} for 1,000 calls", dollars(cost_usd * 1000.0))
}

/// A p-value.
pub(crate) fn p_value(value: f64) -> String {
    if value < 0.001 { "< 0.001".into() } else { quality_text(value) }
}

/// Microseconds, or milliseconds from one on.
pub(crate) fn time(microseconds: f64) -> String {
    if microseconds < 1000.0 {
        format!("{microseconds:.0} \u{b5}s")
    } else {
        format!("{:.1} ms", microseconds / 1000.0)
    }
}

/// A count with a separator every three digits.
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

/// An interval.
pub(crate) fn interval(ci: [f64; 2], number: impl Fn(f64) -> String) -> String {
    format!("{} to {}", number(ci[0]), number(ci[1]))
}

/// What is told of an entry on hover, a line each.
pub(crate) fn facts(entry: &Entry, label: &str) -> Vec<String> {
    let mut lines = vec![label.to_owned()];
    if let Some(quality) = entry.quality {
        let ci = entry.quality_ci.map_or(String::new(), |ci| format!(" ({})", interval(ci, quality_text)));
        lines.push(format!("quality {}{ci}", quality_text(quality)));
    }
    lines.push(entry.cost_usd.map_or("cost unknown".into(), thousand));
    if let Some(difference) = entry.vs_best_single.filter(|_| entry.name != "best-single") {
        lines.push(format!("{} against best single", signed(difference.delta)));
    }
    lines
}

/// The result at a glance.
#[derive(Debug, Serialize)]
pub(crate) struct Glance {
    /// `better`, `worse` or `open`.
    pub(crate) class: &'static str,
    /// A line that says it all.
    pub(crate) headline: String,
    /// A number, what it is, and what it is measured against.
    pub(crate) tiles: Vec<Tile>,
    /// What takes the worth from it, if anything does.
    pub(crate) warning: Option<String>,
}

/// One number of the glance.
#[derive(Debug, Serialize)]
pub(crate) struct Tile {
    class: &'static str,
    value: String,
    what: &'static str,
    beside: String,
}

/// The first router at a glance; `None` if it was not scored.
pub(crate) fn glance(summary: &Summary) -> Option<Glance> {
    let router = summary.routers.first()?;
    let quality = router.quality?;
    let best_single = summary.references.iter().find(|entry| entry.name == "best-single");
    let (class, headline) = match router.vs_best_single {
        Some(difference) if difference.is_significant() && difference.delta > 0.0 => {
            ("better", "Better than the best single model")
        }
        Some(difference) if difference.is_significant() => ("worse", "Worse than the best single model"),
        Some(difference) if difference.delta == 0.0 && difference.ci == [0.0, 0.0] => {
            ("open", "The same as the best single model")
        }
        _ => ("open", "Not shown to differ from the best single model"),
    };
    let mut tiles = vec![Tile {
        class,
        value: quality_text(quality),
        what: "quality",
        beside: match (router.vs_best_single, best_single.and_then(|entry| entry.quality)) {
            (Some(difference), Some(best)) => {
                format!("best single model {}: {}", quality_text(best), signed(difference.delta))
            }
            _ => String::new(),
        },
    }];
    if let Some(gap) = router.gap_closed {
        let beside = "of the way from the best single model to the oracle".to_owned();
        tiles.push(Tile { class: "open", value: percent(gap), what: "gap closed", beside });
    }
    if let Some(cost) = router.cost_usd {
        let other = best_single.and_then(|entry| entry.cost_usd).filter(|other| *other > 0.0);
        tiles.push(Tile {
            class: match other {
                Some(other) if cost < other * 0.995 => "better",
                Some(other) if cost > other * 1.005 => "worse",
                _ => "open",
            },
            value: dollars(cost * 1000.0),
            what: "for 1,000 calls",
            beside: other.map_or(String::new(), |other| format!("best single model {}", dollars(other * 1000.0))),
        });
    }
    let equal = router.metrics.curve.as_ref().and_then(|curve| curve.cost_at_equal_quality.as_ref());
    if let Some(equal) = equal {
        tiles.push(Tile {
            class: if equal.share_ci.is_some_and(|ci| ci[1] < 1.0) { "better" } else { "open" },
            value: percent(equal.share),
            what: "of the best single model's cost at equal quality",
            beside: equal
                .share_ci
                .map_or(String::new(), |ci| format!("between {}", interval(ci, percent).replace(" to ", " and "))),
        });
    }
    Some(Glance { class, headline: headline.to_owned(), tiles, warning: leaked(summary) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(dollars(0.000_123_4), "$0.000123");
        assert_eq!(dollars(12.345), "$12.3");
        assert_eq!(dollars(0.0), "$0");
        assert_eq!(signed(-0.0123), "\u{2212}0.012");
        assert_eq!(signed(-0.0001), "0.000");
        assert_eq!(percent(0.294), "29%");
        assert_eq!(percent(0.0012), "0.1%");
        assert_eq!(percent(-0.12), "\u{2212}12%");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(count(12), "12");
        assert_eq!((p_value(0.0002), p_value(0.0412)), ("< 0.001".into(), "0.041".into()));
        assert_eq!((time(41.6), time(12_340.0)), ("42 \u{b5}s".into(), "12.3 ms".into()));
    }
}

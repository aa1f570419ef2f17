//! A plot a group, as SVG that needs nothing else: a panel a number of the size, both axes logarithmic, a line a plugin.

use std::fmt::Write as _;

use super::growth::{Series, numbers};
use super::markdown::duration;

const PANEL: f64 = 260.0;
const GAP: f64 = 60.0;
const TOP: f64 = 30.0;
const HEIGHT: f64 = 260.0;
const LEGEND: f64 = 190.0;
/// Colors that also color-blind readers tell apart (Okabe and Ito, 2008), less yellow; then the same, dashed and dotted.
const COLORS: [&str; 7] = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000"];
const DASHES: [&str; 3] = ["none", "6 3", "2 2"];

/// The file and the text of a group's plot; none if nothing grows in it.
pub(super) fn plot(group: &[Series]) -> Option<(String, String)> {
    let first = group.first()?;
    let numbers = numbers(group);
    if numbers.is_empty() {
        return None;
    }
    let seconds = group.iter().flat_map(|one| &one.growth).flat_map(|growth| &growth.points).map(|point| point.1);
    let vertical = Scale::over(seconds, TOP + HEIGHT, TOP)?;
    let legend = 22.0 * group.len() as f64 + TOP + 20.0;
    let (width, height) = (GAP + numbers.len() as f64 * (PANEL + GAP) + LEGEND, (TOP + HEIGHT + 50.0).max(legend));
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n<title>{}: time by size</title>\n",
        escape(&first.group)
    );
    for (panel, number) in numbers.iter().enumerate() {
        let left = GAP + panel as f64 * (PANEL + GAP);
        let along = |series: &Series| series.growth.iter().position(|growth| growth.number == *number);
        let values = group.iter().filter_map(|one| one.growth.get(along(one)?)).flat_map(|growth| &growth.points);
        let Some(horizontal) = Scale::over(values.map(|point| point.0), left, left + PANEL) else { continue };
        let _ = writeln!(
            text,
            "<rect x=\"{left}\" y=\"{TOP}\" width=\"{PANEL}\" height=\"{HEIGHT}\" fill=\"none\" stroke=\"#999\"/>\n\
             <text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            left + PANEL / 2.0,
            TOP + HEIGHT + 38.0,
            escape(number)
        );
        for value in horizontal.marks() {
            let (x, y) = (horizontal.place(value), TOP + HEIGHT + 18.0);
            let _ = writeln!(text, "<text x=\"{x:.1}\" y=\"{y}\" text-anchor=\"middle\" fill=\"#555\">{value}</text>");
        }
        for value in vertical.decades() {
            let y = vertical.place(value);
            let _ = writeln!(
                text,
                "<line x1=\"{left}\" x2=\"{}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"#ddd\"/>\n\
                 <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"#555\">{}</text>",
                left + PANEL,
                left - 5.0,
                y + 4.0,
                duration(value)
            );
        }
        for (at, series) in group.iter().enumerate() {
            let Some(growth) = along(series).and_then(|at| series.growth.get(at)) else { continue };
            let places = growth.points.iter().map(|(x, y)| (horizontal.place(*x), vertical.place(*y)));
            let points: Vec<String> = places.clone().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
            let (color, dash) = style(at);
            let name = escape(&series.name);
            let _ = writeln!(
                text,
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"2\" stroke-dasharray=\"{dash}\">\
                 <title>{name}: {number}^{:.2}</title></polyline>",
                points.join(" "),
                growth.exponent
            );
            for (x, y) in places {
                let _ = writeln!(text, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{color}\"/>");
            }
        }
    }
    let left = width - LEGEND;
    for (at, series) in group.iter().enumerate() {
        let (y, (color, dash)) = (TOP + 10.0 + 22.0 * at as f64, style(at));
        let _ = writeln!(
            text,
            "<line x1=\"{left}\" x2=\"{}\" y1=\"{y}\" y2=\"{y}\" stroke=\"{color}\" stroke-width=\"2\" stroke-dasharray=\"{dash}\"/>\n\
             <text x=\"{}\" y=\"{}\">{}</text>",
            left + 26.0,
            left + 32.0,
            y + 4.0,
            escape(&series.name)
        );
    }
    text.push_str("</svg>\n");
    Some((format!("{}.svg", first.group.replace(|letter: char| !letter.is_ascii_alphanumeric(), "-")), text))
}

/// The color and the dashes of line `at`.
fn style(at: usize) -> (&'static str, &'static str) {
    let color = COLORS.get(at % COLORS.len()).copied().unwrap_or("black");
    (color, DASHES.get(at / COLORS.len() % DASHES.len()).copied().unwrap_or("none"))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A logarithmic axis.
struct Scale {
    values: Vec<f64>,
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Scale {
    /// The axis of `values` from place `from` to place `to`, with a margin; none for no value.
    fn over(values: impl Iterator<Item = f64>, from: f64, to: f64) -> Option<Self> {
        let mut values: Vec<f64> = values.filter(|value| *value > 0.0).collect();
        values.sort_by(f64::total_cmp);
        values.dedup();
        let (low, high) = (values.first()?.ln(), values.last()?.ln());
        let margin = 0.05 * (high - low) + 0.05;
        Some(Self { values, low: low - margin, high: high + margin, from, to })
    }

    fn place(&self, value: f64) -> f64 {
        self.from + (self.to - self.from) * (value.ln() - self.low) / (self.high - self.low)
    }

    /// Every value that was measured.
    fn marks(&self) -> impl Iterator<Item = f64> + '_ {
        self.values.iter().copied()
    }

    /// The powers of ten on the axis.
    fn decades(&self) -> impl Iterator<Item = f64> + use<> {
        let (low, high) = (self.low / std::f64::consts::LN_10, self.high / std::f64::consts::LN_10);
        (low.ceil() as i32..=high.floor() as i32).map(|power| 10f64.powi(power))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_is_logarithmic() {
        let scale = Scale::over([1.0, 100.0].into_iter(), 0.0, 200.0).unwrap();
        assert!((scale.place(10.0) - 100.0).abs() < 1e-9);
        assert!(scale.place(1.0) > 0.0 && scale.place(100.0) < 200.0, "there is a margin");
        assert_eq!(scale.decades().collect::<Vec<_>>(), [1.0, 10.0, 100.0]);
        assert!(Scale::over([0.0].into_iter(), 0.0, 1.0).is_none());
    }
}

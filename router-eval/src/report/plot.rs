//! The quality-cost plot as inline SVG: its geometry. The template draws it.
#![allow(clippy::indexing_slicing, reason = "indices of points within the lists they were enumerated from")]

use serde::Serialize;

use crate::metrics::Curve;
use crate::report::tip::{Tip, tip};
use crate::report::words::{dollars, facts, quality_text, thousand};
use crate::summary::{Entry, Summary};

/// Room for the axes, in pixels.
const LEFT: f64 = 52.0;
const TOP: f64 = 16.0;
const BOTTOM: f64 = 46.0;
/// Width of the strip for what has no known cost.
const UNKNOWN: f64 = 112.0;
/// Width of a letter and height of a line of labels.
const LETTER: f64 = 6.6;
const LINE: f64 = 14.0;
/// Costs that span more than this ratio are drawn on a logarithmic axis.
const LOGARITHMIC: f64 = 15.0;
/// Longest label.
const LABEL: usize = 34;

#[derive(Debug, Serialize)]
pub(crate) struct Plot {
    class: &'static str,
    width: f64,
    height: f64,
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    /// Where the strip of unknown costs begins, if there is one.
    unknown: Option<f64>,
    logarithmic: bool,
    x_ticks: Vec<Tick>,
    y_ticks: Vec<Tick>,
    /// Points of single models, in the background.
    singles: Vec<Dot>,
    /// Quality-cost curves of fitted routers.
    curves: Vec<Line>,
    points: Vec<PlotPoint>,
    /// `x,y x,y ...` of the points that nothing cheaper beats; empty for fewer than two.
    frontier: String,
}

#[derive(Debug, Serialize)]
pub(super) struct Tick {
    pub(super) at: f64,
    pub(super) text: String,
}

/// A single model.
#[derive(Debug, Serialize)]
struct Dot {
    x: f64,
    y: f64,
    tip: Tip,
}

/// A curve under lambda.
#[derive(Debug, Serialize)]
struct Line {
    kind: &'static str,
    /// `x,y x,y ...`
    path: String,
    dots: Vec<Dot>,
}

#[derive(Debug, Serialize)]
struct PlotPoint {
    kind: &'static str,
    x: f64,
    y: f64,
    low: f64,
    high: f64,
    tip: Tip,
    label: String,
    label_x: f64,
    label_y: f64,
    /// Whether the label stands far enough away to need a line.
    leader: bool,
}

/// A rectangle: left, top, right, bottom.
#[derive(Debug, Clone, Copy)]
struct Box4([f64; 4]);

impl Box4 {
    fn overlap(&self, other: &Self) -> f64 {
        let ([a, b, c, d], [e, f, g, h]) = (self.0, other.0);
        (c.min(g) - a.max(e)).max(0.0) * (d.min(h) - b.max(f)).max(0.0)
    }
}

/// The plot of `summary`, `width` x `height` pixels; `None` if nothing was scored.
pub(crate) fn plot(summary: &Summary, class: &'static str, width: f64, height: f64) -> Option<Plot> {
    let first = summary.routers.first().map_or("", |router| router.name.as_str());
    let entries: Vec<(&Entry, f64, &'static str)> = summary
        .routers
        .iter()
        .map(|entry| (entry, "router"))
        .chain(summary.references.iter().map(|entry| (entry, "reference")))
        .filter_map(|(entry, kind)| Some((entry, entry.quality?, if entry.name == first { "own" } else { kind })))
        .collect();
    if entries.is_empty() {
        return None;
    }
    let curves: Vec<(&Entry, &Curve, &'static str)> = entries
        .iter()
        .filter_map(|(entry, _, kind)| Some((*entry, entry.metrics.curve.as_ref()?, *kind)))
        .filter(|(_, curve, _)| curve.points.len() > 1)
        .collect();
    let on_curves = || curves.iter().flat_map(|(_, curve, _)| &curve.points);
    let singles = summary.single_models.iter().flat_map(|single| &single.models);
    let mut known: Vec<f64> = entries.iter().filter_map(|(entry, ..)| entry.cost_usd).collect();
    known.extend(on_curves().map(|point| point.cost_usd));
    known.extend(singles.clone().map(|model| model.cost_usd));
    let strip = entries.iter().any(|(entry, ..)| entry.cost_usd.is_none());
    let unknown = strip.then_some(if known.is_empty() { LEFT } else { width - UNKNOWN });
    let right = width - 12.0;
    let x = Axis::costs(&known, LEFT + 16.0, unknown.map_or(right - 16.0, |unknown| unknown - 16.0));
    let mut ends: Vec<f64> =
        entries.iter().flat_map(|(entry, quality, _)| entry.quality_ci.unwrap_or([*quality; 2])).collect();
    ends.extend(on_curves().map(|point| point.quality));
    // A single model far below everything else would press the rest together: it is left out.
    let lowest = ends.iter().copied().fold(f64::INFINITY, f64::min);
    let y = Axis::linear(&ends, height - BOTTOM - 6.0, TOP + 6.0);
    let room = [LEFT, TOP, right, height - BOTTOM];
    let dot = |cost: f64, quality: f64, name: &str| {
        let at = (x.at(cost), y.at(quality));
        let lines = vec![name.to_owned(), format!("quality {}", quality_text(quality)), thousand(cost)];
        Dot { x: at.0, y: at.1, tip: tip(at, lines, room) }
    };
    let singles =
        singles.filter(|model| model.quality >= lowest).map(|model| dot(model.cost_usd, model.quality, &model.model));
    let singles: Vec<Dot> = singles.collect();
    let curves = curves.iter().map(|(entry, curve, kind)| {
        let label = entry.label(first);
        let point = |point: &crate::metrics::sweep::OperatingPoint| {
            let lambda =
                point.lambda.map_or("its cheapest choices".to_owned(), |lambda| format!("at lambda {}", short(lambda)));
            dot(point.cost_usd, point.quality, &format!("{label} {lambda}"))
        };
        let dots: Vec<Dot> = curve.points.iter().map(point).collect();
        let path: Vec<String> = dots.iter().map(|dot| format!("{:.1},{:.1}", dot.x, dot.y)).collect();
        Line { kind, path: path.join(" "), dots }
    });
    let curves: Vec<Line> = curves.collect();

    let mut points: Vec<PlotPoint> = entries
        .iter()
        .map(|(entry, quality, kind)| {
            let label = entry.label(first);
            let [low, high] = entry.quality_ci.unwrap_or([*quality; 2]);
            let in_strip = unknown.map_or(right, |unknown| unknown + 14.0);
            let at = (entry.cost_usd.map_or(in_strip, |cost| x.at(cost)), y.at(*quality));
            PlotPoint {
                kind,
                x: at.0,
                y: at.1,
                low: y.at(low),
                high: y.at(high),
                tip: tip(at, facts(entry, &label), room),
                label: shortened(&label),
                label_x: 0.0,
                label_y: 0.0,
                leader: false,
            }
        })
        .collect();
    place_labels(&mut points, Box4([LEFT, TOP, width, height - BOTTOM]));
    Some(Plot {
        class,
        width,
        height,
        left: LEFT,
        right,
        top: TOP,
        bottom: height - BOTTOM,
        unknown,
        logarithmic: x.logarithmic,
        x_ticks: if known.is_empty() {
            Vec::new()
        } else {
            x.ticks(|cost| dollars(cost * 1000.0), if width < 500.0 { 3 } else { 5 })
        },
        y_ticks: y.ticks(quality_text, 6),
        // The curves show it better where there are any.
        frontier: if curves.is_empty() { frontier(&entries, &points) } else { String::new() },
        singles,
        curves,
        points,
    })
}

/// A lambda in three significant digits.
fn short(lambda: f64) -> String {
    if lambda <= 0.0 {
        return "0".into();
    }
    let digits = (2 - lambda.log10().floor() as i32).clamp(0, 12) as usize;
    format!("{lambda:.digits$}")
}

/// A label that fits the plot. Its hover title has all of it.
fn shortened(label: &str) -> String {
    let label = label.replace("cost-matched-mix: ", "mix: ");
    if label.chars().count() <= LABEL {
        return label;
    }
    let mut short: String = label.chars().take(LABEL - 1).collect();
    short.push('\u{2026}');
    short
}

/// The points of known cost that nothing cheaper beats, the ones that know the answer left out.
fn frontier(entries: &[(&Entry, f64, &'static str)], points: &[PlotPoint]) -> String {
    let mut order: Vec<(f64, f64, usize)> = entries
        .iter()
        .enumerate()
        .filter(|(_, (entry, ..))| !["oracle", "benchmark-label"].contains(&entry.name.as_str()))
        .filter_map(|(at, (entry, quality, _))| Some((entry.cost_usd?, *quality, at)))
        .collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0).then(b.1.total_cmp(&a.1)).then(a.2.cmp(&b.2)));
    let mut best = f64::NEG_INFINITY;
    let mut path = Vec::new();
    for (_, quality, at) in order {
        if quality > best {
            best = quality;
            path.push(format!("{:.1},{:.1}", points[at].x, points[at].y));
        }
    }
    if path.len() < 2 { String::new() } else { path.join(" ") }
}

/// The share of a label that others may cover; one that finds no better place is left to what appears when its point is pointed at.
const COVERED: f64 = 0.15;

/// Puts each label at the place around its point that covers least of what is there already, the most wanted first, and leaves out those that would cover others.
fn place_labels(points: &mut [PlotPoint], room: Box4) {
    let mut taken: Vec<Box4> =
        points.iter().map(|point| Box4([point.x - 6.0, point.y - 6.0, point.x + 6.0, point.y + 6.0])).collect();
    let bars = points.iter().map(|point| Box4([point.x - 1.5, point.high, point.x + 1.5, point.low]));
    taken.extend(bars.collect::<Vec<_>>());
    let mut labels: Vec<Box4> = Vec::new();
    let mut order: Vec<usize> = (0..points.len()).collect();
    order.sort_by(|&a, &b| wanted(&points[a]).cmp(&wanted(&points[b])).then(points[a].y.total_cmp(&points[b].y)));
    for at in order {
        let point = &mut points[at];
        let width = point.label.chars().count() as f64 * LETTER;
        let candidates = [0.0, 1.0, 2.0, 3.0].into_iter().flat_map(|step| {
            [1.0, -1.0].into_iter().flat_map(move |side: f64| {
                let dy = side * step * LINE;
                [(10.0, dy), (-11.0 - width, dy), (-width / 2.0, dy + side * LINE)]
            })
        });
        let place = |left: f64, middle: f64| Box4([left, middle - LINE / 2.0, left + width, middle + LINE / 2.0]);
        let (mut best, mut chosen) = (f64::INFINITY, (point.x + 10.0, point.y));
        for (order, (dx, dy)) in candidates.enumerate() {
            let (left, middle) = (point.x + dx, point.y + dy);
            let label = place(left, middle);
            let covered: f64 = taken.iter().chain(&labels).map(|other| label.overlap(other)).sum();
            let outside = width * LINE - label.overlap(&room);
            let cost = covered + 4.0 * outside + order as f64;
            if cost < best {
                (best, chosen) = (cost, (left, middle));
            }
        }
        let label = place(chosen.0, chosen.1);
        let covered: f64 = labels.iter().map(|other| label.overlap(other)).sum();
        let outside = width * LINE - label.overlap(&room);
        if wanted(point) > 0 && covered + outside > COVERED * width * LINE {
            point.label.clear();
            continue;
        }
        labels.push(label);
        point.label_x = chosen.0;
        point.label_y = chosen.1 + 4.0;
        point.leader = (chosen.1 - point.y).abs() > 1.5 * LINE;
    }
}

/// How early a point's label is placed: the first router's, those of references, of the other routers, of static mixes.
fn wanted(point: &PlotPoint) -> u8 {
    match point.kind {
        "own" => 0,
        "reference" if !point.label.starts_with("mix: ") => 1,
        "router" => 2,
        _ => 3,
    }
}

/// A scale from values to pixels.
pub(super) struct Axis {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
    logarithmic: bool,
}

impl Axis {
    pub(super) fn linear(values: &[f64], from: f64, to: f64) -> Self {
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let margin = ((high - low) * 0.06).max(1e-9);
        Self { low: low - margin, high: high + margin, from, to, logarithmic: false }
    }

    /// A linear scale between two values.
    pub(super) fn between(low: f64, high: f64, from: f64, to: f64) -> Self {
        Self { low, high, from, to, logarithmic: false }
    }

    /// Logarithmic if the costs span much and none is zero.
    fn costs(values: &[f64], from: f64, to: f64) -> Self {
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(0.0, f64::max);
        if values.is_empty() {
            Self { low: 0.0, high: 1.0, from, to, logarithmic: false }
        } else if low > 0.0 && high / low > LOGARITHMIC {
            Self { low, high, from, to, logarithmic: true }
        } else {
            Self { low: 0.0, high: if high > 0.0 { high * 1.05 } else { 1.0 }, from, to, logarithmic: false }
        }
    }

    pub(super) fn at(&self, value: f64) -> f64 {
        let share = if self.logarithmic {
            (value / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        self.from + share * (self.to - self.from)
    }

    /// About `count` round values on the axis.
    pub(super) fn ticks(&self, text: impl Fn(f64) -> String, count: usize) -> Vec<Tick> {
        let tick = |value: f64| Tick { at: self.at(value), text: text(value) };
        if self.logarithmic {
            let decades = (self.high / self.low).log10();
            let factors: &[f64] = if decades <= 1.6 && count > 3 { &[1.0, 2.0, 5.0] } else { &[1.0, 3.0] };
            let first = self.low.log10().floor() as i32;
            let last = self.high.log10().ceil() as i32;
            let all: Vec<f64> = (first..=last)
                .flat_map(|exponent| factors.iter().map(move |factor| factor * 10f64.powi(exponent)))
                .filter(|value| (self.low * 0.999..=self.high * 1.001).contains(value))
                .collect();
            let every = all.len().div_ceil(count.max(1) + 1).max(1);
            return all.into_iter().step_by(every).map(tick).collect();
        }
        let raw = (self.high - self.low) / count as f64;
        let scale = 10f64.powi(raw.log10().floor() as i32);
        let step =
            [1.0, 2.0, 5.0, 10.0].map(|factor| factor * scale).into_iter().find(|step| *step >= raw).unwrap_or(raw);
        let first = (self.low / step).ceil() as i64;
        let last = (self.high / step).floor() as i64;
        (first..=last).map(|at| tick(at as f64 * step)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_on_the_axis() {
        let axis = Axis::linear(&[0.61, 0.79], 100.0, 0.0);
        let texts: Vec<String> =
            axis.ticks(|value| format!("{value:.2}"), 5).into_iter().map(|tick| tick.text).collect();
        assert_eq!(texts, ["0.60", "0.65", "0.70", "0.75", "0.80"]);
        let wide = Axis::costs(&[0.0001, 0.1], 0.0, 100.0);
        assert!(wide.logarithmic && (wide.at(0.001) - 100.0 / 3.0).abs() < 1e-9);
        assert!(!Axis::costs(&[0.0, 0.1], 0.0, 1.0).logarithmic);
        let narrow = Axis::costs(&[0.02, 0.1], 0.0, 1.0);
        assert!(!narrow.logarithmic && narrow.low == 0.0);
    }

    #[test]
    fn labels_of_equal_points_stand_apart() {
        let of_label = 21.0 * LETTER * LINE;
        for (count, shown, most) in [(4, 4..=4, 1.0), (40, 5..=39, 1.0 + COVERED * of_label)] {
            let labels = labels_of_equal_points(count);
            assert!(shown.contains(&labels.len()), "{} of {count}", labels.len());
            for (at, one) in labels.iter().enumerate() {
                assert!(labels.iter().skip(at + 1).all(|other| one.overlap(other) < most));
            }
        }
    }

    /// The labels that are shown of so many equal points.
    fn labels_of_equal_points(count: usize) -> Vec<Box4> {
        let point = || PlotPoint {
            kind: "router",
            x: 200.0,
            y: 200.0,
            low: 205.0,
            high: 195.0,
            tip: tip((0.0, 0.0), Vec::new(), [0.0; 4]),
            label: "a router of some name".into(),
            label_x: 0.0,
            label_y: 0.0,
            leader: false,
        };
        let mut points: Vec<PlotPoint> = (0..count).map(|_| point()).collect();
        place_labels(&mut points, Box4([0.0, 0.0, 600.0, 400.0]));
        let shown = points.iter().filter(|point| !point.label.is_empty());
        shown
            .map(|point| {
                Box4([point.label_x, point.label_y - 11.0, point.label_x + 21.0 * LETTER, point.label_y + 3.0])
            })
            .collect()
    }
}

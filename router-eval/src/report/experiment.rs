//! The page of an experiment: every setting on every data set, and learning curves where training sizes vary.
//!
//! Numbers are means over seeds of what the cells came to; a difference is colored where every seed's interval excludes zero.

use std::collections::BTreeMap;

use router_core::Result;
use serde::Serialize;
use serde_json::{Map, Value};

use super::plot::{Axis, Tick};
use super::tip::{Tip, tip};
use super::words::{count, percent, quality_text, signed};
use super::{STYLE, fill};

const TEMPLATE: &str = include_str!("experiment.html");
/// Settings that a plot of learning curves shows: as many as there are colors.
const CURVES: usize = 9;
/// References of the page, by name, that know no answer or bound what can be reached.
const REFERENCES: [&str; 4] = ["best-single", "knn", "benchmark-label", "oracle"];

/// A row of the table of results: a cell, and a router or reference.
type TableRow = Map<String, Value>;

/// The page of the table `rows`, of which `failed` cells have none.
///
/// # Errors
/// [`router_core::ErrorKind::Internal`] if the template does not fit what it is given.
pub(crate) fn render(rows: &[TableRow], cells: usize, failed: usize) -> Result<String> {
    fill(TEMPLATE, &Page::of(rows, cells, failed))
}

/// What the template gets.
#[derive(Debug, Serialize)]
struct Page {
    style: &'static str,
    cells: String,
    failed: usize,
    data: Vec<String>,
    seeds: usize,
    settings: Vec<SettingRow>,
    references: Vec<SettingRow>,
    curves: Vec<CurveSection>,
    facts: Vec<(&'static str, String)>,
}

#[derive(Debug, Serialize)]
struct SettingRow {
    label: String,
    /// One a data set, and the mean over them at the end where there are several.
    cells: Vec<Shown>,
}

#[derive(Debug, Default, Serialize)]
struct Shown {
    quality: String,
    /// Less the best single model; empty for references.
    delta: String,
    class: &'static str,
}

#[derive(Debug, Serialize)]
struct CurveSection {
    data: String,
    plots: Vec<CurvePlot>,
    legend: Vec<(String, String)>,
    /// Settings that are not drawn.
    others: usize,
}

#[derive(Debug, Serialize)]
struct CurvePlot {
    class: &'static str,
    width: f64,
    height: f64,
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    x_ticks: Vec<Tick>,
    y_ticks: Vec<Tick>,
    lines: Vec<CurveLine>,
}

#[derive(Debug, Serialize)]
struct CurveLine {
    class: String,
    /// `x,y x,y ...`
    path: String,
    dots: Vec<CurveDot>,
}

#[derive(Debug, Serialize)]
struct CurveDot {
    x: f64,
    y: f64,
    tip: Tip,
}

/// A learning curve: points of a size and a quality.
#[derive(Debug)]
struct Drawn {
    name: String,
    class: String,
    points: Vec<(f64, f64)>,
}

/// What the cells of a setting, or a reference, came to on a data set at a size: sums over seeds.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    count: usize,
    quality: f64,
    delta: f64,
    better: usize,
    worse: usize,
}

impl Sum {
    fn add(&mut self, row: &TableRow) {
        let number = |name: &str| row.get(name).and_then(Value::as_f64);
        let Some(quality) = number("quality") else { return };
        self.count += 1;
        self.quality += quality;
        self.delta += number("vs_best_single").unwrap_or(0.0);
        self.better += usize::from(number("vs_best_single_low").is_some_and(|low| low > 0.0));
        self.worse += usize::from(number("vs_best_single_high").is_some_and(|high| high < 0.0));
    }

    fn quality(self) -> Option<f64> {
        (self.count > 0).then(|| self.quality / self.count as f64)
    }

    fn delta(self) -> f64 {
        self.delta / self.count.max(1) as f64
    }

    fn shown(self, with_delta: bool) -> Shown {
        let Some(quality) = self.quality() else { return Shown::default() };
        let class = match self.count {
            all if self.better == all => "better",
            all if self.worse == all => "worse",
            _ => "",
        };
        let delta = if with_delta { signed(self.delta()) } else { String::new() };
        Shown { quality: quality_text(quality), delta, class: if with_delta { class } else { "" } }
    }
}

/// All rows by who they are of, data set and size, in the order of the table.
#[derive(Debug, Default)]
struct Table {
    data: Vec<String>,
    seeds: Vec<u64>,
    /// Ascending.
    sizes: Vec<f64>,
    settings: Vec<String>,
    /// By setting or reference, data set and place in `sizes`.
    sums: BTreeMap<(String, usize, usize), Sum>,
}

impl Table {
    fn of(rows: &[TableRow]) -> Self {
        let mut table = Self::default();
        let number = |row: &TableRow, name: &str| row.get(name).and_then(Value::as_f64);
        for size in rows.iter().filter_map(|row| number(row, "size")) {
            if !table.sizes.contains(&size) {
                table.sizes.push(size);
            }
        }
        table.sizes.sort_by(f64::total_cmp);
        for row in rows {
            let text = |name: &str| row.get(name).and_then(Value::as_str);
            let (Some(data), Some(result), Some(size)) = (text("data"), text("result"), number(row, "size")) else {
                continue;
            };
            if let Some(seed) = row.get("seed").and_then(Value::as_u64).filter(|seed| !table.seeds.contains(seed)) {
                table.seeds.push(seed);
            }
            let data = place(&mut table.data, data);
            let size = table.sizes.iter().position(|known| *known == size).unwrap_or(0);
            let name = if row.get("reference") == Some(&Value::Bool(true)) {
                result.to_owned()
            } else {
                let setting = setting(row);
                place(&mut table.settings, &setting);
                setting
            };
            table.sums.entry((name, data, size)).or_default().add(row);
        }
        table
    }

    fn get(&self, name: &str, data: usize, size: usize) -> Sum {
        self.sums.get(&(name.to_owned(), data, size)).copied().unwrap_or_default()
    }

    /// The largest size at which `name` has a result on a data set.
    fn largest(&self, name: &str, data: usize) -> Sum {
        let sums = (0..self.sizes.len()).rev().map(|size| self.get(name, data, size));
        sums.into_iter().find(|sum| sum.count > 0).unwrap_or_default()
    }

    fn row(&self, name: &str, label: &str, with_delta: bool) -> SettingRow {
        let sums: Vec<Sum> = (0..self.data.len()).map(|data| self.largest(name, data)).collect();
        let mut cells: Vec<Shown> = sums.iter().map(|sum| sum.shown(with_delta)).collect();
        if sums.len() > 1 {
            let share = (sums.len() as f64).recip();
            let mean = Sum {
                count: 1,
                quality: sums.iter().filter_map(|sum| sum.quality()).sum::<f64>() * share,
                delta: sums.iter().map(|sum| sum.delta()).sum::<f64>() * share,
                better: 0,
                worse: 0,
            };
            let complete = sums.iter().all(|sum| sum.count > 0);
            cells.push(if complete { mean.shown(with_delta) } else { Shown::default() });
        }
        SettingRow { label: label.to_owned(), cells }
    }

    /// Mean difference to the best single model over the data sets that a setting has.
    fn merit(&self, name: &str) -> f64 {
        let sums = (0..self.data.len()).map(|data| self.largest(name, data)).filter(|sum| sum.count > 0);
        let (total, count) = sums.fold((0.0, 0.0), |(total, count), sum| (total + sum.delta(), count + 1.0));
        if count > 0.0 { total / count } else { f64::NEG_INFINITY }
    }

    /// The learning curves on a data set; none where fewer than two sizes have results.
    fn curves(&self, data: usize, name: &str) -> Option<CurveSection> {
        let quality = |setting: &str, size: usize| self.get(setting, data, size).quality();
        let points = |setting: &str| -> Vec<(f64, f64)> {
            let sizes = self.sizes.iter().enumerate();
            sizes.filter_map(|(at, &size)| Some((size, quality(setting, at)?))).collect()
        };
        let mut drawn: Vec<(&String, Vec<(f64, f64)>)> = self
            .settings
            .iter()
            .map(|setting| (setting, points(setting)))
            .filter(|(_, points)| points.len() > 1)
            .collect();
        if drawn.is_empty() {
            return None;
        }
        let last = |points: &[(f64, f64)]| points.last().map_or(f64::NEG_INFINITY, |&(_, quality)| quality);
        drawn.sort_by(|(_, a), (_, b)| last(b).total_cmp(&last(a)));
        let others = drawn.len().saturating_sub(CURVES);
        drawn.truncate(CURVES);
        let shared = common(drawn.iter().map(|(setting, _)| setting.as_str()));
        let mut lines: Vec<Drawn> = drawn
            .into_iter()
            .enumerate()
            .map(|(at, (setting, points))| Drawn { name: without(setting, &shared), class: format!("s{at}"), points })
            .collect();
        let single = points("best-single");
        if single.len() > 1 {
            lines.push(Drawn { name: "best single model".to_owned(), class: "flat".to_owned(), points: single });
        }
        let plots = [("wide", 920.0, 340.0), ("narrow", 400.0, 320.0)]
            .map(|(class, width, height)| curve_plot(class, width, height, &lines, &self.sizes));
        let legend = lines.iter().map(|line| (line.name.clone(), line.class.replace('s', "c"))).collect();
        Some(CurveSection { data: name.to_owned(), plots: plots.into(), legend, others })
    }
}

impl Page {
    fn of(rows: &[TableRow], cells: usize, failed: usize) -> Self {
        let table = Table::of(rows);
        let mut order: Vec<&String> = table.settings.iter().collect();
        order.sort_by(|a, b| table.merit(b).total_cmp(&table.merit(a)));
        let references =
            REFERENCES.into_iter().filter(|name| (0..table.data.len()).any(|data| table.largest(name, data).count > 0));
        let list = |values: Vec<String>| values.join(", ");
        let facts = vec![
            ("version", env!("CARGO_PKG_VERSION").to_owned()),
            ("data", list(table.data.clone())),
            ("seeds", list(table.seeds.iter().map(u64::to_string).collect())),
            ("shares of the training prompts", list(table.sizes.iter().map(|&size| percent(size)).collect())),
        ];
        Self {
            style: STYLE,
            cells: count(cells),
            failed,
            seeds: table.seeds.len(),
            settings: order.iter().map(|name| table.row(name, name, true)).collect(),
            references: references.map(|name| table.row(name, name, false)).collect(),
            curves: table.data.iter().enumerate().filter_map(|(at, name)| table.curves(at, name)).collect(),
            data: table.data,
            facts,
        }
    }
}

/// The place of `name` in `names`, at the end if it is new.
fn place(names: &mut Vec<String>, name: &str) -> usize {
    names.iter().position(|known| known == name).unwrap_or_else(|| {
        names.push(name.to_owned());
        names.len() - 1
    })
}

/// What varies in a row's cell besides data set, seed and size: the columns between `folds` and `result`.
fn setting(row: &TableRow) -> String {
    let varied = row.iter().skip_while(|(name, _)| *name != "folds").skip(1).take_while(|(name, _)| *name != "result");
    let told: Vec<String> = varied.filter_map(|(name, value)| Some(format!("{name}={}", value.as_str()?))).collect();
    if told.is_empty() { "the configuration".to_owned() } else { told.join(" ") }
}

/// The words that all `settings` have.
fn common<'a>(mut settings: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let Some(first) = settings.next() else { return Vec::new() };
    let others: Vec<&str> = settings.collect();
    let everywhere =
        |word: &&str| !others.is_empty() && others.iter().all(|other| other.split(' ').any(|w| w == *word));
    first.split(' ').filter(everywhere).collect()
}

fn without(setting: &str, words: &[&str]) -> String {
    let left: Vec<&str> = setting.split(' ').filter(|word| !words.contains(word)).collect();
    if left.is_empty() { setting.to_owned() } else { left.join(" ") }
}

fn curve_plot(class: &'static str, width: f64, height: f64, lines: &[Drawn], sizes: &[f64]) -> CurvePlot {
    let (left, right, top, bottom) = (52.0, width - 24.0, 18.0, height - 46.0);
    let qualities: Vec<f64> = lines.iter().flat_map(|line| line.points.iter().map(|point| point.1)).collect();
    let y = Axis::linear(&qualities, bottom - 6.0, top + 6.0);
    // A doubling is the same step everywhere.
    let (smallest, largest) = (sizes.first().copied().unwrap_or(1.0), sizes.last().copied().unwrap_or(1.0));
    let span = (largest / smallest).ln().max(1e-9);
    let x = |size: f64| left + 24.0 + (size / smallest).ln() / span * (right - left - 48.0);
    let room = [left, top, right, bottom];
    let lines = lines.iter().map(|Drawn { name, class, points }| {
        let dots: Vec<CurveDot> = points
            .iter()
            .map(|&(size, quality)| {
                let at = (x(size), y.at(quality));
                let facts = vec![name.clone(), format!("{} of training", percent(size)), quality_text(quality)];
                CurveDot { x: at.0, y: at.1, tip: tip(at, facts, room) }
            })
            .collect();
        let path: Vec<String> = dots.iter().map(|dot| format!("{:.1},{:.1}", dot.x, dot.y)).collect();
        CurveLine { class: class.clone(), path: path.join(" "), dots }
    });
    CurvePlot {
        class,
        width,
        height,
        left,
        right,
        top,
        bottom,
        lines: lines.collect(),
        x_ticks: sizes.iter().map(|&size| Tick { at: x(size), text: percent(size) }).collect(),
        y_ticks: y.ticks(quality_text, 5),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row(setting: &str, seed: u64, size: f64, result: &str, quality: f64, delta: Option<[f64; 3]>) -> TableRow {
        let ends = |at: usize| delta.map(|delta| delta[at]);
        let row = json!({
            "cell": "c", "data": "world", "seed": seed, "size": size, "folds": 5, "estimator": setting,
            "result": result, "reference": result != "router", "quality": quality,
            "vs_best_single": ends(0), "vs_best_single_low": ends(1), "vs_best_single_high": ends(2),
        });
        row.as_object().unwrap().clone()
    }

    #[test]
    fn settings_are_means_over_seeds_the_best_first_and_colored_where_every_seed_agrees() {
        let rows = [
            row("weak <b>", 1, 1.0, "router", 0.5, Some([-0.1, -0.2, -0.05])),
            row("weak <b>", 2, 1.0, "router", 0.6, Some([0.0, -0.1, 0.1])),
            row("strong", 1, 1.0, "router", 0.8, Some([0.2, 0.1, 0.3])),
            row("strong", 2, 1.0, "router", 0.7, Some([0.1, 0.05, 0.2])),
            row("strong", 1, 1.0, "best-single", 0.6, None),
        ];
        let page = Page::of(&rows, 4, 0);
        let told: Vec<(&str, &str, &str, &str)> = page
            .settings
            .iter()
            .map(|row| (row.label.as_str(), &*row.cells[0].quality, &*row.cells[0].delta, row.cells[0].class))
            .collect();
        let (strong, weak) = (quality_text(0.75), quality_text(0.55));
        let (up, down) = (signed(0.15), signed(-0.05));
        assert_eq!(told, [("estimator=strong", &*strong, &*up, "better"), ("estimator=weak <b>", &*weak, &*down, "")]);
        assert_eq!((page.references.len(), page.curves.len(), page.seeds), (1, 0, 2));
        let html = render(&rows, 4, 0).unwrap();
        assert!(html.contains("4 cells with a result, 2 seeds"), "{html}");
        assert!(html.contains("weak &lt;b&gt;") && !html.contains("<b>"), "what is shown is escaped");
    }

    #[test]
    fn sizes_make_a_curve_a_setting_with_equal_steps_for_a_doubling() {
        let rows: Vec<TableRow> = [(0.25, 0.5), (0.5, 0.6), (1.0, 0.7)]
            .into_iter()
            .flat_map(|(size, quality)| {
                [row("a", 1, size, "router", quality, None), row("a", 1, size, "best-single", 0.55, None)]
            })
            .collect();
        let page = Page::of(&rows, 3, 0);
        let plot = &page.curves[0].plots[0];
        assert_eq!(plot.lines.len(), 2);
        let at: Vec<(f64, f64)> = plot.lines[0].dots.iter().map(|dot| (dot.x, dot.y)).collect();
        assert!(((at[1].0 - at[0].0) - (at[2].0 - at[1].0)).abs() < 1e-9, "{at:?}");
        assert!(at[0].1 > at[1].1 && at[1].1 > at[2].1, "better is higher");
        assert!(plot.lines[1].dots.iter().all(|dot| (dot.y - plot.lines[1].dots[0].y).abs() < 1e-9));
    }
}

//! The reliability plot: estimates against outcomes.

use serde::Serialize;

use crate::metrics::calibration::{Bin, Reliability};
use crate::report::plot::Axis;
use crate::report::tip::{Tip, tip};
use crate::report::words::{count, quality_text, signed};
use crate::summary::Summary;

const WIDTH: f64 = 440.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 46.0;
const BOTTOM: f64 = 40.0;
const TOP: f64 = 14.0;
const RIGHT: f64 = 14.0;

/// The section on calibration.
#[derive(Debug, Serialize)]
pub(crate) struct ReliabilitySection {
    plot: ReliabilityPlot,
    models: Vec<ModelRow>,
    sentence: String,
}

#[derive(Debug, Serialize)]
struct ReliabilityPlot {
    width: f64,
    height: f64,
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    ticks: Vec<Tick>,
    curves: Vec<Curve>,
}

#[derive(Debug, Serialize)]
struct Tick {
    x: f64,
    y: f64,
    text: String,
}

#[derive(Debug, Serialize)]
struct Curve {
    class: &'static str,
    name: String,
    path: String,
    dots: Vec<Dot>,
}

#[derive(Debug, Serialize)]
struct Dot {
    x: f64,
    y: f64,
    radius: f64,
    tip: Tip,
}

#[derive(Debug, Serialize)]
struct ModelRow {
    name: String,
    pairs: String,
    ece: String,
    brier: String,
    bias: String,
}

/// The calibration of the first router, beside that of the nearest neighbors; `None` where it has no estimates.
pub(crate) fn reliability(summary: &Summary) -> Option<ReliabilitySection> {
    let router = summary.routers.first()?;
    let calibration = router.metrics.calibration.as_ref()?;
    let knn = summary.references.iter().find(|entry| entry.name == "knn");
    let knn = knn.and_then(|entry| entry.metrics.calibration.as_ref()).map(|calibration| &calibration.pooled);
    let mut curves = vec![curve("own", format!("{}, every model", router.name), &calibration.pooled)];
    curves.extend(
        calibration.chosen.as_ref().map(|chosen| curve("other", format!("{}, the chosen model", router.name), chosen)),
    );
    curves.extend(knn.map(|knn| curve("reference", "knn, every model".into(), knn)));
    let ticks = (0..=5).map(|at| f64::from(at) / 5.0);
    let mut rows: Vec<(&String, &Reliability)> = calibration.models.iter().collect();
    rows.sort_by(|a, b| b.1.ece.total_cmp(&a.1.ece).then(a.0.cmp(b.0)));
    let chosen = calibration.chosen.as_ref().map_or(String::new(), |chosen| {
        format!(" Of the chosen model it expects {} too {}.", quality_text(chosen.bias.abs()), much(chosen.bias))
    });
    Some(ReliabilitySection {
        plot: ReliabilityPlot {
            width: WIDTH,
            height: HEIGHT,
            left: LEFT,
            right: WIDTH - RIGHT,
            top: TOP,
            bottom: HEIGHT - BOTTOM,
            ticks: ticks
                .map(|value| Tick { x: x().at(value), y: y().at(value), text: format!("{value:.1}") })
                .collect(),
            curves,
        },
        models: rows
            .into_iter()
            .map(|(name, found)| ModelRow {
                name: name.clone(),
                pairs: count(found.pairs),
                ece: quality_text(found.ece),
                brier: quality_text(found.brier),
                bias: signed(found.bias),
            })
            .collect(),
        sentence: format!(
            "The expected calibration error of {} is {} over {} pairs of a prompt and a model.{chosen}",
            router.name,
            quality_text(calibration.pooled.ece),
            count(calibration.pooled.pairs)
        ),
    })
}

fn much(bias: f64) -> &'static str {
    if bias > 0.0 { "much" } else { "little" }
}

fn x() -> Axis {
    Axis::between(0.0, 1.0, LEFT, WIDTH - RIGHT)
}

fn y() -> Axis {
    Axis::between(0.0, 1.0, HEIGHT - BOTTOM, TOP)
}

fn curve(class: &'static str, name: String, of: &Reliability) -> Curve {
    let most = of.bins.iter().map(|bin| bin.pairs).max().unwrap_or(1).max(1) as f64;
    let dot = |bin: &Bin| {
        let at = (x().at(bin.estimate.clamp(0.0, 1.0)), y().at(bin.outcome));
        let lines = vec![
            name.clone(),
            format!("expected {}", quality_text(bin.estimate)),
            format!("met {}", quality_text(bin.outcome)),
            format!("{} pairs", count(bin.pairs)),
        ];
        Dot {
            x: at.0,
            y: at.1,
            radius: 2.5 + 3.5 * (bin.pairs as f64 / most).sqrt(),
            tip: tip(at, lines, [LEFT, TOP, WIDTH - RIGHT, HEIGHT - BOTTOM]),
        }
    };
    let dots: Vec<Dot> = of.bins.iter().map(dot).collect();
    let path: Vec<String> = dots.iter().map(|dot| format!("{:.1},{:.1}", dot.x, dot.y)).collect();
    Curve { class, name, path: path.join(" "), dots }
}

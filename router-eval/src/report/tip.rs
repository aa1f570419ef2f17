//! What is shown over a point of a plot while it is pointed at: a box within the plot, without a script.

use serde::Serialize;

/// Width of a letter in a wide bold font, height of a line and the margin around them, in pixels.
const LETTER: f64 = 7.4;
const LINE: f64 = 15.0;
const MARGIN: f64 = 7.0;
/// Distance from the point.
const AWAY: f64 = 12.0;

/// A box with lines of text.
#[derive(Debug, Serialize)]
pub(super) struct Tip {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
    lines: Vec<TipLine>,
}

#[derive(Debug, Serialize)]
struct TipLine {
    x: f64,
    y: f64,
    text: String,
}

/// A box with `lines` beside the point `at`, within the room of left, top, right, bottom where it fits in there.
pub(super) fn tip(at: (f64, f64), lines: Vec<String>, room: [f64; 4]) -> Tip {
    let [left, top, right, bottom] = room;
    let longest = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0);
    let (width, height) = (longest as f64 * LETTER + 2.0 * MARGIN, lines.len() as f64 * LINE + MARGIN);
    let beside = if at.0 + AWAY + width <= right { at.0 + AWAY } else { at.0 - AWAY - width };
    let (x, y) = (beside.min(right - width).max(left.min(4.0)), (at.1 - height / 2.0).min(bottom - height).max(top));
    let line = |(number, text): (usize, String)| TipLine { x: x + MARGIN, y: y + LINE * (number as f64 + 0.85), text };
    Tip { x, y, width, height, lines: lines.into_iter().enumerate().map(line).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tip_stays_within_the_plot() {
        let room = [50.0, 10.0, 400.0, 300.0];
        let lines = || vec!["a router of some name".to_owned(), "quality 0.812".to_owned()];
        for at in [(60.0, 20.0), (395.0, 295.0), (200.0, 150.0), (395.0, 12.0)] {
            let tip = tip(at, lines(), room);
            assert!(tip.x >= 4.0 && tip.x + tip.width <= 400.0, "{tip:?}");
            assert!(tip.y >= 10.0 && tip.y + tip.height <= 300.0, "{tip:?}");
            assert!(tip.lines.iter().all(|line| line.y < tip.y + tip.height && line.x > tip.x));
            let covers = (tip.x..tip.x + tip.width).contains(&at.0) && (tip.y..tip.y + tip.height).contains(&at.1);
            assert!(!covers, "the point itself stays visible: {tip:?}");
        }
    }
}

//! Pictures of numbers in a line of text: a mean in its interval.

/// Characters of a bar.
const WIDTH: usize = 20;

/// The scale that several bars share.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Axis {
    low: f64,
    high: f64,
}

impl Axis {
    /// The narrowest axis of whole tenths that holds `intervals`; 0 to 1 without one.
    pub(crate) fn around(intervals: impl Iterator<Item = [f64; 2]>) -> Self {
        let (low, high) = intervals.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), interval| {
            (low.min(interval[0]), high.max(interval[1]))
        });
        if low > high || !low.is_finite() || !high.is_finite() {
            return Self { low: 0.0, high: 1.0 };
        }
        // A hair of tolerance, so that 0.3 stays 0.3.
        let (low, high) = (((low * 10.0 + 1e-9).floor()) / 10.0, ((high * 10.0 - 1e-9).ceil()) / 10.0);
        Self { low, high: high.max(low + 0.1) }
    }

    /// The ends of the axis, for a heading.
    pub(crate) fn ends(&self) -> String {
        format!("{:.1} to {:.1}", self.low, self.high)
    }

    /// `mean` in its `interval`: `     ├───●──┤     `, as wide as every bar.
    pub(crate) fn bar(&self, mean: f64, interval: [f64; 2]) -> String {
        let place = |value: f64| {
            let share = (value - self.low) / (self.high - self.low);
            (share.clamp(0.0, 1.0) * (WIDTH - 1) as f64).round() as usize
        };
        let (low, mean, high) = (place(interval[0]), place(mean), place(interval[1]));
        (0..WIDTH)
            .map(|at| match at {
                _ if at == mean => '●',
                _ if at == low => '├',
                _ if at == high => '┤',
                _ if at > low && at < high => '─',
                // A dot holds its place where spaces are trimmed or joined.
                _ => '·',
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_stands_where_its_numbers_are() {
        let axis = Axis::around([[0.31, 0.5], [0.62, 0.7]].into_iter());
        assert_eq!(axis, Axis { low: 0.3, high: 0.7 });
        assert_eq!(axis.ends(), "0.3 to 0.7");
        assert_eq!(axis.bar(0.5, [0.3, 0.7]), "├─────────●────────┤");
        assert_eq!(axis.bar(0.3, [0.3, 0.3]), "●···················");
        assert_eq!(axis.bar(0.9, [0.6, 1.0]).chars().count(), WIDTH);
    }

    #[test]
    fn no_interval_and_no_width_are_an_axis_too() {
        assert_eq!(Axis::around(std::iter::empty()), Axis { low: 0.0, high: 1.0 });
        assert_eq!(Axis::around([[f64::NAN, f64::NAN]].into_iter()), Axis { low: 0.0, high: 1.0 });
        let axis = Axis::around([[0.5, 0.5]].into_iter());
        assert_eq!(axis.ends(), "0.5 to 0.6");
    }
}

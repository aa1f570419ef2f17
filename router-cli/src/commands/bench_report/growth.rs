//! How time grows: the measurements of one plugin in one group, and the exponent of each number of its size.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::measurement::Measurement;

/// The order in which numbers of a size are shown; others follow by name.
const ORDER: [&str; 4] = ["n", "d", "m", "t"];

/// One plugin in one group.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Series {
    pub(super) group: String,
    pub(super) name: String,
    /// At the size from which one number at a time is raised.
    pub(super) base: Point,
    /// What a call takes at every size along one number, and the exponent of that number.
    pub(super) growth: Vec<Growth>,
}

/// A size with its time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Point {
    pub(super) size: BTreeMap<String, f64>,
    pub(super) seconds: f64,
    pub(super) seconds_ci: [f64; 2],
    pub(super) prompts_per_second: Option<f64>,
    pub(super) measure: Option<String>,
    pub(super) quality: Option<f64>,
}

/// Time along one number of the size, all others held.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Growth {
    pub(super) number: String,
    /// (number, seconds), by number.
    pub(super) points: Vec<(f64, f64)>,
    /// The slope of log seconds over log number by least squares: time grows as number^exponent.
    pub(super) exponent: f64,
}

impl Point {
    fn of(measurement: &Measurement) -> Self {
        let (measure, quality) = measurement.quality.clone().unzip();
        Self {
            size: measurement.size.clone(),
            seconds: measurement.seconds,
            seconds_ci: measurement.interval,
            prompts_per_second: measurement.prompts.map(|prompts| prompts / measurement.seconds),
            measure,
            quality,
        }
    }
}

/// The series of `measurements`, which come ordered by group and name.
pub(super) fn series(measurements: Vec<Measurement>) -> Vec<Series> {
    let of_one = measurements.chunk_by(|a, b| (&a.group, &a.name) == (&b.group, &b.name));
    of_one.filter_map(one).collect()
}

/// The numbers along which anything in `group` grows, in the order in which they come.
pub(super) fn numbers(group: &[Series]) -> Vec<&str> {
    let mut numbers: Vec<&str> = Vec::new();
    for growth in group.iter().flat_map(|series| &series.growth) {
        if !numbers.contains(&growth.number.as_str()) {
            numbers.push(&growth.number);
        }
    }
    numbers
}

fn one(measurements: &[Measurement]) -> Option<Series> {
    let first = measurements.first()?;
    let names: BTreeSet<&String> = measurements.iter().flat_map(|one| one.size.keys()).collect();
    let mut names: Vec<&String> = names.into_iter().collect();
    names.sort_by_key(|name| ORDER.iter().position(|known| known == name).unwrap_or(ORDER.len()));
    // The base has every number's most frequent value, the smallest of equally frequent ones.
    let usual = |name: &String| {
        let mut counts: Vec<(f64, usize)> = Vec::new();
        for value in measurements.iter().filter_map(|one| one.size.get(name)) {
            match counts.iter_mut().find(|(known, _)| known == value) {
                Some((_, count)) => *count += 1,
                None => counts.push((*value, 1)),
            }
        }
        counts.into_iter().max_by(|a, b| a.1.cmp(&b.1).then(b.0.total_cmp(&a.0))).map(|(value, _)| value)
    };
    let base: BTreeMap<String, f64> = names.iter().filter_map(|name| Some(((*name).clone(), usual(name)?))).collect();
    let growth = names.iter().filter_map(|name| along(name, measurements, &base)).collect();
    let at_base = measurements.iter().find(|one| one.size == base).unwrap_or(first);
    Some(Series { group: first.group.clone(), name: first.name.clone(), base: Point::of(at_base), growth })
}

/// Time along `name`; none for fewer than two values of it.
fn along(name: &str, measurements: &[Measurement], base: &BTreeMap<String, f64>) -> Option<Growth> {
    let others =
        |one: &&Measurement| base.iter().all(|(other, value)| other == name || one.size.get(other) == Some(value));
    let mut points: Vec<(f64, f64)> =
        measurements.iter().filter(others).filter_map(|one| Some((*one.size.get(name)?, one.seconds))).collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    if points.len() < 2 {
        return None;
    }
    let exponent = slope(&points)?;
    Some(Growth { number: name.to_owned(), points, exponent })
}

/// The slope of log y over log x by least squares; none where all x are the same.
fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let logarithms: Vec<(f64, f64)> = points.iter().map(|(x, y)| (x.ln(), y.max(1e-12).ln())).collect();
    let n = logarithms.len() as f64;
    let (x, y) = (logarithms.iter().map(|p| p.0).sum::<f64>() / n, logarithms.iter().map(|p| p.1).sum::<f64>() / n);
    let products: f64 = logarithms.iter().map(|p| (p.0 - x) * (p.1 - y)).sum();
    let squares: f64 = logarithms.iter().map(|p| (p.0 - x) * (p.0 - x)).sum();
    (squares > 0.0).then(|| products / squares)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(n: f64, d: f64, seconds: f64) -> Measurement {
        Measurement {
            group: "estimate".to_owned(),
            name: "moe".to_owned(),
            size: BTreeMap::from([("n".to_owned(), n), ("d".to_owned(), d)]),
            seconds,
            interval: [seconds; 2],
            prompts: Some(500.0),
            quality: Some(("skill".to_owned(), 0.8)),
        }
    }

    #[test]
    fn exponents_are_those_that_were_planted() {
        // Time is n^2 d.
        let time = |n: f64, d: f64| 1e-9 * n * n * d;
        let sizes = [(1000.0, 128.0), (2000.0, 128.0), (4000.0, 128.0), (1000.0, 256.0), (1000.0, 512.0)];
        let found = series(sizes.iter().map(|&(n, d)| at(n, d, time(n, d))).collect());
        let [one] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((one.base.size["n"], one.base.size["d"]), (1000.0, 128.0));
        let exponents: Vec<(&str, f64)> = one.growth.iter().map(|g| (g.number.as_str(), g.exponent)).collect();
        let [("n", n), ("d", d)] = exponents.as_slice() else { panic!("{exponents:?}") };
        assert!((n - 2.0).abs() < 1e-9 && (d - 1.0).abs() < 1e-9, "{exponents:?}");
        assert!((one.base.prompts_per_second.unwrap() - 500.0 / time(1000.0, 128.0)).abs() < 1e-3);
    }

    #[test]
    fn one_size_grows_nowhere() {
        assert!(series(vec![at(1000.0, 128.0, 1.0)])[0].growth.is_empty());
    }
}

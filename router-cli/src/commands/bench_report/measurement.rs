//! Criterion's own files: a folder a bench, with its name and its estimates.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use router_core::{Error, ErrorKind, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// One bench at one size.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Measurement {
    /// What was measured: `estimate`.
    pub(super) group: String,
    /// The plugin.
    pub(super) name: String,
    /// The numbers of its size: n, d, m, t.
    pub(super) size: BTreeMap<String, f64>,
    /// Median seconds a call, and the 95% interval of the median.
    pub(super) seconds: f64,
    pub(super) interval: [f64; 2],
    /// Prompts a call, where told.
    pub(super) prompts: Option<f64>,
    /// How good the plugin is there: what was measured, and the number.
    pub(super) quality: Option<(String, f64)>,
}

#[derive(Deserialize)]
struct Benchmark {
    group_id: String,
    function_id: Option<String>,
    value_str: Option<String>,
    throughput: Option<BTreeMap<String, f64>>,
}

#[derive(Deserialize)]
struct Estimates {
    median: Estimate,
}

#[derive(Deserialize)]
struct Estimate {
    point_estimate: f64,
    confidence_interval: Interval,
}

#[derive(Deserialize)]
struct Interval {
    lower_bound: f64,
    upper_bound: f64,
}

#[derive(Deserialize)]
struct Quality {
    measure: String,
    value: f64,
}

/// All measurements below `folder`, in the order of their names.
pub(super) fn read(folder: &Path) -> Result<Vec<Measurement>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).map_err(|source| Error::io(&folder, source))?;
        for entry in entries {
            let path = entry.map_err(|source| Error::io(&folder, source))?.path();
            if path.is_dir() {
                if path.ends_with("new") && path.join("benchmark.json").is_file() {
                    found.extend(measurement(&folder, &path)?);
                } else {
                    folders.push(path);
                }
            }
        }
    }
    let key = |one: &Measurement| (one.group.clone(), one.name.clone());
    found.sort_by(|a, b| key(a).cmp(&key(b)).then_with(|| sizes(a).total_cmp(&sizes(b))));
    Ok(found)
}

/// Larger for larger worlds.
fn sizes(measurement: &Measurement) -> f64 {
    measurement.size.values().product()
}

/// The bench in `folder`, whose latest run is in `latest`; none for one without a size.
fn measurement(folder: &Path, latest: &Path) -> Result<Option<Measurement>> {
    let benchmark: Benchmark = json(&latest.join("benchmark.json"))?;
    let median = json::<Estimates>(&latest.join("estimates.json"))?.median;
    let quality = folder.join("quality.json");
    let quality = if quality.is_file() { Some(json::<Quality>(&quality)?) } else { None };
    let Some(size) = benchmark.value_str.as_deref().and_then(size) else { return Ok(None) };
    let seconds = |nanoseconds: f64| nanoseconds * 1e-9;
    let interval = [median.confidence_interval.lower_bound, median.confidence_interval.upper_bound];
    Ok(Some(Measurement {
        group: benchmark.group_id,
        name: benchmark.function_id.unwrap_or_default(),
        size,
        seconds: seconds(median.point_estimate),
        interval: interval.map(seconds),
        prompts: benchmark.throughput.and_then(|all| all.get("Elements").copied()),
        quality: quality.map(|quality| (quality.measure, quality.value)),
    }))
}

/// `n=1000,d=384` as numbers; none where it is something else.
fn size(text: &str) -> Option<BTreeMap<String, f64>> {
    text.split(',')
        .map(|part| {
            let (name, number) = part.split_once('=')?;
            let number: f64 = number.parse().ok()?;
            (number > 0.0 && number.is_finite()).then(|| (name.to_owned(), number))
        })
        .collect()
}

fn json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = fs::read(path).map_err(|source| Error::io(path, source))?;
    serde_json::from_slice(&text).map_err(|source| {
        let line = source.line();
        Error::new(ErrorKind::Data, "this is not what criterion writes").in_file(path).at_line(line).caused_by(source)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_named_numbers() {
        let named = size("n=1000,d=384").unwrap();
        assert_eq!(named.into_iter().collect::<Vec<_>>(), [("d".to_owned(), 384.0), ("n".to_owned(), 1000.0)]);
        for other in ["5000", "n=", "n=x", "n=0", ""] {
            assert_eq!(size(other), None, "{other}");
        }
    }
}

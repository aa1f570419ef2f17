//! `router bench-report`: criterion's files as tables and plots.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::world::router_in;

/// A bench as criterion stores it, and its quality as router-benches does.
fn measured(home: &Path, name: &str, n: u32, nanoseconds: f64, quality: f64) {
    let folder = home.join("estimate").join(name).join(format!("n={n},d=8"));
    let latest = folder.join("new");
    fs::create_dir_all(&latest).unwrap();
    let benchmark = json!({
        "group_id": "estimate", "function_id": name, "value_str": format!("n={n},d=8"), "throughput": { "Elements": 500 },
        "full_id": format!("estimate/{name}/n={n},d=8"), "directory_name": "", "title": "",
    });
    fs::write(latest.join("benchmark.json"), benchmark.to_string()).unwrap();
    let estimate = json!({
        "confidence_interval": { "confidence_level": 0.95, "lower_bound": 0.9 * nanoseconds, "upper_bound": 1.1 * nanoseconds },
        "point_estimate": nanoseconds, "standard_error": 1.0,
    });
    fs::write(latest.join("estimates.json"), json!({ "mean": estimate, "median": estimate }).to_string()).unwrap();
    fs::write(folder.join("quality.json"), json!({ "measure": "held-out skill", "value": quality }).to_string())
        .unwrap();
}

#[test]
fn tables_plots_and_growth() {
    let directory = TempDir::new().unwrap();
    let home = directory.path().join("target/criterion");
    for (n, factor) in [(1000, 1.0), (2000, 4.0), (4000, 16.0)] {
        measured(&home, "quadratic", n, 2e6 * factor, 0.9);
        measured(&home, "constant", n, 1e6, 0.5);
    }
    let output = router_in(directory.path()).args(["bench-report", "--json"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let exponent = |at: usize| document["series"][at]["growth"][0]["exponent"].as_f64().unwrap();
    assert!(exponent(0).abs() < 1e-9 && (exponent(1) - 2.0).abs() < 1e-9, "{document:#}");
    assert_eq!(document["files"], json!(["estimate.svg", "report.md"]));
    let read = |file: &str| fs::read_to_string(directory.path().join("router-out/bench-report").join(file)).unwrap();
    let page = read("report.md");
    // 500 prompts in 2 ms.
    let row = "| quadratic | 2.00 ms | 1.80 ms to 2.20 ms | 250000 | 2.00 | 0.900 |";
    assert!(page.contains(row) && page.contains("| held-out skill |") && page.contains("](estimate.svg)"), "{page}");
    let plot = read("estimate.svg");
    assert_eq!(plot.matches("<polyline").count(), 2);
    assert!(plot.contains("quadratic: n^2.00") && !plot.contains("NaN"), "{plot}");
}

#[test]
fn what_is_missing_or_damaged_is_told() {
    let directory = TempDir::new().unwrap();
    let refused = |words: &str| {
        let output = router_in(directory.path()).arg("bench-report").output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(told.contains(words), "{told}");
    };
    refused("target/criterion");
    fs::create_dir_all(directory.path().join("target/criterion")).unwrap();
    refused("run `cargo bench` first");
    let home = directory.path().join("target/criterion");
    measured(&home, "moe", 1000, 1e6, 0.9);
    fs::write(home.join("estimate/moe/n=1000,d=8/new/estimates.json"), "{").unwrap();
    refused("estimates.json:1: this is not what criterion writes");
}

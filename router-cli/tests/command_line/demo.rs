//! The demo keeps its promises: tasks are found, routing pays, and the commands it names work.

use std::fs;

use serde_json::Value;
use tempfile::TempDir;

use crate::world::router_in;

#[test]
fn the_demo_keeps_its_promises() {
    let directory = TempDir::new().unwrap();
    let path = directory.path();
    let output = router_in(path).args(["demo", "--json", "--seed", "3", "--out", "first"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(summary["discovery"]["adjusted_rand_index"].as_f64().unwrap() >= 0.9, "{}", summary["discovery"]);
    assert!(summary["discovery"]["normalized_mutual_information"].as_f64().unwrap() >= 0.8);
    assert!(summary["routers"][0]["vs_best_single"]["ci"][0].as_f64().unwrap() > 0.0);
    for file in ["summary.json", "decisions.csv", "report.html", "finerouter.toml", "router/manifest.json"] {
        assert!(fs::metadata(path.join("first").join(file)).unwrap().len() > 0, "{file}");
    }

    let output = router_in(path).arg("demo").output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let named = text.split("Try next:").nth(1).unwrap();
    let commands: Vec<&str> = named.lines().filter_map(|line| line.trim().strip_prefix("router ")).collect();
    assert!(commands.len() >= 4, "{text}");
    for command in commands {
        let words = command.split_whitespace().collect::<Vec<_>>();
        // One argument is quoted: the prompt.
        let words = match command.split_once('\'') {
            Some((before, prompt)) => {
                before.split_whitespace().chain([prompt.trim_end_matches('\'')]).collect::<Vec<_>>()
            }
            None => words,
        };
        router_in(path).args(&words).assert().success();
    }
}

//! `router drift`: windows of a stream against training.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use crate::releases::fixture;
use crate::world::{fitted, router_in};

fn drift(arguments: &[&str], stdin: &str) -> (Value, i32) {
    let output = router_in(fitted())
        .args(["drift", "--router", "artifact", "--json"])
        .args(arguments)
        .write_stdin(stdin)
        .output()
        .unwrap();
    let status = output.status.code().unwrap();
    (serde_json::from_slice(&output.stdout).unwrap(), status)
}

/// Prompts of another kind than the training prompts.
fn foreign(count: usize) -> String {
    let mut lines = String::new();
    for at in 0..count {
        let prompt =
            format!("Refactor module {at}: rename fn handle_{at}() and keep its unit tests green; explain the diff.");
        writeln!(lines, "{}", json!({ "prompt": prompt })).unwrap();
    }
    lines
}

#[test]
fn prompts_of_the_same_kind_are_no_drift_and_others_are() {
    let (same, status) = drift(&["--window", "60", "data/prompts.jsonl"], "");
    assert_eq!(status, 0);
    assert_eq!((&same["prompts"], &same["warnings"]), (&120.into(), &0.into()), "{same:#}");
    assert_eq!(same["windows"].as_array().unwrap().len(), 2);
    assert_eq!(same["training"]["prompts"], 120);

    let (other, status) = drift(&["--window", "50"], &foreign(120));
    assert_eq!(status, 0, "a warning alone is no failure");
    let windows = other["windows"].as_array().unwrap();
    let prompts: Vec<u64> = windows.iter().map(|window| window["prompts"].as_u64().unwrap()).collect();
    assert_eq!(prompts, [50, 50, 20]);
    assert_eq!(other["warnings"], 3, "{other:#}");
    assert_eq!(drift(&["--window", "50", "--fail-on-warning"], &foreign(60)).1, 1);
    assert_eq!(drift(&["--window", "60", "--fail-on-warning", "data/prompts.jsonl"], "").1, 0);
}

#[test]
fn warnings_are_words_too() {
    let output = router_in(fitted())
        .args(["drift", "--router", "artifact", "--window", "40", "-"])
        .write_stdin(foreign(80))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.matches("WARNING").count(), 2, "{text}");
    assert!(text.contains("120 held-out prompts") && text.ends_with("2 warnings in 80 prompts\n"), "{text}");
    assert!(text.lines().all(|line| !line.ends_with(' ') && line.chars().count() <= 100), "{text}");
}

#[test]
fn a_stream_of_nothing_and_wrong_usage() {
    let (nothing, status) = drift(&["-"], "");
    assert_eq!((&nothing["prompts"], nothing["windows"].as_array().map(Vec::len), status), (&0.into(), Some(0), 0));
    for wrong in [["--level", "0"], ["--level", "1.5"], ["--window", "0"]] {
        assert_eq!(drift(&wrong, "").1, 2, "{wrong:?}");
    }
    let (failed, status) = drift(&["-"], "{\"prompt\": \"a\"}\nnonsense\n");
    assert_eq!((&failed["error"]["line"], status), (&2.into(), 2));
}

#[test]
fn an_artifact_of_an_older_release_says_that_it_has_no_reference() {
    let old = fixture("version-1");
    let output = router_in(Path::new(".")).arg("drift").arg("--router").arg(&old).write_stdin("").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("carries no drift reference"), "{message}");
}

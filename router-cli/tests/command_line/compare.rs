//! `router compare`: agreement, switches, causes, quality.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::Value;

use crate::world::{CONFIG, fresh, router_in, transcript};

/// A world with three artifacts: `plain`; `dear` minds the cost; `flat` has no tasks and one model for all.
fn artifacts() -> &'static Path {
    static ARTIFACTS: OnceLock<PathBuf> = OnceLock::new();
    ARTIFACTS.get_or_init(|| {
        let directory = fresh().keep();
        let path = directory.as_path();
        let flat = "[embedder]\nuse = \"hashing\"\ndimension = 256\n[[estimators]]\nuse = \"global-mean\"\n";
        let configs = [
            ("plain", CONFIG.to_owned()),
            ("dear", CONFIG.replace("lambda = 0.0", "lambda = 500.0")),
            ("flat", flat.to_owned()),
        ];
        for (name, config) in configs {
            fs::write(path.join("C.toml"), config).unwrap();
            let arguments = ["train", "--config", "C.toml", "--data", "data", "--no-references", "--out", name];
            router_in(path).args(arguments).assert().success();
        }
        directory
    })
}

fn compare(arguments: &[&str], stdin: &str) -> Value {
    let output =
        router_in(artifacts()).arg("compare").args(arguments).arg("--json").write_stdin(stdin).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_router_agrees_with_itself() {
    let same = compare(&["plain", "plain", "--data", "test"], "");
    assert_eq!((&same["prompts"], &same["agreed"], &same["agreement"]), (&120.into(), &120.into(), &1.0.into()));
    assert!(same["agreement_ci"][0].as_f64().unwrap() > 0.9);
    assert_eq!(same["settings"].as_array().unwrap().len(), 0);
    assert_eq!(same["quality"]["all"]["delta"], 0.0);
    assert_eq!(same["quality"]["differing"], Value::Null);
    let text = transcript(artifacts(), &["compare", "plain", "plain", "--data", "test"], "");
    assert!(text.contains("they never differ"), "{text}");
}

#[test]
fn a_policy_that_minds_cost_differs_by_policy() {
    let found = compare(&["plain", "dear", "--data", "test", "--resamples", "500"], "");
    let differing = 120 - found["agreed"].as_u64().unwrap();
    assert!(differing > 0);
    // Every switch is to the cheap model, and costs quality.
    for switch in found["switches"].as_array().unwrap() {
        assert_eq!(switch["b"], "thrifty");
        assert!(switch["delta"].as_f64().unwrap() < 0.0, "{switch}");
    }
    let prompts: u64 =
        found["switches"].as_array().unwrap().iter().map(|switch| switch["prompts"].as_u64().unwrap()).sum();
    assert_eq!(prompts, differing);
    assert_eq!(found["causes"], serde_json::json!([{ "cause": "policy", "prompts": differing }]));
    assert_eq!(found["settings"][0]["field"], "policy.lambda");
    let differing_quality = &found["quality"]["differing"];
    assert_eq!(differing_quality["prompts"].as_u64(), Some(differing));
    assert!(differing_quality["ci"][1].as_f64().unwrap() < 0.0, "{differing_quality}");
    let all = &found["quality"]["all"];
    let expected = differing_quality["delta"].as_f64().unwrap() * differing as f64 / 120.0;
    assert!((all["delta"].as_f64().unwrap() - expected).abs() < 1e-9, "the rest adds nothing");
    for side in ["tasks_a", "tasks_b"] {
        let prompts: u64 = found[side].as_array().unwrap().iter().map(|task| task["prompts"].as_u64().unwrap()).sum();
        assert_eq!(prompts, 120);
    }
}

#[test]
fn estimates_that_differ_are_split_into_their_parts() {
    let found = compare(&["plain", "flat", "--data", "test", "--show", "200"], "");
    let differences = found["differences"].as_array().unwrap();
    assert_eq!(differences.len() as u64, 120 - found["agreed"].as_u64().unwrap());
    assert!(!differences.is_empty());
    let mut last = f64::INFINITY;
    for difference in differences {
        let gap = difference["gap"].as_f64().unwrap();
        assert!(gap <= last && gap > 0.0, "the largest gap first");
        last = gap;
        assert!(difference["cause"].as_str().unwrap().starts_with("scores of "), "{difference:#}");
        let sum: f64 =
            difference["contributions"].as_array().unwrap().iter().map(|one| one["gap"].as_f64().unwrap()).sum();
        assert!((sum - gap).abs() < 1e-4, "{difference:#}");
        // The gap is what both aggregates say of both choices.
        let lead = |side: &str| {
            let scores = difference[side]["scores"].as_array().unwrap();
            let aggregate = scores.iter().find(|score| score["part"] == "aggregate").unwrap();
            aggregate["of_a"].as_f64().unwrap() - aggregate["of_b"].as_f64().unwrap()
        };
        assert!((lead("a") - lead("b") - gap).abs() < 1e-5);
        assert_ne!(difference["a"]["model"], difference["b"]["model"]);
        assert_eq!(difference["b"]["task"], Value::Null);
    }
    assert_eq!(found["tasks_b"].as_array().unwrap().len(), 0, "a router without tasks has none to list");
    assert_eq!(found["same_training_data"], true);
}

#[test]
fn prompts_without_outcomes_come_from_a_file_or_stdin() {
    let lines = fs::read_to_string(artifacts().join("test/prompts.jsonl")).unwrap();
    let piped = compare(&["plain", "dear", "--prompts", "-"], &lines);
    let read = compare(&["plain", "dear", "--prompts", "test/prompts.jsonl"], "");
    assert_eq!(piped, read);
    assert_eq!(piped["quality"], Value::Null);
    let with_data = compare(&["plain", "dear", "--data", "test"], "");
    for field in ["prompts", "agreed", "causes", "contributions"] {
        assert_eq!(piped[field], with_data[field], "{field}");
    }
    let constrained = "{\"prompt\": \"Write a poem.\", \"allowed_models\": [\"solver\"]}\n";
    assert_eq!(compare(&["plain", "dear", "--prompts", "-"], constrained)["agreement"], 1.0);
}

#[test]
fn it_is_written_for_people_and_for_programs() {
    let arguments = ["compare", "plain", "dear", "--data", "test", "--out", "comparison", "--show", "1"];
    let output = router_in(artifacts()).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    for part in
        ["agreement", "policy.lambda", "A chooses", "main cause", "task of A", "furthest apart", "expected quality by"]
    {
        assert!(text.contains(part), "{part} is missing:\n{text}");
    }
    assert!(text.lines().all(|line| !line.ends_with(' ')), "{text}");
    let written: Value =
        serde_json::from_slice(&fs::read(artifacts().join("comparison/comparison.json")).unwrap()).unwrap();
    assert_eq!(written, compare(&["plain", "dear", "--data", "test", "--show", "1"], ""));
    let table = fs::read_to_string(artifacts().join("comparison/decisions.csv")).unwrap();
    assert_eq!(table.lines().count(), 121);
    assert!(
        table.starts_with("prompt_id,agree,a_model,b_model,a_task,b_task,gap,cause,a_quality,b_quality\n"),
        "{table}"
    );
}

#[test]
fn wrong_usage_is_told() {
    let status = |arguments: &[&str], stdin: &str| {
        router_in(artifacts()).arg("compare").args(arguments).write_stdin(stdin).output().unwrap().status.code()
    };
    assert_eq!(status(&["plain", "dear"], ""), Some(2));
    assert_eq!(status(&["plain", "dear", "--data", "test", "--prompts", "-"], ""), Some(2));
    assert_eq!(status(&["plain", "missing", "--data", "test"], ""), Some(2));
    assert_eq!(status(&["plain", "dear", "--prompts", "-"], ""), Some(2));
    assert_eq!(status(&["plain", "dear", "--prompts", "-"], "nonsense\n"), Some(2));
}

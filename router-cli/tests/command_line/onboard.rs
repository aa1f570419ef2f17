//! `router onboard`: which prompts to ask, and a model that joins.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::world::{fitted, router_in};

fn prompt_ids(directory: &Path) -> Vec<String> {
    let text = fs::read_to_string(directory.join("data/prompts.jsonl")).unwrap();
    let id = |line: &str| serde_json::from_str::<Value>(line).unwrap()["prompt_id"].as_str().unwrap().to_owned();
    text.lines().map(id).collect()
}

/// A dataset directory in which `newcomer` answers all of the prompts of the world rightly.
fn newcomer(directory: &Path) {
    fs::create_dir(directory).unwrap();
    fs::copy(fitted().join("data/prompts.jsonl"), directory.join("prompts.jsonl")).unwrap();
    let models = json!([{ "model": "newcomer", "input_usd_per_mtok": 1.0, "output_usd_per_mtok": 2.0 }]);
    fs::write(directory.join("models.json"), models.to_string()).unwrap();
    let mut outcomes = "prompt_id,model,quality,cost_usd,input_tokens,output_tokens\n".to_owned();
    for id in prompt_ids(fitted()) {
        writeln!(outcomes, "{id},newcomer,1.0,,,").unwrap();
    }
    fs::write(directory.join("outcomes.csv"), outcomes).unwrap();
}

#[test]
fn prompts_are_chosen_once_each() {
    let output = router_in(fitted())
        .args(["onboard", "choose", "--router", "artifact", "--count", "12", "data/prompts.jsonl", "--json"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let chosen: std::collections::BTreeSet<&str> =
        document["prompts"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
    let all = prompt_ids(fitted());
    assert_eq!(chosen.len(), 12);
    assert!(chosen.iter().all(|id| all.iter().any(|known| known == id)));
}

#[test]
fn a_model_that_is_always_right_joins_and_is_chosen() {
    let place = tempfile::tempdir().unwrap();
    let (data, artifact) = (place.path().join("new"), place.path().join("artifact"));
    newcomer(&data);
    let onboard = |model: &str| {
        router_in(fitted())
            .args(["onboard", "place", "--router", "artifact", "--json", "--no-cache", "--model", model, "--data"])
            .arg(&data)
            .arg("--out")
            .arg(&artifact)
            .output()
            .unwrap()
    };
    let output = onboard("newcomer");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&document["outcomes"], &document["mean_quality"]), (&120.into(), &1.0.into()));
    assert_eq!(document["share_of_asked"], 1.0, "{document:#}");

    let output = router_in(fitted())
        .args(["route", "--explain", "--json", "--router"])
        .arg(&artifact)
        .arg("What is 17 * 23?")
        .output()
        .unwrap();
    let explained: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(explained["model"], "newcomer", "{explained:#}");

    let output = onboard("nobody");
    assert_eq!(output.status.code(), Some(2));
    let error: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(error["error"]["kind"], "unknown-model", "{error:#}");
}

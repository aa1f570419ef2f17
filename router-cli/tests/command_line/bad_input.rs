//! What bad input gets: the message, and the status 2.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::world::{copy_artifact, fitted, fresh, router_in, transcript};

const TRAIN: [&str; 7] = ["train", "--config", "C.toml", "--data", "data", "--out", "out"];

/// Replaces `from` by `to` in `file`, which must hold it.
fn edit(file: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "{} holds no {from}", file.display());
    fs::write(file, text.replacen(from, to, 1)).unwrap();
}

/// `manifest` with its digest made to agree.
fn sealed(manifest: &str) -> String {
    let digest = manifest.rsplit("\"digest\": \"").next().and_then(|rest| rest.get(..64)).unwrap();
    let zeros = "0".repeat(64);
    let unsealed = manifest.replace(digest, &zeros);
    unsealed.replace(&zeros, &router_core::artifact::sha256(unsealed.as_bytes()))
}

/// The transcripts of `train` with `C.toml` or the data edited, one after another.
fn train_with(edits: &[(&str, &str, &str)]) -> String {
    let mut text = String::new();
    for (file, from, to) in edits {
        let directory = fresh();
        edit(&directory.path().join(file), from, to);
        writeln!(text, "{file}: {from:?} -> {to:?}\n{}", transcript(directory.path(), &TRAIN, "")).unwrap();
        assert!(!directory.path().join("out").exists(), "nothing is written after an error");
    }
    text
}

#[test]
fn configurations() {
    insta::assert_snapshot!(train_with(&[
        ("C.toml", "seed = 7", "sead = 7"),
        ("C.toml", "seed = 7", "seed = seven"),
        ("C.toml", "seed = 7", "seed = -7"),
        ("C.toml", "use = \"graph\"", "use = \"grahp\""),
        ("C.toml", "neighbors = 10", "neighbours = 10"),
        ("C.toml", "neighbors = 10", "neighbors = 0"),
        ("C.toml", "neighbors = 10", "neighbors = \"many\""),
        ("C.toml", "dimension = 256", "dimension = nan"),
        ("C.toml", "lambda = 0.0", "lambda = -1.0"),
        ("C.toml", "[embedder]\nuse = \"hashing\"\ndimension = 256\n", ""),
        ("C.toml", "[discoverer]\nuse = \"graph\"\nneighbors = 10\n\n[[estimators]]\nuse = \"neighbors\"\n", ""),
        ("C.toml", "[discoverer]\nuse = \"graph\"\nneighbors = 10\n", "[classifier]\nuse = \"softmax\"\n"),
    ]));
}

#[test]
fn data() {
    insta::assert_snapshot!(train_with(&[
        ("data/models.json", "\"poet\"", "\"\""),
        ("data/models.json", "2.0", "-2.0"),
        ("data/models.json", "\"model\": \"poet\"", "\"modle\": \"poet\""),
        ("data/prompts.jsonl", "{\"prompt_id\":\"q3\"", "{\"prompt_id\":\"q3"),
        ("data/prompts.jsonl", "\"prompt_id\":\"q3\"", "\"prompt_id\":\"q2\""),
        ("data/prompts.jsonl", "\"prompt_id\":\"q3\",\"prompt\"", "\"prompt_id\":\"q3\",\"text\""),
        ("data/outcomes.csv", "q2,poet,0.", "q2,poet,1."),
        ("data/outcomes.csv", "q2,poet,0.", "q2,poet,NaN0."),
        ("data/outcomes.csv", "\nq2,poet,", "\nq2,novelist,"),
        ("data/outcomes.csv", "\nq2,poet,", "\nq999,poet,"),
        ("data/outcomes.csv", "\nq2,poet,", "\nq2,solver,"),
        ("data/outcomes.csv", "prompt_id,model,quality", "prompt_id,model,grade"),
    ]));
}

#[test]
fn a_quality_that_is_no_number() {
    let directory = fresh();
    let file = directory.path().join("data/outcomes.csv");
    let text = fs::read_to_string(&file).unwrap();
    let lines: Vec<String> = text
        .lines()
        .map(|line| if line.starts_with("q2,poet,") { "q2,poet,NaN,,,".to_owned() } else { line.to_owned() })
        .collect();
    fs::write(&file, lines.join("\n")).unwrap();
    insta::assert_snapshot!(transcript(directory.path(), &TRAIN, ""));
}

#[test]
fn an_empty_pool() {
    let directory = fresh();
    fs::write(directory.path().join("data/models.json"), "[]").unwrap();
    insta::assert_snapshot!(transcript(directory.path(), &TRAIN, ""));
}

#[test]
fn what_is_not_there() {
    let directory = fresh();
    fs::write(directory.path().join("occupied"), "a file of somebody's").unwrap();
    let run = |arguments: &[&str]| transcript(directory.path(), arguments, "");
    let all = [
        run(&["train", "--config", "missing.toml", "--data", "data", "--out", "out"]),
        run(&["train", "--config", "C.toml", "--data", "missing", "--out", "out"]),
        run(&["train", "--config", "C.toml", "--data", "C.toml", "--out", "out"]),
        run(&["train", "--config", "C.toml", "--data", "data", "--out", "occupied"]),
        run(&["train", "--config", "C.toml", "--data", "data", "--out", "data"]),
        run(&["data", "check", "missing"]),
        run(&["data", "stats", "missing"]),
        run(&["data", "split", "missing", "--out", "parts"]),
        run(&["route", "--router", "missing", "a prompt"]),
        run(&["route", "--router", "data", "a prompt"]),
        run(&["tasks", "--router", "missing"]),
        run(&["eval", "--router", "missing", "--data", "data"]),
        run(&["plugins", "nothing-of-that-name"]),
        run(&["plugins", "policy/moe"]),
    ];
    insta::assert_snapshot!(all.join("\n"));
    assert_eq!(fs::read_to_string(directory.path().join("occupied")).unwrap(), "a file of somebody's");
}

#[test]
fn wrong_usage() {
    let directory = fitted();
    let run = |arguments: &[&str]| transcript(directory, arguments, "");
    let all = [
        run(&["eval", "--data", "test"]),
        run(&["eval", "--router", "artifact"]),
        run(&["eval", "--config", "C.toml", "--data", "test"]),
        run(&["eval", "--router", "artifact", "--config", "C.toml", "--data", "test"]),
        run(&["eval", "--router", "artifact", "--train", "data", "--data", "test"]),
        run(&["eval", "--router", "artifact", "--folds", "5", "--data", "test"]),
        run(&["eval", "--router", "artifact", "--seeds", "3", "--data", "test"]),
        run(&["eval", "--config", "C.toml", "--train", "data", "--folds", "5", "--data", "test"]),
        run(&["eval", "--config", "C.toml", "--folds", "1", "--data", "test"]),
        run(&["eval", "--config", "C.toml", "--config", "C.toml", "--train", "data", "--data", "test"]),
        run(&["eval", "--router", "artifact", "--data", "test", "--data", "test"]),
        run(&["eval", "--router", "artifact", "--data", "test", "--resamples", "0"]),
        run(&["eval", "--config", "C.toml", "--train", "data", "--data", "test", "--seeds", "0"]),
        run(&["eval", "--config", "C.toml", "--train", "data", "--data", "test", "--seeds", "1,1"]),
        run(&["data", "split", "data", "--out", "parts", "--test", "1.5"]),
        run(&["data", "split", "data", "--out", "parts", "--by", "benchmark", "--test", "0.5"]),
        run(&["data", "split", "data", "--out", "parts", "--by", "fortune"]),
        run(&["data", "split", "data", "--out", "parts", "--leave-out", "novels"]),
        run(&["data", "split", "data", "--out", "parts", "--leave-out", "poems", "--test", "0.5"]),
        run(&["route", "--router", "artifact", "--allow", "novelist", "a prompt"]),
        run(&["route", "--router", "artifact", "--unavailable", "novelist", "a prompt"]),
        run(&["route", "--router", "artifact", "--maximum-cost=-1", "a prompt"]),
        run(&["route", "--router", "artifact", "--require-tag", "telepathy", "a prompt"]),
        run(&["route", "--router", "artifact", "--allow", "poet", "-"]),
        run(&["tasks", "--router", "artifact", "999"]),
        run(&["tasks", "--router", "artifact", "one"]),
        run(&["train", "--config", "C.toml", "--data", "data"]),
        run(&["no-such-command"]),
        run(&["demo", "--no-such-option"]),
        run(&["plugins", "--threads", "many"]),
    ];
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn lines_of_stdin() {
    let good = r#"{"prompt": "Write a poem about the sea."}"#;
    let mut all = String::new();
    for bad in [
        "{\"prompt\": \"half",
        "[1, 2]",
        "{}",
        r#"{"prompt": 7}"#,
        r#"{"prompt": [{"role": "oracle", "content": "hello"}]}"#,
        r#"{"prompt": "a", "prompt_id": 7}"#,
        r#"{"prompt": "a", "alowed_models": ["poet"]}"#,
        r#"{"prompt": "a", "allowed_models": "poet"}"#,
        r#"{"prompt": "a", "allowed_models": ["novelist"]}"#,
        r#"{"prompt": "a", "maximum_cost_usd": -1.0}"#,
    ] {
        let input = format!("{good}\n\n{bad}\n{good}\n");
        let output =
            router_in(fitted()).args(["route", "--router", "artifact", "-"]).write_stdin(input).output().unwrap();
        let answers = String::from_utf8(output.stdout).unwrap();
        assert_eq!(answers.lines().count(), 1, "what came before the bad line is answered: {answers}");
        assert_eq!(output.status.code(), Some(2));
        writeln!(all, "{bad}\n  {}", String::from_utf8(output.stderr).unwrap().trim_end()).unwrap();
    }
    insta::assert_snapshot!(all);
}

#[test]
fn artifacts() {
    let mut all = String::new();
    let mut case = |what: &str, damage: &dyn Fn(&Path)| {
        let directory = tempfile::TempDir::new().unwrap();
        damage(&copy_artifact(directory.path()));
        let text = transcript(directory.path(), &["route", "--router", "artifact", "a prompt"], "");
        writeln!(all, "{what}\n{text}").unwrap();
    };
    case("a slot is cut off", &|artifact| {
        let file = artifact.join("estimators-0.safetensors");
        let bytes = fs::read(&file).unwrap();
        fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    });
    case("a byte of a slot is another", &|artifact| {
        let file = artifact.join("classifier.safetensors");
        let mut bytes = fs::read(&file).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&file, bytes).unwrap();
    });
    case("a slot is gone", &|artifact| fs::remove_file(artifact.join("policy.safetensors")).unwrap());
    case("the manifest is cut off", &|artifact| {
        let file = artifact.join("manifest.json");
        let bytes = fs::read(&file).unwrap();
        fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    });
    case("the manifest is of something else", &|artifact| {
        fs::write(artifact.join("manifest.json"), "{\"name\": \"some web app\"}").unwrap();
    });
    case("the manifest is of a newer release", &|artifact| {
        edit(&artifact.join("manifest.json"), "\"format_version\": 2", "\"format_version\": 99");
    });
    case("a letter of the manifest is another", &|artifact| {
        edit(&artifact.join("manifest.json"), "\"thrifty\"", "\"thrifti\"");
    });
    case("the embedder was another", &|artifact| {
        let file = artifact.join("manifest.json");
        let text = fs::read_to_string(&file).unwrap();
        let start = text.find("\"embedder_fingerprint\": \"").unwrap() + "\"embedder_fingerprint\": \"".len();
        fs::write(&file, sealed(&format!("{}other-{}", &text[..start], &text[start..]))).unwrap();
    });
    // Hashes change with every change of an algorithm; that they are told is what matters.
    insta::with_settings!({ filters => vec![
        (r"\b[0-9a-f]{12}\b", "[hash]"),
        (r"`[^`]*` now and was `[^`]*`", "[fingerprint] now and was [fingerprint]"),
        (r"line \d+ column \d+", "line [n] column [n]"),
    ] }, { insta::assert_snapshot!(all) });
}

#[test]
fn an_artifact_without_references_cannot_be_compared() {
    let directory = fresh();
    router_in(directory.path()).args(TRAIN).arg("--no-references").assert().success();
    insta::assert_snapshot!(transcript(directory.path(), &["eval", "--router", "out", "--data", "test"], ""));
}

#[test]
fn a_check_lists_what_is_wrong_and_where() {
    let directory = fresh();
    let outcomes = directory.path().join("data/outcomes.csv");
    edit(&outcomes, "\nq2,poet,", "\nq2,novelist,");
    edit(&outcomes, "\nq5,solver,0.", "\nq5,solver,7.");
    edit(&directory.path().join("data/prompts.jsonl"), "\"prompt_id\":\"q4\"", "\"prompt_id\":\"q3\"");
    let text = transcript(directory.path(), &["data", "check", "data"], "");
    assert!(text.ends_with("status 2\n"), "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn warnings_alone_are_no_failure() {
    let directory = fresh();
    let outcomes = directory.path().join("data/outcomes.csv");
    let text = fs::read_to_string(&outcomes).unwrap();
    let kept: Vec<&str> = text.lines().filter(|line| !line.starts_with("q7,thrifty,")).collect();
    fs::write(&outcomes, kept.join("\n")).unwrap();
    let text = transcript(directory.path(), &["data", "check", "data"], "");
    assert!(text.ends_with("status 0\n"), "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn a_check_shows_a_hundred_findings_and_counts_all() {
    let directory = fresh();
    let outcomes = directory.path().join("data/outcomes.csv");
    let text = fs::read_to_string(&outcomes).unwrap();
    fs::write(&outcomes, text.replace(",poet,", ",novelist,")).unwrap();
    let output = router_in(directory.path()).args(["data", "check", "data"]).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(printed.lines().filter(|line| line.contains(": error: ")).count(), 100);
    assert!(printed.contains("... and 20 more"), "{printed}");
    assert!(printed.ends_with("120 errors, 0 warnings\n"), "{printed}");
}

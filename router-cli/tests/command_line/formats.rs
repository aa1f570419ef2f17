//! `router data import` and `export` with the formats of other projects.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::world::{fitted, fresh, router_in, transcript};

/// Runs with `--json` and gives the status and the document.
fn json(directory: &Path, arguments: &[&str]) -> (i32, Value) {
    let output = router_in(directory).args(arguments).arg("--json").output().unwrap();
    let document = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| {
        panic!("{arguments:?}: {}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    });
    (output.status.code().unwrap(), document)
}

#[test]
fn every_format_is_written_and_read_back() {
    let directory = fresh();
    let path = directory.path();
    let outs = [
        ("embedllm", "embedllm.csv"),
        ("llmrouter", "llmrouter"),
        ("llmrouterbench", "llmrouterbench"),
        ("long", "long.csv"),
        ("long", "long.jsonl"),
        ("long", "long.parquet"),
        ("routerarena", "routerarena"),
        ("routerbench", "routerbench.csv"),
        ("routerbench", "routerbench.parquet"),
    ];
    for (format, out) in outs {
        let (status, document) = json(path, &["data", "export", "--format", format, "--data", "data", "--out", out]);
        assert_eq!((status, &document["out"]), (0, &Value::from(out)), "{document}");
        let back = format!("back/{out}");
        let (status, document) = json(path, &["data", "import", "--format", format, out, "--out", &back]);
        assert_eq!(status, 0, "{document}");
        for (field, count) in [("prompts", 120), ("models", 3), ("outcomes", 360), ("errors", 0), ("skipped", 0)] {
            assert_eq!(document[field], count, "{format}: {field}");
        }
        router_in(path).args(["data", "check", &back]).assert().success();
        // Nothing is written over, the second time least of all.
        let (status, document) = json(path, &["data", "export", "--format", format, "--data", "data", "--out", out]);
        assert_eq!((status, &document["error"]["kind"]), (2, &Value::from("usage")));
    }
    // What the long table brings back is the data set itself.
    for (name, data) in [("one", "data"), ("two", "back/long.parquet")] {
        router_in(path).args(["data", "export", "--format", "jsonl", "--data", data, "--out", name]).assert().success();
    }
    for file in ["models.json", "prompts.jsonl", "outcomes.csv.gz"] {
        assert_eq!(fs::read(path.join("one").join(file)).unwrap(), fs::read(path.join("two").join(file)).unwrap());
    }
}

#[test]
fn what_is_lost_is_told() {
    let directory = fresh();
    let path = directory.path();
    let arguments = ["data", "export", "--format", "routellm", "--data", "data", "--out", "pair.csv"];
    let (status, document) = json(path, &arguments);
    assert_eq!((status, &document["error"]["kind"]), (2, &Value::from("unsupported")));
    let (status, document) = json(path, &[&arguments[..], &["--models", "poet,solver"]].concat());
    assert_eq!(status, 0);
    assert_eq!(document["lost"]["prices"], 2);
    assert_eq!(document["lost"]["benchmarks"], 120);
    assert_eq!(document["outcomes"], 240);
    let output = router_in(path)
        .args(["data", "export", "--format", "embedllm", "--data", "data", "--out", "e.csv"])
        .output()
        .unwrap();
    assert!(String::from_utf8(output.stderr).unwrap().contains("lost in embedllm: prices, 3\n"));
    let header = fs::read_to_string(path.join("pair.csv")).unwrap();
    assert!(header.starts_with("prompt,"), "{header}");
}

const FAULTY: &str = "prompt_id,prompt,model,quality
a,Who may sue?,big,1
a,,small,1.5
b,What is 2 + 2?,big,yes
b,What is 2 + 2?,small,0
c,,big,1
d,Why?
";

#[test]
fn malformed_rows_are_left_out_only_where_asked() {
    let directory = fresh();
    let path = directory.path();
    fs::write(path.join("table.csv"), FAULTY).unwrap();
    let strict = ["data", "import", "--format", "long", "table.csv", "--out", "made"];
    let mut text = transcript(path, &strict, "");
    assert!(!path.join("made").exists(), "nothing is written");
    text += &transcript(path, &[&strict[..], &["--lenient"]].concat(), "");
    insta::assert_snapshot!(text);
    router_in(path).args(["data", "check", "made"]).assert().success();
    let (status, document) = json(path, &strict);
    assert_eq!((status, &document["directory"], &document["errors"]), (2, &Value::Null, &Value::from(4)));
    assert_eq!(document["findings"][0]["field"], "quality");
    assert_eq!(document["findings"][0]["line"], 3);
    let (status, document) = json(path, &[&strict[..], &["--lenient"]].concat());
    assert_eq!((status, &document["rows"], &document["skipped"]), (0, &Value::from(6), &Value::from(4)));
    assert_eq!((&document["prompts"], &document["outcomes"]), (&Value::from(2), &Value::from(2)));
}

#[test]
fn wrong_usage() {
    let mut text = String::new();
    for arguments in [
        &["data", "import", "--format", "routerbunch", "x.csv", "--out", "made"][..],
        &["data", "export", "--format", "routerbunch", "--data", "data", "--out", "made"],
        &["data", "import", "--format", "long", "nowhere.csv", "--out", "made"],
        &["data", "export", "--format", "long", "--data", "data", "--out", "made.xlsx"],
        &["data", "export", "--format", "long", "--data", "data", "--models", "nobody", "--out", "made.csv"],
        &["data", "import", "--format", "long", "data", "--out", "data"],
    ] {
        text += &transcript(fitted(), arguments, "");
        text.push('\n');
    }
    assert!(!fitted().join("made").exists());
    insta::assert_snapshot!(text);
}

#[test]
fn a_place_that_is_taken_is_left_as_it_is() {
    let directory = fresh();
    let path = directory.path();
    fs::write(path.join("table.csv"), "prompt_id,prompt,model,quality\na,x,m,1\n").unwrap();
    fs::create_dir(path.join("mine")).unwrap();
    fs::write(path.join("mine/letter.txt"), "Dear").unwrap();
    let (status, document) = json(path, &["data", "import", "--format", "long", "table.csv", "--out", "mine"]);
    assert_eq!((status, &document["error"]["kind"]), (2, &Value::from("usage")));
    assert_eq!(fs::read_to_string(path.join("mine/letter.txt")).unwrap(), "Dear");
}

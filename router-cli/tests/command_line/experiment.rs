//! `router experiment`: a grid run, killed, resumed and compared.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::world::{files, fresh, router_in, transcript};

const GRID: &str = r#"# A grid for tests.
folds = 3
seeds = [7, 8]
resamples = 100
data = ["data", { name = "held out", train = "data", test = "test" }]

[router.embedder]
use = "hashing"
dimension = { each = [64, 128] }

[[router.estimators]]
each = [{ use = "global-mean" }, { use = "neighbors", k = { each = [3, 9] } }, { use = "ridge" }]
"#;

fn tables(directory: &Path, out: &str) -> Vec<Vec<u8>> {
    let read = |name: &str| fs::read(directory.join(out).join(name)).unwrap();
    ["results.csv", "results.parquet", "results.json"].map(read).to_vec()
}

/// Runs with `--json` and gives the status and the document.
fn json(directory: &Path, arguments: &[&str]) -> (i32, Value) {
    let output = router_in(directory).args(arguments).arg("--json").output().unwrap();
    let document = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{arguments:?}: {}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code().unwrap(), document)
}

#[test]
fn a_grid_is_listed_run_and_left_alone_when_it_is_done() {
    let directory = fresh();
    let path = directory.path();
    fs::write(path.join("grid.toml"), GRID).unwrap();
    let before: Vec<String> =
        fs::read_dir(path).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    let listed =
        transcript(path, &["experiment", "grid.toml", "--dry-run", "--filter", "seed=7", "--filter", "ridge"], "");
    insta::assert_snapshot!("listed", listed);
    let after: Vec<String> =
        fs::read_dir(path).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(before.len(), after.len(), "a dry run writes nothing: {after:?}");
    let output = router_in(path).args(["experiment", "grid.toml", "--threads", "1"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("32 cells run, 0 there already, 0 failed; 32 of 32 have a result"), "{text}");
    assert!(text.contains("estimators[0].k"), "{text}");
    let out = "router-out/experiments/grid";
    let first = tables(path, out);
    let header = String::from_utf8(first[0].clone()).unwrap();
    let header: Vec<&str> = header.lines().next().unwrap().split(',').collect();
    assert_eq!(
        header[..9],
        ["cell", "data", "seed", "size", "folds", "embedder.dimension", "estimators[0]", "estimators[0].k", "result"]
    );
    let (status, document) = json(path, &["experiment", "grid.toml"]);
    assert_eq!((status, &document["ran"], &document["reused"]), (0, &Value::from(0), &Value::from(32)));
    // Every cell has its router and all of the controls.
    assert_eq!(document["rows"].as_array().unwrap().len(), 32 * 8);
    assert_eq!(tables(path, out), first);
    let (_, document) = json(path, &["experiment", "grid.toml", "--dry-run"]);
    assert!(document["selected"].as_array().unwrap().iter().all(|cell| cell["state"] == "done"));
    // More jobs than threads, and fewer.
    for (out, options) in [("four", ["--jobs", "4", "--threads", "2"]), ("one", ["--jobs", "1", "--threads", "2"])] {
        router_in(path).args(["experiment", "grid.toml", "--out", out]).args(options).assert().success();
        assert_eq!(tables(path, out), first, "{options:?}");
    }
}

#[test]
fn killed_at_five_points_it_comes_to_the_same_table() {
    let directory = fresh();
    let path = directory.path();
    fs::write(path.join("grid.toml"), GRID).unwrap();
    router_in(path).args(["experiment", "grid.toml", "--out", "whole"]).assert().success();
    let done = || {
        let cells = fs::read_dir(path.join("killed/cells")).into_iter().flatten().flatten();
        cells.filter(|file| file.file_name().to_string_lossy().ends_with(".json")).count()
    };
    let mut cut_off = 0;
    for at in [1, 7, 13, 19, 25] {
        let mut run = Command::new(assert_cmd::cargo::cargo_bin!("router"))
            .args(["experiment", "grid.toml", "--out", "killed", "--quiet"])
            .current_dir(path)
            .env("ROUTER_CACHE", path.join("cache"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let ended = loop {
            match run.try_wait().unwrap() {
                Some(status) => break Some(status),
                None if done() >= at => break None,
                None => std::thread::sleep(Duration::from_millis(1)),
            }
        };
        if ended.is_none() {
            // SIGKILL: nothing in the process can answer it.
            run.kill().unwrap();
            cut_off += usize::from(!run.wait().unwrap().success());
        }
    }
    assert!(cut_off > 0, "no run was cut off");
    let (status, document) = json(path, &["experiment", "grid.toml", "--out", "killed"]);
    assert_eq!((status, &document["done"]), (0, &Value::from(32)), "{document}");
    assert_eq!(tables(path, "killed"), tables(path, "whole"));
    assert_eq!(files(&path.join("killed/cells")), files(&path.join("whole/cells")), "nothing else is left there");
}

#[test]
fn a_cell_that_fails_is_recorded_and_the_status_says_so() {
    let directory = fresh();
    let path = directory.path();
    // The encoder is in no cache.
    let grid = GRID.replace(
        "use = \"hashing\"\ndimension = { each = [64, 128] }",
        "each = [{ use = \"hashing\" }, { use = \"bert\" }]",
    );
    fs::write(path.join("grid.toml"), grid).unwrap();
    let arguments = [
        "experiment",
        "grid.toml",
        "--out",
        "out",
        "--filter",
        "seed=7",
        "--filter",
        "global-mean",
        "--filter",
        "data=data",
    ];
    let (status, document) = json(path, &arguments);
    assert_eq!((status, &document["done"], &document["failed"]), (1, &Value::from(1), &Value::from(1)), "{document}");
    assert!(document["failures"][0]["cell"].as_str().unwrap().contains("embedder=bert"));
    let error = document["failures"][0]["error"].as_str().unwrap();
    assert!(error.contains("all-MiniLM-L6-v2"), "{error}");
    let table = fs::read_to_string(path.join("out/results.csv")).unwrap();
    assert!(table.lines().any(|line| line.contains("bert") && line.contains("all-MiniLM-L6-v2")), "{table}");
    let output = router_in(path).args(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stdout).unwrap().contains("failed: data=data seed=7"));
}

#[test]
fn what_is_wrong_is_told() {
    let directory = fresh();
    let path = directory.path();
    let mut text = String::new();
    let faults = [
        ("seeds = [7, 8]", "seeds = [7, 7]"),
        ("folds = 3", "floods = 3"),
        ("data = [\"data\"", "data = [\"nowhere\""),
        ("name = \"held out\"", "name = \"data\""),
        ("use = \"hashing\"", "use = \"hashed\""),
        ("each = [64, 128]", "each = [64, -1]"),
        ("use = \"ridge\"", "use = \"ridge\", penalty = \"hard\""),
        ("each = [3, 9]", "each = [3, 3]"),
        ("each = [3, 9]", "each = [3, 9"),
    ];
    for (from, to) in faults {
        assert!(GRID.contains(from));
        fs::write(path.join("grid.toml"), GRID.replacen(from, to, 1)).unwrap();
        let told = transcript(path, &["experiment", "grid.toml", "--out", "out"], "");
        writeln!(text, "{from:?} -> {to:?}\n{told}").unwrap();
    }
    fs::write(path.join("grid.toml"), GRID).unwrap();
    for arguments in [
        &["experiment", "grid.toml", "--filter", "sead=7"][..],
        &["experiment", "grid.toml", "--filter", "no such cell"],
        &["experiment", "grid.toml", "--seed", "3"],
        &["experiment", "nowhere.toml"],
        &["experiment", "grid.toml", "--out", "data"],
        &["experiment", "compare", "data", "test"],
    ] {
        writeln!(text, "{}", transcript(path, arguments, "")).unwrap();
    }
    assert!(!path.join("out").exists() && !path.join("router-out").exists(), "nothing is written");
    insta::assert_snapshot!(text);
}

#[test]
fn two_stored_runs_are_compared() {
    let directory = fresh();
    let path = directory.path();
    fs::write(path.join("grid.toml"), GRID).unwrap();
    for (out, estimator) in [("a", "global-mean"), ("b", "estimators[0]=ridge")] {
        let filters = ["--filter", estimator, "--filter", "seed=7", "--filter", "embedder.dimension=128"];
        router_in(path).args(["experiment", "grid.toml", "--out", out]).args(filters).assert().success();
    }
    let text = transcript(path, &["experiment", "compare", "a", "b", "--by", "data"], "");
    assert!(text.contains("2 cells in common") && text.contains("2 significant at 0.05"), "{text}");
    let (status, document) = json(path, &["experiment", "compare", "a", "b", "--by", "data", "--resamples", "1000"]);
    assert_eq!((status, document["cells"].as_array().unwrap().len()), (0, 2));
    for cell in document["cells"].as_array().unwrap() {
        assert!(cell["ci"][0].as_f64().unwrap() > 0.0, "two tasks, a specialist each: {cell}");
        assert_eq!(cell["prompts"], 120);
    }
}

#[test]
fn the_grid_of_the_documentation_can_be_run() {
    let grid = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configs/grid.toml");
    let text = fs::read_to_string(grid).unwrap();
    let directory = fresh();
    let path = directory.path();
    let text = text.replace("router-out/demo/world/train", "data").replace("router-out/demo/world/test", "test");
    fs::write(path.join("grid.toml"), text).unwrap();
    let (status, document) = json(path, &["experiment", "grid.toml", "--filter", "size<0.5", "--filter", "seed=7"]);
    assert_eq!((status, &document["failed"]), (0, &Value::from(0)), "{document}");
    assert!(document["ran"].as_u64().unwrap() >= 5);
}

#[test]
fn a_stored_run_is_pooled_over_seeds_and_data() {
    let directory = fresh();
    let path = directory.path();
    fs::write(path.join("grid.toml"), GRID).unwrap();
    router_in(path)
        .args(["experiment", "grid.toml", "--out", "a", "--filter", "embedder.dimension=128"])
        .assert()
        .success();
    let against = ["--against", "estimators[0]=global-mean"];
    let arguments = [&["experiment", "pool", "a", "--resamples", "1000"][..], &against].concat();
    let text = transcript(path, &arguments, "");
    assert!(text.contains("differences to") && text.contains("estimators[0]=ridge"), "{text}");
    let (status, document) = json(path, &arguments);
    assert_eq!(status, 0);
    let ridge = &document["settings"][0];
    assert!(ridge["pooled"]["ci"][0].as_f64().unwrap() > 0.0, "two tasks, a specialist each: {ridge}");
    assert!(ridge["data"].as_array().unwrap().iter().all(|data| data["seeds"].as_u64() >= Some(2)), "{ridge}");
}

//! Train, evaluate, route, look: the way of a user.

use std::fs;

use serde_json::Value;

use crate::world::{files, fitted, fresh, router_in, transcript};

#[test]
fn a_user_s_way() {
    let directory = fresh();
    let path = directory.path();
    let run = |arguments: &[&str]| {
        let output = router_in(path).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(run(&["data", "check", "data"]).ends_with(" warnings\n"));
    let trained = run(&["train", "--config", "C.toml", "--data", "data", "--out", "artifact"]);
    assert!(trained.contains("120 prompts, 3 models and 360 outcomes"), "{trained}");
    assert!(trained.contains("wrote       artifact"), "{trained}");
    let table = run(&["eval", "--router", "artifact", "--data", "test", "--out", "report", "--resamples", "500"]);
    for name in ["random", "cheapest", "best-single", "cost-matched-mix", "knn", "benchmark-label", "oracle"] {
        assert!(table.contains(name), "{name} is missing:\n{table}");
    }
    assert!(table.lines().all(|line| !line.ends_with(' ')), "{table}");
    for file in ["summary.json", "decisions.csv", "report.html"] {
        assert!(fs::metadata(path.join("report").join(file)).unwrap().len() > 0);
    }
    let summary: Value = serde_json::from_slice(&fs::read(path.join("report/summary.json")).unwrap()).unwrap();
    let quality = summary["routers"][0]["quality"].as_f64().unwrap();
    assert!(quality > 0.85, "two tasks, a specialist each: {quality}");
    assert!(summary["routers"][0]["vs_best_single"]["ci"][0].as_f64().unwrap() > 0.0);
    let list = run(&["tasks", "--router", "artifact"]);
    assert!(list.contains("120 training prompts"), "{list}");
    let card = run(&["tasks", "--router", "artifact", "0"]);
    assert!(card.contains("typical prompts") && card.contains("solver"), "{card}");
    assert_eq!(run(&["route", "--router", "artifact", "Write a poem with rhyme and verse."]), "poet\n");
}

#[test]
fn fitting_and_evaluating_in_one_go_gives_the_same_table() {
    let stored = ["eval", "--router", "artifact", "--data", "test", "--resamples", "200", "--json"];
    let fresh = ["eval", "--config", "C.toml", "--train", "data", "--data", "test", "--resamples", "200", "--json"];
    let read = |arguments: &[&str]| -> Value {
        serde_json::from_slice(&router_in(fitted()).args(arguments).output().unwrap().stdout).unwrap()
    };
    let (stored, fresh) = (read(&stored), read(&fresh));
    for field in ["quality", "quality_ci", "cost_usd", "vs_best_single", "vs_knn", "distribution"] {
        assert_eq!(stored["routers"][0][field], fresh["routers"][0][field], "{field}");
    }
    assert_eq!(stored["prompts"], fresh["prompts"]);
}

#[test]
fn a_table_for_a_paper_stands_alone_on_stdout() {
    let out = fitted().join("paper");
    let run = |format: &str| {
        let arguments = ["eval", "--router", "artifact", "--data", "test", "--resamples", "200", "--format", format];
        let output = router_in(fitted()).args(arguments).arg("--out").arg(&out).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let markdown = run("markdown");
    assert!(markdown.starts_with("| Router | Quality |") && !markdown.contains("wrote summary.json"), "{markdown}");
    assert!(run("latex").contains("\\begin{tabular}"));
    assert!(out.join("report.html").exists());
}

#[test]
fn each_benchmark_is_left_out_in_turn_and_not_with_folds() {
    let run = |more: &[&str]| {
        let arguments = ["eval", "--config", "C.toml", "--data", "data", "--leave-benchmark-out", "--resamples", "200"];
        router_in(fitted()).args(arguments).args(more).output().unwrap()
    };
    let output = run(&["--json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&summary["leave_benchmark_out"], &summary["folds"]), (&Value::Bool(true), &serde_json::json!(2)));
    // The world's two benchmarks want different models, which nobody can know who has seen one of them.
    let best_single = summary["references"].as_array().unwrap().iter().find(|entry| entry["name"] == "best-single");
    assert!(summary["routers"][0]["quality"].as_f64() <= best_single.unwrap()["quality"].as_f64().map(|q| q + 0.05));
    let refused = run(&["--folds", "2"]);
    let message = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(2) && message.contains("--folds"), "{message}");
}

#[test]
fn cross_validation_takes_several_directories_and_seeds() {
    let arguments =
        ["eval", "--config", "C.toml", "--data", "data", "--data", "test", "--folds", "2", "--seeds", "2", "--stages"];
    let output =
        router_in(fitted()).args(arguments).args(["--resamples", "200", "--json", "--seed", "11"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["folds"], 2);
    assert_eq!(summary["seeds"], serde_json::json!([11, 12]));
    assert_eq!(summary["data"].as_array().unwrap().len(), 2);
    assert_eq!(summary["prompts"], 240);
    let names: Vec<&str> =
        summary["routers"].as_array().unwrap().iter().filter_map(|one| one["name"].as_str()).collect();
    assert_eq!(names.len(), 3, "the router and its two stages: {names:?}");
    assert_eq!(names[0], "C");
}

#[test]
fn threads_change_no_byte_and_seeds_do() {
    let directory = fresh();
    let train = |out: &str, more: &[&str]| {
        let arguments = ["train", "--config", "C.toml", "--data", "data", "--out", out];
        router_in(directory.path()).args(arguments).args(more).assert().success();
        files(&directory.path().join(out))
    };
    let one = train("one", &["--threads", "1"]);
    let two = train("two", &["--threads", "2"]);
    assert!(one == two, "the artifacts differ");
    let other = train("other", &["--seed", "8"]);
    assert!(one != other);
}

#[test]
fn training_prompts_can_be_kept_out() {
    let directory = fresh();
    let arguments = ["train", "--config", "C.toml", "--data", "data", "--out", "artifact", "--no-exemplars"];
    router_in(directory.path()).args(arguments).assert().success();
    let cards = fs::read_to_string(directory.path().join("artifact/tasks.json")).unwrap();
    assert!(!cards.contains("Write a short poem"));
    let with = fs::read_to_string(fitted().join("artifact/tasks.json")).unwrap();
    assert!(with.contains("Write a short poem"));
}

#[test]
fn an_older_artifact_is_replaced_and_nothing_else() {
    let directory = fresh();
    let arguments = ["train", "--config", "C.toml", "--data", "data", "--out", "artifact"];
    router_in(directory.path()).args(arguments).assert().success();
    let first = files(&directory.path().join("artifact"));
    router_in(directory.path()).args(arguments).assert().success();
    assert!(first == files(&directory.path().join("artifact")), "the same fit gives the same bytes");
    let left: Vec<String> = fs::read_dir(directory.path())
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains(".old") || name.starts_with('.'))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_split_parts_every_prompt_once() {
    let directory = fresh();
    let path = directory.path();
    router_in(path).args(["data", "split", "data", "--out", "parts", "--test", "0.25"]).assert().success();
    let ids = |part: &str| -> Vec<String> {
        fs::read_to_string(path.join("parts").join(part).join("prompts.jsonl"))
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["prompt_id"].as_str().unwrap().to_owned())
            .collect()
    };
    let (train, test) = (ids("train"), ids("test"));
    assert!((25..=35).contains(&test.len()), "{}", test.len());
    let all: std::collections::BTreeSet<&String> = train.iter().chain(&test).collect();
    assert_eq!((all.len(), train.len() + test.len()), (120, 120));
    router_in(path).args(["data", "check", "parts/test"]).assert().success();
}

#[test]
fn parquet_trains_the_same_router_and_comes_back_as_it_was() {
    let directory = fresh();
    let path = directory.path();
    let export = |format: &str, data: &str, out: &str| {
        router_in(path).args(["data", "export", "--format", format, "--data", data, "--out", out]).assert().success();
    };
    // An artifact holds the name of its data set, which is that of the directory.
    let (plain, columns) = ("text/data", "parquet/data");
    export("jsonl", "data", plain);
    export("parquet", plain, columns);
    export("jsonl", columns, "again");
    assert_eq!(files(&path.join(plain)), files(&path.join("again")));
    let names: Vec<String> = files(&path.join(columns)).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["models.json", "outcomes.parquet", "prompts.parquet"]);
    for (data, out) in [(plain, "one"), (columns, "two")] {
        router_in(path).args(["data", "check", data]).assert().success();
        router_in(path).args(["data", "stats", data]).assert().success();
        router_in(path).args(["train", "--config", "C.toml", "--data", data, "--out", out]).assert().success();
    }
    assert!(files(&path.join("one")) == files(&path.join("two")), "the same data gives the same artifact");
    router_in(path).args(["eval", "--router", "one", "--data", columns, "--resamples", "100"]).assert().success();
    router_in(path).args(["data", "export", "--format", "parquet", "--data", plain, "--out", plain]).assert().code(2);
}

#[test]
fn stats_are_shown_at_a_glance() {
    let text = transcript(fitted(), &["data", "stats", "data"], "");
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn a_benchmark_is_left_out_alone_or_each_in_turn() {
    let directory = fresh();
    let path = directory.path();
    let benchmarks = |part: &str| -> std::collections::BTreeSet<String> {
        fs::read_to_string(path.join(part).join("prompts.jsonl"))
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["benchmark"].as_str().unwrap().to_owned())
            .collect()
    };
    router_in(path).args(["data", "split", "data", "--out", "each", "--by", "benchmark"]).assert().success();
    router_in(path).args(["data", "split", "data", "--out", "one", "--leave-out", "poems"]).assert().success();
    for (part, held) in [("each/poems", "poems"), ("each/sums", "sums"), ("one", "poems")] {
        let kept = if held == "poems" { "sums" } else { "poems" };
        assert_eq!(benchmarks(&format!("{part}/test")), [held.to_owned()].into());
        assert_eq!(benchmarks(&format!("{part}/train")), [kept.to_owned()].into());
    }
    assert_eq!(fs::read_dir(path.join("each")).unwrap().count(), 2);
    router_in(path).args(["data", "split", "data", "--out", "random", "--by", "random"]).assert().success();
    assert_eq!(benchmarks("random/train").len(), 2);
    assert_eq!(files(&path.join("one/train")), files(&path.join("each/poems/train")));
}

#[test]
fn the_schema_is_written_where_asked() {
    let directory = fresh();
    router_in(directory.path()).args(["schema", "--out", "schema.json"]).assert().success().stdout("");
    let written: Value = serde_json::from_slice(&fs::read(directory.path().join("schema.json")).unwrap()).unwrap();
    let printed = router_in(directory.path()).arg("schema").output().unwrap().stdout;
    assert_eq!(written, serde_json::from_slice::<Value>(&printed).unwrap());
    assert!(written["$defs"]["embedder-hashing"].is_object());
}

#[test]
fn quiet_keeps_stderr_empty() {
    let directory = fresh();
    let arguments = ["train", "--config", "C.toml", "--data", "data", "--out", "artifact", "--quiet"];
    router_in(directory.path()).args(arguments).assert().success().stderr("");
    router_in(directory.path()).args(["schema", "--out", "s.json", "--quiet"]).assert().success().stderr("");
}

//! What is written.

use router_core::FitContext;
use router_core::tasks::{Exemplar, ModelCard, TaskCard};
use router_core::{TaskCards, TaskId};
use router_eval::{DecisionRow, Evaluation, Options, Summary, train_test};

use crate::plugins::registry;
use crate::properties::without_times;
use crate::worlds::{script, test, train};

const HOSTILE: &str = "</script><script>alert('x')</script>";

fn evaluation() -> Evaluation {
    let options = Options { resamples: 500, ..Options::default() };
    let configs = [script("mine", &[("p1", 1)], 0), script(HOSTILE, &[("p3", 2)], 0)];
    let evaluation = train_test(&configs, &registry(), &train(), &[test()], &options, &FitContext::new(0)).unwrap();
    evaluation.with_tasks(TaskCards {
        prompts: 4,
        without_task: 1,
        tasks: vec![TaskCard {
            id: TaskId(0),
            size: 3,
            share: 0.75,
            stability: None,
            keywords: vec![HOSTILE.into()],
            exemplars: vec![Exemplar { prompt_id: "t0".into(), text: HOSTILE.into() }],
            candidates: vec!["a".into()],
            models: vec![ModelCard { model: "a".into(), score: 0.6, mean: 0.7, interval: [0.2, 0.9], outcomes: 3 }],
        }],
    })
}

#[test]
fn the_summary_keeps_its_shape() {
    let summary = without_times(&evaluation().summary);
    insta::assert_snapshot!("summary", serde_json::to_string_pretty(&summary).unwrap());
}

#[test]
fn files_are_written_and_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("new").join("folder");
    let evaluation = evaluation();
    evaluation.write(&place, "router eval").unwrap();
    evaluation.write(&place, "router eval").unwrap();
    let mut names: Vec<String> =
        std::fs::read_dir(&place).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["decisions.csv", "report.html", "summary.json"]);
    let summary: Summary = serde_json::from_slice(&std::fs::read(place.join("summary.json")).unwrap()).unwrap();
    assert_eq!(summary, evaluation.summary);
    let text = std::fs::read_to_string(place.join("decisions.csv")).unwrap();
    assert!(text.starts_with("router,data,fold,seed,prompt_id,model,score,cost_usd\n"));
    let rows: Vec<DecisionRow> =
        csv::Reader::from_reader(text.as_bytes()).deserialize().collect::<Result<_, _>>().unwrap();
    assert_eq!(rows, evaluation.decisions);
    // Two routers, two mixes and six other references, four prompts each.
    assert_eq!(rows.len(), 10 * 4);
}

#[test]
fn the_report_is_one_safe_file() {
    let directory = tempfile::tempdir().unwrap();
    evaluation().write(directory.path(), "router eval --config 'a b.toml' && echo \"<b>\"").unwrap();
    let html = std::fs::read_to_string(directory.path().join("report.html")).unwrap();
    assert!(!html.contains("<script"), "nothing in the report runs");
    assert!(!html.contains("<b>"), "the command line is escaped");
    for remote in ["http://", "https://", "url(", "@import", "src="] {
        assert!(!html.replace("http://www.w3.org/2000/svg", "").contains(remote), "{remote}");
    }
    for part in
        ["<svg", "cost-matched-mix", "benchmark-label", "&lt;script&gt;", "prefers-color-scheme", "@media print"]
    {
        assert!(html.contains(part), "{part}");
    }
}

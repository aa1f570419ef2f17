//! What is written.

use router_core::FitContext;
use router_core::tasks::{Exemplar, ModelCard, TaskCard};
use router_core::{TaskCards, TaskId};
use router_eval::{DecisionRow, Evaluation, Options, PaperFormat, Summary, paper_table, train_test};

use crate::plugins::registry;
use crate::properties::without_times;
use crate::worlds::{script, test, train};

/// A headline of every section that this evaluation has something for.
const SECTIONS: [&str; 11] = [
    "Quality and cost",
    "All numbers",
    "Further metrics",
    "What the differences can claim",
    "How much is left to win",
    "Which models were chosen",
    "Quality by benchmark",
    "Calibration",
    "Who decides alike",
    "Discovered tasks",
    "How to reproduce",
];

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
    for part in [
        "<svg",
        "class=\"tip\"",
        "cost-matched-mix",
        "benchmark-label",
        "&lt;script&gt;",
        "prefers-color-scheme",
        "@media print",
    ] {
        assert!(html.contains(part), "{part}");
    }
}

#[test]
fn the_report_has_a_section_for_everything() {
    let directory = tempfile::tempdir().unwrap();
    let evaluation = evaluation();
    evaluation.write(directory.path(), "router eval").unwrap();
    let html = std::fs::read_to_string(directory.path().join("report.html")).unwrap();
    for section in SECTIONS {
        assert!(html.contains(&format!("<h2>{section}</h2>")), "{section}");
    }
    assert!(!html.contains("<h2>Changed prompts</h2>"), "nobody asked for it");
    // What is pointed at tells its numbers: the first router's 0.75 at 1.5 dollars a call.
    assert!(html.contains(">quality 0.750 (") && html.contains(">$1500 for 1,000 calls<"));
    assert!(!html.contains("NaN") && !html.contains(">inf"));
    // The task's exemplar is a training prompt: it can be kept out.
    assert!(html.contains("<blockquote>"));
    evaluation.without_exemplars().write(directory.path(), "router eval").unwrap();
    assert!(!std::fs::read_to_string(directory.path().join("report.html")).unwrap().contains("<blockquote>"));
}

#[test]
fn a_report_on_prompts_that_were_trained_on_says_so_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let read = |evaluation: &Evaluation| {
        evaluation.write(directory.path(), "").unwrap();
        std::fs::read_to_string(directory.path().join("report.html")).unwrap()
    };
    assert!(!read(&evaluation()).contains("class=\"warning\""));
    let configs = [script("mine", &[], 1)];
    let options = Options { resamples: 50, ..Options::default() };
    let same = train_test(&configs, &registry(), &train(), &[train()], &options, &FitContext::new(0)).unwrap();
    assert!(read(&same).contains("4 of 4 test prompts, or near duplicates of them, stand in the training data"));
}

#[test]
fn a_table_for_a_paper_is_well_formed_whatever_the_names() {
    let summary = evaluation().summary;
    let markdown = paper_table(&summary, PaperFormat::Markdown);
    let rows: Vec<&str> = markdown.lines().take_while(|line| line.starts_with('|')).collect();
    // A head, a rule, two routers, two mixes and six other references.
    assert_eq!(rows.len(), 12);
    let cells = |row: &str| row.replace("\\|", "").matches('|').count();
    assert!(rows.iter().all(|row| cells(row) == 7), "{markdown}");
    assert!(rows[2].starts_with("| mine | 0.750 [0.250, 1.000] | 1500 | 50% | +0.250 ["), "{}", rows[2]);
    assert!(!markdown.replace("\\<", "").contains("<script"), "{markdown}");
    let latex = paper_table(&summary, PaperFormat::Latex);
    let rows: Vec<&str> = latex.lines().filter(|line| line.ends_with("\\\\")).collect();
    assert_eq!(rows.len(), 11);
    assert!(rows.iter().all(|row| row.matches(" & ").count() == 5), "{latex}");
    assert!(latex.contains("\\begin{tabular}{lrrrrr}") && latex.contains("\\end{tabular}"));
    assert!(latex.contains("50\\%") && latex.contains("\\textless{}/script\\textgreater{}"));
    let unescaped =
        latex.replace("\\%", "").lines().filter(|line| !line.starts_with('%')).any(|line| line.contains('%'));
    assert!(!unescaped, "a bare % would hide the rest of a row");
}

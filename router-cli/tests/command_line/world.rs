//! A tiny data set on disk, a router fitted to it, and the binary run beside them.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use assert_cmd::Command;
use serde_json::json;
use tempfile::TempDir;

/// A configuration that fits in a moment.
pub(crate) const CONFIG: &str = r#"seed = 7

[embedder]
use = "hashing"
dimension = 256

[discoverer]
use = "graph"
neighbors = 10

[[estimators]]
use = "neighbors"

[policy]
use = "utility"
lambda = 0.0
"#;

const SUBJECTS: [&str; 12] = [
    "river", "castle", "engine", "garden", "planet", "violin", "harbor", "lantern", "meadow", "compass", "glacier",
    "market",
];
const MOODS: [&str; 5] = ["quiet", "golden", "broken", "ancient", "restless"];

/// The binary, in `directory` with a cache of its own there, and with nothing in the environment that changes what it prints.
pub(crate) fn router_in(directory: &Path) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("router"));
    command.current_dir(directory).env("ROUTER_CACHE", directory.join("cache"));
    command.env_remove("COLUMNS").env_remove("CLICOLOR_FORCE").env("NO_COLOR", "1");
    command
}

/// Writes `data/` and `test/` (two tasks, three models) and `C.toml` into `directory`.
pub(crate) fn write_world(directory: &Path) {
    fs::write(directory.join("C.toml"), CONFIG).unwrap();
    write_data(&directory.join("data"), 0);
    write_data(&directory.join("test"), 1);
}

/// 120 prompts, half of them sums and half poems. `part` makes other prompts of the same kind.
fn write_data(directory: &Path, part: usize) {
    fs::create_dir_all(directory).unwrap();
    let models = json!([
        { "model": "poet", "input_usd_per_mtok": 2.0, "output_usd_per_mtok": 8.0, "tags": ["prose"] },
        { "model": "solver", "input_usd_per_mtok": 3.0, "output_usd_per_mtok": 12.0, "context_window": 1000 },
        { "model": "thrifty", "input_usd_per_mtok": 0.1, "output_usd_per_mtok": 0.4, "tags": ["prose", "tools"] },
    ]);
    fs::write(directory.join("models.json"), format!("{models:#}\n")).unwrap();
    let mut prompts = String::new();
    let mut outcomes = String::from("prompt_id,model,quality,cost_usd,input_tokens,output_tokens\n");
    for at in 0..120 {
        let (subject, mood) = (SUBJECTS[at / 2 % 12], MOODS[at / 24]);
        let number = 17 * at + 1000 * part;
        let (prompt, benchmark, qualities) = if at % 2 == 0 {
            let text = format!(
                "Solve the equation {number} x + {} = {} for x. Show the algebra of every step for the {mood} {subject} problem.",
                number + 3,
                number * 7 + 11
            );
            (text, "sums", [0.2, 0.95, 0.6])
        } else {
            let ending = if part == 0 { "about the morning" } else { "about the evening" };
            let text =
                format!("Write a short poem {ending}, a {mood} {subject} and {number} stars, with rhyme and verse.");
            (text, "poems", [0.9, 0.3, 0.6])
        };
        let id = format!("q{}", at + 1);
        writeln!(prompts, "{}", json!({ "prompt_id": id, "prompt": prompt, "benchmark": benchmark })).unwrap();
        for (model, quality) in ["poet", "solver", "thrifty"].iter().zip(qualities) {
            let shift = ((at * 7 + model.len()) % 5) as f64 / 100.0;
            let cost = match *model {
                "poet" => 0.002,
                "solver" => 0.003,
                _ => 0.0001,
            };
            writeln!(outcomes, "{id},{model},{:.2},{cost},30,{}", quality + shift, 100 + at).unwrap();
        }
    }
    fs::write(directory.join("prompts.jsonl"), prompts).unwrap();
    fs::write(directory.join("outcomes.csv"), outcomes).unwrap();
}

/// A directory of its own with the world in it, for tests that break something.
pub(crate) fn fresh() -> TempDir {
    let directory = TempDir::new().unwrap();
    write_world(directory.path());
    directory
}

/// The directory of a world with a router fitted to it, `artifact/`, shared by all tests that only read.
pub(crate) fn fitted() -> &'static Path {
    static FITTED: OnceLock<PathBuf> = OnceLock::new();
    FITTED.get_or_init(|| {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("command-line-world");
        if directory.exists() {
            fs::remove_dir_all(&directory).unwrap();
        }
        fs::create_dir_all(&directory).unwrap();
        write_world(&directory);
        router_in(&directory)
            .args(["train", "--config", "C.toml", "--data", "data", "--out", "artifact"])
            .assert()
            .success();
        directory
    })
}

/// Copies the shared artifact into `directory`.
pub(crate) fn copy_artifact(directory: &Path) -> PathBuf {
    let copy = directory.join("artifact");
    fs::create_dir_all(&copy).unwrap();
    for file in fs::read_dir(fitted().join("artifact")).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), copy.join(file.file_name())).unwrap();
    }
    copy
}

/// Every file of a directory with its bytes, by name.
pub(crate) fn files(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = fs::read_dir(directory)
        .unwrap()
        .map(|file| {
            let file = file.unwrap();
            (file.file_name().into_string().unwrap(), fs::read(file.path()).unwrap())
        })
        .collect();
    files.sort();
    files
}

/// A run as a reader sees it: the command line, the status, and what came out where.
pub(crate) fn transcript(directory: &Path, arguments: &[&str], stdin: &str) -> String {
    let output = router_in(directory).args(arguments).write_stdin(stdin).output().unwrap();
    let words: Vec<String> = arguments
        .iter()
        .map(|word| if word.contains([' ', '"']) || word.is_empty() { format!("'{word}'") } else { (*word).to_owned() })
        .collect();
    let mut text = format!("$ router {}\n", words.join(" "));
    if !stdin.is_empty() {
        writeln!(text, "(stdin) {}", stdin.trim_end().replace('\n', "\n(stdin) ")).unwrap();
    }
    for (name, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
        let printed = std::str::from_utf8(bytes).unwrap();
        if !printed.is_empty() {
            writeln!(text, "{name}:\n  {}", printed.trim_end().replace('\n', "\n  ").replace("\n  \n", "\n\n"))
                .unwrap();
        }
    }
    writeln!(text, "status {}", output.status.code().unwrap()).unwrap();
    text
}

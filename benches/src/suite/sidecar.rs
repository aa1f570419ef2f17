//! Quality beside time: a file `quality.json` in criterion's folder of a bench.

use std::fs;
use std::path::PathBuf;

use serde_json::json;

/// Criterion's folder: `CRITERION_HOME`, `CARGO_TARGET_DIR/criterion`, or `criterion` in the target folder that this program lies in.
fn home() -> PathBuf {
    if let Some(home) = std::env::var_os("CRITERION_HOME") {
        return home.into();
    }
    if let Some(target) = std::env::var_os("CARGO_TARGET_DIR") {
        return PathBuf::from(target).join("criterion");
    }
    let program = std::env::current_exe().unwrap_or_default();
    // target/PROFILE/deps/program
    program.ancestors().nth(3).map_or_else(|| "target/criterion".into(), |target| target.join("criterion"))
}

/// A part of a bench's name as criterion names its folder.
fn folder(part: &str) -> String {
    let name = part.replace(['?', '"', '/', '\\', '*', '<', '>', ':', '|', '^'], "_");
    // Its longest, in bytes; names of benches are ASCII.
    name.chars().take(64).collect()
}

/// Writes how good `function` is at `parameter`. A file that cannot be written is told on stderr: a bench goes on without it.
pub fn write(group: &str, function: &str, parameter: &str, measure: &str, value: f64) {
    let directory = home().join(folder(group)).join(folder(function)).join(folder(parameter));
    let text = format!("{:#}\n", json!({ "measure": measure, "value": value }));
    let written = fs::create_dir_all(&directory).and_then(|()| fs::write(directory.join("quality.json"), text));
    if let Err(error) = written {
        tell(&format!("{}: {error}", directory.display()));
    }
}

#[allow(clippy::print_stderr, reason = "a bench has no other place for it")]
fn tell(text: &str) {
    eprintln!("{text}");
}

//! Every block of README.md and of docs/ does what it says. Commands run in a demonstration's world, or say why they cannot; configurations are
//! read against the plugins. Rust is compiled and run by `examples/lib.rs`, the tutorial is followed by `new_crates.rs`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail as tests do"
)]

#[allow(dead_code, reason = "shared with the tests of the command line, which use all of it")]
#[path = "command_line/world.rs"]
mod world;

use std::fs;
use std::path::{Path, PathBuf};

use router_core::{RouterConfig, UnfittedRouter};

use crate::world::{files, router_in};

/// Commands that are read and not run: how they begin, and why.
const NOT_RUN: [(&str, &str); 19] = [
    ("router embedder fetch", "downloads a model"),
    ("router embedder check", "needs a downloaded model"),
    ("router onboard", "needs the answers of a new model; tests/command_line/onboard.rs runs it"),
    ("router experiment docs/configs/grid.toml --filter", "minutes of work; the same grid is read by --dry-run"),
    ("router experiment compare", "compares two studies; tests/command_line/experiment.rs runs it"),
    ("router experiment pool", "pools a study; tests/command_line/experiment.rs runs it"),
    ("cargo test", "this is it"),
    ("cargo run --release", "tests do not build; `.ci/run` runs the demonstration, `new_crates.rs` the tutorial"),
    ("cargo bench", "`.ci/run` runs the benches"),
    ("cd ", "moves within the reader's own folders"),
    ("export CARGO_TARGET_DIR", "a setting of the reader's shell"),
    ("python -c", "needs pandas"),
    ("router serve", "serves until it is ended; router-serve's tests run it"),
    ("envoy ", "Envoy, which router-serve's tests run with this configuration"),
    ("router data import --format records", "needs what a gateway recorded; tests/command_line/records.rs runs it"),
    ("router report", "needs what a gateway recorded; tests/command_line/records.rs runs it"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "serves until it is ended; tests/command_line/serve.rs runs it"),
    ("curl ", "asks the server of the line before"),
    ("-d ", "goes on with the line before"),
];

struct Block {
    file: String,
    line: usize,
    language: String,
    text: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn pages() -> Vec<PathBuf> {
    let mut pages = vec![root().join("README.md")];
    let mut folders = vec![root().join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else if entry.extension().is_some_and(|extension| extension == "md") {
                pages.push(entry);
            }
        }
    }
    pages.sort();
    pages
}

fn blocks() -> Vec<Block> {
    let mut blocks = Vec::new();
    for page in pages() {
        let file = page.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        let mut open: Option<Block> = None;
        for (at, line) in fs::read_to_string(&page).unwrap().lines().enumerate() {
            match (line.trim_start().strip_prefix("```"), open.take()) {
                (Some(_), Some(block)) => blocks.push(block),
                (Some(language), None) => {
                    let language = language.trim().to_owned();
                    open = Some(Block { file: file.clone(), line: at + 1, language, text: String::new() });
                }
                (None, Some(block)) => open = Some(Block { text: block.text + line + "\n", ..block }),
                (None, None) => {}
            }
        }
        assert!(open.is_none(), "{file} has a block without an end");
    }
    blocks
}

/// The words of a command as a shell reads them, up to a comment or a redirection.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let (mut word, mut quote) = (None::<String>, None::<char>);
    for letter in line.chars() {
        match (letter, quote) {
            (_, Some(open)) if letter == open => quote = None,
            ('"' | '\'', None) => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            ('#' | '>', None) if word.is_none() => break,
            (' ', None) => words.extend(word.take()),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}

#[test]
fn every_block_says_what_it_is() {
    for block in blocks() {
        let known = ["sh", "toml", "rust", "text", "python"].contains(&block.language.as_str());
        assert!(known, "{}:{}: a block of `{}`", block.file, block.line, block.language);
    }
}

#[test]
fn words_are_those_of_a_shell() {
    let line = "router experiment g.toml --filter 'size>=0.5' \"a b\"   # comment";
    assert_eq!(words(line), ["router", "experiment", "g.toml", "--filter", "size>=0.5", "a b"]);
    assert_eq!(words("router onboard choose p.jsonl > ids.txt"), ["router", "onboard", "choose", "p.jsonl"]);
}

#[test]
fn commands_run() {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("documentation");
    if place.exists() {
        fs::remove_dir_all(&place).unwrap();
    }
    fs::create_dir_all(place.join("docs/configs")).unwrap();
    for (file, bytes) in files(&root().join("docs/configs")) {
        fs::write(place.join("docs/configs").join(file), bytes).unwrap();
    }
    router_in(&place).args(["demo", "--quiet"]).assert().success();
    let mut unused: Vec<&str> = NOT_RUN.iter().map(|(start, _)| *start).collect();
    for block in blocks().iter().filter(|block| block.language == "sh") {
        for (at, line) in block.text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let line = line.trim();
            let reason = NOT_RUN.iter().find(|(start, _)| line.starts_with(start));
            unused.retain(|start| !line.starts_with(start));
            let told = format!("{}:{}: {line}", block.file, block.line + 1 + at);
            let words = words(line);
            match (words.first().map(String::as_str), reason) {
                (Some("router"), Some(_)) => {
                    // Commands and options are there all the same.
                    let output = router_in(&place).args(&words[1..]).arg("--help").output().unwrap();
                    assert!(output.status.success(), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
                }
                // Done, and 72 cells of it are not.
                (Some("router"), None) if line.starts_with("router demo") => {}
                (Some("router"), None) if line.starts_with("router experiment docs/configs/grid.toml  ") => {}
                (Some("router"), None) => {
                    let output = router_in(&place).args(&words[1..]).output().unwrap();
                    assert!(output.status.success(), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
                }
                (_, Some(_)) => {}
                (_, None) => panic!("{told}: run it here, or say in NOT_RUN why not"),
            }
        }
    }
    assert!(unused.is_empty(), "no page has these any more: {unused:?}");
}

#[test]
fn configurations_are_read() {
    let registry = router_plugins::builtin().unwrap();
    let mut read = 0;
    for block in blocks().iter().filter(|block| block.language == "toml") {
        let told = format!("{}:{}", block.file, block.line);
        let table: toml::Table = toml::from_str(&block.text).unwrap_or_else(|error| panic!("{told}: {error}"));
        // The plugin of the tutorial exists in its crate alone, where new_crates.rs reads this.
        if block.file == "docs/tutorial.md" && block.text.contains("kernel-vote") {
            continue;
        }
        // A grid is read by the command below.
        if table.contains_key("router") {
            continue;
        }
        if block.file == "docs/gateway.md" {
            // A part of a gateway's configuration; what it needs beside is an upstream and a model.
            let mut text = block.text.clone();
            if !table.contains_key("upstreams") {
                text += "[[upstreams]]\nname = \"u\"\nbase_url = \"http://127.0.0.1:9/v1\"\n";
            }
            if !table.contains_key("models") {
                text += "[[models]]\nmodel = \"m\"\nserved_by = [{ upstream = \"u\" }]\n";
            }
            router_serve::ServeConfig::from_toml(&text, &told).unwrap_or_else(|error| panic!("{error}"));
            read += 1;
            continue;
        }
        let mut text = block.text.clone();
        if !text.lines().any(|line| line.trim_end() == "[embedder]") {
            let encoder = if table.contains_key("embedder") { "bert" } else { "hashing" };
            text = format!("[embedder]\nuse = \"{encoder}\"\n{text}");
        }
        // A part of a configuration shows one component; what a router needs beside it is the plainest there is.
        if table.contains_key("classifier") && !table.contains_key("discoverer") {
            text += "[discoverer]\nuse = \"labels\"\n";
        }
        if !table.contains_key("estimators") {
            text += "[[estimators]]\nuse = \"global-mean\"\n";
        }
        let config = RouterConfig::from_toml(&text, &told).unwrap_or_else(|error| panic!("{error}"));
        UnfittedRouter::from_config(&config, &registry).unwrap_or_else(|error| panic!("{told}: {error}"));
        read += 1;
    }
    assert!(read >= 50, "only {read} configurations were found");
}

#[test]
fn the_grid_of_the_book_is_read() {
    let directory = tempfile::TempDir::new().unwrap();
    let path = directory.path();
    world::write_world(path);
    fs::create_dir_all(path.join("docs")).unwrap();
    for (from, to) in [("data", "my-data"), ("data", "my-data/train"), ("test", "my-data/test")] {
        fs::create_dir_all(path.join(to)).unwrap();
        for (file, bytes) in files(&path.join(from)) {
            fs::write(path.join(to).join(file), bytes).unwrap();
        }
    }
    let mut grids = 0;
    for block in blocks().iter().filter(|block| block.language == "toml" && block.text.contains("\n[router]")) {
        // The base asks for a model that is not at hand.
        let text = block.text.replace("docs/configs/best.toml", "C.toml");
        fs::write(path.join("grid.toml"), text).unwrap();
        let output = router_in(path).args(["experiment", "grid.toml", "--dry-run"]).output().unwrap();
        assert!(output.status.success(), "{}:{}\n{}", block.file, block.line, String::from_utf8_lossy(&output.stderr));
        grids += 1;
    }
    assert_eq!(grids, 1);
}

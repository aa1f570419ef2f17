//! `router new`: the crates that it writes compile, pass the conformance suite of their role, are benched, and are a `router` with the plugin in it.
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
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use crate::world::{files, router_in, write_world};

/// The crate of docs/tutorial.md.
const TUTORIAL: &str = "kernel-vote";

const ROLES: [&str; 6] = ["embedder", "discoverer", "classifier", "estimator", "aggregator", "policy"];

fn framework() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Runs `router new` in `directory`.
fn new(directory: &Path, arguments: &[&str]) -> Output {
    router_in(directory).arg("new").args(arguments).output().unwrap()
}

/// Runs `router new ROLE NAME` on this checkout, in `directory`.
fn write(directory: &Path, role: &str, name: &str) -> PathBuf {
    let output = new(directory, &[role, name, "--framework", framework().to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    directory.join(name)
}

/// Runs `command` and gives what it printed.
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let printed = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{command:?}\n{}\n{}", printed(&output.stdout), printed(&output.stderr));
    printed(&output.stdout)
}

/// The blocks of docs/tutorial.md in `language`, in order.
fn tutorial(language: &str) -> Vec<String> {
    let page = fs::read_to_string(framework().join("docs/tutorial.md")).unwrap();
    let start = format!("\n```{language}\n");
    page.split(&start).skip(1).map(|rest| rest.split("```\n").next().unwrap().to_owned()).collect()
}

/// Does to a new estimator what docs/tutorial.md tells to do.
fn follow_tutorial(place: &Path) {
    let change = |file: &str, change: &dyn Fn(String) -> String| {
        let text = change(fs::read_to_string(place.join(file)).unwrap());
        fs::write(place.join(file), text).unwrap();
    };
    let (code, configs) = (tutorial("rust"), tutorial("toml"));
    let ([code], [config, first]) = (code.as_slice(), configs.as_slice()) else { panic!("other blocks than these") };
    change("src/lib.rs", &|text| format!("{}\n\n{code}", text.lines().next().unwrap()));
    change("config.toml", &|_| config.clone());
    change("experiment.toml", &|text| {
        let (before, rest) = text.split_once("[[router.each]]").unwrap();
        let (_, after) = rest.split_once("\n\n").unwrap();
        format!("{before}{first}\n{after}")
    });
}

/// All six, and that of the tutorial, as members of this workspace, whose other members are linked to: what this build has made of them and of the dependencies is not built
/// again, no network is needed, and with `--workspace` everything has the features that it has here.
#[cfg(unix)]
#[test]
fn a_crate_of_every_role_is_tested_benched_and_runs() {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("new-crates");
    if place.exists() {
        fs::remove_dir_all(&place).unwrap();
    }
    fs::create_dir_all(&place).unwrap();
    write_world(&place);
    let roles: Vec<&str> = ROLES.into_iter().chain(["estimator"]).collect();
    let mut names: Vec<String> = ROLES.iter().map(|role| format!("my-{role}")).collect();
    names.push(TUTORIAL.to_owned());
    for (role, name) in roles.iter().zip(&names) {
        let manifest = write(&place, role, name).join("Cargo.toml");
        let text = fs::read_to_string(&manifest).unwrap();
        let checkout = format!("\"{}/", framework().canonicalize().unwrap().display());
        assert!(text.contains("\n[workspace]\n") && text.contains(&checkout), "{text}");
        fs::write(&manifest, text.replace("\n[workspace]\n", "\n").replace(&checkout, "\"../")).unwrap();
    }
    follow_tutorial(&place.join(TUTORIAL));
    for entry in fs::read_dir(framework()).unwrap().map(|entry| entry.unwrap()) {
        let name = entry.file_name().into_string().unwrap();
        if !name.starts_with('.') && !["target", "Cargo.toml", "Cargo.lock"].contains(&name.as_str()) {
            std::os::unix::fs::symlink(entry.path(), place.join(name)).unwrap();
        }
    }
    fs::copy(framework().join("Cargo.lock"), place.join("Cargo.lock")).unwrap();
    let manifest = fs::read_to_string(framework().join("Cargo.toml")).unwrap();
    let members = format!("members = [\n    \"{}\",", names.join("\", \""));
    fs::write(place.join("Cargo.toml"), manifest.replacen("members = [", &members, 1)).unwrap();
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // No other member has targets of these names. The binaries are built for the tests.
    cargo.args(["test", "--release", "--offline", "--workspace", "--test", "promises", "--bench", "speed"]);
    // What cargo tells this test about its own package would make build scripts that look at it run again.
    for (name, _) in std::env::vars_os() {
        let own = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"].map(|own| name.to_string_lossy().starts_with(own));
        if own.contains(&true) {
            cargo.env_remove(&name);
        }
    }
    let tested = run(cargo.current_dir(&place).env("CARGO_TARGET_DIR", target));
    assert_eq!(tested.matches("test conformance ... ok").count(), names.len(), "{tested}");
    for name in &names {
        assert!(tested.contains(&format!("/{name}/n=60,")), "{name} is not benched:\n{tested}");
    }

    for (role, name) in roles.iter().zip(&names) {
        let binary = || {
            let mut command = Command::new(target.join("release").join(name));
            command.current_dir(place.join(name)).env("ROUTER_CACHE", place.join("cache")).arg("--json");
            command
        };
        let listed: Value = serde_json::from_str(&run(binary().args(["plugins", &format!("{role}/{name}")]))).unwrap();
        assert_eq!((&listed["name"], &listed["origin"]), (&Value::from(name.as_str()), &Value::from(name.as_str())));
        let words: [&str; 7] = ["train", "--config", "config.toml", "--data", "../data", "--out", "artifact"];
        run(binary().args(words));
        let evaluated: Value =
            serde_json::from_str(&run(binary().args(["eval", "--router", "artifact", "--data", "../test"]))).unwrap();
        let quality = |row: &Value| row["quality"].as_f64().unwrap();
        let random = evaluated["references"].as_array().unwrap().iter().find(|row| row["name"] == "random").unwrap();
        assert!(quality(&evaluated["routers"][0]) > quality(random) + 0.05, "{name}: {evaluated:#}");
        // The grid names plugins and parameters that are there.
        fs::create_dir_all(place.join(name).join("router-out/demo/world")).unwrap();
        for (from, to) in [("data", "train"), ("test", "test")] {
            let to = place.join(name).join("router-out/demo/world").join(to);
            fs::create_dir_all(&to).unwrap();
            for (file, bytes) in files(&place.join(from)) {
                fs::write(to.join(file), bytes).unwrap();
            }
        }
        let grid: Value =
            serde_json::from_str(&run(binary().args(["experiment", "experiment.toml", "--dry-run"]))).unwrap();
        assert!(grid["cells"].as_u64().unwrap() >= 9, "{name}: {grid:#}");
    }
}

/// With the formatter's own defaults, as the author of a crate has them.
#[test]
fn crates_are_formatted() {
    let directory = TempDir::new().unwrap();
    for role in ROLES {
        let out = directory.path().join(role);
        let output = new(directory.path(), &[role, "my-idea", "--out", out.to_str().unwrap()]);
        assert!(output.status.success());
        let sources = ["src/lib.rs", "src/main.rs", "tests/promises.rs", "benches/speed.rs"].map(|file| out.join(file));
        let mut rustfmt = Command::new("rustfmt");
        run(rustfmt.args(["--check", "--edition", "2024"]).args(sources).current_dir(directory.path()));
    }
}

#[test]
fn nothing_is_written_over() {
    let directory = TempDir::new().unwrap();
    let path = directory.path();
    write(path, "estimator", "my-idea");
    let before = files(&path.join("my-idea/src"));
    let output = new(path, &["policy", "my-idea", "--json"]);
    assert_eq!(output.status.code(), Some(2));
    let failed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&failed["error"]["kind"], &failed["error"]["file"]), (&"usage".into(), &"my-idea".into()));
    assert_eq!(files(&path.join("my-idea/src")), before);
    // An empty directory is as good as none.
    fs::create_dir(path.join("empty")).unwrap();
    assert!(new(path, &["policy", "my-idea", "--out", "empty"]).status.success());
    assert!(path.join("empty/src/lib.rs").is_file());
}

#[test]
fn wrong_names_and_places_are_told() {
    let directory = TempDir::new().unwrap();
    let refused = |arguments: &[&str], kind: &str, words: &str| {
        let output = new(directory.path(), &[arguments, &["--json"]].concat());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let failed: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(failed["error"]["kind"], kind, "{arguments:?}");
        let shown = failed["error"]["display"].as_str().unwrap();
        assert!(shown.contains(words), "{arguments:?}: {shown}");
    };
    refused(&["estimator", "My-Idea"], "usage", "lower-case words");
    refused(&["estimator", "match"], "usage", "a word of Rust");
    refused(&["estimator", "ridge"], "usage", "there is an estimator of the name `ridge` already");
    refused(&["router", "my-idea"], "usage", "invalid value 'router'");
    refused(&["estimator", "my-idea", "--framework", "."], "usage", "router-core/Cargo.toml");
    refused(&["estimator", "my-idea", "--framework", "nowhere"], "io", "nowhere");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "nothing was written");
    // The name of another role's plugin is free.
    assert!(new(directory.path(), &["policy", "ridge"]).status.success());
}

#[test]
fn what_was_written_is_told() {
    let directory = TempDir::new().unwrap();
    let output = new(directory.path(), &["aggregator", "my-idea", "--json"]);
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&told["role"], &told["name"], &told["framework"]),
        (&"aggregator".into(), &"my-idea".into(), &Value::Null)
    );
    for file in told["files"].as_array().unwrap() {
        assert!(directory.path().join("my-idea").join(file.as_str().unwrap()).is_file(), "{file}");
    }
    assert_eq!(told["files"].as_array().unwrap().len(), 9);
}

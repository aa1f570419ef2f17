//! Artifacts that earlier releases wrote load, and decide as they did.
//!
//! `fixtures/version-N` is an artifact of layout version N, written by the release that introduced it (`router train --config
//! fixtures/C.toml --no-exemplars` on 60 prompts), and `version-N.decisions.jsonl` what that release answered to
//! `prompts.jsonl`. A release that raises the version adds one; none is ever changed. `fixtures/COMPONENT-version-N` is the same
//! for the format of a component that those do not have.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::world::router_in;

/// The artifact called `name` among the fixtures.
pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn lines(bytes: &[u8]) -> Vec<Value> {
    bytes
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

#[test]
fn artifacts_of_every_release_decide_as_they_did() {
    for (name, version) in [("version-1", 1), ("version-2", 2), ("moe-version-1", 2)] {
        let manifest: Value = serde_json::from_slice(&fs::read(fixture(name).join("manifest.json")).unwrap()).unwrap();
        assert_eq!(manifest["format_version"], version);
        let output = router_in(Path::new("."))
            .arg("route")
            .arg("--router")
            .arg(fixture(name))
            .arg("-")
            .write_stdin(fs::read(fixture("prompts.jsonl")).unwrap())
            .output()
            .unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        let recorded = lines(&fs::read(fixture(&format!("{name}.decisions.jsonl"))).unwrap());
        let decided = lines(&output.stdout);
        assert_eq!(recorded.len(), decided.len());
        assert!(recorded.len() >= 4);
        for (recorded, decided) in recorded.iter().zip(&decided) {
            for field in ["prompt_id", "model", "plan", "fallback", "reasons"] {
                assert_eq!(recorded[field], decided[field], "{name}: {recorded}");
            }
            // Another CPU may round otherwise.
            let difference = recorded["score"].as_f64().unwrap() - decided["score"].as_f64().unwrap();
            assert!(difference.abs() < 1e-4, "{name}: {recorded} {decided}");
        }
    }
}

#[test]
fn task_cards_of_every_release_are_shown() {
    for (name, stability) in [("version-1", false), ("version-2", true)] {
        let run = |more: &[&str]| {
            let output =
                router_in(Path::new(".")).arg("tasks").arg("--router").arg(fixture(name)).args(more).output().unwrap();
            assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap()
        };
        assert_eq!(run(&[]).contains("stability"), stability);
        assert!(run(&["--sort", "stability"]).contains("2 tasks among 60 training prompts"));
        assert!(run(&["0"]).contains("95% interval"));
        let cards: Value = serde_json::from_str(&run(&["--json"])).unwrap();
        assert_eq!(cards["tasks"][0]["stability"].is_number(), stability);
    }
}

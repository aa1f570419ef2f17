//! The invariants of ARCHITECTURE.md that the manifests hold.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// The names in the `[dependencies]` section of a member's manifest.
fn dependencies(member: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(root().join(member).join("Cargo.toml")).unwrap();
    let mut inside = false;
    let mut names = BTreeSet::new();
    for line in text.lines() {
        if line.starts_with('[') {
            inside = line == "[dependencies]";
        } else if inside && let Some(name) = line.split(['.', ' ', '=']).next().filter(|name| !name.is_empty()) {
            names.insert(name.to_owned());
        }
    }
    names
}

#[test]
fn dependencies_point_one_way() {
    // router-encoder lives in the folder of router-plugins, the only one that uses it.
    let order = [
        "router-core",
        "router-data",
        "router-plugins/encoder",
        "router-plugins",
        "router-eval",
        "router-serve",
        "router-cli",
    ];
    for (at, member) in order.iter().enumerate() {
        let name = |member: &&'static str| if *member == "router-plugins/encoder" { "router-encoder" } else { member };
        let allowed: BTreeSet<&str> = order.iter().take(at).map(name).collect();
        for dependency in dependencies(member).iter().filter(|name| name.starts_with("router-")) {
            assert!(allowed.contains(dependency.as_str()), "{member} depends on {dependency}");
        }
    }
}

#[test]
fn the_core_stays_light() {
    let allowed = [
        "async-trait",
        "inventory",
        "pollster",
        "rand",
        "rand_chacha",
        "rayon",
        "safetensors",
        "schemars",
        "serde",
        "serde_json",
        "serde_path_to_error",
        "sha2",
        "smallvec",
        "tempfile",
        "thiserror",
        "toml",
        "unicode-normalization",
        "unicode-segmentation",
    ];
    for dependency in dependencies("router-core") {
        assert!(
            allowed.contains(&dependency.as_str()),
            "router-core depends on {dependency}: it has no machine-learning, async-runtime or network dependency"
        );
    }
}

#[test]
fn every_member_is_a_default_member_and_inherits_the_lints() {
    let text = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let list = |key: &str| -> BTreeSet<String> {
        let start = text.find(&format!("\n{key} = [")).unwrap();
        let body = text.get(start..).unwrap().split(']').next().unwrap();
        body.lines().filter_map(|line| line.trim().strip_prefix('"')?.split('"').next().map(str::to_owned)).collect()
    };
    let members = list("members");
    assert_eq!(members, list("default-members"));
    assert!(members.len() >= 7);
    for member in members {
        let manifest = fs::read_to_string(root().join(&member).join("Cargo.toml")).unwrap();
        assert!(manifest.contains("[lints]\nworkspace = true"), "{member} does not inherit the workspace's lints");
    }
}

#[test]
fn only_fetch_downloads_models() {
    let mut stack: Vec<PathBuf> = ["core", "data", "plugins", "eval", "serve", "cli"]
        .map(|member| root().join(format!("router-{member}")).join("src"))
        .to_vec();
    while let Some(directory) = stack.pop() {
        for entry in fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                if !entry.ends_with("router-plugins/src/models/fetch") {
                    stack.push(entry);
                }
            } else if entry.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&entry).unwrap();
                for means in ["process::Command", "hf_hub"] {
                    assert!(!text.contains(means), "{} uses {means}", entry.display());
                }
            }
        }
    }
}

#[test]
fn only_the_named_kernel_modules_allow_unsafe_code() {
    // A kernel module that needs it is listed here and in ARCHITECTURE.md.
    let allowed = ["router-plugins/encoder/src/kernels/mod.rs"];
    let mut stack = vec![root()];
    while let Some(directory) = stack.pop() {
        for entry in fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()) {
            let name = entry.file_name().unwrap().to_string_lossy().into_owned();
            if entry.is_dir() {
                if name != "target" && !name.starts_with('.') {
                    stack.push(entry);
                }
            } else if entry.extension().is_some_and(|extension| extension == "rs") && name != "architecture.rs" {
                let text = fs::read_to_string(&entry).unwrap();
                let relative = entry.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
                let relaxed = text.contains("allow(unsafe_code") || text.contains("expect(unsafe_code");
                assert!(!relaxed || allowed.contains(&relative.as_str()), "{relative} allows unsafe code");
            }
        }
    }
}

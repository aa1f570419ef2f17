//! Stored slots whose bytes were forged, with a manifest that agrees: whatever a component makes of them, it must not panic.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use proptest::prelude::*;
use router_core::{ErrorKind, Prompt, Router};

/// The files of the stored artifact with the most plugins in it.
static FILES: LazyLock<BTreeMap<String, Vec<u8>>> = LazyLock::new(|| {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("../router-cli/tests/fixtures/version-2");
    fs::read_dir(place)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect()
});

/// A manifest that agrees with `files`.
fn sealed(files: &BTreeMap<String, Vec<u8>>) -> Vec<u8> {
    let mut manifest: serde_json::Value = serde_json::from_slice(&files["manifest.json"]).unwrap();
    for (name, bytes) in files.iter().filter(|(name, _)| *name != "manifest.json") {
        manifest["files"][name] = router_core::artifact::sha256(bytes).into();
    }
    let zeros = "0".repeat(64);
    manifest["digest"] = zeros.clone().into();
    let text = format!("{manifest:#}\n");
    let digest = router_core::artifact::sha256(text.as_bytes());
    text.replace(&zeros, &digest).into_bytes()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn a_forged_slot_never_panics(file in any::<prop::sample::Index>(), flips in prop::collection::vec((any::<prop::sample::Index>(), 0u8..8), 1..6)) {
        let mut files = FILES.clone();
        let names: Vec<String> = files.keys().filter(|name| name.ends_with(".safetensors")).cloned().collect();
        let name = file.get(&names);
        let bytes = files.get_mut(name).unwrap();
        for (byte, bit) in flips {
            let at = byte.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        let manifest = sealed(&files);
        files.insert("manifest.json".into(), manifest);
        let directory = tempfile::tempdir().unwrap();
        for (name, bytes) in &files {
            fs::write(directory.path().join(name), bytes).unwrap();
        }
        let registry = router_plugins::builtin().unwrap();
        match Router::load(directory.path(), &registry) {
            // What loads must answer, or say why it cannot.
            Ok(router) => {
                let prompts = ["Solve 3 x = 9.", "Write a poem.", ""].map(|text| Prompt::new("p", text));
                let _ = router.route_blocking(&prompts, &[]);
            }
            Err(error) => {
                let kinds = [ErrorKind::Artifact, ErrorKind::Incompatible, ErrorKind::UnknownPlugin];
                prop_assert!(kinds.contains(&error.kind()), "{name}: {error:?}");
            }
        }
    }
}

//! Corrupt, truncated, swapped and foreign files.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use proptest::prelude::*;
use router_core::{Error, ErrorKind, Router};

use crate::world::{Files, files, read, registry, reseal, router, write};

static ARTIFACTS: LazyLock<[Files; 2]> = LazyLock::new(|| {
    let registry = registry();
    [files(&router(&registry, 3)), files(&router(&registry, 4))]
});

fn load(files: &Files) -> Result<Router, Error> {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("artifact");
    write(&place, files);
    Router::load(&place, &registry())
}

/// The error of loading `files`, which must be one about the artifact that names a file of it.
fn refused(what: &str, files: &Files) -> Error {
    let Err(error) = load(files) else { panic!("{what}: it loads") };
    let kinds = [ErrorKind::Artifact, ErrorKind::Incompatible, ErrorKind::UnknownPlugin];
    assert!(kinds.contains(&error.kind()), "{what}: {error:?}");
    assert!(error.file().is_some(), "{what}: {error}");
    assert_eq!(error.exit_status(), 2, "{what}");
    error
}

#[test]
fn what_was_written_loads() {
    for files in ARTIFACTS.iter() {
        load(files).unwrap();
        // Resealing what is whole changes nothing that matters: the forgeries below are refused for what they are.
        let mut same = files.clone();
        reseal(&mut same);
        load(&same).unwrap();
    }
}

#[test]
fn every_truncation_of_every_file_is_found() {
    for (name, bytes) in &ARTIFACTS[0] {
        // Empty, within and just behind the length of a header, within the header, in the middle, all but the last byte.
        for length in [0, 1, 7, 8, 9, 64, bytes.len() / 2, bytes.len() - 1] {
            let mut files = ARTIFACTS[0].clone();
            files.insert(name.clone(), bytes[..length.min(bytes.len() - 1)].to_vec());
            refused(&format!("{name} cut to {length}"), &files);
            if name != "manifest.json" {
                // The same with a manifest that agrees: the slot itself must notice, all but white space at the end of cards.
                reseal(&mut files);
                if !(name == "tasks.json" && length == bytes.len() - 1) {
                    refused(&format!("{name} cut to {length} and resealed"), &files);
                }
            }
        }
        let mut files = ARTIFACTS[0].clone();
        files.insert(name.clone(), [bytes.as_slice(), b"more"].concat());
        refused(&format!("{name} with more behind it"), &files);
        files.remove(name);
        assert!(load(&files).is_err(), "it loads without {name}");
    }
}

#[test]
fn slots_that_changed_places_are_found() {
    let [a, b] = &*ARTIFACTS;
    let names: Vec<&String> = a.keys().collect();
    for one in &names {
        for other in names.iter().filter(|other| *other != one && a[**other] != a[*one]) {
            let mut files = a.clone();
            files.insert((*one).clone(), a[*other].clone());
            files.insert((*other).clone(), a[*one].clone());
            refused(&format!("{one} and {other} exchanged"), &files);
        }
        if a[*one] != b[*one] {
            let mut files = a.clone();
            files.insert((*one).clone(), b[*one].clone());
            refused(&format!("{one} of another artifact"), &files);
        }
    }
    // The comparison above means something: the two artifacts do differ.
    assert!(names.iter().filter(|name| a[**name] != b[**name]).count() >= 4);
}

#[test]
fn slots_of_another_format_are_found_even_with_a_manifest_that_agrees() {
    let artifact = &ARTIFACTS[0];
    for (one, other) in
        [("policy", "cost"), ("classifier", "task_scores"), ("embedder", "policy"), ("drift", "classifier")]
    {
        let [one, other] = [one, other].map(|slot| format!("{slot}.safetensors"));
        let mut files = artifact.clone();
        files.insert(one.clone(), artifact[&other].clone());
        reseal(&mut files);
        let error = refused(&format!("{other} as {one}"), &files);
        assert!(error.to_string().contains("it holds"), "{error}");
    }
}

#[test]
fn foreign_files_are_no_artifacts() {
    for manifest in ["", "{}", "[]", "null", "{\"format_version\": 0}", "{\"format_version\": \"2\"}", "<html></html>"]
    {
        let mut files = ARTIFACTS[0].clone();
        files.insert("manifest.json".into(), manifest.as_bytes().to_vec());
        refused(manifest, &files);
    }
    let mut files = ARTIFACTS[0].clone();
    files.insert("policy.safetensors".into(), b"PK\x03\x04 a zip file".to_vec());
    reseal(&mut files);
    refused("a zip file", &files);
    // Nothing there, a file, and a directory of other things are no artifacts either.
    let directory = tempfile::tempdir().unwrap();
    let at = |path: &Path| Router::load(path, &registry()).err().unwrap();
    assert_eq!(at(&directory.path().join("missing")).exit_status(), 2);
    assert_eq!(at(directory.path()).exit_status(), 2);
    fs::write(directory.path().join("file"), "text").unwrap();
    at(&directory.path().join("file"));
}

#[test]
fn an_artifact_without_a_drift_reference_loads_and_says_so() {
    let mut files = ARTIFACTS[0].clone();
    assert!(load(&files).unwrap().drift_reference().is_some());
    files.remove("drift.safetensors");
    let mut manifest: serde_json::Value = serde_json::from_slice(&files["manifest.json"]).unwrap();
    manifest["files"].as_object_mut().unwrap().remove("drift.safetensors");
    files.insert("manifest.json".into(), manifest.to_string().into_bytes());
    reseal(&mut files);
    let router = load(&files).unwrap();
    assert!(router.drift_reference().is_none());
    let error = router.observe_blocking(&[]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("no drift reference"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    /// One bit, anywhere.
    #[test]
    fn a_flipped_bit_is_found(file in any::<prop::sample::Index>(), byte in any::<prop::sample::Index>(), bit in 0u8..8) {
        let mut files = ARTIFACTS[0].clone();
        let names: Vec<String> = files.keys().cloned().collect();
        let name = file.get(&names);
        let bytes = files.get_mut(name).unwrap();
        let at = byte.index(bytes.len());
        bytes[at] ^= 1 << bit;
        refused(&format!("{name}, byte {at}, bit {bit}"), &files);
    }

    /// A few bits of one slot, with a manifest that agrees: the component may load other numbers, or refuse; it must not panic.
    #[test]
    fn a_forged_slot_is_refused_or_loads(file in any::<prop::sample::Index>(), flips in prop::collection::vec((any::<prop::sample::Index>(), 0u8..8), 1..4)) {
        let mut files = ARTIFACTS[0].clone();
        let names: Vec<String> = files.keys().filter(|name| *name != "manifest.json").cloned().collect();
        let name = file.get(&names);
        let bytes = files.get_mut(name).unwrap();
        for (byte, bit) in flips {
            let at = byte.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        reseal(&mut files);
        if load(&files).is_err() {
            refused(name, &files);
        }
    }
}

#[test]
fn reading_gives_what_was_written() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("artifact");
    write(&place, &ARTIFACTS[0]);
    assert_eq!(read(&place), ARTIFACTS[0]);
    let again = directory.path().join("again");
    Router::load(&place, &registry()).unwrap().save(&again).unwrap();
    assert!(read(&again) == ARTIFACTS[0], "loading and saving changes a byte");
}

//! Two routers that differ in every slot that can, and their artifacts as bytes.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use router_core::prelude::*;
use router_core::testkit::components::{
    self, MinimalAggregator, MinimalClassifier, MinimalDiscoverer, MinimalEmbedder, MinimalEstimator, MinimalPolicy,
};
use router_core::testkit::world::MinimalWorld;
use router_core::{Router, RouterBuilder};

/// Every file of an artifact, by name.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

pub(crate) fn registry() -> Registry {
    let mut registry = Registry::new();
    components::register(&mut registry).unwrap();
    registry
}

/// The router of one of two worlds.
pub(crate) fn router(registry: &Registry, seed: u64) -> Router {
    let world = MinimalWorld::easy(60, seed).unwrap();
    let unfitted = RouterBuilder::new(registry)
        .seed(seed)
        .embedder(MinimalEmbedder {})
        .discoverer(MinimalDiscoverer {})
        .classifier(MinimalClassifier {})
        .task_scores(MinimalEstimator {})
        .estimator(MinimalEstimator {})
        .aggregator(MinimalAggregator {})
        .policy(MinimalPolicy {})
        .build()
        .unwrap();
    unfitted.fit_blocking(&world.dataset, &unfitted.context()).unwrap()
}

pub(crate) fn read(place: &Path) -> Files {
    fs::read_dir(place)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect()
}

pub(crate) fn write(place: &Path, files: &Files) {
    if place.exists() {
        fs::remove_dir_all(place).unwrap();
    }
    fs::create_dir_all(place).unwrap();
    for (name, bytes) in files {
        fs::write(place.join(name), bytes).unwrap();
    }
}

/// The artifact of `router`.
pub(crate) fn files(router: &Router) -> Files {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("artifact");
    router.save(&place).unwrap();
    read(&place)
}

/// Makes the manifest agree with the other files again, as nobody but a forger would.
pub(crate) fn reseal(files: &mut Files) {
    let mut manifest: serde_json::Value = serde_json::from_slice(&files["manifest.json"]).unwrap();
    for (name, bytes) in files.iter().filter(|(name, _)| *name != "manifest.json") {
        manifest["files"][name] = router_core::artifact::sha256(bytes).into();
    }
    let zeros = "0".repeat(64);
    manifest["digest"] = zeros.clone().into();
    let text = format!("{manifest:#}\n");
    let digest = router_core::artifact::sha256(text.as_bytes());
    files.insert("manifest.json".into(), text.replace(&zeros, &digest).into_bytes());
}

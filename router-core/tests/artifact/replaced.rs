//! An artifact that is replaced while somebody loads it.

use std::sync::atomic::{AtomicBool, Ordering};

use router_core::Router;

use crate::world::{registry, router};

#[test]
fn a_load_gives_the_older_or_the_newer_artifact_while_it_is_replaced() {
    let registry = registry();
    let [first, second] = [3, 4].map(|seed| router(&registry, seed));
    let fingerprints = [first.data_fingerprint(), second.data_fingerprint()];
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("artifact");
    first.save(&place).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                second.save(&place).unwrap();
                first.save(&place).unwrap();
            }
        });
        let loaded: Vec<_> = (0..200).map(|_| Router::load(&place, &registry)).collect();
        done.store(true, Ordering::Relaxed);
        for router in loaded {
            let router = router.unwrap();
            assert!(fingerprints.contains(&router.data_fingerprint()));
        }
    });
}

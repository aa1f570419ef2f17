//! References stored beside a router.

use std::sync::Arc;

use router_core::{ErrorKind, FitContext, Router, TrainingSet, UnfittedRouter};
use router_eval::{Options, References, artifact, train_test};

use crate::plugins::registry;
use crate::properties::without_times;
use crate::worlds::{script, test, train};

fn fitted() -> (Router, References) {
    let registry = registry();
    let unfitted = UnfittedRouter::from_config(&script("router", &[("p1", 1)], 0).config, &registry).unwrap();
    let cx = unfitted.context();
    let router = unfitted.fit_blocking(&train(), &cx).unwrap();
    let vectors = router.embed_blocking(train().prompts()).unwrap().vectors;
    let set = TrainingSet::new(train(), Arc::new(vectors)).unwrap();
    (router, References::fit(&set, &registry, 500, &cx).unwrap())
}

#[test]
fn an_artifact_evaluates_as_its_configuration_does() {
    let (router, references) = fitted();
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("artifact");
    router.save_with(&place, &[(References::SLOT, &references)]).unwrap();
    let (router, references) =
        (Router::load(&place, &registry()).unwrap(), References::load_from(&place, &registry()).unwrap());
    let options = Options { resamples: 300, ..Options::default() };
    let stored = artifact(&router, &references, &[test()], &options, &FitContext::new(0)).unwrap();
    let configs = [script("router", &[("p1", 1)], 0)];
    let fresh = train_test(&configs, &registry(), &train(), &[test()], &options, &FitContext::new(9)).unwrap();
    assert_eq!(without_times(&stored.summary), without_times(&fresh.summary));
    assert_eq!(stored.decisions, fresh.decisions);
}

#[test]
fn an_artifact_without_references_says_so() {
    let (router, _) = fitted();
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("artifact");
    router.save(&place).unwrap();
    let error = References::load_from(&place, &registry()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Incompatible);
    assert!(error.to_string().contains("train again"));
}

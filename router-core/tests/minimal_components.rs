//! The minimal components of the testkit pass their own conformance cases, so that a failing case speaks of the plugin under
//! test and not of what stands around it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use router_core::Registry;
use router_core::testkit::{check, components};
use serde_json::Value;

fn failures(role: &str, except: &[&str]) -> Vec<String> {
    let mut registry = Registry::new();
    components::register(&mut registry).unwrap();
    check(registry, role, &format!("minimal-{role}"), Value::Null, except)
}

#[test]
fn minimal_components_conform() {
    for role in ["embedder", "discoverer", "classifier", "aggregator", "policy"] {
        assert_eq!(failures(role, &[]), Vec::<String>::new());
    }
    // Every model's mean is the global mean: it cannot be better than it, and the case says so.
    assert_eq!(failures("estimator", &["better than the global mean"]), Vec::<String>::new());
    let failing = failures("estimator", &[]);
    assert!(failing.len() == 1 && failing[0].contains("better than the global mean"), "{failing:?}");
}

#[test]
fn an_excuse_for_a_case_that_does_not_exist_is_a_failure() {
    assert_eq!(failures("policy", &["no such case"]), ["there is no case `no such case`"]);
}

//! The registry: what is collected is what is built in, and every plugin's example is a configuration of it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails should panic; clippy exempts only functions marked as tests"
)]

use router_core::Registry;
use serde_json::Value;

#[test]
fn collected_plugins_are_the_built_in_ones() {
    let collected = Registry::collected().unwrap().list();
    assert_eq!(collected, router_plugins::builtin().unwrap().list());
    assert!(!collected.is_empty());
}

#[test]
fn every_example_is_a_configuration_and_round_trips() {
    let registry = router_plugins::builtin().unwrap();
    for plugin in registry.list() {
        let name = format!("{}/{}", plugin.role, plugin.name);
        let resolve = |value: Value| {
            registry.resolve(plugin.role, plugin.name, value).unwrap_or_else(|error| panic!("{name}: {error:?}"))
        };
        let example: Value = toml::from_str(plugin.example).unwrap_or_else(|error| panic!("{name}: {error}"));
        let resolved = resolve(example.clone());
        // TOML has no null: a parameter without a value is left out.
        let mut given = resolved.clone();
        given.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        let written = toml::to_string(&given).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(resolve(toml::from_str(&written).unwrap()), resolved, "{name}");
        // What the example says is what the configuration holds: an example of another plugin's fields would be refused.
        for (field, value) in example.as_object().unwrap() {
            assert_eq!(&resolved[field], value, "{name}: {field}");
        }
        // The defaults alone are a configuration too.
        resolve(Value::Object(serde_json::Map::new()));
    }
}

#[test]
fn every_plugin_documents_itself_and_refuses_unknown_fields() {
    let registry = router_plugins::builtin().unwrap();
    for plugin in registry.list() {
        let name = format!("{}/{}", plugin.role, plugin.name);
        let schema = registry.schema(plugin.role, plugin.name).unwrap();
        for (field, schema) in schema["properties"].as_object().into_iter().flatten() {
            assert!(schema["description"].as_str().is_some_and(|text| text.len() > 10), "{name}: {field}");
        }
        assert!(!plugin.summary.is_empty() && !plugin.source.is_empty(), "{name}");
        assert!(plugin.name.bytes().all(|byte| byte == b'-' || byte.is_ascii_lowercase() || byte.is_ascii_digit()));
        let unknown = serde_json::json!({ "no_such_field": 1 });
        let error = registry.resolve(plugin.role, plugin.name, unknown).unwrap_err();
        assert_eq!(error.kind(), router_core::ErrorKind::Config, "{name}");
    }
}

#[test]
fn values_out_of_range_are_refused_with_their_field() {
    let registry = router_plugins::builtin().unwrap();
    for (role, name, value, field) in [
        ("embedder", "hashing", serde_json::json!({ "dimension": 4 }), "dimension"),
        ("embedder", "hashing", serde_json::json!({ "words": [0, 9] }), "words[1]"),
        ("embedder", "hashing", serde_json::json!({ "words": [2, 1] }), "words"),
        ("embedder", "remote", serde_json::json!({ "batch_size": 0 }), "batch_size"),
        ("embedder", "remote", serde_json::json!({ "dimension": 0 }), "dimension"),
        ("embedder", "remote", serde_json::json!({ "url": "localhost" }), "url"),
        ("classifier", "softmax", serde_json::json!({ "threshold": 1.5 }), "threshold"),
        ("estimator", "task-mean", serde_json::json!({ "shrinkage": -1.0 }), "shrinkage"),
        ("aggregator", "weighted", serde_json::json!({ "alpha": 2.0 }), "alpha"),
        ("aggregator", "weighted", serde_json::json!({ "weights": [1.0, -1.0] }), "weights[1]"),
        ("policy", "utility", serde_json::json!({ "lambda": -0.5 }), "lambda"),
    ] {
        let error = registry.resolve(role, name, value).unwrap_err();
        assert_eq!((error.kind(), error.field()), (router_core::ErrorKind::Config, Some(field)), "{error}");
    }
}

//! Holds every registered plugin against every conformance case of its role, each as a test of its own name:
//! `cargo test --release -p router-plugins --test conformance -- estimator/moe`.

#[cfg(feature = "remote")]
mod embedding_server;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};
use router_core::Registry;
use router_core::testkit::{Subject, cases, components};
use serde_json::{Map, Value};

/// Cases that do not apply to a plugin: plugin, case, why.
const EXCEPT: &[(&str, &str, &str)] = &[
    ("estimator/global-mean", "better than the global mean", "it is the global mean, the measure of that case"),
    (
        "policy/hybrid",
        "ties go to the cheaper model, then to the lowest index",
        "it knows a strong and a weak model, and asks no third one while they are eligible",
    ),
];

/// The parameters under which a plugin is tested that needs something beside itself: a tiny model among the fixtures, a server.
fn fixture(id: &str) -> Map<String, Value> {
    let model = |name: &str| serde_json::json!({ "model": format!("{}/tests/fixtures/encoders/{name}", env!("CARGO_MANIFEST_DIR")) });
    let parameters = match id {
        "embedder/bert" => model("tiny-bert"),
        "embedder/mpnet" => model("tiny-mpnet"),
        "embedder/static" => model("tiny-static"),
        #[cfg(feature = "remote")]
        "embedder/remote" => serde_json::json!({ "url": embedding_server::EmbeddingServer::start().url() }),
        _ => return Map::new(),
    };
    parameters.as_object().cloned().unwrap_or_default()
}

/// Choices of a plugin's configuration that are tested as plugins of their own: plugin, choice, parameters.
fn choices() -> Vec<(&'static str, &'static str, Value)> {
    vec![
        ("discoverer/graph", "hierarchical", serde_json::json!({ "resolution": "hierarchical" })),
        ("discoverer/sampled", "four fifths of the prompts", serde_json::json!({ "size": 120 })),
        ("estimator/matrix-factorization", "pairs", serde_json::json!({ "loss": "pairs" })),
        ("estimator/neighbors", "automatic metric", serde_json::json!({ "metric": "automatic" })),
        ("estimator/moe", "full-rank heads", serde_json::json!({ "heads": "full-rank" })),
        ("estimator/moe", "low-rank heads", serde_json::json!({ "heads": "low-rank", "rank": 1 })),
        ("estimator/moe", "core-space heads", serde_json::json!({ "heads": "core-space", "routing": "soft" })),
        ("estimator/moe", "pyramid heads", serde_json::json!({ "heads": "pyramid" })),
    ]
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let trials = trials()
        .unwrap_or_else(|error| vec![Trial::test("the registry", move || Err(Failed::from(error.to_string())))]);
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trials() -> router_core::Result<Vec<Trial>> {
    let mut registry = router_plugins::builtin()?;
    let plugins = registry.list();
    components::register(&mut registry)?;
    let registry: Arc<Registry> = Arc::new(registry);
    let mut trials = Vec::new();
    for plugin in plugins {
        let id = format!("{}/{}", plugin.role, plugin.name);
        let mut tested = vec![(id.clone(), fixture(&id))];
        for (_, choice, parameters) in choices().into_iter().filter(|(of, ..)| *of == id) {
            tested.push((format!("{id} ({choice})"), parameters.as_object().cloned().unwrap_or_default()));
        }
        for (title, parameters) in tested {
            let parameters = Arc::new(parameters);
            for case in cases(plugin.role) {
                let excused = EXCEPT.iter().any(|(plugin, name, _)| *plugin == id && *name == case.name);
                let (registry, parameters) = (Arc::clone(&registry), Arc::clone(&parameters));
                let trial = Trial::test(format!("{title}: {}", case.name), move || {
                    let subject =
                        Subject { registry: &registry, role: plugin.role, name: plugin.name, parameters: &parameters };
                    (case.run)(&subject).map_err(Failed::from)
                });
                trials.push(trial.with_ignored_flag(excused));
            }
        }
    }
    Ok(trials)
}

//! Holds every registered plugin against every conformance case of its role, each as a test of its own name:
//! `cargo test --release -p router-plugins --test conformance -- estimator/moe`.

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};
use router_core::Registry;
use router_core::testkit::{Subject, cases, components};
use serde_json::{Map, Value};

/// Cases that do not apply to a plugin: plugin, case, why.
const EXCEPT: &[(&str, &str, &str)] =
    &[("estimator/global-mean", "better than the global mean", "it is the global mean, the measure of that case")];

/// The parameters that a plugin is held against the cases with: none but for one that needs more than its defaults, such as a
/// model on disk; then those of a tiny one among the fixtures.
fn parameters(plugin: &str) -> Map<String, Value> {
    let fixture = |name: &str| format!("{}/tests/fixtures/encoders/{name}", env!("CARGO_MANIFEST_DIR"));
    let parameters = match plugin {
        "embedder/static" => [("model", Value::from(fixture("tiny-static")))],
        _ => return Map::new(),
    };
    parameters.map(|(name, value)| (name.to_owned(), value)).into_iter().collect()
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
        for case in cases(plugin.role) {
            let excused = EXCEPT.iter().any(|(plugin, name, _)| *plugin == id && *name == case.name);
            let registry = Arc::clone(&registry);
            let parameters = parameters(&id);
            let trial = Trial::test(format!("{id}: {}", case.name), move || {
                let subject =
                    Subject { registry: &registry, role: plugin.role, name: plugin.name, parameters: &parameters };
                (case.run)(&subject).map_err(Failed::from)
            });
            trials.push(trial.with_ignored_flag(excused));
        }
    }
    Ok(trials)
}

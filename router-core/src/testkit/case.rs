//! Cases, and the plugin they are held against.

use serde_json::{Map, Value};

use crate::config::ComponentConfig;
use crate::context::FitContext;
use crate::error::{Error, Result};
use crate::registry::{
    AggregatorRole, ClassifierRole, DiscovererRole, EmbedderRole, EstimatorRole, PolicyRole, Registry, Role, Shelved,
};
use crate::testkit::{aggregator, classifier, components, discoverer, embedder, estimator, policy, router};

/// `Ok`, or what went wrong.
pub type Verdict = std::result::Result<(), String>;

/// One promise of a role.
#[derive(Clone, Copy)]
pub struct Case {
    /// What is promised, in words.
    pub name: &'static str,
    /// Holds a plugin against it.
    pub run: fn(&Subject<'_>) -> Verdict,
}

/// A plugin under test.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Where it is registered, beside the minimal components.
    pub registry: &'a Registry,
    /// Its role.
    pub role: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Its parameters; what is left out has its default.
    pub parameters: &'a Map<String, Value>,
}

impl Subject<'_> {
    /// The plugin, not fitted yet.
    pub(crate) fn build<R: Shelved>(&self) -> std::result::Result<Box<R::Unfitted>, String> {
        self.registry
            .build::<R>(self.name, Value::Object(self.parameters.clone()))
            .map(|(component, _)| component)
            .map_err(|error| format!("its configuration is refused: {error}"))
    }

    /// The plugin as a component of a configuration.
    pub(crate) fn component(&self) -> ComponentConfig {
        ComponentConfig { name: self.name.to_owned(), parameters: self.parameters.clone() }
    }

    /// A silent context of `seed`.
    pub(crate) fn context(seed: u64) -> FitContext {
        FitContext::new(seed).child("subject")
    }
}

/// The cases of a role; none for a role that does not exist.
pub fn cases(role: &str) -> Vec<Case> {
    let of_role = match role {
        EmbedderRole::NAME => embedder::CASES,
        DiscovererRole::NAME => discoverer::CASES,
        ClassifierRole::NAME => classifier::CASES,
        EstimatorRole::NAME => estimator::CASES,
        AggregatorRole::NAME => aggregator::CASES,
        PolicyRole::NAME => policy::CASES,
        _ => return Vec::new(),
    };
    router::CASES.iter().chain(of_role).copied().collect()
}

/// Holds the plugin `role`/`name` of `registry` with `parameters` (a JSON object; null for the defaults alone) against all cases of
/// its role but `except`, and gives a line a failure.
pub fn check(mut registry: Registry, role: &str, name: &str, parameters: Value, except: &[&str]) -> Vec<String> {
    if let Err(error) = components::register(&mut registry) {
        return vec![error.to_string()];
    }
    let parameters = match parameters {
        Value::Object(parameters) => parameters,
        Value::Null => Map::new(),
        other => return vec![format!("{role}/{name}: parameters are an object, not {other}")],
    };
    let subject = Subject { registry: &registry, role, name, parameters: &parameters };
    let all = cases(role);
    let unknown = except.iter().filter(|name| !all.iter().any(|case| case.name == **name));
    let mut failures: Vec<String> = unknown.map(|name| format!("there is no case `{name}`")).collect();
    for case in all.iter().filter(|case| !except.contains(&case.name)) {
        if let Err(failure) = (case.run)(&subject) {
            failures.push(format!("{role}/{name}: {}: {failure}", case.name));
        }
    }
    failures
}

/// The error of `result`, said to come from `what`.
pub(crate) fn told<T>(what: &str, result: Result<T>) -> std::result::Result<T, String> {
    result.map_err(|error: Error| format!("{what}: {error}"))
}

/// `Err(message)` unless `condition`.
pub(crate) fn ensure(condition: bool, message: impl FnOnce() -> String) -> Verdict {
    if condition { Ok(()) } else { Err(message()) }
}

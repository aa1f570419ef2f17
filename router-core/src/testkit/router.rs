//! The cases that every plugin is held against, whatever its role: its configuration, and a whole router around it.

use std::sync::Arc;

use serde_json::Value;

use crate::config::{ComponentConfig, RouterConfig};
use crate::context::FitContext;
use crate::error::ErrorKind;
use crate::pipeline::{Router, UnfittedRouter};
use crate::progress::{CancelToken, Progress, ProgressBar};
use crate::registry::{AggregatorRole, ClassifierRole, DiscovererRole, EmbedderRole, EstimatorRole, PolicyRole, Role};
use crate::testkit::case::{Case, Subject, Verdict, ensure, told};
use crate::testkit::shared::{easy, worlds};
use crate::testkit::world::MinimalWorld;
use crate::types::constraints::Constraints;

pub(super) const CASES: &[Case] = &[
    Case { name: "the example configuration round-trips", run: example },
    Case { name: "an unknown field is refused", run: unknown_field },
    Case { name: "a whole router of every world fits and decides", run: every_world },
    Case { name: "a whole router saves and loads", run: saved },
    Case { name: "a removed model is never chosen and an unknown one is an error", run: removed },
    Case { name: "cancellation ends a fit", run: cancelled },
];

fn example(subject: &Subject<'_>) -> Verdict {
    let info = subject.registry.list().into_iter().find(|info| info.role == subject.role && info.name == subject.name);
    let info = info.ok_or("it is not registered")?;
    let empty = [info.summary, info.source, info.cost].iter().any(|text| text.is_empty());
    ensure(!empty, || "summary, source or cost is empty".to_owned())?;
    let named = info.name.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-');
    ensure(named, || format!("`{}` is not lower-case words with hyphens", info.name))?;
    let parameters: toml::Table =
        toml::from_str(info.example).map_err(|error| format!("the example is not TOML: {error}"))?;
    let parameters = serde_json::to_value(parameters).map_err(|error| error.to_string())?;
    let resolve = |parameters| subject.registry.resolve(subject.role, subject.name, parameters);
    let resolved = told("the example", resolve(parameters.clone()))?;
    for (field, value) in parameters.as_object().into_iter().flatten() {
        let kept = resolved.get(field).is_some_and(|kept| same_value(kept, value));
        ensure(kept, || format!("`{field}` of the example reads as {:?}", resolved.get(field)))?;
    }
    let text =
        toml::to_string(&without_nulls(&resolved)).map_err(|error| format!("it does not write as TOML: {error}"))?;
    let again: toml::Table = toml::from_str(&text).map_err(|error| format!("it does not read back: {error}"))?;
    let again = told("what was written", resolve(serde_json::to_value(again).map_err(|error| error.to_string())?))?;
    ensure(again == resolved, || format!("{resolved} reads back as {again}"))
}

fn same_value(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => match (a.as_f64(), b.as_f64()) {
            // A parameter may be held as f32.
            (Some(a), Some(b)) => (a - b).abs() <= 1e-6 * b.abs(),
            _ => false,
        },
        (Value::Object(a), Value::Object(b)) => b.iter().all(|(key, b)| a.get(key).is_some_and(|a| same_value(a, b))),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_value(a, b)),
        _ => a == b,
    }
}

/// TOML has no null: a field without a value is left out.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(
            fields.iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| (k.clone(), without_nulls(v))).collect(),
        ),
        Value::Array(items) => Value::Array(items.iter().map(without_nulls).collect()),
        other => other.clone(),
    }
}

fn unknown_field(subject: &Subject<'_>) -> Verdict {
    let mut parameters = subject.parameters.clone();
    parameters.insert("no_such_field".to_owned(), 1.into());
    match subject.registry.resolve(subject.role, subject.name, Value::Object(parameters)) {
        Err(error) if error.kind() == ErrorKind::Config => Ok(()),
        Err(error) => Err(format!("an error of another kind: {error:?}")),
        Ok(_) => Err("it is silently ignored: add `deny_unknown_fields`".to_owned()),
    }
}

/// A whole router of minimal components with the subject in its place.
fn unfitted(subject: &Subject<'_>, seed: u64) -> Result<UnfittedRouter, String> {
    let minimal = |role: &str| {
        if role == subject.role { subject.component() } else { ComponentConfig::new(format!("minimal-{role}")) }
    };
    let config = RouterConfig {
        seed,
        discoverer: Some(minimal(DiscovererRole::NAME)),
        classifier: Some(minimal(ClassifierRole::NAME)),
        task_scores: Some(ComponentConfig::new("minimal-estimator")),
        estimators: vec![minimal(EstimatorRole::NAME)],
        aggregator: Some(minimal(AggregatorRole::NAME)),
        policy: Some(minimal(PolicyRole::NAME)),
        ..RouterConfig::new(minimal(EmbedderRole::NAME))
    };
    told("composing", UnfittedRouter::from_config(&config, subject.registry))
}

fn fit(subject: &Subject<'_>, world: &MinimalWorld) -> Result<Router, String> {
    let unfitted = unfitted(subject, 1)?;
    told(world.name, unfitted.fit_blocking(&world.dataset, &unfitted.context()))
}

fn every_world(subject: &Subject<'_>) -> Verdict {
    for world in worlds()? {
        let router = fit(subject, &world)?;
        let decisions = told(world.name, router.route_blocking(world.dataset.prompts(), &[]))?;
        ensure(decisions.iter().all(|decision| decision.model().is_some()), || format!("{}: no model", world.name))?;
    }
    Ok(())
}

fn saved(subject: &Subject<'_>) -> Verdict {
    let (world, other) = easy()?;
    let router = fit(subject, &world)?;
    let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
    let place = directory.path().join("artifact");
    told("saving", router.save(&place))?;
    let loaded = told("loading", Router::load(&place, subject.registry))?;
    let prompts = other.dataset.prompts();
    let (before, after) =
        (told("routing", router.route_blocking(prompts, &[]))?, told("routing", loaded.route_blocking(prompts, &[]))?);
    ensure(before == after, || "the loaded router decides otherwise".to_owned())
}

fn removed(subject: &Subject<'_>) -> Verdict {
    let (world, other) = easy()?;
    let router = fit(subject, &world)?;
    let without = |name: &str| Constraints { unavailable_models: vec![name.to_owned()], ..Constraints::default() };
    let prompts = other.dataset.prompts();
    let constraints = vec![without("model-0"); prompts.len()];
    for decision in told("routing", router.route_blocking(prompts, &constraints))? {
        let named = decision.model() == Some(0) || decision.fallback.contains(&0);
        ensure(!named && decision.model().is_some(), || format!("without model 0: {decision:?}"))?;
    }
    match router.route_blocking(prompts, &vec![without("no-such-model"); prompts.len()]) {
        Err(error) if error.kind() == ErrorKind::UnknownModel => Ok(()),
        other => Err(format!("an unknown model gives {:?}", other.map(|decisions| decisions.len()))),
    }
}

/// Cancels when the work first says that it moves.
struct CancelOnProgress(CancelToken);

impl Progress for CancelOnProgress {
    fn begin(&self, _label: &str, _total: Option<u64>) -> Box<dyn ProgressBar> {
        Box::new(Self(self.0.clone()))
    }
}

impl ProgressBar for CancelOnProgress {
    fn advance(&self, _steps: u64) {
        self.0.cancel();
    }

    fn message(&self, _text: &str) {}
}

fn cancelled(subject: &Subject<'_>) -> Verdict {
    let (world, _) = easy()?;
    let unfitted = unfitted(subject, 1)?;
    let before = CancelToken::new();
    before.cancel();
    let during = CancelToken::new();
    let contexts = [
        FitContext::new(1).with_cancel(before),
        FitContext::new(1).with_cancel(during.clone()).with_progress(Arc::new(CancelOnProgress(during))),
    ];
    for cx in contexts {
        match unfitted.fit_blocking(&world.dataset, &cx) {
            Err(error) if error.kind() == ErrorKind::Cancelled => {}
            Err(error) => return Err(format!("an error of another kind: {error:?}")),
            Ok(_) => return Err("a cancelled fit went on to its end".to_owned()),
        }
    }
    Ok(())
}

//! A router that decides here.

use std::collections::BTreeMap;
use std::sync::Arc;

use router_core::{Constraints, Error, ErrorKind, Model, Result, Router};

use crate::config::ServeConfig;
use crate::decide::{Decided, Decider};
use crate::live::Served;
use crate::records::Record;

/// A router that decides here.
pub(crate) struct Routed {
    pub(crate) decider: Decider,
    /// Identity of the router.
    pub(crate) fingerprint: String,
    /// Models of its pool that no upstream serves.
    unserved: Vec<String>,
}

impl Routed {
    /// `router` with what is known of its models where they are `served`.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if no model of its pool is served.
    pub(crate) async fn new(
        router: Router,
        served: &BTreeMap<String, Arc<Served>>,
        config: &ServeConfig,
    ) -> Result<Self> {
        let served = |name: &str| served.get(name).filter(|served| served.is_routed);
        let deployed = |known: &Model| match served(&known.name) {
            Some(served) => {
                Model { context_window: served.model.context_window, tags: served.model.tags.clone(), ..known.clone() }
            }
            None => known.clone(),
        };
        let pool: Vec<Model> = router.models().models().iter().map(deployed).collect();
        let names = pool.iter().map(|model| &model.name);
        let unserved: Vec<String> = names.filter(|name| served(name).is_none()).cloned().collect();
        if unserved.len() == pool.len() {
            return Err(Error::new(ErrorKind::Config, "no model of the router's pool is served").at_field("models"));
        }
        let fingerprint = router.fingerprint()?;
        if !unserved.is_empty() {
            let models = unserved.join(", ");
            tracing::warn!(router = fingerprint, models, "the router knows models that no upstream serves");
        }
        let router = Arc::new(router.with_deployment(pool)?);
        let switching_cost = config.conversations.switching_cost as f32;
        let decider = Decider::new(router, &config.decisions, switching_cost).await?;
        Ok(Self { decider, fingerprint, unserved })
    }

    pub(crate) fn router(&self) -> &Router {
        self.decider.router()
    }

    /// `constraints` in the terms of this router: no name that it does not know, and no model that is not served.
    pub(crate) fn known(&self, mut constraints: Constraints) -> Constraints {
        let is_known = |model: &String| self.router().models().index_of(model).is_ok();
        if let Some(allowed) = &mut constraints.allowed_models {
            allowed.retain(is_known);
        }
        constraints.unavailable_models.retain(is_known);
        let is_new = |model: &&String| !constraints.unavailable_models.contains(model);
        let new: Vec<String> = self.unserved.iter().filter(is_new).cloned().collect();
        constraints.unavailable_models.extend(new);
        constraints
    }

    /// The record, to be gone on with, of a request that asked for `asked_for`; `None` if no model may take it.
    pub(crate) fn record(&self, decided: &Decided, surface: &str, asked_for: &str) -> Option<Record> {
        let name = |model: usize| self.router().models().name(model).to_owned();
        let model = name(decided.decision.model()?);
        Some(Record {
            asked_for: asked_for.to_owned(),
            router: Some(self.fingerprint.clone()),
            instead_of: decided.instead_of.map(name),
            propensity: decided.propensity,
            eligible: decided.decision.order().into_iter().map(name).collect(),
            task: decided.task.map(|task| task.0),
            score: Some(f64::from(decided.decision.score)),
            expected_cost_usd: decided.expected_cost_usd.map(f64::from),
            decision_microseconds: Some(decided.time.as_micros() as u64),
            ..Record::of_named(decided.id, surface, &model)
        })
    }
}

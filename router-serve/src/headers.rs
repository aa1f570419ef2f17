//! The headers that tell of a decision.

use hyper::header::{HeaderName, HeaderValue};
use router_core::TaskId;
use uuid::Uuid;

use crate::live::Served;
use crate::upstream::Upstream;

pub(crate) const MODEL: HeaderName = HeaderName::from_static("x-router-model");
pub(crate) const TASK: HeaderName = HeaderName::from_static("x-router-task");
pub(crate) const DECISION: HeaderName = HeaderName::from_static("x-router-decision");
pub(crate) const UPSTREAM: HeaderName = HeaderName::from_static("x-router-upstream");
pub(crate) const FAILED: HeaderName = HeaderName::from_static("x-router-failed-attempts");

/// What is told of a decision, and of who answers.
pub(crate) fn of_decision(
    served: &Served,
    upstream: &Upstream,
    decision: Uuid,
    task: Option<TaskId>,
) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    let task = task.map_or_else(|| "none".to_owned(), |task| task.to_string());
    let told = [
        (MODEL, served.model.name.clone()),
        (UPSTREAM, upstream.config.name.clone()),
        (DECISION, decision.to_string()),
        (TASK, task),
    ];
    // Names of models and upstreams were checked to fit a header.
    told.into_iter().filter_map(|(name, value)| Some((name, HeaderValue::try_from(value).ok()?)))
}

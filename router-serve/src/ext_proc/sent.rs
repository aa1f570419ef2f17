//! What an upstream is sent in place of what the client sent.

use std::sync::Arc;

use hyper::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, TRANSFER_ENCODING,
};
use uuid::Uuid;

use super::message::Headers;
use crate::conversations::CONVERSATION;
use crate::error::Refusal;
use crate::headers::of_decision;
use crate::live::{Live, Served};
use crate::plan::Plan;
use crate::upstream::{API_KEY, Upstream};

/// The models that come next where the first one fails. Whoever sends the request may ask them.
pub(super) const FALLBACK: HeaderName = HeaderName::from_static("x-router-fallback");

/// A request for an upstream.
pub(super) struct Sent {
    pub(super) served: Arc<Served>,
    pub(super) upstream: Arc<Upstream>,
    pub(super) body: Vec<u8>,
    pub(super) headers: Headers,
    /// What the client is told of the decision.
    pub(super) told: Vec<(HeaderName, HeaderValue)>,
}

impl Sent {
    /// The request of `plan` for the first place of its first model, in place of the one to `path`.
    ///
    /// # Errors
    /// 500 if no place serves it, which a decision rules out.
    pub(super) fn new(live: &Live, plan: &mut Plan, decision: Uuid, path: &str) -> Result<Self, Refusal> {
        let api = plan.call.api;
        let mut models = plan.models.iter();
        let Some((served, (upstream, name))) = models.find_map(|served| Some((served, served.places(api).next()?)))
        else {
            return Err(Refusal::internal());
        };
        let (served, upstream) = (Arc::clone(served), Arc::clone(upstream));
        let fallback: Vec<&str> = models.map(|served| served.model.name.as_str()).collect();
        let told: Vec<_> = of_decision(&served, &upstream, decision, plan.task).collect();
        let body: Vec<u8> = plan.call.body_for(name, upstream.config.ask_usage).into();
        let mut headers = Headers::default();
        // What is compressed could not be read on its way back. Conversations are nobody else's.
        let mut removed = vec![ACCEPT_ENCODING, CONVERSATION, TRANSFER_ENCODING];
        let mut set = |name: &HeaderName, value: HeaderValue| headers.set.push((name.to_string(), value));
        for (name, value) in &told {
            set(name, value.clone());
        }
        match HeaderValue::try_from(fallback.join(",")) {
            Ok(names) if !fallback.is_empty() => set(&FALLBACK, names),
            _ => removed.push(FALLBACK),
        }
        for (name, value) in &plan.call.headers {
            set(name, value.clone());
        }
        set(&CONTENT_TYPE, HeaderValue::from_static("application/json"));
        // Envoy sends no body whose length is not the one that its head tells.
        set(&CONTENT_LENGTH, body.len().into());
        if plan.call.is_streamed {
            set(&ACCEPT, HeaderValue::from_static("text/event-stream"));
        }
        let key = upstream.client.authorization();
        if let Some((name, value)) = key {
            set(name, value.clone());
        }
        if key.is_some() || !live.clients.is_empty() {
            // The keys of clients are for the gateway alone.
            removed.extend([AUTHORIZATION, API_KEY].into_iter().filter(|name| key.is_none_or(|(own, _)| own != name)));
        }
        let own_path = upstream.client.address(api.path()).map(|address| address.path().to_owned());
        if let Some(own) = own_path.filter(|own| own != path)
            && let Ok(own) = HeaderValue::try_from(own)
        {
            headers.set.push((":path".to_owned(), own));
        }
        headers.removed = removed;
        Ok(Self { served, upstream, body, headers, told })
    }
}

//! `GET /v1/models`: what a request may give as its `model`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use hyper::HeaderMap;
use serde_json::{Value, json};

use crate::config::{AUTO, Api};
use crate::error::Refusal;
use crate::gateway::Gateway;

pub(super) async fn list(State(gateway): State<Arc<Gateway>>, headers: HeaderMap) -> Result<Json<Value>, Refusal> {
    let live = gateway.live();
    live.clients.of(&headers)?;
    let entry = |id: &str, owner: &str| json!({ "id": id, "object": "model", "created": 0, "owned_by": owner });
    let mut data = vec![entry(AUTO, "router")];
    data.extend(live.pools().iter().map(|pool| entry(&pool.name, "router")));
    for served in live.served() {
        let mut listed = entry(&served.model.name, served.first().map_or("", |upstream| upstream.config.name.as_str()));
        if let Some(fields) = listed.as_object_mut() {
            fields.insert("context_window".into(), served.model.context_window.into());
            fields.insert("input_usd_per_mtok".into(), served.model.input_usd_per_mtok.into());
            fields.insert("output_usd_per_mtok".into(), served.model.output_usd_per_mtok.into());
            fields.insert("tags".into(), served.model.tags.clone().into());
            let apis = served.apis().into_iter().map(Api::label).collect::<Vec<_>>();
            fields.insert("api".into(), apis.into());
            fields.insert("routed".into(), served.is_routed.into());
        }
        data.push(listed);
    }
    Ok(Json(json!({ "object": "list", "data": data })))
}

//! An embedder within another: looked up in the registry when the outer configuration is prepared, stored in the outer artifact.

use std::fmt;
use std::sync::Arc;

use router_core::ComponentConfig;
use router_core::prelude::*;
use router_core::traits::{DynEmbedder, StoredEmbedder};
use serde_json::Value;

/// The embedders of a configuration once the registry has built them: nothing but what the configuration says.
#[derive(Clone, Default)]
pub(super) struct Built(pub(super) Vec<Arc<dyn DynEmbedder>>);

impl fmt::Debug for Built {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} built", self.0.len())
    }
}

impl PartialEq for Built {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

/// Builds `embedder`, the value of `field`, and fills its parameters' defaults in.
pub(super) fn build(registry: &Registry, embedder: &mut ComponentConfig, field: &str) -> Result<Arc<dyn DynEmbedder>> {
    let parameters = Value::Object(embedder.parameters.clone());
    let (component, resolved) = registry.build::<EmbedderRole>(&embedder.name, parameters).map_err(|error| {
        let field = error.field().map_or_else(|| field.to_owned(), |inner| format!("{field}.{inner}"));
        error.at_field(field)
    })?;
    if let Value::Object(resolved) = resolved {
        embedder.parameters = resolved;
    }
    Ok(Arc::from(component))
}

/// The error of a configuration of `plugin` whose embedders were never looked up.
pub(super) fn unprepared(plugin: &str) -> Error {
    Error::new(ErrorKind::Usage, format!("the embedders of `{plugin}` have not been looked up in a registry"))
        .help("give the configuration to a RouterBuilder, or call `prepare` first")
}

/// Reads the embedder `name` that was stored under `prefix`.
pub(super) fn load(reader: &SlotReader<'_>, prefix: &str, name: &str) -> Result<Box<dyn StoredEmbedder>> {
    let (format, _): (String, u32) = reader.get_json(&format!("{prefix}/format"))?;
    if reader.registry().info::<EmbedderRole>(name)?.format != Some(format.as_str()) {
        return Err(reader.corrupt(&format!("{prefix} holds `{format}`, which is not of `{name}`")));
    }
    reader.registry().load::<EmbedderRole>(name, &reader.nested(prefix)?)
}

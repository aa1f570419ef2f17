//! A component within another, of its role or of another one: looked up in the registry when the outer configuration is prepared, stored in the
//! outer artifact.

use std::fmt;
use std::sync::Arc;

use router_core::ComponentConfig;
use router_core::prelude::*;
use router_core::registry::{Role, Shelved};
use serde_json::Value;

/// The components of a configuration once the registry has built them: nothing but what the configuration says.
pub(crate) struct Built<R: Role>(pub(crate) Vec<Arc<R::Unfitted>>);

impl<R: Role> Clone for Built<R> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<R: Role> Default for Built<R> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<R: Role> fmt::Debug for Built<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} built", self.0.len())
    }
}

impl<R: Role> PartialEq for Built<R> {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

/// Builds `component`, the value of `field`, and fills its parameters' defaults in.
pub(crate) fn build<R: Shelved>(
    registry: &Registry,
    component: &mut ComponentConfig,
    field: &str,
) -> Result<Arc<R::Unfitted>> {
    let parameters = Value::Object(component.parameters.clone());
    let (built, resolved) = registry.build::<R>(&component.name, parameters).map_err(|error| {
        let field = error.field().map_or_else(|| field.to_owned(), |inner| format!("{field}.{inner}"));
        error.at_field(field)
    })?;
    if let Value::Object(resolved) = resolved {
        component.parameters = resolved;
    }
    Ok(Arc::from(built))
}

/// The error of a configuration of `plugin` whose components were never looked up.
pub(crate) fn unprepared(plugin: &str) -> Error {
    Error::new(ErrorKind::Usage, format!("the components of `{plugin}` have not been looked up in a registry"))
        .help("give the configuration to a RouterBuilder, or call `prepare` first")
}

/// Reads the component `name` that was stored under `prefix`.
pub(crate) fn load<R: Shelved>(reader: &SlotReader<'_>, prefix: &str, name: &str) -> Result<Box<R::Stored>> {
    let (format, _): (String, u32) = reader.get_json(&format!("{prefix}/format"))?;
    if reader.registry().info::<R>(name)?.format != Some(format.as_str()) {
        return Err(reader.corrupt(&format!("{prefix} holds `{format}`, which is not of `{name}`")));
    }
    reader.registry().load::<R>(name, &reader.nested(prefix)?)
}

//! Which models a configuration needs.

use std::collections::BTreeSet;

use router_core::{ComponentConfig, EmbedderRole, Registry, Result};
use serde_json::Value;

use crate::models::catalog;
use crate::models::locate::is_path;

/// The names of the models that `embedder` needs in the cache, sorted; those of embedders inside it (`concat`) too. A model that
/// the configuration gives by path is not among them: it is where it is.
///
/// A component needs a model if it is a plugin that the catalog names and has a parameter `model`; defaults are filled in first.
///
/// # Errors
/// As [`Registry::build`], fields below `embedder`.
pub fn wanted(embedder: &ComponentConfig, registry: &Registry) -> Result<Vec<String>> {
    let parameters = Value::Object(embedder.parameters.clone());
    let (_, mut resolved) = registry.build::<EmbedderRole>(&embedder.name, parameters).map_err(|error| {
        let field = error.field().map_or_else(|| "embedder".to_owned(), |field| format!("embedder.{field}"));
        error.at_field(field)
    })?;
    if let Some(fields) = resolved.as_object_mut() {
        fields.insert("use".to_owned(), embedder.name.clone().into());
    }
    let mut names = BTreeSet::new();
    collect(&resolved, &mut names);
    Ok(names.into_iter().collect())
}

fn collect(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            let text = |field: &str| fields.get(field).and_then(Value::as_str);
            if let (Some(plugin), Some(model)) = (text("use"), text("model"))
                && catalog::CATALOG.iter().any(|entry| entry.embedder == plugin)
                && !is_path(model)
            {
                names.insert(model.to_owned());
            }
            for field in fields.values() {
                collect(field, names);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, names)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn models_are_found_at_any_depth_and_only_those_of_encoders() {
        let config = json!({
            "use": "concat",
            "parts": [
                { "embedder": { "use": "bert", "model": "all-MiniLM-L6-v2" } },
                { "embedder": { "use": "remote", "model": "text-embedding-3-small" } },
                { "embedder": { "use": "concat", "parts": [
                    { "embedder": { "use": "static", "model": "wordllama" } },
                    { "embedder": { "use": "bert", "model": "./models/mine" } },
                    { "embedder": { "use": "bert", "model": "all-MiniLM-L6-v2" } },
                ] } },
            ],
        });
        let mut names = BTreeSet::new();
        collect(&config, &mut names);
        assert_eq!(Vec::from_iter(names), ["all-MiniLM-L6-v2", "wordllama"]);
    }

    #[test]
    fn an_embedder_without_a_model_needs_none_and_a_wrong_one_is_named() {
        let registry = crate::builtin().unwrap();
        assert!(wanted(&ComponentConfig::new("hashing"), &registry).unwrap().is_empty());
        let error = wanted(&ComponentConfig::new("hashing").with("dimension", 1), &registry).unwrap_err();
        assert_eq!(error.field(), Some("embedder.dimension"));
    }
}

//! The JSON Schema of a router's configuration with every registered plugin.

use serde_json::{Map, Value, json};

use crate::config::{CostConfig, CrossFitConfig, TasksConfig};
use crate::registry::{
    AggregatorRole, ClassifierRole, DiscovererRole, EmbedderRole, EstimatorRole, PolicyRole, Registry, Role,
};

/// The JSON Schema (draft 2020-12) of a router's configuration, with the parameters of every plugin in `registry`.
pub fn router_schema(registry: &Registry) -> Value {
    let mut definitions = Map::new();
    let mut by_role: Map<String, Value> = Map::new();
    for plugin in registry.list() {
        let Some(mut schema) = registry.schema(plugin.role, plugin.name) else { continue };
        let name = format!("{}-{}", plugin.role, plugin.name);
        if let Some(object) = schema.as_object_mut() {
            object.remove("$schema");
            // Definitions move to the root, where references look for them.
            if let Some(Value::Object(nested)) = object.remove("$defs") {
                definitions.extend(nested);
            }
            object.insert("description".into(), plugin.summary.into());
            if let Some(properties) = object.entry("properties").or_insert_with(|| json!({})).as_object_mut() {
                properties.insert("use".into(), json!({ "const": plugin.name }));
            }
            match object.entry("required").or_insert_with(|| json!([])) {
                Value::Array(required) => required.push("use".into()),
                other => *other = json!(["use"]),
            }
        }
        let reference = json!({ "$ref": format!("#/$defs/{name}") });
        definitions.insert(name, schema);
        if let Some(list) = by_role.entry(plugin.role).or_insert_with(|| json!([])).as_array_mut() {
            list.push(reference);
        }
    }
    let mut one_of = |role: &str| json!({ "oneOf": by_role.remove(role).unwrap_or_else(|| json!([])) });
    let section = |schema: schemars::Schema| {
        let mut schema = schema.to_value();
        if let Some(object) = schema.as_object_mut() {
            object.remove("$schema");
        }
        schema
    };
    let estimator = one_of(EstimatorRole::NAME);
    let mut cost = section(schemars::schema_for!(CostConfig));
    if let Some(output_tokens) = cost.pointer_mut("/properties/output_tokens").and_then(Value::as_object_mut) {
        output_tokens.remove("type");
        output_tokens.extend(estimator.as_object().cloned().unwrap_or_default());
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "RouterConfig",
        "type": "object",
        "additionalProperties": false,
        "required": ["embedder"],
        "properties": {
            "seed": { "type": "integer", "minimum": 0, "default": 0, "description": "The root seed." },
            "embedder": one_of(EmbedderRole::NAME),
            "discoverer": one_of(DiscovererRole::NAME),
            "classifier": one_of(ClassifierRole::NAME),
            "task_scores": estimator,
            "estimators": { "type": "array", "items": estimator },
            "aggregator": one_of(AggregatorRole::NAME),
            "policy": one_of(PolicyRole::NAME),
            "tasks": section(schemars::schema_for!(TasksConfig)),
            "cost": cost,
            "cross_fit": section(schemars::schema_for!(CrossFitConfig)),
        },
        "$defs": definitions,
    })
}

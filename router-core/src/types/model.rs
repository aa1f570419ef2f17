//! Models and the pool that a router chooses from.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};

/// The position of a model in its pool: the column of every estimate.
pub type ModelIndex = usize;

/// A model that prompts can be sent to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// Unique within a pool.
    #[serde(rename = "model")]
    pub name: String,
    /// US dollars for a million input tokens; `None` where unknown.
    #[serde(default)]
    pub input_usd_per_mtok: Option<f64>,
    /// US dollars for a million output tokens; `None` where unknown.
    #[serde(default)]
    pub output_usd_per_mtok: Option<f64>,
    /// The most tokens, input and output together, that fit; `None` where unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_window: Option<u32>,
    /// Seconds until a call's first output token; `None` where unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_seconds: Option<f64>,
    /// Output tokens that the model writes in a second; `None` where unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_tokens_per_second: Option<f64>,
    /// What the model can do, as free labels: `tools`, `images`, `json`...
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

impl Model {
    /// A model of unknown price.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            input_usd_per_mtok: None,
            output_usd_per_mtok: None,
            context_window: None,
            latency_seconds: None,
            output_tokens_per_second: None,
            tags: Vec::new(),
        }
    }

    /// The same model at a price in US dollars for a million input and output tokens.
    pub fn with_price(mut self, input: f64, output: f64) -> Self {
        self.input_usd_per_mtok = Some(input);
        self.output_usd_per_mtok = Some(output);
        self
    }

    /// What a call of so many tokens costs in US dollars, where both prices are known.
    pub fn price(&self, input_tokens: f64, output_tokens: f64) -> Option<f64> {
        Some((self.input_usd_per_mtok? * input_tokens + self.output_usd_per_mtok? * output_tokens) / 1e6)
    }
}

/// An ordered set of models with unique names.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ModelPool {
    models: Vec<Model>,
    by_name: BTreeMap<String, ModelIndex>,
}

impl ModelPool {
    /// A pool of `models`, in their order.
    ///
    /// # Errors
    /// [`ErrorKind::EmptyPool`] without a model; [`ErrorKind::Data`] for a name that is empty or stands twice, a price
    /// that is negative or not finite, or a latency or rate that is none.
    pub fn new(models: Vec<Model>) -> Result<Self> {
        if models.is_empty() {
            return Err(Error::new(ErrorKind::EmptyPool, "the model pool is empty").help("name at least one model"));
        }
        let mut by_name = BTreeMap::new();
        for (index, model) in models.iter().enumerate() {
            if model.name.is_empty() {
                return Err(Error::new(ErrorKind::Data, format!("model {index} has an empty name")).at_field("model"));
            }
            for (field, price) in
                [("input_usd_per_mtok", model.input_usd_per_mtok), ("output_usd_per_mtok", model.output_usd_per_mtok)]
            {
                if price.is_some_and(|price| !price.is_finite() || price < 0.0) {
                    return Err(Error::new(
                        ErrorKind::Data,
                        format!("the price of model `{}` is not a price", model.name),
                    )
                    .at_field(field)
                    .help("a price is a finite number of US dollars, zero or more, or null where unknown"));
                }
            }
            let latency = model.latency_seconds.is_some_and(|seconds| !seconds.is_finite() || seconds < 0.0);
            let rate = model.output_tokens_per_second.is_some_and(|rate| !rate.is_finite() || rate <= 0.0);
            if latency || rate {
                let (field, help) = if latency {
                    ("latency_seconds", "a latency is a finite number of seconds, zero or more, or null where unknown")
                } else {
                    ("output_tokens_per_second", "a rate is a finite number above zero, or null where unknown")
                };
                return Err(Error::new(ErrorKind::Data, format!("the speed of model `{}` is not a speed", model.name))
                    .at_field(field)
                    .help(help));
            }
            if by_name.insert(model.name.clone(), index).is_some() {
                return Err(
                    Error::new(ErrorKind::Data, format!("model `{}` stands twice", model.name)).at_field("model")
                );
            }
        }
        Ok(Self { models, by_name })
    }

    /// Number of models.
    #[allow(clippy::len_without_is_empty, reason = "a pool is never empty")]
    pub fn len(&self) -> usize {
        self.models.len()
    }

    /// The models in order.
    pub fn models(&self) -> &[Model] {
        &self.models
    }

    /// The model at `index`, if there is one.
    pub fn get(&self, index: ModelIndex) -> Option<&Model> {
        self.models.get(index)
    }

    /// The name of the model at `index`; `"?"` if there is none.
    pub fn name(&self, index: ModelIndex) -> &str {
        self.models.get(index).map_or("?", |model| model.name.as_str())
    }

    /// The index of the model called `name`.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownModel`] with the names that are known.
    pub fn index_of(&self, name: &str) -> Result<ModelIndex> {
        self.by_name.get(name).copied().ok_or_else(|| {
            let known: Vec<&str> = self.by_name.keys().map(String::as_str).take(20).collect();
            let more = if self.len() > known.len() { ", ..." } else { "" };
            Error::new(ErrorKind::UnknownModel, format!("unknown model `{name}`"))
                .help(format!("the pool holds {}{more}", known.join(", ")))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_refuses_what_is_no_pool() {
        assert_eq!(ModelPool::new(vec![]).unwrap_err().kind(), ErrorKind::EmptyPool);
        assert_eq!(ModelPool::new(vec![Model::new("a"), Model::new("a")]).unwrap_err().kind(), ErrorKind::Data);
        let speed = |latency_seconds, output_tokens_per_second| {
            let model = Model { latency_seconds, output_tokens_per_second, ..Model::new("a") };
            ModelPool::new(vec![model]).err().and_then(|error| error.field().map(str::to_owned))
        };
        assert_eq!(speed(Some(0.0), Some(1.0)), None);
        assert_eq!(speed(Some(-0.5), Some(1.0)).as_deref(), Some("latency_seconds"));
        assert_eq!(speed(None, Some(0.0)).as_deref(), Some("output_tokens_per_second"));
        assert_eq!(
            ModelPool::new(vec![Model::new("a").with_price(f64::NAN, 0.0)]).unwrap_err().kind(),
            ErrorKind::Data
        );
    }

    #[test]
    fn an_unknown_model_lists_the_known() {
        let pool = ModelPool::new(vec![Model::new("b"), Model::new("a")]).unwrap();
        assert_eq!(pool.index_of("a").unwrap(), 1);
        assert_eq!(pool.index_of("c").unwrap_err().to_string(), "unknown model `c` (the pool holds a, b)");
    }

    #[test]
    fn a_call_has_a_price_only_where_both_prices_are_known() {
        assert_eq!(Model::new("a").with_price(2.0, 10.0).price(1e6, 1e5), Some(3.0));
        assert_eq!(Model::new("a").price(1.0, 1.0), None);
    }
}

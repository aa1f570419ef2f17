//! What one request allows, and which models that leaves.
#![allow(clippy::indexing_slicing, reason = "rows and models are within the mask's shape, checked when it is reset")]

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::types::matrix::MatrixView;
use crate::types::model::{ModelIndex, ModelPool};

/// A request's own constraints. The default allows every model.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Constraints {
    /// The only models allowed, by name; `None` allows all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_models: Option<Vec<String>>,
    /// Models that cannot be had right now, by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unavailable_models: Vec<String>,
    /// Tags that a model must carry, all of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub required_tags: Vec<String>,
    /// Tokens of the prompt, where the caller counted them; otherwise one for every four bytes is assumed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_tokens: Option<u32>,
    /// Tokens to keep free in the context window for the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maximum_output_tokens: Option<u32>,
    /// The most that the call may be expected to cost in US dollars. A model of unknown price is then not eligible.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maximum_cost_usd: Option<f64>,
    /// The least quality that a model's answer may be expected to have, in [0, 1].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minimum_quality: Option<f64>,
}

/// Why a model is not eligible for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ineligible {
    /// It is not among the allowed models.
    NotAllowed,
    /// It is unavailable.
    Unavailable,
    /// It lacks a required tag.
    MissingTag,
    /// The prompt and its answer do not fit its context window.
    ContextWindow,
    /// It is expected to cost too much, or its price is unknown.
    Cost,
    /// Its answer is expected to be worse than the least quality asked for.
    Quality,
}

/// What is known of a call before it is made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExpectedCall {
    /// Tokens of the prompt, where the request brings no count of its own.
    pub prompt_tokens: u32,
    /// Expected cost in US dollars; `None` where the price is unknown.
    pub cost_usd: Option<f32>,
    /// Expected quality of the answer.
    pub quality: f32,
}

impl Constraints {
    /// Whether nothing is constrained but, perhaps, the context window.
    pub fn is_unconstrained(&self) -> bool {
        self.allowed_models.is_none()
            && self.unavailable_models.is_empty()
            && self.required_tags.is_empty()
            && self.maximum_cost_usd.is_none()
            && self.minimum_quality.is_none()
    }

    /// # Errors
    /// [`crate::ErrorKind::UnknownModel`] if a named model is not in `pool`; [`crate::ErrorKind::Usage`] for a maximum cost
    /// or a least quality that is none.
    pub fn check(&self, pool: &ModelPool) -> Result<()> {
        for name in self.allowed_models.iter().flatten().chain(&self.unavailable_models) {
            pool.index_of(name)?;
        }
        if self.maximum_cost_usd.is_some_and(|cost| cost.is_nan() || cost < 0.0) {
            return Err(crate::Error::new(crate::ErrorKind::Usage, "the maximum cost is not a cost")
                .at_field("maximum_cost_usd")
                .help("a number of US dollars, zero or more"));
        }
        if self.minimum_quality.is_some_and(|quality| !(0.0..=1.0).contains(&quality)) {
            return Err(crate::Error::new(crate::ErrorKind::Usage, "the least quality is not a quality")
                .at_field("minimum_quality")
                .help("a number from 0 to 1"));
        }
        Ok(())
    }

    /// Why `model` is not eligible, or `None` if it is.
    pub fn ineligible(&self, pool: &ModelPool, model: ModelIndex, expected: ExpectedCall) -> Option<Ineligible> {
        let ExpectedCall { prompt_tokens, cost_usd, quality } = expected;
        let candidate = pool.get(model)?;
        if self.allowed_models.as_ref().is_some_and(|allowed| !allowed.contains(&candidate.name)) {
            return Some(Ineligible::NotAllowed);
        }
        if self.unavailable_models.contains(&candidate.name) {
            return Some(Ineligible::Unavailable);
        }
        if self.required_tags.iter().any(|tag| !candidate.tags.contains(tag)) {
            return Some(Ineligible::MissingTag);
        }
        if let Some(window) = candidate.context_window {
            let needed = u64::from(self.prompt_tokens.unwrap_or(prompt_tokens))
                + u64::from(self.maximum_output_tokens.unwrap_or(0));
            if needed > u64::from(window) {
                return Some(Ineligible::ContextWindow);
            }
        }
        if let Some(maximum) = self.maximum_cost_usd
            && cost_usd.is_none_or(|cost| f64::from(cost) > maximum)
        {
            return Some(Ineligible::Cost);
        }
        if self.minimum_quality.is_some_and(|minimum| f64::from(quality) < minimum) {
            return Some(Ineligible::Quality);
        }
        None
    }
}

/// Which models each request of a batch may be sent to: an n x m mask.
#[derive(Debug, Clone, Default)]
pub struct Eligibility {
    models: usize,
    mask: Vec<bool>,
}

impl Eligibility {
    /// Makes every one of `models` models eligible for every one of `requests` requests. Keeps the memory.
    pub fn reset(&mut self, requests: usize, models: usize) {
        self.models = models;
        self.mask.clear();
        self.mask.resize(requests * models, true);
    }

    /// The mask of request `row`, to be written.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row_mut(&mut self, row: usize) -> &mut [bool] {
        &mut self.mask[row * self.models..(row + 1) * self.models]
    }

    /// The mask of request `row`: true where the model is eligible.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row(&self, row: usize) -> &[bool] {
        &self.mask[row * self.models..(row + 1) * self.models]
    }
}

/// What a policy chooses from: a batch of n requests over m models.
#[derive(Debug, Clone, Copy)]
pub struct Choice<'a> {
    /// Expected quality, n x m.
    pub quality: MatrixView<'a>,
    /// Variance of the expected quality, n x m, where known.
    pub variance: Option<MatrixView<'a>>,
    /// Expected cost in US dollars, n x m. For a model of unknown price it is the highest expected cost of the others.
    pub cost_usd: MatrixView<'a>,
    /// Which models have a known price.
    pub known_cost: &'a [bool],
    /// Which models are eligible.
    pub eligible: &'a Eligibility,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::model::Model;

    #[test]
    fn every_constraint_excludes_for_its_own_reason() {
        let tagged = Model { tags: vec!["tools".into()], context_window: Some(100), ..Model::new("a") };
        let pool = ModelPool::new(vec![tagged, Model::new("b")]).unwrap();
        let free = Constraints::default();
        let call = |prompt_tokens, cost_usd| ExpectedCall { prompt_tokens, cost_usd, quality: 0.5 };
        assert_eq!(free.ineligible(&pool, 0, call(100, None)), None);
        assert_eq!(free.ineligible(&pool, 0, call(101, None)), Some(Ineligible::ContextWindow));
        assert_eq!(free.ineligible(&pool, 1, call(1_000_000, None)), None);
        let only = Constraints { allowed_models: Some(vec!["b".into()]), ..Constraints::default() };
        assert_eq!(only.ineligible(&pool, 0, call(1, None)), Some(Ineligible::NotAllowed));
        let down = Constraints { unavailable_models: vec!["b".into()], ..Constraints::default() };
        assert_eq!(down.ineligible(&pool, 1, call(1, None)), Some(Ineligible::Unavailable));
        let tools = Constraints { required_tags: vec!["tools".into()], ..Constraints::default() };
        assert_eq!(tools.ineligible(&pool, 1, call(1, None)), Some(Ineligible::MissingTag));
        let cheap = Constraints { maximum_cost_usd: Some(0.01), ..Constraints::default() };
        assert_eq!(cheap.ineligible(&pool, 1, call(1, None)), Some(Ineligible::Cost));
        assert_eq!(cheap.ineligible(&pool, 1, call(1, Some(0.02))), Some(Ineligible::Cost));
        assert_eq!(cheap.ineligible(&pool, 1, call(1, Some(0.001))), None);
        let good = |minimum| Constraints { minimum_quality: Some(minimum), ..Constraints::default() };
        assert_eq!(good(0.5).ineligible(&pool, 1, call(1, None)), None);
        assert_eq!(good(0.51).ineligible(&pool, 1, call(1, None)), Some(Ineligible::Quality));
        assert_eq!(good(1.5).check(&pool).unwrap_err().field(), Some("minimum_quality"));
        assert_eq!(good(f64::NAN).check(&pool).unwrap_err().field(), Some("minimum_quality"));
    }

    #[test]
    fn an_unknown_model_in_a_request_is_an_error() {
        let pool = ModelPool::new(vec![Model::new("a")]).unwrap();
        let request = Constraints { unavailable_models: vec!["zz".into()], ..Constraints::default() };
        assert_eq!(request.check(&pool).unwrap_err().kind(), crate::ErrorKind::UnknownModel);
    }
}

//! The cost of a call before it is made.
#![allow(clippy::indexing_slicing, reason = "one entry a model of the pool, checked at construction")]

use serde::{Deserialize, Serialize};

use crate::artifact::{Persist, SlotReader, SlotWriter};
use crate::cost::LengthCalibration;
use crate::error::{Error, ErrorKind, Result};
use crate::pipeline::Newcomer;
use crate::types::dataset::TrainingSet;
use crate::types::model::{Model, ModelIndex, ModelPool};

/// Expects the cost of a call before it is made, from prices and what was measured in training.
///
/// For a model with prices: price x tokens, with the prompt's tokens, the model's mean output tokens in training (or the
/// nominal ones), scaled so that the mean over training agrees with measured costs where there are any. For a model without
/// prices but with measured costs: their mean. Otherwise unknown. Where the configuration names an estimator of output tokens
/// (`cost.output_tokens`), the part that the answer causes is multiplied by how much longer than the model's mean the answer to
/// this prompt is expected to be. Cost: O(outcomes) to fit, O(1) a pair to expect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CostModel {
    /// US dollars for a prompt token, a model.
    per_prompt_token: Vec<f64>,
    /// US dollars a call whatever the prompt, a model; `None` where the cost is unknown.
    per_call: Vec<Option<f64>>,
    /// What held-out predictions of output tokens said, where they are predicted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    output_length: Option<LengthCalibration>,
}

impl CostModel {
    /// Fits to the outcomes of `set`.
    pub fn fit(set: &TrainingSet, nominal_output_tokens: u32) -> Self {
        let pool = set.models();
        let mut sums = vec![Sums::default(); pool.len()];
        for (row, outcome) in set.outcomes().iter() {
            let sum = &mut sums[outcome.model];
            let input = f64::from(outcome.input_tokens.unwrap_or_else(|| set.prompt(row).approximate_tokens()));
            if let Some(output) = outcome.output_tokens {
                sum.output_tokens += f64::from(output);
                sum.with_output += 1;
            }
            if let Some(cost) = outcome.cost_usd {
                sum.cost += cost;
                sum.cost_input += input;
                sum.with_cost += 1;
            }
        }
        let mut per_prompt_token = Vec::with_capacity(pool.len());
        let mut per_call = Vec::with_capacity(pool.len());
        for (model, sum) in pool.models().iter().zip(&sums) {
            let output = if sum.with_output > 0 {
                sum.output_tokens / sum.with_output as f64
            } else {
                f64::from(nominal_output_tokens)
            };
            let count = sum.with_cost as f64;
            let measured = (sum.with_cost > 0).then(|| (sum.cost / count, sum.cost_input / count));
            let (of_token, of_call) = split(model, output, measured);
            per_prompt_token.push(of_token);
            per_call.push(of_call);
        }
        Self { per_prompt_token, per_call, output_length: None }
    }

    /// The same, with what held-out predictions of output tokens said.
    pub(crate) fn with_output_length(self, output_length: Option<LengthCalibration>) -> Self {
        Self { output_length, ..self }
    }

    pub(crate) fn output_length(&self) -> Option<&LengthCalibration> {
        self.output_length.as_ref()
    }

    /// The same with one more model: from its prices, its mean output tokens (or the nominal ones) and its measured costs.
    pub(crate) fn with_model(mut self, newcomer: &Newcomer<'_>, nominal_output_tokens: u32) -> Self {
        let output = newcomer.output_tokens.unwrap_or_else(|| f64::from(nominal_output_tokens));
        let (per_prompt_token, per_call) = split(newcomer.model, output, newcomer.measured_cost);
        self.per_prompt_token.push(per_prompt_token);
        self.per_call.push(per_call);
        if let Some(length) = &mut self.output_length {
            length.join();
        }
        self
    }

    /// The expected cost in US dollars of sending a prompt of so many tokens to `model`, for an answer of mean length; `None`
    /// where unknown.
    pub fn expected(&self, model: ModelIndex, prompt_tokens: u32) -> Option<f64> {
        let per_call = (*self.per_call.get(model)?)?;
        Some(per_call + self.per_prompt_token[model] * f64::from(prompt_tokens))
    }

    /// Which models have a known cost.
    pub fn known(&self) -> impl ExactSizeIterator<Item = bool> + '_ {
        self.per_call.iter().map(Option::is_some)
    }

    /// Writes the expected cost of every model into `out`; for a model of unknown cost the highest of the known ones, so that
    /// an unknown price never looks like a bargain (0 if no cost is known at all). `lengths` holds the expected length of every
    /// model's answer against its mean, and is empty where all are expected to be of that.
    pub fn expected_row(&self, prompt_tokens: u32, lengths: &[f32], out: &mut [f32]) {
        let mut highest = 0.0f32;
        for (model, cost) in out.iter_mut().enumerate() {
            if let Some(per_call) = self.per_call[model] {
                let length = lengths.get(model).map_or(1.0, |&length| f64::from(length));
                let expected = per_call * length + self.per_prompt_token[model] * f64::from(prompt_tokens);
                *cost = expected as f32;
                highest = highest.max(*cost);
            }
        }
        for (model, cost) in out.iter_mut().enumerate() {
            if self.per_call[model].is_none() {
                *cost = highest;
            }
        }
    }

    /// # Errors
    /// [`ErrorKind::Artifact`] if this is not a cost model of `pool`.
    pub(crate) fn check(&self, pool: &ModelPool) -> Result<()> {
        let finite = self.per_prompt_token.iter().chain(self.per_call.iter().flatten()).all(|cost| cost.is_finite());
        let length_fits = self.output_length.as_ref().is_none_or(|length| length.fits(pool.len()));
        if self.per_call.len() != pool.len() || self.per_prompt_token.len() != pool.len() || !finite || !length_fits {
            return Err(Error::new(ErrorKind::Artifact, "the cost model does not belong to this pool of models"));
        }
        Ok(())
    }
}

/// What a prompt token and what a call costs: by price for so many `output` tokens, scaled to the `measured` mean cost at a mean number
/// of prompt tokens.
fn split(model: &Model, output: f64, measured: Option<(f64, f64)>) -> (f64, Option<f64>) {
    match (model.price(1.0, 0.0), model.price(0.0, output)) {
        (Some(input_price), Some(output_cost)) => {
            let scale = match measured {
                Some((cost, input)) if input * input_price + output_cost > 0.0 => {
                    cost / (input * input_price + output_cost)
                }
                _ => 1.0,
            };
            (input_price * scale, Some(output_cost * scale))
        }
        _ => (0.0, measured.map(|(cost, _)| cost)),
    }
}

#[derive(Debug, Clone, Default)]
struct Sums {
    output_tokens: f64,
    with_output: usize,
    cost: f64,
    cost_input: f64,
    with_cost: usize,
}

impl Persist for CostModel {
    const FORMAT: &'static str = "cost-model";
    const VERSION: u32 = 1;

    fn save(&self, writer: &mut SlotWriter) -> Result<()> {
        writer.put_json("cost", self)
    }

    fn load(reader: &SlotReader<'_>) -> Result<Self> {
        reader.get_json("cost")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::types::dataset::Dataset;
    use crate::types::matrix::Matrix;
    use crate::types::outcome::{Outcome, Outcomes};
    use crate::types::prompt::Prompt;

    #[test]
    fn measured_costs_set_the_level_and_unknown_prices_are_never_bargains() {
        let pool = ModelPool::new(vec![
            Model::new("listed").with_price(1.0, 2.0),
            Model::new("discounted").with_price(1.0, 2.0),
            Model::new("unknown"),
        ])
        .unwrap();
        let prompt = Prompt::new("p", "x".repeat(400)); // 100 tokens
        let discounted = Outcome { cost_usd: Some(0.5e-4), output_tokens: Some(0), ..Outcome::new(1, 1.0) };
        let outcomes = Outcomes::from_rows(3, vec![vec![discounted]]).unwrap();
        let dataset = Arc::new(Dataset::new("d", vec![prompt], pool, outcomes).unwrap());
        let set = TrainingSet::new(dataset, Arc::new(Matrix::zeros(1, 1))).unwrap();
        let costs = CostModel::fit(&set, 100);
        assert!((costs.expected(0, 100).unwrap() - 3e-4).abs() < 1e-12);
        assert!((costs.expected(1, 100).unwrap() - 0.5e-4).abs() < 1e-12);
        assert_eq!(costs.expected(2, 100), None);
        let mut row = [0.0; 3];
        costs.expected_row(100, &[], &mut row);
        assert_eq!(row[2], row[0]);
        // Twice the answer: what the prompt costs stays.
        costs.expected_row(100, &[2.0, 1.0, 1.0], &mut row);
        assert!((row[0] - 5e-4).abs() < 1e-9 && (row[1] - 0.5e-4).abs() < 1e-9, "{row:?}");
    }
}

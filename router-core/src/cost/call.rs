//! The cost of a call that was made.

use serde::{Deserialize, Serialize};

use crate::types::model::Model;
use crate::types::outcome::Outcome;
use crate::types::prompt::Prompt;

/// How a cost is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CostKind {
    /// Measured for every call counted.
    Measured,
    /// Estimated from price and tokens for at least one call counted.
    Estimated,
    /// Unknown for at least one call counted.
    None,
}

/// What the call behind `outcome` cost in US dollars, and how that is known.
///
/// Measured cost where there is one; otherwise input price x prompt tokens + output price x output tokens, with a rough count
/// of the prompt's tokens and `nominal_output_tokens` where tokens were not measured; `None` without a price.
pub fn call_cost(
    outcome: &Outcome,
    prompt: &Prompt,
    model: &Model,
    nominal_output_tokens: u32,
) -> Option<(f64, CostKind)> {
    if let Some(cost) = outcome.cost_usd {
        return Some((cost, CostKind::Measured));
    }
    let input = outcome.input_tokens.unwrap_or_else(|| prompt.approximate_tokens());
    let output = outcome.output_tokens.unwrap_or(nominal_output_tokens);
    model.price(f64::from(input), f64::from(output)).map(|cost| (cost, CostKind::Estimated))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_measured_then_estimated_then_unknown() {
        let prompt = Prompt::new("p", "12345678"); // 2 tokens
        let priced = Model::new("a").with_price(1.0, 10.0);
        let measured = Outcome { cost_usd: Some(0.25), ..Outcome::new(0, 1.0) };
        assert_eq!(call_cost(&measured, &prompt, &priced, 100), Some((0.25, CostKind::Measured)));
        let (cost, kind) = call_cost(&Outcome::new(0, 1.0), &prompt, &priced, 100).unwrap();
        assert!((cost - 1002e-6).abs() < 1e-12);
        assert_eq!(kind, CostKind::Estimated);
        assert_eq!(call_cost(&Outcome::new(0, 1.0), &prompt, &Model::new("b"), 100), None);
    }
}

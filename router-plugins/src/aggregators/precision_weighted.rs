//! Inverse-variance weighting: every part counts by how sure it is, pair by pair.
//!
//! The estimate of a (prompt, model) pair is sum of q_p / v_p over sum of 1 / v_p, q_p and v_p being a part's estimate and its
//! variance: of all unbiased weighted means of independent estimates the one of the least variance (Cochran, Journal of the Royal
//! Statistical Society, supplement 4, 1937), which is 1 / (sum of 1 / v_p). A variance below `minimum_variance` counts as that, so
//! that a part that claims to be certain does not silence the others. A part that knows no variance counts as uncertain as the
//! mean of those that do; where no part knows one, all weigh the same. Learns nothing; O(parts) a pair.
//!
//! Choose it where every part has a variance (`task-mean`, `ridge`, `global-mean`): a task of a few prompts then speaks softly.
//! It takes variances at their word; where parts lie about them, or lean on the same outcomes, `weighted` and `stacking`, which
//! look at held-out outcomes, are safer.

use router_core::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::aggregators::parts::{add_mean_cost, shape};
use crate::ranges::out_of_range;

/// Parameters of the `precision-weighted` aggregator; see the [module](self).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PrecisionWeightedConfig {
    /// The least variance that a part is believed. Default 0.0001: a standard error of one point of quality in a hundred.
    #[schemars(range(min = 1.0e-9, max = 1.0))]
    pub minimum_variance: f64,
}

impl Default for PrecisionWeightedConfig {
    fn default() -> Self {
        Self { minimum_variance: 1e-4 }
    }
}

impl PluginConfig for PrecisionWeightedConfig {
    const NAME: &'static str = "precision-weighted";
    const SUMMARY: &'static str = "The mean of the parts, each weighed by the inverse of its variance";
    const SOURCE: &'static str = "Cochran, Journal of the Royal Statistical Society, supplement 4 (1937)";
    const COST: &'static str = "nothing to fit; O(parts m) a prompt";
    const EXAMPLE: &'static str = "minimum_variance = 0.001\n";
}

impl Aggregator for PrecisionWeightedConfig {
    type Fitted = PrecisionWeightedAggregator;

    fn needs_cross_fit(&self, _parts: &[PartInfo]) -> bool {
        false
    }

    fn fit(&self, evidence: &AggregatorEvidence<'_>, _cx: &FitContext) -> Result<PrecisionWeightedAggregator> {
        PrecisionWeightedAggregator::new(evidence.parts.len(), self.minimum_variance as f32)
    }
}

router_core::register!(AggregatorRole, PrecisionWeightedConfig);

/// Inverse-variance weighting that is ready.
#[derive(Debug, Clone, PartialEq)]
pub struct PrecisionWeightedAggregator {
    parts: usize,
    minimum_variance: f32,
}

impl PrecisionWeightedAggregator {
    fn new(parts: usize, minimum_variance: f32) -> Result<Self> {
        if parts == 0 {
            return Err(Error::shape("parts to aggregate", "at least 1", 0));
        }
        if !(1e-10..=1.0).contains(&minimum_variance) {
            return out_of_range(
                "aggregator.minimum_variance",
                &minimum_variance,
                "at least 0.000000001 and at most 1",
            );
        }
        Ok(Self { parts, minimum_variance })
    }
}

impl FittedAggregator for PrecisionWeightedAggregator {
    /// Has a variance where every part has one; expected cost is the mean of the parts that know it.
    fn aggregate(&self, parts: &[EstimatesView<'_>], out: &mut Estimates) -> Result<()> {
        let (n, m) = shape(parts, self.parts)?;
        out.reset(n, m);
        let all_know = parts.iter().all(|part| part.variance.is_some());
        if all_know {
            out.variance_mut();
        }
        let believed = |part: &EstimatesView<'_>, row: usize, model: usize| {
            part.variance.map(|variance| variance.get(row, model).max(self.minimum_variance))
        };
        for row in 0..n {
            for model in 0..m {
                let known = parts.iter().filter_map(|part| believed(part, row, model));
                let (sum, count) = known.fold((0.0f32, 0usize), |(sum, count), variance| (sum + variance, count + 1));
                let typical = if count > 0 { sum / count as f32 } else { 1.0 };
                let (mut total, mut quality) = (0.0f64, 0.0f64);
                for part in parts {
                    let precision = 1.0 / f64::from(believed(part, row, model).unwrap_or(typical));
                    total += precision;
                    quality += precision * f64::from(part.quality.get(row, model));
                }
                out.quality_mut().set(row, model, (quality / total) as f32);
                if all_know {
                    out.variance_mut().set(row, model, (1.0 / total) as f32);
                }
            }
        }
        add_mean_cost(parts.iter(), out);
        Ok(())
    }
}

impl Persist for PrecisionWeightedAggregator {
    const FORMAT: &'static str = "precision-weighted-aggregator";
    const VERSION: u32 = 1;

    fn save(&self, writer: &mut SlotWriter) -> Result<()> {
        writer.put_json("parts", &self.parts)?;
        writer.put_f32("minimum_variance", &[self.minimum_variance])
    }

    fn load(reader: &SlotReader<'_>) -> Result<Self> {
        let minimum = reader.get_f32_of("minimum_variance", 1)?.into_iter().sum();
        Self::new(reader.get_json("parts")?, minimum).map_err(|error| reader.corrupt(&error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(quality: f32, variance: Option<f32>, cost: Option<f32>) -> Estimates {
        let mut estimates = Estimates::new();
        estimates.reset(1, 1);
        estimates.quality_mut().set(0, 0, quality);
        if let Some(variance) = variance {
            estimates.variance_mut().set(0, 0, variance);
        }
        if let Some(cost) = cost {
            estimates.cost_usd_mut().set(0, 0, cost);
        }
        estimates
    }

    /// Quality and variance of the aggregate.
    fn aggregate(parts: &[Estimates]) -> (f32, Option<f32>, Option<f32>) {
        let fitted = PrecisionWeightedAggregator::new(parts.len(), 0.01).unwrap();
        let views: Vec<EstimatesView<'_>> = parts.iter().map(Estimates::view).collect();
        let mut out = Estimates::new();
        fitted.aggregate(&views, &mut out).unwrap();
        (out.quality().get(0, 0), out.variance().map(|v| v.get(0, 0)), out.cost_usd().map(|c| c.get(0, 0)))
    }

    #[test]
    fn weights_by_hand() {
        // Precisions 4 and 1.
        let (quality, variance, cost) = aggregate(&[part(0.5, Some(0.25), Some(2.0)), part(1.0, Some(1.0), None)]);
        assert!((quality - 0.6).abs() < 1e-6 && (variance.unwrap() - 0.2).abs() < 1e-6);
        assert_eq!(cost, Some(2.0));
        // Certainty is believed to 0.01 only: precisions 100 and 25.
        let (quality, variance, _) = aggregate(&[part(0.5, Some(0.0), None), part(1.0, Some(0.04), None)]);
        assert!((quality - 0.6).abs() < 1e-6 && (variance.unwrap() - 0.008).abs() < 1e-6);
        // The third part is as uncertain as the mean of 0.1 and 0.3: precisions 10, 10/3 and 5.
        let parts = [part(0.0, Some(0.1), None), part(0.5, Some(0.3), None), part(1.0, None, None)];
        let (quality, variance, _) = aggregate(&parts);
        assert!((f64::from(quality) - (5.0 / 3.0 + 5.0) / (15.0 + 10.0 / 3.0)).abs() < 1e-6);
        assert_eq!(variance, None);
        // Nobody knows a variance: the plain mean.
        assert_eq!(aggregate(&[part(0.25, None, None), part(0.75, None, None)]), (0.5, None, None));
    }
}

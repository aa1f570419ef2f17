#![doc = include_str!("../README.md")]

use router_core::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parameters of the aggregator `my-idea`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MyIdeaConfig {
    /// Factor of the mean log-odds: above 1, parts that agree make the aggregate surer than each of
    /// them. Default 1.
    // The range is declared once: configurations, `router schema` and the docs read it here.
    #[schemars(range(min = 0.01, max = 100.0))]
    pub sharpness: f32,
}

impl Default for MyIdeaConfig {
    fn default() -> Self {
        Self { sharpness: 1.0 }
    }
}

impl PluginConfig for MyIdeaConfig {
    const NAME: &'static str = "my-idea";
    const SUMMARY: &'static str = "The mean of the parts' log-odds, sharpened";
    const SOURCE: &'static str = "Satopaa et al., Combining multiple probability predictions using a simple logit model, International Journal of Forecasting 30 (2014)";
    const COST: &'static str = "nothing to fit; O(parts m) a prompt";
    const EXAMPLE: &'static str = "sharpness = 1.5\n";
}

register!(AggregatorRole, MyIdeaConfig);

impl Aggregator for MyIdeaConfig {
    type Fitted = MyIdea;

    // An aggregator that learns from estimates of prompts that the parts had not seen says yes, and
    // finds them in `evidence.cross_fitted`. They cost a fit a fold.
    fn needs_cross_fit(&self, _parts: &[PartInfo]) -> bool {
        false
    }

    fn fit(&self, evidence: &AggregatorEvidence<'_>, _cx: &FitContext) -> Result<MyIdea> {
        Ok(MyIdea {
            sharpness: self.sharpness,
            parts: evidence.parts.len(),
        })
    }
}

/// The fitted aggregator.
#[derive(Debug, Clone, PartialEq)]
pub struct MyIdea {
    sharpness: f32,
    parts: usize,
}

/// Estimates are kept this far from 0 and 1, where log-odds are infinite.
const MARGIN: f32 = 0.01;

impl FittedAggregator for MyIdea {
    fn aggregate(&self, parts: &[EstimatesView<'_>], out: &mut Estimates) -> Result<()> {
        let first = match parts.first() {
            Some(first) if parts.len() == self.parts => first,
            _ => {
                return Err(Error::shape(
                    "parts of an aggregate",
                    self.parts,
                    parts.len(),
                ));
            }
        };
        // The buffer belongs to the caller and keeps its memory.
        out.reset(first.prompts(), first.models());
        // YOUR IDEA GOES HERE. This one adds up log-odds, and turns their mean back.
        let quality = out.quality_mut().as_mut_slice();
        for part in parts {
            for (sum, estimate) in quality.iter_mut().zip(part.quality.as_slice()) {
                let estimate = estimate.clamp(MARGIN, 1.0 - MARGIN);
                *sum += (estimate / (1.0 - estimate)).ln();
            }
        }
        let factor = self.sharpness / self.parts as f32;
        quality
            .iter_mut()
            .for_each(|sum| *sum = 1.0 / (1.0 + (-*sum * factor).exp()));
        Ok(())
    }
}

impl Persist for MyIdea {
    const FORMAT: &'static str = "my-idea";
    // Count it up when the layout changes, and read older versions by `reader.version()`.
    const VERSION: u32 = 1;

    fn save(&self, writer: &mut SlotWriter) -> Result<()> {
        writer.put_f32("sharpness", &[self.sharpness])?;
        writer.put_json("parts", &self.parts)
    }

    fn load(reader: &SlotReader<'_>) -> Result<Self> {
        // The file may be hostile: shapes and finiteness are checked here.
        let sharpness = reader.get_f32_of("sharpness", 1)?;
        Ok(Self {
            sharpness: sharpness[0],
            parts: reader.get_json("parts")?,
        })
    }
}

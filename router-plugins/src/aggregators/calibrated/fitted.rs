//! The `calibrated` aggregator, ready.

use router_core::prelude::*;
use router_core::traits::StoredAggregator;

use super::config::Method;
use super::map::Map;
use super::reliability::Reliability;
use crate::nested;

/// Calibration that is ready.
pub struct CalibratedAggregator {
    /// The registered name of the inner aggregator.
    name: String,
    inner: Box<dyn StoredAggregator>,
    method: Method,
    /// One a model.
    maps: Vec<Map>,
    /// Before and after.
    reliability: Option<(Reliability, Reliability)>,
}

impl CalibratedAggregator {
    pub(super) fn new(
        name: String,
        inner: Box<dyn StoredAggregator>,
        method: Method,
        maps: Vec<Map>,
        reliability: Option<(Reliability, Reliability)>,
    ) -> Result<Self> {
        maps.iter().try_for_each(Map::check)?;
        Ok(Self { name, inner, method, maps, reliability })
    }

    /// The reliability of the estimates before and after, on rows that neither the parts, nor the inner aggregator, nor the maps had
    /// seen. `None` where the set could not be split.
    pub fn reliability(&self) -> Option<(Reliability, Reliability)> {
        self.reliability
    }

    /// What becomes of an estimate of `model`; itself for a model that is not there.
    pub fn calibrate(&self, model: ModelIndex, estimate: f64) -> f64 {
        self.maps.get(model).map_or(estimate, |map| map.apply(estimate))
    }
}

impl FittedAggregator for CalibratedAggregator {
    fn aggregate(&self, parts: &[EstimatesView<'_>], out: &mut Estimates) -> Result<()> {
        self.inner.aggregate(parts, out)?;
        let (rows, models) = (out.quality().rows(), out.quality().cols());
        if models != self.maps.len() {
            return Err(Error::shape("models to calibrate", self.maps.len(), models));
        }
        if out.variance().is_some() {
            for row in 0..rows {
                for (model, map) in self.maps.iter().enumerate() {
                    let estimate = f64::from(out.quality().get(row, model));
                    let error = f64::from(out.variance_mut().get(row, model)).max(0.0).sqrt();
                    let half = 0.5 * (map.apply(estimate + error) - map.apply(estimate - error));
                    out.variance_mut().set(row, model, (half * half) as f32);
                }
            }
        }
        for row in 0..rows {
            for (quality, map) in out.quality_mut().row_mut(row).iter_mut().zip(&self.maps) {
                *quality = map.apply(f64::from(*quality)) as f32;
            }
        }
        Ok(())
    }

    fn weights(&self) -> Option<&[f32]> {
        self.inner.weights()
    }

    fn findings(&self, pool: &ModelPool) -> Vec<String> {
        let mut findings = self.inner.findings(pool);
        let method = match self.method {
            Method::Isotonic => "isotonic",
            Method::Beta => "beta",
        };
        findings.push(match self.reliability {
            Some((before, after)) => format!(
                "{method} calibration: mean squared error {:.4} before and {:.4} after, calibration error {:.4} before and {:.4} after, on \
                 held-out prompts",
                before.brier, after.brier, before.error, after.error
            ),
            None => format!("{method} calibration: none, too few prompts to hold any out"),
        });
        findings
    }
}

impl Persist for CalibratedAggregator {
    const FORMAT: &'static str = "calibrated-aggregator";
    const VERSION: u32 = 1;

    fn save(&self, writer: &mut SlotWriter) -> Result<()> {
        writer.put_json("name", &self.name)?;
        writer.put_nested("of", &*self.inner)?;
        writer.put_json("method", &self.method)?;
        writer.put_json("maps", &self.maps)?;
        writer.put_json("reliability", &self.reliability)
    }

    fn load(reader: &SlotReader<'_>) -> Result<Self> {
        let name: String = reader.get_json("name")?;
        let inner = nested::load::<AggregatorRole>(reader, "of", &name)?;
        let (method, maps) = (reader.get_json("method")?, reader.get_json("maps")?);
        Self::new(name, inner, method, maps, reader.get_json("reliability")?)
            .map_err(|error| reader.corrupt(&error.to_string()))
    }
}

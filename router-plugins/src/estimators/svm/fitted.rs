//! The support vector machines, ready.

use router_core::prelude::*;

use crate::nn::Layer;
use crate::platt::Platt;

/// Hyperplanes that are ready, with quality as a function of the margin.
#[derive(Debug, Clone, PartialEq)]
pub struct SvmEstimator {
    /// m outputs, the margins.
    layer: Layer,
    maps: Vec<Platt>,
    penalty: f64,
}

impl SvmEstimator {
    pub(super) fn new(layer: Layer, maps: Vec<Platt>, penalty: f64) -> Result<Self> {
        if maps.len() != layer.outputs() {
            return Err(Error::shape("maps of margins", layer.outputs(), maps.len()));
        }
        layer.weights().view().check_finite("weights of a support vector machine")?;
        let finite = maps.iter().all(|map| map.slope.is_finite() && map.offset.is_finite());
        if !finite || !layer.bias().iter().all(|bias| bias.is_finite()) || !penalty.is_finite() {
            return Err(Error::new(ErrorKind::NonFinite, "intercepts or maps of support vector machines"));
        }
        Ok(Self { layer, maps, penalty })
    }

    /// The penalty that was given or chosen.
    pub fn penalty(&self) -> f64 {
        self.penalty
    }

    /// Writes the margin of every prompt (n x d) and model into `out`, which it resets to n x m. O(n m d).
    ///
    /// # Errors
    /// [`ErrorKind::Shape`] for another dimension.
    pub fn margins(&self, embeddings: MatrixView<'_>, out: &mut Matrix) -> Result<()> {
        if embeddings.cols() != self.layer.inputs() {
            return Err(Error::shape("dimension of embeddings", self.layer.inputs(), embeddings.cols()));
        }
        self.layer.forward(embeddings, out);
        Ok(())
    }
}

impl FittedEstimator for SvmEstimator {
    fn models(&self) -> usize {
        self.layer.outputs()
    }

    fn estimate(&self, batch: &QueryBatch<'_>, out: &mut Estimates) -> Result<()> {
        batch.embeddings.check_finite("embeddings")?;
        out.reset(batch.embeddings.rows(), self.models());
        self.margins(batch.embeddings, out.quality_mut())?;
        for row in 0..batch.embeddings.rows() {
            for (margin, map) in out.quality_mut().row_mut(row).iter_mut().zip(&self.maps) {
                *margin = map.probability(*margin);
            }
        }
        Ok(())
    }
}

impl Persist for SvmEstimator {
    const FORMAT: &'static str = "svm-estimator";
    const VERSION: u32 = 1;

    fn save(&self, writer: &mut SlotWriter) -> Result<()> {
        self.layer.save(writer, "models")?;
        writer.put_json("inputs", &self.layer.inputs())?;
        writer.put_json("penalty", &self.penalty)?;
        let column = |read: fn(&Platt) -> f32| self.maps.iter().map(read).collect::<Vec<f32>>();
        writer.put_f32("maps/slope", &column(|map| map.slope))?;
        writer.put_f32("maps/offset", &column(|map| map.offset))
    }

    fn load(reader: &SlotReader<'_>) -> Result<Self> {
        let layer = Layer::load(reader, "models", reader.get_json("inputs")?, None)?;
        let slopes = reader.get_f32_of("maps/slope", layer.outputs())?;
        let offsets = reader.get_f32_of("maps/offset", layer.outputs())?;
        let maps = slopes.into_iter().zip(offsets).map(|(slope, offset)| Platt { slope, offset }).collect();
        Self::new(layer, maps, reader.get_json("penalty")?).map_err(|error| reader.corrupt(&error.to_string()))
    }
}

//! The network once it is trained and calibrated.

use router_core::prelude::*;

use crate::estimators::network::{Answer, Scratch, Standardization};
use crate::estimators::score_calibration::Calibration;
use crate::neighbors::normalize;
use crate::nn::{Layer, Parameter};

/// A projection and a vector a model.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct DualContrastiveNetwork {
    /// width outputs.
    projection: Layer,
    /// m outputs, on projections of unit length: the logits of quality.
    pub(super) models: Layer,
}

impl DualContrastiveNetwork {
    /// The network whose outputs are the scores, uncalibrated. `parameters` are weights and bias of the projection, then the models' vectors.
    pub(super) fn of(parameters: &[Parameter], standard: &Standardization, temperature: f64) -> Result<Self> {
        let [weights, bias, vectors] = parameters else {
            return Err(Error::shape("tensors of a dual contrastive network", 3, parameters.len()));
        };
        let projection = Layer::new(weights.to_matrix()?, bias.values.clone())?;
        let mut vectors = vectors.to_matrix()?;
        let factor = temperature.recip() as f32;
        for model in 0..vectors.rows() {
            normalize(vectors.row_mut(model));
            for value in vectors.row_mut(model).iter_mut() {
                *value *= factor;
            }
        }
        let bias = vec![0.0; vectors.rows()];
        Ok(Self {
            projection: projection.absorb_standardization(&standard.mean, standard.scale),
            models: Layer::new(vectors, bias)?,
        })
    }

    /// The network whose outputs are the logits of quality.
    pub(super) fn calibrated(self, calibration: &Calibration) -> Result<Self> {
        let mut vectors = self.models.weights().clone();
        for value in vectors.as_mut_slice().iter_mut() {
            *value *= calibration.slope;
        }
        Ok(Self { projection: self.projection, models: Layer::new(vectors, calibration.offsets.clone())? })
    }
}

impl Answer for DualContrastiveNetwork {
    fn inputs(&self) -> usize {
        self.projection.inputs()
    }

    fn models(&self) -> usize {
        self.models.outputs()
    }

    fn answer(&self, embeddings: MatrixView<'_>, scratch: &mut Scratch, logits: &mut Matrix) {
        self.projection.forward(embeddings, &mut scratch.hidden);
        for row in 0..scratch.hidden.rows() {
            normalize(scratch.hidden.row_mut(row));
        }
        self.models.forward(scratch.hidden.view(), logits);
    }

    fn save(&self, writer: &mut SlotWriter, name: &str) -> Result<()> {
        self.projection.save(writer, &format!("{name}/projection"))?;
        self.models.save(writer, &format!("{name}/models"))
    }

    fn load(reader: &SlotReader<'_>, name: &str, inputs: usize) -> Result<Self> {
        let projection = Layer::load(reader, &format!("{name}/projection"), inputs, None)?;
        let models = Layer::load(reader, &format!("{name}/models"), projection.outputs(), None)?;
        Ok(Self { projection, models })
    }
}

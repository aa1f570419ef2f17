//! The softmax classifier, ready.

use router_core::prelude::*;

use crate::classifiers::calibration::assign;
use crate::nn::exponential::softmax;
use crate::nn::panels::Panels;

/// A softmax classifier that is ready: t x d weights and t biases on raw embeddings, a temperature and a threshold.
#[derive(Debug, Clone, PartialEq)]
pub struct SoftmaxClassifier {
    weights: Matrix,
    /// The weights as they are multiplied.
    panels: Panels,
    biases: Vec<f32>,
    temperature: f32,
    threshold: f32,
}

impl SoftmaxClassifier {
    pub(super) fn new(weights: Matrix, biases: Vec<f32>, temperature: f32, threshold: f32) -> Result<Self> {
        if biases.len() != weights.rows() {
            return Err(Error::shape("biases of the tasks", weights.rows(), biases.len()));
        }
        let finite = weights.as_slice().iter().chain(&biases).all(|value| value.is_finite());
        if !finite || !temperature.is_finite() || temperature <= 0.0 || !(0.0..=1.0).contains(&threshold) {
            return Err(Error::new(ErrorKind::NonFinite, "weights, temperature or threshold of a softmax classifier"));
        }
        let panels = Panels::new(&weights);
        Ok(Self { weights, panels, biases, temperature, threshold })
    }

    /// The weights, t x d.
    pub fn weights(&self) -> MatrixView<'_> {
        self.weights.view()
    }

    /// The bias of every task.
    pub fn biases(&self) -> &[f32] {
        &self.biases
    }

    /// What logits are divided by before the softmax.
    pub fn temperature(&self) -> f32 {
        self.temperature
    }

    /// The confidence below which a prompt is assigned to no task.
    pub fn threshold(&self) -> f32 {
        self.threshold
    }

    /// Writes the logits of n embeddings, n x t, before the temperature.
    pub(super) fn write_logits(&self, embeddings: MatrixView<'_>, out: &mut [f32]) {
        self.panels.affine(embeddings, &self.biases, out);
    }

    /// Turns the logits of one embedding, in place, into its softmax over the tasks, and gives the most likely task (ties to the
    /// lowest) and its probability. There is at least one task.
    pub(super) fn softmax(&self, logits: &mut [f32]) -> (usize, f32) {
        softmax(logits, self.temperature)
    }
}

impl FittedClassifier for SoftmaxClassifier {
    fn dimension(&self) -> usize {
        self.weights.cols()
    }

    fn threshold(&self) -> Option<f32> {
        Some(self.threshold)
    }

    fn tasks(&self) -> usize {
        self.weights.rows()
    }

    fn classify(&self, embeddings: MatrixView<'_>, out: &mut TaskDistribution) -> Result<()> {
        if embeddings.cols() != self.dimension() {
            return Err(Error::shape("dimension of the embeddings", self.dimension(), embeddings.cols()));
        }
        out.reset(embeddings.rows(), self.tasks());
        if self.tasks() == 0 {
            return Ok(());
        }
        self.write_logits(embeddings, out.probabilities_mut());
        for row in 0..embeddings.rows() {
            let (probabilities, assigned) = out.row_mut(row);
            let likely = self.softmax(probabilities);
            assign(likely, self.threshold, probabilities, assigned);
        }
        Ok(())
    }
}

impl Persist for SoftmaxClassifier {
    const FORMAT: &'static str = "softmax-classifier";
    const VERSION: u32 = 1;

    fn save(&self, writer: &mut SlotWriter) -> Result<()> {
        writer.put_matrix("weights", &self.weights)?;
        writer.put_f32("biases", &self.biases)?;
        writer.put_f32("temperature", &[self.temperature])?;
        writer.put_f32("threshold", &[self.threshold])
    }

    fn load(reader: &SlotReader<'_>) -> Result<Self> {
        let one = |name| -> Result<f32> { Ok(reader.get_f32_of(name, 1)?.into_iter().sum()) };
        Self::new(reader.get_matrix("weights")?, reader.get_f32("biases")?, one("temperature")?, one("threshold")?)
            .map_err(|error| reader.corrupt(&error.to_string()))
    }
}

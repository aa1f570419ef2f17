//! One member of the ensemble, fitted: trunk, general heads, task heads.
#![allow(clippy::indexing_slicing, reason = "head offsets and models are checked at construction")]

use router_core::artifact::{SlotReader, SlotWriter};
use router_core::{Error, Matrix, ModelIndex, Result, TaskDistribution};

use crate::estimators::moe::config::Routing;
use crate::nn::kernels::{dot, sigmoid};
use crate::nn::{FeedForward, ForwardScratch, Layer};

/// Tasks less likely than this leave their share to the general heads: a row's estimate is off by no more than the sum of what
/// was left out, and hundreds of hopeless tasks cost nothing.
const NEGLIGIBLE: f32 = 1e-4;

/// The heads of the tasks' candidate models, task by task.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TaskHeads {
    /// Heads `offsets[t]..offsets[t + 1]` are those of task t.
    offsets: Vec<usize>,
    /// The model of every head.
    models: Vec<ModelIndex>,
    /// heads x h.
    weights: Matrix,
    bias: Vec<f32>,
}

impl TaskHeads {
    /// No head for any of `tasks` tasks, on a trunk of `hidden` outputs.
    pub(super) fn none(tasks: usize, hidden: usize) -> Self {
        Self { offsets: vec![0; tasks + 1], models: Vec::new(), weights: Matrix::zeros(0, hidden), bias: Vec::new() }
    }

    /// The heads of every task in order: model, weights of `hidden` numbers, bias.
    pub(super) fn new(hidden: usize, tasks: Vec<Vec<(ModelIndex, Vec<f32>, f32)>>) -> Result<Self> {
        let mut heads = Self::none(0, hidden);
        let mut weights = Vec::new();
        for task in tasks {
            for (model, head, bias) in task {
                heads.models.push(model);
                heads.bias.push(bias);
                weights.extend_from_slice(&head);
            }
            heads.offsets.push(heads.models.len());
        }
        heads.weights = Matrix::from_vec(heads.models.len(), hidden, weights)?;
        Ok(heads)
    }

    pub(super) fn tasks(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Number of heads of all tasks together.
    pub(super) fn len(&self) -> usize {
        self.models.len()
    }

    /// The models of the heads of `task`.
    #[cfg(test)]
    pub(super) fn models_of(&self, task: usize) -> &[ModelIndex] {
        &self.models[self.offsets[task]..self.offsets[task + 1]]
    }

    /// Calls `write` with model and probability for every head of `task`.
    fn each(&self, task: usize, hidden: &[f32], mut write: impl FnMut(ModelIndex, f32)) {
        for head in self.offsets[task]..self.offsets[task + 1] {
            write(self.models[head], sigmoid(dot(self.weights.row(head), hidden) + self.bias[head]));
        }
    }

    fn save(&self, writer: &mut SlotWriter, name: &str) -> Result<()> {
        let narrow = |values: &[usize]| values.iter().map(|&value| value as u32).collect::<Vec<u32>>();
        writer.put_u32(&format!("{name}/offsets"), &narrow(&self.offsets))?;
        writer.put_u32(&format!("{name}/models"), &narrow(&self.models))?;
        writer.put_matrix(&format!("{name}/weights"), &self.weights)?;
        writer.put_f32(&format!("{name}/bias"), &self.bias)
    }

    fn load(reader: &SlotReader<'_>, name: &str, tasks: usize, models: usize, hidden: usize) -> Result<Self> {
        let wide = |values: Vec<u32>| values.into_iter().map(|value| value as usize).collect::<Vec<usize>>();
        let offsets = wide(reader.get_u32(&format!("{name}/offsets"))?);
        let of_heads = wide(reader.get_u32(&format!("{name}/models"))?);
        let ascending = offsets.windows(2).all(|pair| pair[0] <= pair[1]);
        let ends = (offsets.first(), offsets.last()) == (Some(&0), Some(&of_heads.len()));
        if Some(offsets.len()) != tasks.checked_add(1) || !ascending || !ends {
            return Err(reader.corrupt(&format!("`{name}` does not say which task has which head")));
        }
        if let Some(model) = of_heads.iter().find(|&&model| model >= models) {
            return Err(reader.corrupt(&format!("`{name}` has a head of model {model} among {models}")));
        }
        let weights = reader.get_matrix_of(&format!("{name}/weights"), of_heads.len(), hidden)?;
        let bias = reader.get_f32_of(&format!("{name}/bias"), of_heads.len())?;
        Ok(Self { offsets, models: of_heads, weights, bias })
    }
}

/// Trunk, general heads and task heads.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Expert {
    pub(super) trunk: FeedForward,
    /// m outputs.
    pub(super) general: Layer,
    pub(super) heads: TaskHeads,
}

/// Buffers of one batch.
#[derive(Debug, Default)]
pub(super) struct ExpertScratch {
    forward: ForwardScratch,
    general: Matrix,
}

impl Expert {
    /// Adds `share` times this member's estimates of the batch to `out`, n x m.
    pub(super) fn add_estimates(
        &self,
        embeddings: router_core::MatrixView<'_>,
        tasks: &TaskDistribution,
        routing: Routing,
        share: f32,
        scratch: &mut ExpertScratch,
        out: &mut Matrix,
    ) {
        let ExpertScratch { forward, general } = scratch;
        let hidden = self.trunk.forward(embeddings, forward);
        self.general.forward(hidden.view(), general);
        general.as_mut_slice().iter_mut().for_each(|logit| *logit = sigmoid(*logit));
        for row in 0..embeddings.rows() {
            let (hidden, general, out) = (hidden.row(row), general.row_mut(row), out.row_mut(row));
            if self.heads.len() == 0 {
                // The general heads stand for every task.
            } else if routing == Routing::Hard {
                if let Some(task) = tasks.assigned(row).filter(|task| task.index() < self.heads.tasks()) {
                    self.heads.each(task.index(), hidden, |model, probability| general[model] = probability);
                }
            } else {
                for (task, &likely) in tasks.probabilities(row).iter().enumerate() {
                    if likely >= NEGLIGIBLE {
                        let each = |model: usize, probability: f32| {
                            out[model] += share * likely * (probability - general[model]);
                        };
                        self.heads.each(task, hidden, each);
                    }
                }
            }
            for (out, &general) in out.iter_mut().zip(&*general) {
                *out += share * general;
            }
        }
    }

    pub(super) fn save(&self, writer: &mut SlotWriter, name: &str) -> Result<()> {
        self.trunk.save(writer, &format!("{name}/trunk"))?;
        self.general.save(writer, &format!("{name}/general"))?;
        self.heads.save(writer, &format!("{name}/heads"))
    }

    pub(super) fn load(
        reader: &SlotReader<'_>,
        name: &str,
        dimension: usize,
        models: usize,
        tasks: usize,
    ) -> Result<Self> {
        let trunk = FeedForward::load(reader, &format!("{name}/trunk"), dimension)?;
        let general = Layer::load(reader, &format!("{name}/general"), trunk.outputs(), Some(models))?;
        let heads = TaskHeads::load(reader, &format!("{name}/heads"), tasks, models, trunk.outputs())?;
        Ok(Self { trunk, general, heads })
    }

    /// # Errors
    /// [`router_core::ErrorKind::Shape`] if the parts do not fit together.
    pub(super) fn new(trunk: FeedForward, general: Layer, heads: TaskHeads) -> Result<Self> {
        if general.inputs() != trunk.outputs() {
            return Err(Error::shape("inputs of the general heads", trunk.outputs(), general.inputs()));
        }
        Ok(Self { trunk, general, heads })
    }
}

//! The states that are left of the graph once it is trained.
#![allow(clippy::indexing_slicing, reason = "tasks are the rows of keys and messages, checked at construction")]

use router_core::prelude::*;

use crate::estimators::network::{Answer, Scratch};
use crate::nn::Layer;
use crate::nn::exponential::softmax;
use crate::nn::kernels::{add_scaled, dot};

/// A network that reads embeddings with the edges to tasks behind them.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct GraphNetwork {
    /// d inputs, r outputs.
    projection: Layer,
    /// What the attention to every task compares a prompt's state with, T x r.
    keys: Matrix,
    /// What every task says, T x r.
    messages: Matrix,
    /// m outputs.
    pub(super) models: Layer,
}

impl GraphNetwork {
    pub(super) fn new(projection: Layer, keys: Matrix, messages: Matrix, models: Layer) -> Result<Self> {
        let width = projection.outputs();
        let shape = |matrix: &Matrix| (matrix.rows(), matrix.cols());
        if keys.rows() == 0 || shape(&keys) != (keys.rows(), width) || shape(&messages) != shape(&keys) {
            return Err(Error::shape("states of tasks", format!("some of {width}"), format!("{:?}", shape(&messages))));
        }
        if models.inputs() != width {
            return Err(Error::shape("states of models", width, models.inputs()));
        }
        Ok(Self { projection, keys, messages, models })
    }
}

impl Answer for GraphNetwork {
    fn inputs(&self) -> usize {
        self.projection.inputs() + self.keys.rows()
    }

    fn models(&self) -> usize {
        self.models.outputs()
    }

    fn answer(&self, joined: MatrixView<'_>, scratch: &mut Scratch, logits: &mut Matrix) {
        let (n, d, tasks) = (joined.rows(), self.projection.inputs(), self.keys.rows());
        let Scratch { hidden, other, .. } = scratch;
        other.reset(n, d);
        for row in 0..n {
            other.row_mut(row).copy_from_slice(&joined.row(row)[..d]);
        }
        self.projection.forward(other.view(), hidden);
        other.reset(1, tasks);
        for row in 0..n {
            let (state, shares) = (hidden.row_mut(row), other.row_mut(0));
            for (task, (share, edge)) in shares.iter_mut().zip(&joined.row(row)[d..]).enumerate() {
                *share = dot(self.keys.row(task), state) + edge;
            }
            softmax(shares, 1.0);
            for (task, &share) in shares.iter().enumerate() {
                add_scaled(state, share, self.messages.row(task));
            }
            for value in state.iter_mut() {
                *value = value.max(0.0);
            }
        }
        self.models.forward(hidden.view(), logits);
    }

    fn save(&self, writer: &mut SlotWriter, name: &str) -> Result<()> {
        self.projection.save(writer, &format!("{name}/projection"))?;
        writer.put_matrix(&format!("{name}/keys"), &self.keys)?;
        writer.put_matrix(&format!("{name}/messages"), &self.messages)?;
        self.models.save(writer, &format!("{name}/models"))
    }

    fn load(reader: &SlotReader<'_>, name: &str, inputs: usize) -> Result<Self> {
        let keys = reader.get_matrix(&format!("{name}/keys"))?;
        let Some(dimension) = inputs.checked_sub(keys.rows()) else {
            return Err(reader.corrupt("there are more tasks than inputs"));
        };
        let projection = Layer::load(reader, &format!("{name}/projection"), dimension, None)?;
        let models = Layer::load(reader, &format!("{name}/models"), projection.outputs(), None)?;
        Self::new(projection, keys, reader.get_matrix(&format!("{name}/messages"))?, models)
            .map_err(|error| reader.corrupt(&error.to_string()))
    }
}

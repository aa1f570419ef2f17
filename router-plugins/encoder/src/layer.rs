//! One layer of an encoder: attention and feed-forward, each with its residual and layer norm.

use rayon::prelude::*;
use router_core::Result;

use crate::architecture::{Architecture, Family};
use crate::checkpoint::Checkpoint;
use crate::embeddings::layer_norm;
use crate::encoder::Precision;
use crate::kernels::attention::{DistanceBias, Heads, Scratch};
use crate::kernels::buffer::Buffer;
use crate::kernels::matmul::{Activation, ByteRows, Linear, LinearInt8};
use crate::kernels::rows::LayerNorm;
use crate::kernels::{InstructionSet, padded};

/// Rows that go through everything after attention together, so that what is between two products stays in the cache.
const ROWS: usize = 96;

/// A linear layer in either precision.
enum Dense {
    F32(Linear),
    Int8(LinearInt8, InstructionSet),
}

impl Dense {
    fn pack(set: InstructionSet, precision: Precision, depth: usize, weights: &[f32], bias: &[f32]) -> Self {
        match precision {
            Precision::F32 => Self::F32(Linear::pack(set, depth, weights, bias)),
            Precision::Int8 => Self::Int8(LinearInt8::pack(set, depth, weights, bias), set),
        }
    }

    /// c = activation(a W' + bias) for `rows` rows of `a`, each `depth` numbers.
    fn apply(&self, rows: usize, depth: usize, a: &[f32], bytes: &mut ByteRows, c: &mut [f32], activation: Activation) {
        match self {
            Self::F32(linear) => linear.apply(rows, a, c, activation),
            Self::Int8(linear, set) => {
                bytes.quantize(*set, rows, depth, a);
                linear.apply(bytes, c, activation);
            }
        }
    }

    fn columns(&self) -> usize {
        match self {
            Self::F32(linear) => linear.columns(),
            Self::Int8(linear, _) => linear.columns(),
        }
    }
}

/// What a pass needs beside the tokens' vectors. It only grows.
#[derive(Default)]
pub(crate) struct Scratchpad {
    qkv: Buffer<f32>,
    context: Buffer<f32>,
    delta: Buffer<f32>,
    inner: Buffer<f32>,
    bytes: ByteRows,
    attention: Scratch,
}

/// One layer, packed.
pub(crate) struct Layer {
    heads: Heads,
    qkv: Dense,
    attention: Dense,
    attention_norm: LayerNorm,
    inner: Dense,
    activation: Activation,
    outer: Dense,
    outer_norm: LayerNorm,
}

/// Where a family keeps the parts of a layer.
struct Names {
    qkv: [&'static str; 3],
    attention: &'static str,
    attention_norm: &'static str,
}

const BERT: Names = Names {
    qkv: ["attention.self.query", "attention.self.key", "attention.self.value"],
    attention: "attention.output.dense",
    attention_norm: "attention.output.LayerNorm",
};

const MPNET: Names = Names {
    qkv: ["attention.attn.q", "attention.attn.k", "attention.attn.v"],
    attention: "attention.attn.o",
    attention_norm: "attention.LayerNorm",
};

/// A part of a row of weights or biases: `count` pieces of `piece` numbers, each padded to whole registers.
#[derive(Clone, Copy)]
struct Pieces {
    count: usize,
    piece: usize,
}

impl Pieces {
    const fn whole(length: usize) -> Self {
        Self { count: 1, piece: length }
    }

    const fn length(self) -> usize {
        self.count * self.piece
    }

    const fn padded(self) -> usize {
        self.count * padded(self.piece)
    }

    /// The padded place of number `at`.
    const fn place(self, at: usize) -> usize {
        (at / self.piece) * padded(self.piece) + at % self.piece
    }
}

/// Reads the linear layer `name` into `weights` (padded outputs x padded inputs) and `bias` (padded outputs).
fn read_dense(
    checkpoint: &Checkpoint,
    name: &str,
    inputs: Pieces,
    outputs: Pieces,
    weights: &mut [f32],
    bias: &mut [f32],
) -> Result<()> {
    let shape = [outputs.length(), inputs.length()];
    let (weight_name, bias_name) = (format!("{name}.weight"), format!("{name}.bias"));
    if inputs.length() == inputs.padded() && outputs.length() == outputs.padded() {
        checkpoint.read(&weight_name, &shape, weights)?;
        return checkpoint.read(&bias_name, &shape[..1], bias);
    }
    let numbers = checkpoint.tensor(&weight_name, &shape)?;
    for (row, numbers) in numbers.chunks_exact(inputs.length()).enumerate() {
        let Some(to) = weights.get_mut(outputs.place(row) * inputs.padded()..) else { continue };
        for (to, from) in to.chunks_exact_mut(padded(inputs.piece)).zip(numbers.chunks_exact(inputs.piece)) {
            to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
        }
    }
    for (row, number) in checkpoint.tensor(&bias_name, &shape[..1])?.into_iter().enumerate() {
        if let Some(to) = bias.get_mut(outputs.place(row)) {
            *to = number;
        }
    }
    Ok(())
}

impl Layer {
    /// Reads and packs layer `at`.
    pub(crate) fn read(
        set: InstructionSet,
        precision: Precision,
        architecture: &Architecture,
        checkpoint: &Checkpoint,
        at: usize,
    ) -> Result<Self> {
        let Architecture { hidden, heads, intermediate, .. } = *architecture;
        let names = if architecture.family == Family::Mpnet { MPNET } else { BERT };
        let name = |part: &str| format!("encoder.layer.{at}.{part}");
        let hidden = Pieces::whole(hidden);
        let split = Pieces { count: heads, piece: hidden.length() / heads };
        let dense = |part: &str, inputs: Pieces, outputs: Pieces| -> Result<Dense> {
            let mut weights: Vec<f32> = bytemuck::zeroed_vec(outputs.padded() * inputs.padded());
            let mut bias = vec![0.0; outputs.padded()];
            read_dense(checkpoint, &name(part), inputs, outputs, &mut weights, &mut bias)?;
            Ok(Dense::pack(set, precision, inputs.padded(), &weights, &bias))
        };
        let (rows, depth) = (split.padded(), hidden.padded());
        let mut weights: Vec<f32> = bytemuck::zeroed_vec(3 * rows * depth);
        let mut bias = vec![0.0; 3 * rows];
        let thirds = weights.chunks_exact_mut(rows * depth).zip(bias.chunks_exact_mut(rows)).zip(names.qkv);
        for (at, ((weights, bias), part)) in thirds.enumerate() {
            read_dense(checkpoint, &name(part), hidden, split, weights, bias)?;
            if at == 0 {
                // Queries carry the scale of the scores.
                let scale = 1.0 / (split.piece as f32).sqrt();
                weights.iter_mut().chain(bias).for_each(|number| *number *= scale);
            }
        }
        Ok(Self {
            heads: Heads { set, heads, head: padded(split.piece) },
            qkv: Dense::pack(set, precision, depth, &weights, &bias),
            attention: dense(names.attention, split, hidden)?,
            attention_norm: layer_norm(set, architecture, checkpoint, &name(names.attention_norm))?,
            inner: dense("intermediate.dense", hidden, Pieces::whole(intermediate))?,
            activation: architecture.activation,
            outer: dense("output.dense", Pieces::whole(intermediate), hidden)?,
            outer_norm: layer_norm(set, architecture, checkpoint, &name("output.LayerNorm"))?,
        })
    }

    /// Takes `x`, the sequences' tokens end to end (tokens x padded hidden), through the layer; `lengths` are the sequences' tokens.
    pub(crate) fn apply(&self, lengths: &[usize], bias: Option<&DistanceBias>, x: &mut [f32], pad: &mut Scratchpad) {
        let tokens: usize = lengths.iter().sum();
        let (thirds, all) = (self.qkv.columns(), self.heads.heads * self.heads.head);
        pad.qkv.resize(tokens * thirds);
        pad.context.resize(tokens * all);
        self.qkv.apply(tokens, self.outer.columns(), x, &mut pad.bytes, pad.qkv.as_mut_slice(), Activation::Identity);
        let (mut qkv, mut rest) = (pad.qkv.as_slice(), pad.context.as_mut_slice());
        for &length in lengths {
            let (own, others) = rest.split_at_mut(length * all);
            let (ours, after) = qkv.split_at(length * thirds);
            self.heads.attend(length, 0..length, ours, bias, &mut pad.attention, own);
            (qkv, rest) = (after, others);
        }
        self.after_attention(x, pad);
    }

    /// As [`apply`](Self::apply) for a single sequence, its tokens shared out among as many workers as there are `pads`: every
    /// row's numbers are the same.
    pub(crate) fn apply_shared(
        &self,
        bias: Option<&DistanceBias>,
        x: &mut [f32],
        qkv: &mut Buffer<f32>,
        pads: &mut [Scratchpad],
    ) {
        let (hidden, thirds) = (self.outer.columns(), self.qkv.columns());
        let all = self.heads.heads * self.heads.head;
        let tokens = x.len() / hidden;
        let rows = tokens.div_ceil(pads.len().max(1));
        qkv.resize(tokens * thirds);
        let parts = x.par_chunks(rows * hidden).zip(qkv.as_mut_slice().par_chunks_mut(rows * thirds));
        parts.zip(pads.par_iter_mut()).for_each(|((x, qkv), pad)| {
            self.qkv.apply(x.len() / hidden, hidden, x, &mut pad.bytes, qkv, Activation::Identity);
        });
        let qkv = qkv.as_slice();
        x.par_chunks_mut(rows * hidden).zip(pads.par_iter_mut()).enumerate().for_each(|(at, (x, pad))| {
            let queries = at * rows..at * rows + x.len() / hidden;
            pad.context.resize(queries.len() * all);
            self.heads.attend(tokens, queries, qkv, bias, &mut pad.attention, pad.context.as_mut_slice());
            self.after_attention(x, pad);
        });
    }

    /// Takes the rows `x`, whose attention is in `pad.context`, through the rest of the layer.
    fn after_attention(&self, x: &mut [f32], pad: &mut Scratchpad) {
        let (hidden, all) = (self.outer.columns(), self.heads.heads * self.heads.head);
        let Scratchpad { context, delta, inner, bytes, .. } = pad;
        let most = ROWS.min(x.len() / hidden);
        delta.resize(most * hidden);
        inner.resize(most * self.inner.columns());
        let (delta, inner) = (delta.as_mut_slice(), inner.as_mut_slice());
        for (x, context) in x.chunks_mut(ROWS * hidden).zip(context.as_slice().chunks(ROWS * all)) {
            let rows = x.len() / hidden;
            self.attention.apply(rows, all, context, bytes, delta, Activation::Identity);
            self.attention_norm.apply(rows, x, Some(delta));
            self.inner.apply(rows, hidden, x, bytes, inner, self.activation);
            self.outer.apply(rows, self.inner.columns(), inner, bytes, delta, Activation::Identity);
            self.outer_norm.apply(rows, x, Some(delta));
        }
    }
}

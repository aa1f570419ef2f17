//! The encoders on candle: the same model, one operation after another, on a CPU or a GPU.
//!
//! Sequences of a batch are padded to the longest of their group, and padding is masked.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::{D, DType, Device as CandleDevice, Tensor};
use router_core::prelude::*;
use router_encoder::{Activation, Architecture, Family, Pooling, relative_bucket};

use crate::embedders::transformer::config::Device;

/// Sequences that go through together.
const BATCH: usize = 32;

/// A model on candle.
pub(super) struct CandleEncoder {
    architecture: Architecture,
    tensors: HashMap<String, Tensor>,
    prefix: String,
    pooling: Pooling,
    device: CandleDevice,
}

fn failed(error: candle_core::Error) -> Error {
    Error::new(ErrorKind::Embedding, format!("candle failed: {error}")).caused_by(error)
}

impl CandleEncoder {
    /// Reads a model.
    pub(super) fn open(config: &Path, weights: &[PathBuf], pooling: Pooling, device: Device) -> Result<Self> {
        let architecture = Architecture::read(config)?;
        let device = match device {
            Device::Cpu => CandleDevice::Cpu,
            Device::Cuda => CandleDevice::new_cuda(0).map_err(failed)?,
        };
        let mut tensors = HashMap::new();
        for path in weights {
            let read = candle_core::safetensors::load(path, &device).map_err(|error| {
                Error::new(ErrorKind::Artifact, format!("the weights cannot be read: {error}"))
                    .in_file(path)
                    .caused_by(error)
                    .help("the model is damaged; bring it again")
            })?;
            for (name, tensor) in read {
                // Ids of positions are integers and not needed.
                if tensor.dtype().is_float() {
                    tensors.insert(name, tensor.to_dtype(DType::F32).map_err(failed)?);
                }
            }
        }
        let mut prefixes: Vec<&str> =
            tensors.keys().filter_map(|name| name.strip_suffix("embeddings.word_embeddings.weight")).collect();
        prefixes.sort_unstable_by_key(|prefix| (prefix.len(), *prefix));
        let prefix = (*prefixes.first().ok_or_else(|| {
            Error::new(ErrorKind::Artifact, "there is no tensor `embeddings.word_embeddings.weight`")
                .in_file(config)
                .help("the model is damaged; bring it again")
        })?)
        .to_owned();
        Ok(Self { architecture, tensors, prefix, pooling, device })
    }

    /// The vectors of `sequences`, n x d in their order.
    pub(super) fn encode(&self, sequences: &[&[u32]]) -> Result<Matrix> {
        let most = self.architecture.maximum_tokens();
        if let Some((at, sequence)) =
            sequences.iter().enumerate().find(|(_, sequence)| sequence.is_empty() || sequence.len() > most)
        {
            return Err(Error::new(
                ErrorKind::Embedding,
                format!("sequence {at} has {} tokens where 1 to {most} belong", sequence.len()),
            )
            .help("split the text into windows"));
        }
        let mut order: Vec<usize> = (0..sequences.len()).collect();
        order.sort_by_key(|&at| sequences.get(at).map_or(0, |sequence| sequence.len()));
        let mut out = Matrix::zeros(sequences.len(), self.architecture.hidden);
        for group in order.chunks(BATCH) {
            let members: Vec<&[u32]> = group.iter().filter_map(|&at| sequences.get(at).copied()).collect();
            let vectors = self.pass(&members).and_then(|x| x.to_vec2::<f32>()).map_err(failed)?;
            for (&at, vector) in group.iter().zip(&vectors) {
                out.row_mut(at).iter_mut().zip(vector).for_each(|(to, from)| *to = *from);
            }
        }
        out.view().check_finite("vectors of candle")?;
        Ok(out)
    }

    fn tensor(&self, name: &str) -> candle_core::Result<&Tensor> {
        self.tensors
            .get(&format!("{}{name}", self.prefix))
            .ok_or_else(|| candle_core::Error::Msg(format!("there is no tensor `{}{name}`", self.prefix)))
    }

    fn linear(&self, x: &Tensor, name: &str) -> candle_core::Result<Tensor> {
        let (batch, length, depth) = x.dims3()?;
        let weights = self.tensor(&format!("{name}.weight"))?;
        let y = x.reshape((batch * length, depth))?.matmul(&weights.t()?)?;
        y.broadcast_add(self.tensor(&format!("{name}.bias"))?)?.reshape((batch, length, weights.dim(0)?))
    }

    fn layer_norm(&self, x: &Tensor, name: &str) -> candle_core::Result<Tensor> {
        let old = self.tensors.contains_key(&format!("{}{name}.gamma", self.prefix));
        let names = if old { ["gamma", "beta"] } else { ["weight", "bias"] };
        let off = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
        let variance = off.sqr()?.mean_keepdim(D::Minus1)?;
        let normal = off.broadcast_div(&(variance + f64::from(self.architecture.epsilon))?.sqrt()?)?;
        let [gamma, beta] = names.map(|part| self.tensor(&format!("{name}.{part}")));
        normal.broadcast_mul(gamma?)?.broadcast_add(beta?)
    }

    /// Rows of the table of positions, as [`router_encoder`] counts them.
    fn positions(&self, sequence: &[u32]) -> Vec<u32> {
        let first = self.architecture.first_position;
        let mut next = first;
        sequence
            .iter()
            .map(|&id| {
                let position = if first == id as usize + 1 { id as usize } else { next };
                next += usize::from(position == next);
                position as u32
            })
            .collect()
    }

    /// The vectors of a group of sequences.
    fn pass(&self, sequences: &[&[u32]]) -> candle_core::Result<Tensor> {
        let Architecture { hidden, heads, layers, family, .. } = self.architecture;
        let (batch, length) = (sequences.len(), sequences.iter().map(|sequence| sequence.len()).max().unwrap_or(0));
        let (mut ids, mut positions, mut mask) = (Vec::new(), Vec::new(), Vec::new());
        for sequence in sequences {
            let padding = length - sequence.len();
            ids.extend_from_slice(sequence);
            ids.extend(std::iter::repeat_n(0, padding));
            positions.extend(self.positions(sequence));
            positions.extend(std::iter::repeat_n(0, padding));
            mask.extend(std::iter::repeat_n(1.0_f32, sequence.len()).chain(std::iter::repeat_n(0.0, padding)));
        }
        let ids = Tensor::from_vec(ids, batch * length, &self.device)?;
        let positions = Tensor::from_vec(positions, batch * length, &self.device)?;
        let mask = Tensor::from_vec(mask, (batch, length, 1), &self.device)?;
        let mut x = self.tensor("embeddings.word_embeddings.weight")?.index_select(&ids, 0)?;
        x = (x + self.tensor("embeddings.position_embeddings.weight")?.index_select(&positions, 0)?)?;
        if self.architecture.token_types > 0 {
            let kinds = self.tensor("embeddings.token_type_embeddings.weight")?.narrow(0, 0, 1)?;
            x = x.broadcast_add(&kinds)?;
        }
        x = self.layer_norm(&x.reshape((batch, length, hidden))?, "embeddings.LayerNorm")?;

        // What is added to the scores: minus a great number for padding, and MPNet's bias.
        let mut bias = ((mask.reshape((batch, 1, 1, length))? - 1.0)? * 1e9)?;
        if family == Family::Mpnet {
            bias = bias.broadcast_add(&self.relative_bias(length)?)?;
        }
        let names = if family == Family::Mpnet {
            ["attention.attn.q", "attention.attn.k", "attention.attn.v", "attention.attn.o", "attention.LayerNorm"]
        } else {
            [
                "attention.self.query",
                "attention.self.key",
                "attention.self.value",
                "attention.output.dense",
                "attention.output.LayerNorm",
            ]
        };
        let head = hidden / heads;
        for layer in 0..layers {
            let name = |part: &str| format!("encoder.layer.{layer}.{part}");
            let [query, key, value, output, norm] = names.map(name);
            let split = |part: &str| -> candle_core::Result<Tensor> {
                self.linear(&x, part)?.reshape((batch, length, heads, head))?.transpose(1, 2)?.contiguous()
            };
            let (query, key, value) = (split(&query)?, split(&key)?, split(&value)?);
            let scores = (query.matmul(&key.t()?.contiguous()?)? / (head as f64).sqrt())?.broadcast_add(&bias)?;
            let exponentials = scores.broadcast_sub(&scores.max_keepdim(D::Minus1)?)?.exp()?;
            let shares = exponentials.broadcast_div(&exponentials.sum_keepdim(D::Minus1)?)?;
            let context = shares.matmul(&value)?.transpose(1, 2)?.reshape((batch, length, hidden))?;
            x = self.layer_norm(&(x + self.linear(&context, &output)?)?, &norm)?;
            let inner = self.linear(&x, &name("intermediate.dense"))?;
            let inner = match self.architecture.activation {
                Activation::Identity => inner,
                Activation::Relu => inner.relu()?,
                Activation::Gelu => inner.gelu_erf()?,
                Activation::GeluTanh => inner.gelu()?,
            };
            x = self.layer_norm(&(x + self.linear(&inner, &name("output.dense"))?)?, &name("output.LayerNorm"))?;
        }
        self.pool(&x, &mask, sequences)
    }

    /// MPNet's bias of scores, 1 x heads x length x length.
    fn relative_bias(&self, length: usize) -> candle_core::Result<Tensor> {
        let buckets = self.architecture.relative_buckets;
        let of = |query: usize, key: usize| relative_bucket(key as isize - query as isize, buckets) as u32;
        let table: Vec<u32> = (0..length)
            .flat_map(|query| (0..length).map(move |key| (query, key)))
            .map(|(query, key)| of(query, key))
            .collect();
        let table = Tensor::from_vec(table, length * length, &self.device)?;
        let values = self.tensor("encoder.relative_attention_bias.weight")?.index_select(&table, 0)?;
        values.reshape((length, length, self.architecture.heads))?.permute((2, 0, 1))?.unsqueeze(0)?.contiguous()
    }

    fn pool(&self, x: &Tensor, mask: &Tensor, sequences: &[&[u32]]) -> candle_core::Result<Tensor> {
        let counts: Vec<f32> = sequences.iter().map(|sequence| sequence.len() as f32).collect();
        let counts = Tensor::from_vec(counts, (sequences.len(), 1), &self.device)?;
        match self.pooling {
            Pooling::Cls => x.narrow(1, 0, 1)?.squeeze(1),
            Pooling::Max => x.broadcast_add(&((mask - 1.0)? * 1e9)?)?.max(1),
            Pooling::Mean => x.broadcast_mul(mask)?.sum(1)?.broadcast_div(&counts),
            Pooling::MeanSqrtLength => x.broadcast_mul(mask)?.sum(1)?.broadcast_div(&counts.sqrt()?),
            Pooling::Last => {
                let rows = sequences.iter().enumerate().map(|(at, sequence)| x.get(at)?.get(sequence.len() - 1));
                Tensor::stack(&rows.collect::<candle_core::Result<Vec<_>>>()?, 0)
            }
        }
    }
}

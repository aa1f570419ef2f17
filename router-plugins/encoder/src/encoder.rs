//! A text encoder that is ready.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;
use router_core::{Error, ErrorKind, Matrix, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::architecture::{Architecture, Family};
use crate::checkpoint::Checkpoint;
use crate::embeddings::TokenEmbeddings;
use crate::kernels::attention::DistanceBias;
use crate::kernels::buffer::Buffer;
use crate::kernels::{InstructionSet, padded};
use crate::layer::{Layer, Scratchpad};
use crate::pooling::{Pooling, normalize};
use crate::relative::distance_bias;

/// The numbers that an encoder computes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// 32-bit floating point.
    #[default]
    F32,
    /// Products in bytes: a scale and a zero point a row of activations, a scale a channel of weights. The rest in f32.
    Int8,
}

/// How an [`Encoder`] is opened.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EncoderOptions {
    /// The numbers of the products.
    pub precision: Precision,
    /// From the vectors of tokens to that of the sequence.
    pub pooling: Pooling,
    /// Whether vectors are brought to length 1.
    pub normalize: bool,
    /// The instruction set; the processor's best by default.
    pub instruction_set: InstructionSet,
}

impl Default for EncoderOptions {
    fn default() -> Self {
        Self {
            precision: Precision::default(),
            pooling: Pooling::default(),
            normalize: true,
            instruction_set: InstructionSet::best(),
        }
    }
}

/// Tokens of a group of sequences that one worker takes through the layers together, at most, longer sequences aside.
const GROUP_TOKENS: usize = 512;
/// And at least, if there are so many: a group reads all weights once.
const SMALLEST_GROUP: usize = 96;

/// Tokens of a single sequence that are worth a worker.
const SMALLEST_SHARE: usize = 10;

/// What one worker needs.
#[derive(Default)]
struct Workspace {
    x: Buffer<f32>,
    lengths: Vec<usize>,
    pad: Scratchpad,
    /// For the tokens of a sequence that are shared out among workers.
    qkv: Buffer<f32>,
    pads: Vec<Scratchpad>,
}

/// A text encoder that is ready: token ids to vectors.
pub struct Encoder {
    architecture: Architecture,
    options: EncoderOptions,
    tokens: TokenEmbeddings,
    layers: Vec<Layer>,
    bias: Option<DistanceBias>,
    workspaces: Mutex<Vec<Workspace>>,
}

impl Encoder {
    /// Reads and packs a model: its `config.json` and its weights in one or several safetensors files.
    ///
    /// Costs one pass over the weights, in parallel over the layers.
    ///
    /// # Errors
    /// [`ErrorKind::Io`]; [`ErrorKind::Artifact`] for files that are damaged or do not fit each other; [`ErrorKind::NonFinite`];
    /// [`ErrorKind::Unsupported`] for another kind of model.
    pub fn open(config: &Path, weights: &[PathBuf], options: EncoderOptions) -> Result<Self> {
        let architecture = Architecture::read(config)?;
        let checkpoint = Checkpoint::open(weights)?;
        let set = options.instruction_set;
        let (tokens, layers) = rayon::join(
            || TokenEmbeddings::read(set, &architecture, &checkpoint),
            || {
                (0..architecture.layers)
                    .into_par_iter()
                    .map(|at| Layer::read(set, options.precision, &architecture, &checkpoint, at))
                    .collect::<Result<Vec<_>>>()
            },
        );
        let bias = match architecture.family {
            Family::Mpnet => Some(distance_bias(&architecture, &checkpoint)?),
            Family::Bert | Family::Roberta => None,
        };
        Ok(Self { tokens: tokens?, layers: layers?, bias, architecture, options, workspaces: Mutex::default() })
    }

    /// d, numbers of a vector.
    pub fn dimension(&self) -> usize {
        self.architecture.hidden
    }

    /// The shape of the model.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// How it was opened.
    pub fn options(&self) -> EncoderOptions {
        self.options
    }

    /// The vectors of `sequences`, n x d in their order, into `out`, whose memory is kept.
    ///
    /// A sequence is the token ids of one text with the special tokens that the model expects, at least one token and at most
    /// [`Architecture::maximum_tokens`]. Runs on rayon's current pool, one worker a group of sequences.
    ///
    /// # Errors
    /// [`ErrorKind::Embedding`] for a sequence that is empty, too long or has an id outside the vocabulary, naming it.
    pub fn encode<S: AsRef<[u32]> + Sync>(&self, sequences: &[S], out: &mut Matrix) -> Result<()> {
        self.check(sequences)?;
        let dimension = self.dimension();
        out.reset(sequences.len(), dimension);
        let mut order: Vec<usize> = (0..sequences.len()).collect();
        let length = |at: usize| sequences.get(at).map_or(0, |sequence| sequence.as_ref().len());
        order.sort_by_key(|&at| std::cmp::Reverse(length(at)));
        // Whole groups to whole workers: enough of them to share out, each large enough to be worth reading the weights.
        let total: usize = order.iter().map(|&at| length(at)).sum();
        let target = (total / (2 * rayon::current_num_threads())).clamp(SMALLEST_GROUP, GROUP_TOKENS);
        let mut groups: Vec<&[usize]> = Vec::new();
        let (mut start, mut tokens) = (0, 0);
        for end in 1..=order.len() {
            tokens += order.get(end - 1).map_or(0, |&at| length(at));
            let next = order.get(end).map_or(usize::MAX, |&at| length(at));
            if tokens.saturating_add(next) > target {
                groups.push(order.get(start..end).unwrap_or_default());
                (start, tokens) = (end, 0);
            }
        }
        let mut sorted = vec![0.0; sequences.len() * dimension];
        let mut rest = sorted.as_mut_slice();
        let mut work = Vec::with_capacity(groups.len());
        for group in groups {
            let (own, others) = std::mem::take(&mut rest).split_at_mut(group.len() * dimension);
            work.push((group, own));
            rest = others;
        }
        // A single sequence would leave all workers but one idle.
        let workers = match work.as_slice() {
            [([only], _)] => rayon::current_num_threads().min(length(*only) / SMALLEST_SHARE).max(1),
            _ => 1,
        };
        let one = |(group, vectors): (&[usize], &mut [f32])| {
            let mut workspace =
                self.workspaces.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
            let members: Vec<&[u32]> = group.iter().filter_map(|&at| sequences.get(at)).map(AsRef::as_ref).collect();
            self.pass(&members, workers, &mut workspace);
            let stride = padded(dimension);
            let mut x = workspace.x.as_slice();
            for (sequence, vector) in members.iter().zip(vectors.chunks_exact_mut(dimension)) {
                let (own, others) = x.split_at(sequence.len() * stride);
                self.options.pooling.apply(own, stride, vector);
                if self.options.normalize {
                    normalize(vector);
                }
                x = others;
            }
            self.workspaces.lock().unwrap_or_else(PoisonError::into_inner).push(workspace);
        };
        if workers > 1 {
            // From within the pool, workers are at hand.
            rayon::scope(|_| work.into_iter().for_each(one));
        } else if work.len() == 1 {
            work.into_iter().for_each(one);
        } else {
            work.into_par_iter().for_each(one);
        }
        for (&at, vector) in order.iter().zip(sorted.chunks_exact(dimension)) {
            out.row_mut(at).copy_from_slice(vector);
        }
        Ok(())
    }

    /// The vectors of one sequence's tokens after the last layer, tokens x d.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn token_vectors(&self, sequence: &[u32]) -> Result<Matrix> {
        self.check(&[sequence])?;
        let mut workspace = Workspace::default();
        self.pass(&[sequence], 1, &mut workspace);
        let mut out = Matrix::zeros(sequence.len(), self.dimension());
        for (row, vector) in workspace.x.as_slice().chunks_exact(padded(self.dimension())).enumerate() {
            out.row_mut(row).iter_mut().zip(vector).for_each(|(to, from)| *to = *from);
        }
        Ok(out)
    }

    /// Takes `sequences` through all layers; their tokens' vectors are then in `workspace.x`.
    /// The tokens of a single sequence are shared out among `workers`.
    fn pass(&self, sequences: &[&[u32]], workers: usize, workspace: &mut Workspace) {
        let Workspace { x, lengths, pad, qkv, pads } = workspace;
        let stride = padded(self.dimension());
        lengths.clear();
        lengths.extend(sequences.iter().map(|sequence| sequence.len()));
        x.resize(lengths.iter().sum::<usize>() * stride);
        let mut rest = x.as_mut_slice();
        for sequence in sequences {
            let (own, others) = std::mem::take(&mut rest).split_at_mut(sequence.len() * stride);
            self.tokens.apply(sequence, own);
            rest = others;
        }
        if workers > 1 {
            pads.resize_with(workers, Scratchpad::default);
            for layer in &self.layers {
                layer.apply_shared(self.bias.as_ref(), x.as_mut_slice(), qkv, pads);
            }
            return;
        }
        for layer in &self.layers {
            layer.apply(lengths, self.bias.as_ref(), x.as_mut_slice(), pad);
        }
    }

    fn check<S: AsRef<[u32]>>(&self, sequences: &[S]) -> Result<()> {
        let most = self.architecture.maximum_tokens();
        for (at, sequence) in sequences.iter().enumerate() {
            let sequence = sequence.as_ref();
            if sequence.is_empty() || sequence.len() > most {
                return Err(Error::new(
                    ErrorKind::Embedding,
                    format!("sequence {at} has {} tokens where 1 to {most} belong", sequence.len()),
                )
                .help("split the text into windows"));
            }
            if let Some(id) = sequence.iter().find(|&&id| id as usize >= self.architecture.vocabulary) {
                return Err(Error::new(
                    ErrorKind::Embedding,
                    format!("sequence {at} has the token id {id}; the vocabulary has {}", self.architecture.vocabulary),
                )
                .help("the tokenizer belongs to another model"));
            }
        }
        Ok(())
    }
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder")
            .field("architecture", &self.architecture)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

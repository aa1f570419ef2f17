//! Text encoders of the BERT family on CPUs, as fast as the processor allows.
//!
//! An [`Encoder`] reads a checkpoint in the layout of the model hubs (`config.json`, safetensors) and turns sequences of token ids into
//! vectors. What makes it fast: weights packed once into the order in which the kernels read them; queries, keys and values in one
//! product; bias, activation and the next layer norm applied while a block is in the cache; sequences laid end to end without padding;
//! attention a sequence; one worker a core over groups of sequences instead of threads inside an operation; no allocation a sequence
//! once the buffers have grown. [`Precision::Int8`] rounds weights and activations to bytes.
//!
//! A vector does not depend on the batch that its sequence came in, nor on the number of threads, and is the same on every
//! x86-64 processor with AVX2 or AVX-512, bit for bit.
//!
//! Supported: BERT (MiniLM, BGE, E5, GTE and others with absolute positions), RoBERTa and XLM-RoBERTa, MPNet (relative position
//! bias, Song et al. 2020). Tokenization is not its business.
//!
//! # Cost
//!
//! A token costs 2 x layers x (4 h^2 + 2 h f) floating-point operations for hidden size h and intermediate size f (21 million for
//! MiniLM-L6, 170 million for mpnet-base), a sequence of t tokens 4 x layers x h x t^2 more for attention. Memory: the
//! vocabulary's table and the packed weights (4 bytes a weight, in int8 1), and buffers of O(t x (6 h + f)) a thread.

mod architecture;
mod checkpoint;
mod embeddings;
mod encoder;
mod kernels;
mod layer;
mod pooling;
mod relative;

pub use architecture::{Architecture, Family};
pub use encoder::{Encoder, EncoderOptions, Precision};
pub use kernels::InstructionSet;
pub use kernels::matmul::Activation;
pub use pooling::Pooling;
pub use relative::bucket as relative_bucket;

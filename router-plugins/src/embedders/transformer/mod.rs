//! Transformer encoders: `bert` (MiniLM, BGE, E5, GTE and every other model of the BERT and RoBERTa layout) and `mpnet`.
//!
//! A model is a directory in the layout of the model hubs, in the cache of models (`router embedder fetch NAME`) or at a path; pooling,
//! normalization, limit and prompts come from its own files unless the configuration says otherwise. Nothing is ever downloaded here.
//!
//! A text longer than the limit is read in windows ([`crate::text::Windows`]); a conversation as weighed pieces
//! ([`crate::text::conversation`]).
//!
//! # Engines
//!
//! `native` is [`router_encoder`]: packed weights, no padding, AVX2 or AVX-512, f32 or int8. `candle` computes the same on candle, on a
//! CPU or, with the cargo feature `cuda`, on a GPU. Both agree within 1e-5, so that the engine is no part of the fingerprint.
//!
//! # Cost
//!
//! See [`router_encoder`]; on one core of 2021 about 6 ms (f32) or 4 ms (int8) for a prompt of 20 tokens with MiniLM-L6, and eight times
//! that with mpnet-base.
//!
//! # Sources
//!
//! Devlin et al., "BERT", NAACL 2019; Song et al., "MPNet", NeurIPS 2020; Reimers and Gurevych, "Sentence-BERT", EMNLP 2019;
//! int8 as in Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", CVPR 2018,
//! a scale and zero point a row of activations and a scale a channel of weights.

#[cfg(feature = "candle")]
mod candle;
mod config;
mod engine;
mod fitted;

pub use config::{BertConfig, Device, Engine, MpnetConfig, TransformerConfig};
pub use fitted::TransformerEmbedder;

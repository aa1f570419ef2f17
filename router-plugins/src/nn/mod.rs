//! Small neural networks: what the plugins that train one share.
//!
//! Training runs on candle's automatic differentiation; inference does not touch it. A network in training is a list of plain
//! [`Parameter`]s. In every step they are lent to candle as variables, the loss is differentiated, and [`AdamW`] moves the plain
//! numbers. A fitted network is a [`FeedForward`] of plain f32 [`Layer`]s, run by the kernels in [`kernels`].
//!
//! | module | what it holds |
//! |---|---|
//! | [`autodiff`] | the differentiable operations: logistic loss, activations, dropout |
//! | [`linear`] | the linear layer, alone or with rectifier and dropout |
//! | [`optimizer`] | parameters and AdamW |
//! | [`training`] | epochs, shuffled batches, early stopping, cancellation, divergence |
//! | [`feed_forward`] | fitted layers: inference, saving and loading |
//! | [`logistic`] | ridge logistic regression with an offset, solved exactly |
//! | [`bilinear`] | features that are outer products: regressions whose coefficients are a matrix |
//! | [`kernels`] | f32 matrix product, dot product |
//! | `panels` | the affine map of a fitted layer, its weights laid out once |
//! | [`exponential`] | exponential function, sigmoid, cross-entropy, softmax, in vectors |
//! | [`random`] | initial weights and uniform numbers from a seed stream |
//!
//! # Determinism
//! candle's CPU random numbers cannot be seeded, so none of its random operations are used: initial weights, dropout masks and
//! the order of the batches come from the component's [`router_core::SeedStream`]. candle's matrix product splits its work by
//! the number of threads of the machine or the environment, so [`linear::linear`] brings its own, sequential one. A fit runs
//! on one thread; parallelism is over fits (folds, ensembles).

#[cfg(feature = "candle")]
pub mod autodiff;
pub mod bilinear;
pub mod exponential;
pub mod feed_forward;
pub mod kernels;
#[cfg(feature = "candle")]
pub mod linear;
pub mod logistic;
pub mod optimizer;
pub(crate) mod panels;
pub mod random;
#[cfg(feature = "candle")]
pub mod training;

pub use feed_forward::{Activation, FeedForward, ForwardScratch, Layer};
pub use optimizer::{AdamW, Parameter};
#[cfg(feature = "candle")]
pub use training::{Objective, Schedule, TrainingSummary, train};

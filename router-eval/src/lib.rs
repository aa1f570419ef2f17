//! Evaluation that nobody can dispute: references, paired bootstrap, and a report.
//!
//! - [`train_test`] fits configurations on one data set and evaluates them on others
//! - [`artifact`] evaluates a router that `router train` stored, against the [`References`] stored beside it
//! - [`cross_validate`] fits everything anew for every fold, [`leave_benchmark_out`] for every benchmark
//!
//! All of them give an [`Evaluation`]: a [`Summary`], every single decision, and files for people and programs.
//!
//! [`off_policy`] tells what recorded traffic says of policies that it did not follow. [`compare`] holds two routers against each other: where they differ, and why. [`experiment`] runs a grid of configurations.
//!
//! Every router is held against the same references, fitted on the same training prompts: a random choice, the cheapest
//! model, the best single model, the static mixture of models that costs the same, tuned nearest neighbors on the router's
//! own embedding, the best model of the prompt's true benchmark, and the oracle. Every number has an interval.

mod arena;
mod bootstrap;
pub mod compare;
mod contest;
mod decisions;
mod evaluate;
mod evaluation;
pub mod experiment;
mod forecast;
mod latency;
mod leakage;
pub mod metrics;
mod notes;
pub mod off_policy;
mod options;
mod paper;
mod pick;
mod references;
mod report;
pub mod robustness;
mod scores;
pub mod significance;
mod summarize;
pub mod summary;
mod timing;

pub use decisions::DecisionRow;
pub use evaluate::{artifact, cross_validate, leave_benchmark_out, train_test};
pub use evaluation::Evaluation;
pub use latency::{Latency, Percentiles};
pub use options::{NamedConfig, NearDuplicates, Options};
pub use paper::{PaperFormat, paper_table};
pub use references::References;
pub use summary::Summary;

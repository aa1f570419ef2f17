//! The vocabulary and the contracts of the prompt router.
//!
//! This crate holds what everything else agrees on and nothing that computes much: types, traits, the registry, the
//! configuration, the pipeline that composes components, and the artifact. It has no machine-learning, async-runtime or
//! network dependency.
//!
//! - [`types`]: prompts, models, outcomes, embeddings, tasks, estimates, constraints, decisions
//! - [`traits`]: what each role of the router promises
//! - [`registry`]: plugins by role and name
//! - [`config`]: a router in TOML
//! - [`embedding_cache`]: embeddings kept between runs
//! - [`pipeline`]: builder, unfitted router, cross-fitting, fitted router, explanations
//! - [`artifact`]: a fitted router on disk
//! - [`drift`]: whether the prompts that come in look like those of training
//! - `testkit` (feature): conformance functions for every trait and a minimal world to run them on

pub mod artifact;
pub mod config;
pub mod context;
pub mod cost;
pub mod drift;
pub mod embedding_cache;
pub mod error;
pub mod parallel;
pub mod pipeline;
pub mod progress;
pub mod registry;
pub mod seed;
pub mod statistics;
pub mod tasks;
#[cfg(feature = "testkit")]
pub mod testkit;
pub mod traits;
pub mod types;

pub use artifact::{Persist, SlotReader, SlotWriter};
pub use config::{ComponentConfig, RouterConfig};
pub use context::FitContext;
pub use embedding_cache::{CachedEmbedding, EmbeddingCache, PromptKey};
pub use error::{Error, ErrorKind, Result};
pub use pipeline::{Explanation, Newcomer, Placement, Router, RouterBuilder, UnfittedRouter};
pub use progress::{CancelToken, Progress, ProgressBar, Silent};
pub use registry::{
    AggregatorRole, ClassifierRole, DiscovererRole, EmbedderRole, EstimatorRole, PluginConfig, PolicyRole, Registry,
};
pub use seed::{Seed, SeedStream};
pub use tasks::{TaskCard, TaskCards, Tasks};
pub use traits::{
    Aggregator, AggregatorEvidence, Embedder, FittedAggregator, FittedClassifier, FittedEmbedder, FittedEstimator,
    FittedPolicy, PartInfo, Policy, PolicyEvidence, PromptsView, QualityEstimator, QueryBatch, Stage, TaskClassifier,
    TaskDiscoverer,
};
pub use types::constraints::{Choice, Constraints, Eligibility, ExpectedCall, Ineligible};
pub use types::dataset::{Dataset, TrainingSet};
pub use types::decision::{CascadeStep, Decision, Plan, Reason};
pub use types::estimates::{Estimates, EstimatesView};
pub use types::exploration::{Exploration, Explored};
pub use types::folds::Folds;
pub use types::hierarchy::TaskHierarchy;
pub use types::matrix::{Embeddings, Matrix, MatrixView};
pub use types::model::{Model, ModelIndex, ModelPool};
pub use types::outcome::{Outcome, Outcomes};
pub use types::prompt::{Message, MessageRole, Prompt, PromptContent};
pub use types::request::Request;
pub use types::task::{TaskDistribution, TaskId, TaskMap};

/// What authors of plugins import.
pub mod prelude {
    pub use crate::artifact::{Persist, SlotReader, SlotWriter};
    pub use crate::registry::{
        AggregatorRole, ClassifierRole, DiscovererRole, EmbedderRole, EstimatorRole, PluginConfig, PolicyRole, Registry,
    };
    pub use crate::traits::{
        Aggregator, AggregatorEvidence, Embedder, FittedAggregator, FittedClassifier, FittedEmbedder, FittedEstimator,
        FittedPolicy, PartInfo, Policy, PolicyEvidence, PromptsView, QualityEstimator, QueryBatch, Stage, StoredPolicy,
        TaskClassifier, TaskDiscoverer,
    };
    pub use crate::{
        Choice, Constraints, Dataset, Decision, Embeddings, Error, ErrorKind, Estimates, EstimatesView, FitContext,
        Matrix, MatrixView, ModelIndex, ModelPool, Newcomer, Outcome, Outcomes, Plan, Prompt, Reason, Result,
        TaskDistribution, TaskHierarchy, TaskId, TaskMap, Tasks, TrainingSet, register,
    };
}

#[doc(hidden)]
pub use inventory as __inventory;

//! The contracts: what each role of the router promises.
//!
//! Authors implement the typed trait of a role ([`Embedder`], [`TaskDiscoverer`], [`TaskClassifier`], [`QualityEstimator`],
//! [`Aggregator`], [`Policy`]) on their configuration type, and the fitted trait on what fitting returns; both also
//! implement [`crate::registry::PluginConfig`] and [`crate::artifact::Persist`]. Blanket implementations give the object-safe
//! forms (`Dyn...` and `Stored...`) that the registry and the pipeline hold.
//!
//! Training types and inference types are different types: what is not fitted cannot be asked.

mod aggregator;
mod classifier;
mod discoverer;
mod embedder;
mod estimator;
mod policy;

pub use aggregator::{Aggregator, AggregatorEvidence, DynAggregator, FittedAggregator, PartInfo, StoredAggregator};
pub use classifier::{DynTaskClassifier, FittedClassifier, StoredClassifier, TaskClassifier};
pub use discoverer::TaskDiscoverer;
pub use embedder::{DynEmbedder, Embedder, FittedEmbedder, StoredEmbedder};
pub use estimator::{
    DynQualityEstimator, FittedEstimator, PromptsView, QualityEstimator, QueryBatch, Stage, StoredEstimator,
};
pub use policy::{DynPolicy, FittedPolicy, Policy, PolicyEvidence, StoredPolicy};

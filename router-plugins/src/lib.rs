//! The built-in plugins of the prompt router, a folder a role and a folder or file a plugin.
//!
//! Beside them stand the rooms they share: [`graph`] (rank-biased overlap, sparse graphs, Leiden), [`neighbors`] (exact and
//! approximate nearest-neighbor search), `clustering` (spherical k-means), `linear_algebra` (sparse products, bases and singular values), [`nn`] (small neural networks
//! on candle), [`onboarding`] (models that join a fitted router), [`models`] (encoder models on disk), [`text`] (tokenization, windows, conversations), [`http`] (asking a web service).
//!
//! A binary, test, bench or example that collects plugins must say `use router_plugins as _;`: the linker silently drops a
//! crate that nothing mentions. [`builtin`] gives a registry of them without that machinery.

pub mod aggregators;
pub mod classifiers;
mod clustering;
pub mod discoverers;
pub mod embedders;
pub mod estimators;
pub mod graph;
#[cfg(feature = "remote")]
pub mod http;
pub(crate) mod linear_algebra;
pub mod models;
pub mod neighbors;
mod nested;
pub mod nn;
pub mod onboarding;
mod platt;
pub mod policies;
mod ranges;
pub mod text;

use router_core::{
    AggregatorRole, ClassifierRole, DiscovererRole, EmbedderRole, EstimatorRole, PolicyRole, Registry, Result,
};

/// A registry of the plugins of this crate, registered by hand: the same as what
/// [`Registry::collected`] gathers where no other plugin crate is linked in.
///
/// # Errors
/// None in fact: the names are distinct, which a test holds.
pub fn builtin() -> Result<Registry> {
    const ORIGIN: &str = env!("CARGO_PKG_NAME");
    let mut registry = Registry::new();
    registry.register::<EmbedderRole, embedders::transformer::BertConfig>(ORIGIN)?;
    registry.register::<EmbedderRole, embedders::concat::ConcatConfig>(ORIGIN)?;
    registry.register::<EmbedderRole, embedders::features::FeaturesConfig>(ORIGIN)?;
    registry.register::<EmbedderRole, embedders::hashing::HashingConfig>(ORIGIN)?;
    registry.register::<EmbedderRole, embedders::transformer::MpnetConfig>(ORIGIN)?;
    #[cfg(feature = "remote")]
    registry.register::<EmbedderRole, embedders::remote::RemoteConfig>(ORIGIN)?;
    registry.register::<EmbedderRole, embedders::static_vectors::StaticConfig>(ORIGIN)?;
    registry.register::<EmbedderRole, embedders::principal_components::PrincipalComponentsConfig>(ORIGIN)?;
    registry.register::<EmbedderRole, embedders::tfidf_svd::TfidfSvdConfig>(ORIGIN)?;
    registry.register::<DiscovererRole, discoverers::graph::GraphConfig>(ORIGIN)?;
    registry.register::<DiscovererRole, discoverers::kmeans::KmeansConfig>(ORIGIN)?;
    registry.register::<DiscovererRole, discoverers::labels::LabelsConfig>(ORIGIN)?;
    registry.register::<DiscovererRole, discoverers::sampled::SampledConfig>(ORIGIN)?;
    registry.register::<DiscovererRole, discoverers::spectral::SpectralConfig>(ORIGIN)?;
    registry.register::<ClassifierRole, classifiers::centroid::CentroidConfig>(ORIGIN)?;
    registry.register::<ClassifierRole, classifiers::neighbors::NeighborsConfig>(ORIGIN)?;
    registry.register::<ClassifierRole, classifiers::softmax::SoftmaxConfig>(ORIGIN)?;
    registry.register::<EstimatorRole, estimators::adapter_retrieval::AdapterRetrievalConfig>(ORIGIN)?;
    registry.register::<EstimatorRole, estimators::clusters::ClustersConfig>(ORIGIN)?;
    #[cfg(feature = "candle")]
    registry.register::<EstimatorRole, estimators::dual_contrastive::DualContrastiveConfig>(ORIGIN)?;
    registry.register::<EstimatorRole, estimators::forest::ForestConfig>(ORIGIN)?;
    registry.register::<EstimatorRole, estimators::global_mean::GlobalMeanConfig>(ORIGIN)?;
    #[cfg(feature = "candle")]
    registry.register::<EstimatorRole, estimators::graph_attention::GraphAttentionConfig>(ORIGIN)?;
    #[cfg(feature = "candle")]
    registry.register::<EstimatorRole, estimators::irt::IrtConfig>(ORIGIN)?;
    registry.register::<EstimatorRole, estimators::logistic::LogisticConfig>(ORIGIN)?;
    #[cfg(feature = "candle")]
    registry.register::<EstimatorRole, estimators::matrix_factorization::MatrixFactorizationConfig>(ORIGIN)?;
    #[cfg(feature = "candle")]
    registry.register::<EstimatorRole, estimators::mlp::MlpConfig>(ORIGIN)?;
    #[cfg(feature = "candle")]
    registry.register::<EstimatorRole, estimators::moe::MoeConfig>(ORIGIN)?;
    registry.register::<EstimatorRole, estimators::neighbors::NeighborsConfig>(ORIGIN)?;
    #[cfg(feature = "candle")]
    registry.register::<EstimatorRole, estimators::per_model_adapters::PerModelAdaptersConfig>(ORIGIN)?;
    registry.register::<EstimatorRole, estimators::ridge::RidgeConfig>(ORIGIN)?;
    registry.register::<EstimatorRole, estimators::similarity_weighted_elo::SimilarityWeightedEloConfig>(ORIGIN)?;
    registry.register::<EstimatorRole, estimators::svm::SvmConfig>(ORIGIN)?;
    registry.register::<EstimatorRole, estimators::task_mean::TaskMeanConfig>(ORIGIN)?;
    registry.register::<EstimatorRole, estimators::trees::TreesConfig>(ORIGIN)?;
    registry.register::<AggregatorRole, aggregators::calibrated::CalibratedConfig>(ORIGIN)?;
    registry.register::<AggregatorRole, aggregators::precision_weighted::PrecisionWeightedConfig>(ORIGIN)?;
    registry.register::<AggregatorRole, aggregators::stacking::StackingConfig>(ORIGIN)?;
    registry.register::<AggregatorRole, aggregators::weighted::WeightedConfig>(ORIGIN)?;
    registry.register::<PolicyRole, policies::budget::BudgetConfig>(ORIGIN)?;
    registry.register::<PolicyRole, policies::cascade::CascadeConfig>(ORIGIN)?;
    registry.register::<PolicyRole, policies::cheapest_above::CheapestAboveConfig>(ORIGIN)?;
    registry.register::<PolicyRole, policies::complementary_set::ComplementarySetConfig>(ORIGIN)?;
    registry.register::<PolicyRole, policies::cost_quality_bayes::CostQualityBayesConfig>(ORIGIN)?;
    registry.register::<PolicyRole, policies::guarded::GuardedConfig>(ORIGIN)?;
    registry.register::<PolicyRole, policies::hybrid::HybridConfig>(ORIGIN)?;
    registry.register::<PolicyRole, policies::latency_aware::LatencyAwareConfig>(ORIGIN)?;
    registry.register::<PolicyRole, policies::utility::UtilityConfig>(ORIGIN)?;
    Ok(registry)
}

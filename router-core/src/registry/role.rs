//! The roles a plugin can have, and the glue between the typed traits and the registry.

use crate::artifact::{Persist, SlotReader};
use crate::error::Result;
use crate::registry::config::PluginConfig;
use crate::traits::{
    Aggregator, DynAggregator, DynEmbedder, DynPolicy, DynQualityEstimator, DynTaskClassifier, Embedder, Policy,
    QualityEstimator, StoredAggregator, StoredClassifier, StoredEmbedder, StoredEstimator, StoredPolicy,
    TaskClassifier, TaskDiscoverer,
};

/// A role in the pipeline. The six of them are types of this module.
pub trait Role: Send + Sync + 'static {
    /// The object-safe form of what is not fitted yet.
    type Unfitted: ?Sized + Send + Sync;
    /// The object-safe form of what is fitted and stored. For discoverers, which exist only in training, [`NeverStored`].
    type Stored: ?Sized + Send + Sync;
    /// The role's name in listings: `estimator`.
    const NAME: &'static str;
}

/// A configuration that can take the role `R`. Implemented for every [`PluginConfig`] that implements the role's trait.
pub trait Registrable<R: Role>: PluginConfig {
    /// The configuration as the role's object.
    fn boxed(self) -> Box<R::Unfitted>;
    /// The format of what fitting returns, if it is stored.
    const FORMAT: Option<&'static str>;
    /// Loads what fitting once returned.
    fn load(reader: &SlotReader<'_>) -> Result<Box<R::Stored>>;
}

/// The stored form of what is never stored.
pub trait NeverStored: Send + Sync {}

macro_rules! role {
    ($(#[$doc:meta])* $role:ident, $name:literal, $trait:ident, $unfitted:ident, $stored:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub struct $role;

        impl Role for $role {
            type Unfitted = dyn $unfitted;
            type Stored = dyn $stored;
            const NAME: &'static str = $name;
        }

        impl<C: PluginConfig + $trait + 'static> Registrable<$role> for C {
            fn boxed(self) -> Box<dyn $unfitted> {
                Box::new(self)
            }

            const FORMAT: Option<&'static str> = Some(<C::Fitted as Persist>::FORMAT);

            fn load(reader: &SlotReader<'_>) -> Result<Box<dyn $stored>> {
                Ok(Box::new(reader.load::<C::Fitted>()?))
            }
        }
    };
}

role!(
    /// Turns texts into vectors: [`Embedder`].
    EmbedderRole, "embedder", Embedder, DynEmbedder, StoredEmbedder
);
role!(
    /// Assigns new prompts to tasks: [`TaskClassifier`].
    ClassifierRole, "classifier", TaskClassifier, DynTaskClassifier, StoredClassifier
);
role!(
    /// Estimates quality: [`QualityEstimator`].
    EstimatorRole, "estimator", QualityEstimator, DynQualityEstimator, StoredEstimator
);
role!(
    /// Makes one estimate of several: [`Aggregator`].
    AggregatorRole, "aggregator", Aggregator, DynAggregator, StoredAggregator
);
role!(
    /// Chooses: [`Policy`].
    PolicyRole, "policy", Policy, DynPolicy, StoredPolicy
);

/// Finds latent tasks in training: [`TaskDiscoverer`].
#[derive(Debug, Clone, Copy)]
pub struct DiscovererRole;

impl Role for DiscovererRole {
    type Unfitted = dyn TaskDiscoverer;
    type Stored = dyn NeverStored;
    const NAME: &'static str = "discoverer";
}

impl<C: PluginConfig + TaskDiscoverer + 'static> Registrable<DiscovererRole> for C {
    fn boxed(self) -> Box<dyn TaskDiscoverer> {
        Box::new(self)
    }

    const FORMAT: Option<&'static str> = None;

    fn load(reader: &SlotReader<'_>) -> Result<Box<dyn NeverStored>> {
        Err(reader.corrupt("a discoverer is never stored"))
    }
}

//! The registry: plugins by role and name.
//!
//! A [`Registry`] is an ordinary value. [`Registry::collected`] gathers what the crates that are linked in have submitted with
//! [`register!`](crate::register), which is a convenience: [`Registry::register`] does the same by hand.

pub mod config;
mod finite;
pub mod role;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

pub use config::PluginConfig;
pub use role::{
    AggregatorRole, ClassifierRole, DiscovererRole, EmbedderRole, EstimatorRole, NeverStored, PolicyRole, Registrable,
    Role,
};

use crate::artifact::SlotReader;
use crate::error::{Error, ErrorKind, Result};

/// A plugin of role `R` as the registry knows it.
pub struct Entry<R: Role> {
    info: PluginInfo,
    schema: fn() -> Value,
    build: BuildFunction<R>,
    load: fn(&SlotReader<'_>) -> Result<Box<R::Stored>>,
}

/// Reads a configuration and gives the unfitted component and its resolved configuration.
type BuildFunction<R> = fn(Value, &Registry) -> Result<(Box<<R as Role>::Unfitted>, Value)>;

impl<R: Role> Entry<R> {
    /// The entry of configuration type `C`, coming from crate `origin`.
    pub fn of<C: Registrable<R>>(origin: &'static str) -> Self {
        Self {
            info: PluginInfo {
                role: R::NAME,
                name: C::NAME,
                summary: C::SUMMARY,
                source: C::SOURCE,
                cost: C::COST,
                origin,
                example: C::EXAMPLE,
                format: C::FORMAT,
            },
            schema: || schemars::schema_for!(C).to_value(),
            build: |value, registry| {
                let config: C = config::read(value, registry)?;
                let resolved = config::to_value(&config)?;
                Ok((config.boxed(), resolved))
            },
            load: C::load,
        }
    }
}

/// What a plugin says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct PluginInfo {
    /// The role: `embedder`, `discoverer`, `classifier`, `estimator`, `aggregator` or `policy`.
    pub role: &'static str,
    /// The name, unique in its role.
    pub name: &'static str,
    /// One line on what it does.
    pub summary: &'static str,
    /// The paper it comes from.
    pub source: &'static str,
    /// What fitting and a prompt cost.
    pub cost: &'static str,
    /// The crate that registered it.
    pub origin: &'static str,
    /// An example configuration in TOML, without `use`.
    pub example: &'static str,
    /// The format of what it stores.
    #[serde(skip)]
    pub format: Option<&'static str>,
}

/// An [`Entry`] of any role.
#[allow(missing_docs, reason = "a variant a role, each named as the role is")]
pub enum AnyEntry {
    Embedder(Entry<EmbedderRole>),
    Discoverer(Entry<DiscovererRole>),
    Classifier(Entry<ClassifierRole>),
    Estimator(Entry<EstimatorRole>),
    Aggregator(Entry<AggregatorRole>),
    Policy(Entry<PolicyRole>),
}

/// A role that the registry has a shelf for.
pub trait Shelved: Role {
    /// This role's entries.
    fn shelf(registry: &Registry) -> &BTreeMap<&'static str, Entry<Self>>
    where
        Self: Sized;
    /// This role's entries, to be added to.
    fn shelf_mut(registry: &mut Registry) -> &mut BTreeMap<&'static str, Entry<Self>>
    where
        Self: Sized;
    /// An entry of this role as one of any.
    fn any(entry: Entry<Self>) -> AnyEntry
    where
        Self: Sized;
}

macro_rules! shelved {
    ($($role:ident, $variant:ident, $field:ident;)*) => {
        /// The plugins of every role by name.
        #[derive(Default)]
        pub struct Registry {
            $($field: BTreeMap<&'static str, Entry<$role>>,)*
        }

        $(impl Shelved for $role {
            fn shelf(registry: &Registry) -> &BTreeMap<&'static str, Entry<Self>> {
                &registry.$field
            }

            fn shelf_mut(registry: &mut Registry) -> &mut BTreeMap<&'static str, Entry<Self>> {
                &mut registry.$field
            }

            fn any(entry: Entry<Self>) -> AnyEntry {
                AnyEntry::$variant(entry)
            }
        })*

        impl Registry {
            /// Adds an entry of any role.
            ///
            /// # Errors
            /// [`ErrorKind::Usage`] if its role already has a plugin of that name.
            pub fn add(&mut self, entry: AnyEntry) -> Result<()> {
                match entry {
                    $(AnyEntry::$variant(entry) => self.add_to_shelf(entry),)*
                }
            }

            /// What every plugin says about itself, sorted by role in the pipeline's order, then by name.
            pub fn list(&self) -> Vec<PluginInfo> {
                let mut list = Vec::new();
                $(list.extend(self.$field.values().map(|entry| entry.info));)*
                list
            }

            /// The JSON Schema of the plugin `name` of role `role`, if there is one.
            pub fn schema(&self, role: &str, name: &str) -> Option<Value> {
                $(if role == $role::NAME {
                    return self.$field.get(name).map(|entry| (entry.schema)());
                })*
                None
            }

            /// Builds the plugin `name` of role `role` from its configuration and gives the resolved configuration.
            ///
            /// # Errors
            /// As [`Registry::build`].
            pub fn resolve(&self, role: &str, name: &str, params: Value) -> Result<Value> {
                $(if role == $role::NAME {
                    return self.build::<$role>(name, params).map(|(_, resolved)| resolved);
                })*
                Err(Error::new(ErrorKind::UnknownPlugin, format!("unknown role `{role}`")))
            }
        }
    };
}

shelved! {
    EmbedderRole, Embedder, embedders;
    DiscovererRole, Discoverer, discoverers;
    ClassifierRole, Classifier, classifiers;
    EstimatorRole, Estimator, estimators;
    AggregatorRole, Aggregator, aggregators;
    PolicyRole, Policy, policies;
}

impl Registry {
    /// A registry without plugins.
    pub fn new() -> Self {
        Self::default()
    }

    /// What all linked crates have submitted with [`register!`](crate::register).
    ///
    /// The linker silently drops a crate that nothing mentions: say `use router_plugins as _;` (and so for every plugin
    /// crate) in the binary, test, bench or example that collects.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] if two crates submitted the same name for the same role.
    pub fn collected() -> Result<Self> {
        let mut entries: Vec<AnyEntry> =
            inventory::iter::<Submission>.into_iter().map(|submission| (submission.entry)()).collect();
        // The linker's order is nobody's order.
        entries.sort_by_key(|entry| {
            let info = entry.info();
            (info.role, info.name, info.origin)
        });
        let mut registry = Self::new();
        for entry in entries {
            registry.add(entry)?;
        }
        Ok(registry)
    }

    /// Adds the plugin with configuration `C` in role `R`; `origin` names the crate it comes from.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] if the role already has a plugin of that name.
    pub fn register<R: Shelved, C: Registrable<R>>(&mut self, origin: &'static str) -> Result<()> {
        self.add_to_shelf(Entry::<R>::of::<C>(origin))
    }

    fn add_to_shelf<R: Shelved>(&mut self, entry: Entry<R>) -> Result<()> {
        let info = entry.info;
        match R::shelf_mut(self).entry(info.name) {
            std::collections::btree_map::Entry::Vacant(place) => {
                place.insert(entry);
                Ok(())
            }
            std::collections::btree_map::Entry::Occupied(place) => Err(Error::new(
                ErrorKind::Usage,
                format!(
                    "{} `{}` is registered twice, by {} and {}",
                    info.role,
                    info.name,
                    place.get().info.origin,
                    info.origin
                ),
            )
            .help("give one of them another name")),
        }
    }

    /// Builds the plugin `name` of role `R` from its configuration (JSON, without `use`), and gives the configuration with
    /// every default filled in.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownPlugin`] with the registered names; [`ErrorKind::Config`] with the field's path below this
    /// component.
    pub fn build<R: Shelved>(&self, name: &str, params: Value) -> Result<(Box<R::Unfitted>, Value)> {
        (self.find::<R>(name)?.build)(params, self)
    }

    /// Loads what the plugin `name` of role `R` once stored.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownPlugin`]; [`ErrorKind::Artifact`] and [`ErrorKind::Incompatible`] as the plugin finds it.
    pub fn load<R: Shelved>(&self, name: &str, reader: &SlotReader<'_>) -> Result<Box<R::Stored>> {
        (self.find::<R>(name)?.load)(reader)
    }

    /// What the plugin `name` of role `R` says about itself.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownPlugin`] with the registered names.
    pub fn info<R: Shelved>(&self, name: &str) -> Result<PluginInfo> {
        Ok(self.find::<R>(name)?.info)
    }

    fn find<R: Shelved>(&self, name: &str) -> Result<&Entry<R>> {
        let shelf = R::shelf(self);
        shelf.get(name).ok_or_else(|| {
            let registered: Vec<&str> = shelf.keys().copied().collect();
            let help = if registered.is_empty() {
                format!("no {} is registered; link the crate of the plugins with `use router_plugins as _;`", R::NAME)
            } else {
                format!("registered: {}", registered.join(", "))
            };
            Error::new(ErrorKind::UnknownPlugin, format!("unknown {} `{name}`", R::NAME)).at_field("use").help(help)
        })
    }
}

impl AnyEntry {
    /// What the plugin says about itself.
    pub fn info(&self) -> PluginInfo {
        match self {
            Self::Embedder(entry) => entry.info,
            Self::Discoverer(entry) => entry.info,
            Self::Classifier(entry) => entry.info,
            Self::Estimator(entry) => entry.info,
            Self::Aggregator(entry) => entry.info,
            Self::Policy(entry) => entry.info,
        }
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.list().iter().map(|info| format!("{}/{}", info.role, info.name))).finish()
    }
}

/// What [`register!`](crate::register) submits.
pub struct Submission {
    /// Makes the entry.
    pub entry: fn() -> AnyEntry,
}

inventory::collect!(Submission);

/// Submits a plugin to [`Registry::collected`]: `register!(EstimatorRole, RidgeConfig);`.
#[macro_export]
macro_rules! register {
    ($role:ty, $config:ty) => {
        $crate::__inventory::submit! {
            $crate::registry::Submission {
                entry: || {
                    <$role as $crate::registry::Shelved>::any($crate::registry::Entry::<$role>::of::<$config>(env!(
                        "CARGO_PKG_NAME"
                    )))
                },
            }
        }
    };
}

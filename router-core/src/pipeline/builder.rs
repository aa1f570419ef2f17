//! Composing a router in Rust.

use serde_json::Value;

use crate::config::{ComponentConfig, CostConfig, CrossFitConfig, RouterConfig, TasksConfig};
use crate::error::{Error, ErrorKind, Result};
use crate::pipeline::fit::UnfittedRouter;
use crate::registry::config::{read, to_value};
use crate::registry::{
    AggregatorRole, ClassifierRole, DiscovererRole, EmbedderRole, EstimatorRole, PolicyRole, Registrable, Registry,
    Role, Shelved,
};

/// An unfitted component with its name and resolved parameters.
pub(crate) struct Slot<R: Role> {
    pub(crate) config: ComponentConfig,
    pub(crate) component: Box<R::Unfitted>,
}

impl<R: Shelved> Slot<R> {
    fn of<C: Registrable<R>>(config: C, registry: &Registry) -> Result<Self> {
        // Through the same door as a file's configuration, so that ranges are checked here too.
        let config: C = read(to_value(&config)?, registry)?;
        let resolved = component_config(C::NAME, to_value(&config)?)?;
        Ok(Self { config: resolved, component: config.boxed() })
    }

    pub(crate) fn from_config(config: &ComponentConfig, path: &str, registry: &Registry) -> Result<Self> {
        let (component, resolved) =
            registry.build::<R>(&config.name, Value::Object(config.parameters.clone())).map_err(|error| {
                let field = match error.field() {
                    Some(field) => format!("{path}.{field}"),
                    None => path.to_owned(),
                };
                error.at_field(field)
            })?;
        Ok(Self { config: component_config(&config.name, resolved)?, component })
    }
}

fn component_config(name: &str, resolved: Value) -> Result<ComponentConfig> {
    match resolved {
        Value::Object(parameters) => Ok(ComponentConfig { name: name.to_owned(), parameters }),
        Value::Null => Ok(ComponentConfig::new(name)),
        _ => Err(Error::new(ErrorKind::Internal, format!("the configuration of `{name}` is not a table"))),
    }
}

/// Composes a router from component configurations.
///
/// ```
/// # use router_core::testkit::{components::*, world::MinimalWorld};
/// # use router_core::{Registry, RouterBuilder};
/// # fn main() -> router_core::Result<()> {
/// # let mut registry = Registry::new();
/// # router_core::testkit::components::register(&mut registry)?;
/// # let dataset = MinimalWorld::easy(60, 1)?.dataset;
/// let unfitted = RouterBuilder::new(&registry)
///     .seed(7)
///     .embedder(MinimalEmbedder {})
///     .discoverer(MinimalDiscoverer {})
///     .classifier(MinimalClassifier {})
///     .task_scores(MinimalEstimator {})
///     .estimator(MinimalEstimator {})
///     .aggregator(MinimalAggregator {})
///     .policy(MinimalPolicy {})
///     .build()?;
/// let router = unfitted.fit_blocking(&dataset, &unfitted.context())?;
/// let decisions = router.route_blocking(dataset.prompts(), &[])?;
/// assert_eq!(decisions.len(), dataset.prompts().len());
/// # Ok(())
/// # }
/// ```
pub struct RouterBuilder<'a> {
    registry: &'a Registry,
    seed: u64,
    embedder: Option<Slot<EmbedderRole>>,
    discoverer: Option<Slot<DiscovererRole>>,
    classifier: Option<Slot<ClassifierRole>>,
    task_scores: Option<Slot<EstimatorRole>>,
    estimators: Vec<Slot<EstimatorRole>>,
    aggregator: Option<Slot<AggregatorRole>>,
    policy: Option<Slot<PolicyRole>>,
    tasks: TasksConfig,
    cost: CostConfig,
    output_tokens: Option<Slot<EstimatorRole>>,
    cross_fit: CrossFitConfig,
    error: Option<Error>,
}

macro_rules! set {
    ($(#[$doc:meta])* $method:ident, $field:ident, $role:ident) => {
        $(#[$doc])*
        pub fn $method<C: Registrable<$role>>(mut self, config: C) -> Self {
            match Slot::<$role>::of(config, self.registry) {
                Ok(slot) => self.$field = Some(slot),
                Err(error) => self.fail(error, stringify!($field)),
            }
            self
        }
    };
}

impl<'a> RouterBuilder<'a> {
    /// An empty builder. Components that are left out have the defaults of [`RouterConfig`], taken from `registry`.
    pub fn new(registry: &'a Registry) -> Self {
        let RouterConfig { seed, tasks, cost, cross_fit, .. } = RouterConfig::new(ComponentConfig::new(""));
        Self {
            registry,
            seed,
            embedder: None,
            discoverer: None,
            classifier: None,
            task_scores: None,
            estimators: Vec::new(),
            aggregator: None,
            policy: None,
            tasks,
            cost,
            output_tokens: None,
            cross_fit,
            error: None,
        }
    }

    /// The root seed.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    set!(
        /// What turns prompts into vectors. Needed.
        embedder, embedder, EmbedderRole
    );
    set!(
        /// What finds tasks in training.
        discoverer, discoverer, DiscovererRole
    );
    set!(
        /// What assigns new prompts to tasks.
        classifier, classifier, ClassifierRole
    );
    set!(
        /// Stage 1: the task-level scores.
        task_scores, task_scores, EstimatorRole
    );
    set!(
        /// What makes one estimate of all.
        aggregator, aggregator, AggregatorRole
    );
    set!(
        /// What chooses.
        policy, policy, PolicyRole
    );

    /// One more prompt-level estimator.
    pub fn estimator<C: Registrable<EstimatorRole>>(mut self, config: C) -> Self {
        match Slot::<EstimatorRole>::of(config, self.registry) {
            Ok(slot) => self.estimators.push(slot),
            Err(error) => self.fail(error, "estimators"),
        }
        self
    }

    /// How tasks are described.
    pub fn tasks(mut self, tasks: TasksConfig) -> Self {
        self.tasks = tasks;
        self
    }

    /// How cost is expected.
    pub fn cost(mut self, cost: CostConfig) -> Self {
        match cost.output_tokens.as_ref().map(|it| Slot::from_config(it, "cost.output_tokens", self.registry)) {
            Some(Ok(slot)) => self.output_tokens = Some(slot),
            Some(Err(error)) => {
                self.error.get_or_insert(error);
            }
            None => self.output_tokens = None,
        }
        self.cost = cost;
        self
    }

    /// What predicts the output tokens of every (prompt, model) pair, for the expected cost.
    pub fn output_tokens<C: Registrable<EstimatorRole>>(mut self, config: C) -> Self {
        match Slot::<EstimatorRole>::of(config, self.registry) {
            Ok(slot) => {
                self.cost.output_tokens = Some(slot.config.clone());
                self.output_tokens = Some(slot);
            }
            Err(error) => self.fail(error, "cost.output_tokens"),
        }
        self
    }

    /// How held-out predictions are made.
    pub fn cross_fit(mut self, cross_fit: CrossFitConfig) -> Self {
        self.cross_fit = cross_fit;
        self
    }

    fn fail(&mut self, error: Error, slot: &str) {
        let field = match error.field() {
            Some(field) => format!("{slot}.{field}"),
            None => slot.to_owned(),
        };
        self.error.get_or_insert(error.at_field(field));
    }

    /// The unfitted router.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for the first component whose configuration was wrong, a missing embedder, nothing that
    /// estimates, or a classifier or task scores without a discoverer; [`ErrorKind::UnknownPlugin`] if a default is not
    /// registered.
    pub fn build(self) -> Result<UnfittedRouter> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let embedder = self.embedder.ok_or_else(|| {
            Error::new(ErrorKind::Config, "a router needs an embedder").at_field("embedder").help("`use = \"hashing\"`")
        })?;
        let config = RouterConfig {
            seed: self.seed,
            embedder: embedder.config.clone(),
            discoverer: self.discoverer.as_ref().map(|slot| slot.config.clone()),
            classifier: self.classifier.as_ref().map(|slot| slot.config.clone()),
            task_scores: self.task_scores.as_ref().map(|slot| slot.config.clone()),
            estimators: self.estimators.iter().map(|slot| slot.config.clone()).collect(),
            aggregator: self.aggregator.as_ref().map(|slot| slot.config.clone()),
            policy: self.policy.as_ref().map(|slot| slot.config.clone()),
            tasks: self.tasks,
            cost: CostConfig {
                output_tokens: self.output_tokens.as_ref().map(|slot| slot.config.clone()),
                ..self.cost
            },
            cross_fit: self.cross_fit,
        };
        // Checks the sections and that the parts fit together.
        let mut config = RouterConfig::from_json(&config.to_json()?)?;
        let registry = self.registry;
        let with_tasks = self.discoverer.is_some();
        let classifier = default_slot(self.classifier, with_tasks, "softmax", "classifier", registry)?;
        let task_scores = default_slot(self.task_scores, with_tasks, "task-mean", "task_scores", registry)?;
        let aggregator = required(default_slot(self.aggregator, true, "weighted", "aggregator", registry)?)?;
        let policy = required(default_slot(self.policy, true, "utility", "policy", registry)?)?;
        config.classifier = classifier.as_ref().map(|slot| slot.config.clone());
        config.task_scores = task_scores.as_ref().map(|slot| slot.config.clone());
        config.aggregator = Some(aggregator.config.clone());
        config.policy = Some(policy.config.clone());
        Ok(UnfittedRouter {
            config,
            embedder: embedder.component,
            discoverer: self.discoverer.map(|slot| slot.component),
            classifier: classifier.map(|slot| slot.component),
            estimators: task_scores
                .into_iter()
                .map(|slot| ("task_scores".to_owned(), slot))
                .chain(self.estimators.into_iter().enumerate().map(|(at, slot)| (format!("estimators/{at}"), slot)))
                .map(|(path, slot)| (path, slot.config.name, slot.component))
                .collect(),
            aggregator: aggregator.component,
            policy: policy.component,
            output_tokens: self.output_tokens.map(|slot| slot.component),
        })
    }

    /// The builder that `config` describes.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownPlugin`] and [`ErrorKind::Config`] with the field's path in the configuration.
    pub fn from_config(config: &RouterConfig, registry: &'a Registry) -> Result<Self> {
        fn optional<R: Shelved>(
            config: Option<&ComponentConfig>,
            path: &str,
            registry: &Registry,
        ) -> Result<Option<Slot<R>>> {
            config.map(|config| Slot::from_config(config, path, registry)).transpose()
        }
        let estimators = config
            .estimators
            .iter()
            .enumerate()
            .map(|(at, estimator)| Slot::from_config(estimator, &format!("estimators[{at}]"), registry))
            .collect::<Result<Vec<_>>>()?;
        Ok(Self {
            seed: config.seed,
            embedder: optional(Some(&config.embedder), "embedder", registry)?,
            discoverer: optional(config.discoverer.as_ref(), "discoverer", registry)?,
            classifier: optional(config.classifier.as_ref(), "classifier", registry)?,
            task_scores: optional(config.task_scores.as_ref(), "task_scores", registry)?,
            estimators,
            aggregator: optional(config.aggregator.as_ref(), "aggregator", registry)?,
            policy: optional(config.policy.as_ref(), "policy", registry)?,
            tasks: config.tasks.clone(),
            output_tokens: optional(config.cost.output_tokens.as_ref(), "cost.output_tokens", registry)?,
            cost: config.cost.clone(),
            cross_fit: config.cross_fit.clone(),
            ..Self::new(registry)
        })
    }
}

fn default_slot<R: Shelved>(
    slot: Option<Slot<R>>,
    wanted: bool,
    name: &str,
    path: &str,
    registry: &Registry,
) -> Result<Option<Slot<R>>> {
    match slot {
        None if wanted => Slot::from_config(&ComponentConfig::new(name), path, registry).map(Some),
        other => Ok(other),
    }
}

fn required<R: Role>(slot: Option<Slot<R>>) -> Result<Slot<R>> {
    slot.ok_or_else(|| Error::new(ErrorKind::Internal, "a default component is missing"))
}

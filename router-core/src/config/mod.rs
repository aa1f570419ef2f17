//! The configuration of a router: which components, with which parameters.
//!
//! A [`RouterConfig`] is read from TOML (or JSON). Unknown fields, wrong types and values out of range are errors that name
//! the file, the line and the field.

mod locate;
mod schema;

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use locate::ConfigSource;
pub use schema::router_schema;

use crate::error::{Error, ErrorKind, Result};

/// One component: its registered name and its parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ComponentConfig {
    /// The registered name.
    #[serde(rename = "use")]
    pub name: String,
    /// The parameters; what is left out has its default.
    #[serde(flatten)]
    pub parameters: serde_json::Map<String, Value>,
}

impl ComponentConfig {
    /// The component `name` with its defaults.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), parameters: serde_json::Map::new() }
    }

    /// The same with `parameter` set to `value`.
    pub fn with(mut self, parameter: &str, value: impl Into<Value>) -> Self {
        self.parameters.insert(parameter.to_owned(), value.into());
        self
    }
}

/// How tasks are described once they are found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TasksConfig {
    /// A task's candidate models grow by falling task score until they cover more than this share of the task's prompts, a
    /// prompt being covered when its best model (or one that ties with it) is a candidate.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub coverage: f64,
    /// A task's score of a model is pulled toward the model's mean over all prompts as if by this many outcomes.
    #[schemars(range(min = 0.0, max = 1_000_000.0))]
    pub shrinkage: f64,
    /// Keywords on a task's card.
    #[schemars(range(min = 0, max = 100))]
    pub keywords: usize,
    /// Training prompts shown on a task's card; 0 keeps them out of the artifact.
    #[schemars(range(min = 0, max = 100))]
    pub exemplars: usize,
    /// Bootstrap resamples by which the stability of every task is measured; 0 does not measure it. Each costs a discovery in
    /// about 63% of the prompts, in the final fit alone. 20 tell a stable task from one that is not.
    #[schemars(range(min = 0, max = 1000))]
    pub stability_resamples: usize,
}

impl Default for TasksConfig {
    fn default() -> Self {
        Self { coverage: 0.9, shrinkage: 10.0, keywords: 8, exemplars: 3, stability_resamples: 0 }
    }
}

/// How the cost of a call is expected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CostConfig {
    /// Output tokens of a call where none were measured.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub nominal_output_tokens: u32,
    /// An estimator that predicts the output tokens of every (prompt, model) pair, by its name and parameters as under
    /// `[[estimators]]`. Left out, which is the default, a model's answers are expected to be of its mean length.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "any_component")]
    pub output_tokens: Option<ComponentConfig>,
}

/// What the ranges of a section say of a component in it: nothing, since its own schema does.
fn any_component(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": ["object", "null"] })
}

impl Default for CostConfig {
    fn default() -> Self {
        Self { nominal_output_tokens: 500, output_tokens: None }
    }
}

/// How predictions on unseen training prompts are made, for the parts that learn from them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CrossFitConfig {
    /// Number of folds. Near duplicates share one.
    #[schemars(range(min = 2, max = 100))]
    pub folds: usize,
}

impl Default for CrossFitConfig {
    fn default() -> Self {
        Self { folds: 5 }
    }
}

/// A router's configuration.
///
/// ```
/// use router_core::RouterConfig;
/// let config = RouterConfig::from_toml(r#"
///     seed = 7
///     [embedder]
///     use = "hashing"
///     [[estimators]]
///     use = "neighbors"
/// "#, "router.toml").unwrap();
/// assert_eq!(config.embedder.name, "hashing");
/// let error = RouterConfig::from_toml("sead = 7\n[embedder]\nuse = \"hashing\"", "router.toml").unwrap_err();
/// assert_eq!(error.line(), Some(1));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouterConfig {
    /// The root seed; every component draws from its own stream below it.
    #[serde(default)]
    pub seed: u64,
    /// Turns prompts into vectors.
    pub embedder: ComponentConfig,
    /// Finds tasks in training. Without one, there are no tasks, no classifier and no task scores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discoverer: Option<ComponentConfig>,
    /// Assigns new prompts to tasks; `softmax` if left out beside a discoverer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classifier: Option<ComponentConfig>,
    /// Stage 1: the task-level scores; `task-mean` if left out beside a discoverer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_scores: Option<ComponentConfig>,
    /// Stage 2: the prompt-level estimators. May be empty beside a discoverer.
    #[serde(default)]
    pub estimators: Vec<ComponentConfig>,
    /// Makes one estimate of all; `weighted` if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aggregator: Option<ComponentConfig>,
    /// Chooses; `utility` if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<ComponentConfig>,
    /// How tasks are described.
    #[serde(default)]
    pub tasks: TasksConfig,
    /// How cost is expected.
    #[serde(default)]
    pub cost: CostConfig,
    /// How held-out predictions are made.
    #[serde(default)]
    pub cross_fit: CrossFitConfig,
}

impl RouterConfig {
    /// The smallest configuration: an embedder and nothing else yet.
    pub fn new(embedder: ComponentConfig) -> Self {
        Self {
            seed: 0,
            embedder,
            discoverer: None,
            classifier: None,
            task_scores: None,
            estimators: Vec::new(),
            aggregator: None,
            policy: None,
            tasks: TasksConfig::default(),
            cost: CostConfig::default(),
            cross_fit: CrossFitConfig::default(),
        }
    }

    /// Reads TOML; `file` is the name that errors give.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] with line and field.
    pub fn from_toml(text: &str, file: impl AsRef<Path>) -> Result<Self> {
        let source = ConfigSource::parse(text, file)?;
        source.read().map_err(|error| source.locate(error))
    }

    /// Reads a TOML file, and keeps the source so that later errors of components can be located in it.
    ///
    /// # Errors
    /// [`ErrorKind::Io`]; [`ErrorKind::Config`] with line and field.
    pub fn from_file(path: impl AsRef<Path>) -> Result<(Self, ConfigSource)> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(|source| Error::io(path, source))?;
        let source = ConfigSource::parse(&text, path)?;
        let config = source.read().map_err(|error| source.locate(error))?;
        Ok((config, source))
    }

    /// Reads the JSON form, as it stands in an artifact's manifest.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] with the field.
    pub fn from_json(value: &Value) -> Result<Self> {
        let config: Self = crate::registry::config::deserialize(value)?;
        config.check()?;
        Ok(config)
    }

    /// The JSON form.
    pub fn to_json(&self) -> Result<Value> {
        crate::registry::config::to_value(self)
    }

    fn check(&self) -> Result<()> {
        fn section<T: JsonSchema + Serialize>(name: &str, value: &T) -> Result<()> {
            let schema = schemars::schema_for!(T).to_value();
            crate::registry::config::check_ranges(&schema, &schema, &crate::registry::config::to_value(value)?, name)
        }
        section("tasks", &self.tasks)?;
        section("cost", &self.cost)?;
        section("cross_fit", &self.cross_fit)?;
        if self.discoverer.is_none() {
            for (field, present) in
                [("classifier", self.classifier.is_some()), ("task_scores", self.task_scores.is_some())]
            {
                if present {
                    return Err(Error::new(ErrorKind::Config, "there is no discoverer, so there are no tasks")
                        .at_field(field)
                        .help("add a [discoverer], or take this section out"));
                }
            }
            if self.estimators.is_empty() {
                return Err(Error::new(ErrorKind::Config, "nothing estimates quality")
                    .help("add [[estimators]], or a [discoverer] for task scores"));
            }
        }
        Ok(())
    }
}

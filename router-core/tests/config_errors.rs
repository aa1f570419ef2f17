//! What a bad configuration gets: file, line, field, and what is allowed.
#![allow(clippy::unwrap_used, clippy::format_collect, reason = "a test fails by panicking")]

use router_core::testkit::components;
use router_core::{Registry, RouterConfig, UnfittedRouter};

/// The message that `text` gets as `router.toml`, from reading or from composing.
fn message(text: &str) -> String {
    let mut registry = Registry::new();
    components::register(&mut registry).unwrap();
    registry.register::<router_core::EstimatorRole, ranged::RangedConfig>("tests").unwrap();
    let source = router_core::config::ConfigSource::parse(text, "router.toml");
    let error = match source {
        Err(error) => error,
        Ok(source) => match RouterConfig::from_toml(text, "router.toml") {
            Err(error) => error,
            Ok(config) => match UnfittedRouter::from_config(&config, &registry) {
                Err(error) => source.locate(error),
                Ok(_) => return "accepted".to_owned(),
            },
        },
    };
    assert_eq!(error.exit_status(), 2, "{error:?}");
    error.to_string()
}

/// An estimator with parameters to be wrong about.
mod ranged {
    use router_core::prelude::*;
    use router_core::testkit::components::{Means, MinimalEstimator};

    #[derive(Debug, Clone, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
    #[serde(deny_unknown_fields, default)]
    pub(crate) struct RangedConfig {
        #[schemars(range(min = 1, max = 100))]
        neighbors: usize,
        #[schemars(range(min = 0.0, max = 1.0))]
        alpha: Option<f64>,
        layers: Vec<Layer>,
    }

    #[derive(Debug, Clone, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Layer {
        #[schemars(range(min = 1))]
        width: usize,
    }

    impl Default for RangedConfig {
        fn default() -> Self {
            Self { neighbors: 20, alpha: None, layers: Vec::new() }
        }
    }

    impl PluginConfig for RangedConfig {
        const NAME: &'static str = "ranged";
        const SUMMARY: &'static str = "Has parameters to be wrong about.";
        const SOURCE: &'static str = "this project";
        const COST: &'static str = "whatever it takes";
        const EXAMPLE: &'static str = "neighbors = 10";
    }

    impl QualityEstimator for RangedConfig {
        type Fitted = Means;

        fn fit(&self, set: &TrainingSet, tasks: &Tasks, cx: &FitContext) -> Result<Means> {
            QualityEstimator::fit(&MinimalEstimator {}, set, tasks, cx)
        }
    }
}

/// A whole configuration around `section`.
fn around(section: &str) -> String {
    format!(
        "seed = 7\n\n[embedder]\nuse = \"minimal-embedder\"\n\n[[estimators]]\nuse = \"minimal-estimator\"\n\n{section}\n\
         [aggregator]\nuse = \"minimal-aggregator\"\n\n[policy]\nuse = \"minimal-policy\"\n"
    )
}

#[test]
fn a_good_configuration_is_accepted() {
    assert_eq!(message(&around("[[estimators]]\nuse = \"ranged\"\nneighbors = 100\nalpha = 0.5\n")), "accepted");
}

#[test]
fn every_mistake_names_file_line_and_field() {
    let estimator = |parameters: &str| message(&around(&format!("[[estimators]]\nuse = \"ranged\"\n{parameters}\n")));
    let messages = [
        ("syntax", message("seed = 7\n[embedder\n")),
        ("no embedder", message("seed = 7\n")),
        ("unknown section", message(&around("[embeder]\nuse = \"x\"\n"))),
        ("wrong type at the top", message("seed = \"seven\"\n[embedder]\nuse = \"minimal-embedder\"\n")),
        ("negative seed", message("seed = -1\n[embedder]\nuse = \"minimal-embedder\"\n")),
        ("unknown plugin", message(&around("[[estimators]]\nuse = \"neighbours\"\n"))),
        ("no use", message(&around("[[estimators]]\nneighbors = 3\n"))),
        ("unknown parameter", estimator("neighbours = 3")),
        ("wrong type", estimator("neighbors = \"many\"")),
        ("a float for a count", estimator("neighbors = 2.5")),
        ("too small", estimator("neighbors = 0")),
        ("too large, optional", estimator("alpha = 1.5")),
        ("not a number", estimator("alpha = nan")),
        ("nested out of range", estimator("layers = [{ width = 8 }, { width = 0 }]")),
        ("nested unknown", estimator("layers = [{ wide = 8 }]")),
        ("section out of range", message(&around("[tasks]\ncoverage = 2.0\n"))),
        ("section unknown field", message(&around("[tasks]\ncoverag = 0.5\n"))),
        ("classifier without discoverer", message(&around("[classifier]\nuse = \"minimal-classifier\"\n"))),
        ("nothing estimates", message("[embedder]\nuse = \"minimal-embedder\"\n")),
    ];
    let text: String = messages.iter().map(|(what, message)| format!("{what}:\n  {message}\n")).collect();
    insta::assert_snapshot!(text);
}

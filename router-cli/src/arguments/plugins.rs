//! Arguments of the commands around plugins: `router plugins`, `schema`, `new` and `bench-report`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Makes tables and plots of what `cargo bench` measured
///
/// Medians with their intervals, prompts a second, how good each plugin is there, and the exponent with which time grows in each number of the size
/// (n prompts, d dimensions, m models, t tasks). Writes report.md and a plot a group into DIR, and prints the tables.
#[derive(Debug, Args)]
#[command(
    next_display_order = None,
    after_help = "\
Examples:
  cargo bench && router bench-report
  router bench-report --criterion other/target/criterion --out measured
  router bench-report --json | jq '.series[] | {name, growth}'"
)]
pub(crate) struct BenchReport {
    /// The folder in which criterion keeps its measurements
    #[arg(long, value_name = "DIR", default_value = "target/criterion")]
    pub(crate) criterion: PathBuf,
    /// Where to write
    #[arg(long, value_name = "DIR", default_value = "router-out/bench-report")]
    pub(crate) out: PathBuf,
}

/// Writes a crate for a plugin of your own: it compiles, is tested and measured
///
/// The crate holds a small method of the role that works and registers itself, its page, a configuration, the conformance suite, a bench, a grid that
/// compares it with nearest neighbors and the paper's router, and a binary: this program with the plugin in it.
#[derive(Debug, Args)]
#[command(
    next_display_order = None,
    after_help = "\
Examples:
  router new estimator my-idea
  router new embedder my-encoder --framework ~/src/router --out plugins/my-encoder

docs/tutorial.md goes from here to a measured estimator."
)]
pub(crate) struct New {
    /// What the plugin is
    #[arg(value_name = "ROLE", value_enum)]
    pub(crate) role: NewRole,
    /// Its name, of lower-case words with hyphens
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// Depend on this checkout of the framework instead of the published version
    #[arg(long, value_name = "PATH")]
    pub(crate) framework: Option<PathBuf>,
    /// Where to write; NAME if left out. Nothing that is there is written over
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

/// The roles that `router new` knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum NewRole {
    // Help texts of values would spread the options of the command over two screens.
    Embedder,
    Discoverer,
    Classifier,
    Estimator,
    Aggregator,
    Policy,
}

/// Lists the registered plugins, or shows one with its parameters
#[derive(Debug, Args)]
#[command(
    next_display_order = None,
    after_help = "\
Examples:
  router plugins
  router plugins moe
  router plugins estimator/neighbors
  router plugins --markdown docs/reference
  router plugins --json | jq '.plugins[].name'"
)]
pub(crate) struct Plugins {
    /// A plugin; with its role where two roles have one of that name
    #[arg(value_name = "NAME or ROLE/NAME")]
    pub(crate) name: Option<String>,
    /// Write the reference pages of all plugins into DIR
    #[arg(long, value_name = "DIR", conflicts_with = "name")]
    pub(crate) markdown: Option<PathBuf>,
}

/// Prints the JSON Schema of a router's configuration
#[derive(Debug, Args)]
#[command(
    next_display_order = None,
    after_help = "\
Examples:
  router schema > router.schema.json
  router schema --out router.schema.json"
)]
pub(crate) struct Schema {
    /// Write to FILE instead of stdout
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

//! The command line as types. Its help texts are the reference of the program.

mod data;
mod embedder;
mod evaluate;
mod experiment;
mod plugins;
mod report;
mod route;
mod understand;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind as ClapErrorKind;
use clap::{Args, Parser, Subcommand};
use router_core::{Error, ErrorKind};

use crate::commands::onboard::Onboard;
use crate::output::Output;

pub(crate) use data::{Data, DataCheck, DataExport, DataImport, DataSplit, DataStats, SplitBy};
pub(crate) use embedder::{Embedder, EmbedderCheck, EmbedderFetch};
pub(crate) use evaluate::{Eval, EvalFormat};
pub(crate) use experiment::{Experiment, ExperimentCommand, ExperimentCompare, ExperimentPool};
pub(crate) use plugins::{BenchReport, New, NewRole, Plugins, Schema};
pub(crate) use report::Report;
pub(crate) use route::{Route, Serve};
pub(crate) use understand::{Compare, Drift, TaskOrder, Tasks};

const EXIT_STATUS: &str = "\
Exit status:
  0  done
  1  failed
  2  wrong usage or bad input: command line, configuration, data, artifact

Results go to stdout, progress and messages to stderr. With --json, stdout holds exactly one JSON document, also on
failure: {\"error\": {\"kind\", \"message\", \"file\", \"line\", \"field\", \"display\"}}.";

/// Routes prompts to language models.
///
/// Learns from past outcomes which model answers which kind of prompt best, and picks a model for each new prompt.
#[derive(Debug, Parser)]
#[command(
    name = "router",
    version,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    max_term_width = 100,
    after_help = concat!(
        "Start here:\n",
        "  router demo                                              see it work, no input needed\n",
        "  router data check my-data                                is my data set well-formed?\n",
        "  router train --config C.toml --data my-data --out R      fit a router\n",
        "  router eval --router R --data my-test-data               is it better than one model for all?\n",
        "  router route --router R --explain 'What is 17 * 23?'     where does this prompt go, and why?"
    ),
    after_long_help = EXIT_STATUS
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Print one JSON document on stdout and nothing else there
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// No progress and no remarks on stderr; errors are still printed
    #[arg(long, global = true)]
    pub(crate) quiet: bool,
    /// The root seed, instead of the configuration's
    #[arg(long, global = true, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Threads; 0 is one a core. Results do not depend on it
    #[arg(long, global = true, value_name = "N", default_value_t = 0)]
    pub(crate) threads: usize,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Demo(Demo),
    /// Checks, describes, imports, exports and splits dataset directories
    #[command(subcommand, arg_required_else_help = true, disable_help_subcommand = true)]
    Data(Data),
    Train(Train),
    Eval(Eval),
    Experiment(Experiment),
    Route(Route),
    Serve(Serve),
    Report(Report),
    Tasks(Tasks),
    Compare(Compare),
    Drift(Drift),
    /// Places a new model in a trained router, without training
    #[command(subcommand, arg_required_else_help = true, disable_help_subcommand = true)]
    Onboard(Onboard),
    /// Lists, brings and checks the models that embedders run
    #[command(subcommand, arg_required_else_help = true, disable_help_subcommand = true)]
    Embedder(Embedder),
    BenchReport(BenchReport),
    New(New),
    Plugins(Plugins),
    Schema(Schema),
}

/// Trains and compares routers on a synthetic world; needs no input
///
/// Makes a world of prompts in known latent tasks and of models with a skill a task, trains the two-stage router and the
/// references on half of it, compares them on the other half, and shows how well discovery found the tasks.
#[derive(Debug, Args)]
#[command(
    next_display_order = None,
    after_help = "\
Examples:
  router demo
  router demo --out my-demo --seed 3
  router demo --json | jq .discovery

Writes into DIR: summary.json, decisions.csv, report.html, router/ (the artifact), world/train and world/test (dataset
directories), finerouter.toml."
)]
pub(crate) struct Demo {
    /// Where to write; files of an earlier demo there are replaced
    #[arg(long, value_name = "DIR", default_value = "router-out/demo")]
    pub(crate) out: PathBuf,
}

/// Fits a router to a dataset directory and writes it as an artifact
///
/// Prints what it found: prompts, models, tasks and the weights of its parts. The artifact is written to a temporary
/// directory and renamed: an older one at the same place is replaced or left whole.
///
/// What a slow or a remote encoder computes is kept in the cache of embeddings (in ROUTER_CACHE, otherwise in the user's cache
/// folder) as it is computed, so that a run that is cut off goes on where it was. Results do not depend on the cache.
#[derive(Debug, Args)]
#[command(
    next_display_order = None,
    after_help = "\
Examples:
  router train --config docs/configs/finerouter.toml --data my-data --out my-router
  router train --config C.toml --data my-data --out my-router --seed 3 --no-exemplars"
)]
pub(crate) struct Train {
    /// The router's configuration; `router plugins` and `router schema` tell what may stand in it
    #[arg(long, value_name = "TOML")]
    pub(crate) config: PathBuf,
    /// The dataset directory to learn from
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Neither take embeddings from the cache nor keep them there
    #[arg(long)]
    pub(crate) no_cache: bool,
    /// Keep training prompts out of the artifact's task cards
    #[arg(long)]
    pub(crate) no_exemplars: bool,
    /// Leave out the references that `router eval --router` compares with
    #[arg(long)]
    pub(crate) no_references: bool,
    /// Where to write the artifact
    #[arg(long, value_name = "ARTIFACT")]
    pub(crate) out: PathBuf,
}

/// Parses the process's arguments; prints help and usage errors itself and gives the status to exit with.
pub(crate) fn parse() -> Result<Arguments, ExitCode> {
    Arguments::try_parse().map_err(|error| {
        // Nothing is left to be done if help cannot be printed.
        let _ = error.print();
        let wrong = !matches!(error.kind(), ClapErrorKind::DisplayHelp | ClapErrorKind::DisplayVersion);
        if wrong && std::env::args_os().any(|argument| argument == "--json") {
            let text = error.to_string();
            let line = text.lines().next().unwrap_or_default();
            let message = line.strip_prefix("error: ").unwrap_or(line).to_owned();
            Output::new(true, true).error_document(&Error::new(ErrorKind::Usage, message));
        }
        ExitCode::from(u8::from(wrong) * 2)
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}

//! Arguments of `router experiment`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Runs a grid: configurations x data sets x seeds x training sizes
///
/// Evaluates every cell against the references, each with its interval, and writes one tidy table. A cell's result is written when it is
/// there: a run that is killed at any point goes on where it was when the command is given again, and the table comes out the same.
/// A cell that fails is recorded with its error and stops no other; the exit status is then 1.
#[derive(Debug, Args)]
#[command(
    next_display_order = None,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    disable_help_subcommand = true,
    after_help = "\
Examples:
  router experiment docs/configs/grid.toml
  router experiment docs/configs/grid.toml --dry-run
  router experiment docs/configs/grid.toml --filter ridge --filter 'seed<9' --out my-results
  router experiment compare my-results my-other-results
  router experiment pool my-results --against estimators[0]=ridge

A grid is TOML: data = [\"my-data\", {train = \"...\", test = \"...\"}], and where left out: seeds = [7], sizes = [1.0], folds = 5,
resamples = 10000, base = \"CONFIG.toml\"; and a configuration in [router] in which { each = [...] } stands for every one of
its options in turn. docs/experiments.md tells more.
A filter is FIELD=VALUE (or !=, <, <=, >, >=), or a part of a cell's name; cells must fit all of them.
Writes results.csv, results.parquet, results.json (a row a cell and router or reference), report.html (the same to look
at, with learning curves), cells/ and prompts/ into DIR."
)]
pub(crate) struct Experiment {
    #[command(subcommand)]
    pub(crate) command: Option<ExperimentCommand>,
    /// The grid
    #[arg(value_name = "GRID", required = true)]
    pub(crate) grid: Option<PathBuf>,
    /// List the cells and what is there of them; run and write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Only cells that fit this; again for each further condition
    #[arg(long, value_name = "FILTER")]
    pub(crate) filter: Vec<String>,
    /// Cells that run at a time; 0 is one a thread. Results do not depend on it
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) jobs: usize,
    /// Neither take embeddings from the cache nor keep them there
    #[arg(long)]
    pub(crate) no_cache: bool,
    /// Where the results are; router-out/experiments/GRID if left out
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ExperimentCommand {
    Compare(ExperimentCompare),
    Pool(ExperimentPool),
}

/// Compares two stored experiments, cell by cell
///
/// The paired difference of the routers' scores over the prompts that both scored, with its bootstrap interval, and p-values
/// corrected over all cells (Holm 1979). Cells belong together if they have the same data, seed, size and choices.
#[derive(Debug, Args)]
#[command(
    next_display_order = None,
    after_help = "\
Examples:
  router experiment compare my-results my-other-results
  router experiment compare with-ridge with-forest --by data,seed
  router experiment compare before after --json | jq '.cells[] | select(.p_holm < 0.05)'

A difference is that of B less A."
)]
pub(crate) struct ExperimentCompare {
    /// The results of an experiment
    #[arg(value_name = "A")]
    pub(crate) a: PathBuf,
    /// The results to compare them with
    #[arg(value_name = "B")]
    pub(crate) b: PathBuf,
    /// The fields that cells must have in common; all if left out
    #[arg(long, value_name = "FIELD,...", value_delimiter = ',')]
    pub(crate) by: Vec<String>,
    /// Bootstrap resamples
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = resample_count)]
    pub(crate) resamples: usize,
}

/// Pools a stored experiment over seeds and data sets: every setting against one
///
/// On every prompt the mean over seeds, on every data set the mean over prompts, over data sets the plain mean of those. Differences are
/// paired, with their bootstrap interval over near-duplicate groups, and p-values corrected over the settings, and by data set within a
/// setting (Holm 1979). Only cells of the same data, seed and size that both settings have count.
#[derive(Debug, Args)]
#[command(
    next_display_order = None,
    after_help = "\
Examples:
  router experiment pool my-results --against router=baseline
  router experiment pool my-results --against embedder.dimension=128,size=1 --json

A difference is that of a setting less the one named by --against."
)]
pub(crate) struct ExperimentPool {
    /// The results of an experiment
    #[arg(value_name = "DIR")]
    pub(crate) directory: PathBuf,
    /// Fields of the setting to hold the others against: as many as it takes to tell it
    #[arg(long, value_name = "FIELD=VALUE,...", value_delimiter = ',', required = true)]
    pub(crate) against: Vec<String>,
    /// Bootstrap resamples
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = resample_count)]
    pub(crate) resamples: usize,
}

fn resample_count(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(count @ 1..=10_000_000) => Ok(count),
        _ => Err("a whole number from 1 to 10,000,000".to_owned()),
    }
}

//! Arguments of `router eval`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Evaluates routers against the references: quality, cost, intervals
///
/// Three ways: an artifact on test data (--router), train then test (--config --train), or cross-validation (--config with
/// --folds, or --leave-benchmark-out). The references are random, cheapest, best single model, cost-matched mix, tuned
/// nearest neighbors, benchmark label and oracle. Intervals are a paired bootstrap over prompts, 95%.
#[derive(Debug, Args)]
#[command(
    next_display_order = None,
    after_help = "\
Examples:
  router eval --router my-router --data my-test-data
  router eval --config C.toml --train my-data --data my-test-data --out my-report
  router eval --config C.toml --config D.toml --train my-data --data my-test-data --seeds 3
  router eval --config C.toml --data my-data --data more-data --folds 5 --json
  router eval --config C.toml --data my-data --leave-benchmark-out
  router eval --config C.toml --data my-data --folds 5 --format latex

In the table, gap closed is (quality - best single) / (oracle - best single), and costs are US dollars for 1,000 prompts.
With --out, writes summary.json (the document of --json), decisions.csv and report.html."
)]
#[allow(clippy::struct_excessive_bools, reason = "every one is a switch of the command line")]
pub(crate) struct Eval {
    /// A router's configuration; again for each further one. The first is the one compared with the references
    #[arg(long, value_name = "TOML")]
    pub(crate) config: Vec<PathBuf>,
    /// A dataset directory to evaluate on; again for each further one
    #[arg(long, value_name = "DIR", required = true)]
    pub(crate) data: Vec<PathBuf>,
    /// Cross-validate over the --data directories together, with this many folds
    #[arg(long, value_name = "K")]
    pub(crate) folds: Option<usize>,
    /// How to print the result: tables to read, or one for a paper
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = EvalFormat::Text)]
    pub(crate) format: EvalFormat,
    /// Cross-validate over the benchmarks of the --data directories: each is held out in turn as a kind of prompt never seen
    #[arg(long, conflicts_with_all = ["folds", "train", "router"])]
    pub(crate) leave_benchmark_out: bool,
    /// Neither take embeddings from the cache nor keep them there
    #[arg(long)]
    pub(crate) no_cache: bool,
    /// Keep training prompts out of the report
    #[arg(long)]
    pub(crate) no_exemplars: bool,
    /// Where to write the report
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Bootstrap resamples
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub(crate) resamples: usize,
    /// Change every prompt (typos, case, a phrase around it, a sentence after it), route again, and tell what stays
    #[arg(long)]
    pub(crate) robustness: bool,
    /// An artifact that `router train` wrote
    #[arg(long, value_name = "ARTIFACT")]
    pub(crate) router: Option<PathBuf>,
    /// A number of seeds (counted up from --seed or the configuration's), or a list of them: 1,2,5
    #[arg(long, value_name = "N or LIST")]
    pub(crate) seeds: Option<Seeds>,
    /// Also evaluate the stages by themselves: task scores alone, each estimator alone
    #[arg(long)]
    pub(crate) stages: bool,
    /// The dataset directory to learn from
    #[arg(long, value_name = "DIR")]
    pub(crate) train: Option<PathBuf>,
}

/// How `router eval` prints its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum EvalFormat {
    /// Tables and notes for a terminal
    Text,
    /// A table for a paper or a pull request, in Markdown
    Markdown,
    /// A table for a paper, in LaTeX with booktabs
    Latex,
}

/// What `--seeds` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seeds {
    /// So many, counted up from the first.
    Count(u64),
    /// These.
    List(Vec<u64>),
}

impl std::str::FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |part: &str| part.trim().parse::<u64>().map_err(|_| format!("`{part}` is not a seed"));
        if !text.contains(',') {
            return match number(text)? {
                0 => Err("at least one seed is needed".into()),
                count @ 1..=1000 => Ok(Self::Count(count)),
                _ => Err("more than 1000 seeds; to name a single seed use --seed, or a list: `12345,`".into()),
            };
        }
        let mut list = Vec::new();
        for part in text.split(',').filter(|part| !part.trim().is_empty()) {
            let seed = number(part)?;
            if list.contains(&seed) {
                return Err(format!("seed {seed} stands twice"));
            }
            list.push(seed);
        }
        if list.is_empty() { Err("at least one seed is needed".into()) } else { Ok(Self::List(list)) }
    }
}

impl Seeds {
    /// The seeds, where `first` is the one to count up from.
    pub(crate) fn resolve(&self, first: u64) -> Vec<u64> {
        match self {
            Self::Count(count) => (0..*count).map(|at| first.wrapping_add(at)).collect(),
            Self::List(list) => list.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_a_count_or_a_list() {
        assert_eq!("3".parse::<Seeds>().unwrap().resolve(7), [7, 8, 9]);
        assert_eq!("1, 5,2".parse::<Seeds>().unwrap().resolve(7), [1, 5, 2]);
        assert_eq!("99999,".parse::<Seeds>().unwrap().resolve(7), [99999]);
        for wrong in ["", "0", "x", "1,1", ",", "-1", "2000"] {
            assert!(wrong.parse::<Seeds>().is_err(), "{wrong}");
        }
    }
}

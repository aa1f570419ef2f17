//! Arguments of the commands that explain a router: `router tasks`, `compare` and `drift`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Shows the tasks that a router discovered
///
/// Without an ID, a line a task; with one, its whole card: typical prompts, and every model's quality with its 95% Wilson
/// interval, in numbers and as a picture. Stability is the mean Jaccard similarity with which a task comes back when the
/// prompts are drawn anew (Hennig 2007): 0.75 and above is stable, below 0.6 is not to be trusted. It is there if the
/// configuration asked for it with `stability_resamples = 20` under `tasks`.
#[derive(Debug, Args)]
#[command(
    next_display_order = None,
    after_help = "\
Examples:
  router tasks --router my-router
  router tasks --router my-router --sort stability
  router tasks --router my-router 3
  router tasks --router my-router --json | jq '.tasks[] | {id, size, keywords}'"
)]
pub(crate) struct Tasks {
    /// Show this task in full
    #[arg(value_name = "ID")]
    pub(crate) id: Option<u32>,
    /// An artifact that `router train` wrote
    #[arg(long, value_name = "ARTIFACT")]
    pub(crate) router: PathBuf,
    /// The order of the tasks, the highest first
    #[arg(long, value_name = "BY", value_enum, default_value_t = TaskOrder::Size, conflicts_with = "id")]
    pub(crate) sort: TaskOrder,
}

/// What `router tasks` sorts by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TaskOrder {
    /// Training prompts
    Size,
    /// How far the task comes back when the prompts are drawn anew
    Stability,
    /// The best model's score
    Quality,
    /// How far the best model's score is above the next one's
    Lead,
}

/// Shows where two routers decide differently on the same prompts, and why
///
/// Tells how often they agree, which model takes over from which, the same by the tasks of either, and the prompts on which
/// they are furthest apart, with both stages' scores, weights and reasons. With --data, whose choices were better: the paired
/// difference of quality over all prompts and over those on which they differ, with its bootstrap interval.
#[derive(Debug, Args)]
#[command(
    next_display_order = None,
    after_help = "\
Examples:
  router compare my-router my-other-router --data my-test-data
  router compare my-router my-other-router --data my-test-data --show 20 --out my-comparison
  router compare my-router my-other-router --prompts requests.jsonl --json | jq .switches
  cat requests.jsonl | router compare my-router my-other-router --prompts -

The gap of a prompt: A's expected quality of its own choice above B's choice, plus the same from B's side. It is split into
what the scores of every part, the weights and the rest of the aggregation add; the largest is the main cause. `policy`: both
expect the same of the two models to be better; `models`: one has no choice, or does not know the other's.
Lines of prompts are those of `router route -`, constraints included. Intervals are 95%: Wilson for agreement, bootstrap for
quality. With --out, writes comparison.json (the document of --json) and decisions.csv (every prompt)."
)]
pub(crate) struct Compare {
    /// An artifact that `router train` wrote
    #[arg(value_name = "A")]
    pub(crate) a: PathBuf,
    /// The artifact to compare it with
    #[arg(value_name = "B")]
    pub(crate) b: PathBuf,
    /// A dataset directory: its prompts, and its outcomes to judge by
    #[arg(long, value_name = "DIR", required_unless_present = "prompts", conflicts_with = "prompts")]
    pub(crate) data: Option<PathBuf>,
    /// Where to write the comparison
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// A file of prompts, a JSON object a line; - reads stdin
    #[arg(long, value_name = "FILE")]
    pub(crate) prompts: Option<PathBuf>,
    /// Bootstrap resamples
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub(crate) resamples: usize,
    /// How many of the prompts with the largest gap are shown in full
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub(crate) show: usize,
}

/// Watches a stream of prompts for drift away from the training prompts
///
/// Reads prompts, a JSON object a line, and reports window by window: the share without a task against training (exact
/// binomial test), and how far prompts lie from the nearest task, and how unsure the classifier is
/// (Kolmogorov-Smirnov tests). The training side comes from the artifact: prompts that the classifier had not seen.
#[derive(Debug, Args)]
#[command(
    next_display_order = None,
    after_help = "\
Examples:
  router drift --router my-router requests.jsonl
  router drift --router my-router --window 500 --level 0.001 requests.jsonl
  tail -f requests.jsonl | router drift --router my-router - --json
  router drift --router my-router --fail-on-warning my-data/prompts.jsonl

A window warns where something as far from training has a probability of at most LEVEL without drift, all three tests taken
together: without drift expect that share of windows to warn. Only the harmful directions are tested. The last window may be
short. With --json, one document: {\"level\", \"window\", \"training\", \"prompts\", \"warnings\", \"windows\"}.
Exit status: 0 also with warnings, unless --fail-on-warning is given: then 1."
)]
pub(crate) struct Drift {
    /// A file of prompts, a JSON object a line; - or nothing reads stdin
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// End with status 1 if any window warns
    #[arg(long)]
    pub(crate) fail_on_warning: bool,
    /// The probability of a warning in a window without drift, above 0 and below 1
    #[arg(long, value_name = "LEVEL", default_value_t = 0.01)]
    pub(crate) level: f64,
    /// An artifact that `router train` wrote
    #[arg(long, value_name = "ARTIFACT")]
    pub(crate) router: PathBuf,
    /// Prompts in a window
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) window: u64,
}

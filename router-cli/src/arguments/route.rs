//! Arguments of the commands that decide: `router route` and `router serve`.

use std::path::PathBuf;

use clap::Args;

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
  router serve --router my-router --config serve.toml --ext-proc 127.0.0.1:9000   # and Envoy sends
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
    /// Decide for an Envoy too, which sends the requests itself: its external processing (gRPC), at this address
    #[cfg(feature = "ext-proc")]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) ext_proc: Option<String>,
    /// The address to listen at; port 0 is any free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub(crate) listen: String,
    /// An artifact that `router train` wrote
    #[arg(long, value_name = "ARTIFACT")]
    pub(crate) router: PathBuf,
}

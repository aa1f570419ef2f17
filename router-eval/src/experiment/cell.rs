//! One cell of a grid: a configuration on a data set, under a seed, with a share of the training prompts.

use std::sync::Arc;

use router_core::artifact::sha256;
use router_core::{ComponentConfig, Dataset, Error, ErrorKind, Registry, Result, UnfittedRouter};
use serde_json::{Value, json};

use super::grid::Grid;

/// What a result file is read as; another number is another file.
pub(super) const FORMAT: u32 = 1;
/// Digits of a digest that names a file.
const DIGITS: usize = 16;

/// One cell. What it comes to depends on nothing but what its digest covers.
#[derive(Debug, Clone)]
pub struct Cell {
    /// Which data set of the grid.
    pub(super) data: usize,
    /// The root seed.
    pub(super) seed: u64,
    /// The share of training prompts.
    pub(super) size: f64,
    /// The resolved configuration, every default filled in.
    pub(super) config: Value,
    /// The resolved embedder, and whether it learns.
    pub(super) embedder: (ComponentConfig, bool),
    fields: Vec<(String, String)>,
    name: String,
    digest: String,
}

impl Cell {
    /// The cell's fields: data, seed, size, and everything that varies.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The value of a field.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// All fields in a line: unique in a grid.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// SHA-256 over everything that the result depends on, the first 16 digits: the name of its file.
    pub fn digest(&self) -> &str {
        &self.digest
    }
}

/// The line of `fields`.
pub(super) fn name_of<'a>(fields: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    fields.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
}

/// A data set of a grid, read.
#[derive(Debug, Clone)]
pub(super) struct Loaded {
    /// What tables call it.
    pub(super) label: String,
    pub(super) train: Arc<Dataset>,
    pub(super) test: Option<Arc<Dataset>>,
    /// SHA-256 over all of it that a result depends on.
    pub(super) digest: String,
}

impl Loaded {
    pub(super) fn new(label: Option<&str>, train: Arc<Dataset>, test: Option<Arc<Dataset>>) -> Self {
        let label = label.unwrap_or(train.name()).to_owned();
        let one = |dataset: &Dataset| {
            let benchmarks: Vec<Option<&str>> = dataset.prompts().iter().map(|one| one.benchmark.as_deref()).collect();
            json!([dataset.name(), dataset.fingerprint(), benchmarks, dataset.groups()])
        };
        let digest = sha256(json!([one(&train), test.as_deref().map(one)]).to_string().as_bytes());
        Self { label, train, test, digest }
    }

    /// What is evaluated on.
    pub(super) fn evaluated(&self) -> &Arc<Dataset> {
        self.test.as_ref().unwrap_or(&self.train)
    }
}

/// All cells of `grid`, those that share work beside each other.
///
/// # Errors
/// [`ErrorKind::Config`] if two data sets go by one name.
pub(super) fn cells(grid: &Grid, data: &[Loaded], registry: &Registry) -> Result<Vec<Cell>> {
    for (at, one) in data.iter().enumerate() {
        if data.iter().take(at).any(|earlier| earlier.label == one.label) {
            return Err(Error::new(ErrorKind::Config, format!("two data sets are called `{}`", one.label))
                .at_field(format!("data[{at}]"))
                .help("give one a `name`"));
        }
    }
    let mut cells = Vec::with_capacity(grid.cells());
    for (data_number, data) in data.iter().enumerate() {
        for &seed in &grid.seeds {
            // Resolved once a seed, not once a size.
            let resolved = grid
                .settings
                .iter()
                .map(|setting| {
                    let mut config = setting.config.clone();
                    config.seed = seed;
                    let router = UnfittedRouter::from_config(&config, registry)?;
                    let embedder = (router.config().embedder.clone(), router.embedder_learns());
                    Ok((router.config().to_json()?, embedder))
                })
                .collect::<Result<Vec<_>>>()?;
            for &size in &grid.sizes {
                for (setting, (config, embedder)) in grid.settings.iter().zip(&resolved) {
                    let common = [("data", data.label.clone()), ("seed", seed.to_string()), ("size", size.to_string())];
                    let common = common.into_iter().map(|(name, value)| (name.to_owned(), value));
                    let fields: Vec<(String, String)> = common.chain(setting.labels.iter().cloned()).collect();
                    let folds = data.test.is_none().then_some(grid.folds);
                    let depends = json!([
                        FORMAT,
                        env!("CARGO_PKG_VERSION"),
                        config,
                        data.label,
                        data.digest,
                        size,
                        folds,
                        grid.resamples,
                    ]);
                    let digest = sha256(depends.to_string().as_bytes());
                    cells.push(Cell {
                        data: data_number,
                        seed,
                        size,
                        config: config.clone(),
                        embedder: embedder.clone(),
                        name: name_of(fields.iter().map(|(name, value)| (name.as_str(), value.as_str()))),
                        fields,
                        digest: digest.get(..DIGITS).unwrap_or(&digest).to_owned(),
                    });
                }
            }
        }
    }
    Ok(cells)
}

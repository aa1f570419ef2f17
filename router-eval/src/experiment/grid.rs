//! A grid as it is written: TOML with data sets, seeds, sizes and a router's configuration in which something varies.
//!
//! ```toml
//! folds = 5                          # of the cross-validation; for data sets without a test set
//! seeds = [7, 8, 9]                  # the configuration's own if left out
//! sizes = [0.25, 0.5, 1.0]           # shares of the training prompts; all if left out
//! resamples = 10000                  # of the bootstrap
//! base = "docs/configs/best.toml"    # a configuration that [router] changes; nothing if left out
//! data = ["my-data", { name = "mine", train = "my-data/train", test = "my-data/test" }]
//!
//! [router.embedder]
//! use = "hashing"
//! [[router.estimators]]
//! each = [{ use = "ridge" }, { use = "neighbors", k = { each = [5, 20] } }]
//! ```

use std::path::{Path, PathBuf};

use router_core::config::ConfigSource;
use router_core::{Error, ErrorKind, Registry, Result, RouterConfig, UnfittedRouter};
use serde_json::{Map, Value};

use super::expand::{Variant, expand};

/// Most cells of a grid.
const MOST_CELLS: usize = 100_000;
const KEYS: [&str; 7] = ["base", "data", "folds", "resamples", "router", "seeds", "sizes"];
const DATA_KEYS: [&str; 3] = ["name", "train", "test"];

/// A grid, read and checked: every configuration in it is one that can be fitted.
#[derive(Debug, Clone)]
pub struct Grid {
    /// Its text, to say where in it something stands.
    pub(super) source: ConfigSource,
    /// Folds of the cross-validation on data sets without a test set.
    pub folds: usize,
    /// Bootstrap resamples of every cell.
    pub resamples: usize,
    /// The data sets.
    pub data: Vec<GridData>,
    /// The root seeds.
    pub seeds: Vec<u64>,
    /// The shares of training prompts, in (0, 1].
    pub sizes: Vec<f64>,
    /// The configurations.
    pub settings: Vec<Setting>,
}

/// A data set of a grid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GridData {
    /// What tables call it, if not by its own name.
    pub name: Option<String>,
    /// The directory to learn from.
    pub train: PathBuf,
    /// The directory to evaluate on; without one, the training directory is cross-validated.
    pub test: Option<PathBuf>,
}

/// One configuration of a grid.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// What was chosen, of all that varies: path and option.
    pub labels: Vec<(String, String)>,
    /// The configuration. Its seed is replaced by a cell's.
    pub config: RouterConfig,
}

impl Grid {
    /// Reads the grid in file `path`. `seed` is the one seed of a grid that names none.
    ///
    /// # Errors
    /// [`ErrorKind::Io`]; [`ErrorKind::Config`] and [`ErrorKind::UnknownPlugin`] with file, line and field; [`ErrorKind::Usage`] for a
    /// `seed` where the grid names seeds.
    pub fn from_file(path: impl AsRef<Path>, registry: &Registry, seed: Option<u64>) -> Result<Self> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(|source| Error::io(path, source))?;
        Self::from_toml(&text, path, registry, seed)
    }

    /// Reads the grid in `text`; `file` is the name that errors give.
    ///
    /// # Errors
    /// As [`from_file`](Self::from_file).
    pub fn from_toml(text: &str, file: impl AsRef<Path>, registry: &Registry, seed: Option<u64>) -> Result<Self> {
        let source = ConfigSource::parse(text, file)?;
        read(&source, registry, seed).map_err(|error| source.locate(error))
    }

    /// How many cells there are.
    pub fn cells(&self) -> usize {
        self.data.len() * self.seeds.len() * self.sizes.len() * self.settings.len()
    }
}

fn wrong(field: impl Into<String>, message: impl Into<String>, help: &str) -> Error {
    Error::new(ErrorKind::Config, message).at_field(field).help(help)
}

fn read(source: &ConfigSource, registry: &Registry, seed: Option<u64>) -> Result<Grid> {
    let Value::Object(table) = source.to_json()? else {
        return Err(Error::new(ErrorKind::Config, "a grid is a table"));
    };
    check_keys(&table, "", &KEYS)?;
    let folds = whole(table.get("folds"), "folds", 2..=100, 5)?;
    let resamples = whole(table.get("resamples"), "resamples", 100..=1_000_000, 10_000)?;
    let data = data(table.get("data"))?;
    let sizes = sizes(table.get("sizes"))?;
    let named_seeds = seeds(table.get("seeds"))?;
    if seed.is_some() && named_seeds.is_some() {
        return Err(Error::new(ErrorKind::Usage, "the grid names its seeds")
            .at_field("seeds")
            .help("leave out --seed, or `seeds`"));
    }
    let settings = settings(&table, source, registry)?;
    let seeds = match (named_seeds, seed, settings.first()) {
        (Some(seeds), ..) => seeds,
        (None, Some(seed), _) => vec![seed],
        (None, None, first) => vec![first.map_or(0, |setting| setting.config.seed)],
    };
    let grid = Grid { source: source.clone(), folds, resamples, data, seeds, sizes, settings };
    if grid.cells() > MOST_CELLS {
        return Err(Error::new(ErrorKind::Config, format!("{} cells are more than {MOST_CELLS}", grid.cells()))
            .help("let less vary"));
    }
    Ok(grid)
}

fn check_keys(table: &Map<String, Value>, path: &str, known: &[&str]) -> Result<()> {
    match table.keys().find(|key| !known.contains(&key.as_str())) {
        None => Ok(()),
        Some(key) => {
            let field = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            Err(wrong(field, format!("unknown field `{key}`"), &format!("the fields are {}", known.join(", "))))
        }
    }
}

fn whole(value: Option<&Value>, field: &str, range: std::ops::RangeInclusive<usize>, default: usize) -> Result<usize> {
    let Some(value) = value else { return Ok(default) };
    let number = value.as_u64().and_then(|number| usize::try_from(number).ok()).filter(|number| range.contains(number));
    number.ok_or_else(|| {
        let help = format!("a whole number from {} to {}", range.start(), range.end());
        wrong(field, format!("{value} is not one that it can be"), &help)
    })
}

/// The values of a list that `read` makes something of, no two the same.
fn list<T: PartialEq>(
    value: Option<&Value>,
    field: &str,
    help: &str,
    read: impl Fn(&Value) -> Option<T>,
) -> Result<Option<Vec<T>>> {
    let Some(value) = value else { return Ok(None) };
    let Value::Array(items) = value else { return Err(wrong(field, "expected a list", help)) };
    if items.is_empty() {
        return Err(wrong(field, "the list is empty", help));
    }
    let mut values = Vec::with_capacity(items.len());
    for (at, item) in items.iter().enumerate() {
        let place = format!("{field}[{at}]");
        let value = read(item).ok_or_else(|| wrong(&place, format!("{item} is not one that it can be"), help))?;
        if values.contains(&value) {
            return Err(wrong(place, format!("{item} stands twice"), help));
        }
        values.push(value);
    }
    Ok(Some(values))
}

fn seeds(value: Option<&Value>) -> Result<Option<Vec<u64>>> {
    list(value, "seeds", "a list of whole numbers, as [7, 8, 9]", Value::as_u64)
}

fn sizes(value: Option<&Value>) -> Result<Vec<f64>> {
    let share = |value: &Value| value.as_f64().filter(|share| *share > 0.0 && *share <= 1.0);
    let sizes =
        list(value, "sizes", "shares of the training prompts, above 0 and at most 1, as [0.25, 0.5, 1.0]", share)?;
    Ok(sizes.unwrap_or_else(|| vec![1.0]))
}

fn data(value: Option<&Value>) -> Result<Vec<GridData>> {
    let help = r#"a list of directories, or of { train = "...", test = "..." }"#;
    let Some(Value::Array(items)) = value else {
        let what = if value.is_some() { "expected a list" } else { "there is no data set" };
        return Err(wrong("data", what, help));
    };
    if items.is_empty() {
        return Err(wrong("data", "there is no data set", help));
    }
    let mut data = Vec::with_capacity(items.len());
    for (at, item) in items.iter().enumerate() {
        let place = format!("data[{at}]");
        let entry = match item {
            Value::String(path) => GridData { name: None, train: path.into(), test: None },
            Value::Object(table) => {
                check_keys(table, &place, &DATA_KEYS)?;
                let text = |key: &str| match table.get(key) {
                    None => Ok(None),
                    Some(Value::String(text)) if !text.is_empty() => Ok(Some(text.clone())),
                    Some(_) => Err(wrong(format!("{place}.{key}"), "expected a text", help)),
                };
                let train =
                    text("train")?.ok_or_else(|| wrong(format!("{place}.train"), "the field is missing", help))?;
                GridData { name: text("name")?, train: train.into(), test: text("test")?.map(PathBuf::from) }
            }
            _ => return Err(wrong(place, "expected a directory or a table", help)),
        };
        if data.contains(&entry) {
            return Err(wrong(place, "the data set stands twice", "name each once"));
        }
        data.push(entry);
    }
    Ok(data)
}

/// The configurations, each built once so that a grid with a fault in it does not begin.
fn settings(table: &Map<String, Value>, source: &ConfigSource, registry: &Registry) -> Result<Vec<Setting>> {
    let overlay = table.get("router").cloned().unwrap_or_else(|| Value::Object(Map::new()));
    let base = match table.get("base") {
        None => None,
        Some(Value::String(path)) => {
            let text = std::fs::read_to_string(path)
                .map_err(|error| wrong("base", format!("`{path}` cannot be read: {error}"), "check the path"))?;
            let source = ConfigSource::parse(&text, path)?;
            let value = source.to_json().map_err(|error| source.locate(error))?;
            Some((source, value))
        }
        Some(_) => return Err(wrong("base", "expected the path of a configuration", "")),
    };
    let whole = match &base {
        Some((_, value)) => overlaid(value, &overlay),
        None => overlay.clone(),
    };
    let router = |field: String| {
        let dot = if field.is_empty() || field.starts_with('[') { "" } else { "." };
        format!("router{dot}{field}")
    };
    let variants = expand(&whole, "").map_err(|error| {
        let field = error.field().unwrap_or_default().to_owned();
        error.at_field(router(field))
    })?;
    let place = |error: Error, variant: &Variant| {
        let field = error.field().unwrap_or_default().to_owned();
        let first = field.split(['.', '[']).next().unwrap_or_default();
        match &base {
            Some((base, _)) if overlay.get(first).is_none() => base.locate(error),
            _ => source.locate(error.at_field(router(variant.source_path(&field)))),
        }
    };
    let mut settings = Vec::with_capacity(variants.len());
    for variant in variants {
        if variant.labels.iter().any(|(path, _)| path == "seed") {
            let error =
                Error::new(ErrorKind::Config, "a seed varies by `seeds`").at_field("seed").help("seeds = [7, 8, 9]");
            return Err(place(error, &variant));
        }
        let config = RouterConfig::from_json(&variant.value).map_err(|error| place(error, &variant))?;
        UnfittedRouter::from_config(&config, registry).map_err(|error| place(error, &variant))?;
        settings.push(Setting { labels: variant.labels, config });
    }
    Ok(settings)
}

/// `overlay` over `base`: tables are merged, but a table that names a component, or options, stands for itself.
fn overlaid(base: &Value, overlay: &Value) -> Value {
    match (base, overlay) {
        (Value::Object(base), Value::Object(over)) if !over.contains_key("use") && !over.contains_key("each") => {
            let mut merged = base.clone();
            for (key, value) in over {
                let value = base.get(key).map_or_else(|| value.clone(), |base| overlaid(base, value));
                merged.insert(key.clone(), value);
            }
            Value::Object(merged)
        }
        (_, overlay) => overlay.clone(),
    }
}

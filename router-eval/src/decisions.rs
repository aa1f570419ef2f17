//! Every single decision: the rows of `decisions.csv`.

use router_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

/// One decision of a router or reference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DecisionRow {
    /// The router's or reference's label ([`crate::summary::Entry::label`]).
    pub router: String,
    /// The data set.
    pub data: String,
    /// The fold that the prompt was held out in; `None` for train -> test.
    pub fold: Option<usize>,
    /// The root seed.
    pub seed: u64,
    /// The prompt.
    pub prompt_id: String,
    /// The chosen model; for a reference that chooses at random, one seeded draw. `None` if no model was eligible.
    pub model: Option<String>,
    /// The outcome's quality, where the pair was observed.
    pub score: Option<f64>,
    /// What the call cost in US dollars, where known.
    pub cost_usd: Option<f64>,
}

/// The rows as CSV with a header.
pub(crate) fn to_csv(rows: &[DecisionRow]) -> Result<Vec<u8>> {
    let internal =
        |source: csv::Error| Error::new(ErrorKind::Internal, "cannot write decisions as CSV").caused_by(source);
    let mut writer = csv::Writer::from_writer(Vec::new());
    if rows.is_empty() {
        writer
            .write_record(["router", "data", "fold", "seed", "prompt_id", "model", "score", "cost_usd"])
            .map_err(internal)?;
    }
    for row in rows {
        writer.serialize(row).map_err(internal)?;
    }
    writer.into_inner().map_err(|source| {
        Error::new(ErrorKind::Internal, "cannot write decisions as CSV").caused_by(source.into_error())
    })
}

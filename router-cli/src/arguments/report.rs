//! Arguments of `router report`.

use clap::Args;

/// Tells from records what a router saved, and what one model for all would have done
///
/// Reads what `router serve` recorded. Costs are compared with one model for all at the same tokens; qualities where exploration drew
/// models at random, by inverse propensities. What the records cannot tell is said.
#[derive(Debug, Args)]
#[command(
    next_display_order = None,
    after_help = "\
Examples:
  router report --records records.sqlite
  router report --records records.sqlite --days 7 --best large
  router report --records postgres://router@db.example/router --json | jq .models

The password of a PostgreSQL address comes from PGPASSWORD. docs/gateway.md says what the numbers rest on."
)]
pub(crate) struct Report {
    /// The model that is taken for the best one, where the records do not tell which is
    #[arg(long, value_name = "MODEL")]
    pub(crate) best: Option<String>,
    /// Only the last so many days
    #[arg(long, value_name = "DAYS")]
    pub(crate) days: Option<f64>,
    /// A file of SQLite, or an address of PostgreSQL
    #[arg(long, value_name = "RECORDS")]
    pub(crate) records: String,
    /// Bootstrap resamples
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub(crate) resamples: usize,
}

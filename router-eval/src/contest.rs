//! Who chose what: every router and reference on every prompt of every data set under every seed.
#![allow(
    clippy::indexing_slicing,
    reason = "tables are allocated for every data set, seed and row when a series begins"
)]

use router_core::{Error, ErrorKind, Result};

use crate::arena::Arena;
use crate::forecast::{Forecast, PricedModels};
use crate::latency::LatencySamples;
use crate::pick::Pick;

/// Whether a contestant is evaluated or compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Router,
    Reference,
}

/// What one contestant chose for some rows of a data set.
#[derive(Debug, Clone)]
pub(crate) struct Play {
    pub(crate) name: String,
    pub(crate) side: Side,
    pub(crate) matched_to: Option<String>,
    /// One pick a row.
    pub(crate) picks: Vec<Pick>,
    /// Seconds a prompt, where they were measured.
    pub(crate) seconds: Option<f64>,
    /// What was expected of every model, where anything was.
    pub(crate) forecast: Option<Forecast>,
    /// Times of single decisions, where they were measured.
    pub(crate) latency: LatencySamples,
}

impl Play {
    pub(crate) fn router(name: impl Into<String>, picks: Vec<Pick>) -> Self {
        Self {
            name: name.into(),
            side: Side::Router,
            matched_to: None,
            picks,
            seconds: None,
            forecast: None,
            latency: LatencySamples::default(),
        }
    }

    pub(crate) fn reference(name: impl Into<String>, picks: Vec<Pick>) -> Self {
        Self { side: Side::Reference, ..Self::router(name, picks) }
    }

    /// Says that all picks took `seconds` together, beside `embedding_seconds` a prompt.
    pub(crate) fn timed(mut self, seconds: f64, embedding_seconds: f64) -> Self {
        self.seconds = (!self.picks.is_empty()).then(|| embedding_seconds + seconds / self.picks.len() as f64);
        self
    }

    /// Adds what was expected.
    pub(crate) fn expecting(mut self, forecast: Forecast) -> Self {
        self.forecast = Some(forecast);
        self
    }
}

/// One contestant's picks over the whole evaluation.
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) side: Side,
    pub(crate) matched_to: Option<String>,
    /// By data set, seed, row.
    pub(crate) picks: Vec<Vec<Vec<Pick>>>,
    /// By data set, seed: what was expected, where anything was.
    pub(crate) forecasts: Vec<Vec<Option<Forecast>>>,
    /// Times of single decisions.
    pub(crate) latency: LatencySamples,
    /// Seconds and prompts measured.
    seconds: f64,
    timed: usize,
}

impl Series {
    /// Seconds a prompt, where they were measured.
    pub(crate) fn seconds_per_prompt(&self) -> Option<f64> {
        (self.timed > 0).then(|| self.seconds / self.timed as f64)
    }
}

/// Where some prompts were decided.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    /// The number of the data set.
    pub(crate) data: usize,
    /// The number of the seed.
    pub(crate) seed: usize,
    /// The fold that held them out.
    pub(crate) fold: usize,
}

/// Everything that was chosen.
pub(crate) struct Contest {
    pub(crate) arenas: Vec<Arena>,
    pub(crate) seeds: Vec<u64>,
    pub(crate) folds: Option<usize>,
    /// By data set, seed, row: the fold that held it out.
    pub(crate) fold_of: Vec<Vec<Vec<usize>>>,
    /// By data set, seed, row: what train knows of the models of known cost, if there is any.
    pub(crate) priced: Vec<Vec<Vec<Option<PricedModels>>>>,
    pub(crate) series: Vec<Series>,
    /// What routers chose for changed prompts: `name` is the perturbation's, `matched_to` the router.
    pub(crate) perturbed: Vec<Series>,
    /// Whether the folds are the benchmarks.
    pub(crate) leave_benchmark_out: bool,
}

impl Contest {
    pub(crate) fn new(mut arenas: Vec<Arena>, seeds: Vec<u64>, folds: Option<usize>) -> Self {
        // Two data sets of one name could not be told apart in the files.
        for at in 1..arenas.len() {
            let earlier = arenas[..at].iter().filter(|arena| arena.dataset.name() == arenas[at].dataset.name()).count();
            if earlier > 0 {
                arenas[at].name = format!("{} ({})", arenas[at].name, earlier + 1);
            }
        }
        let fold_of = arenas.iter().map(|arena| vec![vec![0; arena.len()]; seeds.len()]).collect();
        let priced = arenas.iter().map(|arena| vec![vec![None; arena.len()]; seeds.len()]).collect();
        Self {
            arenas,
            seeds,
            folds,
            fold_of,
            priced,
            series: Vec::new(),
            perturbed: Vec::new(),
            leave_benchmark_out: false,
        }
    }

    /// Records what all contestants chose for `rows` of a data set under a seed, and what train knew of models of known cost.
    /// Contestants come in the same order every time, the first router first.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] if they do not.
    pub(crate) fn enter(
        &mut self,
        place: Place,
        rows: &[usize],
        priced: Option<PricedModels>,
        plays: Vec<Play>,
    ) -> Result<()> {
        let Place { data, seed, fold } = place;
        for &row in rows {
            self.fold_of[data][seed][row] = fold;
            self.priced[data][seed][row] = priced;
        }
        record(&mut self.series, &self.arenas, self.seeds.len(), place, rows, plays)
    }

    /// Records what routers chose for `rows` after a change, in the same order every time.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] if they do not come in the same order.
    pub(crate) fn enter_perturbed(&mut self, place: Place, rows: &[usize], plays: Vec<Play>) -> Result<()> {
        record(&mut self.perturbed, &self.arenas, self.seeds.len(), place, rows, plays)
    }

    /// The name of the first router.
    pub(crate) fn first_router(&self) -> &str {
        self.series.first().map_or("", |series| series.name.as_str())
    }

    /// The position of the reference `name`.
    pub(crate) fn reference(&self, name: &str) -> Result<usize> {
        self.series
            .iter()
            .position(|series| series.side == Side::Reference && series.name == name)
            .ok_or_else(|| Error::new(ErrorKind::Internal, format!("there is no reference `{name}`")))
    }
}

/// Adds `plays` to `known`, which is made by the first of them.
fn record(
    known: &mut Vec<Series>,
    arenas: &[Arena],
    seeds: usize,
    place: Place,
    rows: &[usize],
    plays: Vec<Play>,
) -> Result<()> {
    let Place { data, seed, .. } = place;
    if known.is_empty() {
        let blank: Vec<Vec<Vec<Pick>>> =
            arenas.iter().map(|arena| vec![vec![Pick::Nobody; arena.len()]; seeds]).collect();
        *known = plays
            .iter()
            .map(|play| Series {
                name: play.name.clone(),
                side: play.side,
                matched_to: play.matched_to.clone(),
                picks: blank.clone(),
                forecasts: vec![vec![None; seeds]; arenas.len()],
                latency: LatencySamples::default(),
                seconds: 0.0,
                timed: 0,
            })
            .collect();
    }
    let same = known.len() == plays.len()
        && known.iter().zip(&plays).all(|(series, play)| {
            series.name == play.name && series.matched_to == play.matched_to && play.picks.len() == rows.len()
        });
    if !same {
        return Err(Error::new(ErrorKind::Internal, "the contestants of an evaluation changed on the way"));
    }
    let shape = (arenas[data].len(), arenas[data].pool.len());
    for (series, play) in known.iter_mut().zip(plays) {
        if let Some(seconds) = play.seconds {
            series.seconds += seconds * rows.len() as f64;
            series.timed += rows.len();
        }
        if let Some(part) = &play.forecast {
            let whole = &mut series.forecasts[data][seed];
            whole.get_or_insert_with(|| Forecast::blank(shape.0, shape.1)).scatter(rows, part);
        }
        series.latency.extend(play.latency);
        for (&row, pick) in rows.iter().zip(play.picks) {
            series.picks[data][seed][row] = pick;
        }
    }
    Ok(())
}

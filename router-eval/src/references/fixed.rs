//! What the references choose for the prompts of one cell: some rows of a data set under one seed.

use std::sync::Arc;

use router_core::{MatrixView, PromptsView, Result, Seed, SeedStream};

use crate::arena::{Arena, Call};
use crate::contest::Play;
use crate::pick::Pick;
use crate::references::References;
use crate::references::hull::{Point, mixture, upper_hull};
use crate::timing::timed;

/// Behind this reference stand the cost-matched mixes in a report.
const BEST_SINGLE: &str = "best-single";

/// Some rows of a data set, with the embeddings that the first router read.
#[derive(Clone, Copy)]
pub(crate) struct Cell<'a> {
    pub(crate) arena: &'a Arena,
    /// Row numbers, ascending.
    pub(crate) rows: &'a [usize],
    /// rows x d.
    pub(crate) embeddings: MatrixView<'a>,
    /// Seconds that embedding one prompt took.
    pub(crate) embedding_seconds: f64,
}

impl References {
    /// What every reference chooses, in the order of reports; a cost-matched mix for each of `routers`. `seed` is for draws.
    ///
    /// # Errors
    /// What the nearest neighbors report.
    pub(crate) fn play(&self, cell: Cell<'_>, routers: &[Play], seed: &Seed) -> Result<Vec<Play>> {
        Ok(self.beside(cell, &self.play_alone(cell, seed)?, routers, seed))
    }

    /// What those references choose that depend on no router.
    ///
    /// # Errors
    /// What the nearest neighbors report.
    pub(crate) fn play_alone(&self, cell: Cell<'_>, seed: &Seed) -> Result<Vec<Play>> {
        let Cell { arena, rows, embeddings, embedding_seconds } = cell;
        let everywhere = |pick: Pick| vec![pick; rows.len()];
        let m = self.models.len();
        let all: Arc<[_]> = (0..m).map(|model| (model, 1.0 / m as f64)).collect();
        let mut stream = seed.stream("random");
        let random = rows.iter().map(|_| Pick::mix(&all, &mut stream)).collect();
        let (chosen, seconds) = timed(|| self.knn(PromptsView::rows(arena.dataset.prompts(), rows), embeddings));
        let (chosen, forecast) = chosen?;
        let knn = Play::reference("knn", chosen.into_iter().map(Pick::One).collect()).expecting(forecast);
        let labels = rows.iter().map(|&row| {
            let benchmark = arena.dataset.prompts().get(row).and_then(|prompt| prompt.benchmark.as_deref());
            Pick::One(self.best_for(benchmark))
        });
        Ok(vec![
            Play::reference("random", random),
            Play::reference("cheapest", everywhere(self.cheapest().map_or(Pick::Nobody, Pick::One))),
            Play::reference(BEST_SINGLE, everywhere(Pick::One(self.best_single))),
            knn.timed(seconds, embedding_seconds),
            Play::reference("benchmark-label", labels.collect()),
            Play::reference("oracle", rows.iter().map(|&row| oracle(arena, row)).collect()),
        ])
    }

    /// `alone`, the references that depend on no router, with a cost-matched mix for each of `routers`, in the order of reports.
    pub(crate) fn beside(&self, cell: Cell<'_>, alone: &[Play], routers: &[Play], seed: &Seed) -> Vec<Play> {
        let mut plays = Vec::with_capacity(alone.len() + routers.len());
        for reference in alone {
            plays.push(reference.clone());
            if reference.name != BEST_SINGLE {
                continue;
            }
            for router in routers {
                let mut stream = seed.stream(&format!("cost-matched-mix/{}", router.name));
                let picks = self.cost_matched(cell.arena, cell.rows, &router.picks, &mut stream);
                plays
                    .push(Play { matched_to: Some(router.name.clone()), ..Play::reference("cost-matched-mix", picks) });
            }
        }
        plays
    }

    /// The static mixture on train's hull that costs on these rows what `picks` cost on them. Does not apply where the cost
    /// of any pick is unknown.
    fn cost_matched(&self, arena: &Arena, rows: &[usize], picks: &[Pick], stream: &mut SeedStream) -> Vec<Pick> {
        let nobody = || vec![Pick::Nobody; rows.len()];
        let (mut spent, mut calls, mut scored) = (0.0, 0usize, Vec::with_capacity(rows.len()));
        for (&row, pick) in rows.iter().zip(picks) {
            let Some(score) = pick.score(arena, row) else { continue };
            let Some(cost) = score.cost else { return nobody() };
            spent += cost;
            calls += 1;
            scored.push(row);
        }
        let points: Vec<Point> = (0..self.models.len())
            .filter_map(|model| {
                let cost = self.mean_cost.get(model).copied().flatten()?;
                Some(Point { model, cost, quality: self.mean_quality.get(model).copied().flatten()? })
            })
            .collect();
        let hull = upper_hull(&points);
        if calls == 0 || hull.is_empty() {
            return nobody();
        }
        // The hull is train's, the router's cost is that of these prompts: so are the costs that its shares are solved for.
        let costs: Vec<f64> = hull.iter().map(|point| mean_cost(arena, &scored, *point)).collect();
        let vertices: Vec<usize> = hull.iter().map(|point| point.model).collect();
        let shares: Arc<[_]> = mixture(&vertices, &costs, spent / calls as f64).into();
        rows.iter().map(|_| Pick::mix(&shares, stream)).collect()
    }
}

/// The mean cost of calling the point's model for `rows`, or its cost on train where none is known.
fn mean_cost(arena: &Arena, rows: &[usize], point: Point) -> f64 {
    let known = rows.iter().filter_map(|&row| arena.call(row, point.model)?.cost);
    let (sum, count) = known.fold((0.0, 0usize), |(sum, count), (cost, _)| (sum + cost, count + 1));
    if count > 0 { sum / count as f64 } else { point.cost }
}

/// The best observed outcome, ties to the cheaper model, then to the lowest index.
fn oracle(arena: &Arena, row: usize) -> Pick {
    let cost = |call: &Call| call.cost.map_or(f64::INFINITY, |(cost, _)| cost);
    let better = |a: &Call, b: &Call| {
        a.quality.total_cmp(&b.quality).then(cost(b).total_cmp(&cost(a))).then(b.model.cmp(&a.model))
    };
    arena.calls(row).max_by(better).map_or(Pick::Nobody, |call| Pick::One(call.model))
}

//! Fits the maps on estimates that have not seen their rows.

use std::collections::BTreeSet;

use router_core::Folds;
use router_core::prelude::*;
use router_core::traits::DynAggregator;

use super::config::{CalibratedConfig, Method};
use super::fitted::CalibratedAggregator;
use super::map::{Map, Point};
use super::reliability::Reliability;
use super::{beta, isotonic};

impl Aggregator for CalibratedConfig {
    type Fitted = CalibratedAggregator;

    fn needs_cross_fit(&self, _parts: &[PartInfo]) -> bool {
        true
    }

    fn fit(&self, evidence: &AggregatorEvidence<'_>, cx: &FitContext) -> Result<CalibratedAggregator> {
        let Some(inner) = &self.built.0 else {
            return Err(Error::new(
                ErrorKind::Usage,
                "the aggregator in `calibrated` has not been looked up in a registry",
            )
            .help("give the configuration to a RouterBuilder, or call `prepare` first"));
        };
        let fitted = inner.fit(evidence, &cx.child("of"))?;
        let set = evidence.set;
        let mut maps = vec![Map::Identity; set.models().len()];
        let mut reliability = None;
        if let (Some(parts), Some(folds)) = (evidence.cross_fitted, folds(set, self.folds, &cx.child("folds"))) {
            let estimates = held_out(&**inner, evidence, parts, &folds, cx)?;
            let rows: Vec<usize> = (0..set.len()).collect();
            let before = points(set, &estimates, &rows);
            maps = before.iter().map(|points| self.map(points)).collect();
            let mut after: Vec<Vec<Point>> = vec![Vec::new(); before.len()];
            for fold in 0..folds.count() {
                let (train, rows) = folds.split(fold);
                let (train, held_out) = (points(set, &estimates, &train), points(set, &estimates, &rows));
                for ((train, held_out), after) in train.iter().zip(held_out).zip(&mut after) {
                    let map = self.map(train);
                    after.extend(
                        held_out.into_iter().map(|point| Point { estimate: map.apply(point.estimate), ..point }),
                    );
                }
            }
            reliability = Reliability::of(&before).zip(Reliability::of(&after));
        }
        CalibratedAggregator::new(self.of.name.clone(), fitted, self.method, maps, reliability)
    }
}

router_core::register!(AggregatorRole, CalibratedConfig);

impl CalibratedConfig {
    fn map(&self, points: &[Point]) -> Map {
        match self.method {
            Method::Isotonic => isotonic::fit(points.to_vec()),
            Method::Beta => beta::fit(points),
        }
    }
}

/// As many folds as asked for, or as there are groups of near duplicates; none if there are no two, or a part has no outcome.
fn folds(set: &TrainingSet, count: usize, cx: &FitContext) -> Option<Folds> {
    let groups: Vec<u32> = (0..set.len()).map(|row| set.group(row)).collect();
    let distinct = groups.iter().collect::<BTreeSet<_>>().len();
    let folds = Folds::new(&groups, count.min(distinct), cx.seed()).ok()?;
    let has_outcome = |rows: &[usize]| rows.iter().any(|&row| !set.outcomes().row(row).is_empty());
    (0..folds.count()).all(|fold| has_outcome(&folds.split(fold).0)).then_some(folds)
}

/// The inner aggregator's estimate of every row, fitted on the other folds.
fn held_out(
    inner: &dyn DynAggregator,
    evidence: &AggregatorEvidence<'_>,
    parts: &[Estimates],
    folds: &Folds,
    cx: &FitContext,
) -> Result<Estimates> {
    let set = evidence.set;
    let shape = (set.len(), set.models().len());
    if let Some(other) = parts.iter().map(Estimates::quality).find(|part| (part.rows(), part.cols()) != shape) {
        let found = format!("{} x {}", other.rows(), other.cols());
        return Err(Error::shape("cross-fitted estimates", format!("{} x {}", shape.0, shape.1), found));
    }
    let mut all = Estimates::new();
    all.reset(shape.0, shape.1);
    for fold in 0..folds.count() {
        cx.check_cancelled()?;
        let (train, rows) = folds.split(fold);
        let gather = |rows: &[usize]| parts.iter().map(|part| part.gather(rows)).collect::<Vec<Estimates>>();
        let (fit_on, apply_to) = (gather(&train), gather(&rows));
        let subset = set.subset(&train)?;
        let evidence = AggregatorEvidence { set: &subset, parts: evidence.parts, cross_fitted: Some(&fit_on) };
        let fitted = inner.fit(&evidence, &cx.child(&format!("fold/{fold}")).silent())?;
        let views: Vec<EstimatesView<'_>> = apply_to.iter().map(Estimates::view).collect();
        let mut out = Estimates::new();
        fitted.aggregate(&views, &mut out)?;
        all.scatter(&rows, out.view());
    }
    Ok(all)
}

/// By model, the estimates of the outcomes of `rows` that count.
fn points(set: &TrainingSet, estimates: &Estimates, rows: &[usize]) -> Vec<Vec<Point>> {
    let mut models = vec![Vec::new(); set.models().len()];
    for &row in rows {
        for outcome in set.outcomes().row(row).iter().filter(|outcome| outcome.weight > 0.0) {
            if let Some(points) = models.get_mut(outcome.model) {
                points.push(Point {
                    estimate: f64::from(estimates.quality().get(row, outcome.model)),
                    quality: f64::from(outcome.quality),
                    weight: f64::from(outcome.weight),
                });
            }
        }
    }
    models
}

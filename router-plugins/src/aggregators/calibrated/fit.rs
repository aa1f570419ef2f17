//! Fits the maps on estimates that have not seen their rows.

use router_core::pipeline::{aggregate_held_out, cross_fit_folds};
use router_core::prelude::*;

use super::config::{CalibratedConfig, Method};
use super::fitted::CalibratedAggregator;
use super::map::{Map, Point};
use super::reliability::Reliability;
use super::{beta, isotonic};
use crate::nested;

impl Aggregator for CalibratedConfig {
    type Fitted = CalibratedAggregator;

    fn needs_cross_fit(&self, _parts: &[PartInfo]) -> bool {
        true
    }

    fn fit(&self, evidence: &AggregatorEvidence<'_>, cx: &FitContext) -> Result<CalibratedAggregator> {
        let inner = self.built.0.first().ok_or_else(|| nested::unprepared(Self::NAME))?;
        let fitted = inner.fit(evidence, &cx.child("of"))?;
        let set = evidence.set;
        let mut maps = vec![Map::Identity; set.models().len()];
        let mut reliability = None;
        if let (Some(parts), Some(folds)) =
            (evidence.cross_fitted, cross_fit_folds(set, self.folds, &cx.child("folds")))
        {
            let estimates = aggregate_held_out(&**inner, set, evidence.parts, parts, &folds, cx)?;
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

//! Against scikit-learn, by planted maps, and against leaks.

use std::sync::Arc;

use proptest::prelude::*;
use router_core::Model;
use router_core::prelude::*;

use super::map::{Map, Point};
use super::*;

fn points(values: &[(f64, f64, f64)]) -> Vec<Point> {
    values.iter().map(|&(estimate, quality, weight)| Point { estimate, quality, weight }).collect()
}

/// `IsotonicRegression(out_of_bounds="clip")` of scikit-learn 1.9 on these weighted points, at these places.
#[test]
fn isotonic_maps_are_those_of_scikit_learn() {
    let data = points(&[
        (0.1, 0.0, 1.0),
        (0.2, 1.0, 2.0),
        (0.3, 0.5, 1.0),
        (0.3, 0.0, 1.0),
        (0.5, 0.25, 1.0),
        (0.6, 1.0, 3.0),
        (0.7, 0.5, 1.0),
        (0.9, 1.0, 1.0),
    ]);
    let map = isotonic::fit(data);
    map.check().unwrap();
    for (at, expected) in [
        (0.0, 0.0),
        (0.1, 0.0),
        (0.15, 0.275),
        (0.2, 0.55),
        (0.4, 0.55),
        (0.5, 0.55),
        (0.55, 0.7125),
        (0.65, 0.875),
        (0.8, 0.9375),
        (1.0, 1.0),
    ] {
        assert!((map.apply(at) - expected).abs() < 1e-9, "at {at}: {} where {expected} belongs", map.apply(at));
    }
    assert_eq!(isotonic::fit(Vec::new()), Map::Identity);
}

/// The maximum of the same penalized likelihood by scipy's L-BFGS-B with bounds.
#[test]
fn beta_maps_are_those_of_another_optimizer() {
    for (data, expected) in BETA {
        let Map::Beta { a, b, c } = beta::fit(&points(data)) else { panic!("no beta map") };
        for (found, expected) in [a, b, c].iter().zip(expected) {
            assert!((found - expected).abs() < 1e-4, "{:?} where {expected:?} belongs", [a, b, c]);
        }
    }
    assert_eq!(beta::fit(&[]), Map::Identity);
    // One outcome moves nothing much.
    let Map::Beta { a, b, c } = beta::fit(&points(&[(0.5, 1.0, 1.0)])) else { panic!("no beta map") };
    assert!((a - 1.0).abs() < 0.4 && (b - 1.0).abs() < 0.4 && c.abs() < 0.5, "{a} {b} {c}");
}

type BetaCase = (&'static [(f64, f64, f64)], [f64; 3]);

const BETA: [BetaCase; 3] = [
    (
        &[(0.1, 0.0, 40.0), (0.3, 0.2, 40.0), (0.5, 0.3, 40.0), (0.7, 0.9, 40.0), (0.9, 1.0, 40.0)],
        [1.857_386, 2.224_896, -0.446_570],
    ),
    // High at both ends: a would be negative.
    (
        &[(0.1, 0.9, 40.0), (0.3, 0.5, 40.0), (0.5, 0.5, 40.0), (0.7, 0.5, 40.0), (0.9, 0.9, 40.0)],
        [0.0, 0.372_123, 0.323_358],
    ),
    // Falling but for the last: neither helps.
    (
        &[(0.1, 0.9, 40.0), (0.3, 0.7, 40.0), (0.5, 0.5, 40.0), (0.7, 0.3, 40.0), (0.9, 0.8, 40.0)],
        [0.0, 0.0, 0.563_163],
    ),
];

#[test]
fn reliability_by_hand() {
    // Two models of two bins' worth of points each: gaps 0.1 and 0.3, squares 0.01 and 0.09.
    let models = [points(&[(0.6, 0.5, 1.0); 10]), points(&[(0.2, 0.5, 1.0); 10])];
    let found = Reliability::of(&models).unwrap();
    assert!((found.error - 0.2).abs() < 1e-12 && (found.brier - 0.05).abs() < 1e-12, "{found:?}");
    // Errors within a bin cancel; between bins they do not.
    let mixed = points(&[(0.4, 0.0, 1.0), (0.6, 1.0, 1.0)]);
    assert!((Reliability::of(&[mixed]).unwrap().error - 0.4).abs() < 1e-12);
    assert_eq!(Reliability::of(&[Vec::new()]), None);
}

proptest! {
    /// The blocks of least squares: rising, of the same weighted mean as the data, and no worse than the identity.
    #[test]
    fn isotonic_maps_rise_and_fit(values in prop::collection::vec((0u8..20, 0u8..3, 1u8..4), 1..60)) {
        let data: Vec<Point> = values
            .iter()
            .map(|&(at, quality, weight)| Point {
                estimate: f64::from(at) / 20.0,
                quality: f64::from(quality) / 2.0,
                weight: f64::from(weight),
            })
            .collect();
        let map = isotonic::fit(data.clone());
        prop_assert!(map.check().is_ok());
        let sum = |value: &dyn Fn(&Point) -> f64| data.iter().map(|point| point.weight * value(point)).sum::<f64>();
        let squares = |estimate: &dyn Fn(f64) -> f64| sum(&|point| (estimate(point.estimate) - point.quality).powi(2));
        prop_assert!((sum(&|point| map.apply(point.estimate)) - sum(&|point| point.quality)).abs() < 1e-9);
        prop_assert!(squares(&|at| map.apply(at)) <= squares(&|at| at) + 1e-9);
    }

    #[test]
    fn beta_maps_rise(values in prop::collection::vec((0u8..=20, 0u8..3), 1..60)) {
        let data: Vec<Point> = values
            .iter()
            .map(|&(at, quality)| Point { estimate: f64::from(at) / 20.0, quality: f64::from(quality) / 2.0, weight: 1.0 })
            .collect();
        let map = beta::fit(&data);
        prop_assert!(map.check().is_ok(), "{:?}", map);
        let images: Vec<f64> = (0..=40).map(|at| map.apply(f64::from(at) / 40.0)).collect();
        prop_assert!(images.windows(2).all(|pair| pair[0] <= pair[1]), "{:?}", map);
    }
}

const N: usize = 3_000;

/// Two models and one part: model 0 is estimated right; model 1 is promised s where its quality is s squared.
fn world(seed: u64) -> (TrainingSet, Vec<Estimates>) {
    let mut stream = FitContext::new(seed).stream("world");
    let mut estimates = Estimates::new();
    estimates.reset(N, 2);
    let rows = (0..N).map(|row| {
        let mut row_of = Vec::new();
        for model in 0..2 {
            let estimate: f64 = stream.random_range(0.05..0.95);
            estimates.quality_mut().set(row, model, estimate as f32);
            estimates.variance_mut().set(row, model, 0.0001);
            let probability = if model == 0 { estimate } else { estimate * estimate };
            row_of.push(Outcome::new(model, if stream.random_bool(probability) { 1.0 } else { 0.0 }));
        }
        row_of
    });
    let rows = rows.collect();
    let pool = ModelPool::new(vec![Model::new("a"), Model::new("b")]).unwrap();
    let prompts = (0..N).map(|row| Prompt::new(format!("p{row}"), "x")).collect();
    let dataset = Dataset::new("d", prompts, pool, Outcomes::from_rows(2, rows).unwrap()).unwrap();
    (TrainingSet::new(Arc::new(dataset), Arc::new(Matrix::zeros(N, 1))).unwrap(), vec![estimates])
}

fn fit(method: Method, set: &TrainingSet, parts: Option<&[Estimates]>) -> CalibratedAggregator {
    let mut config = CalibratedConfig { method, ..CalibratedConfig::default() };
    config.prepare(&crate::builtin().unwrap()).unwrap();
    let infos = [PartInfo { slot: "estimators/0".into(), name: "part".into(), stage: Stage::Prompt }];
    let evidence = AggregatorEvidence { set, parts: &infos, cross_fitted: parts };
    config.fit(&evidence, &FitContext::new(0)).unwrap()
}

#[test]
fn a_planted_map_is_found_model_by_model_and_told() {
    let (set, parts) = world(1);
    for (method, tolerance) in [(Method::Isotonic, 0.09), (Method::Beta, 0.04)] {
        let fitted = fit(method, &set, Some(&parts));
        for at in [0.2f64, 0.4, 0.6, 0.8] {
            assert!((fitted.calibrate(0, at) - at).abs() < tolerance, "{method:?} {at}: {}", fitted.calibrate(0, at));
            let (found, expected) = (fitted.calibrate(1, at), at * at);
            assert!((found - expected).abs() < tolerance, "{method:?} {at}: {found}");
        }
        let (before, after) = fitted.reliability().unwrap();
        assert!(before.error > 0.07 && after.error < 0.03, "{before:?} {after:?}");
        assert!(after.brier < before.brier - 0.01, "{before:?} {after:?}");
        let told = fitted.findings(set.models());
        assert!(told[0].contains(&format!("{:.4} after", after.error)), "{told:?}");
        // The variance goes with the slope: 4 s^2 of what it was for model 1, within what the maps are off.
        let views: Vec<EstimatesView<'_>> = parts.iter().map(Estimates::view).collect();
        let mut out = Estimates::new();
        fitted.aggregate(&views, &mut out).unwrap();
        let slopes: Vec<f64> =
            (0..N).map(|row| (f64::from(out.variance().unwrap().get(row, 1)) / 0.0001).sqrt()).collect();
        let mean = slopes.iter().sum::<f64>() / N as f64;
        assert!((mean - 1.0).abs() < 0.15, "{method:?}: the mean slope of s^2 over (0.05, 0.95) is 1, found {mean}");
    }
}

/// Outcomes that nothing explains: maps that had seen the rows they are measured on would look better than the truth.
#[test]
fn reliability_is_measured_on_rows_that_the_maps_have_not_seen() {
    let (set, mut parts) = world(2);
    let mut stream = FitContext::new(3).stream("noise");
    for estimate in parts[0].quality_mut().as_mut_slice() {
        *estimate = stream.random_range(0.0..1.0);
    }
    let (_, after) = fit(Method::Isotonic, &set, Some(&parts)).reliability().unwrap();
    // No map can know more than the mean: a model's variance of outcomes is the least it can have.
    let means: Vec<f64> = set.outcomes().mean_quality().into_iter().map(|mean| mean.unwrap().0).collect();
    let least = means.iter().map(|mean| mean * (1.0 - mean)).sum::<f64>() / 2.0;
    assert!(after.brier >= least, "{} below {least}", after.brier);
}

#[test]
fn without_evidence_estimates_stay_and_an_unprepared_configuration_is_refused() {
    let (set, parts) = world(4);
    let fitted = fit(Method::Beta, &set, None);
    assert_eq!((fitted.calibrate(1, 0.3), fitted.reliability()), (0.3, None));
    assert!(fitted.findings(set.models())[0].contains("none"));
    let infos = [PartInfo { slot: "estimators/0".into(), name: "part".into(), stage: Stage::Prompt }];
    let evidence = AggregatorEvidence { set: &set, parts: &infos, cross_fitted: Some(&parts) };
    let error = CalibratedConfig::default().fit(&evidence, &FitContext::new(0)).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Usage);
    let mut wrong =
        CalibratedConfig { of: router_core::ComponentConfig::new("wieghted"), ..CalibratedConfig::default() };
    let error = wrong.prepare(&crate::builtin().unwrap()).unwrap_err();
    assert_eq!((error.kind(), error.field()), (ErrorKind::UnknownPlugin, Some("of.use")));
}

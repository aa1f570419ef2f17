//! Tests of the support vector machines against scikit-learn, and of what they learn.

use rand::RngExt;
use router_core::Seed;
use router_core::prelude::*;

use super::*;
use crate::estimators::testing::{LinearFixture, estimate, training_set};

fn fit(config: &SvmConfig, set: &TrainingSet) -> SvmEstimator {
    QualityEstimator::fit(config, set, &Tasks::none(set), &FitContext::new(7)).unwrap()
}

#[test]
fn margins_are_those_of_scikit_learn() {
    let fixture = LinearFixture::read();
    let fitted = fit(&SvmConfig { penalty: Some(fixture.penalty), ..SvmConfig::default() }, &fixture.set);
    let mut margins = Matrix::default();
    fitted.margins(fixture.asked.view(), &mut margins).unwrap();
    for (found, expected) in margins.as_slice().iter().zip(&fixture.margins) {
        assert!((found - expected).abs() < 2e-3, "{found} where scikit-learn has {expected}");
    }
}

#[test]
fn quality_is_a_probability_and_learned() {
    // Whether a prompt is answered follows the sign of its first number in four of five cases.
    let mut stream = Seed::root(3).stream("world");
    let mut world = |flip: f64| {
        let embeddings =
            Matrix::from_vec(400, 4, (0..1600).map(|_| stream.random_range(-1.0f32..1.0)).collect()).unwrap();
        let rows = (0..400)
            .map(|row| {
                let right = (embeddings.get(row, 0) > 0.0) != stream.random_bool(flip);
                vec![Outcome::new(0, f32::from(u8::from(right))), Outcome::new(1, f32::from(u8::from(!right)))]
            })
            .collect();
        training_set(embeddings, 2, rows)
    };
    let asked = MatrixView::new(2, 4, &[0.8, 0.0, 0.0, 0.0, -0.8, 0.0, 0.0, 0.0]).unwrap();
    let found = estimate(&fit(&SvmConfig::default(), &world(0.2)), asked);
    assert!(found.get(0, 0) > 0.7 && found.get(0, 0) < 0.99 && found.get(1, 0) < 0.3, "{found:?}");
    assert!(found.get(0, 1) < 0.3 && found.get(1, 1) > 0.7, "{found:?}");
    let noise = estimate(&fit(&SvmConfig::default(), &world(0.5)), asked);
    assert!(noise.as_slice().iter().all(|quality| (quality - 0.5).abs() < 0.15), "{noise:?}");
}

#[test]
fn wrong_parameters_are_told() {
    let fixture = LinearFixture::read();
    for (config, field) in
        [(SvmConfig { penalty: Some(-1.0), folds: 5 }, "penalty"), (SvmConfig { penalty: None, folds: 1 }, "folds")]
    {
        let tasks = Tasks::none(&fixture.set);
        let error = QualityEstimator::fit(&config, &fixture.set, &tasks, &FitContext::new(1)).unwrap_err();
        assert_eq!((error.kind(), error.field()), (ErrorKind::Config, Some(field)));
    }
}

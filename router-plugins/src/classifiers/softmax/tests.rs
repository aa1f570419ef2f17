//! Tests of the softmax classifier as a whole.

use std::sync::Arc;

use rand::RngExt;
use router_core::Model;
use router_core::config::TasksConfig;
use router_core::parallel::with_threads;
use router_core::prelude::*;

use super::*;

struct World {
    set: TrainingSet,
    tasks: Tasks,
}

/// A set of `labels.len()` prompts with these embeddings, and outcomes `quality(row, model)` of two models.
fn world(embeddings: Matrix, labels: &[Option<u32>], quality: impl Fn(usize, usize) -> f32) -> World {
    let n = labels.len();
    let pool = ModelPool::new(vec![Model::new("a"), Model::new("b")]).unwrap();
    let prompts = (0..n).map(|i| Prompt::new(format!("p{i}"), "x")).collect();
    let rows = (0..n).map(|row| (0..2).map(|model| Outcome::new(model, quality(row, model))).collect());
    let dataset = Dataset::new("d", prompts, pool, Outcomes::from_rows(2, rows.collect()).unwrap()).unwrap();
    let set = TrainingSet::new(Arc::new(dataset), Arc::new(embeddings)).unwrap();
    let tasks = Tasks::profile(&set, TaskMap::from_labels(labels), &TasksConfig::default()).unwrap();
    World { set, tasks }
}

/// `n` points around `tasks` centers in `d` dimensions; every `without`-th has no task.
fn blobs(n: usize, d: usize, tasks: usize, without: usize, noise: f32) -> (Matrix, Vec<Option<u32>>) {
    let mut stream = FitContext::new(11).stream("blobs");
    let centers = Matrix::from_vec(tasks, d, (0..tasks * d).map(|_| stream.random_range(-1.0..1.0)).collect()).unwrap();
    let mut points = Matrix::zeros(n, d);
    let mut labels = Vec::new();
    for row in 0..n {
        let task = row % tasks;
        let point = points.row_mut(row);
        for (value, center) in point.iter_mut().zip(centers.row(task)) {
            *value = center + noise * stream.random_range(-1.0f32..1.0);
        }
        labels.push((row % without != 0).then_some(task as u32));
    }
    (points, labels)
}

fn fit(config: &SoftmaxConfig, world: &World) -> SoftmaxClassifier {
    config.fit(&world.set, &world.tasks, &FitContext::new(3)).unwrap()
}

fn classify(classifier: &SoftmaxClassifier, embeddings: MatrixView<'_>) -> TaskDistribution {
    let mut out = TaskDistribution::new();
    classifier.classify(embeddings, &mut out).unwrap();
    for row in 0..out.prompts() {
        let sum: f32 = out.probabilities(row).iter().sum();
        assert!((0.0..=1.0 + 1e-5).contains(&sum) && out.probabilities(row).iter().all(|p| (0.0..=1.0).contains(p)));
    }
    out
}

#[test]
fn coefficients_agree_with_scikit_learn() {
    // scikit-learn 1.9.1: LogisticRegression(C=1/(0.1*12), tol=1e-12, max_iter=10000).fit(X, y) on the points below, four of
    // each class in order. Its objective is C * the summed cross-entropy + half the squared weights, so l2 = 1 / (C n) = 0.1.
    let points = [
        0.5, 1.0, 1.0, 0.25, 0.75, 1.5, 0.0, 0.75, -1.0, 0.5, -0.5, -0.25, -1.5, 0.25, -0.25, 1.25, 0.25, -1.0, 1.25,
        -0.75, -0.5, -1.25, 0.5, -0.5,
    ];
    let coefficients =
        [[0.651_903_547, 0.773_357_922], [-1.016_787_674, 0.353_790_816], [0.364_884_126, -1.127_148_738]];
    let intercepts = [-0.096_060_064, 0.048_610_183, 0.047_449_881];
    let probabilities = [[0.426_235_853, 0.311_081_430, 0.262_682_717], [0.048_506_634, 0.452_428_236, 0.499_065_130]];

    let labels: Vec<Option<u32>> = (0..12).map(|row| Some(row / 4)).collect();
    let world = world(Matrix::from_vec(12, 2, points.to_vec()).unwrap(), &labels, |_, _| 0.5);
    let config = SoftmaxConfig { l2: 0.1, standardize: false, tolerance: 1e-7, ..SoftmaxConfig::default() };
    let fitted = fit(&config, &world);
    for (task, expected) in coefficients.iter().enumerate() {
        for (weight, expected) in fitted.weights().row(task).iter().zip(expected) {
            assert!((f64::from(*weight) - expected).abs() < 1e-4, "{weight} {expected}");
        }
        // Biases are free up to a common shift; scikit-learn's sum to zero.
        let shift: f32 = fitted.biases().iter().sum::<f32>() / 3.0;
        assert!((f64::from(fitted.biases()[task] - shift) - intercepts[task]).abs() < 1e-4);
    }
    // Undo the temperature, which scikit-learn does not have.
    let plain = SoftmaxClassifier::new(fitted.weights().to_matrix(), fitted.biases().to_vec(), 1.0, 0.0).unwrap();
    let queries = Matrix::from_vec(2, 2, vec![0.2, 0.3, -1.0, -1.0]).unwrap();
    let out = classify(&plain, queries.view());
    for (row, expected) in probabilities.iter().enumerate() {
        for (probability, expected) in out.probabilities(row).iter().zip(expected) {
            assert!((f64::from(*probability) - expected).abs() < 1e-4);
        }
    }
}

#[test]
fn separable_tasks_are_found_and_batches_do_not_matter() {
    let (points, labels) = blobs(300, 20, 6, 1000, 0.3);
    let world = world(points, &labels, |row, model| if row % 2 == model { 1.0 } else { 0.0 });
    let fitted = fit(&SoftmaxConfig::default(), &world);
    let out = classify(&fitted, world.set.embeddings());
    let assigned = (1..300).filter(|&row| out.assigned(row) == world.tasks.map().assignments()[row]).count();
    assert_eq!(assigned, 299);
    for row in 0..300 {
        let single = classify(&fitted, world.set.embeddings().slice_rows(row, row + 1));
        assert_eq!(single.probabilities(0), out.probabilities(row));
        assert_eq!(single.assigned(0), out.assigned(row));
    }
}

#[test]
fn the_threshold_leaves_out_what_the_tasks_do_not_help() {
    // Prompts with a task stand at a center, and model b is better there; those without a task stand in the middle, where a
    // is better; a is better over all. A confident prompt should go to b, an unsure one to a.
    let n = 400;
    let mut stream = FitContext::new(5).stream("points");
    let mut points = Matrix::zeros(n, 2);
    let labels: Vec<Option<u32>> = (0..n as u32).map(|row| (row % 8 < 3).then_some(row % 3)).collect();
    for (row, label) in labels.iter().enumerate() {
        let angle = label.map_or(0.0, |task| task as f32 * 2.1);
        let radius = if label.is_some() { 3.0 } else { 0.0 };
        let noise = stream.random_range(-0.3f32..0.3);
        points.row_mut(row).copy_from_slice(&[radius * angle.cos() + noise, radius * angle.sin() - noise]);
    }
    let world = world(points, &labels, |row, model| if (row % 8 < 3) == (model == 1) { 1.0 } else { 0.0 });
    let fitted = fit(&SoftmaxConfig::default(), &world);
    assert!(fitted.threshold() > 0.4 && fitted.threshold() < 1.0, "{}", fitted.threshold());
    let out = classify(&fitted, world.set.embeddings());
    let right = (0..n).filter(|&row| out.assigned(row).is_some() == labels[row].is_some()).count();
    assert!(right > n * 95 / 100, "{right} of {n}");
    // p(no task) is 1 - confidence / threshold where none is assigned, and nothing otherwise.
    let lenient = SoftmaxConfig { threshold: Some(0.0), ..SoftmaxConfig::default() };
    let all = classify(&fit(&lenient, &world), world.set.embeddings());
    for row in 0..n {
        let confidence = all.probabilities(row).iter().copied().fold(0.0, f32::max);
        assert!(all.assigned(row).is_some());
        let expected = if out.assigned(row).is_some() { 0.0 } else { 1.0 - confidence / fitted.threshold() };
        assert!((out.probability_of_none(row) - expected).abs() < 1e-5);
    }
    // Where tasks help every prompt, all are assigned.
    let (points, labels) = blobs(200, 5, 2, 1000, 0.9);
    let helpful = super::tests::world(points, &labels, |row, model| if row % 2 == model { 1.0 } else { 0.0 });
    assert_eq!(fit(&SoftmaxConfig::default(), &helpful).threshold(), 0.0);
}

#[test]
fn the_given_threshold_is_kept() {
    let (points, labels) = blobs(60, 4, 3, 7, 1.0);
    let world = world(points, &labels, |_, _| 0.5);
    let strict = fit(&SoftmaxConfig { threshold: Some(1.0), ..SoftmaxConfig::default() }, &world);
    assert_eq!(strict.threshold(), 1.0);
    let out = classify(&strict, world.set.embeddings());
    assert!((0..60).all(|row| out.assigned(row).is_none()));
    let bad = SoftmaxConfig { threshold: Some(1.5), ..SoftmaxConfig::default() };
    let error = bad.fit(&world.set, &world.tasks, &FitContext::new(0)).unwrap_err();
    assert_eq!((error.kind(), error.field()), (ErrorKind::Config, Some("threshold")));
}

#[test]
fn degenerate_inputs() {
    let fits = |points: Matrix, labels: &[Option<u32>]| {
        let world = world(points, labels, |row, model| if row == model { 1.0 } else { 0.0 });
        let fitted = fit(&SoftmaxConfig::default(), &world);
        assert_eq!(fitted.tasks(), world.tasks.count());
        classify(&fitted, world.set.embeddings())
    };
    // No task at all, one task, a task a prompt, more dimensions than prompts, the same embedding everywhere, one prompt.
    assert_eq!(fits(blobs(10, 3, 2, 1, 1.0).0, &[None; 10]).tasks(), 0);
    let one = fits(blobs(10, 3, 2, 1, 1.0).0, &[Some(0); 10]);
    assert!((0..10).all(|row| one.assigned(row) == Some(TaskId(0)) && one.probabilities(row) == [1.0]));
    let own: Vec<Option<u32>> = (0..10).map(Some).collect();
    fits(blobs(10, 50, 2, 1, 1.0).0, &own);
    let constant = fits(
        Matrix::from_vec(8, 2, vec![0.5; 16]).unwrap(),
        &[Some(0), Some(0), Some(0), Some(1), None, None, None, None],
    );
    assert!((0..8).all(|row| constant.probabilities(row) == constant.probabilities(0)));
    fits(Matrix::zeros(1, 3), &[Some(0)]);
    fits(Matrix::zeros(1, 3), &[None]);
    fits(Matrix::zeros(2, 3), &[Some(0), Some(1)]);
}

#[test]
fn threads_do_not_show_and_saving_keeps_every_bit() {
    let (points, labels) = blobs(1500, 24, 7, 5, 0.9);
    let world = world(points, &labels, |row, model| if row % 3 == model { 1.0 } else { 0.25 });
    let fit_on = |threads| {
        let fitted = with_threads(threads, || fit(&SoftmaxConfig::default(), &world)).unwrap();
        SlotWriter::serialize(&fitted).unwrap()
    };
    let bytes = fit_on(1);
    assert_eq!(bytes, fit_on(2));
    assert_eq!(bytes, fit_on(3));
}

#[test]
fn wrong_shapes_and_cancellation_are_errors() {
    let (points, labels) = blobs(50, 4, 3, 7, 1.0);
    let world = world(points, &labels, |_, _| 0.5);
    let fitted = fit(&SoftmaxConfig::default(), &world);
    let wrong = Matrix::zeros(1, 5);
    let error = fitted.classify(wrong.view(), &mut TaskDistribution::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Shape);
    let token = router_core::CancelToken::new();
    token.cancel();
    let cx = FitContext::new(0).with_cancel(token);
    assert_eq!(SoftmaxConfig::default().fit(&world.set, &world.tasks, &cx).unwrap_err().kind(), ErrorKind::Cancelled);
}

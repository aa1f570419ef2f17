//! What an estimator expects of the models for prompts that it has not seen, as vectors whose inner product says how far two prompts agree.

use rayon::prelude::*;
use router_core::ComponentConfig;
use router_core::pipeline::cross_fit_folds;
use router_core::prelude::*;
use serde::{Deserialize, Serialize};

use crate::neighbors::normalize;
use crate::nested::{self, Built};

/// Folds that the estimator is fitted without in turn.
const FOLDS: usize = 5;
/// Prompts that are estimated at once.
const BATCH: usize = 256;
/// Expectations that differ by no more than rounding express no preference.
const ROUNDING: f32 = 1e-5;

/// An estimator, by its name and parameters, and what it is once the registry has built it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Expectations {
    estimator: ComponentConfig,
    #[serde(skip)]
    built: Built<EstimatorRole>,
}

impl From<ComponentConfig> for Expectations {
    fn from(estimator: ComponentConfig) -> Self {
        Self { estimator, built: Built::default() }
    }
}

impl Expectations {
    /// Looks the estimator up and fills its parameters' defaults in.
    pub(in crate::discoverers) fn prepare(&mut self, registry: &Registry) -> Result<()> {
        self.built = Built(vec![nested::build::<EstimatorRole>(registry, &mut self.estimator, "estimator")?]);
        Ok(())
    }

    /// How far each model is expected above its own mean, less the mean of that over the models, as unit vectors, n x m: their inner
    /// product is the cosine of two prompts' expected preferences. Zero where nothing is preferred; without columns where the set cannot be
    /// split.
    ///
    /// A model's mean is that over the fold that was held out, so that prompts do not agree for having been held out together.
    /// Costs [`FOLDS`] fits and an estimate of every prompt; folds run in parallel.
    pub(super) fn preferences(&self, set: &TrainingSet, cx: &FitContext) -> Result<Matrix> {
        let estimator = self.built.0.first().ok_or_else(|| nested::unprepared("graph"))?;
        let cx = cx.child("expected qualities");
        let Some(folds) = cross_fit_folds(set, FOLDS, &cx) else {
            return Ok(Matrix::zeros(set.len(), 0));
        };
        let bar = cx.begin("estimating expected qualities", Some(folds.count() as u64));
        let held_out: Vec<(Vec<usize>, Matrix)> = (0..folds.count())
            .into_par_iter()
            .map(|fold| {
                let (train, rows) = folds.split(fold);
                let fold_cx = cx.child(&format!("fold/{fold}")).silent();
                fold_cx.check_cancelled()?;
                let train = set.subset(&train)?;
                let fitted = estimator.fit(&train, &Tasks::none(&train), &fold_cx)?;
                let expected = estimates(&*fitted, set, &rows)?;
                bar.advance(1);
                Ok((rows, preferences(expected)))
            })
            .collect::<Result<_>>()?;
        let mut all = Matrix::zeros(set.len(), set.models().len());
        for (rows, part) in &held_out {
            for (at, &row) in rows.iter().enumerate() {
                all.row_mut(row).copy_from_slice(part.row(at));
            }
        }
        Ok(all)
    }
}

/// The expected quality of every model for the named rows of `set`.
fn estimates(fitted: &dyn FittedEstimator, set: &TrainingSet, rows: &[usize]) -> Result<Matrix> {
    let mut all = Matrix::zeros(rows.len(), set.models().len());
    let (mut out, mut tasks) = (Estimates::new(), TaskDistribution::new());
    for (block, rows) in rows.chunks(BATCH).enumerate() {
        let embeddings = set.embeddings().gather(rows);
        let of_dataset: Vec<usize> = rows.iter().filter_map(|&row| set.rows().get(row).copied()).collect();
        let prompts = PromptsView::rows(set.dataset().prompts(), &of_dataset);
        tasks.reset(rows.len(), 0);
        fitted.estimate(&QueryBatch { prompts, embeddings: embeddings.view(), tasks: &tasks }, &mut out)?;
        out.view().check_finite("the expected qualities of the graph")?;
        for at in 0..rows.len() {
            all.row_mut(block * BATCH + at).copy_from_slice(out.quality().row(at));
        }
    }
    Ok(all)
}

/// Expected qualities centered by model, then by prompt, as unit vectors.
fn preferences(mut expected: Matrix) -> Matrix {
    let (n, m) = (expected.rows(), expected.cols());
    let mut means = vec![0.0f64; m];
    for row in 0..n {
        means.iter_mut().zip(expected.row(row)).for_each(|(sum, &value)| *sum += f64::from(value) / n as f64);
    }
    for row in 0..n {
        let row = expected.row_mut(row);
        row.iter_mut().zip(&means).for_each(|(value, mean)| *value -= *mean as f32);
        let level = row.iter().sum::<f32>() / m as f32;
        for value in row.iter_mut() {
            *value -= level;
        }
        if row.iter().all(|value| value.abs() <= ROUNDING) {
            row.fill(0.0);
        }
        normalize(row);
    }
    expected
}

#[cfg(test)]
mod tests {
    use rand::RngExt;
    use router_core::Seed;

    use super::*;
    use crate::discoverers::graph::GraphConfig;
    use crate::discoverers::graph::tests::{labels, training_set};
    use crate::graph::adjusted_rand_index;

    /// Three tasks, each told by two numbers of the embedding beside four louder ones that tell nothing. A third of the models does well on a task with
    /// probability .7, the others with .3.
    fn noisy_world(n: usize) -> (TrainingSet, Vec<u32>) {
        let mut stream = Seed::root(5).stream("world");
        let tasks: Vec<u32> = (0..n as u32).map(|row| row % 3).collect();
        let mut embeddings = Matrix::zeros(n, 6);
        let mut rows = Vec::new();
        for (row, &task) in tasks.iter().enumerate() {
            let angle = std::f32::consts::TAU * task as f32 / 3.0;
            let center = [0.4 * angle.cos(), 0.4 * angle.sin()];
            for (col, to) in embeddings.row_mut(row).iter_mut().enumerate() {
                *to = match center.get(col) {
                    Some(center) => center + stream.random_range(-0.2f32..0.2),
                    None => stream.random_range(-1.0f32..1.0),
                };
            }
            let outcomes = (0..9).map(|model| {
                let chance = if model % 3 == task as usize { 0.7 } else { 0.3 };
                Outcome::new(model, f32::from(u8::from(stream.random_bool(chance))))
            });
            rows.push(outcomes.collect());
        }
        (training_set(embeddings, 9, rows), tasks)
    }

    fn graph(agreement: f64, estimator: Option<&str>) -> GraphConfig {
        let estimator = estimator.map(|name| ComponentConfig::new(name).into());
        let mut config = GraphConfig { agreement, estimator, ..GraphConfig::default() };
        config.prepare(&crate::builtin().unwrap()).unwrap();
        config
    }

    #[test]
    fn expectations_find_tasks_that_words_drown_and_single_outcomes_blur() {
        let (set, tasks) = noisy_world(720);
        let found = |config: &GraphConfig| {
            let map = config.discover(&set, &FitContext::new(3)).unwrap();
            adjusted_rand_index(&labels(&map), &tasks).unwrap()
        };
        let expected = found(&graph(0.65, Some("ridge")));
        assert!(expected > 0.9, "{expected}");
        for agreement in [0.0, 0.35, 0.65, 0.95, 1.0] {
            let observed = found(&graph(agreement, None));
            assert!(observed < 0.7, "agreement {agreement}: {observed}");
        }
    }

    #[test]
    fn an_estimator_that_prefers_no_model_leaves_the_words() {
        let (set, _) = noisy_world(300);
        let built = graph(0.65, Some("global-mean"));
        let found = built.estimator.as_ref().unwrap().preferences(&set, &FitContext::new(1)).unwrap();
        assert!(found.as_slice().iter().all(|&value| value == 0.0));
        let words = graph(0.0, None).discover(&set, &FitContext::new(1)).unwrap();
        assert_eq!(built.discover(&set, &FitContext::new(1)).unwrap(), words);
    }

    #[test]
    fn no_row_depends_on_its_own_outcomes() {
        let (set, _) = noisy_world(120);
        let config = graph(0.65, Some("ridge"));
        let estimator = config.estimator.unwrap();
        let of = |set: &TrainingSet| estimator.preferences(set, &FitContext::new(1)).unwrap();
        let before = of(&set);
        // The outcomes of the first prompt turned around.
        let turned = (0..set.len()).map(|row| {
            let turn =
                |seen: &Outcome| Outcome::new(seen.model, if row == 0 { 1.0 - seen.quality } else { seen.quality });
            set.outcomes().row(row).iter().map(turn).collect()
        });
        let after = of(&training_set(set.embeddings().to_matrix(), 9, turned.collect()));
        assert_eq!(before.row(0), after.row(0));
        assert_ne!(before.as_slice(), after.as_slice());
    }

    #[test]
    fn mistakes_of_the_estimator_name_the_field() {
        let wrong = |estimator: ComponentConfig| {
            let mut config = GraphConfig { estimator: Some(estimator.into()), ..GraphConfig::default() };
            config.prepare(&crate::builtin().unwrap()).unwrap_err()
        };
        assert_eq!(wrong(ComponentConfig::new("ridge").with("penalty", "x")).field(), Some("estimator.penalty"));
        assert_eq!(wrong(ComponentConfig::new("rigde")).field(), Some("estimator.use"));
        let config = GraphConfig { estimator: Some(ComponentConfig::new("ridge").into()), ..GraphConfig::default() };
        let unprepared = config.discover(&noisy_world(30).0, &FitContext::new(0)).unwrap_err();
        assert_eq!(unprepared.kind(), ErrorKind::Usage);
    }

    #[test]
    fn levels_of_models_and_prompts_are_taken_out() {
        // Rows 0 and 1 prefer the first model, row 1 being easier by .3; rows 2 and 3 the second; and the first is better by .2 throughout.
        let expected = Matrix::from_vec(4, 2, vec![0.8, 0.4, 1.1, 0.7, 0.6, 0.6, 0.6, 0.6]).unwrap();
        let found = preferences(expected);
        let half = 0.5f32.sqrt();
        for (row, first) in [(0, half), (1, half), (2, -half), (3, -half)] {
            assert!((found.get(row, 0) - first).abs() < 1e-5 && (found.get(row, 1) + first).abs() < 1e-5, "row {row}");
        }
    }

    #[test]
    fn what_does_not_differ_prefers_nothing() {
        let found = preferences(Matrix::from_vec(2, 3, vec![0.3, 0.5, 0.7, 0.4, 0.6, 0.8]).unwrap());
        assert!(found.as_slice().iter().all(|&value| value == 0.0));
    }
}

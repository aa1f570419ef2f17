//! Nearest task center by cosine, with "no task" below a confidence.
//!
//! A task's center is the mean direction of its training prompts (each scaled to unit length first), scaled to unit length. p(task t
//! | x) is proportional to exp(10 * cosine(x, center t) / temperature): the rule of Rocchio and of prototypical networks (Snell,
//! Swersky and Zemel, NeurIPS 2017) under the cosine. Temperature and the threshold below which a prompt has no task are chosen on
//! held-out rows, as the `softmax` classifier does; centers are then taken from all rows.
//!
//! Fitting costs O(n d), a prompt O(d t), for n prompts, d dimensions, t tasks. Choose it with very few prompts a task, after
//! `kmeans`, whose clusters it reproduces, or where fitting must take no time; `softmax` is better where tasks differ in how
//! they spread.

use router_core::prelude::*;
use router_core::registry::config::check;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::classifiers::calibration::{ASSIGN_ALL, assign, best_temperature, best_threshold, gains, split};
use crate::neighbors::{dot, normalize};
use crate::nn::exponential::softmax;

/// Logits are the cosine times this: the temperatures that are searched, 1/20 to 20, then cover what cosines need.
const SCALE: f32 = 10.0;

/// Parameters of the `centroid` classifier; see the [module](self).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CentroidConfig {
    /// What ten times the cosine is divided by before the softmax: the lower, the surer. Chosen on held-out prompts if left out,
    /// which is the default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0001, max = 10_000.0))]
    pub temperature: Option<f64>,
    /// Confidence below which a prompt is assigned to no task, in [0, 1]. Chosen on held-out prompts if left out, which is the
    /// default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub threshold: Option<f64>,
    /// Share of the prompts that is held out to choose what is left out. Default 0.2.
    #[schemars(range(min = 0.05, max = 0.5))]
    pub held_out_share: f64,
}

impl Default for CentroidConfig {
    fn default() -> Self {
        Self { temperature: None, threshold: None, held_out_share: 0.2 }
    }
}

impl PluginConfig for CentroidConfig {
    const NAME: &'static str = "centroid";
    const SUMMARY: &'static str =
        "The task with the nearest center, no task below a confidence chosen on held-out prompts";
    const SOURCE: &'static str = "Snell, Swersky and Zemel, Prototypical Networks, NeurIPS 2017, under the cosine";
    const COST: &'static str = "fit O(n d); O(d tasks) a prompt";
    const EXAMPLE: &'static str = "temperature = 0.5\nheld_out_share = 0.2\n";
}

impl TaskClassifier for CentroidConfig {
    type Fitted = CentroidClassifier;

    fn fit(&self, set: &TrainingSet, tasks: &Tasks, cx: &FitContext) -> Result<CentroidClassifier> {
        // For configurations that were built in code.
        check(self)?;
        let assignments = tasks.map().assignments();
        if assignments.len() != set.len() {
            return Err(Error::shape("prompts of a task map", set.len(), assignments.len()));
        }
        cx.check_cancelled()?;
        // Rows are scaled when they are looked at: a second copy of a million embeddings is dearer than their lengths.
        let points = set.embeddings();
        let mut unit = vec![0.0; points.cols()];
        let mut temperature = self.temperature.map(|temperature| temperature as f32);
        let mut threshold = self.threshold.map(|threshold| threshold as f32);
        if (temperature.is_none() || threshold.is_none())
            && tasks.count() > 0
            && let Some((held_in, held_out)) = split(set, tasks, self.held_out_share, cx)
        {
            let centers = centers(points, assignments, tasks.count(), held_in.iter().copied());
            let mut judge = CentroidClassifier::new(centers, temperature.unwrap_or(1.0), ASSIGN_ALL)?;
            if temperature.is_none() {
                let labelled: Vec<(Vec<f32>, usize)> = held_out
                    .iter()
                    .filter_map(|&row| {
                        let task = (*assignments.get(row)?)?;
                        let mut logits = vec![0.0; tasks.count()];
                        judge.write_logits(at_unit_length(points.row(row), &mut unit), &mut logits);
                        Some((logits, task.index()))
                    })
                    .collect();
                let labelled: Vec<(&[f32], usize)> =
                    labelled.iter().map(|(logits, task)| (logits.as_slice(), *task)).collect();
                judge.temperature = best_temperature(&labelled);
                temperature = Some(judge.temperature);
            }
            if threshold.is_none() {
                let mut logits = vec![0.0; tasks.count()];
                let gains = gains(set, tasks, &held_in, &held_out, |at| {
                    let row = held_out.get(at).copied().unwrap_or_default();
                    judge.write_logits(at_unit_length(points.row(row), &mut unit), &mut logits);
                    softmax(&mut logits, judge.temperature)
                })?;
                threshold = Some(best_threshold(gains));
            }
        }
        let centers = centers(points, assignments, tasks.count(), 0..set.len());
        CentroidClassifier::new(centers, temperature.unwrap_or(1.0), threshold.unwrap_or(ASSIGN_ALL))
    }
}

router_core::register!(ClassifierRole, CentroidConfig);

/// The mean direction of every task's members among `rows`; zero for a task without one.
fn centers(
    points: MatrixView<'_>,
    assignments: &[Option<TaskId>],
    tasks: usize,
    rows: impl Iterator<Item = usize>,
) -> Matrix {
    let mut centers = Matrix::zeros(tasks, points.cols());
    let mut unit = vec![0.0; points.cols()];
    let mut sums = vec![vec![0.0f64; points.cols()]; tasks];
    for row in rows {
        let task = assignments.get(row).copied().flatten();
        if let Some(sum) = task.and_then(|task| sums.get_mut(task.index())) {
            let point = at_unit_length(points.row(row), &mut unit);
            sum.iter_mut().zip(point).for_each(|(sum, &value)| *sum += f64::from(value));
        }
    }
    for (task, sum) in sums.iter().enumerate() {
        centers.row_mut(task).iter_mut().zip(sum).for_each(|(to, &sum)| *to = sum as f32);
        normalize(centers.row_mut(task));
    }
    centers
}

/// `row` at unit length, in `unit`.
fn at_unit_length<'a>(row: &[f32], unit: &'a mut [f32]) -> &'a [f32] {
    unit.copy_from_slice(row);
    normalize(unit);
    unit
}

/// A centroid classifier that is ready: t centers of d dimensions, a temperature and a threshold.
#[derive(Debug, Clone, PartialEq)]
pub struct CentroidClassifier {
    centers: Matrix,
    temperature: f32,
    threshold: f32,
}

impl CentroidClassifier {
    fn new(centers: Matrix, temperature: f32, threshold: f32) -> Result<Self> {
        centers.view().check_finite("task centers")?;
        if !temperature.is_finite() || temperature <= 0.0 || !(0.0..=1.0).contains(&threshold) {
            return Err(Error::new(ErrorKind::NonFinite, "temperature or threshold of a centroid classifier"));
        }
        Ok(Self { centers, temperature, threshold })
    }

    /// The center of every task, t x d, of unit length (zero where a task's prompts have no direction).
    pub fn centers(&self) -> MatrixView<'_> {
        self.centers.view()
    }

    /// What ten times the cosine is divided by before the softmax.
    pub fn temperature(&self) -> f32 {
        self.temperature
    }

    /// The confidence below which a prompt is assigned to no task.
    pub fn threshold(&self) -> f32 {
        self.threshold
    }

    /// Writes the logits of a point of unit length.
    fn write_logits(&self, point: &[f32], logits: &mut [f32]) {
        for (task, logit) in logits.iter_mut().enumerate() {
            *logit = SCALE * dot(self.centers.row(task), point);
        }
    }
}

impl FittedClassifier for CentroidClassifier {
    fn dimension(&self) -> usize {
        self.centers.cols()
    }

    fn threshold(&self) -> Option<f32> {
        Some(self.threshold)
    }

    fn tasks(&self) -> usize {
        self.centers.rows()
    }

    fn classify(&self, embeddings: MatrixView<'_>, out: &mut TaskDistribution) -> Result<()> {
        if embeddings.cols() != self.dimension() {
            return Err(Error::shape("dimension of the embeddings", self.dimension(), embeddings.cols()));
        }
        out.reset(embeddings.rows(), self.tasks());
        if self.tasks() == 0 {
            return Ok(());
        }
        let mut unit = vec![0.0; embeddings.cols()];
        for row in 0..embeddings.rows() {
            let (probabilities, assigned) = out.row_mut(row);
            self.write_logits(at_unit_length(embeddings.row(row), &mut unit), probabilities);
            assign(softmax(probabilities, self.temperature), self.threshold, probabilities, assigned);
        }
        Ok(())
    }
}

impl Persist for CentroidClassifier {
    const FORMAT: &'static str = "centroid-classifier";
    const VERSION: u32 = 1;

    fn save(&self, writer: &mut SlotWriter) -> Result<()> {
        writer.put_matrix("centers", &self.centers)?;
        writer.put_f32("temperature", &[self.temperature])?;
        writer.put_f32("threshold", &[self.threshold])
    }

    fn load(reader: &SlotReader<'_>) -> Result<Self> {
        let one = |name| -> Result<f32> { Ok(reader.get_f32_of(name, 1)?.into_iter().sum()) };
        Self::new(reader.get_matrix("centers")?, one("temperature")?, one("threshold")?)
            .map_err(|error| reader.corrupt(&error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use router_core::Model;
    use router_core::config::TasksConfig;

    use super::*;

    fn fit(config: &CentroidConfig, embeddings: Matrix, labels: &[Option<u32>]) -> CentroidClassifier {
        let n = labels.len();
        let pool = ModelPool::new(vec![Model::new("a")]).unwrap();
        let prompts = (0..n).map(|i| Prompt::new(format!("p{i}"), "x")).collect();
        let outcomes = Outcomes::from_rows(1, vec![vec![Outcome::new(0, 1.0)]; n]).unwrap();
        let dataset = Dataset::new("d", prompts, pool, outcomes).unwrap();
        let set = TrainingSet::new(Arc::new(dataset), Arc::new(embeddings)).unwrap();
        let tasks = Tasks::profile(&set, TaskMap::from_labels(labels), &TasksConfig::default()).unwrap();
        config.fit(&set, &tasks, &FitContext::new(0)).unwrap()
    }

    #[test]
    fn centers_and_probabilities_by_hand() {
        // Directions (1, 0) and (0, 1) whatever the lengths: the center of task 0 lies between them; task 1 is (-1, 0).
        let embeddings = Matrix::from_vec(4, 2, vec![5.0, 0.0, 0.0, 0.1, -2.0, 0.0, 7.0, -7.0]).unwrap();
        let labels = [Some(0), Some(0), Some(1), None];
        let config = CentroidConfig { temperature: Some(10.0), threshold: Some(0.8), ..CentroidConfig::default() };
        let fitted = fit(&config, embeddings, &labels);
        let half = 0.5f64.sqrt();
        for (found, expected) in fitted.centers().as_slice().iter().zip([half, half, -1.0, 0.0]) {
            assert!((f64::from(*found) - expected).abs() < 1e-6);
        }
        // With temperature 10, logits are the cosines: (1, 3) / sqrt 10 has 4 / sqrt 20 and -1 / sqrt 10.
        let (a, b) = (4.0 / 20f64.sqrt(), -1.0 / 10f64.sqrt());
        let expected = a.exp() / (a.exp() + b.exp());
        assert!((0.7..0.8).contains(&expected));
        let mut out = TaskDistribution::new();
        fitted.classify(Matrix::from_vec(1, 2, vec![1.0, 3.0]).unwrap().view(), &mut out).unwrap();
        // Below the threshold: no task, and probabilities scaled by confidence / threshold.
        assert_eq!(out.assigned(0), None);
        assert!((f64::from(out.probabilities(0)[0]) - expected * expected / 0.8).abs() < 1e-6);
        assert!((f64::from(out.probability_of_none(0)) - (1.0 - expected / 0.8)).abs() < 1e-6);
    }

    #[test]
    fn the_temperature_is_sure_of_what_is_told_apart_and_unsure_of_what_is_not() {
        let points = |angle: f32| {
            let rows: Vec<f32> = (0..200u32)
                .flat_map(|row| {
                    let around = if row % 2 == 0 { angle } else { -angle };
                    let off = ((row * 37 % 100) as f32 / 50.0 - 1.0) * 0.5;
                    [(around + off).cos(), (around + off).sin()]
                })
                .collect();
            Matrix::from_vec(200, 2, rows).unwrap()
        };
        let labels: Vec<Option<u32>> = (0..200).map(|row| Some(row % 2)).collect();
        let apart = fit(&CentroidConfig::default(), points(0.8), &labels);
        let together = fit(&CentroidConfig::default(), points(0.05), &labels);
        let confidence = |classifier: &CentroidClassifier, angle: f32| {
            let mut out = TaskDistribution::new();
            let point = Matrix::from_vec(1, 2, vec![angle.cos(), angle.sin()]).unwrap();
            classifier.classify(point.view(), &mut out).unwrap();
            out.probabilities(0).iter().copied().fold(0.0, f32::max)
        };
        assert!(confidence(&apart, 0.8) > 0.95);
        assert!(confidence(&together, 0.05) < 0.65);
    }
}

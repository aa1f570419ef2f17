//! What training says of prompts that the router had not seen.
#![allow(clippy::indexing_slicing, reason = "tasks and columns are within the shape that the centers were made with")]

use serde::{Deserialize, Serialize};

use crate::artifact::{Persist, SlotReader, SlotWriter};
use crate::error::{Error, Result};
use crate::types::matrix::{Matrix, MatrixView};
use crate::types::task::{TaskDistribution, TaskId, TaskMap};

/// The most bins of a distribution.
const MOST_BINS: usize = 64;

/// What a drift monitor sees of one prompt.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// Whether the prompt got no task.
    pub no_task: bool,
    /// The classifier's confidence: the probability of the likeliest task before any is withheld, in [0, 1].
    pub confidence: f32,
    /// Its cosine to the nearest task center, in [-1, 1].
    pub similarity: f32,
}

/// The distribution of a number over held-out training prompts, as counts between its own quantiles.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeldOutDistribution {
    /// Ascending upper ends of all bins but the last, which has none.
    edges: Vec<f32>,
    /// Prompts in every bin: one more than `edges`. A bin holds what is above the edge before it, up to its own.
    counts: Vec<u64>,
}

impl HeldOutDistribution {
    /// The distribution of `values`, in at most 64 bins between their quantiles. O(n log n).
    pub fn new(values: &[f32]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_unstable_by(f32::total_cmp);
        let mut edges: Vec<f32> = (1..MOST_BINS)
            .filter_map(|bin| sorted.get((sorted.len() * bin / MOST_BINS).checked_sub(1)?).copied())
            .collect();
        edges.dedup();
        // Nothing lies above the largest value: an edge there would make an empty bin.
        if edges.last() == sorted.last() {
            edges.pop();
        }
        let mut distribution = Self { counts: vec![0; edges.len() + 1], edges };
        for &value in values {
            let bin = distribution.bin(value);
            distribution.counts[bin] += 1;
        }
        distribution
    }

    /// The bin of `value`.
    pub fn bin(&self, value: f32) -> usize {
        self.edges.partition_point(|&edge| edge < value)
    }

    /// Prompts in every bin.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// Ascending upper ends of all bins but the last.
    pub fn edges(&self) -> &[f32] {
        &self.edges
    }

    /// Prompts counted.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    fn is_sound(&self, prompts: u64) -> bool {
        self.counts.len() == self.edges.len() + 1
            && self.counts.len() <= MOST_BINS
            && self.edges.iter().all(|edge| edge.is_finite())
            && self.edges.windows(2).all(|pair| pair[0] < pair[1])
            && self.counts.iter().try_fold(0u64, |sum, &count| sum.checked_add(count)) == Some(prompts)
    }
}

/// How training prompts fared with a classifier that had not seen them. It is stored with the router and never changes.
#[derive(Debug, Clone, PartialEq)]
pub struct DriftReference {
    prompts: u64,
    without_task: u64,
    confidence: HeldOutDistribution,
    similarity: HeldOutDistribution,
    centers: Centers,
}

impl DriftReference {
    /// The reference of held-out `observations`, under task centers of the whole training set (tasks x d, each of unit length
    /// or zero).
    pub(crate) fn new(observations: &[Observation], centers: Centers) -> Self {
        let of = |value: fn(&Observation) -> f32| {
            HeldOutDistribution::new(&observations.iter().map(value).collect::<Vec<_>>())
        };
        Self {
            prompts: observations.len() as u64,
            without_task: observations.iter().filter(|observation| observation.no_task).count() as u64,
            confidence: of(|observation| observation.confidence),
            similarity: of(|observation| observation.similarity),
            centers,
        }
    }

    /// Training prompts behind it.
    pub fn prompts(&self) -> u64 {
        self.prompts
    }

    /// How many of them got no task while the classifier had not seen them.
    pub fn without_task(&self) -> u64 {
        self.without_task
    }

    /// The distribution of the classifier's confidence.
    pub fn confidence(&self) -> &HeldOutDistribution {
        &self.confidence
    }

    /// The distribution of the cosine to the nearest task center.
    pub fn similarity(&self) -> &HeldOutDistribution {
        &self.similarity
    }

    /// Number of tasks.
    pub fn tasks(&self) -> usize {
        self.centers.0.rows()
    }

    /// Dimension of the embeddings.
    pub fn dimension(&self) -> usize {
        self.centers.0.cols()
    }

    /// What a monitor sees of prompts with these embeddings (n x d) and task distributions, by a classifier of `threshold`.
    /// O(n * tasks * d).
    ///
    /// # Errors
    /// [`crate::ErrorKind::Shape`] for another dimension, another number of tasks, or lengths that disagree.
    pub fn observe(
        &self,
        embeddings: MatrixView<'_>,
        tasks: &TaskDistribution,
        threshold: Option<f32>,
    ) -> Result<Vec<Observation>> {
        if embeddings.cols() != self.dimension() {
            return Err(Error::shape("dimension of the embeddings", self.dimension(), embeddings.cols()));
        }
        if tasks.tasks() != self.tasks() || tasks.prompts() != embeddings.rows() {
            return Err(Error::shape(
                "task distribution",
                format!("{} x {}", embeddings.rows(), self.tasks()),
                format!("{} x {}", tasks.prompts(), tasks.tasks()),
            ));
        }
        Ok((0..embeddings.rows())
            .map(|row| Observation {
                no_task: tasks.assigned(row).is_none(),
                confidence: confidence(tasks, row, threshold),
                similarity: self.centers.similarity(embeddings.row(row)),
            })
            .collect())
    }
}

/// The confidence behind row `row` of `tasks`, from a classifier of `threshold`: the probability of the likeliest task, with the
/// scale undone by which a threshold lowers the probabilities of a prompt without a task. 0 without tasks.
pub(crate) fn confidence(tasks: &TaskDistribution, row: usize, threshold: Option<f32>) -> f32 {
    let probability = tasks.probabilities(row).iter().copied().fold(0.0, f32::max);
    match threshold {
        // confidence * confidence / threshold was written.
        Some(threshold) if tasks.assigned(row).is_none() => (probability * threshold).max(0.0).sqrt(),
        _ => probability,
    }
}

/// The mean direction of every task's prompts, of unit length; zero for a task without one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Centers(Matrix);

impl Centers {
    /// The centers of `map` over the rows `rows` of `embeddings`, one a prompt of the map. O(n * d).
    pub(crate) fn new(map: &TaskMap, embeddings: MatrixView<'_>, rows: impl Iterator<Item = usize>) -> Self {
        let mut sums = vec![vec![0.0f64; embeddings.cols()]; map.count()];
        for (row, task) in rows.zip(map.assignments()) {
            let Some(TaskId(task)) = task else { continue };
            let values = embeddings.row(row);
            let norm = values.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
            if norm > 0.0 {
                sums[*task as usize].iter_mut().zip(values).for_each(|(sum, &value)| *sum += f64::from(value) / norm);
            }
        }
        let mut centers = Matrix::zeros(map.count(), embeddings.cols());
        for (task, sum) in sums.iter().enumerate() {
            let norm = sum.iter().map(|value| value * value).sum::<f64>().sqrt();
            if norm > 0.0 {
                centers.row_mut(task).iter_mut().zip(sum).for_each(|(to, &value)| *to = (value / norm) as f32);
            }
        }
        Self(centers)
    }

    /// The highest cosine of `embedding` to a center; 0 for an embedding of length 0, and without a center.
    pub(crate) fn similarity(&self, embedding: &[f32]) -> f32 {
        let norm = embedding.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
        if norm <= 0.0 {
            return 0.0;
        }
        let best = (0..self.0.rows()).map(|task| dot(self.0.row(task), embedding)).fold(f32::NEG_INFINITY, f32::max);
        if best.is_finite() { (f64::from(best) / norm).clamp(-1.0, 1.0) as f32 } else { 0.0 }
    }
}

/// The inner product, in eight sums that the compiler can keep in one register.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut sums = [0.0f32; 8];
    for (a, b) in a.iter().zip(b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}

/// The JSON part of a stored reference.
#[derive(Serialize, Deserialize)]
struct Stored {
    prompts: u64,
    without_task: u64,
    confidence: HeldOutDistribution,
    similarity: HeldOutDistribution,
}

impl Persist for DriftReference {
    const FORMAT: &'static str = "drift-reference";
    const VERSION: u32 = 1;

    fn save(&self, writer: &mut SlotWriter) -> Result<()> {
        writer.put_json(
            "reference",
            &Stored {
                prompts: self.prompts,
                without_task: self.without_task,
                confidence: self.confidence.clone(),
                similarity: self.similarity.clone(),
            },
        )?;
        writer.put_matrix("centers", &self.centers.0)
    }

    fn load(reader: &SlotReader<'_>) -> Result<Self> {
        let stored: Stored = reader.get_json("reference")?;
        let sound = stored.without_task <= stored.prompts
            && stored.confidence.is_sound(stored.prompts)
            && stored.similarity.is_sound(stored.prompts);
        if !sound {
            return Err(reader.corrupt("its counts do not agree"));
        }
        Ok(Self {
            prompts: stored.prompts,
            without_task: stored.without_task,
            confidence: stored.confidence,
            similarity: stored.similarity,
            centers: Centers(reader.get_matrix("centers")?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_lie_between_quantiles_and_count_everything_once() {
        let values: Vec<f32> = (1..=640).map(|value| value as f32).collect();
        let distribution = HeldOutDistribution::new(&values);
        assert_eq!(distribution.counts(), [10; 64]);
        assert_eq!(distribution.edges()[0], 10.0);
        assert_eq!((distribution.bin(10.0), distribution.bin(10.5), distribution.bin(-5.0)), (0, 1, 0));
        assert_eq!(distribution.bin(1e9), 63);
    }

    #[test]
    fn ties_and_few_values_make_fewer_bins() {
        let certain = HeldOutDistribution::new(&[1.0; 100]);
        assert_eq!((certain.edges().len(), certain.counts()), (0, &[100u64][..]));
        let two = HeldOutDistribution::new(&[0.0, 1.0]);
        assert_eq!(two.total(), 2);
        assert_eq!(HeldOutDistribution::new(&[]).counts(), [0]);
        let mostly = HeldOutDistribution::new(&[vec![0.5; 10], vec![1.0; 90]].concat());
        assert_eq!((mostly.edges(), mostly.counts()), (&[0.5f32][..], &[10u64, 90][..]));
    }

    #[test]
    fn centers_are_mean_directions() {
        let embeddings = Matrix::from_vec(3, 2, vec![2.0, 0.0, 0.0, 1.0, 0.0, -3.0]).unwrap();
        let map = TaskMap::from_labels(&[Some(0), Some(0), Some(1)]);
        let centers = Centers::new(&map, embeddings.view(), 0..embeddings.rows());
        let half = std::f32::consts::FRAC_1_SQRT_2;
        assert!((centers.similarity(&[5.0, 0.0]) - half).abs() < 1e-6);
        assert!((centers.similarity(&[0.0, -1.0]) - 1.0).abs() < 1e-6);
        assert_eq!(centers.similarity(&[0.0, 0.0]), 0.0);
    }
}

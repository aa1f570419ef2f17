//! A vote of the nearest training prompts, with "no task" below a confidence.
//!
//! p(task t | x) is the share of the votes of the k training prompts of highest cosine similarity that belong to t, a vote weighing
//! exp((similarity - highest similarity) / temperature) (the distance-weighted rule of Dudani, IEEE Transactions on Systems, Man,
//! and Cybernetics 6, 1976). Neighbors without a task vote for none. The threshold below which a prompt has no task is chosen on
//! held-out rows, as the `softmax` classifier does.
//!
//! Fitting costs a search of the held-out prompts among the others, a prompt O(n d) exactly and O(log n d) approximately (see
//! [`crate::neighbors`]); the training embeddings are stored, 4 n d bytes. Choose it where tasks have no simple shape, as those of
//! `graph` may not, and where seeing which prompts spoke matters more than the speed of a decision.

use router_core::prelude::*;
use router_core::registry::config::check;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::classifiers::calibration::{ASSIGN_ALL, assign, best_threshold, gains, split};
use crate::neighbors::{EXACT_LIMIT, NeighborIndex, Search, normalized};

/// Parameters of the `neighbors` classifier; see the [module](self).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NeighborsConfig {
    /// Training prompts that vote; all of them where there are fewer. Default 20.
    #[schemars(range(min = 1, max = 100_000))]
    pub k: usize,
    /// How fast a vote's weight falls with similarity. The lower, the more the nearest count; 1000 weighs all alike. Default 0.1.
    #[schemars(range(min = 0.0001, max = 1.0e6))]
    pub temperature: f64,
    /// Confidence below which a prompt is assigned to no task, in [0, 1]. Chosen on held-out prompts if left out, which is the
    /// default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub threshold: Option<f64>,
    /// Share of the prompts that is held out to choose the threshold. Default 0.2.
    #[schemars(range(min = 0.05, max = 0.5))]
    pub held_out_share: f64,
    /// How neighbors are searched: `automatic` (default), `exact` or `approximate`.
    pub search: Search,
    /// Up to how many training prompts the automatic search is exact. Default 50,000.
    #[schemars(range(min = 0))]
    pub exact_limit: usize,
}

impl Default for NeighborsConfig {
    fn default() -> Self {
        Self {
            k: 20,
            temperature: 0.1,
            threshold: None,
            held_out_share: 0.2,
            search: Search::Automatic,
            exact_limit: EXACT_LIMIT,
        }
    }
}

impl PluginConfig for NeighborsConfig {
    const NAME: &'static str = "neighbors";
    const SUMMARY: &'static str = "A vote of the nearest training prompts, no task below a confidence";
    const SOURCE: &'static str = "Dudani, The Distance-Weighted k-Nearest-Neighbor Rule, IEEE SMC 6 (1976)";
    const COST: &'static str =
        "fit a search of the held-out prompts among the others; O(n d) a prompt exactly, O(d log n) approximately";
    const EXAMPLE: &'static str = "k = 40\ntemperature = 0.05\n";
}

impl NeighborsConfig {
    fn voting(&self, k: usize, threshold: f32) -> Voting {
        Voting { k, temperature: self.temperature, threshold }
    }
}

impl TaskClassifier for NeighborsConfig {
    type Fitted = NeighborsClassifier;

    fn fit(&self, set: &TrainingSet, tasks: &Tasks, cx: &FitContext) -> Result<NeighborsClassifier> {
        // For configurations that were built in code.
        check(self)?;
        let assignments = tasks.map().assignments();
        if assignments.len() != set.len() {
            return Err(Error::shape("prompts of a task map", set.len(), assignments.len()));
        }
        cx.check_cancelled()?;
        let points = normalized(set.embeddings());
        let mut threshold = self.threshold.map(|threshold| threshold as f32);
        if threshold.is_none()
            && tasks.count() > 0
            && let Some((held_in, held_out)) = split(set, tasks, self.held_out_share, cx)
        {
            let index = NeighborIndex::exact(points.gather(&held_in));
            let found = index.search(points.gather(&held_out).view(), self.k, cx)?;
            let voting = self.voting(self.k, ASSIGN_ALL);
            let labels: Vec<Option<TaskId>> =
                held_in.iter().map(|&row| assignments.get(row).copied().flatten()).collect();
            let mut shares = vec![0.0; tasks.count()];
            threshold = Some(best_threshold(gains(set, tasks, &held_in, &held_out, |at| {
                let (indices, similarities) = found.row(at);
                voting.vote(indices, similarities, &labels, &mut shares)
            })?));
        }
        let voting = self.voting(self.k, threshold.unwrap_or(ASSIGN_ALL));
        let index = NeighborIndex::new(points, self.search, self.exact_limit, cx)?;
        let labels = assignments.to_vec();
        NeighborsClassifier::new(index, labels, tasks.count(), voting, self.search, self.exact_limit)
    }
}

router_core::register!(ClassifierRole, NeighborsConfig);

/// How neighbors vote.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Voting {
    k: usize,
    temperature: f64,
    threshold: f32,
}

impl Voting {
    /// Writes every task's share of the votes, and gives the task of the largest share (ties to the lowest) and that share.
    fn vote(
        &self,
        indices: &[u32],
        similarities: &[f32],
        labels: &[Option<TaskId>],
        shares: &mut [f32],
    ) -> (usize, f32) {
        let highest = similarities.first().copied().unwrap_or(0.0);
        let weight = |similarity: f32| ((f64::from(similarity) - f64::from(highest)) / self.temperature).exp();
        let total: f64 = similarities.iter().map(|&similarity| weight(similarity)).sum();
        shares.fill(0.0);
        for (&index, &similarity) in indices.iter().zip(similarities) {
            let label = labels.get(index as usize).copied().flatten();
            if let Some(share) = label.and_then(|task| shares.get_mut(task.index())) {
                *share += (weight(similarity) / total) as f32;
            }
        }
        let mut best = (0, f32::NEG_INFINITY);
        for (task, &share) in shares.iter().enumerate() {
            if share > best.1 {
                best = (task, share);
            }
        }
        // Rounding may take the sum of the shares a little above 1.
        (best.0, best.1.min(1.0))
    }
}

#[derive(Serialize, Deserialize)]
struct Header {
    tasks: usize,
    voting: Voting,
    search: Search,
    exact_limit: usize,
}

/// A neighbors classifier that is ready.
#[derive(Debug)]
pub struct NeighborsClassifier {
    index: NeighborIndex,
    labels: Vec<Option<TaskId>>,
    tasks: usize,
    voting: Voting,
    search: Search,
    exact_limit: usize,
}

impl NeighborsClassifier {
    fn new(
        index: NeighborIndex,
        labels: Vec<Option<TaskId>>,
        tasks: usize,
        voting: Voting,
        search: Search,
        exact_limit: usize,
    ) -> Result<Self> {
        if labels.len() != index.points().rows() {
            return Err(Error::shape("tasks of the training prompts", index.points().rows(), labels.len()));
        }
        if let Some(task) = labels.iter().flatten().find(|task| task.index() >= tasks) {
            return Err(Error::shape("task", format!("below {tasks}"), task));
        }
        let Voting { k, temperature, threshold } = voting;
        if k == 0 || !temperature.is_finite() || temperature <= 0.0 || !(0.0..=1.0).contains(&threshold) {
            return Err(Error::new(ErrorKind::NonFinite, "k, temperature or threshold of a neighbors classifier"));
        }
        Ok(Self { index, labels, tasks, voting, search, exact_limit })
    }

    /// The confidence below which a prompt is assigned to no task.
    pub fn threshold(&self) -> f32 {
        self.voting.threshold
    }
}

impl FittedClassifier for NeighborsClassifier {
    fn dimension(&self) -> usize {
        self.index.points().cols()
    }

    fn threshold(&self) -> Option<f32> {
        Some(self.voting.threshold)
    }

    fn tasks(&self) -> usize {
        self.tasks
    }

    /// A prompt none of whose neighbors has a task is assigned to none, whatever the threshold.
    fn classify(&self, embeddings: MatrixView<'_>, out: &mut TaskDistribution) -> Result<()> {
        if embeddings.cols() != self.dimension() {
            return Err(Error::shape("dimension of the embeddings", self.dimension(), embeddings.cols()));
        }
        out.reset(embeddings.rows(), self.tasks);
        if self.tasks == 0 {
            return Ok(());
        }
        let found = self.index.search_here(normalized(embeddings).view(), self.voting.k)?;
        for row in 0..embeddings.rows() {
            let (indices, similarities) = found.row(row);
            let (shares, assigned) = out.row_mut(row);
            let likely = self.voting.vote(indices, similarities, &self.labels, shares);
            if likely.1 > 0.0 {
                assign(likely, self.voting.threshold, shares, assigned);
            }
        }
        Ok(())
    }
}

impl Persist for NeighborsClassifier {
    const FORMAT: &'static str = "neighbors-classifier";
    const VERSION: u32 = 1;

    fn save(&self, writer: &mut SlotWriter) -> Result<()> {
        writer.put_matrix("points", &self.index.points().to_matrix())?;
        // 0 is no task, 1 the first.
        let labels: Vec<u32> = self.labels.iter().map(|task| task.map_or(0, |task| task.0 + 1)).collect();
        writer.put_u32("labels", &labels)?;
        let (search, exact_limit) = (self.search, self.exact_limit);
        writer.put_json("header", &Header { tasks: self.tasks, voting: self.voting, search, exact_limit })
    }

    fn load(reader: &SlotReader<'_>) -> Result<Self> {
        let header: Header = reader.get_json("header")?;
        // The graph of an approximate search is rebuilt, the same as it was.
        let points = reader.get_matrix("points")?;
        let index = NeighborIndex::new(points, header.search, header.exact_limit, &FitContext::new(0))?;
        let labels = reader.get_u32("labels")?.into_iter().map(|label| label.checked_sub(1).map(TaskId)).collect();
        Self::new(index, labels, header.tasks, header.voting, header.search, header.exact_limit)
            .map_err(|error| reader.corrupt(&error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use router_core::Model;
    use router_core::config::TasksConfig;

    use super::*;

    fn fitted(config: &NeighborsConfig) -> NeighborsClassifier {
        let angles = [0.0f32, 0.1, 0.2, 1.5, 1.6];
        let labels = [Some(0), Some(0), None, Some(1), Some(1)];
        let rows: Vec<f32> = angles.iter().flat_map(|angle| [3.0 * angle.cos(), 3.0 * angle.sin()]).collect();
        let pool = ModelPool::new(vec![Model::new("a")]).unwrap();
        let prompts = (0..5).map(|i| Prompt::new(format!("p{i}"), "x")).collect();
        let outcomes = Outcomes::from_rows(1, vec![vec![Outcome::new(0, 1.0)]; 5]).unwrap();
        let dataset = Arc::new(Dataset::new("d", prompts, pool, outcomes).unwrap());
        let set = TrainingSet::new(dataset, Arc::new(Matrix::from_vec(5, 2, rows).unwrap())).unwrap();
        let tasks = Tasks::profile(&set, TaskMap::from_labels(&labels), &TasksConfig::default()).unwrap();
        config.fit(&set, &tasks, &FitContext::new(0)).unwrap()
    }

    fn ask(classifier: &NeighborsClassifier, angle: f32) -> (Vec<f32>, Option<u32>) {
        let mut out = TaskDistribution::new();
        let point = Matrix::from_vec(1, 2, vec![angle.cos(), angle.sin()]).unwrap();
        classifier.classify(point.view(), &mut out).unwrap();
        (out.probabilities(0).to_vec(), out.assigned(0).map(|task| task.0))
    }

    #[test]
    fn votes_by_hand() {
        let config = NeighborsConfig { k: 3, temperature: 0.5, threshold: Some(0.0), ..NeighborsConfig::default() };
        let classifier = fitted(&config);
        // Cosines of 0.05, 0.05 and 0.15: two of task 0 and one of none.
        let (shares, assigned) = ask(&classifier, 0.05);
        let third = ((0.15f64.cos() - 0.05f64.cos()) / 0.5).exp();
        assert!((f64::from(shares[0]) - 2.0 / (2.0 + third)).abs() < 1e-5);
        assert_eq!((shares[1], assigned), (0.0, Some(0)));
        let sure = fitted(&NeighborsConfig { threshold: Some(0.9), ..config.clone() });
        let (scaled, assigned) = ask(&sure, 0.05);
        assert_eq!(assigned, None);
        assert!((scaled[0] - shares[0] * shares[0] / 0.9).abs() < 1e-5);
    }

    #[test]
    fn neighbors_without_a_task_vote_for_none() {
        let config = NeighborsConfig { k: 1, threshold: Some(0.0), ..NeighborsConfig::default() };
        assert_eq!(ask(&fitted(&config), 0.21), (vec![0.0, 0.0], None));
        assert_eq!(ask(&fitted(&config), 1.4), (vec![0.0, 1.0], Some(1)));
    }
}

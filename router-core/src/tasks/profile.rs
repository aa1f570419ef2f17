//! A task's scores of the models and its candidates.
#![allow(clippy::indexing_slicing, reason = "one entry a task and a model, allocated here")]

use crate::config::TasksConfig;
use crate::error::{Error, Result};
use crate::statistics::wilson;
use crate::types::dataset::TrainingSet;
use crate::types::model::ModelIndex;
use crate::types::outcome::Outcomes;
use crate::types::task::{TaskId, TaskMap};

/// How well a model does on a task's training prompts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ModelScore {
    /// The shrunk mean quality: as if `shrinkage` more outcomes had the model's mean over all prompts.
    pub score: f64,
    /// The plain weighted mean quality; equal to `score` without an outcome.
    pub mean: f64,
    /// 95% Wilson score interval of the mean, over the effective number of outcomes (Kish 1965: (sum of weights)^2 / sum of
    /// squared weights), which is their number where all weigh the same.
    pub interval: [f64; 2],
    /// Outcomes behind it.
    pub outcomes: usize,
}

/// A task's scores and candidates.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskProfile {
    /// Training prompts of the task.
    pub size: usize,
    /// The score of every model.
    pub models: Vec<ModelScore>,
    /// The models that are worth a head of their own in this task, by falling score.
    pub candidates: Vec<ModelIndex>,
}

/// Discovered tasks with their profiles.
#[derive(Debug, Clone, PartialEq)]
pub struct Tasks {
    map: TaskMap,
    assigned: Vec<Option<TaskId>>,
    profiles: Vec<TaskProfile>,
    global: Vec<f64>,
}

impl Tasks {
    /// Profiles the tasks of `map` on the outcomes of `set`. O(outcomes + tasks * m log m).
    ///
    /// Candidates after FineRouter (arXiv 2603.19415): they grow by falling task score until the share of the task's prompts
    /// whose best model is among them exceeds `config.coverage`. A prompt whose observed models all tie says nothing about
    /// which is best and is left out of the share; a tie of the best counts as covered by any of them.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Shape`] if `map` has another number of prompts than `set`.
    pub fn profile(set: &TrainingSet, map: TaskMap, config: &TasksConfig) -> Result<Self> {
        if map.assignments().len() != set.len() {
            return Err(Error::shape("prompts of a task map", set.len(), map.assignments().len()));
        }
        let outcomes = set.outcomes();
        let global = global_means(outcomes);
        let profiles = map.members().into_iter().map(|members| profile(outcomes, &members, &global, config)).collect();
        Ok(Self { assigned: map.assignments().to_vec(), map, profiles, global })
    }

    /// No tasks: only the means over all prompts.
    pub fn none(set: &TrainingSet) -> Self {
        let (map, global) = (TaskMap::none(set.len()), global_means(set.outcomes()));
        Self { assigned: vec![None; set.len()], map, profiles: Vec::new(), global }
    }

    /// The same tasks with what a classifier made of the training prompts while it had not seen them.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Shape`] for another number of prompts, or a task that is not there.
    pub fn with_assigned(mut self, assigned: Vec<Option<TaskId>>) -> Result<Self> {
        if assigned.len() != self.assigned.len() {
            return Err(Error::shape("assigned prompts", self.assigned.len(), assigned.len()));
        }
        if let Some(task) = assigned.iter().flatten().find(|task| task.index() >= self.count()) {
            return Err(Error::shape("assigned task", format!("below {}", self.count()), task));
        }
        self.assigned = assigned;
        Ok(self)
    }

    /// The task that the classifier gives every training prompt when it has not seen it, as it has not seen new prompts;
    /// the discovered one where no classifier was cross-fitted.
    ///
    /// Estimators learn from these, not from [`map`](Self::map): a discoverer that reads outcomes puts a prompt where its
    /// outcomes fit, and scores of such groups promise more than a classifier that reads the text alone can keep.
    pub fn assigned(&self) -> &[Option<TaskId>] {
        &self.assigned
    }

    /// The rows of every task by [`assigned`](Self::assigned), ascending; some tasks may have none.
    pub fn assigned_members(&self) -> Vec<Vec<usize>> {
        let mut members = vec![Vec::new(); self.count()];
        for (row, task) in self.assigned.iter().enumerate() {
            if let Some(task) = task {
                members[task.index()].push(row);
            }
        }
        members
    }

    /// Which prompt has which discovered task.
    pub fn map(&self) -> &TaskMap {
        &self.map
    }

    /// Number of tasks.
    pub fn count(&self) -> usize {
        self.profiles.len()
    }

    /// The profile of every task.
    pub fn profiles(&self) -> &[TaskProfile] {
        &self.profiles
    }

    /// The mean quality of every model over all prompts; that of the mean model for one never seen.
    pub fn global(&self) -> &[f64] {
        &self.global
    }
}

fn global_means(outcomes: &Outcomes) -> Vec<f64> {
    let means = outcomes.mean_quality();
    let seen: Vec<f64> = means.iter().flatten().map(|&(mean, _)| mean).collect();
    let fallback = if seen.is_empty() { 0.0 } else { seen.iter().sum::<f64>() / seen.len() as f64 };
    means.into_iter().map(|mean| mean.map_or(fallback, |(mean, _)| mean)).collect()
}

fn profile(outcomes: &Outcomes, members: &[usize], global: &[f64], config: &TasksConfig) -> TaskProfile {
    let mut sums = vec![(0.0f64, 0.0f64, 0.0f64, 0usize); global.len()];
    for &row in members {
        for outcome in outcomes.row(row) {
            let sum = &mut sums[outcome.model];
            sum.0 += f64::from(outcome.quality) * f64::from(outcome.weight);
            sum.1 += f64::from(outcome.weight);
            sum.2 += f64::from(outcome.weight).powi(2);
            sum.3 += 1;
        }
    }
    let models: Vec<ModelScore> = sums
        .iter()
        .zip(global)
        .map(|(&(total, weight, squares, count), &prior)| {
            let strength = config.shrinkage.max(f64::EPSILON);
            let score = (total + strength * prior) / (weight + strength);
            let mean = if weight > 0.0 { total / weight } else { score };
            let effective = if squares > 0.0 { weight * weight / squares } else { 0.0 };
            ModelScore { score, mean, interval: wilson(mean, effective), outcomes: count }
        })
        .collect();
    let candidates = candidates(outcomes, members, &models, config.coverage);
    TaskProfile { size: members.len(), models, candidates }
}

fn candidates(outcomes: &Outcomes, members: &[usize], models: &[ModelScore], coverage: f64) -> Vec<ModelIndex> {
    let mut order: Vec<ModelIndex> = (0..models.len()).collect();
    order.sort_by(|&a, &b| models[b].score.total_cmp(&models[a].score).then(a.cmp(&b)));
    // For every telling prompt, the earliest place in that order at which one of its best models stands.
    let mut place = vec![0usize; models.len()];
    for (at, &model) in order.iter().enumerate() {
        place[model] = at;
    }
    let mut covered_at = vec![0usize; models.len()];
    let mut telling = 0usize;
    for &row in members {
        let row = outcomes.row(row);
        let best = row.iter().map(|outcome| outcome.quality).fold(f32::NEG_INFINITY, f32::max);
        if row.iter().all(|outcome| outcome.quality >= best) {
            continue;
        }
        telling += 1;
        if let Some(at) = row.iter().filter(|outcome| outcome.quality >= best).map(|outcome| place[outcome.model]).min()
        {
            covered_at[at] += 1;
        }
    }
    let mut covered = 0;
    for (at, &count) in covered_at.iter().enumerate() {
        covered += count;
        if covered as f64 > coverage * telling as f64 || covered == telling {
            order.truncate(at + 1);
            break;
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::types::dataset::Dataset;
    use crate::types::matrix::Matrix;
    use crate::types::model::{Model, ModelPool};
    use crate::types::outcome::Outcome;
    use crate::types::prompt::Prompt;

    fn set(qualities: &[[f32; 3]]) -> TrainingSet {
        let pool = ModelPool::new(vec![Model::new("a"), Model::new("b"), Model::new("c")]).unwrap();
        let prompts = (0..qualities.len()).map(|i| Prompt::new(i.to_string(), "x")).collect();
        let rows = qualities.iter().map(|row| row.iter().enumerate().map(|(m, &q)| Outcome::new(m, q)).collect());
        let outcomes = Outcomes::from_rows(3, rows.collect()).unwrap();
        let dataset = Arc::new(Dataset::new("d", prompts, pool, outcomes).unwrap());
        TrainingSet::new(dataset, Arc::new(Matrix::zeros(qualities.len(), 1))).unwrap()
    }

    #[test]
    fn unequal_weights_widen_the_interval() {
        let pool = || ModelPool::new(vec![Model::new("a")]).unwrap();
        let interval = |weights: [f32; 4]| {
            let rows = weights.map(|weight| vec![Outcome { weight, ..Outcome::new(0, 1.0) }]);
            let prompts = (0..4).map(|i| Prompt::new(i.to_string(), "x")).collect();
            let dataset = Dataset::new("d", prompts, pool(), Outcomes::from_rows(1, rows.into()).unwrap()).unwrap();
            let set = TrainingSet::new(Arc::new(dataset), Arc::new(Matrix::zeros(4, 1))).unwrap();
            let tasks = Tasks::profile(&set, TaskMap::from_labels(&[Some(0); 4]), &TasksConfig::default()).unwrap();
            tasks.profiles()[0].models[0].interval
        };
        assert_eq!(interval([1.0; 4]), wilson(1.0, 4.0));
        assert_eq!(interval([0.5; 4]), wilson(1.0, 4.0));
        // (3 + 1 + 1 + 1)^2 / (9 + 1 + 1 + 1) = 3.
        assert_eq!(interval([3.0, 1.0, 1.0, 1.0]), wilson(1.0, 3.0));
        assert_eq!(interval([0.0; 4]), [0.0, 1.0]);
    }

    #[test]
    fn candidates_grow_until_they_cover() {
        // a is best on three prompts, b on two more, c on one more; the last prompt ties and does not count.
        let set = set(&[
            [1.0, 0.0, 0.0],
            [1.0, 0.0, 0.0],
            [1.0, 0.0, 0.0],
            [0.0, 1.0, 0.0],
            [0.0, 1.0, 0.0],
            [0.0, 0.0, 1.0],
            [0.0, 0.0, 0.0],
        ]);
        let map = || TaskMap::from_labels(&[Some(0); 7]);
        let candidates = |coverage| {
            let config = TasksConfig { coverage, ..TasksConfig::default() };
            Tasks::profile(&set, map(), &config).unwrap().profiles()[0].candidates.clone()
        };
        assert_eq!(candidates(0.4), [0]);
        assert_eq!(candidates(0.5), [0, 1]); // exactly half is not more than half
        assert_eq!(candidates(0.8), [0, 1]);
        assert_eq!(candidates(0.9), [0, 1, 2]);
        assert_eq!(candidates(1.0), [0, 1, 2]);
    }

    #[test]
    fn scores_are_shrunk_toward_the_mean_over_all_prompts() {
        let set = set(&[[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]);
        let config = TasksConfig { shrinkage: 1.0, ..TasksConfig::default() };
        let tasks = Tasks::profile(&set, TaskMap::from_labels(&[Some(0), None]), &config).unwrap();
        assert_eq!(tasks.global(), [0.5, 0.0, 0.0]);
        assert_eq!(tasks.profiles()[0].models[0].score, 0.75);
        assert_eq!(tasks.profiles()[0].models[0].mean, 1.0);
    }
}

//! What every task lists: its best adapters and their scores.
#![allow(clippy::indexing_slicing, reason = "starts are checked at construction, adapters are below their number")]

use router_core::prelude::*;

/// Inverted lists from tasks to adapters, each by falling score, ties by ascending adapter.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Lists {
    /// Where the list of a task starts, and the end of the last: one more than there are tasks.
    starts: Vec<u32>,
    adapters: Vec<u32>,
    scores: Vec<f32>,
}

impl Lists {
    /// Lists of no task.
    pub(super) fn new() -> Self {
        Self { starts: vec![0], adapters: Vec::new(), scores: Vec::new() }
    }

    /// The parts of an artifact, if they belong together and name adapters below `models`.
    ///
    /// # Errors
    /// [`ErrorKind::Shape`] or [`ErrorKind::NonFinite`].
    pub(super) fn from_parts(starts: Vec<u32>, adapters: Vec<u32>, scores: Vec<f32>, models: usize) -> Result<Self> {
        let end = starts.last().map(|&end| end as usize);
        let is_ascending = starts.windows(2).all(|pair| pair[0] < pair[1]);
        if starts.first() != Some(&0) || !is_ascending || end != Some(adapters.len()) {
            return Err(Error::shape("starts of the lists of tasks", adapters.len(), format!("{end:?}")));
        }
        if scores.len() != adapters.len() {
            return Err(Error::shape("scores of the lists of tasks", adapters.len(), scores.len()));
        }
        if let Some(wrong) = adapters.iter().find(|&&adapter| adapter as usize >= models) {
            return Err(Error::shape("adapters of the lists of tasks", format!("below {models}"), wrong));
        }
        if scores.iter().any(|score| !score.is_finite()) {
            return Err(Error::new(ErrorKind::NonFinite, "scores of the lists of tasks"));
        }
        Ok(Self { starts, adapters, scores })
    }

    /// Starts, adapters and scores.
    pub(super) fn parts(&self) -> (&[u32], &[u32], &[f32]) {
        (&self.starts, &self.adapters, &self.scores)
    }

    /// Number of tasks.
    pub(super) fn tasks(&self) -> usize {
        self.starts.len() - 1
    }

    /// Appends a task with the best `most` of `listed`, at least one.
    pub(super) fn push(&mut self, mut listed: Vec<(u32, f32)>, most: usize) {
        listed.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        listed.truncate(most);
        self.adapters.extend(listed.iter().map(|&(adapter, _)| adapter));
        self.scores.extend(listed.iter().map(|&(_, score)| score));
        self.starts.push(self.adapters.len() as u32);
    }

    /// The adapters that `task` lists, and their scores.
    pub(super) fn row(&self, task: usize) -> (&[u32], &[f32]) {
        let range = self.starts[task] as usize..self.starts[task + 1] as usize;
        (&self.adapters[range.clone()], &self.scores[range])
    }

    /// The lowest score that `task` lists.
    fn lowest(&self, task: usize) -> f32 {
        self.row(task).1.last().copied().unwrap_or_default()
    }

    /// Writes the quality of every adapter into `out`, where tasks of these shares are retrieved; `means` are the adapters' own.
    pub(super) fn blend(&self, retrieved: impl Iterator<Item = (usize, f32)> + Clone, means: &[f32], out: &mut [f32]) {
        let mut floor = 0.0f32;
        let mut is_any = false;
        for (task, share) in retrieved.clone() {
            floor += share * self.lowest(task);
            is_any = true;
        }
        if !is_any {
            out.copy_from_slice(means);
            return;
        }
        for (to, &mean) in out.iter_mut().zip(means) {
            *to = mean.min(floor);
        }
        for (task, share) in retrieved {
            let (adapters, scores) = self.row(task);
            for (&adapter, &score) in adapters.iter().zip(scores) {
                let adapter = adapter as usize;
                out[adapter] += share * (score - means[adapter].min(floor));
            }
        }
    }
}

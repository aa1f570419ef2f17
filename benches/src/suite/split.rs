//! A world of which a part is held out, to tell how good a fit is.

use router_core::config::TasksConfig;
use router_core::{EstimatesView, PromptsView, TaskDistribution, TaskMap, Tasks, TrainingSet};

use crate::{Size, World};

/// Prompts that are held out.
const HELD_OUT: usize = 500;

/// The training part and the held-out part of a world.
pub(crate) struct Split {
    world: World,
    tasks_planted: usize,
    pub(crate) train: TrainingSet,
    /// The planted tasks of the training part.
    pub(crate) tasks: Tasks,
    held_out: Vec<usize>,
    pub(crate) embeddings: router_core::Matrix,
}

impl Split {
    /// A world of `size.n` training prompts.
    pub(crate) fn new(size: Size) -> Self {
        let world = World::new(Size { n: size.n + HELD_OUT, ..size });
        let rows: Vec<usize> = (0..size.n).collect();
        let train = world.training_set().subset(&rows).expect("a part of the world");
        let labels: Vec<Option<u32>> = rows.iter().map(|&row| Some((row % size.tasks) as u32)).collect();
        let tasks = Tasks::profile(&train, TaskMap::from_labels(&labels), &TasksConfig::default()).expect("tasks");
        let held_out: Vec<usize> = (size.n..size.n + HELD_OUT).collect();
        let embeddings = world.embeddings.gather(&held_out);
        Self { world, tasks_planted: size.tasks, train, tasks, held_out, embeddings }
    }

    /// The planted task of every held-out prompt.
    pub(crate) fn planted(&self) -> impl Iterator<Item = usize> + '_ {
        self.held_out.iter().map(|row| row % self.tasks_planted)
    }

    /// The held-out prompts.
    pub(crate) fn prompts(&self) -> PromptsView<'_> {
        PromptsView::rows(self.world.dataset.prompts(), &self.held_out)
    }

    /// Each held-out prompt certain of its planted task.
    pub(crate) fn distribution(&self) -> TaskDistribution {
        let assigned: Vec<_> = self.planted().map(|task| Some(router_core::TaskId(task as u32))).collect();
        TaskDistribution::certain(&assigned, self.tasks.count()).expect("tasks")
    }

    /// The mean skill of the models of the highest estimate: what the held-out prompts would get, without the noise of outcomes.
    pub(crate) fn chosen(&self, estimates: EstimatesView<'_>) -> f64 {
        let chosen = self.held_out.iter().enumerate().map(|(at, &row)| {
            let estimates = estimates.quality.row(at).iter().copied().enumerate();
            let best = estimates.max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)));
            best.map_or(0.0, |(model, _)| f64::from(self.world.skill(row, model)))
        });
        chosen.sum::<f64>() / self.held_out.len() as f64
    }
}

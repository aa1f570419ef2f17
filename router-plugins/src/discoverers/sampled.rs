//! Discovery in a sample: tasks are found among some of the prompts, and the others join the task whose center they are nearest to.
//!
//! A center is the mean of the unit vectors of a task's sampled prompts. Rankings shape the tasks in the sample and have no part in joining, as they have none
//! when a classifier assigns a new prompt. A sampled prompt keeps what the inner discoverer said, "no task" included; a prompt outside of the sample whose embedding is zero has no task.
//!
//! # Cost
//!
//! With s sampled prompts of n, d dimensions and t tasks: the inner discoverer on s prompts, then O(n d t) as a matrix product. Memory beyond the training set:
//! the inner discoverer's for s prompts, their embeddings (s d), and O(t d) and a block of 256 t numbers a thread; nothing grows with n but a label a prompt.
//!
//! Choose it from some hundred thousand prompts on, where a graph of all is too dear. A task is found if enough of its prompts are drawn, with `graph` about
//! twice as many as it has `neighbors`; so the sample needs to grow with the number of tasks, not with the number of prompts (docs/performance/scale.md has
//! how quality falls with it). With `size` at or above the number of prompts it is the inner discoverer.

use std::collections::BTreeMap;

use rand::seq::index::sample;
use rayon::prelude::*;
use router_core::ComponentConfig;
use router_core::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::neighbors::{normalize, products};
use crate::nested::{self, Built};
use crate::ranges::out_of_range;

/// Prompts that are held against the centers at once.
const BLOCK: usize = 256;

/// Parameters of the `sampled` discoverer; see the [module](self).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SampledConfig {
    /// Prompts that are drawn, without replacement. Default 20,000.
    #[schemars(range(min = 1, max = 100_000_000))]
    pub size: usize,
    /// What finds the tasks among them: its name under `use`, and its parameters. Default `graph`.
    #[schemars(with = "BTreeMap<String, Value>")]
    pub discoverer: ComponentConfig,
    #[serde(skip)]
    #[schemars(skip)]
    built: Built<DiscovererRole>,
}

impl Default for SampledConfig {
    fn default() -> Self {
        Self::new(20_000, ComponentConfig::new("graph"))
    }
}

impl SampledConfig {
    /// Discovery by `discoverer` among `size` prompts.
    pub fn new(size: usize, discoverer: ComponentConfig) -> Self {
        Self { size, discoverer, built: Built::default() }
    }
}

impl PluginConfig for SampledConfig {
    const NAME: &'static str = "sampled";
    const SUMMARY: &'static str = "Another discoverer on a sample; the other prompts join the nearest task";
    const SOURCE: &'static str = "this project";
    const COST: &'static str =
        "the inner discoverer's on s sampled prompts, then O(n d t); memory that of the inner one, and O(s d + t d)";
    const EXAMPLE: &'static str = "size = 50000\ndiscoverer = { use = \"labels\", minimum_size = 20 }\n";

    fn prepare(&mut self, registry: &Registry) -> Result<()> {
        self.built = Built(vec![nested::build::<DiscovererRole>(registry, &mut self.discoverer, "discoverer")?]);
        Ok(())
    }
}

impl TaskDiscoverer for SampledConfig {
    fn discover(&self, set: &TrainingSet, cx: &FitContext) -> Result<TaskMap> {
        if self.size == 0 {
            return out_of_range("size", &0, "at least 1 and at most 100000000");
        }
        let inner = self.built.0.first().ok_or_else(|| nested::unprepared(Self::NAME))?;
        if self.size >= set.len() {
            return inner.discover(set, cx);
        }
        let mut rows = sample(&mut cx.stream("sample"), set.len(), self.size).into_vec();
        rows.sort_unstable();
        let drawn = set.subset(&rows)?;
        let found = inner.discover(&drawn, &cx.child("discoverer"))?;
        if found.count() == 0 {
            return Ok(TaskMap::none(set.len()));
        }
        let centers = centers(&drawn, &found);
        drop(drawn);
        let mut labels = nearest(set.embeddings(), &centers, cx)?;
        for (&row, task) in rows.iter().zip(found.assignments()) {
            if let Some(label) = labels.get_mut(row) {
                *label = task.map(|task| task.0);
            }
        }
        match found.hierarchy() {
            Some(hierarchy) => under(hierarchy, &labels),
            None => Ok(TaskMap::from_labels(&labels)),
        }
    }
}

router_core::register!(DiscovererRole, SampledConfig);

/// The tasks `labels` under `hierarchy`, whose nodes come before their parents where a tree's come after them.
fn under(hierarchy: &TaskHierarchy, labels: &[Option<u32>]) -> Result<TaskMap> {
    let last = hierarchy.nodes().saturating_sub(1);
    let turned = |node: usize| (last - node) as u32;
    let parents: Vec<Option<u32>> =
        (0..hierarchy.nodes()).rev().map(|node| hierarchy.parent(node).map(turned)).collect();
    let labels: Vec<Option<u32>> = labels.iter().map(|label| label.map(|task| turned(task as usize))).collect();
    TaskMap::from_tree(&labels, &parents)
}

/// The mean direction of every task's prompts, tasks x d.
fn centers(set: &TrainingSet, map: &TaskMap) -> Matrix {
    let mut centers = Matrix::zeros(map.count(), set.embeddings().cols());
    let mut unit = vec![0.0f32; set.embeddings().cols()];
    for (task, members) in map.members().iter().enumerate() {
        let mut sums = vec![0.0f64; unit.len()];
        for &row in members {
            unit.copy_from_slice(set.embeddings().row(row));
            normalize(&mut unit);
            sums.iter_mut().zip(&unit).for_each(|(sum, &value)| *sum += f64::from(value));
        }
        centers.row_mut(task).iter_mut().zip(&sums).for_each(|(to, &sum)| *to = sum as f32);
        normalize(centers.row_mut(task));
    }
    centers
}

/// The center of the highest cosine with every row, ties to the lowest; none for a row of zeros.
fn nearest(rows: MatrixView<'_>, centers: &Matrix, cx: &FitContext) -> Result<Vec<Option<u32>>> {
    let bar = cx.begin("joining tasks", Some(rows.rows() as u64));
    let mut labels = vec![None; rows.rows()];
    labels.par_chunks_mut(BLOCK).enumerate().try_for_each_init(Vec::new, |cosines: &mut Vec<f32>, (at, labels)| {
        cx.check_cancelled()?;
        let block = rows.slice_rows(at * BLOCK, at * BLOCK + labels.len());
        cosines.resize(labels.len() * centers.rows(), 0.0);
        // The length of a row does not change which center is nearest.
        products(block, centers.view(), cosines);
        for (row, (label, cosines)) in labels.iter_mut().zip(cosines.chunks(centers.rows())).enumerate() {
            if block.row(row).iter().any(|&value| value != 0.0) {
                let best = cosines.iter().zip(0u32..).max_by(|a, b| a.0.total_cmp(b.0).then(b.1.cmp(&a.1)));
                *label = best.map(|(_, center)| center);
            }
        }
        bar.advance(labels.len() as u64);
        Ok::<(), Error>(())
    })?;
    Ok(labels)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use router_core::Model;

    use super::*;

    /// `per_task` prompts of each of four tasks, round robin, around the axes; the benchmark is the task.
    fn set(per_task: usize) -> TrainingSet {
        let n = 4 * per_task;
        let mut embeddings = Matrix::zeros(n, 8);
        for row in 0..n {
            embeddings.set(row, row % 4, 3.0);
            embeddings.set(row, 4 + row / 4 % 4, 1.0);
        }
        let prompts =
            (0..n).map(|row| Prompt::new(row.to_string(), "x").with_benchmark(format!("{}", row % 4))).collect();
        let pool = ModelPool::new(vec![Model::new("m")]).unwrap();
        let outcomes = Outcomes::from_rows(1, vec![vec![Outcome::new(0, 1.0)]; n]).unwrap();
        let dataset = Arc::new(Dataset::new("d", prompts, pool, outcomes).unwrap());
        TrainingSet::new(dataset, Arc::new(embeddings)).unwrap()
    }

    fn prepared(size: usize, discoverer: ComponentConfig) -> SampledConfig {
        let mut config = SampledConfig::new(size, discoverer);
        config.prepare(&crate::builtin().unwrap()).unwrap();
        config
    }

    #[test]
    fn prompts_outside_of_the_sample_join_the_task_that_they_belong_to() {
        let set = set(200);
        let map = prepared(60, ComponentConfig::new("labels")).discover(&set, &FitContext::new(3)).unwrap();
        assert_eq!(map.count(), 4);
        let first: Vec<_> = map.assignments()[..4].to_vec();
        for (row, task) in map.assignments().iter().enumerate() {
            assert_eq!(*task, first[row % 4], "prompt {row}");
        }
    }

    #[test]
    fn a_task_that_is_not_drawn_is_not_found() {
        // One prompt is drawn, so there is one task, which all others join.
        let map = prepared(1, ComponentConfig::new("labels")).discover(&set(10), &FitContext::new(3)).unwrap();
        assert_eq!(map.count(), 1);
        assert!(map.assignments().iter().all(Option::is_some));
    }

    #[test]
    fn a_sample_of_everything_is_the_inner_discoverer() {
        let set = set(30);
        let inner = crate::discoverers::labels::LabelsConfig::default();
        let map = prepared(120, ComponentConfig::new("labels")).discover(&set, &FitContext::new(3)).unwrap();
        assert_eq!(map, inner.discover(&set, &FitContext::new(3)).unwrap());
    }

    #[test]
    fn a_hierarchy_of_the_sample_is_kept() {
        // Tasks 0 and 1 lie under node 3, which lies under node 4 as task 2 does.
        let hierarchy = TaskHierarchy::new(3, vec![Some(3), Some(3), Some(4), Some(4), None]).unwrap();
        // Task 2 is the largest now, so it has number 0.
        let map = under(&hierarchy, &[Some(2), Some(2), Some(2), Some(0), Some(0), Some(1), None]).unwrap();
        let tree = map.hierarchy().unwrap();
        assert_eq!((map.count(), tree.nodes()), (3, 5));
        assert_eq!(tree.parent(1), tree.parent(2));
        assert_eq!(tree.parent(0), tree.parent(tree.parent(1).unwrap()));
    }

    #[test]
    fn what_the_inner_discoverer_leaves_out_stays_out_and_zeros_join_no_task() {
        let mut embeddings = set(50).embeddings().to_matrix();
        (100..200).for_each(|row| embeddings.row_mut(row).fill(0.0));
        let set = TrainingSet::new(set(50).dataset().clone(), Arc::new(embeddings)).unwrap();
        let none = ComponentConfig::new("labels").with("minimum_size", 1000);
        let map = prepared(40, none).discover(&set, &FitContext::new(1)).unwrap();
        assert_eq!((map.count(), map.assignments().len()), (0, 200));
        let map = prepared(40, ComponentConfig::new("labels")).discover(&set, &FitContext::new(1)).unwrap();
        assert!(map.assignments()[..100].iter().all(Option::is_some));
        // Of the hundred zeros at most forty were drawn, and have the task of their label.
        let without = map.assignments()[100..].iter().filter(|task| task.is_none()).count();
        assert!((60..=100).contains(&without), "{without}");
    }

    #[test]
    fn mistakes_of_the_inner_discoverer_name_the_field() {
        let mut config = SampledConfig::new(10, ComponentConfig::new("graph").with("neighbors", 0));
        let error = config.prepare(&crate::builtin().unwrap()).unwrap_err();
        assert_eq!(error.field(), Some("discoverer.neighbors"));
        let unprepared = SampledConfig::default().discover(&set(2), &FitContext::new(0)).unwrap_err();
        assert_eq!(unprepared.kind(), ErrorKind::Usage);
    }
}

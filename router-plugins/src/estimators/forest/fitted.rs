//! The forest, ready.

use router_core::prelude::*;

use super::grow::{Node, Tree};

/// Marks a leaf among the features of the nodes.
const LEAF: u32 = u32::MAX;

/// A forest that is ready: all trees' nodes in one list, each tree's root first, children after their parents.
#[derive(Debug, Clone, PartialEq)]
pub struct ForestEstimator {
    dimension: usize,
    /// Where every tree begins.
    roots: Vec<u32>,
    nodes: Vec<Step>,
    /// Of every leaf of every tree: each model's quality, leaves x m.
    values: Matrix,
}

/// A node, in twelve bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Step {
    /// The number that the cut looks at, or [`LEAF`].
    feature: u32,
    threshold: f32,
    /// The node for prompts below the threshold, the one after it being for the others; of a leaf: its row of values.
    next: u32,
}

impl ForestEstimator {
    pub(super) fn new(trees: &[Tree], dimension: usize, models: usize) -> Result<Self> {
        let (mut roots, mut nodes, mut values) = (Vec::with_capacity(trees.len()), Vec::new(), Vec::new());
        for tree in trees {
            let (root, leaf) = (nodes.len() as u32, (values.len() / models.max(1)) as u32);
            roots.push(root);
            nodes.extend(tree.nodes.iter().map(|node| match *node {
                Node::Cut { feature, threshold, below } => Step { feature, threshold, next: root + below },
                Node::Leaf(number) => Step { feature: LEAF, threshold: 0.0, next: leaf + number },
            }));
            values.extend_from_slice(&tree.values);
        }
        let leaves = values.len() / models.max(1);
        Self::checked(dimension, roots, nodes, Matrix::from_vec(leaves, models, values)?)
    }

    /// # Errors
    /// [`ErrorKind::Shape`] where a node points to what is not there or back, so that no prompt can get lost in it;
    /// [`ErrorKind::NonFinite`].
    fn checked(dimension: usize, roots: Vec<u32>, nodes: Vec<Step>, values: Matrix) -> Result<Self> {
        let points = |at: usize, step: &Step| {
            let next = step.next as usize;
            if step.feature == LEAF {
                next < values.rows()
            } else {
                (step.feature as usize) < dimension && next > at && next + 1 < nodes.len()
            }
        };
        if roots.is_empty() || roots.iter().any(|&root| root as usize >= nodes.len()) {
            return Err(Error::shape("roots of a forest", format!("some below {}", nodes.len()), format!("{roots:?}")));
        }
        if let Some(at) = (0..nodes.len()).find(|&at| nodes.get(at).is_some_and(|step| !points(at, step))) {
            return Err(Error::shape("nodes of a forest", "steps forward to what is there", format!("node {at}")));
        }
        if !nodes.iter().all(|step| step.threshold.is_finite()) || values.view().check_finite("leaves").is_err() {
            return Err(Error::new(ErrorKind::NonFinite, "thresholds or leaves of a forest"));
        }
        Ok(Self { dimension, roots, nodes, values })
    }

    /// Number of trees.
    pub fn trees(&self) -> usize {
        self.roots.len()
    }

    /// Number of leaves of all trees together.
    pub fn leaves(&self) -> usize {
        self.values.rows()
    }

    /// The row of values where `embedding` ends up that starts at `root`.
    fn leaf(&self, root: u32, embedding: &[f32]) -> Option<usize> {
        let mut at = root as usize;
        loop {
            let step = self.nodes.get(at)?;
            if step.feature == LEAF {
                return Some(step.next as usize);
            }
            let is_below = *embedding.get(step.feature as usize)? < step.threshold;
            at = step.next as usize + usize::from(!is_below);
        }
    }
}

impl FittedEstimator for ForestEstimator {
    fn models(&self) -> usize {
        self.values.cols()
    }

    fn estimate(&self, batch: &QueryBatch<'_>, out: &mut Estimates) -> Result<()> {
        if batch.embeddings.cols() != self.dimension {
            return Err(Error::shape("dimension of embeddings", self.dimension, batch.embeddings.cols()));
        }
        batch.embeddings.check_finite("embeddings")?;
        let n = batch.embeddings.rows();
        out.reset(n, self.models());
        let share = (self.roots.len() as f32).recip();
        // Tree by tree over the batch, so that a tree's nodes stay in the cache.
        for &root in &self.roots {
            for row in 0..n {
                let Some(leaf) = self.leaf(root, batch.embeddings.row(row)) else { continue };
                let sums = out.quality_mut().row_mut(row);
                sums.iter_mut().zip(self.values.row(leaf)).for_each(|(sum, value)| *sum += value);
            }
        }
        out.quality_mut().as_mut_slice().iter_mut().for_each(|sum| *sum *= share);
        Ok(())
    }
}

impl Persist for ForestEstimator {
    const FORMAT: &'static str = "forest-estimator";
    const VERSION: u32 = 1;

    fn save(&self, writer: &mut SlotWriter) -> Result<()> {
        let column = |read: fn(&Step) -> u32| self.nodes.iter().map(read).collect::<Vec<_>>();
        writer.put_json("dimension", &self.dimension)?;
        writer.put_u32("roots", &self.roots)?;
        writer.put_u32("nodes/feature", &column(|step| step.feature))?;
        writer.put_f32("nodes/threshold", &self.nodes.iter().map(|step| step.threshold).collect::<Vec<_>>())?;
        writer.put_u32("nodes/next", &column(|step| step.next))?;
        writer.put_matrix("leaves", &self.values)
    }

    fn load(reader: &SlotReader<'_>) -> Result<Self> {
        let (features, next) = (reader.get_u32("nodes/feature")?, reader.get_u32("nodes/next")?);
        let thresholds = reader.get_f32_of("nodes/threshold", features.len())?;
        if next.len() != features.len() {
            return Err(reader.corrupt("nodes/next has another length than nodes/feature"));
        }
        let nodes = features.into_iter().zip(thresholds).zip(next);
        let nodes = nodes.map(|((feature, threshold), next)| Step { feature, threshold, next }).collect();
        Self::checked(reader.get_json("dimension")?, reader.get_u32("roots")?, nodes, reader.get_matrix("leaves")?)
            .map_err(|error| reader.corrupt(&error.to_string()))
    }
}

//! Trees that cut the space of embeddings by one number at a time: what `forest` and `trees` share.

use router_core::prelude::*;

/// A tree of cuts; node 0 is the root, children come after their parents.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::estimators) struct Tree {
    pub(in crate::estimators) nodes: Vec<Node>,
    /// What every leaf says, leaves x width.
    pub(in crate::estimators) values: Vec<f32>,
}

/// A node of a tree.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::estimators) enum Node {
    /// Prompts whose number `feature` is below `threshold` go to node `below`, the others to the one after it.
    Cut { feature: u32, threshold: f32, below: u32 },
    /// Number of the leaf.
    Leaf(u32),
}

/// Marks a leaf among the features of the nodes.
const LEAF: u32 = u32::MAX;

/// Trees that are ready: all nodes in one list, each tree's root first, children after their parents.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::estimators) struct DecisionTrees {
    dimension: usize,
    /// Where every tree begins.
    roots: Vec<u32>,
    nodes: Vec<Step>,
    /// What every leaf of every tree says, leaves x width.
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

impl DecisionTrees {
    /// Trees on embeddings of `dimension` numbers whose leaves say `width` numbers each.
    ///
    /// # Errors
    /// [`ErrorKind::Shape`] without a tree; [`ErrorKind::NonFinite`].
    pub(in crate::estimators) fn new(trees: &[Tree], dimension: usize, width: usize) -> Result<Self> {
        let (mut roots, mut nodes, mut values) = (Vec::with_capacity(trees.len()), Vec::new(), Vec::new());
        for tree in trees {
            let (root, leaf) = (nodes.len() as u32, (values.len() / width.max(1)) as u32);
            roots.push(root);
            nodes.extend(tree.nodes.iter().map(|node| match *node {
                Node::Cut { feature, threshold, below } => Step { feature, threshold, next: root + below },
                Node::Leaf(number) => Step { feature: LEAF, threshold: 0.0, next: leaf + number },
            }));
            values.extend_from_slice(&tree.values);
        }
        let leaves = values.len() / width.max(1);
        Self::checked(dimension, roots, nodes, Matrix::from_vec(leaves, width, values)?)
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
            return Err(Error::shape("roots of trees", format!("some below {}", nodes.len()), format!("{roots:?}")));
        }
        if let Some(at) = (0..nodes.len()).find(|&at| nodes.get(at).is_some_and(|step| !points(at, step))) {
            return Err(Error::shape("nodes of trees", "steps forward to what is there", format!("node {at}")));
        }
        if !nodes.iter().all(|step| step.threshold.is_finite()) || values.view().check_finite("leaves").is_err() {
            return Err(Error::new(ErrorKind::NonFinite, "thresholds or leaves of trees"));
        }
        Ok(Self { dimension, roots, nodes, values })
    }

    /// Number of trees.
    pub(in crate::estimators) fn count(&self) -> usize {
        self.roots.len()
    }

    /// What every leaf says, leaves x width.
    pub(in crate::estimators) fn values(&self) -> &Matrix {
        &self.values
    }

    /// # Errors
    /// [`ErrorKind::Shape`] for embeddings of another dimension; [`ErrorKind::NonFinite`].
    pub(in crate::estimators) fn check(&self, embeddings: MatrixView<'_>) -> Result<()> {
        if embeddings.cols() != self.dimension {
            return Err(Error::shape("dimension of embeddings", self.dimension, embeddings.cols()));
        }
        embeddings.check_finite("embeddings")
    }

    /// What the leaf says where `embedding` ends up in `tree`; `None` for a tree that is not there.
    pub(in crate::estimators) fn leaf(&self, tree: usize, embedding: &[f32]) -> Option<&[f32]> {
        let mut at = *self.roots.get(tree)? as usize;
        loop {
            let step = self.nodes.get(at)?;
            if step.feature == LEAF {
                return Some(self.values.row(step.next as usize));
            }
            let is_below = *embedding.get(step.feature as usize)? < step.threshold;
            at = step.next as usize + usize::from(!is_below);
        }
    }

    /// Writes all trees.
    ///
    /// # Errors
    /// As the writer's.
    pub(in crate::estimators) fn save(&self, writer: &mut SlotWriter) -> Result<()> {
        let column = |read: fn(&Step) -> u32| self.nodes.iter().map(read).collect::<Vec<_>>();
        writer.put_json("dimension", &self.dimension)?;
        writer.put_u32("roots", &self.roots)?;
        writer.put_u32("nodes/feature", &column(|step| step.feature))?;
        writer.put_f32("nodes/threshold", &self.nodes.iter().map(|step| step.threshold).collect::<Vec<_>>())?;
        writer.put_u32("nodes/next", &column(|step| step.next))?;
        writer.put_matrix("leaves", &self.values)
    }

    /// Reads what [`save`](Self::save) wrote.
    ///
    /// # Errors
    /// [`ErrorKind::Artifact`].
    pub(in crate::estimators) fn load(reader: &SlotReader<'_>) -> Result<Self> {
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

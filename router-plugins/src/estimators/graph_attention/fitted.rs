//! The graph attention estimator, ready.

use router_core::prelude::*;

use super::network::GraphNetwork;
use super::task_edges::TaskEdges;
use crate::estimators::network::Ensemble;
use crate::neighbors::NeighborIndex;

/// Networks that are ready, and where the tasks of new prompts come from.
#[derive(Debug)]
pub struct GraphAttentionEstimator {
    networks: Ensemble<GraphNetwork>,
    tasks: TaskEdges,
}

impl GraphAttentionEstimator {
    pub(super) fn new(networks: Ensemble<GraphNetwork>, tasks: TaskEdges) -> Result<Self> {
        let dimension = networks.inputs().checked_sub(tasks.count()).filter(|&dimension| dimension > 0);
        let agree = match &tasks {
            TaskEdges::Given(_) => dimension.is_some(),
            TaskEdges::Nearest(index) => dimension == Some(index.points().cols()),
        };
        if !agree {
            return Err(Error::shape("inputs of a graph", "embeddings and tasks", networks.inputs()));
        }
        if let TaskEdges::Nearest(index) = &tasks {
            index.points().check_finite("centers")?;
        }
        Ok(Self { networks, tasks })
    }

    /// The states of all models, m x width, as the first member knows them.
    pub fn model_states(&self) -> MatrixView<'_> {
        self.networks.first().models.weights().view()
    }
}

impl FittedEstimator for GraphAttentionEstimator {
    fn models(&self) -> usize {
        self.networks.models()
    }

    fn estimate(&self, batch: &QueryBatch<'_>, out: &mut Estimates) -> Result<()> {
        let mut joined = Matrix::default();
        let dimension = self.networks.inputs() - self.tasks.count();
        if batch.embeddings.cols() != dimension {
            return Err(Error::shape("dimension of embeddings", dimension, batch.embeddings.cols()));
        }
        self.tasks.join(batch, &mut joined)?;
        self.networks.estimate(joined.view(), out)
    }
}

impl Persist for GraphAttentionEstimator {
    const FORMAT: &'static str = "graph-attention-estimator";
    const VERSION: u32 = 1;

    fn save(&self, writer: &mut SlotWriter) -> Result<()> {
        self.networks.save(writer)?;
        match &self.tasks {
            TaskEdges::Given(count) => writer.put_json("tasks", &Some(*count)),
            TaskEdges::Nearest(index) => {
                writer.put_json("tasks", &None::<usize>)?;
                writer.put_matrix("centers", &index.points().to_matrix())
            }
        }
    }

    fn load(reader: &SlotReader<'_>) -> Result<Self> {
        let networks = Ensemble::load(reader)?;
        let tasks = match reader.get_json::<Option<usize>>("tasks")? {
            Some(count) => TaskEdges::Given(count),
            None => TaskEdges::Nearest(NeighborIndex::exact(reader.get_matrix("centers")?)),
        };
        Self::new(networks, tasks).map_err(|error| reader.corrupt(&error.to_string()))
    }
}

//! The fitted mixture of experts: inference and storage.

use std::cell::Cell;

use router_core::{Error, Estimates, FittedEstimator, Persist, QueryBatch, Result, SlotReader, SlotWriter};
use serde::{Deserialize, Serialize};

use crate::estimators::moe::config::Routing;
use crate::estimators::moe::expert::{Expert, ExpertScratch};
use crate::estimators::network::Spread;

/// A fitted [`MoeConfig`](super::MoeConfig).
#[derive(Debug, Clone, PartialEq)]
pub struct FittedMoe {
    pub(super) shape: Shape,
    pub(super) experts: Vec<Expert>,
}

/// What the parts of a mixture agree on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Shape {
    /// d.
    pub(super) dimension: usize,
    /// m.
    pub(super) models: usize,
    pub(super) tasks: usize,
    pub(super) members: usize,
    pub(super) routing: Routing,
}

impl FittedMoe {
    /// Number of task heads of all members together; 0 if none was worth having.
    pub fn task_heads(&self) -> usize {
        self.experts.iter().map(|expert| expert.heads.index().len()).sum()
    }

    /// Numbers that the task heads of all members together are made of.
    pub fn head_parameters(&self) -> usize {
        self.experts.iter().map(|expert| expert.heads.parameters()).sum()
    }

    /// The same mixture with another way to choose among the heads.
    pub fn with_routing(mut self, routing: Routing) -> Self {
        self.shape.routing = routing;
        self
    }
}

thread_local! {
    /// Memory of this thread's last batch, so that a decision asks for none.
    static SCRATCH: Cell<(ExpertScratch, Spread)> = Cell::default();
}

impl FittedEstimator for FittedMoe {
    fn models(&self) -> usize {
        self.shape.models
    }

    fn estimate(&self, batch: &QueryBatch<'_>, out: &mut Estimates) -> Result<()> {
        let n = batch.embeddings.rows();
        if batch.embeddings.cols() != self.shape.dimension {
            return Err(Error::shape("dimension of the embeddings", self.shape.dimension, batch.embeddings.cols()));
        }
        if batch.tasks.tasks() != self.shape.tasks {
            return Err(Error::shape("tasks of the distribution", self.shape.tasks, batch.tasks.tasks()));
        }
        if batch.tasks.prompts() != n {
            return Err(Error::shape("prompts of the task distribution", n, batch.tasks.prompts()));
        }
        out.reset(n, self.shape.models);
        let share = (self.experts.len() as f32).recip();
        let (mut scratch, mut spread) = SCRATCH.take();
        let has_spread = self.experts.len() > 1;
        if has_spread {
            spread.begin(n, self.shape.models);
        }
        for expert in &self.experts {
            let (embeddings, tasks, routing) = (batch.embeddings, batch.tasks, self.shape.routing);
            expert.add_estimates(embeddings, tasks, routing, share, &mut scratch, out.quality_mut());
            if has_spread {
                spread.see(out.quality(), share.recip());
            }
        }
        if has_spread {
            spread.write_variance(out.variance_mut());
        }
        SCRATCH.set((scratch, spread));
        out.quality().check_finite("moe")
    }
}

impl Persist for FittedMoe {
    const FORMAT: &'static str = "moe";
    /// 2: task heads name their form. 1 knew separate heads alone.
    const VERSION: u32 = 2;

    fn save(&self, writer: &mut SlotWriter) -> Result<()> {
        writer.put_json("shape", &self.shape)?;
        for (at, expert) in self.experts.iter().enumerate() {
            expert.save(writer, &format!("member/{at}"))?;
        }
        Ok(())
    }

    fn load(reader: &SlotReader<'_>) -> Result<Self> {
        let shape: Shape = reader.get_json("shape")?;
        if shape.members == 0 || shape.models == 0 || shape.dimension == 0 {
            return Err(reader.corrupt("a mixture without members, models or inputs"));
        }
        let mut experts = Vec::new();
        for at in 0..shape.members {
            experts.push(Expert::load(reader, &format!("member/{at}"), shape.dimension, shape.models, shape.tasks)?);
        }
        Ok(Self { shape, experts })
    }
}

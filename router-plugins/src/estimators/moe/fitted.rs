//! The fitted mixture of experts: inference and storage.

use router_core::{
    Error, Estimates, FittedEstimator, Matrix, MatrixView, Persist, QueryBatch, Result, SlotReader, SlotWriter,
};
use serde::{Deserialize, Serialize};

use crate::estimators::moe::config::Routing;
use crate::estimators::moe::expert::{Expert, ExpertScratch};

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
        let mut scratch = ExpertScratch::default();
        let mut spread = (self.experts.len() > 1).then(|| Spread::new(n, self.shape.models));
        for expert in &self.experts {
            let (embeddings, tasks, routing) = (batch.embeddings, batch.tasks, self.shape.routing);
            expert.add_estimates(embeddings, tasks, routing, share, &mut scratch, out.quality_mut());
            if let Some(spread) = &mut spread {
                spread.see(out.quality(), share.recip());
            }
        }
        if let Some(spread) = spread {
            spread.write_variance(out.variance_mut());
        }
        out.quality().check_finite("moe")
    }
}

/// The variance between members, gathered while the mean of them is summed up, so that the mean stays what it is bit for bit.
struct Spread {
    members: usize,
    /// The sum so far.
    before: Matrix,
    /// The first member's estimates: deviations are taken from these, so that squares lose no digits.
    first: Matrix,
    /// Of the deviations: their sum and the sum of their squares.
    sum: Matrix,
    squares: Matrix,
}

impl Spread {
    fn new(prompts: usize, models: usize) -> Self {
        let zeros = || Matrix::zeros(prompts, models);
        Self { members: 0, before: zeros(), first: zeros(), sum: zeros(), squares: zeros() }
    }

    /// Sees the sum after one member more, of which `scale` times the increase is that member's estimate.
    fn see(&mut self, after: MatrixView<'_>, scale: f32) {
        let deviations = self.sum.as_mut_slice().iter_mut().zip(self.squares.as_mut_slice());
        let sums = self.before.as_mut_slice().iter_mut().zip(after.as_slice()).zip(self.first.as_mut_slice());
        for (((before, &after), first), (sum, squares)) in sums.zip(deviations) {
            let estimate = (after - *before) * scale;
            *before = after;
            if self.members == 0 {
                *first = estimate;
            }
            *sum += estimate - *first;
            *squares += (estimate - *first) * (estimate - *first);
        }
        self.members += 1;
    }

    /// The unbiased variance of one member.
    fn write_variance(&self, out: &mut Matrix) {
        let count = self.members as f32;
        for ((out, sum), squares) in out.as_mut_slice().iter_mut().zip(self.sum.as_slice()).zip(self.squares.as_slice())
        {
            *out = ((squares - sum * sum / count) / (count - 1.0)).max(0.0);
        }
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

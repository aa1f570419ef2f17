//! One member of the ensemble, fitted: trunk, general heads, task heads.

use router_core::artifact::{SlotReader, SlotWriter};
use router_core::{Error, Matrix, Result, TaskDistribution};

use crate::estimators::moe::config::Routing;
use crate::estimators::moe::heads::{HeadInput, HeadScratch, TaskHeads};
use crate::nn::exponential::sigmoids;
use crate::nn::{FeedForward, ForwardScratch, Layer};

/// Tasks less likely than this leave their share to the general heads: a row's estimate is off by no more than the sum of what
/// was left out, and hundreds of hopeless tasks cost nothing.
const NEGLIGIBLE: f32 = 1e-4;

/// Trunk, general heads and task heads.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Expert {
    pub(super) trunk: FeedForward,
    /// m outputs.
    pub(super) general: Layer,
    pub(super) heads: TaskHeads,
}

/// Buffers of one batch.
#[derive(Debug, Default)]
pub(super) struct ExpertScratch {
    forward: ForwardScratch,
    /// Logits of the general heads.
    logits: Matrix,
    /// Estimates of one prompt.
    estimates: Vec<f32>,
    heads: HeadScratch,
}

impl Expert {
    /// Adds `share` times this member's estimates of the batch to `out`, n x m.
    pub(super) fn add_estimates(
        &self,
        embeddings: router_core::MatrixView<'_>,
        tasks: &TaskDistribution,
        routing: Routing,
        share: f32,
        scratch: &mut ExpertScratch,
        out: &mut Matrix,
    ) {
        let ExpertScratch { forward, logits, estimates, heads: scratch } = scratch;
        let index = self.heads.index();
        let hidden = self.trunk.forward(embeddings, forward);
        self.general.forward(hidden.view(), logits);
        for row in 0..embeddings.rows() {
            let (hidden, logits, out) = (hidden.row(row), logits.row(row), out.row_mut(row));
            estimates.clear();
            estimates.extend_from_slice(logits);
            sigmoids(estimates);
            if index.len() == 0 {
                // The general heads stand for every task.
            } else if routing == Routing::Hard {
                if let Some(task) = tasks.assigned(row).filter(|task| task.index() < index.tasks()) {
                    self.heads.replace(task.index(), hidden, logits, estimates, scratch);
                }
            } else {
                let likely = tasks.probabilities(row).iter().copied().enumerate();
                let prompt = HeadInput { hidden, logits, estimates };
                self.heads.mix(likely.filter(|&(_, likely)| likely >= NEGLIGIBLE), prompt, share, out, scratch);
            }
            for (out, &estimate) in out.iter_mut().zip(&*estimates) {
                *out += share * estimate;
            }
        }
    }

    pub(super) fn save(&self, writer: &mut SlotWriter, name: &str) -> Result<()> {
        self.trunk.save(writer, &format!("{name}/trunk"))?;
        self.general.save(writer, &format!("{name}/general"))?;
        self.heads.save(writer, &format!("{name}/heads"))
    }

    pub(super) fn load(
        reader: &SlotReader<'_>,
        name: &str,
        dimension: usize,
        models: usize,
        tasks: usize,
    ) -> Result<Self> {
        let trunk = FeedForward::load(reader, &format!("{name}/trunk"), dimension)?;
        let general = Layer::load(reader, &format!("{name}/general"), trunk.outputs(), Some(models))?;
        let heads = TaskHeads::load(reader, &format!("{name}/heads"), tasks, models, trunk.outputs())?;
        Ok(Self { trunk, general, heads })
    }

    /// # Errors
    /// [`router_core::ErrorKind::Shape`] if the parts do not fit together.
    pub(super) fn new(trunk: FeedForward, general: Layer, heads: TaskHeads) -> Result<Self> {
        if general.inputs() != trunk.outputs() {
            return Err(Error::shape("inputs of the general heads", trunk.outputs(), general.inputs()));
        }
        Ok(Self { trunk, general, heads })
    }
}

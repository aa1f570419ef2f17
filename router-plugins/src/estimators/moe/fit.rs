//! Phase 1: trunk and general heads; and the members of the ensemble.

use router_core::{Error, FitContext, QualityEstimator, Result, Tasks, TrainingSet};

use crate::estimators::moe::config::MoeConfig;
use crate::estimators::moe::expert::Expert;
use crate::estimators::moe::fitted::{FittedMoe, Shape};
use crate::estimators::moe::heads::{HeadFit, TaskHeads};
use crate::estimators::network::{BaseRates, Loss, MultiLayer, MultiLayerNetwork, Training, ensemble};
use crate::nn::Schedule;

impl QualityEstimator for MoeConfig {
    type Fitted = FittedMoe;

    fn fit(&self, set: &TrainingSet, tasks: &Tasks, cx: &FitContext) -> Result<FittedMoe> {
        self.check()?;
        let dimension = set.embeddings().cols();
        if dimension == 0 {
            return Err(Error::shape("dimension of the embeddings", "at least 1", 0));
        }
        let base = BaseRates::of(set.outcomes());
        let experts = ensemble(self.members, self.held_out, set, cx, |train_rows, held_out, cx| {
            self.fit_member(set, tasks, &base, train_rows, held_out, cx)
        })?;
        let shape = Shape {
            dimension,
            models: set.models().len(),
            tasks: tasks.count(),
            members: experts.len(),
            routing: self.routing,
        };
        Ok(FittedMoe { shape, experts })
    }
}

impl MoeConfig {
    fn fit_member(
        &self,
        set: &TrainingSet,
        tasks: &Tasks,
        base: &BaseRates,
        train_rows: &[usize],
        held_out: &[usize],
        cx: &FitContext,
    ) -> Result<Expert> {
        let widths = vec![self.hidden; self.layers.max(1)];
        let architecture = MultiLayer { activation: self.activation, dropout: self.dropout };
        let initial = MultiLayer::initial(set.embeddings().cols(), &widths, base, &mut cx.stream("weights"));
        let schedule = Schedule {
            epochs: self.epochs,
            batch_size: self.batch_size,
            learning_rate: self.learning_rate,
            weight_decay: self.weight_decay,
            patience: self.patience,
        };
        let training = Training { set, train_rows, held_out, loss: Loss::Outcomes, schedule };
        let MultiLayerNetwork { trunk, output } = training.fit(&architecture, initial, cx, "mixture of experts")?;
        let general = base.fill_unseen(output)?;
        let heads = if self.task_heads {
            let penalty = self.task_weight_decay.map(|penalty| penalty as f32);
            let (seen, rank) = (&base.seen, self.rank);
            HeadFit { set, tasks, seen, trunk: &trunk, general: &general, held_out, penalty, rank }
                .fit(self.heads, cx)?
        } else {
            TaskHeads::none(tasks.count(), trunk.outputs())
        };
        Expert::new(trunk, general, heads)
    }
}

//! Fitted heads of any kind: what is routed with and written to artifacts.
#![allow(clippy::indexing_slicing, reason = "head offsets are checked at construction")]

use std::ops::Range;

use router_core::artifact::{SlotReader, SlotWriter};
use router_core::{ModelIndex, Result};

use super::core_space::CoreSpaceHeads;
use super::low_rank::LowRankHeads;
use super::separate::SeparateHeads;
use crate::nn::exponential::sigmoid;

/// The version of the format `moe` that knew one kind of stored heads, without its name.
const UNNAMED: u32 = 1;

/// Fitted task heads, by how they are stored: kinds that come to plain weights share [`SeparateHeads`].
#[derive(Debug, Clone, PartialEq)]
pub(in crate::estimators::moe) enum TaskHeads {
    Separate(SeparateHeads),
    LowRank(LowRankHeads),
    CoreSpace(CoreSpaceHeads),
}

/// Buffers of [`TaskHeads`].
#[derive(Debug, Default)]
pub(in crate::estimators::moe) struct HeadScratch {
    /// What a shared projection makes of the prompt, and what a task's own makes of that.
    pub(super) projected: Vec<f32>,
    pub(super) image: Vec<f32>,
    /// What merged heads add to each model's logit.
    merged: Vec<f32>,
}

impl TaskHeads {
    /// No head for any of `tasks` tasks, on a trunk of `hidden` outputs.
    pub(in crate::estimators::moe) fn none(tasks: usize, hidden: usize) -> Self {
        Self::Separate(SeparateHeads::none(tasks, hidden))
    }

    /// Which task has a head of which model.
    pub(in crate::estimators::moe) fn index(&self) -> &HeadIndex {
        match self {
            Self::Separate(heads) => &heads.index,
            Self::LowRank(heads) => &heads.index,
            Self::CoreSpace(heads) => &heads.index,
        }
    }

    /// Numbers stored, weights and biases.
    pub(in crate::estimators::moe) fn parameters(&self) -> usize {
        match self {
            Self::Separate(heads) => heads.parameters(),
            Self::LowRank(heads) => heads.parameters(),
            Self::CoreSpace(heads) => heads.parameters(),
        }
    }

    /// Replaces the estimates of the models that have a head in `task`. `hidden` is what the trunk makes of the prompt,
    /// `logits` are the general heads', `estimates` their probabilities.
    pub(in crate::estimators::moe) fn replace(
        &self,
        task: usize,
        hidden: &[f32],
        logits: &[f32],
        estimates: &mut [f32],
        scratch: &mut HeadScratch,
    ) {
        let mut write = |model: ModelIndex, logit: f32| estimates[model] = sigmoid(logit);
        match self {
            Self::Separate(heads) => heads.each(task, hidden, write),
            Self::LowRank(heads) => heads.each(task, hidden, logits, &mut scratch.image, write),
            Self::CoreSpace(heads) => {
                heads.project(hidden, &mut scratch.projected);
                heads.each(task, &scratch.projected, &mut scratch.image, |model, residual| {
                    write(model, logits[model] + residual);
                });
            }
        }
    }

    /// Adds to `out` `share` times what the heads of `tasks`, each with its probability, change of the general `estimates`.
    ///
    /// Heads that stand for themselves are mixed as probabilities are, p(task) times the head's estimate. Cores are merged
    /// before: their residual logits add up by p(task), which is the residual of the core merged by p(task).
    pub(in crate::estimators::moe) fn mix(
        &self,
        tasks: impl Iterator<Item = (usize, f32)>,
        prompt: HeadInput<'_>,
        share: f32,
        out: &mut [f32],
        scratch: &mut HeadScratch,
    ) {
        let HeadInput { hidden, logits, estimates } = prompt;
        let HeadScratch { projected, image, merged } = scratch;
        let mut add = |model: ModelIndex, likely: f32, logit: f32| {
            out[model] += share * likely * (sigmoid(logit) - estimates[model]);
        };
        match self {
            Self::Separate(heads) => {
                for (task, likely) in tasks {
                    heads.each(task, hidden, |model, logit| add(model, likely, logit));
                }
            }
            Self::LowRank(heads) => {
                for (task, likely) in tasks {
                    heads.each(task, hidden, logits, image, |model, logit| add(model, likely, logit));
                }
            }
            Self::CoreSpace(heads) => {
                heads.project(hidden, projected);
                merged.clear();
                merged.resize(logits.len(), 0.0);
                for (task, likely) in tasks {
                    heads.each(task, projected, image, |model, residual| merged[model] += likely * residual);
                }
                for (model, &residual) in merged.iter().enumerate() {
                    add(model, 1.0, logits[model] + residual);
                }
            }
        }
    }

    pub(in crate::estimators::moe) fn save(&self, writer: &mut SlotWriter, name: &str) -> Result<()> {
        let form = match self {
            Self::Separate(_) => "separate",
            Self::LowRank(_) => "low-rank",
            Self::CoreSpace(_) => "core-space",
        };
        writer.put_json(&format!("{name}/form"), form)?;
        self.index().save(writer, name)?;
        match self {
            Self::Separate(heads) => heads.save(writer, name),
            Self::LowRank(heads) => heads.save(writer, name),
            Self::CoreSpace(heads) => heads.save(writer, name),
        }
    }

    pub(in crate::estimators::moe) fn load(
        reader: &SlotReader<'_>,
        name: &str,
        tasks: usize,
        models: usize,
        hidden: usize,
    ) -> Result<Self> {
        let form: String =
            if reader.version() == UNNAMED { "separate".into() } else { reader.get_json(&format!("{name}/form"))? };
        let index = HeadIndex::load(reader, name, tasks, models)?;
        match form.as_str() {
            "separate" => Ok(Self::Separate(SeparateHeads::load(reader, name, index, hidden)?)),
            "low-rank" => Ok(Self::LowRank(LowRankHeads::load(reader, name, index, hidden)?)),
            "core-space" => Ok(Self::CoreSpace(CoreSpaceHeads::load(reader, name, index, models, hidden)?)),
            other => Err(reader.corrupt(&format!("`{name}` holds heads of an unknown form, `{other}`"))),
        }
    }
}

/// A prompt as heads see it.
#[derive(Debug, Clone, Copy)]
pub(in crate::estimators::moe) struct HeadInput<'a> {
    /// What the trunk makes of it.
    pub(in crate::estimators::moe) hidden: &'a [f32],
    /// The general heads' logits.
    pub(in crate::estimators::moe) logits: &'a [f32],
    /// Their probabilities.
    pub(in crate::estimators::moe) estimates: &'a [f32],
}

/// Which task has a head of which model: heads are numbered task by task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::estimators::moe) struct HeadIndex {
    /// Heads `offsets[t]..offsets[t + 1]` are those of task t.
    offsets: Vec<usize>,
    /// The model of every head.
    models: Vec<ModelIndex>,
}

impl HeadIndex {
    /// The models of every task's heads.
    pub(super) fn new<'a>(tasks: impl Iterator<Item = &'a [ModelIndex]>) -> Self {
        let mut index = Self { offsets: vec![0], models: Vec::new() };
        for models in tasks {
            index.models.extend_from_slice(models);
            index.offsets.push(index.models.len());
        }
        index
    }

    pub(in crate::estimators::moe) fn tasks(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Number of heads of all tasks together.
    pub(in crate::estimators::moe) fn len(&self) -> usize {
        self.models.len()
    }

    /// The numbers of the heads of `task`.
    pub(super) fn of(&self, task: usize) -> Range<usize> {
        self.offsets[task]..self.offsets[task + 1]
    }

    /// The model of head `head`.
    pub(super) fn model(&self, head: usize) -> ModelIndex {
        self.models[head]
    }

    /// The models of the heads of `task`.
    #[cfg(test)]
    pub(in crate::estimators::moe) fn models_of(&self, task: usize) -> &[ModelIndex] {
        &self.models[self.of(task)]
    }

    fn save(&self, writer: &mut SlotWriter, name: &str) -> Result<()> {
        let narrow = |values: &[usize]| values.iter().map(|&value| value as u32).collect::<Vec<u32>>();
        writer.put_u32(&format!("{name}/offsets"), &narrow(&self.offsets))?;
        writer.put_u32(&format!("{name}/models"), &narrow(&self.models))
    }

    fn load(reader: &SlotReader<'_>, name: &str, tasks: usize, models: usize) -> Result<Self> {
        let wide = |values: Vec<u32>| values.into_iter().map(|value| value as usize).collect::<Vec<usize>>();
        let offsets = wide(reader.get_u32(&format!("{name}/offsets"))?);
        let of_heads = wide(reader.get_u32(&format!("{name}/models"))?);
        let ascending = offsets.windows(2).all(|pair| pair[0] <= pair[1]);
        let ends = (offsets.first(), offsets.last()) == (Some(&0), Some(&of_heads.len()));
        if Some(offsets.len()) != tasks.checked_add(1) || !ascending || !ends {
            return Err(reader.corrupt(&format!("`{name}` does not say which task has which head")));
        }
        if let Some(model) = of_heads.iter().find(|&&model| model >= models) {
            return Err(reader.corrupt(&format!("`{name}` has a head of model {model} among {models}")));
        }
        Ok(Self { offsets, models: of_heads })
    }
}

//! Outcomes as estimators keep them that answer from what they have seen.
#![allow(clippy::indexing_slicing, reason = "offsets are built here, ascending and within the outcomes")]

use router_core::prelude::*;

use crate::estimators::realized::means_of;

/// What a vote needs of an outcome.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Seen {
    pub(super) model: u32,
    pub(super) quality: f32,
    pub(super) weight: f32,
}

/// Outcomes prompt by prompt, 12 bytes each where [`Outcomes`] take 56: neighbors are read in any order, so that what counts is how many bytes they are.
#[derive(Debug, Clone)]
pub(super) struct StoredOutcomes {
    models: usize,
    offsets: Vec<usize>,
    outcomes: Vec<Seen>,
}

impl From<&Outcomes> for StoredOutcomes {
    fn from(outcomes: &Outcomes) -> Self {
        let mut stored = Self {
            models: outcomes.models(),
            offsets: Vec::with_capacity(outcomes.prompts() + 1),
            outcomes: Vec::with_capacity(outcomes.len()),
        };
        stored.offsets.push(0);
        for row in 0..outcomes.prompts() {
            let seen = |outcome: &Outcome| Seen {
                model: outcome.model as u32,
                quality: outcome.quality,
                weight: outcome.weight,
            };
            stored.outcomes.extend(outcomes.row(row).iter().map(seen));
            stored.offsets.push(stored.outcomes.len());
        }
        stored
    }
}

impl StoredOutcomes {
    /// Number of models.
    pub(super) fn models(&self) -> usize {
        self.models
    }

    /// The outcomes of prompt `row`, by ascending model.
    pub(super) fn row(&self, row: usize) -> &[Seen] {
        &self.outcomes[self.offsets[row]..self.offsets[row + 1]]
    }

    /// The mean quality of every model; of the mean model for one without outcomes.
    pub(super) fn means(&self) -> Vec<f32> {
        means_of(self.models, self.outcomes.iter().map(|seen| (seen.model as usize, seen.quality, seen.weight)))
    }

    /// Writes counts a prompt, and of all outcomes the model, quality and weight.
    pub(super) fn save(&self, writer: &mut SlotWriter) -> Result<()> {
        let counts: Vec<u32> = self.offsets.windows(2).map(|ends| (ends[1] - ends[0]) as u32).collect();
        writer.put_u32("outcomes/counts", &counts)?;
        writer.put_u32("outcomes/models", &self.outcomes.iter().map(|seen| seen.model).collect::<Vec<_>>())?;
        writer.put_f32("outcomes/quality", &self.outcomes.iter().map(|seen| seen.quality).collect::<Vec<_>>())?;
        writer.put_f32("outcomes/weight", &self.outcomes.iter().map(|seen| seen.weight).collect::<Vec<_>>())
    }

    /// Reads the outcomes of `prompts` prompts and `models` models.
    ///
    /// # Errors
    /// [`ErrorKind::Artifact`] where they are no such outcomes.
    pub(super) fn load(reader: &SlotReader<'_>, prompts: usize, models: usize) -> Result<Self> {
        let counts = reader.get_u32("outcomes/counts")?;
        if counts.len() != prompts {
            return Err(reader.corrupt("`outcomes/counts` has not one number a point"));
        }
        let of_models = reader.get_u32("outcomes/models")?;
        let quality = reader.get_f32_of("outcomes/quality", of_models.len())?;
        let weight = reader.get_f32_of("outcomes/weight", of_models.len())?;
        let mut offsets = Vec::with_capacity(prompts + 1);
        offsets.push(0usize);
        for &count in &counts {
            offsets.push(offsets.last().copied().unwrap_or(0).saturating_add(count as usize));
        }
        if offsets.last() != Some(&of_models.len()) {
            return Err(reader.corrupt("`outcomes/counts` does not sum to the number of outcomes"));
        }
        let outcomes = of_models
            .into_iter()
            .zip(quality.into_iter().zip(weight))
            .map(|(model, (quality, weight))| Seen { model, quality, weight })
            .collect();
        let stored = Self { models, offsets, outcomes };
        let sound = |seen: &Seen| {
            (seen.model as usize) < models
                && (0.0..=1.0).contains(&seen.quality)
                && seen.weight.is_finite()
                && seen.weight >= 0.0
        };
        let ascending = |row| stored.row(row).windows(2).all(|pair| pair[0].model < pair[1].model);
        if !stored.outcomes.iter().all(sound) || !(0..prompts).all(ascending) {
            return Err(reader.corrupt("its outcomes are no outcomes"));
        }
        Ok(stored)
    }
}

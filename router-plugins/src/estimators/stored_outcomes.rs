//! Outcomes in an artifact, for estimators that answer from what they have seen.

use router_core::prelude::*;

/// Writes `outcomes`: counts a prompt, and of all of them the model, quality and weight.
pub(super) fn save(writer: &mut SlotWriter, outcomes: &Outcomes) -> Result<()> {
    let counts: Vec<u32> = (0..outcomes.prompts()).map(|row| outcomes.row(row).len() as u32).collect();
    let all = || outcomes.iter().map(|(_, outcome)| outcome);
    writer.put_u32("outcomes/counts", &counts)?;
    writer.put_u32("outcomes/models", &all().map(|outcome| outcome.model as u32).collect::<Vec<_>>())?;
    writer.put_f32("outcomes/quality", &all().map(|outcome| outcome.quality).collect::<Vec<_>>())?;
    writer.put_f32("outcomes/weight", &all().map(|outcome| outcome.weight).collect::<Vec<_>>())
}

/// Reads the outcomes of `prompts` prompts and `models` models.
///
/// # Errors
/// [`ErrorKind::Artifact`] where they are no such outcomes.
pub(super) fn load(reader: &SlotReader<'_>, prompts: usize, models: usize) -> Result<Outcomes> {
    let counts = reader.get_u32("outcomes/counts")?;
    if counts.len() != prompts {
        return Err(reader.corrupt("`outcomes/counts` has not one number a point"));
    }
    let of_models = reader.get_u32("outcomes/models")?;
    let quality = reader.get_f32_of("outcomes/quality", of_models.len())?;
    let weight = reader.get_f32_of("outcomes/weight", of_models.len())?;
    if counts.iter().map(|&count| u64::from(count)).sum::<u64>() != of_models.len() as u64 {
        return Err(reader.corrupt("`outcomes/counts` does not sum to the number of outcomes"));
    }
    let mut entries = of_models
        .iter()
        .zip(quality.iter().zip(&weight))
        .map(|(&model, (&quality, &weight))| Outcome { weight, ..Outcome::new(model as usize, quality) });
    let rows = counts.iter().map(|&count| entries.by_ref().take(count as usize).collect()).collect();
    Outcomes::from_rows(models, rows).map_err(|source| reader.corrupt("its outcomes are no outcomes").caused_by(source))
}

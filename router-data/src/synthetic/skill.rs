//! Who is good at what.
#![allow(clippy::indexing_slicing, reason = "tasks and models are those the table was made for")]

use rand::RngExt as _;
use rand::seq::SliceRandom as _;
use router_core::SeedStream;

use super::config::{Skill, WorldConfig};
use super::pool::Nature;

/// The skill of every model at every task, and what a cue changes in it.
#[derive(Debug, Clone)]
pub(crate) struct Skills {
    table: Vec<Vec<f64>>,
    flips: Vec<Option<Flip>>,
}

/// In one task: with the cue on one side the first model gains and the second loses, on the other side the reverse.
#[derive(Debug, Clone, Copy)]
struct Flip {
    cue: usize,
    first: usize,
    second: usize,
    gain: f64,
}

impl Skills {
    pub(crate) fn new(config: &WorldConfig, natures: &[Nature], stream: &mut SeedStream) -> Self {
        match config.skill {
            Skill::Task => Self { table: specialists(config, natures, stream), flips: vec![None; config.tasks] },
            Skill::Ranking => Self { table: rankings(config, stream), flips: vec![None; config.tasks] },
            Skill::Cue => by_cue(config, stream),
        }
    }

    /// The expected quality of `model` at a prompt of `task` whose cues are on these `sides`.
    pub(crate) fn expected(&self, task: usize, model: usize, sides: &[bool]) -> f64 {
        let skill = self.table[task][model];
        let Some(Flip { cue, first, second, gain }) = self.flips[task] else { return skill };
        let sign = if sides[cue] { 1.0 } else { -1.0 };
        if model == first {
            skill + sign * gain
        } else if model == second {
            skill - sign * gain
        } else {
            skill
        }
    }
}

/// Bigger models are a little better; every task has a specialist and a lesser one, dealt so that each model has its turn.
fn specialists(config: &WorldConfig, natures: &[Nature], stream: &mut SeedStream) -> Vec<Vec<f64>> {
    let models = natures.len();
    let mut deal: Vec<usize> = (0..models).collect();
    deal.shuffle(stream);
    let apart = stream.random_range(1..models);
    (0..config.tasks)
        .map(|task| {
            let easiness = stream.random_range(-0.06..0.06);
            let best = deal[task % models];
            let second = deal[(task + apart) % models];
            natures
                .iter()
                .enumerate()
                .map(|(model, nature)| {
                    let general = 0.40 + 0.12 * nature.size + easiness + stream.random_range(-0.03..0.03);
                    let gain = if model == best {
                        config.specialist_gain
                    } else if model == second {
                        0.5 * config.specialist_gain
                    } else {
                        0.0
                    };
                    (general + gain).clamp(0.02, 0.98)
                })
                .collect()
        })
        .collect()
}

/// Every task has its own order of the models on a ladder from 0.1 to 0.9: of many random orders the one that is most unlike
/// the orders of the tasks before it.
fn rankings(config: &WorldConfig, stream: &mut SeedStream) -> Vec<Vec<f64>> {
    const DRAWS: usize = 200;
    let models = config.models;
    let mut orders: Vec<Vec<usize>> = Vec::with_capacity(config.tasks);
    for _ in 0..config.tasks {
        let mut best: Option<(f64, Vec<usize>)> = None;
        for _ in 0..DRAWS {
            let mut order: Vec<usize> = (0..models).collect();
            order.shuffle(stream);
            let likeness = orders.iter().map(|other| likeness(other, &order)).fold(0.0, f64::max);
            if best.as_ref().is_none_or(|(least, _)| likeness < *least) {
                best = Some((likeness, order));
            }
        }
        orders.extend(best.map(|(_, order)| order));
    }
    orders
        .iter()
        .map(|order| {
            let mut skills = vec![0.0; models];
            for (rank, &model) in order.iter().enumerate() {
                skills[model] = 0.9 - 0.8 * rank as f64 / (models - 1) as f64;
            }
            skills
        })
        .collect()
}

/// The mean share that two orders have in common in their first k, over all k: the average overlap, which counts the top most.
pub(crate) fn likeness(a: &[usize], b: &[usize]) -> f64 {
    let shares = (1..=a.len()).map(|depth| {
        let common = a[..depth].iter().filter(|model| b[..depth].contains(model)).count();
        common as f64 / depth as f64
    });
    shares.sum::<f64>() / a.len() as f64
}

/// Two tasks after one another have the same two specialists and hear the same cue the other way round, so that over both the
/// cue is worth nothing. Both specialists are a little better than the rest on average over the cue.
fn by_cue(config: &WorldConfig, stream: &mut SeedStream) -> Skills {
    let mut deal: Vec<usize> = (0..config.models).collect();
    deal.shuffle(stream);
    let mut skills = Skills { table: Vec::new(), flips: Vec::new() };
    for task in 0..config.tasks {
        let pair = task / 2;
        let (first, second) = (deal[pair % config.models], deal[(pair + 1) % config.models]);
        let (first, second) = if task % 2 == 0 { (first, second) } else { (second, first) };
        let row = (0..config.models)
            .map(|model| if model == first || model == second { 0.55 } else { 0.5 + stream.random_range(-0.03..0.03) })
            .collect();
        skills.table.push(row);
        skills.flips.push(Some(Flip { cue: pair % config.cues, first, second, gain: config.specialist_gain }));
    }
    skills
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn average_overlap_by_hand() {
        assert_eq!(likeness(&[0, 1, 2], &[0, 1, 2]), 1.0);
        // Depths 1, 2, 3 share 0, 1 and 3 models.
        assert!((likeness(&[0, 1, 2], &[1, 2, 0]) - (0.0 + 0.5 + 1.0) / 3.0).abs() < 1e-12);
    }
}

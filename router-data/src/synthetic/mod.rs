//! Synthetic worlds: prompts, models and outcomes in which the truth is planted and known.
//!
//! A world has latent tasks. Every prompt has one, which decides who is good at it ([`Skill`]), and words, which may or may not
//! tell the task ([`Wording`]). Three named worlds answer three questions:
//!
//! - [`WorldConfig::demo`]: does routing pay where it can?
//! - [`WorldConfig::misleading`]: are tasks found by the agreement of model rankings where the words mislead?
//! - [`WorldConfig::task_skill`]: are task-specific parts of an estimator used where only they can tell?
//!
//! ```
//! use router_data::synthetic::{World, WorldConfig};
//! let world = World::generate(&WorldConfig { prompts: 400, ..WorldConfig::default() })?;
//! assert_eq!(world.dataset.prompts().len(), world.planted.len());
//! let (train, test) = world.train_test(0.75)?;
//! assert_eq!((train.dataset.prompts().len(), test.dataset.prompts().len()), (300, 100));
//! # Ok::<(), router_core::Error>(())
//! ```
#![allow(clippy::indexing_slicing, reason = "tasks, rows and models are numbered here")]

mod bank;
mod config;
mod pool;
mod skill;
mod wording;

use std::collections::BTreeSet;

use rand::RngExt as _;
use rand::seq::SliceRandom as _;
use router_core::{Dataset, Error, ErrorKind, Matrix, Outcome, Outcomes, Prompt, Result, Seed, SeedStream};

pub use config::{Grading, Skill, Wording, WorldConfig};
use pool::Nature;
use skill::Skills;

use crate::{near_duplicates, split};

/// A synthetic data set and the truth behind it.
#[derive(Debug, Clone, PartialEq)]
pub struct World {
    /// Prompts, models and outcomes. A benchmark label names the words of a prompt: where wording tells, the planted task.
    pub dataset: Dataset,
    /// The planted task of every prompt.
    pub planted: Vec<u32>,
    /// The topic that every prompt is worded as; the planted task where wording tells, but for noise.
    pub topics: Vec<u32>,
    /// The names of the tasks where wording tells, of the topics where it misleads.
    pub names: Vec<String>,
    /// n x m: the skill of every model at every prompt, which is the expected quality up to noise.
    pub skill: Matrix,
    seed: u64,
}

impl World {
    /// Makes the world of `config`. O(prompts x models).
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for a field out of its range.
    pub fn generate(config: &WorldConfig) -> Result<Self> {
        config.validate()?;
        let seed = Seed::root(config.seed).child("synthetic world");
        let stream = |purpose: &str| seed.stream(purpose);

        let vocabularies = wording::vocabularies(config.tasks, &mut stream("vocabularies"));
        let (models, natures) = pool::pool(config.models, config.unmeasured_models, &mut stream("models"))?;
        let skills = Skills::new(config, &natures, &mut stream("skills"));
        let planted = tasks_of_prompts(config, &mut stream("tasks"));

        let mut wording_stream = stream("wording");
        let mut topics = Vec::with_capacity(planted.len());
        let mut all_sides = Vec::with_capacity(planted.len());
        let mut prompts = Vec::with_capacity(planted.len());
        for (row, &task) in planted.iter().enumerate() {
            let strayed = wording_stream.random_bool(config.wording_noise);
            let topic = if strayed || config.wording == Wording::Misleading {
                wording_stream.random_range(0..config.tasks)
            } else {
                task as usize
            };
            let cues = if config.skill == Skill::Cue { config.cues } else { 0 };
            let sides: Vec<bool> = (0..cues).map(|_| wording_stream.random_bool(0.5)).collect();
            let vocabulary = &vocabularies[topic];
            let text = wording::compose(vocabulary, config.vocabulary_overlap, &sides, &mut wording_stream);
            let label = match config.wording {
                Wording::Telling => &vocabularies[task as usize].name,
                Wording::Misleading => &vocabulary.name,
            };
            prompts.push(Prompt::new(format!("p{row:05}"), text).with_benchmark(label));
            topics.push(topic as u32);
            all_sides.push(sides);
        }

        let mut skill = Matrix::zeros(planted.len(), config.models);
        for (row, &task) in planted.iter().enumerate() {
            for model in 0..config.models {
                skill.set(row, model, skills.expected(task as usize, model, &all_sides[row]) as f32);
            }
        }
        let lengths = output_lengths(config.tasks, &mut stream("lengths"));
        let mut outcome_stream = stream("outcomes");
        let rows = prompts
            .iter()
            .enumerate()
            .map(|(row, prompt)| {
                let length = lengths[planted[row] as usize];
                outcomes_of(config, prompt, length, skill.row(row), models.models(), &natures, &mut outcome_stream)
            })
            .collect();
        let outcomes = Outcomes::from_rows(config.models, rows)?;
        let dataset = near_duplicates::attach(Dataset::new("synthetic", prompts, models, outcomes)?)?;
        let names = vocabularies.into_iter().map(|vocabulary| vocabulary.name).collect();
        Ok(Self { dataset, planted, topics, names, skill, seed: config.seed })
    }

    /// Two worlds of the same models: `train_share` of the prompts, and the rest. Both hold prompts of every task, and near
    /// duplicates are on one side.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for a share outside (0, 1), or if a task is too small to be on both sides.
    pub fn train_test(&self, train_share: f64) -> Result<(Self, Self)> {
        let seed = Seed::root(self.seed).child("synthetic split");
        let split = split::by_labels(&self.planted, self.dataset.groups(), train_share, &seed)?;
        let (train, test) = (self.part(&split.train), self.part(&split.test));
        let tasks = |world: &Self| world.planted.iter().copied().collect::<BTreeSet<u32>>();
        let (on_train, on_test) = (tasks(&train), tasks(&test));
        for task in tasks(self) {
            if !on_train.contains(&task) || !on_test.contains(&task) {
                return Err(Error::new(ErrorKind::Usage, format!("task {task} is too small to be split"))
                    .help("make the smallest task larger"));
            }
        }
        Ok((train, test))
    }

    fn part(&self, rows: &[usize]) -> Self {
        Self {
            dataset: self.dataset.subset(rows),
            planted: rows.iter().map(|&row| self.planted[row]).collect(),
            topics: rows.iter().map(|&row| self.topics[row]).collect(),
            names: self.names.clone(),
            skill: self.skill.gather(rows),
            seed: self.seed,
        }
    }
}

/// The planted task of every prompt, shuffled: the smallest size for each task, the rest in proportion to 1 / k^skew.
fn tasks_of_prompts(config: &WorldConfig, stream: &mut SeedStream) -> Vec<u32> {
    let mut order: Vec<u32> = (0..config.tasks as u32).collect();
    order.shuffle(stream);
    let shares: Vec<f64> = (1..=config.tasks).map(|k| (k as f64).powf(-config.size_skew)).collect();
    let total: f64 = shares.iter().sum();
    let spare = config.prompts - config.tasks * config.smallest_task;
    let mut planted = Vec::with_capacity(config.prompts);
    let (mut share_so_far, mut dealt) = (0.0, 0);
    for (&task, share) in order.iter().zip(&shares) {
        share_so_far += share;
        let until = ((spare as f64 * share_so_far / total).round() as usize).min(spare);
        let size = config.smallest_task + until - dealt;
        dealt = until;
        planted.extend(std::iter::repeat_n(task, size));
    }
    planted.shuffle(stream);
    planted
}

/// Mean output tokens of every task.
fn output_lengths(tasks: usize, stream: &mut SeedStream) -> Vec<f64> {
    (0..tasks).map(|_| 80.0 * 8.0f64.powf(stream.random::<f64>())).collect()
}

fn outcomes_of(
    config: &WorldConfig,
    prompt: &Prompt,
    length: f64,
    skill: &[f32],
    models: &[router_core::Model],
    natures: &[Nature],
    stream: &mut SeedStream,
) -> Vec<Outcome> {
    let mut seen = Vec::with_capacity(skill.len());
    let kept = stream.random_range(0..skill.len());
    for (model, nature) in natures.iter().enumerate() {
        let noisy = f64::from(skill[model]) + config.outcome_noise * normal(stream);
        let skill = noisy.clamp(0.0, 1.0);
        let quality = match config.grading {
            Grading::PassFail => f64::from(u8::from(stream.random_bool(skill))),
            Grading::Graded => (skill * 1e4).round() / 1e4,
        };
        let input = (prompt.text().len() as f64 / 4.0 * nature.tokenizer).ceil();
        let output = (length * nature.verbosity * (0.35 * normal(stream)).exp()).ceil();
        let surcharge = 1.0 + 0.02 * stream.random_range(-1.0..1.0);
        let mut outcome = Outcome::new(model, quality as f32);
        if nature.measured {
            outcome.input_tokens = Some(input as u32);
            outcome.output_tokens = Some(output as u32);
            let cost = models[model].price(input, output);
            outcome.cost_usd = cost.map(|cost| (cost * surcharge * 1e9).round() / 1e9);
        }
        // Drawn for every cell, so that seeing fewer cells changes no other number.
        let observed = stream.random::<f64>() < config.observed;
        if observed || model == kept {
            seen.push(outcome);
        }
    }
    seen
}

/// A draw from the standard normal distribution (Box and Muller 1958).
fn normal(stream: &mut SeedStream) -> f64 {
    let radius = (-2.0 * (1.0 - stream.random::<f64>()).ln()).sqrt();
    radius * (std::f64::consts::TAU * stream.random::<f64>()).cos()
}

#[cfg(test)]
mod tests;

//! What the dashboard shows: counts since the start, and the last hour minute by minute. In memory, bounded by models, tasks and minutes.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use router_core::Model;
use serde::Serialize;

use crate::records::Record;

/// Minutes that are kept.
const MINUTES: i64 = 60;

/// Times that a median is taken over.
const TIMES: usize = 512;

/// What the dashboard shows.
#[derive(Debug, Default)]
pub(crate) struct Overview(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    models: BTreeMap<String, OfModel>,
    /// Decisions by task and model.
    tasks: BTreeMap<Option<u32>, BTreeMap<String, u64>>,
    minutes: VecDeque<Minute>,
    /// Calls by upstream and how they went.
    attempts: BTreeMap<String, BTreeMap<&'static str, u64>>,
}

/// Decisions of a minute.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Minute {
    /// Minutes since 1970.
    pub(crate) minute: i64,
    /// By model.
    pub(crate) decisions: BTreeMap<String, u64>,
}

#[derive(Debug, Default)]
struct OfModel {
    decisions: u64,
    answers: u64,
    tokens: u64,
    cost_usd: f64,
    /// Calls that it answered or might have, at their cost and at its price.
    might: [f64; 2],
    first_byte: VecDeque<f64>,
}

/// A model, told.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct ModelOverview {
    pub(crate) model: String,
    pub(crate) decisions: u64,
    pub(crate) answers: u64,
    pub(crate) tokens: u64,
    pub(crate) cost_usd: f64,
    /// Saved against sending it all calls that it might have taken, at the same tokens; `None` without such a call.
    pub(crate) saved_usd: Option<f64>,
    /// Of its last answers, in milliseconds.
    pub(crate) median_first_byte: Option<f64>,
    /// Of its last answers: 95% are faster.
    pub(crate) slow_first_byte: Option<f64>,
}

/// A task, told.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct TaskOverview {
    /// None for prompts that belong to no task.
    pub(crate) task: Option<u32>,
    pub(crate) decisions: u64,
    pub(crate) models: BTreeMap<String, u64>,
}

impl Overview {
    /// A decision was made.
    pub(crate) fn decided(&self, record: &Record) {
        let mut counts = self.lock();
        counts.models.entry(record.model.clone()).or_default().decisions += 1;
        *counts.tasks.entry(record.task).or_default().entry(record.model.clone()).or_default() += 1;
        let minute = record.time_milliseconds() / 60_000;
        if counts.minutes.back().is_none_or(|last| last.minute < minute) {
            counts.minutes.push_back(Minute { minute, decisions: BTreeMap::new() });
        }
        while counts.minutes.front().is_some_and(|first| first.minute <= minute - MINUTES) {
            counts.minutes.pop_front();
        }
        if let Some(last) = counts.minutes.back_mut() {
            *last.decisions.entry(record.model.clone()).or_default() += 1;
        }
    }

    /// An upstream was asked, or left alone.
    pub(crate) fn attempted(&self, upstream: &str, outcome: &'static str) {
        *self.lock().attempts.entry(upstream.to_owned()).or_default().entry(outcome).or_default() += 1;
    }

    /// The calls of `upstream`, by how they went.
    pub(crate) fn attempts_of(&self, upstream: &str) -> BTreeMap<&'static str, u64> {
        self.lock().attempts.get(upstream).cloned().unwrap_or_default()
    }

    /// A model answered. `eligible` are those that might have.
    pub(crate) fn answered<'a>(
        &self,
        record: &Record,
        first_byte: Option<Duration>,
        eligible: impl Iterator<Item = &'a Model>,
    ) {
        let Some(answered_by) = &record.answered_by else { return };
        let mut counts = self.lock();
        let tokens = record.input_tokens.zip(record.output_tokens);
        if let Some(((input, output), cost)) = tokens.zip(record.cost_usd) {
            for model in eligible {
                if let Some(price) = model.price(input as f64, output as f64) {
                    let [spent, would] = &mut counts.models.entry(model.name.clone()).or_default().might;
                    *spent += cost;
                    *would += price;
                }
            }
        }
        let of = counts.models.entry(answered_by.clone()).or_default();
        of.answers += 1;
        of.tokens += tokens.map_or(0, |(input, output)| input + output);
        of.cost_usd += record.cost_usd.unwrap_or(0.0);
        if let Some(time) = first_byte {
            if of.first_byte.len() == TIMES {
                of.first_byte.pop_front();
            }
            of.first_byte.push_back(time.as_secs_f64() * 1e3);
        }
    }

    /// Models, tasks by falling decisions, and minutes.
    pub(crate) fn tell(&self) -> (Vec<ModelOverview>, Vec<TaskOverview>, Vec<Minute>) {
        let counts = self.lock();
        let models = counts.models.iter().map(|(name, of)| {
            let mut times: Vec<f64> = of.first_byte.iter().copied().collect();
            times.sort_unstable_by(f64::total_cmp);
            let at = |share: f64| times.get((share * times.len() as f64) as usize).or(times.last()).copied();
            ModelOverview {
                model: name.clone(),
                decisions: of.decisions,
                answers: of.answers,
                tokens: of.tokens,
                cost_usd: of.cost_usd,
                saved_usd: (of.might != [0.0, 0.0]).then(|| of.might[1] - of.might[0]),
                median_first_byte: at(0.5),
                slow_first_byte: at(0.95),
            }
        });
        let models = models.collect();
        let mut tasks: Vec<TaskOverview> = counts
            .tasks
            .iter()
            .map(|(task, models)| TaskOverview {
                task: *task,
                decisions: models.values().sum(),
                models: models.clone(),
            })
            .collect();
        tasks.sort_by_key(|task| std::cmp::Reverse(task.decisions));
        (models, tasks, counts.minutes.iter().cloned().collect())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn shares_savings_and_times_are_told() {
        let overview = Overview::default();
        let (small, large) = (Model::new("small").with_price(1.0, 1.0), Model::new("large").with_price(10.0, 10.0));
        for at in 0..1000 {
            let model = if at % 4 == 0 { "large" } else { "small" };
            let record = Record {
                task: Some(at % 2),
                answered_by: Some(model.to_owned()),
                input_tokens: Some(500),
                output_tokens: Some(500),
                cost_usd: Some(if at % 4 == 0 { 0.01 } else { 0.001 }),
                ..Record::of_named(Uuid::now_v7(), "chat", model)
            };
            overview.decided(&record);
            overview.answered(&record, Some(Duration::from_millis(u64::from(at))), [&small, &large].into_iter());
        }
        let (models, tasks, minutes) = overview.tell();
        let [large, small] = models.as_slice() else { panic!("{models:?}") };
        assert_eq!((large.decisions, small.decisions, small.tokens), (250, 750, 750_000));
        // All at 1 cent is 10 dollars; it cost 2.5 and 0.75. All at a tenth of that is 1 dollar.
        assert!((large.saved_usd.unwrap() - 6.75).abs() < 1e-9, "{large:?}");
        assert!((small.saved_usd.unwrap() + 2.25).abs() < 1e-9, "{small:?}");
        assert!(small.median_first_byte.unwrap() > 300.0 && small.slow_first_byte > small.median_first_byte);
        assert_eq!(tasks.iter().map(|task| task.decisions).sum::<u64>(), 1000);
        assert_eq!(minutes.iter().flat_map(|minute| minute.decisions.values()).sum::<u64>(), 1000);
    }
}

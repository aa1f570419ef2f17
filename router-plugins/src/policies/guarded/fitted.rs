//! The `guarded` policy, ready.

use std::cmp::Ordering;

use router_core::prelude::*;
use serde::{Deserialize, Serialize};

use super::config::GuardedConfig;
use super::fit::{MINIMUM_OUTCOMES, Tested};
use crate::policies::choice::{admit, shape, take_first, tell_constrained};
use crate::policies::utility::Row;

/// Who may leave the best single model.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Guard {
    /// Every prompt: nothing was tested.
    Open,
    /// Prompts whose expected gain reaches the threshold, which passed the test.
    From {
        /// The gain in utility from which a prompt leaves, at least 0.
        threshold: f64,
    },
    /// None: no threshold passed, or there was nothing to test on.
    Shut,
}

/// What a fitted policy knows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Learned {
    pub(super) lambda: f64,
    pub(super) level: f64,
    pub(super) guard: Guard,
    /// Whether a model has outcomes enough to be left for, one entry a model.
    pub(super) proven: Vec<bool>,
    /// The models by falling mean utility in training.
    pub(super) ranking: Vec<ModelIndex>,
    /// The thresholds that were tested, rising; all but the last passed.
    pub(super) tested: Vec<Tested>,
}

/// The guarded policy, ready.
#[derive(Debug, Clone, PartialEq)]
pub struct GuardedPolicy {
    learned: Learned,
    /// The place of every model in the ranking.
    place: Vec<usize>,
}

impl GuardedPolicy {
    /// # Errors
    /// [`ErrorKind::Config`] for numbers out of range, or a ranking that does not name every model once.
    pub(super) fn new(learned: Learned) -> Result<Self> {
        GuardedConfig { lambda: learned.lambda, level: learned.level }.check()?;
        let fail = |what: &str| Err(Error::new(ErrorKind::Config, what));
        if let Guard::From { threshold } = learned.guard
            && !(threshold.is_finite() && threshold >= 0.0)
        {
            return fail("the threshold is not a finite number of at least 0");
        }
        let mut place = vec![usize::MAX; learned.proven.len()];
        for (at, &model) in learned.ranking.iter().enumerate() {
            match place.get_mut(model) {
                Some(place) if *place == usize::MAX => *place = at,
                _ => return fail("the ranking names a model twice, or one that is not there"),
            }
        }
        if learned.ranking.len() != place.len() {
            return fail("the ranking leaves a model out");
        }
        Ok(Self { learned, place })
    }

    /// Who may leave the best single model.
    pub fn guard(&self) -> Guard {
        self.learned.guard
    }

    /// The models by falling mean utility in training, the best single model first.
    pub fn ranking(&self) -> &[ModelIndex] {
        &self.learned.ranking
    }

    /// The thresholds that were tested in training, rising; the sequence ends at the first that failed. Empty where nothing could be
    /// tested, or nothing was to be.
    pub fn tested(&self) -> &[Tested] {
        &self.learned.tested
    }
}

/// One prompt's models as this policy sees them.
#[derive(Clone, Copy)]
struct Guarded<'a> {
    policy: &'a GuardedPolicy,
    row: Row<'a>,
    /// The best single model among those that may be chosen.
    single: ModelIndex,
}

impl Guarded<'_> {
    fn gain(&self, model: ModelIndex) -> f64 {
        self.row.utility(model) - self.row.utility(self.single)
    }

    /// Whether the single model may be left for `model`.
    fn may_leave_for(&self, model: ModelIndex) -> bool {
        match self.policy.learned.guard {
            Guard::Open => true,
            Guard::From { threshold } => self.is_proven(model) && self.gain(model) >= threshold,
            Guard::Shut => false,
        }
    }

    fn is_proven(&self, model: ModelIndex) -> bool {
        self.policy.learned.proven.get(model).copied().unwrap_or(false)
    }

    /// Better first: those that may be left for by falling utility, then the others by their mean utility in training.
    fn order(&self, a: ModelIndex, b: ModelIndex) -> Ordering {
        let (first, second) = (self.may_leave_for(a), self.may_leave_for(b));
        let place = |model: ModelIndex| self.policy.place.get(model).copied().unwrap_or(usize::MAX);
        second
            .cmp(&first)
            .then_with(|| if first { self.row.order(a, b) } else { place(a).cmp(&place(b)) })
            .then_with(|| a.cmp(&b))
    }

    /// Why `chosen` is chosen among `eligible` models.
    fn reason(&self, chosen: ModelIndex, eligible: &[bool]) -> Reason {
        let single = self.single;
        match self.policy.learned.guard {
            Guard::Open => self.row.reason(),
            Guard::Shut => Reason::GuardShut { single, level: self.policy.learned.level },
            Guard::From { threshold } if chosen != single => {
                Reason::GuardLeft { single, gain: self.gain(chosen), threshold }
            }
            Guard::From { threshold } => {
                let others = eligible.iter().enumerate().filter(|&(model, &may)| may && model != single);
                let gains = others.filter(|&(model, _)| self.is_proven(model)).map(|(model, _)| self.gain(model));
                gains
                    .reduce(f64::max)
                    .filter(|&gain| gain < threshold)
                    .map_or_else(|| self.row.reason(), |gain| Reason::GuardKept { single, gain, threshold })
            }
        }
    }
}

impl FittedPolicy for GuardedPolicy {
    fn choose(&self, choice: &Choice<'_>, out: &mut [Decision]) -> Result<()> {
        let (_, models) = shape(choice, out)?;
        if models != self.place.len() {
            return Err(Error::shape("models to choose among", self.place.len(), models));
        }
        for (at, decision) in out.iter_mut().enumerate() {
            decision.clear();
            let row =
                Row { quality: choice.quality.row(at), cost_usd: choice.cost_usd.row(at), lambda: self.learned.lambda };
            let eligible = choice.eligible.row(at);
            let is_eligible = |model: &ModelIndex| eligible.get(*model).copied().unwrap_or(false);
            let Some(&best) = self.learned.ranking.first() else { continue };
            let Some(single) = self.learned.ranking.iter().copied().find(is_eligible) else { continue };
            let all = Guarded { policy: self, row, single: best };
            let Some(wanted) = (0..models).min_by(|&a, &b| all.order(a, b)) else { continue };
            let guarded = Guarded { single, ..all };
            admit(decision, eligible);
            let Some(chosen) = take_first(decision, |a, b| guarded.order(a, b)) else { continue };
            decision.score = row.utility(chosen) as f32;
            decision.reasons.push(guarded.reason(chosen, eligible));
            tell_constrained(decision, wanted, chosen);
        }
        Ok(())
    }

    /// The newcomer is left for by the same threshold, once it has outcomes enough; the test that the threshold passed did not
    /// see it. It never becomes the best single model: that is chosen on all training prompts.
    fn with_model(&self, newcomer: &Newcomer<'_>) -> Result<Box<dyn StoredPolicy>> {
        let mut learned = self.learned.clone();
        learned.ranking.push(learned.proven.len());
        learned.proven.push(newcomer.outcomes >= MINIMUM_OUTCOMES);
        Ok(Box::new(Self::new(learned)?))
    }

    fn findings(&self, pool: &ModelPool) -> Vec<String> {
        let level = self.learned.level;
        let best = self.learned.ranking.first().and_then(|&model| pool.models().get(model));
        let Some(single) = best.map(|model| &model.name) else { return Vec::new() };
        let show = |tested: &Tested| {
            format!(
                "leaving it from an expected gain of {:.4} on, {:.0}% of the held-out prompts do and gain {:+.4} on average over all \
                 (standard error {:.4}, p = {:.4})",
                tested.threshold,
                100.0 * tested.share,
                tested.gain,
                tested.standard_error,
                tested.p_value
            )
        };
        let of_tests = match self.learned.guard {
            Guard::Open => return Vec::new(),
            Guard::From { threshold } => {
                let held = self.learned.tested.iter().find(|tested| tested.threshold >= threshold);
                format!("the guard is open at level {level}: {}", held.map_or_else(String::new, show))
            }
            Guard::Shut => match self.learned.tested.first() {
                Some(first) => format!("the guard is shut at level {level}: {}", show(first)),
                None => "the guard is shut: too few held-out prompts would leave it for a test".to_owned(),
            },
        };
        vec![format!("the best single model is `{single}`; {of_tests}")]
    }
}

impl Persist for GuardedPolicy {
    const FORMAT: &'static str = "guarded-policy";
    const VERSION: u32 = 1;

    fn save(&self, writer: &mut SlotWriter) -> Result<()> {
        writer.put_json("learned", &self.learned)
    }

    fn load(reader: &SlotReader<'_>) -> Result<Self> {
        Self::new(reader.get_json("learned")?).map_err(|error| reader.corrupt(&error.to_string()))
    }
}

//! A choice for one prompt, and what it scores.

use std::sync::Arc;

use rand::RngExt as _;
use router_core::cost::CostKind;
use router_core::{CascadeStep, ModelIndex, SeedStream};

use crate::arena::Arena;

/// What a router or reference chose for one prompt.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) enum Pick {
    /// No model: none was eligible, or the reference does not apply.
    #[default]
    Nobody,
    /// One model.
    One(ModelIndex),
    /// A model drawn with these chances, which sum to 1. Its score is the expectation; `drawn` is one draw, for the record.
    Mix { shares: Arc<[(ModelIndex, f64)]>, drawn: ModelIndex },
    /// Several models at once. Scores the best answer, what a perfect picker gets, at the sum of the costs.
    Set(Arc<[ModelIndex]>),
    /// One model after another. The outcomes play the scores of the answers: it stops at the first that reaches its step's threshold,
    /// pays for every step up to there, and scores the best answer so far.
    Cascade(Arc<[CascadeStep]>),
}

/// What a pick scored.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Score {
    /// Quality in [0, 1].
    pub(crate) quality: f64,
    /// US dollars, where known, and how.
    pub(crate) cost: Option<f64>,
    pub(crate) kind: CostKind,
}

impl Pick {
    /// A draw of one model from `shares`.
    pub(crate) fn mix(shares: &Arc<[(ModelIndex, f64)]>, stream: &mut SeedStream) -> Self {
        if let [(model, _)] = **shares {
            return Self::One(model);
        }
        let at: f64 = stream.random();
        let mut sum = 0.0;
        let drawn = shares.iter().find(|(_, share)| {
            sum += share;
            at < sum
        });
        // Shares sum to 1 up to rounding; what rounding leaves over belongs to the last.
        match drawn.or(shares.last()) {
            Some(&(drawn, _)) => Self::Mix { shares: Arc::clone(shares), drawn },
            None => Self::Nobody,
        }
    }

    /// Calls `each` with the models that have a share of the decision for prompt `row`: every model of a set an equal one, of a cascade the
    /// model whose answer is kept (the first step's, where that is not known).
    pub(crate) fn each_share(&self, arena: &Arena, row: usize, mut each: impl FnMut(ModelIndex, f64)) {
        match self {
            Self::Nobody => {}
            Self::One(model) => each(*model, 1.0),
            Self::Mix { shares, .. } => shares.iter().for_each(|&(model, share)| each(model, share)),
            Self::Set(models) => models.iter().for_each(|&model| each(model, 1.0 / models.len() as f64)),
            Self::Cascade(_) => self.model(arena, row).into_iter().for_each(|model| each(model, 1.0)),
        }
    }

    /// The one model for prompt `row`: drawn where there is a draw; of a set or a cascade the one whose answer scores best, or the first where that is not
    /// known.
    pub(crate) fn model(&self, arena: &Arena, row: usize) -> Option<ModelIndex> {
        match self {
            Self::Nobody => None,
            Self::One(model) | Self::Mix { drawn: model, .. } => Some(*model),
            Self::Set(models) => {
                best_of(arena, row, models.iter().copied()).map(|(model, _)| model).or(models.first().copied())
            }
            Self::Cascade(steps) => {
                let kept = best_of(arena, row, path(arena, row, steps)).map(|(model, _)| model);
                kept.or(steps.first().map(|step| step.model))
            }
        }
    }

    /// What it scores for prompt `row`; `None` if it was not observed. Of a mixture, what was observed counts.
    pub(crate) fn score(&self, arena: &Arena, row: usize) -> Option<Score> {
        let one = |model: ModelIndex| {
            let call = arena.call(row, model)?;
            let kind = call.cost.map_or(CostKind::None, |(_, kind)| kind);
            Some(Score { quality: call.quality, cost: call.cost.map(|(cost, _)| cost), kind })
        };
        let shares = match self {
            Self::Nobody => return None,
            Self::One(model) => return one(*model),
            Self::Set(models) => return best_of(arena, row, models.iter().copied()).map(|(_, score)| score),
            Self::Cascade(steps) => return best_of(arena, row, path(arena, row, steps)).map(|(_, score)| score),
            Self::Mix { shares, .. } => shares,
        };
        let (mut observed, mut quality, mut spent, mut kind) = (0.0, 0.0, Some(0.0), CostKind::Measured);
        for &(model, share) in shares.iter() {
            if let Some(score) = one(model) {
                observed += share;
                quality += share * score.quality;
                spent = spent.zip(score.cost).map(|(sum, cost)| sum + share * cost);
                kind = kind.max(score.kind);
            }
        }
        (observed > 0.0).then(|| Score { quality: quality / observed, cost: spent.map(|spent| spent / observed), kind })
    }

    /// The score, of the model drawn where there is a draw.
    pub(crate) fn drawn_score(&self, arena: &Arena, row: usize) -> Option<Score> {
        match self {
            Self::Mix { drawn, .. } => Self::One(*drawn).score(arena, row),
            other => other.score(arena, row),
        }
    }

    /// Whether the score takes a perfect picker or scorer of answers for granted.
    pub(crate) fn is_judged(&self) -> bool {
        matches!(self, Self::Set(_) | Self::Cascade(_))
    }
}

/// The models that a cascade asks for prompt `row`: up to the first whose answer reaches its threshold, or whose answer was not observed.
fn path<'a>(arena: &'a Arena, row: usize, steps: &'a [CascadeStep]) -> impl Iterator<Item = ModelIndex> + 'a {
    let mut over = false;
    steps.iter().map_while(move |step| {
        if over {
            return None;
        }
        over = arena.call(row, step.model).is_none_or(|call| call.quality >= f64::from(step.accept_at));
        Some(step.model)
    })
}

/// The model of the best observed answer of `models`, ties to the first, with its quality and the sum of all their costs; `None` where an answer
/// was not observed.
fn best_of(arena: &Arena, row: usize, models: impl Iterator<Item = ModelIndex>) -> Option<(ModelIndex, Score)> {
    let mut best: Option<(ModelIndex, f64)> = None;
    let (mut spent, mut kind) = (Some(0.0), CostKind::Measured);
    for model in models {
        let call = arena.call(row, model)?;
        kind = kind.max(call.cost.map_or(CostKind::None, |(_, kind)| kind));
        spent = spent.zip(call.cost).map(|(sum, (cost, _))| sum + cost);
        if best.is_none_or(|(_, most)| call.quality > most) {
            best = Some((model, call.quality));
        }
    }
    best.map(|(model, quality)| (model, Score { quality, cost: spent, kind }))
}

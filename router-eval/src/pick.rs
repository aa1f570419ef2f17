//! A choice for one prompt, and what it scores.

use std::sync::Arc;

use rand::RngExt as _;
use router_core::cost::CostKind;
use router_core::{ModelIndex, SeedStream};

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

    /// The models with their shares of the decision.
    pub(crate) fn shares(&self) -> &[(ModelIndex, f64)] {
        match self {
            Self::Mix { shares, .. } => shares,
            Self::Nobody | Self::One(_) => &[],
        }
    }

    /// The one model, drawn where there is a draw.
    pub(crate) fn model(&self) -> Option<ModelIndex> {
        match self {
            Self::Nobody => None,
            Self::One(model) | Self::Mix { drawn: model, .. } => Some(*model),
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

    /// The score of the one model, drawn where there is a draw.
    pub(crate) fn drawn_score(&self, arena: &Arena, row: usize) -> Option<Score> {
        Self::One(self.model()?).score(arena, row)
    }
}

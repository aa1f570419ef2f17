//! Outcomes: what happened when a prompt was sent to a model. Sparse; an unseen pair is absent, never NaN.
#![allow(clippy::indexing_slicing, reason = "offsets are built here, ascending and within entries")]

use crate::error::{Error, ErrorKind, Result};
use crate::types::model::ModelIndex;

/// What happened when one prompt was sent to one model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outcome {
    /// The model that answered.
    pub model: ModelIndex,
    /// How good the answer was, in [0, 1].
    pub quality: f32,
    /// How much this outcome counts in training; 1 unless said otherwise.
    pub weight: f32,
    /// For an outcome from a log: the probability with which the logging policy sent the prompt to this model, in (0, 1].
    pub propensity: Option<f32>,
    /// What the call cost in US dollars, where measured.
    pub cost_usd: Option<f64>,
    /// Input tokens as the model's tokenizer counted them, where measured.
    pub input_tokens: Option<u32>,
    /// Output tokens, where measured.
    pub output_tokens: Option<u32>,
}

impl Outcome {
    /// An outcome of `quality` and nothing else known.
    pub fn new(model: ModelIndex, quality: f32) -> Self {
        Self { model, quality, weight: 1.0, propensity: None, cost_usd: None, input_tokens: None, output_tokens: None }
    }
}

/// The outcomes of n prompts and m models, row by row.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcomes {
    models: usize,
    offsets: Vec<usize>,
    entries: Vec<Outcome>,
}

impl Outcomes {
    /// Outcomes of `models` models: row i holds those of prompt i, in any order; they are sorted by model.
    ///
    /// # Errors
    /// [`ErrorKind::Data`] for a quality outside [0, 1], a weight or cost that is negative, a propensity outside (0, 1], or a
    /// model twice in a row;
    /// [`ErrorKind::NonFinite`] for a NaN; [`ErrorKind::UnknownModel`] for a model beyond the pool.
    pub fn from_rows(models: usize, rows: Vec<Vec<Outcome>>) -> Result<Self> {
        let mut offsets = Vec::with_capacity(rows.len() + 1);
        offsets.push(0);
        let mut entries: Vec<Outcome> = Vec::with_capacity(rows.iter().map(Vec::len).sum());
        for mut outcomes in rows {
            outcomes.sort_by_key(|outcome| outcome.model);
            entries.append(&mut outcomes);
            offsets.push(entries.len());
        }
        Self::from_sorted(models, offsets, entries)
    }

    /// The outcomes of `models` models that are in order already, taken as they are: those of prompt i stand in `entries` from
    /// `offsets[i]` up to `offsets[i + 1]`, by ascending model. There is an offset more than there are prompts.
    ///
    /// # Errors
    /// [`ErrorKind::Shape`] for offsets that do not ascend from 0 to the number of entries, or models that do not ascend; otherwise as
    /// [`Outcomes::from_rows`].
    pub fn from_sorted(models: usize, offsets: Vec<usize>, entries: Vec<Outcome>) -> Result<Self> {
        let bounds = (offsets.first().copied(), offsets.last().copied());
        if bounds != (Some(0), Some(entries.len())) || !offsets.is_sorted() {
            let expected = format!("ascending from 0 to {}", entries.len());
            return Err(Error::shape("offsets of outcomes", expected, format!("{bounds:?}")));
        }
        let outcomes = Self { models, offsets, entries };
        for row in 0..outcomes.prompts() {
            for pair in outcomes.row(row).windows(2) {
                if pair[0].model > pair[1].model {
                    return Err(Error::shape("models of a row", "ascending", format!("descending in prompt {row}")));
                }
                if pair[0].model == pair[1].model {
                    return Err(Error::new(
                        ErrorKind::Data,
                        format!("prompt {row} has two outcomes of model {}", pair[0].model),
                    )
                    .help("average repeated calls first, or give one a prompt of its own"));
                }
            }
            for outcome in outcomes.row(row) {
                Self::check(row, models, outcome)?;
            }
        }
        Ok(outcomes)
    }

    fn check(row: usize, models: usize, outcome: &Outcome) -> Result<()> {
        let place = || format!("prompt {row}, model {}", outcome.model);
        if outcome.model >= models {
            return Err(Error::new(ErrorKind::UnknownModel, format!("{}: the pool has {models} models", place())));
        }
        if !outcome.quality.is_finite() || !outcome.weight.is_finite() {
            return Err(Error::new(ErrorKind::NonFinite, format!("{}: quality or weight is not finite", place()))
                .help("leave an unknown outcome out"));
        }
        if !(0.0..=1.0).contains(&outcome.quality) {
            return Err(Error::new(
                ErrorKind::Data,
                format!("{}: quality {} is outside [0, 1]", place(), outcome.quality),
            )
            .at_field("quality"));
        }
        if outcome.weight < 0.0 {
            return Err(Error::new(ErrorKind::Data, format!("{}: weight {} is negative", place(), outcome.weight))
                .at_field("weight"));
        }
        if let Some(propensity) = outcome.propensity
            && !(propensity > 0.0 && propensity <= 1.0)
        {
            return Err(Error::new(ErrorKind::Data, format!("{}: propensity {propensity} is outside (0, 1]", place()))
                .at_field("propensity")
                .help("the probability that this model was asked"));
        }
        if outcome.cost_usd.is_some_and(|cost| !cost.is_finite() || cost < 0.0) {
            return Err(Error::new(ErrorKind::Data, format!("{}: the cost is not a cost", place()))
                .at_field("cost_usd")
                .help("a finite number of US dollars, zero or more"));
        }
        Ok(())
    }

    /// Number of prompts.
    pub fn prompts(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Number of models.
    pub fn models(&self) -> usize {
        self.models
    }

    /// Number of outcomes.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no outcome at all.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The outcomes of prompt `row`, by ascending model.
    ///
    /// # Panics
    /// If there is no such prompt.
    pub fn row(&self, row: usize) -> &[Outcome] {
        &self.entries[self.offsets[row]..self.offsets[row + 1]]
    }

    /// The outcome of prompt `row` with `model`, if it was seen. O(log m).
    ///
    /// # Panics
    /// If there is no such prompt.
    pub fn get(&self, row: usize, model: ModelIndex) -> Option<&Outcome> {
        let row = self.row(row);
        row.binary_search_by_key(&model, |outcome| outcome.model).ok().map(|at| &row[at])
    }

    /// All outcomes with their prompt's row.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &Outcome)> {
        (0..self.prompts()).flat_map(move |row| self.row(row).iter().map(move |outcome| (row, outcome)))
    }

    /// The outcomes of the named rows, in their order.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn gather(&self, rows: &[usize]) -> Self {
        let mut offsets = Vec::with_capacity(rows.len() + 1);
        offsets.push(0);
        let mut entries = Vec::new();
        for &row in rows {
            entries.extend_from_slice(self.row(row));
            offsets.push(entries.len());
        }
        Self { models: self.models, offsets, entries }
    }

    /// The same outcomes with propensities turned into weights, for training on logs; unchanged where there is none. O(outcomes).
    ///
    /// An outcome's weight is multiplied by 1 / propensity (Horvitz and Thompson, 1952), clipped and self-normalized within
    /// every model:
    ///
    /// - Clipped, because one call of small propensity would otherwise stand for a thousand (Swaminathan and Joachims,
    ///   "Counterfactual risk minimization", ICML 2015): at the mean of the model's inverse propensities times the square root of
    ///   their count, which keeps the estimate consistent (Ionides, "Truncated importance sampling", 2008, section 3).
    /// - Self-normalized, because sums of inverse propensities are themselves noise (Swaminathan and Joachims, "The
    ///   self-normalized estimator for counterfactual learning", NIPS 2015): the factors of a model average 1, so that its mean
    ///   is the weighted mean, and whatever counts outcomes (shrinkage, penalties) counts calls.
    ///
    /// An outcome without a propensity beside others with one counts as if it had been certain.
    pub fn inverse_propensity_weighted(&self) -> Self {
        let mut weighted = self.clone();
        if !self.has_propensities() {
            return weighted;
        }
        let factor = |outcome: &Outcome| outcome.propensity.map_or(1.0, |propensity| 1.0 / f64::from(propensity));
        let mut sums = vec![(0.0f64, 0usize); self.models];
        for outcome in &self.entries {
            sums[outcome.model].0 += factor(outcome);
            sums[outcome.model].1 += 1;
        }
        let caps: Vec<f64> = sums.iter().map(|&(sum, count)| sum / (count.max(1) as f64).sqrt()).collect();
        let mut clipped = vec![0.0f64; self.models];
        for outcome in &self.entries {
            clipped[outcome.model] += factor(outcome).min(caps[outcome.model]);
        }
        for outcome in &mut weighted.entries {
            let mean = clipped[outcome.model] / sums[outcome.model].1 as f64;
            let share = factor(outcome).min(caps[outcome.model]) / mean;
            outcome.weight = (f64::from(outcome.weight) * share) as f32;
        }
        weighted
    }

    /// Whether an outcome says with which probability its model was asked.
    pub fn has_propensities(&self) -> bool {
        self.entries.iter().any(|outcome| outcome.propensity.is_some())
    }

    /// The weighted mean quality of every model, and how many outcomes stand behind it; `None` for a model never seen.
    pub fn mean_quality(&self) -> Vec<Option<(f64, usize)>> {
        let mut sums = vec![(0.0f64, 0.0f64, 0usize); self.models];
        for outcome in &self.entries {
            let sum = &mut sums[outcome.model];
            sum.0 += f64::from(outcome.quality) * f64::from(outcome.weight);
            sum.1 += f64::from(outcome.weight);
            sum.2 += 1;
        }
        sums.into_iter().map(|(total, weight, count)| (weight > 0.0).then(|| (total / weight, count))).collect()
    }

    /// The model of the best weighted mean quality, ties to the lowest index; 0 where nothing was seen.
    pub fn best_single(&self) -> ModelIndex {
        let mut best = (0, f64::NEG_INFINITY);
        for (model, mean) in self.mean_quality().into_iter().enumerate() {
            if let Some((mean, _)) = mean
                && mean > best.1
            {
                best = (model, mean);
            }
        }
        best.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_sorted_and_found() {
        let rows = vec![vec![Outcome::new(2, 1.0), Outcome::new(0, 0.0)], vec![], vec![Outcome::new(1, 0.5)]];
        let outcomes = Outcomes::from_rows(3, rows).unwrap();
        assert_eq!(outcomes.prompts(), 3);
        assert_eq!(outcomes.get(0, 2).unwrap().quality, 1.0);
        assert!(outcomes.get(0, 1).is_none());
        assert!(outcomes.row(1).is_empty());
        assert_eq!(outcomes.best_single(), 2);
        assert_eq!(outcomes.gather(&[2, 0]).get(0, 1).unwrap().quality, 0.5);
        let entries: Vec<Outcome> = outcomes.iter().map(|(_, &outcome)| outcome).collect();
        assert_eq!(Outcomes::from_sorted(3, vec![0, 2, 2, 3], entries.clone()).unwrap(), outcomes);
        let kind = |offsets: &[usize], entries: &[Outcome]| {
            Outcomes::from_sorted(3, offsets.to_vec(), entries.to_vec()).unwrap_err().kind()
        };
        for offsets in [&[][..], &[0, 2], &[1, 3], &[0, 4], &[0, 3, 2, 3]] {
            assert_eq!(kind(offsets, &entries), ErrorKind::Shape, "{offsets:?}");
        }
        assert_eq!(kind(&[0, 2], &[entries[1], entries[0]]), ErrorKind::Shape);
        assert_eq!(kind(&[0, 2], &[entries[1], entries[1]]), ErrorKind::Data);
    }

    #[test]
    fn bad_outcomes_are_refused() {
        let kind = |outcome| Outcomes::from_rows(2, vec![vec![outcome]]).unwrap_err().kind();
        assert_eq!(kind(Outcome::new(2, 0.5)), ErrorKind::UnknownModel);
        assert_eq!(kind(Outcome::new(0, f32::NAN)), ErrorKind::NonFinite);
        assert_eq!(kind(Outcome::new(0, 1.5)), ErrorKind::Data);
        assert_eq!(kind(Outcome { weight: -1.0, ..Outcome::new(0, 0.5) }), ErrorKind::Data);
        assert_eq!(kind(Outcome { cost_usd: Some(-1.0), ..Outcome::new(0, 0.5) }), ErrorKind::Data);
        for propensity in [0.0, -0.5, 1.5, f32::NAN] {
            assert_eq!(kind(Outcome { propensity: Some(propensity), ..Outcome::new(0, 0.5) }), ErrorKind::Data);
        }
        let twice = vec![vec![Outcome::new(0, 0.5), Outcome::new(0, 0.5)]];
        assert_eq!(Outcomes::from_rows(2, twice).unwrap_err().kind(), ErrorKind::Data);
    }
    fn logged(model: ModelIndex, quality: f32, propensity: f32) -> Outcome {
        Outcome { propensity: Some(propensity), ..Outcome::new(model, quality) }
    }

    #[test]
    fn inverse_propensities_by_hand() {
        // Model 0: factors 2, 4, 10 of mean 16/3; the cap, 16/3 * sqrt(3) = 9.24, cuts the last. Model 1: all alike.
        let rows = vec![
            vec![logged(0, 1.0, 0.5)],
            vec![Outcome { weight: 3.0, ..logged(0, 0.0, 0.25) }],
            vec![logged(0, 0.5, 0.1)],
            vec![logged(1, 0.2, 0.5)],
        ];
        let outcomes = Outcomes::from_rows(2, rows).unwrap().inverse_propensity_weighted();
        let cap = 16.0 / 3f64.sqrt();
        let mean = (6.0 + cap) / 3.0;
        let expected = [2.0 / mean, 3.0 * 4.0 / mean, cap / mean, 1.0];
        for ((_, outcome), expected) in outcomes.iter().zip(expected) {
            assert!((f64::from(outcome.weight) - expected).abs() < 1e-6, "{} {expected}", outcome.weight);
        }
        let plain = Outcomes::from_rows(1, vec![vec![Outcome { weight: 2.5, ..Outcome::new(0, 1.0) }]]).unwrap();
        assert_eq!(plain.inverse_propensity_weighted(), plain);
    }

    #[test]
    fn a_log_that_sends_hard_prompts_to_the_strong_model_ranks_right_with_propensities() {
        // Strong 0.9 and 0.6 on easy and hard prompts, weak 0.8 and 0.2. Nine of ten hard prompts go to the strong, nine of ten
        // easy ones to the weak: exactly as many calls of each kind as the propensities say.
        let mut rows = Vec::new();
        for (model, easy, hard) in [(0, (0.9, 0.1), (0.6, 0.9)), (1, (0.8, 0.9), (0.2, 0.1))] {
            for (quality, propensity) in [easy, hard] {
                let calls = (propensity * 1_000.0) as usize;
                rows.extend((0..calls).map(|_| vec![logged(model, quality, propensity)]));
            }
        }
        let outcomes = Outcomes::from_rows(2, rows).unwrap();
        assert_eq!(outcomes.best_single(), 1, "the naive means are 0.63 and 0.74");
        let weighted = outcomes.inverse_propensity_weighted();
        assert_eq!(weighted.best_single(), 0);
        for (mean, truth) in weighted.mean_quality().into_iter().zip([0.75, 0.5]) {
            assert!((mean.unwrap().0 - truth).abs() < 1e-4, "{mean:?} {truth}");
        }
    }
}

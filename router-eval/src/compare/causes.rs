//! Why two routers differ on a prompt; see the [module](super).

use serde::Serialize;

use crate::compare::side::Side;

/// One of the two chose nothing, or what the other does not know.
const MODELS: &str = "models";
/// Both hold the same model for better and choose differently.
pub(super) const POLICY: &str = "policy";
/// The parts are weighed differently.
const WEIGHTS: &str = "weights";
/// What the weighted parts do not make up.
const AGGREGATION: &str = "aggregation";
/// Contributions below this are rounding.
const ROUNDING: f64 = 1e-6;

/// A share of the gap.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Contribution {
    /// `scores of SLOT`, `weights` or `aggregation`.
    pub cause: String,
    /// What it adds to the gap, on the scale of quality.
    pub gap: f64,
}

/// Why two routers differ on a prompt.
pub(super) struct Causes {
    pub(super) gap: Option<f64>,
    pub(super) main: String,
    pub(super) contributions: Vec<Contribution>,
}

impl Causes {
    /// Why `a` and `b` differ on prompt `row`, on which they do.
    pub(super) fn of(a: &Side<'_>, b: &Side<'_>, row: usize) -> Self {
        let unknown = || Self { gap: None, main: MODELS.to_owned(), contributions: Vec::new() };
        let (Some(of_a), Some(of_b)) = (a.model(row), b.model(row)) else { return unknown() };
        if !a.knows(of_b) || !b.knows(of_a) {
            return unknown();
        }
        let (Some(lead_a), Some(lead_b)) = (a.lead(row, of_a, of_b), b.lead(row, of_a, of_b)) else { return unknown() };
        let contributions = split([lead_a, lead_b], &a.part_leads(row, of_a, of_b), &b.part_leads(row, of_a, of_b));
        let main = if lead_a * lead_b > 0.0 {
            // Both hold the same one for better.
            POLICY.to_owned()
        } else {
            let largest = contributions.iter().max_by(|x, y| x.gap.total_cmp(&y.gap));
            // Without a gap the estimates tie, and what breaks the tie decides.
            largest.filter(|largest| largest.gap > ROUNDING).map_or(POLICY.to_owned(), |largest| largest.cause.clone())
        };
        Self { gap: Some(lead_a - lead_b), main, contributions }
    }
}

/// Splits the difference of two leads by the parts that they are made of: slot, weight, lead of the part.
fn split(leads: [f64; 2], a: &[(String, Option<f64>, f64)], b: &[(String, Option<f64>, f64)]) -> Vec<Contribution> {
    let gap = leads[0] - leads[1];
    let whole = || vec![Contribution { cause: AGGREGATION.to_owned(), gap }];
    // Without fixed weights a part's share is not known.
    if a.iter().chain(b).any(|(_, weight, _)| weight.is_none()) {
        return whole();
    }
    let mut slots: Vec<&str> = a.iter().map(|(slot, ..)| slot.as_str()).collect();
    slots.extend(b.iter().map(|(slot, ..)| slot.as_str()).filter(|slot| !a.iter().any(|(known, ..)| known == slot)));
    let of = |parts: &[(String, Option<f64>, f64)], slot: &str| {
        let part = parts.iter().find(|(known, ..)| known == slot);
        part.map_or((0.0, 0.0), |(_, weight, lead)| (weight.unwrap_or(0.0), *lead))
    };
    let mut contributions = Vec::with_capacity(slots.len() + 2);
    let (mut weights, mut explained) = (0.0, 0.0);
    for slot in slots {
        let ((weight_a, lead_a), (weight_b, lead_b)) = (of(a, slot), of(b, slot));
        let by_scores = f64::midpoint(weight_a, weight_b) * (lead_a - lead_b);
        let by_weights = f64::midpoint(lead_a, lead_b) * (weight_a - weight_b);
        weights += by_weights;
        explained += by_scores + by_weights;
        contributions.push(Contribution { cause: format!("scores of {slot}"), gap: by_scores });
    }
    contributions.push(Contribution { cause: WEIGHTS.to_owned(), gap: weights });
    contributions.push(Contribution { cause: AGGREGATION.to_owned(), gap: gap - explained });
    contributions.retain(|contribution| contribution.gap.abs() > ROUNDING);
    contributions
}

/// The mean contribution of every cause over all of `differences` that have a gap, the largest first.
pub(super) fn mean_contributions<'a>(differences: impl Iterator<Item = &'a Causes>) -> Vec<Contribution> {
    let mut sums: std::collections::BTreeMap<&str, f64> = std::collections::BTreeMap::new();
    let mut count = 0usize;
    for causes in differences.filter(|causes| causes.gap.is_some()) {
        count += 1;
        for contribution in &causes.contributions {
            *sums.entry(&contribution.cause).or_default() += contribution.gap;
        }
    }
    let mut means: Vec<Contribution> = sums
        .into_iter()
        .map(|(cause, sum)| Contribution { cause: cause.to_owned(), gap: sum / count.max(1) as f64 })
        .collect();
    means.sort_by(|x, y| y.gap.abs().total_cmp(&x.gap.abs()));
    means
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(slot: &str, weight: f64, lead: f64) -> (String, Option<f64>, f64) {
        (slot.to_owned(), Some(weight), lead)
    }

    fn of<'a>(contributions: &'a [Contribution], cause: &str) -> Option<&'a f64> {
        contributions.iter().find(|contribution| contribution.cause == cause).map(|contribution| &contribution.gap)
    }

    #[test]
    fn the_gap_is_the_sum_of_its_contributions() {
        let a = [part("task_scores", 0.3, 0.2), part("estimators/0", 0.7, 0.1)];
        let b = [part("task_scores", 0.6, 0.2), part("estimators/0", 0.4, -0.4)];
        // A: 0.06 + 0.07 = 0.13. B: 0.12 - 0.16 = -0.04. The task scores are the same: they contribute by their weight alone.
        let split = split([0.13, -0.04], &a, &b);
        assert!((split.iter().map(|contribution| contribution.gap).sum::<f64>() - 0.17).abs() < 1e-12);
        assert_eq!(of(&split, "scores of task_scores"), None);
        assert!((of(&split, "scores of estimators/0").unwrap() - 0.275).abs() < 1e-12);
        assert!((of(&split, "weights").unwrap() + 0.105).abs() < 1e-12);
        assert_eq!(of(&split, "aggregation"), None);
    }

    #[test]
    fn a_part_that_one_side_lacks_counts_for_the_other() {
        let split = split([0.5, 0.0], &[part("task_scores", 1.0, 0.5)], &[part("estimators/0", 1.0, 0.0)]);
        assert!((split.iter().map(|contribution| contribution.gap).sum::<f64>() - 0.5).abs() < 1e-12);
        let unknown =
            super::split([0.5, 0.1], &[("task_scores".to_owned(), None, 0.5)], &[part("estimators/0", 1.0, 0.0)]);
        assert_eq!(unknown, [Contribution { cause: "aggregation".into(), gap: 0.4 }]);
    }
}

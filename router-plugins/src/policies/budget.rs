//! The best quality that an average budget buys.
//!
//! Of all ways to send the training prompts to models, the one of the highest summed expected quality whose average expected cost
//! is at most `budget_usd` is a knapsack with one choice a prompt. Its Lagrangian dual prices a US dollar at lambda: every prompt
//! goes to the model of the highest quality - lambda * cost, and lambda is the smallest that meets the budget (Sinha and Zoltners,
//! The multiple-choice knapsack problem, Operations Research 27, 1979). What is fitted is that one number; new prompts are then
//! decided as by the `utility` policy. Because the average is over prompts, an expensive model is bought where it gains most.
//!
//! Lambda is found exactly: as it falls, a prompt climbs the upper hull of its models in the plane of cost and quality, edge by
//! edge; all edges are taken by falling slope until the budget is spent. The dual stops between two choices, so up to the cost of
//! one step of one prompt (of several where slopes tie) may stay unspent; it is never exceeded on the estimates that were fitted to.
//! If even the cheapest model of every prompt costs more, the cheapest are chosen.
//!
//! Estimates are the cross-fitted ones where the set could be split, otherwise every model's mean quality. The budget holds on
//! average over prompts like the training prompts, not for each request: that is what `maximum_cost_usd` of a request is for.
//!
//! Fitting costs O(n m log(n m)), a prompt O(m log m).

use router_core::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::policies::utility::UtilityPolicy;
use crate::ranges::out_of_range;

/// Parameters of the `budget` policy; see the [module](self).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BudgetConfig {
    /// US dollars that a prompt may be expected to cost on average. Default 0.001.
    #[schemars(range(min = 0.0, max = 1.0e6))]
    pub budget_usd: f64,
}

impl Default for BudgetConfig {
    fn default() -> Self {
        Self { budget_usd: 0.001 }
    }
}

impl PluginConfig for BudgetConfig {
    const NAME: &'static str = "budget";
    const SUMMARY: &'static str = "The best quality within an average cost a prompt, by the dual of the knapsack";
    const SOURCE: &'static str =
        "Sinha and Zoltners, The multiple-choice knapsack problem, Operations Research 27 (1979)";
    const COST: &'static str = "fit O(n m log(n m)); O(m log m) a prompt";
    const EXAMPLE: &'static str = "budget_usd = 0.002\n";
}

impl Policy for BudgetConfig {
    type Fitted = BudgetPolicy;

    fn needs_cross_fit(&self) -> bool {
        true
    }

    fn fit(&self, evidence: &PolicyEvidence<'_>, cx: &FitContext) -> Result<BudgetPolicy> {
        if !self.budget_usd.is_finite() || self.budget_usd < 0.0 {
            return out_of_range("budget_usd", &self.budget_usd, "a finite number, at least 0");
        }
        cx.check_cancelled()?;
        let (n, m) = (evidence.set.len(), evidence.set.models().len());
        let cost = evidence.cost_usd;
        if (cost.rows(), cost.cols()) != (n, m) {
            return Err(Error::shape(
                "expected costs",
                format!("{n} x {m}"),
                format!("{} x {}", cost.rows(), cost.cols()),
            ));
        }
        let tasks = Tasks::none(evidence.set);
        let means: Vec<f32> = tasks.global().iter().map(|&mean| mean as f32).collect();
        let quality = evidence.cross_fitted.map(|estimates| estimates.quality);
        if let Some(quality) = quality
            && (quality.rows(), quality.cols()) != (n, m)
        {
            return Err(Error::shape(
                "cross-fitted estimates",
                format!("{n} x {m}"),
                format!("{} x {}", quality.rows(), quality.cols()),
            ));
        }
        let rows = (0..n).map(|row| (quality.map_or(means.as_slice(), |quality| quality.row(row)), cost.row(row)));
        let (lambda, expected_cost_usd) = dual(rows, self.budget_usd);
        BudgetPolicy::new(lambda, expected_cost_usd)
    }
}

router_core::register!(PolicyRole, BudgetConfig);

/// An edge of a prompt's hull: `extra` US dollars more buy `slope` of quality each.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Edge {
    slope: f64,
    extra: f64,
}

/// The smallest lambda at which the average cost is at most `budget`, or one at which every prompt takes its cheapest model; and
/// the average cost then. Every row is the quality and the cost of every model.
fn dual<'a>(rows: impl Iterator<Item = (&'a [f32], &'a [f32])>, budget: f64) -> (f64, f64) {
    let (mut edges, mut cost, mut prompts) = (Vec::new(), 0.0, 0usize);
    for (quality, costs) in rows {
        cost += climb(quality, costs, &mut edges);
        prompts += 1;
    }
    let prompts = prompts.max(1) as f64;
    edges.sort_by(|a: &Edge, b| b.slope.total_cmp(&a.slope));
    let mut last_taken = None;
    for same in edges.chunk_by(|a, b| a.slope.total_cmp(&b.slope).is_eq()) {
        let slope = same.first().map_or(0.0, |edge| edge.slope);
        let extra: f64 = same.iter().map(|edge| edge.extra).sum();
        // The slack is for the rounding of the sums.
        if cost + extra > budget * prompts * (1.0 + 1e-12) {
            // Between this slope and the last, so that rounding tips no choice.
            return (last_taken.map_or(2.0 * slope, |last| f64::midpoint(last, slope)), cost / prompts);
        }
        cost += extra;
        last_taken = Some(slope);
    }
    (0.0, cost / prompts)
}

/// Adds the edges of one prompt's upper hull, from its cheapest model (of these the best) to its best (of these the cheapest), and
/// gives the cost of the cheapest.
fn climb(quality: &[f32], costs: &[f32], edges: &mut Vec<Edge>) -> f64 {
    let mut points: Vec<(f64, f64)> =
        costs.iter().zip(quality).map(|(&cost, &quality)| (f64::from(cost), f64::from(quality))).collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0).then(b.1.total_cmp(&a.1)));
    let slope = |a: (f64, f64), b: (f64, f64)| (b.1 - a.1) / (b.0 - a.0);
    let mut hull: Vec<(f64, f64)> = Vec::new();
    for point in points {
        // Dearer and no better than the last, or as dear: on no hull.
        if hull.last().is_some_and(|last| point.1 <= last.1 || point.0 <= last.0) {
            continue;
        }
        while let [.., before, last] = hull.as_slice()
            && slope(*before, *last) <= slope(*last, point)
        {
            hull.pop();
        }
        hull.push(point);
    }
    edges.extend(hull.windows(2).filter_map(|pair| match *pair {
        [a, b] => Some(Edge { slope: slope(a, b), extra: b.0 - a.0 }),
        _ => None,
    }));
    hull.first().map_or(0.0, |first| first.0)
}

/// The budget policy, ready: the `utility` policy under the lambda that meets the budget.
#[derive(Debug, Clone, PartialEq)]
pub struct BudgetPolicy {
    utility: UtilityPolicy,
    expected_cost_usd: f64,
}

impl BudgetPolicy {
    fn new(lambda: f64, expected_cost_usd: f64) -> Result<Self> {
        if !expected_cost_usd.is_finite() {
            return Err(Error::new(ErrorKind::NonFinite, format!("the expected cost is {expected_cost_usd}")));
        }
        Ok(Self { utility: UtilityPolicy::new(lambda)?, expected_cost_usd })
    }

    /// Quality given up for a US dollar saved.
    pub fn lambda(&self) -> f64 {
        self.utility.lambda()
    }

    /// The average expected cost of the training prompts in US dollars. Above the budget only if every prompt already takes its
    /// cheapest model.
    pub fn expected_cost_usd(&self) -> f64 {
        self.expected_cost_usd
    }
}

impl FittedPolicy for BudgetPolicy {
    fn choose(&self, choice: &Choice<'_>, out: &mut [Decision]) -> Result<()> {
        self.utility.choose(choice, out)
    }

    // Lambda is the price of quality in the old pool: with a better bargain in it, the average cost falls below the budget or the quality rises.
    fn with_model(&self, _: &Newcomer<'_>) -> Result<Box<dyn StoredPolicy>> {
        Ok(Box::new(self.clone()))
    }
}

impl Persist for BudgetPolicy {
    const FORMAT: &'static str = "budget-policy";
    const VERSION: u32 = 1;

    fn save(&self, writer: &mut SlotWriter) -> Result<()> {
        writer.put_json("lambda", &self.lambda())?;
        writer.put_json("expected_cost_usd", &self.expected_cost_usd)
    }

    fn load(reader: &SlotReader<'_>) -> Result<Self> {
        Self::new(reader.get_json("lambda")?, reader.get_json("expected_cost_usd")?)
            .map_err(|error| reader.corrupt(&error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use router_core::Eligibility;

    use super::*;

    /// Average cost and summed quality of the choices under `lambda`.
    fn route(quality: &Matrix, cost: &Matrix, lambda: f64) -> (f64, f64) {
        let mut eligible = Eligibility::default();
        eligible.reset(quality.rows(), quality.cols());
        let known = vec![true; quality.cols()];
        let choice = Choice {
            quality: quality.view(),
            variance: None,
            cost_usd: cost.view(),
            known_cost: &known,
            eligible: &eligible,
        };
        let mut out = vec![Decision::default(); quality.rows()];
        UtilityPolicy::new(lambda).unwrap().choose(&choice, &mut out).unwrap();
        let of = |matrix: &Matrix| -> f64 {
            out.iter().enumerate().map(|(row, d)| f64::from(matrix.get(row, d.model().unwrap()))).sum()
        };
        (of(cost) / quality.rows() as f64, of(quality))
    }

    fn solve(quality: &Matrix, cost: &Matrix, budget: f64) -> (f64, f64) {
        dual((0..quality.rows()).map(|row| (quality.row(row), cost.row(row))), budget)
    }

    #[test]
    fn the_dual_by_hand() {
        // Prompt 0 gains 0.5 for a dollar, prompt 1 gains 0.25, from 1 dollar to 2.
        let quality = Matrix::from_vec(2, 2, vec![0.25, 0.75, 0.5, 0.75]).unwrap();
        let cost = Matrix::from_vec(2, 2, vec![1.0, 2.0, 1.0, 2.0]).unwrap();
        assert_eq!(solve(&quality, &cost, 2.0), (0.0, 2.0));
        assert_eq!(solve(&quality, &cost, 1.5), (0.375, 1.5));
        assert_eq!(solve(&quality, &cost, 1.9), (0.375, 1.5));
        assert_eq!(solve(&quality, &cost, 1.0), (1.0, 1.0));
        assert_eq!(solve(&quality, &cost, 0.0), (1.0, 1.0), "the cheapest where nothing meets the budget");
    }

    #[test]
    fn only_the_upper_hull_counts() {
        // (cost, quality): (1, 0.1), (2, 0.2), (3, 0.7), (4, 0.7), (5, 0.8): the second lies below the hull, the fourth gains nothing.
        let mut edges = Vec::new();
        assert_eq!(climb(&[0.7, 0.1, 0.2, 0.8, 0.7], &[3.0, 1.0, 2.0, 5.0, 4.0], &mut edges), 1.0);
        let expected = [(0.3, 2.0), (0.05, 2.0)];
        assert_eq!(edges.len(), 2);
        for (edge, (slope, extra)) in edges.iter().zip(expected) {
            assert!((edge.slope - slope).abs() < 1e-6 && (edge.extra - extra).abs() < 1e-6);
        }
    }

    proptest! {
        /// The budget is met as the policy itself routes, and no lambda that meets it buys more: every lambda tried either costs
        /// too much or gives no more quality.
        #[test]
        fn no_other_lambda_is_better(
            quality in prop::collection::vec(0.0f32..1.0, 24),
            cost in prop::collection::vec(0.001f32..1.0, 24),
            share in 0.0f64..1.2,
        ) {
            let quality = Matrix::from_vec(8, 3, quality).unwrap();
            let cost = Matrix::from_vec(8, 3, cost).unwrap();
            let (cheapest, dearest) = (route(&quality, &cost, 1e9).0, route(&quality, &cost, 0.0).0);
            let budget = cheapest + share * (dearest - cheapest);
            let (lambda, expected) = solve(&quality, &cost, budget);
            let (spent, bought) = route(&quality, &cost, lambda);
            prop_assert!((spent - expected).abs() < 1e-6, "{} against {}", spent, expected);
            prop_assert!(spent <= budget + 1e-6);
            for step in -60..60 {
                let (other_spent, other_bought) = route(&quality, &cost, 1.25f64.powi(step));
                prop_assert!(other_spent > budget - 1e-6 || other_bought <= bought + 1e-5);
            }
        }
    }
}

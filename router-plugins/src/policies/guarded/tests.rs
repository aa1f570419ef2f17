//! Worlds in which no router can win, worlds in which one can, and what the data may lack.

use std::sync::Arc;

use proptest::prelude::*;
use router_core::prelude::*;
use router_core::{Eligibility, Model, SeedStream};

use super::*;
use crate::policies::utility::UtilityPolicy;

/// Training prompts with what a policy may know of them.
struct World {
    set: TrainingSet,
    quality: Matrix,
    cost_usd: Matrix,
}

/// A prompt of a world: estimates, outcomes, group.
struct Row {
    estimates: Vec<f32>,
    outcomes: Vec<Outcome>,
    group: u32,
}

impl World {
    fn of(models: usize, rows: Vec<Row>, cost_usd: &[f32]) -> Self {
        let n = rows.len();
        let estimates: Vec<f32> = rows.iter().flat_map(|row| row.estimates.iter().copied()).collect();
        let groups = rows.iter().map(|row| row.group).collect();
        let outcomes = rows.into_iter().map(|row| row.outcomes).collect();
        let pool = ModelPool::new((0..models).map(|model| Model::new(format!("m{model}"))).collect()).unwrap();
        let prompts = (0..n).map(|row| Prompt::new(format!("p{row}"), "x")).collect();
        let dataset = Dataset::new("d", prompts, pool, Outcomes::from_rows(models, outcomes).unwrap()).unwrap();
        let set =
            TrainingSet::new(Arc::new(dataset.with_groups(groups).unwrap()), Arc::new(Matrix::zeros(n, 1))).unwrap();
        let mut cost = Matrix::zeros(n, models);
        for row in 0..n {
            cost.row_mut(row).copy_from_slice(cost_usd);
        }
        Self { set, quality: Matrix::from_vec(n, models, estimates).unwrap(), cost_usd: cost }
    }

    fn fit_with(&self, config: &GuardedConfig, cross_fitted: bool) -> GuardedPolicy {
        let estimates = EstimatesView { quality: self.quality.view(), variance: None, cost_usd: None };
        let evidence = PolicyEvidence {
            set: &self.set,
            cross_fitted: cross_fitted.then_some(estimates),
            cost_usd: self.cost_usd.view(),
            known_cost: &vec![true; self.quality.cols()],
        };
        config.fit(&evidence, &FitContext::new(0)).unwrap()
    }

    fn fit(&self) -> GuardedPolicy {
        self.fit_with(&GuardedConfig::default(), true)
    }
}

/// One or zero.
fn answer(stream: &mut SeedStream, probability: f64) -> f32 {
    if stream.random_bool(probability) { 1.0 } else { 0.0 }
}

/// Between -1 and 1.
fn noise(stream: &mut SeedStream) -> f32 {
    stream.random_range(-1.0..1.0)
}

fn all(outcomes: impl IntoIterator<Item = f32>) -> Vec<Outcome> {
    outcomes.into_iter().enumerate().map(|(model, quality)| Outcome::new(model, quality)).collect()
}

/// How many of 300 worlds leave the best single model.
fn opened(world: impl Fn(&mut SeedStream) -> World) -> usize {
    (0..300).filter(|&seed| world(&mut FitContext::new(seed).stream("world")).fit().guard() != Guard::Shut).count()
}

/// 300 worlds at level 0.05: 15, and three binomial standard deviations.
const AT_MOST: usize = 26;

#[test]
fn equal_models_are_left_no_more_often_than_the_level_says() {
    let found = opened(|stream| {
        let rows = (0..400).map(|row| Row {
            estimates: (0..5).map(|_| 0.6 + 0.1 * noise(stream)).collect(),
            outcomes: all((0..5).map(|_| answer(stream, 0.6)).collect::<Vec<_>>()),
            group: row,
        });
        let rows = rows.collect();
        World::of(5, rows, &[0.0; 5])
    });
    assert!(found <= AT_MOST, "{found} of 300");
}

/// The hardest world: the best single model is certain, and the router leaves it for one that is as good, on half the prompts.
#[test]
fn at_the_edge_of_a_gain_the_level_is_kept_and_used() {
    let found = opened(|stream| {
        let rows = (0..400).map(|row| {
            let (mine, other) = if row % 2 == 0 { (0.55, 0.6) } else { (0.6, 0.2) };
            Row {
                estimates: vec![mine + 0.02 * noise(stream), other + 0.02 * noise(stream)],
                outcomes: all([answer(stream, 0.6), answer(stream, f64::from(other))]),
                group: row,
            }
        });
        let rows = rows.collect();
        World::of(2, rows, &[0.0; 2])
    });
    assert!((3..=AT_MOST).contains(&found), "{found} of 300");
}

/// Tasks drawn at random and honest cross-fitted means over them: what a router that finds nothing says.
#[test]
fn tasks_of_noise_are_no_gain() {
    let found = opened(|stream| {
        let (n, m, tasks, folds) = (400usize, 5usize, 8usize, 5usize);
        let quality: Vec<Vec<f32>> =
            (0..n).map(|_| (0..m).map(|model| answer(stream, 0.6 - 0.01 * model as f64)).collect()).collect();
        let task: Vec<usize> = (0..n).map(|_| stream.random_range(0..tasks)).collect();
        let rows = (0..n).map(|row| {
            let others = || (0..n).filter(|&other| other % folds != row % folds && task[other] == task[row]);
            let mean =
                |model: usize| others().map(|other| quality[other][model]).sum::<f32>() / others().count() as f32;
            Row { estimates: (0..m).map(mean).collect(), outcomes: all(quality[row].clone()), group: row as u32 }
        });
        World::of(m, rows.collect(), &[0.0; 5])
    });
    assert!(found <= AT_MOST, "{found} of 300");
}

/// Ten copies each of 60 prompts that leave: without clustering, ten times the evidence.
#[test]
fn copies_of_a_prompt_are_no_evidence() {
    let found = opened(|stream| {
        let mut rows = Vec::new();
        for group in 0..120 {
            let (expected, other) = if group % 2 == 0 { (0.7, 0.6) } else { (0.2, 0.0) };
            let outcomes = all([answer(stream, 0.6), answer(stream, other)]);
            rows.extend((0..10).map(|_| Row { estimates: vec![0.6, expected], outcomes: outcomes.clone(), group }));
        }
        World::of(2, rows, &[0.0; 2])
    });
    assert!(found <= AT_MOST, "{found} of 300");
}

/// A model that saves a cent and loses one prompt in a hundred outright, of those that leave for it: rare losses are easily not seen.
#[test]
fn rare_losses_are_reckoned_with() {
    let config = GuardedConfig { lambda: 1.0, level: 0.05 };
    let found = (0..300u64)
        .filter(|&seed| {
            let mut stream = FitContext::new(seed).stream("world");
            let rows = (0..600).map(|row| {
                let (expected, other) = if row % 2 == 0 { (1.0, 0.99) } else { (0.2, 0.2) };
                Row { estimates: vec![1.0, expected], outcomes: all([1.0, answer(&mut stream, other)]), group: row }
            });
            World::of(2, rows.collect(), &[0.01, 0.0]).fit_with(&config, true).guard() != Guard::Shut
        })
        .count();
    assert!(found <= AT_MOST, "{found} of 300");
}

/// Model 0 answers 0.7 of all prompts; model 1 0.9 of those of the first task, two in five, and 0.4 of the others.
fn two_tasks(stream: &mut SeedStream, n: u32, error: f32) -> Vec<Row> {
    (0..n)
        .map(|row| {
            let other = if row % 5 < 2 { 0.9 } else { 0.4 };
            Row {
                estimates: vec![0.7 + error * noise(stream), other as f32 + error * noise(stream)],
                outcomes: all([answer(stream, 0.7), answer(stream, other)]),
                group: row,
            }
        })
        .collect()
}

/// Decisions without constraints.
fn decide(policy: &impl FittedPolicy, quality: &Matrix, cost_usd: &Matrix) -> Vec<Decision> {
    decide_among(policy, quality, cost_usd, |_, _| true)
}

fn decide_among(
    policy: &impl FittedPolicy,
    quality: &Matrix,
    cost_usd: &Matrix,
    may: impl Fn(usize, usize) -> bool,
) -> Vec<Decision> {
    let mut eligible = Eligibility::default();
    eligible.reset(quality.rows(), quality.cols());
    for row in 0..quality.rows() {
        for (model, eligible) in eligible.row_mut(row).iter_mut().enumerate() {
            *eligible = may(row, model);
        }
    }
    let choice = Choice {
        quality: quality.view(),
        variance: None,
        cost_usd: cost_usd.view(),
        known_cost: &vec![true; quality.cols()],
        eligible: &eligible,
    };
    let mut out = vec![Decision::default(); quality.rows()];
    policy.choose(&choice, &mut out).unwrap();
    out
}

#[test]
fn a_gain_is_kept() {
    let mut kept = 0.0;
    for seed in 0..50 {
        let mut stream = FitContext::new(seed).stream("world");
        let policy = World::of(2, two_tasks(&mut stream, 500, 0.1), &[0.0; 2]).fit();
        // On prompts of the same kind, with the true gain of 0.2 where the second model is chosen rightly, and -0.3 elsewhere.
        let fresh = World::of(2, two_tasks(&mut stream, 500, 0.1), &[0.0; 2]);
        let gain = |policy: &dyn Fn() -> Vec<Decision>| -> f64 {
            let gain_of = |row: usize| if row % 5 < 2 { 0.2 } else { -0.3 };
            policy().iter().enumerate().filter(|(_, d)| d.model() == Some(1)).map(|(row, _)| gain_of(row)).sum()
        };
        let guarded = gain(&|| decide(&policy, &fresh.quality, &fresh.cost_usd));
        let free = gain(&|| decide(&UtilityPolicy::new(0.0).unwrap(), &fresh.quality, &fresh.cost_usd));
        assert!(free > 35.0, "{free}");
        kept += guarded / free / 50.0;
    }
    assert!(kept >= 0.9, "{kept}");
}

#[test]
fn permuted_outcomes_are_no_gain() {
    let found = opened(|stream| {
        let mut rows = two_tasks(stream, 500, 0.1);
        let n = rows.len();
        for at in (1..n).rev() {
            let other = stream.random_range(0..=at);
            let outcomes = std::mem::take(&mut rows[at].outcomes);
            rows[at].outcomes = std::mem::replace(&mut rows[other].outcomes, outcomes);
        }
        World::of(2, rows, &[0.0; 2])
    });
    assert!(found <= AT_MOST, "{found} of 300");
}

#[test]
fn missing_cells_are_filled_in_without_bias() {
    // Half of the cells are missing, at random. The gain is found in spite of it, and a promise that only the estimates make is not.
    let (mut right, mut wrong) = (0, 0);
    for seed in 0..40 {
        let mut stream = FitContext::new(seed).stream("world");
        let mut rows = two_tasks(&mut stream, 1_000, 0.05);
        for row in &mut rows {
            row.outcomes.retain(|_| stream.random_bool(0.5));
        }
        let promise = rows.iter().map(|row| Row {
            estimates: vec![row.estimates[0], 0.9],
            outcomes: row.outcomes.clone(),
            group: row.group,
        });
        let promise: Vec<Row> = promise.collect();
        right += usize::from(World::of(2, rows, &[0.0; 2]).fit().guard() != Guard::Shut);
        wrong += usize::from(World::of(2, promise, &[0.0; 2]).fit().guard() != Guard::Shut);
    }
    assert_eq!((right, wrong), (40, 0));
}

#[test]
fn a_log_of_one_outcome_a_prompt_is_enough() {
    // The logging policy sends the prompts of the second task, where model 1 is bad, to it twice as often as the others.
    let opened = (0..20).filter(|&seed| {
        let mut stream = FitContext::new(seed).stream("world");
        let mut rows = two_tasks(&mut stream, 2_000, 0.05);
        for (at, row) in rows.iter_mut().enumerate() {
            let propensity = if at % 5 < 2 { 0.25 } else { 0.5 };
            let model = usize::from(stream.random_bool(propensity));
            row.outcomes.retain(|outcome| outcome.model == model);
            for outcome in &mut row.outcomes {
                outcome.propensity = Some(if model == 1 { propensity } else { 1.0 - propensity } as f32);
            }
        }
        World::of(2, rows, &[0.0; 2]).fit().guard() != Guard::Shut
    });
    assert_eq!(opened.count(), 20);
}

#[test]
fn a_model_of_few_outcomes_is_not_left_for() {
    let mut stream = FitContext::new(1).stream("world");
    let rows = two_tasks(&mut stream, 500, 0.05).into_iter().map(|mut row| {
        row.estimates.push(0.99);
        if row.group < 20 {
            row.outcomes.push(Outcome::new(2, 1.0));
        }
        row
    });
    let world = World::of(3, rows.collect(), &[0.0; 3]);
    let policy = world.fit();
    assert_eq!(policy.ranking(), [0, 1, 2]);
    assert!(matches!(policy.guard(), Guard::From { .. }));
    let decisions = decide(&policy, &world.quality, &world.cost_usd);
    assert!(decisions.iter().all(|decision| decision.model() != Some(2)));
    // Without the guard the estimates decide.
    let open = world.fit_with(&GuardedConfig { level: 1.0, ..GuardedConfig::default() }, true);
    assert!(decide(&open, &world.quality, &world.cost_usd).iter().all(|decision| decision.model() == Some(2)));
}

#[test]
fn ties_one_model_and_sets_that_cannot_be_split_stay_with_the_best_single_model() {
    let constant = |models: usize| {
        let rows = (0..100).map(|row| Row {
            estimates: (0..models).map(|model| 0.5 + 0.1 * ((model + row) % models) as f32).collect(),
            outcomes: all((0..models).map(|_| 1.0)),
            group: row as u32,
        });
        World::of(models, rows.collect(), &vec![0.0; models])
    };
    for world in [constant(3), constant(1)] {
        let policy = world.fit();
        assert_eq!(policy.guard(), Guard::Shut);
        assert!(policy.findings(world.set.models())[0].contains("the guard is shut"));
        for decision in decide(&policy, &world.quality, &world.cost_usd) {
            assert_eq!(decision.plan, Plan::One(0));
            assert_eq!(decision.reasons, [Reason::GuardShut { single: 0, level: 0.05 }]);
        }
    }
    let mut stream = FitContext::new(1).stream("world");
    let world = World::of(2, two_tasks(&mut stream, 500, 0.05), &[0.0; 2]);
    assert_eq!(world.fit_with(&GuardedConfig::default(), false).guard(), Guard::Shut);
    assert_eq!(world.fit_with(&GuardedConfig { level: 0.0, ..GuardedConfig::default() }, true).guard(), Guard::Shut);
}

#[test]
fn cost_counts_in_the_ranking_and_in_the_gain() {
    // Equal outcomes: the cheaper model is the best single one once a dollar counts.
    let rows = || {
        (0..200)
            .map(|row| Row { estimates: vec![0.6, 0.6], outcomes: all([(row % 2) as f32; 2]), group: row })
            .collect()
    };
    let world = World::of(2, rows(), &[0.2, 0.1]);
    assert_eq!(world.fit().ranking(), [1, 0], "ties go to the cheaper");
    let config = GuardedConfig { lambda: 1.0, level: 0.05 };
    assert_eq!(world.fit_with(&config, true).ranking(), [1, 0]);
    // The cheaper model answers a little less, everywhere but on one half; there it is known to.
    let rows = (0..400).map(|row| Row {
        estimates: if row % 2 == 0 { vec![0.9, 0.9] } else { vec![0.9, 0.5] },
        outcomes: all([f32::from(row % 20 != 1), f32::from(row % 2 == 0)]),
        group: row as u32,
    });
    let world = World::of(2, rows.collect(), &[0.2, 0.1]);
    let policy = world.fit_with(&config, true);
    assert_eq!((policy.ranking(), policy.guard()), (&[0, 1][..], Guard::From { threshold: 0.0 }));
    let decisions = decide(&policy, &world.quality, &world.cost_usd);
    assert!(decisions.iter().enumerate().all(|(row, decision)| decision.model() == Some(usize::from(row % 2 == 0))));
    let told = policy.findings(world.set.models());
    assert!(
        told[0].contains("`m0`; the guard is open at level 0.05: leaving it from an expected gain of 0.0000 on, 50%"),
        "{told:?}"
    );
    let gain = policy.tested()[0].gain;
    assert!((gain - (200.0 * 0.1 - 1.0) / 401.0).abs() < 1e-6, "{gain}");
}

fn learned(guard: Guard) -> GuardedPolicy {
    GuardedPolicy::new(fitted::Learned {
        lambda: 0.0,
        level: 0.05,
        guard,
        proven: vec![true, true, true, false],
        ranking: vec![2, 0, 1, 3],
        tested: Vec::new(),
    })
    .unwrap()
}

#[test]
fn a_prompt_leaves_from_the_threshold_on_and_says_so() {
    let policy = learned(Guard::From { threshold: 0.125 });
    let quality = Matrix::from_vec(3, 4, vec![0.75, 0.5, 0.5, 0.9, 0.5, 0.625, 0.5, 0.9, 0.5, 0.6, 0.5, 0.9]).unwrap();
    let decisions = decide(&policy, &quality, &Matrix::zeros(3, 4));
    let found: Vec<_> = decisions.iter().map(|d| (d.model().unwrap(), d.fallback.clone(), d.score)).collect();
    assert_eq!(
        found,
        [
            (0, vec![2, 1, 3], 0.75),
            (1, vec![2, 0, 3], 0.625),
            // Below the threshold the estimates do not decide: the order is that of training.
            (2, vec![0, 1, 3], 0.5),
        ]
    );
    assert_eq!(decisions[0].reasons, [Reason::GuardLeft { single: 2, gain: 0.25, threshold: 0.125 }]);
    let gain = f64::from(0.6f32) - 0.5;
    assert_eq!(decisions[2].reasons, [Reason::GuardKept { single: 2, gain, threshold: 0.125 }]);
}

#[test]
fn a_request_without_the_best_single_model_is_guarded_against_the_next() {
    let policy = learned(Guard::From { threshold: 0.125 });
    let quality = Matrix::from_vec(2, 4, vec![0.5, 0.75, 0.6, 0.9, 0.7, 0.75, 0.6, 0.9]).unwrap();
    let decisions = decide_among(&policy, &quality, &Matrix::zeros(2, 4), |_, model| model != 2);
    assert_eq!((decisions[0].model(), &decisions[0].fallback), (Some(1), &vec![0, 3]));
    assert_eq!(decisions[0].reasons, [Reason::GuardLeft { single: 0, gain: 0.25, threshold: 0.125 }]);
    // Model 1 would have been chosen over model 2, but not over the next best single model.
    assert_eq!((decisions[1].model(), &decisions[1].fallback), (Some(0), &vec![1, 3]));
    assert_eq!(decisions[1].reasons.len(), 2);
    assert_eq!(decisions[1].reasons[1], Reason::Constrained { instead_of: 1 });
    let shut = decide_among(&learned(Guard::Shut), &quality, &Matrix::zeros(2, 4), |_, model| model != 2);
    assert_eq!((shut[0].model(), &shut[0].fallback), (Some(0), &vec![1, 3]));
    assert_eq!(shut[0].reasons, [Reason::GuardShut { single: 0, level: 0.05 }, Reason::Constrained { instead_of: 2 }]);
    let none = decide_among(&policy, &quality, &Matrix::zeros(2, 4), |_, _| false);
    assert_eq!(none[0], Decision::default());
    // A model of few outcomes is chosen where it is the only one.
    let only = decide_among(&policy, &quality, &Matrix::zeros(2, 4), |_, model| model == 3);
    assert_eq!((only[0].model(), &only[0].reasons[0]), (Some(3), &Reason::HighestQuality));
}

#[test]
fn what_is_out_of_range_or_no_ranking_is_refused() {
    for (lambda, level, field) in [(-1.0, 0.05, "lambda"), (0.0, 1.5, "level"), (0.0, f64::NAN, "level")] {
        let error = GuardedConfig { lambda, level }.check().unwrap_err();
        assert_eq!((error.kind(), error.field()), (ErrorKind::Config, Some(field)));
    }
    let with = |guard, ranking: &[usize]| {
        GuardedPolicy::new(fitted::Learned {
            lambda: 0.0,
            level: 0.05,
            guard,
            proven: vec![true; 3],
            ranking: ranking.to_vec(),
            tested: Vec::new(),
        })
        .is_ok()
    };
    assert!(with(Guard::Shut, &[2, 0, 1]));
    for ranking in [&[0, 1][..], &[0, 1, 1], &[0, 1, 3], &[0, 1, 2, 2]] {
        assert!(!with(Guard::Shut, ranking), "{ranking:?}");
    }
    assert!(!with(Guard::From { threshold: -0.1 }, &[2, 0, 1]));
    let other_pool = Matrix::zeros(1, 5);
    let mut eligible = Eligibility::default();
    eligible.reset(1, 5);
    let choice = Choice {
        quality: other_pool.view(),
        variance: None,
        cost_usd: other_pool.view(),
        known_cost: &[true; 5],
        eligible: &eligible,
    };
    let error = learned(Guard::Shut).choose(&choice, &mut [Decision::default()]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Shape);
}

proptest! {
    /// Without a guard it is the utility policy: plan, fallback, score and reasons.
    #[test]
    fn level_one_is_utility(
        quality in prop::collection::vec(0u8..5, 24),
        cost in prop::collection::vec(0u8..3, 24),
        eligible in prop::collection::vec(any::<bool>(), 24),
        lambda in prop::sample::select(vec![0.0, 0.5]),
    ) {
        let matrix = |values: &[u8]| Matrix::from_vec(6, 4, values.iter().map(|&v| f32::from(v) * 0.25).collect()).unwrap();
        let (quality, cost) = (matrix(&quality), matrix(&cost));
        let rows = (0..6).map(|row| Row {
            estimates: quality.row(row).to_vec(),
            outcomes: all([0.0, 1.0, 0.5, 0.25]),
            group: row as u32,
        });
        let config = GuardedConfig { lambda, level: 1.0 };
        let policy = World::of(4, rows.collect(), &[0.0; 4]).fit_with(&config, false);
        let may = |row: usize, model: usize| eligible[row * 4 + model];
        let free = UtilityPolicy::new(lambda).unwrap();
        prop_assert_eq!(decide_among(&policy, &quality, &cost, may), decide_among(&free, &quality, &cost, may));
    }
}

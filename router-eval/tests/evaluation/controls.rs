//! Claims, perturbations and times.

use std::sync::Arc;

use router_core::{Dataset, FitContext};
use router_eval::robustness::Perturbation;
use router_eval::{Evaluation, NamedConfig, Options, train_test};

use crate::plugins::registry;
use crate::worlds::{script, test, train, world};

/// A hundred prompts of which the dear model b solves 80 and the cheap one a none of those but ten others; b is best on train.
fn hundred() -> (Arc<Dataset>, Arc<Dataset>) {
    let texts: Vec<String> = (0..100).map(|row| format!("r{row} a")).collect();
    let rows: Vec<(&str, &str, &[Option<f32>])> = texts
        .iter()
        .enumerate()
        .map(|(row, text)| {
            let qualities: &[Option<f32>] = match row {
                0..80 => &[Some(0.0), Some(1.0)],
                80..90 => &[Some(1.0), Some(0.0)],
                _ => &[Some(0.0), Some(0.0)],
            };
            (text.as_str(), "", qualities)
        })
        .collect();
    let costs = [Some(1.0), Some(5.0)];
    let train = world("train", &costs, &[("t0 a", "", &[Some(0.0), Some(1.0)])]);
    (Arc::new(train), Arc::new(world("hundred", &costs, &rows)))
}

fn run(configs: &[NamedConfig]) -> Evaluation {
    let (train, test) = hundred();
    let options = Options { resamples: 4_000, ..Options::default() };
    train_test(configs, &registry(), &train, &[test], &options, &FitContext::new(0)).unwrap()
}

/// Sends the prompts of these numbers to a, the rest to b.
fn sending(name: &str, to_a: std::ops::Range<usize>) -> NamedConfig {
    let ids: Vec<String> = to_a.map(|row| format!("r{row}")).collect();
    let choices: Vec<(&str, usize)> = ids.iter().map(|id| (id.as_str(), 0)).collect();
    script(name, &choices, 1)
}

#[test]
fn a_claim_has_the_size_that_it_needs() {
    // Prompts 75 to 89 go to a: 5 lost, 10 won. Mean +0.05, variance 0.15 - 0.0025, standard error 0.0384.
    let evaluation = run(&[sending("mine", 75..90)]);
    let router = &evaluation.summary.routers[0];
    let (difference, claim) = (router.vs_best_single.unwrap(), router.claim_vs_best_single.unwrap());
    assert!((difference.delta - 0.05).abs() < 1e-12 && !difference.is_significant());
    assert!((claim.standard_error - 0.0384).abs() < 0.001, "{claim:?}");
    // 2.80 standard errors; 100 * (0.1076 / 0.05)^2 = 463 prompts.
    assert!((claim.smallest_detectable - 0.1076).abs() < 0.003, "{claim:?}");
    assert!(claim.prompts_needed.is_some_and(|needed| needed.abs_diff(463) < 25), "{claim:?}");
    // z = 1.30: 0.19 on two sides.
    assert!((claim.p_value - 0.19).abs() < 0.05, "{claim:?}");
    assert_eq!(claim.p_holm, claim.p_value);
    let notes = evaluation.summary.notes.join("\n");
    assert!(notes.contains("is not shown") && notes.contains("prompts like these"), "{notes}");
    // 30% of the oracle's lead of 0.1 is less than what 100 prompts show.
    assert!(notes.contains("The pool is narrow"), "{notes}");
}

#[test]
fn a_claim_that_holds_needs_no_warning() {
    let evaluation = run(&[sending("mine", 80..90)]);
    let claim = evaluation.summary.routers[0].claim_vs_best_single.unwrap();
    assert!(claim.p_value < 0.01 && claim.prompts_needed.is_some_and(|needed| needed < 100), "{claim:?}");
    assert!(!evaluation.summary.notes.iter().any(|note| note.contains("is not shown")));
}

#[test]
fn many_routers_are_corrected_for_each_other() {
    // Seven won, one lost: significant alone, not as one of four; the three others never differ from best single.
    let configs: Vec<NamedConfig> = std::iter::once(sending("mine", 79..86))
        .chain(["other", "third", "fourth"].map(|name| sending(name, 0..0)))
        .collect();
    let evaluation = run(&configs);
    let claims: Vec<_> = evaluation.summary.routers.iter().map(|router| router.claim_vs_best_single.unwrap()).collect();
    assert!((claims[0].p_holm - 4.0 * claims[0].p_value).abs() < 1e-12, "{claims:?}");
    assert_eq!((claims[1].p_value, claims[1].p_holm), (1.0, 1.0));
    let note = evaluation.summary.notes.iter().find(|note| note.contains("Holm")).unwrap();
    assert!(note.starts_with("4 routers are compared at once") && note.ends_with("for all of them: none."), "{note}");
    assert!(evaluation.summary.references.iter().all(|entry| entry.claim_vs_best_single.is_none()));
}

#[test]
fn a_router_that_goes_by_identity_is_robust_and_one_by_letters_is_not() {
    let options = Options { robustness: true, resamples: 200, ..Options::default() };
    let configs = [script("mine", &[("p1", 1)], 0)];
    let evaluation = train_test(&configs, &registry(), &train(), &[test()], &options, &FitContext::new(0)).unwrap();
    let found = &evaluation.summary.robustness;
    assert_eq!(found.iter().map(|one| one.perturbation).collect::<Vec<_>>(), Perturbation::ALL);
    for one in found {
        // The script goes by the prompt's identifier, which no perturbation changes.
        assert_eq!((one.router.as_str(), one.unchanged, one.quality, one.decisions), ("mine", 1.0, Some(0.75), 4));
        assert_eq!(one.vs_unchanged.map(|difference| (difference.delta, difference.ci)), Some((0.0, [0.0, 0.0])));
    }
    let plain = Options { resamples: 200, ..Options::default() };
    let evaluation = train_test(&configs, &registry(), &train(), &[test()], &plain, &FitContext::new(0)).unwrap();
    assert!(evaluation.summary.robustness.is_empty());

    // Nearest neighbors on counts of letters follow every letter that a template brings.
    let nearest =
        [crate::worlds::with_estimators("near", "letters", vec![router_core::ComponentConfig::new("neighbors")])];
    let evaluation = train_test(&nearest, &registry(), &train(), &[test()], &options, &FitContext::new(0)).unwrap();
    let found = &evaluation.summary.robustness;
    assert!(found.iter().any(|one| one.unchanged < 1.0), "{found:?}");
    let case = found.iter().find(|one| one.perturbation == Perturbation::Case).unwrap();
    assert_eq!(case.unchanged, 1.0, "these counts do not know case");
}

#[test]
fn single_decisions_are_timed_for_routers() {
    let configs = [script("mine", &[("p1", 1)], 0)];
    let options = Options { resamples: 50, seeds: vec![1, 2], ..Options::default() };
    let evaluation = train_test(&configs, &registry(), &train(), &[test()], &options, &FitContext::new(0)).unwrap();
    let latency = evaluation.summary.routers[0].latency.unwrap();
    // Four prompts, the first of which warms up; under one seed.
    assert_eq!((latency.decision.decisions, latency.with_encoder.decisions), (3, 3));
    for times in [latency.decision, latency.with_encoder] {
        assert!(0.0 < times.p50_us && times.p50_us <= times.p99_us);
    }
    assert!(evaluation.summary.references.iter().all(|entry| entry.latency.is_none()));
    let untimed = Options { latency: false, ..options };
    let evaluation = train_test(&configs, &registry(), &train(), &[test()], &untimed, &FitContext::new(0)).unwrap();
    assert_eq!(evaluation.summary.routers[0].latency, None);
}

use rand::RngExt as _;
use router_core::{Model, ModelPool, Seed};

use super::*;

/// Two models, of which `strong` answers hard prompts (one in three) at 0.8 and `weak` at 0.1; both answer easy ones, at 0.9 and 0.85.
fn quality(is_hard: bool, model: usize) -> f64 {
    match (is_hard, model) {
        (true, 0) => 0.1,
        (true, _) => 0.8,
        (false, 0) => 0.85,
        (false, _) => 0.9,
    }
}

fn pool() -> ModelPool {
    ModelPool::new(vec![Model::new("weak").with_price(1.0, 1.0), Model::new("strong").with_price(10.0, 10.0)]).unwrap()
}

/// A router that sends hard prompts to `strong`, with exploration.
fn traffic(calls: usize, share: f64) -> Vec<Call> {
    let mut stream = Seed::root(3).stream("traffic");
    (0..calls)
        .map(|_| {
            let is_hard = stream.random_range(0..3) == 0;
            let chosen = usize::from(is_hard);
            let explores = stream.random_range(0.0..1.0) < share;
            let asked = if explores { 1 - chosen } else { chosen };
            let noise = stream.random_range(-0.1..0.1);
            let cost = if asked == 0 { 1e-3 } else { 1e-2 };
            Call {
                eligible: vec![0, 1],
                chosen,
                asked,
                propensity: if explores { share } else { 1.0 - share },
                answered_by: Some(asked),
                quality: Some(quality(is_hard, asked) + noise),
                cost_usd: Some(cost),
                tokens: Some((600.0, 400.0)),
                ..Call::default()
            }
        })
        .collect()
}

fn options() -> OffPolicyOptions {
    OffPolicyOptions { resamples: 500, ..OffPolicyOptions::default() }
}

fn within(estimate: Estimate, truth: f64) -> bool {
    estimate.ci[0] <= truth && truth <= estimate.ci[1]
}

#[test]
fn exploration_gives_every_models_quality_on_all_prompts() {
    let report = Report::of(&traffic(30_000, 0.2), &pool(), &[], &options()).unwrap();
    let truth = |model| (quality(true, model) + 2.0 * quality(false, model)) / 3.0;
    let router = (quality(true, 1) + 2.0 * quality(false, 0)) / 3.0;
    for (model, described) in report.models.iter().enumerate() {
        let found = described.quality.unwrap();
        assert!(within(found.estimate, truth(model)), "{}: {found:?} is not {}", described.model, truth(model));
        assert!(within(found.gain.unwrap(), router - truth(model)), "{found:?}");
        assert!(found.estimate.ci[1] - found.estimate.ci[0] < 0.04, "{found:?}");
        // What was sent to it is another thing: the router sends to each what it is good at.
        assert!(!within(found.estimate, described.quality_as_sent.unwrap()), "{described:?}");
        assert!(found.effective < found.answers as f64);
        let cost = described.cost_usd_per_call.unwrap();
        let expected = if model == 0 { 1e-3 } else { 1e-2 };
        assert!((cost.value - expected).abs() < 1e-12, "{cost:?}");
    }
    assert_eq!((report.best.as_deref(), report.best_source), (Some("strong"), "estimated"));
    assert_eq!(report.cheapest.as_deref(), Some("weak"));
    assert_eq!((report.drawn, report.rated), (30_000, 30_000));
    assert!((report.explored as f64 - 6000.0).abs() < 300.0, "{}", report.explored);
    // All at 10 dollars a million tokens, less what it cost.
    let saved = report.models[1].saved.unwrap();
    assert!((saved.cost_usd - 300.0).abs() < 1e-6 && (saved.saved_usd.value - (300.0 - report.cost_usd)).abs() < 1e-6);
    assert!(saved.saved_usd.ci[0] < saved.saved_usd.value && saved.saved_usd.value < saved.saved_usd.ci[1]);
    assert!(report.models[0].saved.unwrap().saved_usd.value < 0.0, "all to the cheapest costs less");
}

#[test]
fn a_plain_mean_of_what_was_sent_would_be_wrong_and_is_not_given_for_an_estimate() {
    let mut calls = traffic(2000, 0.2);
    calls.retain(|call| call.asked == call.chosen);
    for call in &mut calls {
        call.propensity = 1.0;
    }
    let report = Report::of(&calls, &pool(), &[], &options()).unwrap();
    assert!(report.models.iter().all(|model| model.quality.is_none() && model.quality_as_sent.is_some()));
    assert_eq!((report.best, report.best_source, report.drawn), (None, "unknown", 0));
    assert!(report.notes[0].contains("every propensity is 1"), "{:?}", report.notes);
    // Costs can be told all the same, also against a model that somebody names.
    assert!(report.models[1].saved.unwrap().saved_usd.value > 0.0);
    let named = Report::of(&calls, &pool(), &[], &OffPolicyOptions { best: Some(1), ..options() }).unwrap();
    assert_eq!((named.best.as_deref(), named.best_source), (Some("strong"), "named"));
}

#[test]
fn intervals_cover() {
    let truth = (quality(true, 1) + 2.0 * quality(false, 1)) / 3.0;
    let all = traffic(40_000, 0.3);
    let covered = all
        .chunks(400)
        .filter(|calls| {
            within(Report::of(calls, &pool(), &[], &options()).unwrap().models[1].quality.unwrap().estimate, truth)
        })
        .count();
    // 100 intervals of 95%: between 88 and 100 by chance.
    assert!((88..=100).contains(&covered), "{covered}");
}

#[test]
fn two_routers_are_told_apart() {
    let mut calls = traffic(4000, 0.2);
    for (at, call) in calls.iter_mut().enumerate() {
        // The second router decides every fourth call, and the first one beside it, which would always ask `strong`.
        call.router = Some(usize::from(at % 4 == 0));
        call.shadow = (at % 4 == 0).then_some((0, 1));
        if at % 4 == 0 {
            call.quality = Some(0.25);
        }
    }
    let routers = ["first".to_owned(), "second".to_owned()];
    let report = Report::of(&calls, &pool(), &routers, &options()).unwrap();
    let [first, second] = report.routers.as_slice() else { panic!("{report:?}") };
    assert_eq!((first.calls, second.calls, first.shadowed, second.shadowed), (3000, 1000, 1000, 0));
    assert_eq!((second.quality.unwrap().value, second.agreement), (0.25, None));
    assert!(first.quality.unwrap().ci[0] > 0.5);
    let chose = calls.iter().step_by(4).filter(|call| call.chosen == 1).count() as f64 / 1000.0;
    assert!((first.agreement.unwrap() - chose).abs() < 1e-12);
}

#[test]
fn what_has_no_choice_or_no_call_says_so() {
    let mut calls = traffic(10, 0.2);
    for call in &mut calls {
        call.eligible = vec![call.asked];
    }
    for calls in [calls, Vec::new()] {
        let report = Report::of(&calls, &pool(), &[], &options()).unwrap();
        assert_eq!((report.calls, report.with_choice, report.quality), (calls.len(), 0, None));
        assert!(report.notes[0].contains("nothing to say"), "{:?}", report.notes);
    }
    let wrong = |call: Call| Report::of(&[call], &pool(), &[], &options()).is_err();
    assert!(wrong(Call { propensity: 0.0, eligible: vec![0, 1], ..Call::default() }));
    assert!(wrong(Call { propensity: 1.0, eligible: vec![0, 2], ..Call::default() }));
}

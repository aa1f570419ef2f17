//! Numbers that were computed by hand.

use router_core::cost::CostKind;
use router_core::{ComponentConfig, ErrorKind, FitContext};
use router_eval::summary::Entry;
use router_eval::{Evaluation, NamedConfig, Options, train_test};

use crate::plugins::registry;
use crate::worlds::{find, script, test, train, with_estimators, world};

fn options() -> Options {
    Options { resamples: 200, ..Options::default() }
}

fn evaluate(configs: &[NamedConfig]) -> Evaluation {
    train_test(configs, &registry(), &train(), &[test()], &options(), &FitContext::new(0)).unwrap()
}

#[track_caller]
fn close(found: Option<f64>, expected: f64) {
    assert!(found.is_some_and(|found| (found - expected).abs() < 1e-12), "{found:?} is not {expected}");
}

/// A router whose every plan is the given one.
fn planned(name: &str, set: &[usize], cascade: &[(usize, f32)]) -> NamedConfig {
    let mut config = script(name, &[], 0);
    config.config.policy =
        Some(ComponentConfig::new("planned").with("set", set).with("cascade", serde_json::json!(cascade)));
    config
}

#[test]
fn sets_score_their_best_answer_at_the_sum_of_costs_and_cascades_their_path() {
    let evaluation = evaluate(&[
        planned("both", &[0, 1], &[]),
        planned("first a", &[], &[(0, 1.0), (1, 0.0)]),
        planned("only a", &[], &[(0, 0.0), (1, 0.0)]),
        planned("a and c", &[0, 2], &[]),
    ]);
    let of = |name: &str| find(&evaluation.summary.routers, name);
    close(of("both").quality, 0.75); // the better of a and b: 1, 1, 0, 1
    close(of("both").cost_usd, 4.0);
    assert_eq!(of("both").distribution.get("a"), Some(&0.5));
    // a answers p0 and p3; for the others b is asked too, which answers p1: 1, 4, 4 and 1 dollars.
    close(of("first a").quality, 0.75);
    close(of("first a").cost_usd, 2.5);
    assert_eq!(of("first a").distribution.get("a"), Some(&0.75));
    // Any answer is good enough.
    close(of("only a").quality, 0.5);
    close(of("only a").cost_usd, 1.0);
    // c was not asked p3, and has no price: 1, 0, 1.
    close(of("a and c").quality, 2.0 / 3.0);
    assert_eq!((of("a and c").unscored, of("a and c").cost_usd), (1, None));
    let told = evaluation.summary.notes.iter().filter(|note| note.contains("perfect picker")).count();
    assert_eq!(told, 4);
    let row = evaluation.decisions.iter().find(|row| row.router == "first a" && row.prompt_id == "p1").unwrap();
    assert_eq!((row.model.as_deref(), row.score, row.cost_usd), (Some("b"), Some(1.0), Some(4.0)));
}

#[test]
fn a_tiny_world_has_the_numbers_computed_by_hand() {
    let evaluation = evaluate(&[script("mine", &[("p1", 1)], 0)]);
    let summary = &evaluation.summary;
    let of = |name: &str| -> &Entry { find(&summary.references, name) };
    assert_eq!((summary.prompts, summary.models, summary.unscored), (4, 3, 0));
    assert_eq!(summary.folds, None);
    assert_eq!(summary.unpriced_models, ["c"]);

    close(summary.routers[0].quality, 0.75); // a, b, a, a: 1, 1, 0, 1
    close(summary.routers[0].cost_usd, 1.5);
    assert_eq!(summary.routers[0].cost_kind, CostKind::Measured);
    close(summary.routers[0].gap_closed, 0.5); // (0.75 - 0.5) / (1 - 0.5)
    close(summary.routers[0].vs_best_single.map(|difference| difference.delta), 0.25);
    assert_eq!(summary.routers[0].distribution.get("a"), Some(&0.75));

    close(of("random").quality, (2.0 / 3.0 + 1.0 / 3.0 + 1.0 / 3.0 + 1.0) / 4.0);
    assert_eq!(of("random").cost_kind, CostKind::None);
    assert_eq!(of("random").cost_usd, None);
    close(of("cheapest").quality, 0.5); // a: 1, 0, 0, 1
    close(of("cheapest").cost_usd, 1.0);
    close(of("best-single").quality, 0.5); // b: 0, 1, 0, 1
    close(of("best-single").cost_usd, 3.0);
    close(of("best-single").gap_closed, 0.0);
    close(of("benchmark-label").quality, 0.75); // a, b, b (z is unknown), a: 1, 1, 0, 1
    close(of("oracle").quality, 1.0);
    close(of("oracle").gap_closed, 1.0);
    // a, b, c, a or b: p3's tie goes to the cheaper a.
    assert_eq!(of("oracle").distribution.get("a"), Some(&0.5));
    // The hull is a (1 USD, 0.5) and b (3 USD, 0.75); 1.5 USD are a quarter of b. On test both have 0.5.
    let mix = of("cost-matched-mix");
    assert_eq!(mix.matched_to.as_deref(), Some("mine"));
    close(mix.cost_usd, 1.5);
    close(mix.quality, 0.5);
    close(mix.distribution.get("b").copied(), 0.25);
    // Nearest: p0 = t0 -> a; p1 = t3 -> b; p3 = t1 -> a, b tie: a is cheaper.
    // p2 is equally far from all: the first.
    assert_eq!((of("knn").distribution.get("a"), of("knn").distribution.get("b")), (Some(&0.75), Some(&0.25)));
    close(of("knn").quality, 0.75);
    assert!(of("knn").microseconds_per_prompt.is_some() && of("oracle").microseconds_per_prompt.is_none());
}

#[test]
fn further_metrics_of_the_tiny_world_are_those_computed_by_hand() {
    let evaluation = evaluate(&[script("mine", &[("p1", 1)], 0)]);
    let summary = &evaluation.summary;
    let metrics = &summary.routers[0].metrics;

    // a, b, a, a score 1, 1, 0, 1 on benchmarks x, y, z, x.
    let averages = metrics.averages.unwrap();
    assert_eq!((averages.micro, averages.macro_benchmark, averages.benchmarks), (0.75, 2.0 / 3.0, 3));

    // The script expects 1 of its choice and 0 of the others. Of the priced models a (1 USD) and b (3 USD), p1 changes from b to a
    // at lambda 1 / (3 - 1); beyond, all go to a: 1, 0, 0, 1.
    let curve = metrics.curve.as_ref().unwrap();
    let points: Vec<(Option<f64>, f64, f64)> =
        curve.points.iter().map(|point| (point.lambda, point.quality, point.cost_usd)).collect();
    assert_eq!(points[0], (Some(0.0), 0.75, 1.5));
    assert_eq!(points.last(), Some(&(None, 0.5, 1.0)));
    assert!(points.iter().any(|point| point.0 == Some(0.5)));
    assert_eq!((curve.prompts, curve.cost_kind), (4, CostKind::Measured));
    // b, best on train, has 0.5 for 3 USD; a has that for 1.
    let equal = curve.cost_at_equal_quality.as_ref().unwrap();
    assert_eq!((equal.best_single_quality, equal.best_single_cost_usd, equal.cost_usd), (0.5, 3.0, 1.0));
    close(Some(equal.share), 1.0 / 3.0);
    assert_eq!(equal.held_out, None); // ten parts of four prompts
    let bench = curve.llmrouterbench.unwrap();
    close(Some(bench.perf_gain), 0.5);
    close(bench.cost_save, 2.0 / 3.0);
    // From 1 to 3 USD: the hull rises from 0.5 to 0.75 at 1.5 and stays.
    close(curve.aiq, f64::midpoint(0.5 * 0.625, 1.5 * 0.75));
    let single = summary.single_models.as_ref().unwrap();
    let names: Vec<(&str, f64)> = single.models.iter().map(|model| (model.model.as_str(), model.quality)).collect();
    assert_eq!(names, [("a", 0.5), ("b", 0.5)]);
    close(single.aiq, 0.5);

    // On test the strong model b is not better than a.
    assert_eq!(metrics.routellm, None);
    // p0: a right alone of the priced; p1: b; p2: nobody; p3: both, a cheaper.
    let arena = metrics.routerarena.unwrap();
    assert_eq!((arena.prompts, arena.optimal_selection, arena.optimal_cost), (3, Some(1.0), Some(1.0)));
    assert_eq!(arena.score, Some(0.0)); // 1,500 USD for a thousand
    let random = find(&summary.references, "random").metrics.routerarena.unwrap();
    assert_eq!(random.prompts, 0, "a model of unknown cost has a share of every prompt");
    let cheapest = find(&summary.references, "cheapest").metrics.routerarena.unwrap();
    assert_eq!((cheapest.optimal_selection, cheapest.optimal_cost), (Some(2.0 / 3.0), Some(2.0 / 3.0)));

    // p0 and p1 right, p2 (where c is) not, p3 without a difference between those observed.
    let selection = metrics.selection.unwrap();
    assert_eq!((selection.recall, selection.regret), (Some(2.0 / 3.0), 0.25));
    let ranking = metrics.ranking.as_ref().unwrap();
    close(Some(ranking.recall[0].recall), 2.0 / 3.0);
    close(Some(ranking.recall[0].chance), (2.0 / 3.0 + 1.0 / 3.0 + 1.0 / 3.0) / 3.0);
    // Of 11 pairs, the estimate is wrong on p0 c (0 for 1), p2 a (1 for 0), p2 c (0 for 1) and p3 b (0 for 1).
    let calibration = metrics.calibration.as_ref().unwrap();
    close(Some(calibration.pooled.brier), 4.0 / 11.0);
    close(Some(calibration.pooled.bias), (4.0 - 6.0) / 11.0);
    close(calibration.chosen.as_ref().map(|chosen| chosen.bias), 0.25);
    assert_eq!(metrics.stability, None);
    // Against best-single, which is b everywhere: equal on p1 alone; nothing beyond chance.
    let against = summary.agreement.iter().find(|pair| pair.b == "best-single").unwrap();
    assert_eq!((against.share, against.kappa), (0.25, Some(0.0)));
}

#[test]
fn equal_seeds_are_stable() {
    let options = Options { seeds: vec![1, 2, 3], ..options() };
    let configs = [script("mine", &[("p1", 1)], 0)];
    let evaluation = train_test(&configs, &registry(), &train(), &[test()], &options, &FitContext::new(0)).unwrap();
    let stability = evaluation.summary.routers[0].metrics.stability.unwrap();
    assert_eq!((stability.equal_decisions, stability.quality_range, stability.seeds), (1.0, 0.0, 3));
}

#[test]
fn the_cost_at_equal_quality_is_chosen_on_other_prompts_too() {
    // Forty prompts that the cheap model solves as well as the dear one does, which is best on train by one.
    let texts: Vec<String> = (0..40).map(|row| format!("r{row} a")).collect();
    let rows: Vec<(&str, &str, &[Option<f32>])> = texts
        .iter()
        .enumerate()
        .map(|(row, text)| {
            let qualities: &[Option<f32>] = if row % 4 == 3 { &[Some(0.0); 2] } else { &[Some(1.0); 2] };
            (text.as_str(), "", qualities)
        })
        .collect();
    let test = std::sync::Arc::new(world("even", &[Some(1.0), Some(5.0)], &rows));
    let train = std::sync::Arc::new(world(
        "train",
        &[Some(1.0), Some(5.0)],
        &[("t0 a", "", &[Some(0.0), Some(1.0)]), ("t1 b", "", &[Some(1.0), Some(1.0)])],
    ));
    let evaluation =
        train_test(&[script("mine", &[], 1)], &registry(), &train, &[test], &options(), &FitContext::new(0)).unwrap();
    let curve = evaluation.summary.routers[0].metrics.curve.as_ref().unwrap();
    let equal = curve.cost_at_equal_quality.as_ref().unwrap();
    assert_eq!((equal.share, equal.share_ci), (0.2, Some([0.2, 0.2])));
    let held_out = equal.held_out.unwrap();
    close(Some(held_out.share), 0.2);
    close(Some(held_out.quality_delta), 0.0);
}

#[test]
fn a_mix_beyond_the_hull_is_its_end() {
    // Always b costs 3, the dear end of the hull.
    let evaluation = evaluate(&[script("dear", &[], 1), script("cheap", &[], 0)]);
    let mixes: Vec<&Entry> =
        evaluation.summary.references.iter().filter(|entry| entry.name == "cost-matched-mix").collect();
    assert_eq!(mixes.len(), 2);
    assert_eq!(mixes[0].distribution.get("b"), Some(&1.0));
    assert_eq!(mixes[1].distribution.get("a"), Some(&1.0));
    let labels: Vec<String> = mixes.iter().map(|mix| mix.label("dear")).collect();
    assert_eq!(labels, ["cost-matched-mix", "cost-matched-mix: cheap"]);
}

#[test]
fn a_router_of_unknown_cost_has_no_cost_and_no_mix() {
    let evaluation = evaluate(&[script("mine", &[("p2", 2)], 0)]);
    assert_eq!(evaluation.summary.routers[0].cost_usd, None);
    assert_eq!(evaluation.summary.routers[0].cost_kind, CostKind::None);
    let mix = find(&evaluation.summary.references, "cost-matched-mix");
    assert_eq!((mix.quality, mix.cost_usd, mix.unscored), (None, None, 0));
    assert!(mix.distribution.is_empty());
}

#[test]
fn always_the_best_single_model_differs_from_it_by_nothing() {
    let evaluation = evaluate(&[script("mine", &[], 1)]);
    let difference = evaluation.summary.routers[0].vs_best_single.unwrap();
    assert_eq!((difference.delta, difference.ci), (0.0, [0.0, 0.0]));
    assert_eq!(evaluation.summary.routers[0].gap_closed, Some(0.0));
    assert!(!difference.is_significant());
}

#[test]
fn a_missing_outcome_is_counted_and_not_scored() {
    let evaluation = evaluate(&[script("mine", &[("p3", 2)], 0)]);
    assert_eq!(evaluation.summary.unscored, 1);
    // a on p0, p1, p2.
    close(evaluation.summary.routers[0].quality, 1.0 / 3.0);
    // Paired over p0, p1, p2 alone, where b has 1/3 as well.
    close(evaluation.summary.routers[0].vs_best_single.map(|difference| difference.delta), 0.0);
    let row = evaluation.decisions.iter().find(|row| row.router == "mine" && row.prompt_id == "p3").unwrap();
    assert_eq!((row.model.as_deref(), row.score, row.cost_usd), (Some("c"), None, None));
    assert!(evaluation.summary.notes.iter().any(|note| note.starts_with("1 of 4 decisions of `mine`")));
}

#[test]
fn a_gap_too_narrow_is_not_divided_by() {
    let same = world("same", &[Some(1.0), Some(2.0)], &[("q0 a", "", &[Some(1.0), Some(1.0)])]);
    let same = std::sync::Arc::new(same);
    let evaluation = train_test(
        &[script("mine", &[], 0)],
        &registry(),
        &same,
        std::slice::from_ref(&same),
        &options(),
        &FitContext::new(0),
    )
    .unwrap();
    let router = &evaluation.summary.routers[0];
    assert_eq!((router.gap_closed, router.gap_closed_ci), (None, None));
}

#[test]
fn a_planted_leak_is_found() {
    let leaky = world(
        "test",
        &[Some(1.0), Some(3.0), None],
        &[("T2: CDE!", "y", &[Some(0.0), Some(1.0), Some(1.0)]), ("p1 fresh", "y", &[Some(0.0), Some(0.0), Some(1.0)])],
    );
    let evaluation = train_test(
        &[script("mine", &[], 1)],
        &registry(),
        &train(),
        &[std::sync::Arc::new(leaky)],
        &Options { near_duplicates: Some(|prompts| vec![0; prompts.len()]), ..options() },
        &FitContext::new(0),
    )
    .unwrap();
    let leakage = evaluation.summary.leakage.unwrap();
    assert_eq!((leakage.exact, leakage.near), (1, Some(2)));
    assert!(evaluation.summary.notes[0].contains("1 of 2 test prompts stand in the training data"));
    let clean = evaluate(&[script("mine", &[], 1)]);
    assert_eq!(clean.summary.leakage.map(|leakage| leakage.exact), Some(0));
}

#[test]
fn quality_without_the_leaked_prompts_is_given() {
    let leaky = world(
        "test",
        &[Some(1.0), Some(3.0), None],
        &[("t2 cde", "y", &[Some(0.0), Some(1.0), None]), ("p1 fresh", "y", &[Some(0.0), Some(0.0), None])],
    );
    let leaky = [std::sync::Arc::new(leaky)];
    let configs = [script("mine", &[], 1)];
    let evaluation = train_test(&configs, &registry(), &train(), &leaky, &options(), &FitContext::new(0)).unwrap();
    assert_eq!(evaluation.summary.leakage.unwrap().quality_without.get("mine"), Some(&0.0));
    assert_eq!(evaluation.summary.routers[0].quality, Some(0.5));
}

#[test]
fn stages_are_taken_apart() {
    let both = with_estimators(
        "mine",
        "letters",
        vec![ComponentConfig::new("task-script").with("otherwise", 1), ComponentConfig::new("script")],
    );
    let staged = train_test(
        &[both],
        &registry(),
        &train(),
        &[test()],
        &Options { stages: true, ..options() },
        &FitContext::new(0),
    )
    .unwrap();
    let names: Vec<&str> = staged.summary.routers.iter().map(|router| router.name.as_str()).collect();
    assert_eq!(names, ["mine", "mine: stage 1 alone", "mine: stage 2 alone"]);
    assert_eq!(staged.summary.routers[1].distribution.get("b"), Some(&1.0));
    assert_eq!(staged.summary.routers[2].distribution.get("a"), Some(&1.0));
}

#[test]
fn seeds_are_averaged_for_each_prompt() {
    let options = Options { seeds: vec![1, 2, 3], ..options() };
    let configs = [script("mine", &[("p1", 1)], 0)];
    let evaluation = train_test(&configs, &registry(), &train(), &[test()], &options, &FitContext::new(0)).unwrap();
    let router = &evaluation.summary.routers[0];
    assert_eq!(evaluation.summary.seeds, [1, 2, 3]);
    assert_eq!(router.quality_by_seed, [Some(0.75); 3]);
    assert_eq!(router.quality_seed_sd, Some(0.0));
    // The interval is that of four prompts, not of twelve.
    let one = evaluate(&configs);
    assert_eq!(router.quality_ci, one.summary.routers[0].quality_ci);
}

#[test]
fn several_test_sets_are_pooled_as_a_macro_mean() {
    let easy = world("easy", &[Some(1.0), Some(3.0), None], &[("e0 a", "", &[Some(1.0), Some(1.0), Some(1.0)])]);
    let sets = [test(), std::sync::Arc::new(easy)];
    let configs = [script("mine", &[("p1", 1)], 0)];
    let evaluation = train_test(&configs, &registry(), &train(), &sets, &options(), &FitContext::new(0)).unwrap();
    close(evaluation.summary.routers[0].quality, 0.875);
    close(evaluation.summary.routers[0].cost_usd, 1.25);
    assert_eq!(evaluation.summary.routers[0].quality_by_data, [Some(0.75), Some(1.0)]);
    assert_eq!(evaluation.summary.data, ["test", "easy"]);
}

#[test]
fn a_test_set_with_its_models_in_another_order_scores_the_same() {
    let test = test();
    let order = [2, 0, 1];
    let models = order.iter().map(|&old| test.models().get(old).unwrap().clone()).collect();
    let rows = (0..test.prompts().len()).map(|row| {
        let renumber = |outcome: &router_core::Outcome| router_core::Outcome {
            model: order.iter().position(|&old| old == outcome.model).unwrap(),
            ..*outcome
        };
        test.outcomes().row(row).iter().map(renumber).collect()
    });
    let outcomes = router_core::Outcomes::from_rows(3, rows.collect()).unwrap();
    let pool = router_core::ModelPool::new(models).unwrap();
    let permuted = router_core::Dataset::new("test", test.prompts().to_vec(), pool, outcomes).unwrap();
    let configs = [script("mine", &[("p1", 1)], 0)];
    let permuted = [std::sync::Arc::new(permuted)];
    let other = train_test(&configs, &registry(), &train(), &permuted, &options(), &FitContext::new(0)).unwrap();
    assert_eq!(other.decisions, evaluate(&configs).decisions);
}

#[test]
fn wrong_use_is_an_error() {
    let run = |configs: &[NamedConfig], options: &Options| {
        train_test(configs, &registry(), &train(), &[test()], options, &FitContext::new(0)).unwrap_err()
    };
    assert_eq!(run(&[], &options()).kind(), ErrorKind::Usage);
    assert_eq!(run(&[script("knn", &[], 0)], &options()).kind(), ErrorKind::Usage);
    let twice = Options { seeds: vec![4, 4], ..options() };
    assert_eq!(run(&[script("mine", &[], 0)], &twice).kind(), ErrorKind::Usage);
    let none = Options { resamples: 0, ..options() };
    assert_eq!(run(&[script("mine", &[], 0)], &none).field(), Some("resamples"));
    let strangers = world("strangers", &[Some(1.0)], &[("s0 a", "", &[None])]);
    let configs = [script("mine", &[], 0)];
    let strangers = [std::sync::Arc::new(strangers)];
    let error = train_test(&configs, &registry(), &train(), &strangers, &options(), &FitContext::new(0)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
}

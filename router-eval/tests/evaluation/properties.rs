//! What holds in every world.

use std::sync::Arc;

use proptest::prelude::*;
use router_core::{FitContext, parallel};
use router_eval::{Options, Summary, train_test};

use crate::plugins::registry;
use crate::worlds::{find, script, test, train, world};

fn qualities() -> impl Strategy<Value = Vec<Vec<Option<f32>>>> {
    let cell = prop::option::weighted(0.8, (0u8..=4).prop_map(|quality| f32::from(quality) / 4.0));
    prop::collection::vec(prop::collection::vec(cell, 3), 2..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_router_beats_the_oracle(train in qualities(), test in qualities(), choices in prop::collection::vec(0usize..3, 12)) {
        prop_assume!(train.iter().flatten().any(Option::is_some));
        prop_assume!(test.iter().flatten().any(Option::is_some));
        let set = |name: &str, rows: &[Vec<Option<f32>>]| {
            let texts: Vec<String> = (0..rows.len()).map(|row| format!("{name}{row} abc")).collect();
            let rows: Vec<(&str, &str, &[Option<f32>])> =
                texts.iter().zip(rows).map(|(text, row)| (text.as_str(), "x", row.as_slice())).collect();
            Arc::new(world(name, &[Some(1.0), Some(2.0), None], &rows))
        };
        let ids: Vec<String> = (0..12).map(|row| format!("test{row}")).collect();
        let choices: Vec<(&str, usize)> = ids.iter().map(String::as_str).zip(choices).collect();
        let options = Options { resamples: 50, ..Options::default() };
        let evaluation = train_test(
            &[script("mine", &choices, 0)], &registry(), &set("train", &train), &[set("test", &test)], &options, &FitContext::new(0),
        ).unwrap();
        let summary = &evaluation.summary;
        let rows = test.len();
        for entry in summary.routers.iter().chain(&summary.references) {
            // Compared over the prompts that were scored for the entry, as a prompt without a score is nobody's.
            let scored = |label: &str| -> Vec<Option<f64>> {
                evaluation.decisions.iter().filter(|row| row.router == label).map(|row| row.score).collect()
            };
            let (own, oracle) = (scored(&entry.label("mine")), scored("oracle"));
            prop_assert_eq!(own.len(), rows);
            for (own, oracle) in own.iter().zip(&oracle) {
                if let Some(own) = own {
                    prop_assert!(oracle.is_some_and(|oracle| oracle >= *own));
                }
            }
            if let Some(quality) = entry.quality {
                let [low, high] = entry.quality_ci.unwrap();
                prop_assert!((0.0..=1.0).contains(&quality) && low <= high);
            }
            if let Some(gap) = entry.gap_closed {
                prop_assert!(gap <= 1.0 + 1e-12);
            }
            let total: f64 = entry.distribution.values().sum();
            prop_assert!(entry.distribution.is_empty() || (total - 1.0).abs() < 1e-9);
        }
    }
}

/// The summary without what a clock measured.
pub(crate) fn without_times(summary: &Summary) -> Summary {
    let mut summary = summary.clone();
    for entry in summary.routers.iter_mut().chain(&mut summary.references) {
        entry.microseconds_per_prompt = entry.microseconds_per_prompt.map(|_| 1.0);
        if let Some(latency) = &mut entry.latency {
            for times in [&mut latency.decision, &mut latency.with_encoder] {
                (times.p50_us, times.p99_us) = (1.0, 2.0);
            }
        }
    }
    summary
}

#[test]
fn threads_change_nothing() {
    let run = || {
        let options = Options { seeds: vec![1, 2], stages: true, ..Options::default() };
        let configs = [script("mine", &[("p1", 1)], 0), script("other", &[], 2)];
        train_test(&configs, &registry(), &train(), &[test()], &options, &FitContext::new(0)).unwrap()
    };
    let one = parallel::with_threads(1, run).unwrap();
    let two = parallel::with_threads(2, run).unwrap();
    assert_eq!(without_times(&one.summary), without_times(&two.summary));
    assert_eq!(one.decisions, two.decisions);
}

#[test]
fn another_bootstrap_seed_gives_other_intervals() {
    let interval = |bootstrap_seed| {
        let options = Options { bootstrap_seed, resamples: 99, ..Options::default() };
        let configs = [script("mine", &[("p1", 1)], 0)];
        let rows: Vec<String> = (0..40).map(|row| format!("r{row} a")).collect();
        let rows: Vec<(&str, &str, &[Option<f32>])> = rows
            .iter()
            .enumerate()
            .map(|(row, text)| {
                let qualities: &[Option<f32>] =
                    if row % 3 == 0 { &[Some(0.0), Some(1.0)] } else { &[Some(0.7), Some(0.1)] };
                (text.as_str(), "", qualities)
            })
            .collect();
        let data = Arc::new(world("data", &[Some(1.0), Some(2.0)], &rows));
        let evaluation =
            train_test(&configs, &registry(), &data, std::slice::from_ref(&data), &options, &FitContext::new(0))
                .unwrap();
        find(&evaluation.summary.references, "best-single").quality_ci
    };
    assert_eq!(interval(1), interval(1));
    assert_ne!(interval(1), interval(2));
}

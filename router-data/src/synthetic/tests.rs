use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::bank::{COMMON, KINDS};
use super::*;

/// Mean quality over the prompts if `choose` names the model for each.
fn quality(world: &World, choose: impl Fn(usize) -> usize) -> f64 {
    let n = world.planted.len();
    (0..n).map(|row| f64::from(world.dataset.outcomes().get(row, choose(row)).unwrap().quality)).sum::<f64>() / n as f64
}

/// The model of the best mean quality in `train` for every label.
fn best_by_label(train: &World, labels: &[u32]) -> BTreeMap<u32, usize> {
    let distinct: BTreeSet<u32> = labels.iter().copied().collect();
    distinct
        .into_iter()
        .map(|label| {
            let rows: Vec<usize> = (0..labels.len()).filter(|&row| labels[row] == label).collect();
            (label, train.dataset.subset(&rows).outcomes().best_single())
        })
        .collect()
}

/// The share of prompts whose label is that of the prompt most like it in words (Jaccard over distinct words, weighted by
/// rarity), among the first `count` prompts: how far a label can be read off the words alone.
fn words_tell(world: &World, labels: &[u32], count: usize) -> f64 {
    let mut ids: BTreeMap<String, usize> = BTreeMap::new();
    let mut documents: Vec<BTreeSet<usize>> = Vec::new();
    for prompt in world.dataset.prompts() {
        let text = prompt.text().to_lowercase();
        let words = text.split(|c: char| !c.is_alphanumeric());
        documents.push(
            words
                .map(|word| {
                    let next = ids.len();
                    *ids.entry(word.to_owned()).or_insert(next)
                })
                .collect(),
        );
    }
    let mut frequency = vec![0.0f64; ids.len()];
    documents.iter().flatten().for_each(|&word| frequency[word] += 1.0);
    let weights: Vec<f64> = frequency.iter().map(|f| (documents.len() as f64 / f).ln()).collect();
    let totals: Vec<f64> = documents.iter().map(|words| words.iter().map(|&word| weights[word]).sum()).collect();
    let mut own = vec![false; ids.len()];
    let mut right = 0;
    for row in 0..count {
        documents[row].iter().for_each(|&word| own[word] = true);
        let likeness = |other: usize| {
            let common: f64 = documents[other].iter().filter(|&&word| own[word]).map(|&word| weights[word]).sum();
            common / (totals[row] + totals[other] - common)
        };
        let others = (0..documents.len()).filter(|&other| other != row);
        let nearest = others.map(|other| (likeness(other), other)).max_by(|a, b| a.0.total_cmp(&b.0)).unwrap().1;
        right += usize::from(labels[nearest] == labels[row]);
        documents[row].iter().for_each(|&word| own[word] = false);
    }
    right as f64 / count as f64
}

fn small() -> impl Strategy<Value = WorldConfig> {
    (any::<u64>(), 1usize..40, 2usize..12, 0usize..3, 0usize..2, 0.05f64..=1.0, 0.0f64..2.0, 2usize..5, 0usize..200)
        .prop_map(|(seed, tasks, models, skill, wording, observed, size_skew, smallest_task, spare)| WorldConfig {
            seed,
            tasks,
            models,
            skill: [Skill::Task, Skill::Ranking, Skill::Cue][skill],
            wording: [Wording::Telling, Wording::Misleading][wording],
            observed,
            size_skew,
            smallest_task,
            prompts: tasks * smallest_task + spare,
            unmeasured_models: models / 3,
            cues: 1 + models % 4,
            ..WorldConfig::default()
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn sizes_are_those_asked_for(config in small()) {
        let world = World::generate(&config).unwrap();
        let data = &world.dataset;
        prop_assert_eq!(data.prompts().len(), config.prompts);
        prop_assert_eq!(data.models().len(), config.models);
        prop_assert_eq!((world.skill.rows(), world.skill.cols()), (config.prompts, config.models));
        prop_assert!(world.skill.as_slice().iter().all(|skill| (0.0..=1.0).contains(skill)));
        let mut sizes = vec![0usize; config.tasks];
        world.planted.iter().for_each(|&task| sizes[task as usize] += 1);
        prop_assert!(sizes.iter().all(|&size| size >= config.smallest_task));
        prop_assert!((0..config.prompts).all(|row| !data.outcomes().row(row).is_empty()));
        let measured = (0..config.models).filter(|&model| {
            data.outcomes().iter().any(|(_, o)| o.model == model && o.cost_usd.is_some())
        }).count();
        prop_assert!(measured <= config.models - config.unmeasured_models);
        prop_assert_eq!(&World::generate(&config).unwrap(), &world);
    }

    #[test]
    fn both_sides_of_a_split_hold_every_task(config in small(), share in 0.2f64..0.8) {
        let world = World::generate(&config).unwrap();
        let Ok((train, test)) = world.train_test(share) else {
            // Only near duplicates that fill a task can stand in the way.
            let groups = world.dataset.groups().iter().collect::<BTreeSet<_>>().len();
            prop_assert!(groups < config.prompts || config.prompts < 2);
            return Ok(());
        };
        let tasks = |world: &World| world.planted.iter().copied().collect::<BTreeSet<u32>>();
        prop_assert_eq!(tasks(&train), tasks(&world));
        prop_assert_eq!(tasks(&test), tasks(&world));
        prop_assert_eq!(train.planted.len() + test.planted.len(), config.prompts);
    }
}

#[test]
fn fewer_outcomes_seen_changes_no_other_number() {
    let full = World::generate(&WorldConfig { prompts: 300, ..WorldConfig::default() }).unwrap();
    let part = World::generate(&WorldConfig { prompts: 300, observed: 0.3, ..WorldConfig::default() }).unwrap();
    let share = part.dataset.outcomes().len() as f64 / full.dataset.outcomes().len() as f64;
    // A prompt always keeps one outcome of its eight: 1/8 + 7/8 * 0.3 of all are expected.
    assert!((share - 0.3875).abs() < 0.04, "{share}");
    for (row, outcome) in part.dataset.outcomes().iter() {
        assert_eq!(full.dataset.outcomes().get(row, outcome.model), Some(outcome));
    }
    assert_eq!(full.dataset.prompts(), part.dataset.prompts());
}

#[test]
fn the_common_vocabulary_has_the_share_asked_for() {
    for overlap in [0.0, 0.25, 0.6] {
        let config = WorldConfig { prompts: 1_500, tasks: 16, vocabulary_overlap: overlap, ..WorldConfig::default() };
        let world = World::generate(&config).unwrap();
        // Only words that no template holds, so that every one of them stands in a slot.
        let templates: String = KINDS.iter().flat_map(|kind| kind.asks.iter().chain(&kind.contexts)).copied().collect();
        let closings = super::bank::CLOSINGS.concat();
        let usable =
            |word: &&&str| !templates.contains(**word) && !closings.contains(**word) && !word.contains([' ', '-']);
        let common: Vec<&str> = COMMON[0].iter().filter(usable).copied().collect();
        let own: BTreeSet<&str> = KINDS.iter().flat_map(|kind| kind.nouns.iter()).filter(usable).copied().collect();
        let (mut from_common, mut from_own) = (0.0, 0.0);
        for prompt in world.dataset.prompts() {
            for word in prompt.text().split(|c: char| !c.is_alphanumeric()) {
                from_common += f64::from(u8::from(common.contains(&word)));
                from_own += f64::from(u8::from(own.contains(word)));
            }
        }
        // Undo that only some words of either list are counted.
        let all_own = 14.0 * KINDS.len() as f64;
        let (from_common, from_own) =
            (from_common * COMMON[0].len() as f64 / common.len() as f64, from_own * all_own / own.len() as f64);
        let share = from_common / (from_common + from_own);
        assert!((share - overlap).abs() < 0.04, "{share} for {overlap}");
    }
}

#[test]
fn in_the_demo_routing_pays_and_words_tell_the_task() {
    for seed in [0, 1, 7, 42, 1234] {
        let world = World::generate(&WorldConfig::demo(seed)).unwrap();
        let (train, test) = world.train_test(1500.0 / 2100.0).unwrap();
        assert_eq!((train.planted.len(), test.planted.len()), (1_500, 600));
        let single = train.dataset.outcomes().best_single();
        let best = best_by_label(&train, &train.planted);
        let (by_task, by_single) = (quality(&test, |row| best[&test.planted[row]]), quality(&test, |_| single));
        assert!(by_task - by_single > 0.1, "seed {seed}: {by_task} against {by_single}");
        assert!(best.values().collect::<BTreeSet<_>>().len() >= 6, "seed {seed}: specialists differ");
        let tell = words_tell(&world, &world.planted, 150);
        assert!(tell > 0.97, "seed {seed}: {tell}");
        let groups: BTreeSet<u32> = world.dataset.groups().iter().copied().collect();
        assert!(groups.len() >= 2_090, "seed {seed}: {} groups", groups.len());
        for (prompt, &task) in world.dataset.prompts().iter().zip(&world.planted) {
            assert_eq!(prompt.benchmark.as_deref(), Some(world.names[task as usize].as_str()));
        }
    }
}

#[test]
fn where_wording_misleads_only_rankings_tell_the_task() {
    for seed in [0, 7, 99] {
        let world = World::generate(&WorldConfig::misleading(seed)).unwrap();
        let by_topic = words_tell(&world, &world.topics, 150);
        assert!(by_topic > 0.97, "seed {seed}: words tell the topic: {by_topic}");
        let by_task = words_tell(&world, &world.planted, 150);
        assert!(by_task < 0.3, "seed {seed}: words do not tell the task: {by_task}");

        // The ranking of the models at one prompt is most like that at another prompt of its task.
        let order = |row: usize| {
            let mut outcomes: Vec<Outcome> = world.dataset.outcomes().row(row).to_vec();
            outcomes.sort_by(|a, b| b.quality.total_cmp(&a.quality));
            outcomes.iter().map(|outcome| outcome.model).collect::<Vec<_>>()
        };
        let orders: Vec<Vec<usize>> = (0..world.planted.len()).map(order).collect();
        for row in 0..50 {
            let others = (0..orders.len()).filter(|&other| other != row);
            let likeness = |other: usize| (skill::likeness(&orders[row], &orders[other]), other);
            let nearest = others.map(likeness).max_by(|a, b| a.0.total_cmp(&b.0)).unwrap().1;
            assert_eq!(world.planted[nearest], world.planted[row], "seed {seed}, row {row}");
        }
    }
}

#[test]
fn where_skill_goes_by_cue_neither_task_nor_cue_alone_is_enough() {
    for seed in [0, 7, 99] {
        for cues in [1, 2] {
            let config = WorldConfig { cues, ..WorldConfig::task_skill(seed) };
            let world = World::generate(&config).unwrap();
            let (train, test) = world.train_test(0.7).unwrap();
            let sides = |world: &World| -> Vec<u32> {
                let say = |text: &str, cue: usize| u32::from(text.contains(super::bank::CUES[cue][1][0]));
                let side = |text: &str| (0..cues).map(|cue| say(text, cue) << cue).sum();
                world.dataset.prompts().iter().map(|prompt| side(&prompt.text())).collect()
            };
            let score = |train_labels: Vec<u32>, test_labels: Vec<u32>| {
                let best = best_by_label(&train, &train_labels);
                quality(&test, |row| best[&test_labels[row]])
            };
            let single = quality(&test, |_| train.dataset.outcomes().best_single());
            let task = score(train.planted.clone(), test.planted.clone());
            let cue = score(sides(&train), sides(&test));
            let join = |world: &World| -> Vec<u32> {
                sides(world).iter().zip(&world.planted).map(|(side, task)| side + 16 * task).collect()
            };
            let both = score(join(&train), join(&test));
            assert!(task - single < 0.1 && cue - single < 0.1, "seed {seed}: {single} {task} {cue}");
            assert!(both - task.max(cue) > 0.25, "seed {seed}: {both} against {task} and {cue}");
        }
    }
}

#[test]
fn over_all_tasks_a_cue_is_worth_nothing() {
    let config = WorldConfig { outcome_noise: 0.0, ..WorldConfig::task_skill(5) };
    let mut stream = Seed::root(1).stream("skills");
    let skills = Skills::new(&config, &[], &mut stream);
    for model in 0..config.models {
        let worth: f64 =
            (0..config.tasks).map(|t| skills.expected(t, model, &[true]) - skills.expected(t, model, &[false])).sum();
        assert!(worth.abs() < 1e-9, "model {model}: {worth}");
    }
}

#[test]
fn a_field_out_of_its_range_is_named() {
    let field = |config: WorldConfig| {
        let error = World::generate(&config).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        error.field().unwrap().to_owned()
    };
    let sound = WorldConfig::default;
    assert_eq!(field(WorldConfig { tasks: 0, ..sound() }), "tasks");
    assert_eq!(field(WorldConfig { tasks: 257, ..sound() }), "tasks");
    assert_eq!(field(WorldConfig { models: 1, ..sound() }), "models");
    assert_eq!(field(WorldConfig { prompts: 10, ..sound() }), "prompts");
    assert_eq!(field(WorldConfig { observed: 0.0, ..sound() }), "observed");
    assert_eq!(field(WorldConfig { vocabulary_overlap: f64::NAN, ..sound() }), "vocabulary_overlap");
    assert_eq!(field(WorldConfig { unmeasured_models: 9, ..sound() }), "unmeasured_models");
}

#[test]
fn many_tasks_are_made_of_two_kinds() {
    let config = WorldConfig { tasks: 256, prompts: 1_024, smallest_task: 4, ..WorldConfig::default() };
    let world = World::generate(&config).unwrap();
    assert_eq!(world.names.iter().collect::<BTreeSet<_>>().len(), 256);
}

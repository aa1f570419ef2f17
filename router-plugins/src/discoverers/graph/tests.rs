use std::sync::Arc;

use rand::RngExt;
use router_core::parallel::with_threads;
use router_core::{CancelToken, Model, Seed};

use super::discover::prompt_graph;
use super::*;
use crate::graph::adjusted_rand_index;
use router_core::prelude::*;

/// A world with planted tasks: `wording[i]` says around which center prompt i lies, `tasks[i]` which models can do it.
struct World {
    wording: Vec<u32>,
    tasks: Vec<u32>,
    models: usize,
    noise: f32,
}

impl World {
    fn set(&self, seed: u64) -> TrainingSet {
        let mut stream = Seed::root(seed).stream("world");
        let (n, d) = (self.tasks.len(), 16);
        let centers: Vec<f32> = (0..d * 20).map(|_| stream.random_range(-1.0..1.0)).collect();
        let mut embeddings = Matrix::zeros(n, d);
        let mut rows = Vec::new();
        for row in 0..n {
            for col in 0..d {
                let center = centers[self.wording[row] as usize * d + col];
                embeddings.set(row, col, center + self.noise * stream.random_range(-1.0f32..1.0));
            }
            let able = |model: usize| (model + self.tasks[row] as usize).is_multiple_of(3);
            let outcomes = (0..self.models).map(|model| {
                let chance = if able(model) { 0.9 } else { 0.1 };
                Outcome::new(model, f32::from(u8::from(stream.random::<f64>() < chance)))
            });
            rows.push(outcomes.collect());
        }
        training_set(embeddings, self.models, rows)
    }
}

pub(super) fn training_set(embeddings: Matrix, models: usize, rows: Vec<Vec<Outcome>>) -> TrainingSet {
    let prompts = (0..rows.len()).map(|row| Prompt::new(row.to_string(), "x")).collect();
    let pool = ModelPool::new((0..models).map(|model| Model::new(format!("m{model}"))).collect()).unwrap();
    let outcomes = Outcomes::from_rows(models, rows).unwrap();
    let dataset = Dataset::new("world", prompts, pool, outcomes).unwrap();
    TrainingSet::new(Arc::new(dataset), Arc::new(embeddings)).unwrap()
}

fn discover(config: &GraphConfig, set: &TrainingSet) -> TaskMap {
    config.discover(set, &FitContext::new(7)).unwrap()
}

/// Labels to compare; every prompt without a task is one of its own.
pub(super) fn labels(map: &TaskMap) -> Vec<u32> {
    map.assignments().iter().enumerate().map(|(row, task)| task.map_or(1_000_000 + row as u32, |task| task.0)).collect()
}

#[test]
fn planted_tasks_of_unequal_size_are_found() {
    let tasks: Vec<u32> = (0..700).map(|row| [0, 0, 0, 0, 1, 1, 2, 3, 3, 3][row % 10]).collect();
    for seed in 0..3 {
        let world = World { wording: tasks.clone(), tasks: tasks.clone(), models: 9, noise: 0.8 };
        let set = world.set(seed);
        for quality in [Objective::Modularity, Objective::Cpm] {
            let map = discover(&GraphConfig { quality, ..GraphConfig::default() }, &set);
            let found = adjusted_rand_index(&labels(&map), &tasks).unwrap();
            assert!(found > 0.9, "seed {seed}, {quality:?}: {found}, {} tasks", map.count());
        }
    }
}

#[test]
fn where_wording_misleads_only_rankings_separate_the_tasks() {
    // Three tasks, each worded in all of four ways. Nearest prompts share both task and wording, so wording must weigh little
    // for the neighborhoods to reach across.
    let tasks: Vec<u32> = (0..600).map(|row| row % 3).collect();
    let wording = (0..600).map(|row| row / 3 % 4).collect();
    let set = World { wording, tasks: tasks.clone(), models: 12, noise: 0.5 }.set(1);
    let with = |agreement, edges| {
        let map = discover(&GraphConfig { agreement, edges, ..GraphConfig::default() }, &set);
        adjusted_rand_index(&labels(&map), &tasks).unwrap()
    };
    let (words, both) = (with(0.0, Edges::Joint), with(0.95, Edges::Joint));
    assert!(words < 0.1, "{words}");
    assert!(both > 0.8, "{both}");
    // Candidates by wording alone never join one task's wordings, but still cut between tasks.
    let cut = with(0.95, Edges::Semantic);
    assert!(cut > words && cut < both, "{cut}");
}

#[test]
fn edges_weigh_the_joint_similarity() {
    let embeddings = Matrix::from_vec(3, 2, vec![1.0, 0.0, 0.6, 0.8, 0.0, 2.0]).unwrap();
    let pick = |qualities: [f32; 3]| {
        qualities.iter().enumerate().map(|(model, &quality)| Outcome::new(model, quality)).collect::<Vec<_>>()
    };
    // Correlations of the outcomes: 0-1 is 1, 0-2 and 1-2 are -1/2.
    let set = training_set(embeddings, 3, vec![pick([1., 0., 0.]), pick([1., 0., 0.]), pick([0., 1., 0.])]);
    let cx = FitContext::new(0);
    let weights = |edges| {
        let graph = prompt_graph(&GraphConfig { edges, agreement: 0.4, ..GraphConfig::default() }, &set, &cx).unwrap();
        (graph.row(1).0.to_vec(), graph.row(1).1.to_vec())
    };
    for edges in [Edges::Joint, Edges::Semantic] {
        let (targets, found) = weights(edges);
        assert_eq!(targets, [0, 2]);
        assert!((found[0] - (0.6 * 0.6 + 0.4)).abs() < 1e-6, "{found:?}");
        assert!((found[1] - (0.6 * 0.8 - 0.4 * 0.5)).abs() < 1e-6, "{found:?}");
    }
}

#[test]
fn the_same_bytes_at_any_thread_count_and_by_both_searches() {
    let tasks: Vec<u32> = (0..500).map(|row| row % 5).collect();
    let set = World { wording: tasks.clone(), tasks, models: 7, noise: 0.9 }.set(3);
    for search in [crate::neighbors::Search::Exact, crate::neighbors::Search::Approximate] {
        let config = GraphConfig { search, ..GraphConfig::default() };
        let one = with_threads(1, || discover(&config, &set)).unwrap();
        let two = with_threads(2, || discover(&config, &set)).unwrap();
        assert_eq!(one, two);
        let cx = FitContext::new(0);
        let graph = |threads| with_threads(threads, || prompt_graph(&config, &set, &cx).unwrap()).unwrap();
        assert_eq!(graph(1), graph(2));
    }
}

#[test]
fn little_or_odd_data_gives_a_sensible_map() {
    let pair = |a: f32, b: f32| vec![Outcome::new(0, a), Outcome::new(1, b)];
    let default = GraphConfig::default();
    // One prompt; fewer than a task needs.
    for n in [1, 2, 5] {
        let set = training_set(Matrix::from_vec(n, 1, vec![1.0; n]).unwrap(), 2, vec![pair(1.0, 0.0); n]);
        assert_eq!(discover(&default, &set), TaskMap::none(n));
        if n > 1 {
            assert_eq!(discover(&GraphConfig { minimum_size: 1, ..default.clone() }, &set).count(), 1);
        }
    }
    // Fewer prompts than neighbors.
    let set = training_set(Matrix::from_vec(12, 1, vec![1.0; 12]).unwrap(), 2, vec![pair(1.0, 0.0); 12]);
    assert_eq!(discover(&default, &set).count(), 1);
    // One model, constant outcomes, one outcome a prompt: wording alone decides, as without agreement.
    let mut embeddings = Matrix::zeros(40, 2);
    (0..40).for_each(|row| embeddings.set(row, row % 2, 1.0));
    let halves: Vec<u32> = (0..40).map(|row| row % 2).collect();
    let outcomes: [(usize, Vec<Vec<Outcome>>); 3] = [
        (1, (0..40).map(|row| vec![Outcome::new(0, (row % 3) as f32 / 2.0)]).collect()),
        (2, vec![pair(1.0, 1.0); 40]),
        (5, (0..40).map(|row| vec![Outcome::new(row % 5, 1.0)]).collect()),
    ];
    for (models, rows) in outcomes {
        let map = discover(&default, &training_set(embeddings.clone(), models, rows.clone()));
        assert_eq!(adjusted_rand_index(&labels(&map), &halves).unwrap(), 1.0);
        let only_rankings = GraphConfig { agreement: 1.0, ..default.clone() };
        assert_eq!(discover(&only_rankings, &training_set(embeddings.clone(), models, rows)).count(), 0);
    }
    // Little data, by a hierarchy.
    let hierarchical = GraphConfig { resolution: Resolution::Automatic(Automatic::Hierarchical), ..default.clone() };
    for (n, count) in [(1, 0), (5, 0), (12, 1), (40, 1)] {
        let set = training_set(Matrix::from_vec(n, 1, vec![1.0; n]).unwrap(), 2, vec![pair(1.0, 0.0); n]);
        assert_eq!(discover(&hierarchical, &set).count(), count);
    }
    // No embedding says anything: rankings alone decide; with nothing at all, no task.
    let rows = |row: usize| if row.is_multiple_of(2) { pair(1.0, 0.0) } else { pair(0.0, 1.0) };
    let map = discover(&default, &training_set(Matrix::zeros(40, 2), 2, (0..40).map(rows).collect()));
    assert_eq!(adjusted_rand_index(&labels(&map), &halves).unwrap(), 1.0);
    let map = discover(&default, &training_set(Matrix::zeros(40, 2), 2, vec![pair(1.0, 1.0); 40]));
    assert_eq!(map.count(), 0);
}

#[test]
fn cancelled_work_stops_and_bad_parameters_are_named() {
    let set = training_set(Matrix::zeros(3, 2), 1, vec![vec![Outcome::new(0, 1.0)]; 3]);
    let token = CancelToken::new();
    token.cancel();
    let cx = FitContext::new(0).with_cancel(token);
    assert_eq!(GraphConfig::default().discover(&set, &cx).unwrap_err().kind(), ErrorKind::Cancelled);
    let cx = FitContext::new(0);
    for (config, field) in [
        (GraphConfig { neighbors: 0, ..GraphConfig::default() }, "neighbors"),
        (GraphConfig { agreement: f64::NAN, ..GraphConfig::default() }, "agreement"),
        (GraphConfig { persistence: 1.0, ..GraphConfig::default() }, "persistence"),
        (GraphConfig { resolution: (-1.0).into(), ..GraphConfig::default() }, "resolution"),
        (GraphConfig { resolution: Resolution::Among(vec![1.0, f64::NAN]), ..GraphConfig::default() }, "resolution"),
        (GraphConfig { resolution: Resolution::Among(Vec::new()), ..GraphConfig::default() }, "resolution"),
    ] {
        let error = config.discover(&set, &cx).unwrap_err();
        assert_eq!((error.kind(), error.field()), (ErrorKind::Config, Some(field)));
    }
}

#[test]
fn a_resolution_is_a_number_a_list_or_auto() {
    let registry = Registry::collected().unwrap();
    let read = |value| registry.resolve("discoverer", "graph", serde_json::json!({ "resolution": value }));
    for value in ["3.0", "[0.5, 2.0]", "\"auto\"", "\"hierarchical\""] {
        let value: serde_json::Value = serde_json::from_str(value).unwrap();
        assert_eq!(read(value.clone()).unwrap()["resolution"], value);
    }
    assert_eq!(read(serde_json::json!(3)).unwrap()["resolution"], 3.0);
    for (value, field) in [
        (serde_json::json!(-1.0), "resolution"),
        (serde_json::json!([1.0, -1.0]), "resolution[1]"),
        (serde_json::json!([]), "resolution"),
    ] {
        let error = read(value).unwrap_err();
        assert_eq!((error.kind(), error.field()), (ErrorKind::Config, Some(field)), "{error}");
    }
    let error = read(serde_json::json!("finest")).unwrap_err();
    assert!(error.to_string().contains("expected a number, a list of numbers, `auto` or `hierarchical`"), "{error}");
}

#[test]
fn the_resolution_is_the_coarsest_that_serves_held_out_prompts() {
    let tasks: Vec<u32> = (0..450).map(|row| row % 3).collect();
    let world = World { wording: tasks.clone(), tasks: tasks.clone(), models: 6, noise: 0.5 };
    let resolution = Resolution::Among(vec![8.0, 0.01, 1.0]);
    // More neighbors than a task has prompts: the tasks hang together, and the lowest resolution makes them one.
    let config = GraphConfig { resolution, agreement: 0.0, neighbors: 200, ..GraphConfig::default() };
    let map = discover(&config, &world.set(3));
    assert_eq!((map.count(), adjusted_rand_index(&labels(&map), &tasks).unwrap()), (3, 1.0));
    // The same wording; every model is able in every task: no cut earns its place.
    let alike = World { wording: tasks, tasks: vec![0; 450], models: 6, noise: 0.5 }.set(3);
    assert_eq!(discover(&config, &alike).count(), 1);
    let auto = GraphConfig { resolution: Resolution::Automatic(Automatic::Auto), ..GraphConfig::default() };
    let at = |threads| with_threads(threads, || discover(&auto, &world.set(3))).unwrap();
    assert_eq!(at(1), at(2));
}

#[test]
fn from_one_on_tasks_are_as_fine_as_they_are_many() {
    // Sixty-four wordings, near each other by fours and by sixteens; the next wording wants another model.
    let (n, d) = (64 * 40, 24);
    let mut stream = Seed::root(5).stream("many");
    let mut draw = |scale: f32| -> Vec<f32> { (0..d).map(|_| scale * stream.random_range(-1.0f32..1.0)).collect() };
    let levels: [Vec<Vec<f32>>; 3] =
        [(4, 1.0), (16, 0.8), (64, 0.8)].map(|(count, scale)| (0..count).map(|_| draw(scale)).collect());
    let wording: Vec<u32> = (0..n).map(|row| row as u32 % 64).collect();
    let mut embeddings = Matrix::zeros(n, d);
    for (row, &wording) in wording.iter().enumerate() {
        let (wording, noise) = (wording as usize, draw(0.8));
        let [first, second, third] = &levels;
        for col in 0..d {
            let center = first[wording / 16][col] + second[wording / 4][col] + third[wording][col];
            embeddings.set(row, col, center + noise[col]);
        }
    }
    let mut stream = Seed::root(5).stream("outcomes");
    let mut outcomes = |able: Option<usize>| -> Vec<Outcome> {
        let chance = |model: usize| if able == Some(model) { 0.9 } else { 0.4 };
        (0..4).map(|model| Outcome::new(model, f32::from(u8::from(stream.random::<f64>() < chance(model))))).collect()
    };
    let different = wording.iter().map(|&wording| outcomes(Some(wording as usize % 4))).collect();
    let alike = wording.iter().map(|_| outcomes(None)).collect();
    let config = GraphConfig { agreement: 0.0, neighbors: 20, ..GraphConfig::default() };
    let one = GraphConfig { resolution: 1.0.into(), ..config.clone() };
    let set = training_set(embeddings.clone(), 4, different);
    let agrees = |map: &TaskMap| adjusted_rand_index(&labels(map), &wording).unwrap();
    let (fine, coarse) = (discover(&config, &set), discover(&one, &set));
    assert!(coarse.count() < 32 && agrees(&coarse) < 0.6, "{} tasks, {}", coarse.count(), agrees(&coarse));
    assert!(agrees(&fine) > 0.9, "{} tasks, {}", fine.count(), agrees(&fine));
    // Where all models do as well on all wordings, nothing finer than 1 earns its place.
    let set = training_set(embeddings, 4, alike);
    assert_eq!(discover(&config, &set).assignments(), discover(&one, &set).assignments());
}

/// Two branches of two wordings each; `able` is the one model that can do a wording.
fn nested(able: [usize; 4]) -> (TrainingSet, Vec<u32>) {
    let mut stream = Seed::root(4).stream("nested");
    let mut draw = |scale: f32| -> Vec<f32> { (0..16).map(|_| scale * stream.random_range(-1.0f32..1.0)).collect() };
    let (branches, wordings): (Vec<_>, Vec<_>) =
        ((0..2).map(|_| draw(1.0)).collect(), (0..4).map(|_| draw(0.6)).collect());
    let wording: Vec<u32> = (0..600).map(|row| row % 4).collect();
    let mut embeddings = Matrix::zeros(600, 16);
    for (row, &wording) in wording.iter().enumerate() {
        let (branch, own, noise) = (&branches[wording as usize / 2], &wordings[wording as usize], draw(0.4));
        for col in 0..16 {
            embeddings.set(row, col, branch[col] + own[col] + noise[col]);
        }
    }
    let mut stream = Seed::root(4).stream("outcomes");
    let outcomes = |wording: &u32| {
        let chance = |model: usize| if model == able[*wording as usize] { 0.9 } else { 0.1 };
        (0..3).map(|model| Outcome::new(model, f32::from(u8::from(stream.random::<f64>() < chance(model))))).collect()
    };
    let rows = wording.iter().map(outcomes).collect();
    (training_set(embeddings, 3, rows), wording)
}

#[test]
fn a_hierarchy_is_as_fine_as_each_branch_deserves() {
    let with = |resolution| GraphConfig { resolution, agreement: 0.0, neighbors: 200, ..GraphConfig::default() };
    let hierarchical = with(Resolution::Automatic(Automatic::Hierarchical));
    let agrees = |map: &TaskMap, expected: &[u32]| adjusted_rand_index(&labels(map), expected).unwrap() > 0.98;
    // The first branch's wordings want different models, the second's do not.
    let (set, wording) = nested([0, 1, 2, 2]);
    let map = discover(&hierarchical, &set);
    let expected: Vec<u32> = wording.iter().map(|&wording| wording.min(2)).collect();
    assert!(map.count() == 3 && agrees(&map, &expected), "{} tasks", map.count());
    let tree = map.hierarchy().unwrap();
    let task = |row: usize| map.assignments()[row].unwrap().index();
    assert_eq!(tree.nodes(), 4);
    assert_eq!((tree.parent(task(0)), tree.parent(task(1)), tree.parent(task(2))), (Some(3), Some(3), None));
    // No single resolution gives these tasks: one that cuts the first branch cuts the second.
    for resolution in HIERARCHICAL {
        assert!(!agrees(&discover(&with(resolution.into()), &set), &expected), "{resolution}");
    }
    // Without what the split was for, there is none; without anything to tell apart, one task.
    let (set, wording) = nested([0, 0, 2, 2]);
    let branches: Vec<u32> = wording.iter().map(|&wording| wording / 2).collect();
    assert!(agrees(&discover(&hierarchical, &set), &branches));
    let map = discover(&hierarchical, &nested([1; 4]).0);
    assert_eq!((map.count(), map.assignments().iter().all(Option::is_some)), (1, true));
    // Too few for two tasks of the minimum size: the wordings stay together.
    let (set, _) = nested([0, 1, 2, 2]);
    assert_eq!(discover(&GraphConfig { minimum_size: 301, ..hierarchical.clone() }, &set).count(), 1);
    assert_eq!(discover(&GraphConfig { minimum_size: 160, ..hierarchical.clone() }, &set).count(), 2);
    for quality in [Objective::Modularity, Objective::Cpm] {
        let config = GraphConfig { quality, ..hierarchical.clone() };
        let at = |threads| with_threads(threads, || discover(&config, &set)).unwrap();
        assert_eq!(at(1), at(2));
    }
}

#[test]
fn a_cut_that_only_leads_to_finer_ones_is_kept() {
    // Each branch as a whole is done as well by either model; only the wordings tell them apart.
    let hierarchical = GraphConfig {
        resolution: Resolution::Automatic(Automatic::Hierarchical),
        agreement: 0.0,
        neighbors: 200,
        ..GraphConfig::default()
    };
    let (set, wording) = nested([0, 1, 0, 1]);
    let map = discover(&hierarchical, &set);
    assert_eq!(adjusted_rand_index(&labels(&map), &wording).unwrap(), 1.0);
    assert_eq!(map.hierarchy().unwrap().nodes(), 6);
}

#[test]
fn the_example_is_the_default() {
    let registry = Registry::collected().unwrap();
    let read = |value| registry.build::<DiscovererRole>("graph", value).unwrap().1;
    let example: serde_json::Value = toml::from_str(GraphConfig::EXAMPLE).unwrap();
    assert_eq!(example.as_object().unwrap().len(), 4);
    assert_eq!(read(example), read(serde_json::json!({})));
    let error = registry.build::<DiscovererRole>("graph", serde_json::json!({"agreement": 1.5})).err().unwrap();
    assert_eq!((error.kind(), error.field()), (ErrorKind::Config, Some("agreement")));
}

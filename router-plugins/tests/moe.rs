//! The mixture of experts from outside, against worlds whose truth is known.
#![cfg(feature = "candle")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test: what fails should panic, helpers included"
)]

use std::sync::Arc;

use rand::Rng;
use router_core::artifact::{ArtifactReader, ArtifactWriter, ErasedPersist, FORMAT_VERSION, Manifest, sha256};
use router_core::config::TasksConfig;
use router_core::parallel::with_threads;
use router_core::{
    Dataset, ErrorKind, Estimates, FitContext, FittedEstimator, Matrix, MatrixView, Model, ModelPool, Outcome,
    Outcomes, Persist, Prompt, PromptsView, QualityEstimator, QueryBatch, Registry, Result, Seed, SeedStream,
    SlotReader, SlotWriter, TaskDistribution, TaskId, TaskMap, Tasks, TrainingSet,
};
use router_plugins::estimators::moe::{FittedMoe, Heads, MoeConfig, Routing};

fn uniform(stream: &mut SeedStream) -> f32 {
    (stream.next_u32() >> 8) as f32 / 16_777_216.0
}

fn set(models: usize, d: usize, vectors: Vec<f32>, rows: Vec<Vec<Outcome>>) -> TrainingSet {
    let pool = ModelPool::new((0..models).map(|m| Model::new(format!("model-{m}"))).collect()).unwrap();
    let prompts = (0..rows.len()).map(|row| Prompt::new(row.to_string(), "x")).collect();
    let n = rows.len();
    let dataset = Dataset::new("world", prompts, pool, Outcomes::from_rows(models, rows).unwrap()).unwrap();
    TrainingSet::new(Arc::new(dataset), Arc::new(Matrix::from_vec(n, d, vectors).unwrap())).unwrap()
}

fn profile(set: &TrainingSet, labels: &[Option<u32>]) -> Tasks {
    Tasks::profile(set, TaskMap::from_labels(labels), &TasksConfig::default()).unwrap()
}

fn estimate(fitted: &FittedMoe, embeddings: MatrixView<'_>, tasks: &TaskDistribution) -> Matrix {
    let prompts: Vec<Prompt> = (0..embeddings.rows()).map(|row| Prompt::new(row.to_string(), "x")).collect();
    let mut out = Estimates::new();
    fitted.estimate(&QueryBatch { prompts: PromptsView::all(&prompts), embeddings, tasks }, &mut out).unwrap();
    out.quality().to_matrix()
}

fn no_tasks(n: usize, tasks: usize) -> TaskDistribution {
    TaskDistribution::certain(&vec![None; n], tasks).unwrap()
}

fn bytes(component: &impl ErasedPersist) -> Vec<u8> {
    SlotWriter::serialize(component).unwrap()
}

/// Prompts with d normal-ish features; the logit of model j's success is `rule[j]` times the features.
struct LinearWorld {
    rule: Vec<Vec<f32>>,
    stream: SeedStream,
}

impl LinearWorld {
    fn new(models: usize, d: usize) -> Self {
        let mut stream = Seed::root(11).stream("linear");
        let rule = (0..models).map(|_| (0..d).map(|_| 4.0 * uniform(&mut stream) - 2.0).collect()).collect();
        Self { rule, stream }
    }

    fn draw(&mut self, n: usize) -> (Vec<f32>, Vec<Vec<Outcome>>, Vec<f32>) {
        let d = self.rule[0].len();
        let vectors: Vec<f32> =
            (0..n * d).map(|_| (0..6).map(|_| uniform(&mut self.stream) - 0.5).sum::<f32>() * 1.4).collect();
        let (mut rows, mut truth) = (Vec::new(), Vec::new());
        for x in vectors.chunks(d) {
            let mut row = Vec::new();
            for (model, rule) in self.rule.iter().enumerate() {
                let logit: f32 = rule.iter().zip(x).map(|(a, b)| a * b).sum();
                let chance = 1.0 / (1.0 + (-logit).exp());
                truth.push(chance);
                row.push(Outcome::new(model, f32::from(u8::from(uniform(&mut self.stream) < chance))));
            }
            rows.push(row);
        }
        (vectors, rows, truth)
    }
}

#[test]
fn general_heads_recover_a_planted_linear_rule() {
    let mut world = LinearWorld::new(3, 6);
    let (vectors, rows, _) = world.draw(3000);
    let train = set(3, 6, vectors, rows);
    // Six features that all tell: the default regularisation, made for hundreds that mostly do not, would hold back.
    let config = MoeConfig { dropout: 0.1, weight_decay: 0.1, learning_rate: 0.001, ..MoeConfig::default() };
    let fitted = config.fit(&train, &Tasks::none(&train), &FitContext::new(1)).unwrap();
    let (vectors, _, truth) = world.draw(1000);
    let found = estimate(&fitted, MatrixView::new(1000, 6, &vectors).unwrap(), &no_tasks(1000, 0));
    let error = |found: &dyn Fn(usize) -> f32| -> f32 {
        truth.iter().enumerate().map(|(at, truth)| (found(at) - truth).abs()).sum::<f32>() / truth.len() as f32
    };
    let (learnt, constant) = (error(&|at| found.as_slice()[at]), error(&|_| 0.5));
    assert!(learnt < 0.06, "mean error {learnt}");
    assert!(learnt < constant / 4.0, "{learnt} against {constant} of a constant");
}

#[test]
fn prompts_that_look_alike_get_the_weighted_mean_quality() {
    // One embedding for all: the logistic solution is the weighted mean. Model 2 is never seen: the mean model's logit.
    let mut stream = Seed::root(2).stream("alike");
    let mut sums = [(0.0f64, 0.0f64); 2];
    let rows: Vec<Vec<Outcome>> = (0..800)
        .map(|_| {
            (0..2)
                .map(|model| {
                    let quality = f32::from(u8::from(uniform(&mut stream) < [0.8, 0.3][model]));
                    let weight = 0.5 + 2.0 * uniform(&mut stream);
                    sums[model].0 += f64::from(quality * weight);
                    sums[model].1 += f64::from(weight);
                    Outcome { weight, ..Outcome::new(model, quality) }
                })
                .collect()
        })
        .collect();
    let train = set(3, 4, [0.5, -0.5, 0.1, 0.7].repeat(800), rows);
    let fitted = MoeConfig::default().fit(&train, &Tasks::none(&train), &FitContext::new(1)).unwrap();
    let found = estimate(&fitted, train.embeddings(), &no_tasks(800, 0));
    let logit = |p: f64| (p / (1.0 - p)).ln();
    let means = sums.map(|(total, weight)| total / weight);
    let unseen = 1.0 / (1.0 + (-0.5 * (logit(means[0]) + logit(means[1]))).exp());
    for (model, expected) in [means[0], means[1], unseen].into_iter().enumerate() {
        let found = f64::from(found.get(0, model));
        assert!((found - expected).abs() < 0.04, "model {model}: {found} and {expected}");
    }
}

/// Eight tasks that the embedding does not show; a binary cue in it says which of two models is good, and what it says is turned
/// round from task to task. Returns embeddings, task labels and outcomes.
fn flip_world(n: usize, stream: &mut SeedStream) -> (Vec<f32>, Vec<Option<u32>>, Vec<Vec<Outcome>>) {
    let (mut vectors, mut labels, mut rows) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..n {
        let task = stream.next_u32() % 8;
        let cue = if uniform(stream) < 0.5 { 1.0 } else { -1.0 };
        let good = usize::from((cue > 0.0) == task.is_multiple_of(2));
        let mut row = Vec::new();
        for model in 0..2 {
            let chance = if model == good { 0.9 } else { 0.2 };
            row.push(Outcome::new(model, f32::from(u8::from(uniform(stream) < chance))));
        }
        vectors.push(cue);
        vectors.extend((0..7).map(|_| uniform(stream) - 0.5));
        labels.push(Some(task));
        rows.push(row);
    }
    (vectors, labels, rows)
}

#[test]
fn without_task_heads_it_loses_significantly_where_tasks_turn_the_cue_round() {
    let mut stream = Seed::root(7).stream("flip");
    let (vectors, labels, rows) = flip_world(2000, &mut stream);
    let train = set(2, 8, vectors, rows);
    let tasks = profile(&train, &labels);
    // Tasks are renumbered by size: the test prompts need the same numbers.
    let mut renumbered = [TaskId(0); 8];
    for (label, task) in labels.iter().zip(tasks.map().assignments()) {
        renumbered[label.unwrap() as usize] = task.unwrap();
    }
    let (vectors, labels, rows) = flip_world(1000, &mut stream);
    let assigned: Vec<Option<TaskId>> = labels.iter().map(|label| Some(renumbered[label.unwrap() as usize])).collect();
    let certain = TaskDistribution::certain(&assigned, 8).unwrap();
    for routing in [Routing::Hard, Routing::Soft] {
        let realised = |task_heads| -> Vec<f32> {
            let config = MoeConfig { task_heads, routing, ..MoeConfig::default() };
            let fitted = config.fit(&train, &tasks, &FitContext::new(1)).unwrap();
            let found = estimate(&fitted, MatrixView::new(1000, 8, &vectors).unwrap(), &certain);
            (0..1000).map(|row| rows[row][usize::from(found.get(row, 1) > found.get(row, 0))].quality).collect()
        };
        let (with, without) = (realised(true), realised(false));
        let gains: Vec<f64> = with.iter().zip(&without).map(|(a, b)| f64::from(a - b)).collect();
        let mean = gains.iter().sum::<f64>() / 1000.0;
        let error = (gains.iter().map(|gain| (gain - mean).powi(2)).sum::<f64>() / 999.0 / 1000.0).sqrt();
        // With heads: 0.9. Without: the mean of 0.9 and 0.2.
        assert!(mean > 0.25 && mean > 5.0 * error, "{routing:?}: {mean} +- {error}");
        assert!(with.iter().sum::<f32>() / 1000.0 > 0.86);
    }
}

#[test]
fn permuting_models_permutes_columns() {
    let mut world = LinearWorld::new(4, 5);
    let (vectors, rows, _) = world.draw(400);
    let order = [2usize, 0, 3, 1];
    let permuted: Vec<Vec<Outcome>> = rows
        .iter()
        .map(|row| row.iter().map(|outcome| Outcome { model: order[outcome.model], ..*outcome }).collect())
        .collect();
    let labels: Vec<Option<u32>> = (0..400).map(|row| Some(row % 3)).collect();
    let found = |rows: Vec<Vec<Outcome>>| {
        let train = set(4, 5, vectors.clone(), rows);
        let fitted = MoeConfig::default().fit(&train, &profile(&train, &labels), &FitContext::new(1)).unwrap();
        let certain = TaskDistribution::certain(&labels.iter().map(|l| l.map(TaskId)).collect::<Vec<_>>(), 3).unwrap();
        estimate(&fitted, train.embeddings(), &certain)
    };
    let (plain, permuted) = (found(rows), found(permuted));
    for row in 0..400 {
        for (model, &moved) in order.iter().enumerate() {
            assert!((plain.get(row, model) - permuted.get(row, moved)).abs() < 1e-3);
        }
    }
}

/// A small fit with everything in it: several models (one unseen), sparse outcomes, tasks, two members.
fn small_fit(seed: u64) -> (FittedMoe, TrainingSet, Tasks) {
    let mut world = LinearWorld::new(4, 33);
    let (vectors, mut rows, _) = world.draw(500);
    for (at, row) in rows.iter_mut().enumerate() {
        row.retain(|outcome| outcome.model != 3 && !(at + outcome.model).is_multiple_of(3));
    }
    let train = set(4, 33, vectors, rows);
    let labels: Vec<Option<u32>> = (0..500).map(|row| (row % 7 > 0).then_some(row % 7)).collect();
    let tasks = profile(&train, &labels);
    let config = MoeConfig { members: 2, layers: 2, epochs: 8, task_weight_decay: Some(3.0), ..MoeConfig::default() };
    (config.fit(&train, &tasks, &FitContext::new(seed)).unwrap(), train, tasks)
}

fn some_distribution(tasks: &Tasks) -> TaskDistribution {
    let mut distribution = TaskDistribution::certain(tasks.map().assignments(), tasks.count()).unwrap();
    for row in 0..distribution.prompts() {
        let (probabilities, _) = distribution.row_mut(row);
        for (task, probability) in probabilities.iter_mut().enumerate() {
            *probability = ((row + task) % 5) as f32 / 20.0;
        }
    }
    distribution
}

#[test]
fn a_batch_gives_what_its_prompts_give_one_by_one() {
    let (fitted, train, tasks) = small_fit(1);
    let distribution = some_distribution(&tasks);
    for routing in [Routing::Hard, Routing::Soft] {
        let fitted = fitted.clone().with_routing(routing);
        let together = estimate(&fitted, train.embeddings(), &distribution);
        for row in 0..train.len() {
            let mut one = TaskDistribution::new();
            one.reset(1, tasks.count());
            one.row_mut(0).0.copy_from_slice(distribution.probabilities(row));
            *one.row_mut(0).1 = distribution.assigned(row);
            let alone = estimate(&fitted, train.embeddings().slice_rows(row, row + 1), &one);
            for (a, b) in alone.row(0).iter().zip(together.row(row)) {
                assert!((a - b).abs() < 1e-5);
            }
        }
    }
}

/// Writes `component` as a slot, and reads it back as a mixture.
fn stored_and_loaded(component: &impl ErasedPersist) -> Result<FittedMoe> {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = ArtifactWriter::create(directory.path().join("artifact")).unwrap();
    writer.put_slot("estimator", component).unwrap();
    let manifest = Manifest {
        format_version: FORMAT_VERSION,
        config: serde_json::Value::Null,
        seed: 0,
        embedder_fingerprint: String::new(),
        dimension: 1,
        models: vec![Model::new("a")],
        data_fingerprint: String::new(),
        prompts: 1,
        files: std::collections::BTreeMap::new(),
    };
    writer.finish(manifest).unwrap();
    let registry = Registry::new();
    let reader = ArtifactReader::open(directory.path().join("artifact"), &registry)?;
    reader.read_slot("estimator", |_, slot| slot.load::<FittedMoe>())
}

#[test]
fn what_is_loaded_gives_the_same_numbers_bit_for_bit() {
    let (fitted, train, tasks) = small_fit(1);
    let loaded = stored_and_loaded(&fitted).unwrap();
    assert_eq!(bytes(&loaded), bytes(&fitted));
    let distribution = some_distribution(&tasks);
    let numbers = |fitted| estimate(fitted, train.embeddings(), &distribution);
    assert_eq!(numbers(&loaded), numbers(&fitted));
}

/// A mixture of one input, one hidden unit, two models, one task and one head, with one thing wrong.
struct Tampered(&'static str);

impl Persist for Tampered {
    const FORMAT: &'static str = "moe";
    const VERSION: u32 = 1;

    fn save(&self, writer: &mut SlotWriter) -> Result<()> {
        let wrong = |what: &str| self.0 == what;
        let number = |what: &str, right: usize, bad: usize| if wrong(what) { bad } else { right };
        let vector = |len: usize| vec![0.5f32; len];
        let matrix = |rows: usize, cols: usize| Matrix::from_vec(rows, cols, vector(rows * cols)).unwrap();
        writer.put_json(
            "shape",
            &serde_json::json!({
                "dimension": number("dimension", 1, 2), "models": number("models", 2, usize::MAX),
                "tasks": number("tasks", 1, usize::MAX), "members": number("members", 1, usize::MAX),
                "routing": if wrong("routing") { "sideways" } else { "soft" },
            }),
        )?;
        let count = if wrong("no layers") { 0 } else { number("layers", 1, usize::MAX) };
        writer.put_json("member/0/trunk/layers", &count)?;
        writer.put_json("member/0/trunk/activation", if wrong("activation") { "sine" } else { "relu" })?;
        writer.put_matrix("member/0/trunk/0/weights", &matrix(number("empty trunk", 1, 0), 1))?;
        writer
            .put_f32("member/0/trunk/0/bias", &vector(if wrong("empty trunk") { 0 } else { number("bias", 1, 3) }))?;
        writer.put_matrix("member/0/general/weights", &matrix(number("general", 2, 3), 1))?;
        writer.put_f32("member/0/general/bias", &vector(number("general", 2, 3)))?;
        let offsets: &[u32] = if wrong("descending") {
            &[1, 0]
        } else if wrong("beyond") {
            &[0, 7]
        } else if wrong("no offsets") {
            &[]
        } else {
            &[0, 1]
        };
        writer.put_u32("member/0/heads/offsets", offsets)?;
        writer.put_u32("member/0/heads/models", &[if wrong("head model") { 2 } else { 1 }])?;
        writer.put_matrix("member/0/heads/weights", &matrix(1, number("head width", 1, 2)))?;
        let bias = if wrong("not finite") { vec![f32::NAN] } else { vector(1) };
        writer.put_f32("member/0/heads/bias", &bias)
    }

    fn load(reader: &SlotReader<'_>) -> Result<Self> {
        Err(reader.corrupt("never read"))
    }
}

#[test]
fn a_hostile_file_is_an_error() {
    assert!(stored_and_loaded(&Tampered("nothing")).is_ok());
    for wrong in [
        "dimension",
        "models",
        "tasks",
        "members",
        "routing",
        "layers",
        "no layers",
        "activation",
        "empty trunk",
        "bias",
        "general",
        "descending",
        "beyond",
        "no offsets",
        "head model",
        "head width",
        "not finite",
    ] {
        let error = stored_and_loaded(&Tampered(wrong)).expect_err(wrong);
        assert_eq!(error.kind(), ErrorKind::Artifact, "{wrong}: {error}");
    }
}

/// The same mixture with heads of a later form, with one thing wrong.
struct TamperedForm {
    form: &'static str,
    wrong: &'static str,
}

impl Persist for TamperedForm {
    const FORMAT: &'static str = "moe";
    const VERSION: u32 = 2;

    fn save(&self, writer: &mut SlotWriter) -> Result<()> {
        let number = |what: &str, right: usize, bad: usize| if self.wrong == what { bad } else { right };
        let matrix = |rows: usize, cols: usize| Matrix::from_vec(rows, cols, vec![0.5; rows * cols]).unwrap();
        let shape = serde_json::json!({ "dimension": 1, "models": 2, "tasks": 1, "members": 1, "routing": "soft" });
        writer.put_json("shape", &shape)?;
        writer.put_json("member/0/trunk/layers", &1)?;
        writer.put_json("member/0/trunk/activation", "relu")?;
        writer.put_matrix("member/0/trunk/0/weights", &matrix(2, 1))?;
        writer.put_f32("member/0/trunk/0/bias", &[0.5; 2])?;
        writer.put_matrix("member/0/general/weights", &matrix(2, 2))?;
        writer.put_f32("member/0/general/bias", &[0.5; 2])?;
        writer.put_json("member/0/heads/form", if self.wrong == "form" { "square" } else { self.form })?;
        writer.put_u32("member/0/heads/offsets", &[0, 2])?;
        writer.put_u32("member/0/heads/models", &[0, number("head model", 1, 2) as u32])?;
        if self.form == "low-rank" {
            let ranks = vec![number("rank", 1, 3) as u32; number("ranks", 1, 2)];
            writer.put_u32("member/0/heads/ranks", &ranks)?;
            writer.put_matrix("member/0/heads/projections", &matrix(number("projections", 1, 2), 2))?;
            writer.put_f32("member/0/heads/factors", &vec![0.5; number("factors", 2, 1)])?;
            writer.put_f32("member/0/heads/bias", &vec![0.5; number("bias", 2, 1)])
        } else {
            writer.put_matrix("member/0/heads/inputs/weights", &matrix(1, number("inputs", 2, 1)))?;
            writer.put_f32("member/0/heads/inputs/bias", &[0.5])?;
            writer.put_matrix("member/0/heads/outputs", &matrix(number("outputs", 2, 1), 1))?;
            writer.put_matrix("member/0/heads/cores", &matrix(number("cores", 1, 2), 1))
        }
    }

    fn load(reader: &SlotReader<'_>) -> Result<Self> {
        Err(reader.corrupt("never read"))
    }
}

#[test]
fn hostile_heads_of_every_form_are_an_error() {
    let low_rank = ["form", "head model", "rank", "ranks", "projections", "factors", "bias"];
    let core_space = ["form", "head model", "inputs", "outputs", "cores"];
    for (form, wrongs) in [("low-rank", low_rank.as_slice()), ("core-space", core_space.as_slice())] {
        let fine = stored_and_loaded(&TamperedForm { form, wrong: "nothing" }).unwrap();
        assert_eq!(fine.task_heads(), 2);
        for &wrong in wrongs {
            let error = stored_and_loaded(&TamperedForm { form, wrong }).expect_err(wrong);
            assert_eq!(error.kind(), ErrorKind::Artifact, "{form}, {wrong}: {error}");
        }
    }
}

#[test]
fn a_rank_belongs_to_heads_that_have_one() {
    let (_, train, tasks) = small_fit(1);
    let fit = |heads| {
        let config = MoeConfig { heads, rank: Some(1), epochs: 2, hidden: 8, members: 1, ..MoeConfig::default() };
        config.fit(&train, &tasks, &FitContext::new(1))
    };
    for heads in [Heads::Residual, Heads::FullRank, Heads::Pyramid] {
        let error = fit(heads).unwrap_err();
        assert_eq!((error.kind(), error.field()), (ErrorKind::Config, Some("rank")));
    }
    for heads in [Heads::LowRank, Heads::CoreSpace] {
        assert!(fit(heads).is_ok());
    }
}

/// The environment variable that makes `child_prints_its_bytes` print.
const CHILD: &str = "MOE_TEST_CHILD";

#[test]
fn child_prints_its_bytes() {
    if std::env::var_os(CHILD).is_some() {
        println!("bytes={}", sha256(&bytes(&small_fit(1).0)));
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes_at_any_thread_count() {
    let here = bytes(&small_fit(1).0);
    for threads in [1, 2, 3] {
        assert!(here == with_threads(threads, || bytes(&small_fit(1).0)).unwrap(), "{threads} threads");
    }
    assert!(here != bytes(&small_fit(2).0), "another seed gives another network");
    let here = sha256(&here);
    for threads in ["1", "2"] {
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_prints_its_bytes", "--nocapture"])
            .env(CHILD, "1")
            .env("RAYON_NUM_THREADS", threads)
            .env("CANDLE_NUM_THREADS", threads)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&child.stdout).into_owned();
        assert!(text.contains(&format!("bytes={here}")), "{threads} threads in a child: {text}");
    }
}

#[test]
fn degenerate_worlds_get_finite_estimates() {
    let few = MoeConfig { epochs: 3, hidden: 8, ..MoeConfig::default() };
    let one = |model: usize, quality: f32| vec![Outcome::new(model, quality)];
    let cases: Vec<(&str, TrainingSet)> = vec![
        ("one prompt", set(2, 3, vec![1.0, 0.0, 2.0], vec![vec![Outcome::new(0, 1.0), Outcome::new(1, 0.0)]])),
        ("one model", set(1, 2, vec![0.5; 20], (0..10).map(|row| one(0, (row % 2) as f32)).collect())),
        ("constant outcomes", set(2, 1, (0..10).map(|x| x as f32).collect(), vec![one(0, 1.0); 10])),
        (
            "one outcome a prompt",
            set(3, 2, (0..24).map(|x| x as f32).collect(), (0..12).map(|row| one(row % 3, 0.5)).collect()),
        ),
        (
            "nothing but weightless",
            set(2, 1, vec![1.0, 2.0], vec![vec![Outcome { weight: 0.0, ..Outcome::new(0, 1.0) }]; 2]),
        ),
        ("embeddings of zero", set(2, 2, vec![0.0; 20], (0..10).map(|row| one(row % 2, 1.0)).collect())),
        ("one prompt tells", {
            let mut rows = vec![Vec::new(); 9];
            rows.push(one(1, 1.0));
            set(2, 1, (0..10).map(|x| x as f32).collect(), rows)
        }),
    ];
    for (name, train) in cases {
        for with_tasks in [false, true] {
            let kinds = [Heads::Residual, Heads::FullRank, Heads::LowRank, Heads::CoreSpace, Heads::Pyramid];
            for (held_out, heads) in [0.0, 0.2].into_iter().flat_map(|share| kinds.map(|heads| (share, heads))) {
                let n = train.len();
                let tasks = if with_tasks { profile(&train, &vec![Some(0); n]) } else { Tasks::none(&train) };
                let config = MoeConfig { held_out, heads, ..few.clone() };
                let fitted = config.fit(&train, &tasks, &FitContext::new(1)).unwrap_or_else(|e| panic!("{name}: {e}"));
                let certain = TaskDistribution::certain(tasks.map().assignments(), tasks.count()).unwrap();
                let found = estimate(&fitted, train.embeddings(), &certain);
                assert_eq!((found.rows(), found.cols()), (n, train.models().len()));
                assert!(found.as_slice().iter().all(|q| (0.0..=1.0).contains(q)), "{name}: {found:?}");
            }
        }
    }
}

#[test]
fn wrong_shapes_divergence_and_cancellation_are_typed_errors() {
    let (fitted, train, tasks) = small_fit(1);
    let prompts = [Prompt::new("p", "x")];
    let ask = |d: usize, tasks: usize, rows: usize| {
        let embeddings = Matrix::zeros(1, d);
        let tasks = no_tasks(rows, tasks);
        let batch = QueryBatch { prompts: PromptsView::all(&prompts), embeddings: embeddings.view(), tasks: &tasks };
        fitted.estimate(&batch, &mut Estimates::new())
    };
    assert!(ask(33, tasks.count(), 1).is_ok());
    for (d, tasks, rows) in [(32, tasks.count(), 1), (33, tasks.count() + 1, 1), (33, tasks.count(), 2)] {
        assert_eq!(ask(d, tasks, rows).unwrap_err().kind(), ErrorKind::Shape);
    }
    // A step size beyond what a configuration may say: the activations leave what f32 can hold.
    let wild = MoeConfig { learning_rate: 1e38, weight_decay: 0.0, ..MoeConfig::default() };
    let error = wild.fit(&train, &tasks, &FitContext::new(1)).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Training, "{error}");
    assert!(error.to_string().contains("learning_rate"), "{error}");
    let cx = FitContext::new(1);
    cx.cancel_token().cancel();
    assert_eq!(MoeConfig::default().fit(&train, &tasks, &cx).unwrap_err().kind(), ErrorKind::Cancelled);
}

//! `router demo`: the whole way on a synthetic world, no input needed.

use std::path::Path;

use router_core::{Constraints, Dataset, Error, Explanation, Result, Router, RouterConfig, TaskMap, UnfittedRouter};
use router_data::directory;
use router_data::synthetic::{World, WorldConfig};
use router_eval::{Evaluation, Options};
use router_plugins::graph::{adjusted_rand_index, normalized_mutual_information};
use serde::Serialize;
use serde_json::Value;

use super::eval::{command_line, print, quoted};
use super::train::{Facts, fit, fit_references, save};
use super::{Session, near_duplicate_groups, read};
use crate::arguments::Demo;
use crate::table::{count, plural};

/// The configuration of the demo: the one that the documentation explains.
const CONFIG: &str = include_str!("../../../docs/configs/finerouter.toml");
const CONFIG_NAME: &str = "finerouter.toml";
/// Share of the world's prompts that are learned from.
const TRAIN_SHARE: f64 = 0.5;
/// Decisions told in words.
const EXAMPLES: usize = 3;
/// Test prompts that are looked through for examples.
const CANDIDATES: usize = 60;

/// How well discovery found the planted tasks.
#[derive(Debug, Clone, Copy, Serialize)]
struct Discovery {
    adjusted_rand_index: f64,
    normalized_mutual_information: f64,
}

pub(super) fn run(arguments: &Demo, session: &mut Session) -> Result<()> {
    let out = &arguments.out;
    let config = session.seeded(RouterConfig::from_toml(CONFIG, CONFIG_NAME)?);
    let seed = config.seed;
    std::fs::create_dir_all(out).map_err(|source| Error::io(out, source))?;

    let world_config = WorldConfig::demo(seed);
    let world = World::generate(&world_config)?;
    let (train, test) = world.train_test(TRAIN_SHARE)?;
    // Through the files, so that the commands named at the end see what was seen here.
    let (train_path, test_path) = (out.join("world/train"), out.join("world/test"));
    directory::write(&train.dataset, &train_path)?;
    directory::write(&test.dataset, &test_path)?;
    let (train_data, test_data) = (read(&train_path)?, read(&test_path)?);
    let output = &mut session.output;
    output.line(format_args!(
        "A synthetic world: {} in {} planted tasks, and {}. Which model is best depends on the task.",
        plural(world.dataset.prompts().len(), "prompt"),
        world_config.tasks,
        plural(world.dataset.models().len(), "model"),
    ))?;
    output.line(format_args!(
        "The two-stage router and the references learn from {} of the prompts and the outcome of every model on them.\n\
         They are not told the tasks.\n",
        count(train_data.prompts().len()),
    ))?;
    output.flush()?;

    let unfitted = UnfittedRouter::from_config(&config, &session.registry)?;
    let cx = session.context(seed);
    let (router, set) = fit(&unfitted, &train_data, &cx)?;
    let references = fit_references(&router, &set, &session.registry, &cx)?;
    save(&router, Some(&references), &out.join("router"))?;
    let discovery = match router.training_tasks() {
        Some(tasks) => discovery(&train.planted, tasks)?,
        None => discovery(&train.planted, &TaskMap::none(train.planted.len()))?,
    };
    session.output.line(Facts { router: &router, dataset: &train_data, warnings: 0 }.text())?;
    session.output.line(format_args!(
        "\nDiscovery found {} tasks where {} were planted: adjusted Rand index {:.3}, normalized mutual information {:.3}\n\
         (1 is full agreement).\n\n\
         On the other {} prompts, which none of them has seen:\n",
        router.tasks().tasks.len(),
        world_config.tasks,
        discovery.adjusted_rand_index,
        discovery.normalized_mutual_information,
        count(test_data.prompts().len()),
    ))?;
    session.output.flush()?;

    let options = Options {
        bootstrap_seed: session.seed.unwrap_or(0),
        near_duplicates: Some(near_duplicate_groups),
        ..Options::default()
    };
    let evaluation = router_eval::artifact(&router, &references, std::slice::from_ref(&test_data), &options, &cx)?;
    evaluation.write(out, &command_line())?;
    let config_path = out.join(CONFIG_NAME);
    std::fs::write(&config_path, CONFIG).map_err(|source| Error::io(&config_path, source))?;

    session.output.document(&document(&evaluation, discovery)?)?;
    print(&evaluation, &mut session.output)?;
    session.output.line("\nSome of its decisions:")?;
    let examples = examples(&router, &test_data)?;
    for (row, explanation) in &examples {
        session.output.line(told(&router, &test_data, *row, explanation))?;
    }
    let prompt = examples.first().and_then(|(row, _)| test_data.prompts().get(*row)).map(|prompt| prompt.text());
    session.output.line(next(out, first_sentence(&prompt.unwrap_or_default()), session.seed))
}

/// Agreement of the discovered tasks with the planted ones; prompts without a task count as one more task.
fn discovery(planted: &[u32], tasks: &TaskMap) -> Result<Discovery> {
    let none = tasks.count() as u32;
    let found: Vec<u32> = tasks.assignments().iter().map(|task| task.map_or(none, |task| task.0)).collect();
    Ok(Discovery {
        adjusted_rand_index: adjusted_rand_index(planted, &found)?,
        normalized_mutual_information: normalized_mutual_information(planted, &found)?,
    })
}

/// The evaluation's document with the discovery in it.
fn document(evaluation: &Evaluation, discovery: Discovery) -> Result<Value> {
    #[derive(Serialize)]
    struct Document<'a> {
        #[serde(flatten)]
        summary: &'a router_eval::Summary,
        discovery: Discovery,
    }
    serde_json::to_value(Document { summary: &evaluation.summary, discovery })
        .map_err(|source| Error::new(router_core::ErrorKind::Internal, "the summary is not JSON").caused_by(source))
}

/// The first test prompts that go to different models, with the explanations of their decisions.
fn examples(router: &Router, test: &Dataset) -> Result<Vec<(usize, Explanation)>> {
    let mut examples: Vec<(usize, Explanation)> = Vec::new();
    for (row, prompt) in test.prompts().iter().enumerate().take(CANDIDATES) {
        let explanation = router.explain_blocking(prompt, &Constraints::default())?;
        if examples.iter().all(|(_, other)| other.model != explanation.model) {
            examples.push((row, explanation));
        }
        if examples.len() == EXAMPLES {
            break;
        }
    }
    Ok(examples)
}

/// A decision in words.
fn told(router: &Router, test: &Dataset, row: usize, explanation: &Explanation) -> String {
    let text = test.prompts().get(row).map_or_else(Default::default, |prompt| prompt.text());
    let short: String = text.chars().take(90).collect();
    let dots = if short.len() < text.len() { "..." } else { "" };
    let task = match (explanation.task, explanation.tasks.first()) {
        (Some(task), Some(likeliest)) => {
            let words: Vec<&str> = likeliest.keywords.iter().take(4).map(String::as_str).collect();
            format!("task {task} ({})", words.join(", "))
        }
        _ => "no task".to_owned(),
    };
    let model = explanation.model.as_deref().unwrap_or("no model");
    let expected = explanation.models.iter().find(|one| one.model == model).map_or(f32::NAN, |one| one.quality);
    let runner_up = explanation.models.iter().find(|one| one.model != model);
    let others =
        runner_up.map_or_else(String::new, |one| format!(", the next best, {}, {:.2}", one.model, one.quality));
    let scored = |name: &str| {
        let model = router.models().index_of(name).ok()?;
        test.outcomes().get(row, model).map(|outcome| outcome.quality)
    };
    let fact = scored(model).map_or_else(String::new, |quality| format!(" In fact it got {quality:.2}."));
    format!("  \"{short}{dots}\"\n    {task}: goes to {model}, expected to get {expected:.2}{others}.{fact}")
}

fn first_sentence(text: &str) -> &str {
    text.split_inclusive(['.', '?', '!']).next().unwrap_or_default()
}

/// Commands to try, with the paths of this demo.
fn next(out: &Path, prompt: &str, seed: Option<u64>) -> String {
    let path = |name: &str| quoted(&out.join(name).display().to_string());
    let seed = seed.map_or_else(String::new, |seed| format!(" --seed {seed}"));
    let (router, train, test) = (path("router"), path("world/train"), path("world/test"));
    format!(
        "\nThe report with its plots: {}\n\n\
         Try next:\n  \
         router tasks --router {router}\n  \
         router route --router {router} --explain {}\n  \
         router eval --router {router} --data {test}\n  \
         router data check {train}\n  \
         router train --config {} --data {train} --out {}{seed}",
        out.join("report.html").display(),
        quoted(prompt),
        path(CONFIG_NAME),
        path("my-router"),
    )
}

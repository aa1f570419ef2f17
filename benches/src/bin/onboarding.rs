//! What a new model is worth by the number of its outcomes: the curve of docs/onboarding.md.
//!
//! ```text
//! cargo run --release -p router-benches --bin onboarding -- CONFIG.toml DATASET_DIRECTORY
//! ```
//!
//! The prompts are dealt into three parts by near-duplicate group: three fifths to train on, one fifth to ask new models from, one
//! fifth to test on. Every model in turn is new: a router is fitted on the others, the model is placed by a growing number
//! of its outcomes (prompts chosen by `router_plugins::onboarding::choose`, or drawn at random, three times), and the router is tested. Beside it
//! stand the router without the model and the one that was fitted on all of them with every training outcome.
#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a measuring program: it prints, and fails by panicking"
)]

use std::sync::Arc;

use rand::seq::index::sample;
use router_core::pipeline::Prediction;
use router_core::{
    Dataset, Decision, FitContext, Folds, ModelPool, Newcomer, Outcome, Outcomes, PromptsView, Registry, Router,
    RouterConfig, Seed, UnfittedRouter,
};
use router_data::cache::DiskCache;
use router_plugins::onboarding;

/// Outcomes by which a newcomer is placed.
const COUNTS: [usize; 7] = [5, 10, 20, 50, 100, 200, 500];
/// Random draws of the prompts that are asked.
const DRAWS: usize = 3;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [config, directory] = arguments.as_slice() else {
        println!("usage: onboarding CONFIG.toml DATASET_DIRECTORY");
        return;
    };
    let registry = router_plugins::builtin().expect("built-in plugins");
    let (config, _) = RouterConfig::from_file(config).expect("a configuration");
    let all = router_data::directory::read(directory).expect("a dataset directory");
    let folds = Folds::new(all.groups(), 5, &Seed::root(config.seed)).expect("folds");
    let test = folds.split(0).1;
    let ask = folds.split(1).1;
    let train: Vec<usize> = (2..5).flat_map(|fold| folds.split(fold).1).collect();
    let m = all.models().len();
    println!("{}: {} to train on, {} to ask, {} to test on", all.name(), train.len(), ask.len(), test.len());

    let everything = fit(&config, &registry, &all.subset(&train));
    let retrained = quality(&everything, &all, &test, &(0..m).collect::<Vec<_>>());
    // Of every count, summed over newcomers: quality with chosen and with random prompts, and the root mean squared errors.
    let mut sums = vec![[0.0f64; 4]; COUNTS.len()];
    let mut without_sum = 0.0;
    for new in 0..m {
        let known: Vec<usize> = (0..m).filter(|&model| model != new).collect();
        let router = fit(&config, &registry, &keep(&all.subset(&train), &known));
        let mut order = known.clone();
        let without = quality(&router, &all, &test, &order);
        order.push(new);
        without_sum += without;
        let pool = predict(&router, &all, &ask);
        print!("{:<32} without {without:.4}", all.models().name(new));
        for (at, &count) in COUNTS.iter().enumerate() {
            let cx = FitContext::new(config.seed);
            let measure = |rows: &[usize]| {
                let joined = join(&config, &registry, &router, &all, new, &ask, rows, &pool);
                let error = error_of_last(&joined, &all, &test, new);
                (quality(&joined, &all, &test, &order), error)
            };
            let chosen = onboarding::choose(&pool, known.len(), count, &cx).expect("a choice");
            let (by_choice, error) = measure(&chosen);
            sums[at][0] += by_choice;
            sums[at][2] += error;
            for draw in 0..DRAWS {
                let mut stream = cx.stream(&format!("draw/{draw}"));
                let rows = sample(&mut stream, ask.len(), count.min(ask.len())).into_vec();
                let (at_random, error) = measure(&rows);
                sums[at][1] += at_random / DRAWS as f64;
                sums[at][3] += error / DRAWS as f64;
            }
            print!("  {count} {by_choice:.4}");
        }
        println!();
    }
    let without = without_sum / m as f64;
    println!("\nmean over {m} newcomers: without {without:.4}, retrained {retrained:.4}");
    println!("| outcomes | chosen | random | recovered, chosen | recovered, random | error, chosen | error, random |");
    println!("|---:|---:|---:|---:|---:|---:|---:|");
    for (count, sums) in COUNTS.iter().zip(&sums) {
        let [chosen, random, chosen_error, random_error] = sums.map(|sum| sum / m as f64);
        let recovered = |quality: f64| 100.0 * (quality - without) / (retrained - without);
        println!(
            "| {count} | {chosen:.4} | {random:.4} | {:.0}% | {:.0}% | {chosen_error:.3} | {random_error:.3} |",
            recovered(chosen),
            recovered(random)
        );
    }
    println!("error of the newcomer when retrained: {:.3}", {
        let errors: f64 = (0..m).map(|model| error_of(&everything, &all, &test, model, model)).sum();
        errors / m as f64
    });
}

fn context(config: &RouterConfig) -> FitContext {
    FitContext::new(config.seed).with_embedding_cache(Arc::new(DiskCache::of_user().expect("a cache")))
}

fn fit(config: &RouterConfig, registry: &Registry, data: &Dataset) -> Router {
    let unfitted = UnfittedRouter::from_config(config, registry).expect("a router");
    unfitted.fit_blocking(&Arc::new(data.clone()), &context(config)).expect("a fit")
}

/// `data` with the models `kept` alone.
fn keep(data: &Dataset, kept: &[usize]) -> Dataset {
    let models = kept.iter().map(|&model| data.models().models()[model].clone()).collect();
    let row = |row: usize| -> Vec<Outcome> {
        let of = |(at, &model): (usize, &usize)| data.outcomes().get(row, model).map(|it| Outcome { model: at, ..*it });
        kept.iter().enumerate().filter_map(of).collect()
    };
    let outcomes = Outcomes::from_rows(kept.len(), (0..data.prompts().len()).map(row).collect()).expect("outcomes");
    let pool = ModelPool::new(models).expect("a pool");
    let fewer = Dataset::new(data.name(), data.prompts().to_vec(), pool, outcomes).expect("a data set");
    fewer.with_groups(data.groups().to_vec()).expect("groups")
}

fn predict(router: &Router, data: &Dataset, rows: &[usize]) -> Prediction {
    let prompts: Vec<_> = rows.iter().map(|&row| data.prompts()[row].clone()).collect();
    let cx = context(router.config());
    let embeddings = pollster::block_on(router.embed_with(&prompts, &cx)).expect("embeddings");
    router.predict_embedded(PromptsView::all(&prompts), embeddings.vectors.view()).expect("a prediction")
}

/// The router with model `new`, placed by its outcomes on the prompts `asked` of `ask`. Routers are not cloned, but their artifacts are read.
#[allow(clippy::too_many_arguments, reason = "one measuring program's own step")]
fn join(
    config: &RouterConfig,
    registry: &Registry,
    router: &Router,
    data: &Dataset,
    new: usize,
    ask: &[usize],
    asked: &[usize],
    pool: &Prediction,
) -> Router {
    let place = std::env::temp_dir().join(format!("router-onboarding-{}-{}", config.seed, std::process::id()));
    router.save(&place).expect("an artifact");
    let copy = Router::load(&place, registry).expect("the artifact");
    std::fs::remove_dir_all(&place).expect("the artifact");
    let outcomes: Vec<(usize, f32)> =
        asked.iter().filter_map(|&at| data.outcomes().get(ask[at], new).map(|outcome| (at, outcome.quality))).collect();
    let placed = onboarding::place(pool, router.fitted_models(), &outcomes, 1.0).expect("a placement");
    let model = &data.models().models()[new];
    let newcomer = Newcomer { model, outcomes: outcomes.len(), output_tokens: None, measured_cost: None };
    copy.with_model(&newcomer, placed.placement).expect("a router with the model")
}

/// Mean quality on the prompts `rows`; `models` says which model of `data` each of the router's is.
fn quality(router: &Router, data: &Dataset, rows: &[usize], models: &[usize]) -> f64 {
    let prompts: Vec<_> = rows.iter().map(|&row| data.prompts()[row].clone()).collect();
    let embeddings = pollster::block_on(router.embed_with(&prompts, &context(router.config()))).expect("embeddings");
    let mut decisions = vec![Decision::default(); rows.len()];
    router.route_embedded(PromptsView::all(&prompts), &embeddings, &[], &mut decisions).expect("decisions");
    let scores: Vec<f64> = decisions
        .iter()
        .zip(rows)
        .filter_map(|(decision, &row)| data.outcomes().get(row, models[decision.model()?]))
        .map(|outcome| f64::from(outcome.quality))
        .collect();
    scores.iter().sum::<f64>() / scores.len() as f64
}

fn error_of_last(router: &Router, data: &Dataset, rows: &[usize], model: usize) -> f64 {
    error_of(router, data, rows, router.models().len() - 1, model)
}

/// Root mean squared error of what is expected of model `at` of the router, model `model` of `data`.
fn error_of(router: &Router, data: &Dataset, rows: &[usize], at: usize, model: usize) -> f64 {
    let prediction = predict(router, data, rows);
    let errors: Vec<f64> = rows
        .iter()
        .enumerate()
        .filter_map(|(row, &of)| {
            let outcome = data.outcomes().get(of, model)?;
            Some(f64::from(prediction.aggregate.quality().get(row, at) - outcome.quality).powi(2))
        })
        .collect();
    (errors.iter().sum::<f64>() / errors.len() as f64).sqrt()
}

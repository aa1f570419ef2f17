//! A data set there and back: what a format carries comes back as it was.

use std::collections::BTreeMap;

use proptest::prelude::*;
use router_core::{Message, MessageRole, Model, Outcome, Outcomes, Prompt, PromptContent};

use super::*;

/// A text that is not blank and holds what files trip over.
fn text() -> impl Strategy<Value = String> {
    "\\PC{0,8}[\"',;\n\r\t\\\\é\u{1F600}|]{0,3}\\PC{0,8}x"
}

fn outcome() -> impl Strategy<Value = Option<Outcome>> {
    let quality = prop_oneof![Just(0.0f32), Just(1.0f32), 0.0f32..=1.0];
    let some = (
        quality,
        prop::option::of(0.0f64..10.0),
        prop::option::of(0u32..100_000),
        prop::option::of(0u32..100_000),
        prop_oneof![Just(1.0f32), 0.0f32..5.0],
        prop::option::of(0.01f32..=1.0),
    );
    prop::option::weighted(
        0.8,
        some.prop_map(|(quality, cost_usd, input_tokens, output_tokens, weight, propensity)| Outcome {
            quality,
            cost_usd,
            input_tokens,
            output_tokens,
            weight,
            propensity,
            ..Outcome::new(0, 0.0)
        }),
    )
}

fn prompt() -> impl Strategy<Value = Prompt> {
    let role = prop::sample::select(vec![MessageRole::System, MessageRole::User, MessageRole::Assistant]);
    let messages = prop::collection::vec((role, text()).prop_map(|(role, text)| Message::new(role, text)), 1..4);
    let content =
        prop_oneof![3 => text().prop_map(PromptContent::Text), 1 => messages.prop_map(PromptContent::Messages)];
    let words = || prop::option::of("[a-z/ é]{0,5}z");
    (content, words(), words(), prop::collection::vec("[a-z,\"]{1,4}", 0..3)).prop_map(
        |(content, benchmark, description, tags)| Prompt {
            content,
            benchmark,
            description,
            tags,
            ..Prompt::new("", "")
        },
    )
}

fn model() -> impl Strategy<Value = Model> {
    let amount = || prop::option::of(0.0f64..100.0);
    let tags = prop::collection::vec("[a-z]{1,4}", 0..3);
    ("[a-zA-Z][a-zA-Z0-9/ .:_-]{0,6}", amount(), amount(), prop::option::of(1u32..), amount(), tags).prop_map(
        |(name, input_usd_per_mtok, output_usd_per_mtok, context_window, latency_seconds, tags)| Model {
            input_usd_per_mtok,
            output_usd_per_mtok,
            context_window,
            latency_seconds,
            output_tokens_per_second: latency_seconds.map(|seconds| seconds + 1.0),
            tags,
            ..Model::new(name)
        },
    )
}

/// A data set of any shape with at least one outcome.
fn dataset(models: std::ops::RangeInclusive<usize>) -> impl Strategy<Value = Dataset> {
    let models = prop::collection::vec(model(), models);
    let prompts = prop::collection::vec((prompt(), "[a-zA-Z0-9_/ #,é]{0,6}"), 1..6);
    (models, prompts, any::<bool>()).prop_flat_map(|(models, prompts, numbered)| {
        let cells = prop::collection::vec(prop::collection::vec(outcome(), models.len()), prompts.len());
        (Just(models), Just(prompts), Just(numbered), cells).prop_map(|(mut models, prompts, numbered, cells)| {
            for (at, model) in models.iter_mut().enumerate() {
                model.name.push_str(&at.to_string());
            }
            let mut rows: Vec<Vec<Outcome>> = cells
                .into_iter()
                .map(|row| {
                    row.into_iter().enumerate().filter_map(|(model, cell)| Some(Outcome { model, ..cell? })).collect()
                })
                .collect();
            if rows.iter().all(Vec::is_empty) {
                rows[0].push(Outcome::new(0, 0.5));
            }
            let prompts = prompts.into_iter().enumerate().map(|(at, (prompt, id))| {
                let id = if numbered { (at * 3).to_string() } else { format!("{id}{at}") };
                Prompt { id, ..prompt }
            });
            let outcomes = Outcomes::from_rows(models.len(), rows).unwrap();
            Dataset::new("set", prompts.collect(), ModelPool::new(models).unwrap(), outcomes).unwrap()
        })
    })
}

/// What a format that carries `carried` has to bring back, in a form that is equal if nothing of it is lost.
fn view(dataset: &Dataset, carried: &[Part]) -> String {
    let carries = |part: Part| carried.contains(&part);
    let pool = dataset.models().models();
    let asked = |model: usize| dataset.outcomes().iter().any(|(_, outcome)| outcome.model == model);
    let mut models: Vec<Model> = Vec::new();
    for (at, model) in pool.iter().enumerate() {
        if asked(at) || carries(Part::ModelsWithoutOutcomes) {
            let price = |price: Option<f64>| price.filter(|_| carries(Part::Prices));
            let speed = |speed: Option<f64>| speed.filter(|_| carries(Part::Speeds));
            models.push(Model {
                input_usd_per_mtok: price(model.input_usd_per_mtok),
                output_usd_per_mtok: price(model.output_usd_per_mtok),
                context_window: model.context_window.filter(|_| carries(Part::ContextWindows)),
                latency_seconds: speed(model.latency_seconds),
                output_tokens_per_second: speed(model.output_tokens_per_second),
                tags: if carries(Part::ModelTags) { model.tags.clone() } else { Vec::new() },
                ..Model::new(model.name.as_str())
            });
        }
    }
    if !carries(Part::ModelOrder) {
        models.sort_by(|a, b| a.name.cmp(&b.name));
    }
    let mut prompts: Vec<(Prompt, BTreeMap<&str, Outcome>)> = Vec::new();
    for (row, prompt) in dataset.prompts().iter().enumerate() {
        let outcomes = dataset.outcomes().row(row);
        if outcomes.is_empty() && !carries(Part::PromptsWithoutOutcomes) {
            continue;
        }
        let mut known = Prompt::new(prompt.id.as_str(), prompt.text());
        if carries(Part::Conversations) {
            known.content = prompt.content.clone();
        }
        known.benchmark = prompt.benchmark.clone().filter(|_| carries(Part::Benchmarks));
        known.description = prompt.description.clone().filter(|_| carries(Part::Descriptions));
        known.tags = if carries(Part::PromptTags) { prompt.tags.clone() } else { Vec::new() };
        let outcomes = outcomes.iter().map(|outcome| {
            let tokens = |tokens: Option<u32>| tokens.filter(|_| carries(Part::Tokens));
            let seen = Outcome {
                model: 0,
                quality: outcome.quality,
                weight: if carries(Part::Weights) { outcome.weight } else { 1.0 },
                propensity: outcome.propensity.filter(|_| carries(Part::Propensities)),
                cost_usd: outcome.cost_usd.filter(|_| carries(Part::Costs)),
                input_tokens: tokens(outcome.input_tokens),
                output_tokens: tokens(outcome.output_tokens),
            };
            (pool[outcome.model].name.as_str(), seen)
        });
        prompts.push((known, outcomes.collect()));
    }
    if !carries(Part::PromptOrder) {
        prompts.sort_by(|a, b| a.0.id.cmp(&b.0.id));
    }
    if !carries(Part::PromptIds) {
        for (at, (prompt, _)) in prompts.iter_mut().enumerate() {
            prompt.id = at.to_string();
        }
    }
    format!("{models:#?}\n{prompts:#?}")
}

fn there_and_back(name: &str, out: &str, before: &Dataset) {
    let format = find(name).unwrap();
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join(out);
    let losses = export(format, before, &out).unwrap();
    let import = import(format, "set", std::slice::from_ref(&out));
    assert_eq!(import.errors, 0, "{name}: {}", import.findings);
    let after = import.dataset.unwrap();
    assert_eq!(view(before, format.carries()), view(&after, format.carries()), "{name}");
    // Nothing that is lost goes unsaid: with the lost parts put aside as well, both are the same in everything.
    let lost: Vec<Part> = losses.iter().map(|loss| loss.part).collect();
    assert!(lost.iter().all(|part| !format.carries().contains(part)), "{lost:?}");
    let unsaid: Vec<Part> = Part::ALL.into_iter().filter(|part| !lost.contains(part)).collect();
    for part in unsaid {
        assert!(
            format.carries().contains(&part) || part.count(before) == 0 || part == Part::PromptIds,
            "{name}: {part:?}"
        );
    }
}

proptest! {
    // Every case writes files and waits for the disk.
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 4, ..ProptestConfig::default() })]

    #[test]
    fn embedllm(set in dataset(1..=4)) {
        there_and_back("embedllm", "out.csv", &set);
    }

    #[test]
    fn llmrouter(set in dataset(1..=4)) {
        there_and_back("llmrouter", "out", &set);
    }

    #[test]
    fn llmrouterbench(set in dataset(1..=4)) {
        there_and_back("llmrouterbench", "out", &set);
    }

    #[test]
    fn long(set in dataset(1..=4)) {
        there_and_back("long", "out.csv", &set);
        there_and_back("long", "out.jsonl", &set);
        there_and_back("long", "out.parquet", &set);
    }

    #[test]
    fn routellm(set in dataset(2..=2)) {
        there_and_back("routellm", "out.csv", &set);
    }

    #[test]
    fn routerarena(set in dataset(1..=4)) {
        there_and_back("routerarena", "out", &set);
    }

    #[test]
    fn routerbench(set in dataset(1..=4)) {
        there_and_back("routerbench", "out.csv", &set);
        there_and_back("routerbench", "out.parquet", &set);
    }
}

#[test]
fn whole_numbers_are_kept_as_ids_of_embedllm() {
    let (import, _) = import_files("embedllm", fixtures::EMBEDLLM);
    let dataset = import.dataset.unwrap();
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("out.csv");
    assert!(export(find("embedllm").unwrap(), &dataset, &out).unwrap().is_empty());
    let again = super::import(find("embedllm").unwrap(), "set", &[out]).dataset.unwrap();
    assert_eq!(again.prompts().iter().map(|prompt| prompt.id.as_str()).collect::<Vec<_>>(), ["7", "12"]);
}

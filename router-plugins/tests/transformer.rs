//! The transformer embedders against reference vectors, engine against engine, and what a user can get wrong.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "helpers of tests fail as tests do, and say aloud what they skip"
)]

use std::path::{Path, PathBuf};

use router_core::prelude::*;
use router_core::{Message, MessageRole};
use router_plugins::embedders::transformer::{BertConfig, Engine, MpnetConfig, TransformerEmbedder};
use router_plugins::models::{self, ModelDirectory};
use serde_json::Value;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/encoders")
}

fn path(name: &str) -> String {
    fixtures().join(name).to_string_lossy().into_owned()
}

fn embed(embedder: &dyn FittedEmbedder, texts: &[&str]) -> Embeddings {
    pollster::block_on(embedder.embed(texts)).unwrap()
}

fn read(file: &Path) -> Vec<Value> {
    let reference: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    reference["texts"].as_array().unwrap().clone()
}

fn floats(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap() as f32).collect()
}

fn worst(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    found.iter().zip(expected).fold(0.0, |worst, (a, b)| worst.max((a - b).abs()))
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// The tiny models on every engine, reading what is cut in the reference as the reference does.
fn tiny() -> Vec<(&'static str, Box<dyn FittedEmbedder>)> {
    let mut all: Vec<(&'static str, Box<dyn FittedEmbedder>)> = Vec::new();
    for engine in [Engine::Native, Engine::Candle] {
        let mut bert = BertConfig { engine, ..BertConfig::of(path("tiny-bert")) };
        let mut mpnet = MpnetConfig { engine, ..MpnetConfig::of(path("tiny-mpnet")) };
        bert.windows.most = 1;
        mpnet.windows.most = 1;
        all.push(("tiny-bert", Box::new(pollster::block_on(bert.fit(&[], &FitContext::new(0))).unwrap())));
        all.push(("tiny-mpnet", Box::new(pollster::block_on(mpnet.fit(&[], &FitContext::new(0))).unwrap())));
    }
    all
}

#[test]
fn texts_have_the_vectors_of_the_reference_on_every_engine() {
    for (name, embedder) in tiny() {
        let texts = read(&fixtures().join(name).join("reference.json"));
        let plain: Vec<&str> = texts.iter().map(|text| text["text"].as_str().unwrap()).collect();
        let found = embed(&*embedder, &plain);
        for (row, text) in texts.iter().enumerate() {
            let off = worst(found.vectors.row(row), &floats(&text["vectors"]["mean"]));
            assert!(off < 1e-5, "{name} {}: off by {off}", text["purpose"]);
            let cut = found.truncated.contains(&row);
            assert_eq!(cut, text["truncated"].as_bool().unwrap(), "{name} {}", text["purpose"]);
        }
    }
}

/// Models that were fetched into the cache of models; absent ones are skipped aloud.
fn fetched(name: &str) -> Option<ModelDirectory> {
    let found = models::locate(name).ok();
    if found.is_none() {
        println!("skipped: `{name}` is not in the cache of models (router embedder fetch {name})");
    }
    found
}

#[test]
fn the_real_models_have_the_vectors_of_sentence_transformers() {
    let check = |name: &str, embedder: &dyn FittedEmbedder, tolerance: f32, least: f32| {
        for text in read(&fixtures().join(format!("{name}.json"))) {
            let found = embed(embedder, &[text["text"].as_str().unwrap()]);
            let expected = floats(&text["vector"]);
            let off = worst(found.vectors.row(0), &expected);
            assert!(off < tolerance, "{name} {}: off by {off}", text["purpose"]);
            let cosine = cosine(found.vectors.row(0), &expected);
            assert!(cosine > least, "{name} {}: cosine {cosine}", text["purpose"]);
        }
    };
    if let Some(model) = fetched("all-MiniLM-L6-v2") {
        let mut config = BertConfig::default();
        config.windows.most = 1;
        check("all-MiniLM-L6-v2", &TransformerEmbedder::new(config.clone(), model.clone()).unwrap(), 1e-5, 0.999_999);
        config.precision = router_encoder::Precision::Int8;
        check("all-MiniLM-L6-v2", &TransformerEmbedder::new(config, model).unwrap(), 0.05, 0.99);
    }
    if let Some(model) = fetched("all-mpnet-base-v2") {
        let mut config = MpnetConfig::default();
        config.windows.most = 1;
        check("all-mpnet-base-v2", &TransformerEmbedder::new(config, model).unwrap(), 1e-5, 0.999_999);
    }
}

/// A thousand prompts of the real data sets, evenly drawn.
fn real_prompts() -> Option<Vec<String>> {
    let root = std::env::var_os("ROUTER_REAL_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"), PathBuf::from);
    let mut all = Vec::new();
    for set in ["paper9", "frontier27", "mmlupro30", "priced20"] {
        let text = std::fs::read_to_string(root.join(set).join("train/prompts.jsonl")).ok()?;
        all.extend(text.lines().map(|line| {
            let prompt: Value = serde_json::from_str(line).unwrap();
            prompt["prompt"].as_str().unwrap().to_owned()
        }));
    }
    Some((0..1000).map(|at| all[at * all.len() / 1000].clone()).collect())
}

#[test]
fn int8_is_near_f32_on_a_thousand_real_prompts() {
    let Some(model) = fetched("all-MiniLM-L6-v2") else { return };
    let Some(prompts) = real_prompts() else {
        println!("skipped: the real data sets are absent (ROUTER_REAL_DATA)");
        return;
    };
    let prompts: Vec<&str> = prompts.iter().map(String::as_str).collect();
    let mut config = BertConfig::default();
    let exact = embed(&TransformerEmbedder::new(config.clone(), model.clone()).unwrap(), &prompts).vectors;
    config.precision = router_encoder::Precision::Int8;
    let rounded = embed(&TransformerEmbedder::new(config, model).unwrap(), &prompts).vectors;
    let mut cosines: Vec<f32> = (0..prompts.len()).map(|row| cosine(exact.row(row), rounded.row(row))).collect();
    cosines.sort_by(f32::total_cmp);
    println!("cosine of int8 to f32: least {}, median {}", cosines[0], cosines[500]);
    assert!(cosines[0] >= 0.995, "least cosine {}", cosines[0]);
}

#[test]
fn long_texts_are_read_to_the_end_in_windows() {
    let mut config = BertConfig::of(path("tiny-bert"));
    let fit = |config: &BertConfig| pollster::block_on(config.fit(&[], &FitContext::new(0))).unwrap();
    let (start, end) = ("the router ".repeat(60), "a model ".repeat(60));
    let long = format!("{start}{end}");
    config.windows.most = 64;
    let whole = embed(&fit(&config), &[&long, &start, &end]);
    assert!(whole.truncated.is_empty());
    assert_ne!(whole.vectors.row(0), whole.vectors.row(1));
    // The first window alone does not see the end.
    config.windows.most = 1;
    let first = embed(&fit(&config), &[&long, &start]);
    assert_eq!(first.truncated, [0, 1]);
    assert_eq!(first.vectors.row(0), first.vectors.row(1));
    // A million characters end in a bounded time, and are reported.
    config.windows.most = 3;
    let million = "the router of models ".repeat(50_000);
    let found = embed(&fit(&config), &[&million, "", "\u{301}\0"]);
    assert_eq!(found.truncated, [0]);
    found.vectors.view().check_finite("odd texts").unwrap();
}

#[test]
fn the_last_turn_of_a_conversation_counts_most() {
    let embedder = pollster::block_on(BertConfig::of(path("tiny-bert")).fit(&[], &FitContext::new(0))).unwrap();
    let conversation = Prompt::chat(
        "p",
        vec![
            Message::new(MessageRole::System, "you route"),
            Message::new(MessageRole::User, "the router"),
            Message::new(MessageRole::Assistant, "a model"),
            Message::new(MessageRole::User, "of a language"),
        ],
    );
    let plain = Prompt::new("q", "of a language");
    let both = pollster::block_on(embedder.embed_prompts(&[&conversation, &plain])).unwrap().vectors;
    let texts = embed(&embedder, &["of a language", "the router"]).vectors;
    assert_eq!(both.row(1), texts.row(0), "a plain prompt is its text");
    assert!(cosine(both.row(0), texts.row(0)) > cosine(both.row(0), texts.row(1)));
    assert_ne!(both.row(0), texts.row(0));
}

#[test]
fn mistakes_are_told_by_their_field() {
    let registry = router_plugins::builtin().unwrap();
    let refused = |parameters: Value| {
        let built = registry.build::<EmbedderRole>("bert", parameters);
        built.and_then(|(embedder, _)| pollster::block_on(embedder.fit(&[], &FitContext::new(0)))).err().unwrap()
    };
    for (parameters, kind, field) in [
        (serde_json::json!({ "precision": "int4" }), ErrorKind::Config, Some("precision")),
        (serde_json::json!({ "engine": "candle", "precision": "int8" }), ErrorKind::Config, Some("precision")),
        (serde_json::json!({ "device": "cuda" }), ErrorKind::Config, Some("device")),
        (serde_json::json!({ "model": "" }), ErrorKind::Config, Some("model")),
        (serde_json::json!({ "model": path("tiny-mpnet") }), ErrorKind::Incompatible, Some("model_type")),
        (serde_json::json!({ "model": path("tiny-bert"), "prompt": "query" }), ErrorKind::Config, None),
        (serde_json::json!({ "model": path("no-such-model") }), ErrorKind::Io, None),
    ] {
        let error = refused(parameters.clone());
        assert_eq!(error.kind(), kind, "{parameters}: {error}");
        assert!(field.is_none() || error.field() == field, "{parameters}: {error}");
    }
    // More tokens than the model has positions: told when its weights are read.
    let config = BertConfig { maximum_tokens: Some(1000), ..BertConfig::of(path("tiny-bert")) };
    let embedder = pollster::block_on(config.fit(&[], &FitContext::new(0))).unwrap();
    let error = pollster::block_on(embedder.embed(&["a"])).unwrap_err();
    assert_eq!((error.kind(), error.field()), (ErrorKind::Config, Some("maximum_tokens")), "{error}");
}

#[test]
fn what_changes_vectors_changes_the_fingerprint_and_the_engine_does_not() {
    let of = |change: fn(&mut BertConfig)| {
        let mut config = BertConfig::of(path("tiny-bert"));
        change(&mut config);
        pollster::block_on(config.fit(&[], &FitContext::new(0))).unwrap().fingerprint()
    };
    let plain = of(|_| {});
    assert_eq!(plain, of(|config| config.engine = Engine::Candle));
    let changes: [fn(&mut BertConfig); 6] = [
        |config| config.precision = router_encoder::Precision::Int8,
        |config| config.pooling = Some(router_encoder::Pooling::Cls),
        |config| config.normalize = Some(false),
        |config| config.maximum_tokens = Some(16),
        |config| config.prefix = Some("query: ".into()),
        |config| config.windows.most = 1,
    ];
    for change in changes {
        assert_ne!(plain, of(change));
    }
}

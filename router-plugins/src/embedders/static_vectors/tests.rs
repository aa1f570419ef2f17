use std::fs;
use std::path::{Path, PathBuf};

use router_core::artifact::{SlotReader, SlotWriter};
use router_core::{Message, MessageRole};
use serde::Deserialize;

use super::*;
use crate::models::{Cache, ModelDirectory};
use router_core::prelude::*;

#[derive(Deserialize)]
struct Reference {
    texts: Vec<ReferenceText>,
}

#[derive(Deserialize)]
struct ReferenceText {
    text: String,
    vector: Vec<f32>,
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/encoders").join(name)
}

fn config(model: &Path) -> StaticConfig {
    StaticConfig { model: model.to_str().unwrap().to_owned(), ..StaticConfig::default() }
}

fn open(name: &str, change: impl FnOnce(StaticConfig) -> StaticConfig) -> StaticEmbedder {
    let place = fixture(name);
    StaticEmbedder::open(change(config(&place)), &ModelDirectory::open(&place).unwrap()).unwrap()
}

/// Holds our vectors against what model2vec's own Python makes of the same texts (reference.json names its version).
fn assert_as_reference(embedder: &StaticEmbedder, path: &Path, tolerance: f32) {
    let reference: Reference = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    assert!(reference.texts.len() >= 8);
    let texts: Vec<&str> = reference.texts.iter().map(|text| text.text.as_str()).collect();
    let found = embedder.vectors(&texts).unwrap();
    assert!(found.truncated.is_empty());
    for (row, ReferenceText { text, vector }) in reference.texts.iter().enumerate() {
        assert_eq!(vector.len(), found.vectors.cols());
        for (ours, theirs) in found.vectors.row(row).iter().zip(vector) {
            assert!((ours - theirs).abs() <= tolerance, "{text:?}: {ours} against {theirs}");
        }
    }
}

#[test]
fn vectors_are_model2vecs() {
    for name in ["tiny-static", "tiny-static-mapped"] {
        let embedder = open(name, |config| config);
        assert_as_reference(&embedder, &fixture(name).join("reference.json"), 1e-6);
    }
}

/// WordLlama itself, where it has been fetched.
#[test]
fn vectors_are_wordllamas() {
    let Ok(directory) = Cache::user().and_then(|cache| cache.locate("wordllama")) else {
        println!("skipped: wordllama is not in the cache (router embedder fetch wordllama)");
        return;
    };
    let config = StaticConfig { normalize: Some(false), ..StaticConfig::default() };
    let embedder = StaticEmbedder::open(config, &directory).unwrap();
    assert_as_reference(&embedder, &fixture("wordllama.json"), 1e-6);
}

#[test]
fn a_text_without_a_known_token_is_zero_and_the_rest_has_unit_length() {
    let embedder = open("tiny-static", |config| config);
    let found = embedder.vectors(&["", " ", "\u{0}", "日本語", "a prompt"]).unwrap().vectors;
    for row in 0..4 {
        assert!(found.row(row).iter().all(|&value| value == 0.0));
    }
    let length: f32 = found.row(4).iter().map(|value| value * value).sum();
    assert!((length - 1.0).abs() < 1e-6);
}

#[test]
fn what_is_behind_the_limit_is_cut_and_reported() {
    let embedder = open("tiny-static", |config| StaticConfig { max_tokens: 3, ..config });
    let found = embedder.vectors(&["the route of", "the route of prompt", "", "the route of what is it"]).unwrap();
    assert_eq!(found.truncated, [1, 3]);
    assert_eq!(found.vectors.row(0), found.vectors.row(1));
    let long = "the prompts ".repeat(100_000);
    assert_eq!(open("tiny-static", |config| config).vectors(&[&long]).unwrap().truncated, [0]);
}

#[test]
fn vectors_can_be_cut_to_their_first_numbers() {
    let whole = open("tiny-static-mapped", |config| config).vectors(&["a prompt"]).unwrap().vectors;
    let short = open("tiny-static-mapped", |config| StaticConfig { dimension: Some(4), ..config });
    assert_eq!(short.dimension(), 4);
    assert_eq!(short.vectors(&["a prompt"]).unwrap().vectors.row(0), &whole.row(0)[..4]);
    let place = fixture("tiny-static");
    let config = StaticConfig { dimension: Some(17), ..config(&place) };
    let error = StaticEmbedder::open(config, &ModelDirectory::open(&place).unwrap()).err().unwrap();
    assert_eq!((error.kind(), error.field()), (ErrorKind::Config, Some("dimension")));
}

#[test]
fn a_conversation_is_its_turns_and_a_plain_prompt_its_text() {
    let embedder = open("tiny-static", |config| config);
    let say = |content: &str| Message::new(MessageRole::User, content);
    let prompts = [
        Prompt::new("p", "solve the equation"),
        Prompt::chat("c", vec![say("solve the equation")]),
        Prompt::chat("d", vec![say("write a poem"), say("solve the equation")]),
    ];
    let prompts: Vec<&Prompt> = prompts.iter().collect();
    let found = pollster_free(embedder.embed_prompts(&prompts)).unwrap().vectors;
    let texts = embedder.vectors(&["solve the equation", "write a poem"]).unwrap().vectors;
    assert_eq!(found.row(0), texts.row(0));
    assert_eq!(found.row(1), texts.row(0));
    let dot = |row: &[f32]| crate::neighbors::dot(found.row(2), row);
    assert!(
        dot(texts.row(0)) > dot(texts.row(1)) && dot(texts.row(1)) > crate::neighbors::dot(texts.row(0), texts.row(1))
    );
    assert!((dot(found.row(2)) - 1.0).abs() < 1e-5);
}

/// The embedder computes and never waits.
fn pollster_free<T>(future: impl Future<Output = T>) -> T {
    match std::pin::pin!(future).poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("it waits"),
    }
}

/// Copies the fixture `name` to `place`.
fn copy(name: &str, place: &Path) {
    fs::create_dir_all(place).unwrap();
    for file in fs::read_dir(fixture(name)).unwrap() {
        let path = file.unwrap().path();
        fs::copy(&path, place.join(path.file_name().unwrap())).unwrap();
    }
}

#[test]
fn what_is_stored_finds_its_model_again_and_takes_no_other_for_it() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("model");
    copy("tiny-static", &place);
    let embedder = StaticEmbedder::open(config(&place), &ModelDirectory::open(&place).unwrap()).unwrap();
    let bytes = SlotWriter::serialize(&embedder).unwrap();
    assert!(bytes.len() < 2000, "no weights are stored");
    let registry = crate::builtin().unwrap();
    let load = || SlotReader::open("embedder", &bytes, &registry, |_, reader| reader.load::<StaticEmbedder>());
    assert_eq!(load().unwrap().fingerprint(), embedder.fingerprint());
    fs::copy(fixture("tiny-static-mapped/model.safetensors"), place.join("model.safetensors")).unwrap();
    assert_eq!(load().err().unwrap().kind(), ErrorKind::Incompatible);
    fs::remove_dir_all(&place).unwrap();
    assert_eq!(load().err().unwrap().exit_status(), 2);
}

#[test]
fn a_table_of_another_model_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    copy("tiny-static", directory.path());
    let tokenizer = fs::read_to_string(directory.path().join("tokenizer.json")).unwrap();
    let larger = tokenizer.replace("\"prompt\":", "\"another\":9999,\"prompt\":");
    fs::write(directory.path().join("tokenizer.json"), larger).unwrap();
    let opened = ModelDirectory::open(directory.path()).unwrap();
    let error = StaticEmbedder::open(config(directory.path()), &opened).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Data);
    assert!(error.to_string().contains("10000 tokens"), "{error}");
}

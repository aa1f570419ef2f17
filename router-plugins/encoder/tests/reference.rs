//! Whole encoders against reference vectors, and what must not change them.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail as tests do"
)]

use std::path::{Path, PathBuf};

use router_core::{ErrorKind, Matrix};
use router_encoder::{Encoder, EncoderOptions, InstructionSet, Pooling, Precision};
use serde_json::Value;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/encoders").join(name)
}

fn open(name: &str, options: EncoderOptions) -> Encoder {
    let folder = fixture(name);
    Encoder::open(&folder.join("config.json"), &[folder.join("model.safetensors")], options).unwrap()
}

/// The reference's texts: token ids, vectors of tokens, and vectors by pooling.
fn texts(name: &str) -> Vec<Value> {
    let reference: Value =
        serde_json::from_slice(&std::fs::read(fixture(name).join("reference.json")).unwrap()).unwrap();
    reference["texts"].as_array().unwrap().clone()
}

fn floats(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap() as f32).collect()
}

fn ids(text: &Value) -> Vec<u32> {
    text["token_ids"].as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect()
}

fn worst(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    found.iter().zip(expected).fold(0.0, |worst, (a, b)| worst.max((a - b).abs()))
}

const POOLINGS: [(Pooling, &str); 4] = [
    (Pooling::Mean, "mean"),
    (Pooling::Cls, "cls"),
    (Pooling::Max, "max"),
    (Pooling::MeanSqrtLength, "mean_sqrt_length"),
];

#[test]
fn tokens_and_poolings_are_those_of_the_reference() {
    for name in ["tiny-bert", "tiny-mpnet"] {
        for instruction_set in InstructionSet::available() {
            for (pooling, key) in POOLINGS {
                let encoder = open(name, EncoderOptions { pooling, instruction_set, ..EncoderOptions::default() });
                for text in texts(name) {
                    let ids = ids(&text);
                    let tokens = encoder.token_vectors(&ids).unwrap();
                    for (row, expected) in text["last_hidden_state"].as_array().unwrap().iter().enumerate() {
                        let off = worst(tokens.row(row), &floats(expected));
                        assert!(
                            off < 1e-5,
                            "{name} {} {}: token {row} is off by {off}",
                            instruction_set.name(),
                            text["purpose"]
                        );
                    }
                    let mut vector = Matrix::default();
                    encoder.encode(&[ids], &mut vector).unwrap();
                    let off = worst(vector.row(0), &floats(&text["vectors"][key]));
                    assert!(off < 1e-5, "{name} {} {} {key} is off by {off}", instruction_set.name(), text["purpose"]);
                }
            }
        }
    }
}

#[test]
fn int8_stays_near_the_reference() {
    for name in ["tiny-bert", "tiny-mpnet"] {
        let encoder = open(name, EncoderOptions { precision: Precision::Int8, ..EncoderOptions::default() });
        for text in texts(name) {
            let mut vector = Matrix::default();
            encoder.encode(&[ids(&text)], &mut vector).unwrap();
            let cosine: f32 = vector.row(0).iter().zip(floats(&text["vectors"]["mean"])).map(|(a, b)| a * b).sum();
            assert!(cosine > 0.99, "{name} {}: cosine {cosine}", text["purpose"]);
        }
    }
}

#[test]
fn a_vector_does_not_depend_on_batch_threads_or_what_came_before() {
    for name in ["tiny-bert", "tiny-mpnet"] {
        for precision in [Precision::F32, Precision::Int8] {
            let encoder = open(name, EncoderOptions { precision, ..EncoderOptions::default() });
            // Every prefix of every text, so that groups of many shapes are formed.
            let sequences: Vec<Vec<u32>> = texts(name)
                .iter()
                .map(ids)
                .flat_map(|ids| (1..=ids.len()).map(move |end| ids[..end].to_vec()))
                .collect();
            let encode = |threads: usize, sequences: &[Vec<u32>]| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let mut out = Matrix::default();
                pool.install(|| encoder.encode(sequences, &mut out)).unwrap();
                out
            };
            let all = encode(1, &sequences);
            assert_eq!(all, encode(2, &sequences));
            assert_eq!(all, encode(3, &sequences));
            for (row, sequence) in sequences.iter().enumerate() {
                let alone = std::slice::from_ref(sequence);
                assert_eq!(encode(1, alone).row(0), all.row(row));
                // Its tokens are shared out among the workers.
                assert_eq!(encode(3, alone).row(0), all.row(row));
            }
        }
    }
    let mut none = Matrix::default();
    open("tiny-bert", EncoderOptions::default()).encode::<Vec<u32>>(&[], &mut none).unwrap();
    assert_eq!((none.rows(), none.cols()), (0, 32));
}

#[test]
fn impossible_sequences_are_refused_by_their_place() {
    let encoder = open("tiny-bert", EncoderOptions::default());
    let most = encoder.architecture().maximum_tokens();
    let mut out = Matrix::default();
    for (sequence, what) in [
        (vec![], "sequence 1 has 0 tokens"),
        (vec![1; most + 1], "sequence 1 has 65 tokens"),
        (vec![1, 1_000_000], "token id 1000000"),
    ] {
        let error = encoder.encode(&[vec![1], sequence], &mut out).unwrap_err();
        assert!(error.kind() == ErrorKind::Embedding && error.to_string().contains(what), "{error}");
    }
    encoder.encode(&[vec![1; most]], &mut out).unwrap();
}

/// A copy of the tiny model with `change` applied to its weights.
fn damaged(change: impl FnOnce(&mut Vec<u8>)) -> router_core::Error {
    let folder = tempfile::tempdir().unwrap();
    let mut bytes = std::fs::read(fixture("tiny-bert").join("model.safetensors")).unwrap();
    change(&mut bytes);
    let weights = folder.path().join("model.safetensors");
    std::fs::write(&weights, bytes).unwrap();
    Encoder::open(&fixture("tiny-bert").join("config.json"), &[weights], EncoderOptions::default()).unwrap_err()
}

/// A fault planted in the weights.
type Change<'a> = Box<dyn FnOnce(&mut Vec<u8>) + 'a>;

#[test]
fn damaged_weights_are_typed_errors() {
    let header = |bytes: &[u8]| 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let replace = |bytes: &mut Vec<u8>, from: &str, to: &str| {
        assert_eq!(from.len(), to.len());
        let at = bytes.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
        bytes[at..at + from.len()].copy_from_slice(to.as_bytes());
    };
    let faults: Vec<(&str, Change<'_>, ErrorKind)> = vec![
        ("cut off", Box::new(|bytes| bytes.truncate(bytes.len() - 1)), ErrorKind::Artifact),
        ("a header cut off", Box::new(|bytes| bytes.truncate(100)), ErrorKind::Artifact),
        ("no header", Box::new(|bytes| bytes.truncate(3)), ErrorKind::Artifact),
        ("empty", Box::new(Vec::clear), ErrorKind::Artifact),
        ("longer than it says", Box::new(|bytes| bytes.push(0)), ErrorKind::Artifact),
        ("a huge header", Box::new(|bytes| bytes[..8].fill(0xff)), ErrorKind::Artifact),
        ("a header that is not JSON", Box::new(|bytes| bytes[8] = b'x'), ErrorKind::Artifact),
        (
            "another name",
            Box::new(|bytes| replace(bytes, "encoder.layer.1.output.dense.bias", "encoder.layer.1.output.dense.hias")),
            ErrorKind::Artifact,
        ),
        ("no words", Box::new(|bytes| replace(bytes, "word_embeddings", "wird_embeddings")), ErrorKind::Artifact),
        (
            "not a number",
            Box::new(|bytes| {
                let start = header(bytes);
                bytes[start..start + 4].copy_from_slice(&f32::NAN.to_le_bytes());
            }),
            ErrorKind::NonFinite,
        ),
    ];
    for (what, change, kind) in faults {
        let error = damaged(change);
        assert_eq!(error.kind(), kind, "{what}: {error}");
        assert!(error.file().is_some(), "{what}: {error}");
    }
}

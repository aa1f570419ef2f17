//! The embedder `tfidf-svd`: held against scikit-learn, and what it promises on odd texts.
//!
//! `benches/peers/tfidf/` writes the reference values.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that fails should panic")]

use router_core::parallel::with_threads;
use router_core::prelude::*;
use router_plugins::embedders::tfidf_svd::{TfidfSvdConfig, TfidfSvdEmbedder};
use serde::Deserialize;

#[derive(Deserialize)]
struct Reference {
    character_weight: f64,
    texts: Vec<String>,
    asked: Vec<String>,
    vocabulary: [usize; 2],
    singular_values: Vec<f64>,
    /// Of every asked text to all texts, then to the asked ones.
    cosines_of_asked: Vec<Vec<f64>>,
    cosines_of_the_first: Vec<f64>,
    whitened_cosines_of_asked: Vec<Vec<f64>>,
}

fn reference() -> Reference {
    serde_json::from_str(include_str!("fixtures/tfidf.json")).unwrap()
}

fn learn(config: &TfidfSvdConfig, texts: &[&str]) -> TfidfSvdEmbedder {
    config.learn(texts, &FitContext::new(7)).unwrap()
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
}

fn strs(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}

const TEXTS: [&str; 6] = [
    "sum the numbers 3 and 4",
    "sum the numbers 9 and 12",
    "write a poem of the sea",
    "write a poem of the moon",
    "sort the list of numbers",
    "sort the list of names",
];

#[test]
fn vectors_are_those_of_scikit_learn() {
    let reference = reference();
    let texts = strs(&reference.texts);
    let config = TfidfSvdConfig {
        dimension: reference.singular_values.len(),
        character_weight: reference.character_weight,
        iterations: 8,
        ..TfidfSvdConfig::default()
    };
    let embedder = learn(&config, &texts);
    assert_eq!(embedder.vocabulary_sizes(), reference.vocabulary);
    for (own, expected) in embedder.singular_values().iter().zip(&reference.singular_values) {
        assert!((f64::from(*own) - expected).abs() < 1e-4, "{own} against {expected}");
    }
    let all: Vec<&str> = texts.iter().copied().chain(strs(&reference.asked)).collect();
    let close = |embedder: &TfidfSvdEmbedder, row: usize, expected: &[f64]| {
        let vectors = embedder.vectors(&all);
        assert_eq!(vectors.rows(), expected.len());
        for (other, expected) in expected.iter().enumerate() {
            let own = cosine(vectors.row(row), vectors.row(other));
            assert!((own - expected).abs() < 1e-3, "{row} and {other}: {own} against {expected}");
        }
    };
    close(&embedder, 0, &[&reference.cosines_of_the_first[..], &cosines_of_first_to_asked(&reference)].concat());
    let whitened = learn(&TfidfSvdConfig { whiten: true, ..config }, &texts);
    for asked in 0..reference.asked.len() {
        close(&embedder, texts.len() + asked, &reference.cosines_of_asked[asked]);
        close(&whitened, texts.len() + asked, &reference.whitened_cosines_of_asked[asked]);
    }
}

/// The first rows of the asked texts' cosines: cosines are symmetric.
fn cosines_of_first_to_asked(reference: &Reference) -> Vec<f64> {
    let missing = reference.texts.len() + reference.asked.len() - reference.cosines_of_the_first.len();
    reference.cosines_of_asked[..missing].iter().map(|cosines| cosines[0]).collect()
}

#[test]
fn all_vectors_have_unit_length_and_do_not_depend_on_threads() {
    let config = TfidfSvdConfig { dimension: 4, ..TfidfSvdConfig::default() };
    let one = with_threads(1, || learn(&config, &TEXTS)).unwrap();
    let two = with_threads(2, || learn(&config, &TEXTS)).unwrap();
    assert_eq!(one, two);
    let vectors = one.vectors(&TEXTS);
    assert_eq!(vectors.cols(), 4);
    for row in 0..vectors.rows() {
        assert!((cosine(vectors.row(row), vectors.row(row)) - 1.0).abs() < 1e-5);
    }
    assert!(one.singular_values().is_sorted_by(|a, b| a >= b));
}

#[test]
fn texts_that_say_nothing_known_read_like_the_average() {
    let config = TfidfSvdConfig { dimension: 4, ..TfidfSvdConfig::default() };
    let embedder = learn(&config, &TEXTS);
    let vectors = embedder.vectors(&["", "   ", "ÄÖÜ ßß", TEXTS[0]]);
    for row in 0..3 {
        assert_eq!(vectors.row(row), vectors.row(0));
        assert!((cosine(vectors.row(row), vectors.row(row)) - 1.0).abs() < 1e-5);
    }
    let known = embedder.vectors(&TEXTS);
    let mut mean = [0.0; 4];
    for row in 0..known.rows() {
        mean.iter_mut().zip(known.row(row)).for_each(|(mean, value)| *mean += value / 6.0);
    }
    let length = cosine(&mean, &mean).sqrt();
    assert!((cosine(vectors.row(0), &mean) / length - 1.0).abs() < 1e-5);
}

#[test]
fn nothing_to_learn_from_is_no_error() {
    for texts in [&[][..], &[""], &["alone"]] {
        let embedder = learn(&TfidfSvdConfig::default(), texts);
        assert_eq!(embedder.vectors(&["alone", ""]).as_slice(), [1.0, 1.0], "{texts:?}: nothing occurs in two texts");
    }
    // One text of one known n-gram: one direction.
    let config = TfidfSvdConfig { minimum_frequency: 1, characters: [0, 0], ..TfidfSvdConfig::default() };
    assert_eq!(learn(&config, &["alone"]).vectors(&["alone"]).as_slice(), [1.0]);
}

#[test]
fn frequency_and_vocabulary_are_limited() {
    let words = TfidfSvdConfig { words: [1, 1], characters: [0, 0], ..TfidfSvdConfig::default() };
    let sizes = |config: &TfidfSvdConfig| learn(config, &TEXTS).vocabulary_sizes();
    // Of the texts' 15 words these are in two texts or more: sum the numbers 0 and write a poem of sort list; digits are folded
    // one by one, so that 12 reads 00.
    assert_eq!(sizes(&words), [11, 0]);
    assert_eq!(sizes(&TfidfSvdConfig { minimum_frequency: 3, ..words.clone() }), [3, 0], "the, of, numbers");
    assert_eq!(sizes(&TfidfSvdConfig { maximum_vocabulary: 1, ..words.clone() }), [1, 0]);
    let the = learn(&TfidfSvdConfig { maximum_vocabulary: 1, ..words.clone() }, &TEXTS);
    assert_eq!(the.vectors(&["the"]), the.vectors(&["the the sea"]), "only the most frequent is known");
    let rare = TfidfSvdConfig { minimum_frequency: 7, ..words };
    assert_eq!(sizes(&rare), [0, 0]);
}

#[test]
fn the_fingerprint_covers_texts_and_parameters() {
    let base = TfidfSvdConfig::default();
    let variants = [
        base.clone(),
        TfidfSvdConfig { dimension: 2, ..base.clone() },
        TfidfSvdConfig { words: [1, 1], ..base.clone() },
        TfidfSvdConfig { characters: [2, 5], ..base.clone() },
        TfidfSvdConfig { character_weight: 0.123, ..base.clone() },
        TfidfSvdConfig { minimum_frequency: 1, ..base.clone() },
        TfidfSvdConfig { maximum_vocabulary: 3, ..base.clone() },
        TfidfSvdConfig { sublinear: false, ..base.clone() },
        TfidfSvdConfig { lowercase: false, ..base.clone() },
        TfidfSvdConfig { fold_digits: false, ..base.clone() },
        TfidfSvdConfig { whiten: true, ..base.clone() },
        TfidfSvdConfig { iterations: 1, ..base.clone() },
    ];
    let mut seen = std::collections::BTreeSet::new();
    for config in &variants {
        seen.insert(learn(config, &TEXTS).fingerprint());
    }
    for texts in [&TEXTS[..5], &[&TEXTS[..5], &["sort the list of animals"]].concat()] {
        seen.insert(learn(&base, texts).fingerprint());
    }
    assert_eq!(seen.len(), variants.len() + 2);
    assert_eq!(learn(&base, &TEXTS).fingerprint(), learn(&base, &TEXTS).fingerprint());
    // Each of the parameters that shape the weights changes the vector of a text with capitals, digits and repeated words.
    let text = "Sum THE numbers 3 and 4 and 4";
    let at_least = |a: &TfidfSvdConfig| learn(a, &TEXTS).vectors(&[text]);
    for config in &variants[7..11] {
        assert_ne!(at_least(config), at_least(&base), "{config:?}");
    }
}

#[test]
fn wrong_parameters_are_errors() {
    let kind = |config: TfidfSvdConfig| config.learn(&TEXTS, &FitContext::new(0)).unwrap_err().kind();
    let base = TfidfSvdConfig::default();
    assert_eq!(kind(TfidfSvdConfig { dimension: 0, ..base.clone() }), ErrorKind::Config);
    assert_eq!(kind(TfidfSvdConfig { words: [2, 1], ..base.clone() }), ErrorKind::Config);
    assert_eq!(kind(TfidfSvdConfig { words: [0, 0], characters: [0, 0], ..base.clone() }), ErrorKind::Config);
    assert_eq!(kind(TfidfSvdConfig { character_weight: f64::NAN, ..base }), ErrorKind::Config);
}

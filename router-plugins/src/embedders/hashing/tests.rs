//! Tests of the hashing embedder.

use proptest::prelude::*;
use router_core::parallel::with_threads;
use router_core::prelude::*;

use super::*;

fn embed(config: &HashingConfig, texts: &[&str]) -> Matrix {
    HashingEmbedder::new(config.clone()).unwrap().vectors(texts)
}

fn vector(config: &HashingConfig, text: &str) -> Vec<f32> {
    embed(config, &[text]).into_vec()
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn words_only() -> HashingConfig {
    HashingConfig { words: [1, 1], characters: [0, 0], dimension: 65_536, ..HashingConfig::default() }
}

#[test]
fn cosines_of_words_by_hand() {
    // With 65,536 buckets these words do not collide.
    let config = words_only();
    let cos = |a: &str, b: &str| cosine(&vector(&config, a), &vector(&config, b));
    assert!((cos("red green blue", "blue red green") - 1.0).abs() < 1e-6);
    assert!((cos("red green", "red blue") - 0.5).abs() < 1e-6);
    assert!(cos("red", "blue").abs() < 1e-6);
    // Weights 1 + ln 2 and 1 against 1: (1 + ln 2) / sqrt((1 + ln 2)^2 + 1).
    let double = 1.0 + 2f32.ln();
    assert!((cos("red red blue", "red") - double / (double * double + 1.0).sqrt()).abs() < 1e-6);
    let linear = HashingConfig { sublinear: false, ..config.clone() };
    assert!((cosine(&vector(&linear, "red red blue"), &vector(&linear, "red")) - 2.0 / 5f32.sqrt()).abs() < 1e-6);
    // Case and digits.
    assert!((cos("Red 17", "RED 42") - 1.0).abs() < 1e-6);
    let strict = HashingConfig { lowercase: false, fold_digits: false, ..config };
    assert!(cosine(&vector(&strict, "Red 17"), &vector(&strict, "RED 42")).abs() < 1e-6);
}

#[test]
fn order_counts_in_longer_n_grams() {
    let pairs = HashingConfig { words: [2, 2], ..words_only() };
    let cos = |a: &str, b: &str| cosine(&vector(&pairs, a), &vector(&pairs, b));
    assert!((cos("a b c", "x a b") - 0.5).abs() < 1e-6);
    assert!(cos("a b c", "c b a").abs() < 1e-6);
    // "ab c" and "a bc" are other words, though the letters are the same.
    assert!(cos("ab c", "a bc").abs() < 1e-6);
    // Of " abc " and " abd ", three characters at a time: " ab" in common of three each.
    let characters = HashingConfig { words: [0, 0], characters: [3, 3], ..words_only() };
    assert!((cosine(&vector(&characters, "abc"), &vector(&characters, "abd")) - 1.0 / 3.0).abs() < 1e-6);
    assert!((cosine(&vector(&characters, " a\n b"), &vector(&characters, "a b ")) - 1.0).abs() < 1e-6);
}

#[test]
fn the_blocks_share_the_length_as_told() {
    // One word in common out of one, no character n-gram in common: the cosine is the words' share.
    let config = HashingConfig { words: [1, 1], characters: [3, 3], character_weight: 0.25, ..words_only() };
    let both = vector(&config, "abc");
    let words = vector(&words_only(), "abc");
    let characters = vector(&HashingConfig { words: [0, 0], ..config }, "abc");
    assert!((cosine(&both, &words) - 0.75f32.sqrt()).abs() < 1e-5);
    assert!((cosine(&both, &characters) - 0.5).abs() < 1e-5);
}

#[test]
fn the_hash_is_what_it_was() {
    // Computed once by an independent implementation in Python of what the docs say: bucket and sign of the words below for
    // d = 64 and seed 0. It holds the hash to the same values on every platform and in every release.
    let config = HashingConfig { dimension: 64, ..words_only() };
    for (word, bucket, sign) in REFERENCE {
        let vector = vector(&config, word);
        let found: Vec<(usize, f32)> = vector.iter().copied().enumerate().filter(|(_, value)| *value != 0.0).collect();
        assert_eq!(found, [(bucket, sign)], "{word}");
    }
}

const REFERENCE: [(&str, usize, f32); 4] =
    [("route", 4, 1.0), ("prompt", 52, 1.0), ("straße", 62, -1.0), ("数学", 8, 1.0)];

#[test]
fn texts_without_n_grams_get_the_constant_vector() {
    let config = HashingConfig::default();
    let constant = vec![1.0 / 32.0; 1024];
    for text in ["", " ", "\n\t \u{3000}"] {
        for (value, expected) in vector(&config, text).iter().zip(&constant) {
            assert!((value - expected).abs() < 1e-7);
        }
    }
    assert_ne!(vector(&config, "?"), constant, "one character is a text");
    assert_eq!(vector(&words_only(), "?!")[0], 1.0 / 256.0, "no word");
}

#[test]
fn the_end_of_a_long_text_is_read() {
    let long = "lorem ipsum ".repeat(100_000);
    let config = HashingConfig { sublinear: false, ..words_only() };
    let with_end = format!("{long}{}", "zebra ".repeat(50_000));
    let cos = cosine(&vector(&config, &with_end), &vector(&config, "zebra"));
    assert!((cos - 0.5 / 2.25f32.sqrt()).abs() < 1e-4, "{cos}");
}

#[test]
fn wrong_parameters_are_errors() {
    let kind = |config: HashingConfig| HashingEmbedder::new(config).unwrap_err().kind();
    let base = HashingConfig::default();
    assert_eq!(kind(HashingConfig { dimension: 4, ..base.clone() }), ErrorKind::Config);
    assert_eq!(kind(HashingConfig { words: [2, 1], ..base.clone() }), ErrorKind::Config);
    assert_eq!(kind(HashingConfig { characters: [0, 3], ..base.clone() }), ErrorKind::Config);
    assert_eq!(kind(HashingConfig { words: [0, 0], characters: [0, 0], ..base.clone() }), ErrorKind::Config);
    assert_eq!(kind(HashingConfig { character_weight: f64::NAN, ..base }), ErrorKind::Config);
}

#[test]
fn the_fingerprint_covers_every_parameter() {
    let base = HashingConfig::default();
    let variants = [
        base.clone(),
        HashingConfig { dimension: 64, ..base.clone() },
        HashingConfig { words: [1, 3], ..base.clone() },
        HashingConfig { characters: [2, 5], ..base.clone() },
        HashingConfig { character_weight: 0.123, ..base.clone() },
        HashingConfig { sublinear: false, ..base.clone() },
        HashingConfig { lowercase: false, ..base.clone() },
        HashingConfig { fold_digits: false, ..base.clone() },
        HashingConfig { hash_seed: 1, ..base },
    ];
    let text = "Two or three words of 2026, two times two";
    let mut seen = std::collections::BTreeSet::new();
    let mut vectors = Vec::new();
    for config in variants {
        seen.insert(HashingEmbedder::new(config.clone()).unwrap().fingerprint());
        vectors.push(vector(&config, text));
    }
    assert_eq!(seen.len(), 9);
    for (at, one) in vectors.iter().enumerate() {
        assert!(vectors[..at].iter().all(|other| other != one), "parameter {at} changes nothing");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_text_has_a_unit_vector_of_its_own(texts in prop::collection::vec("\\PC{0,40}|[a-z \\n]{0,60}|.{0,20}", 1..12), d in 8usize..600) {
        let config = HashingConfig { dimension: d, ..HashingConfig::default() };
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let batch = with_threads(2, || embed(&config, &texts)).unwrap();
        prop_assert_eq!(&batch, &with_threads(1, || embed(&config, &texts)).unwrap());
        for (row, text) in texts.iter().enumerate() {
            let length = cosine(batch.row(row), batch.row(row));
            prop_assert!((length - 1.0).abs() < 1e-4, "{length}");
            prop_assert_eq!(batch.row(row), vector(&config, text));
        }
    }
}

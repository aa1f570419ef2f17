//! Every kernel under every instruction set of this processor against plain f64 arithmetic.

use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::attention::{DistanceBias, Heads, Scratch};
use super::matmul::{Activation, ByteRows, Linear, LinearInt8};
use super::rows::{LayerNorm, activate};
use super::{InstructionSet, padded};

fn numbers(seed: u64, count: usize) -> Vec<f32> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    (0..count).map(|_| random.random_range(-1.0_f32..1.0)).collect()
}

/// a W' + bias in f64.
fn product(rows: usize, depth: usize, a: &[f32], weights: &[f32], bias: &[f32]) -> Vec<f64> {
    let mut c = Vec::new();
    for row in 0..rows {
        for (column, &bias) in bias.iter().enumerate() {
            let (a, w) = (&a[row * depth..(row + 1) * depth], &weights[column * depth..(column + 1) * depth]);
            c.push(f64::from(bias) + a.iter().zip(w).map(|(&a, &w)| f64::from(a) * f64::from(w)).sum::<f64>());
        }
    }
    c
}

fn near(found: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (at, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        assert!((f64::from(found) - expected).abs() <= tolerance, "{at}: {found} where {expected} belongs");
    }
}

/// Forty, or what `PROPTEST_CASES` says for a long run.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn products_are_exact_up_to_rounding(rows in 1..70_usize, depth in 1..40_usize, columns in 1..5_usize, seed: u64) {
        let (depth, columns) = (depth * 32, columns * 32);
        let (a, weights, bias) = (numbers(seed, rows * depth), numbers(seed ^ 1, columns * depth), numbers(seed ^ 2, columns));
        let expected = product(rows, depth, &a, &weights, &bias);
        for set in InstructionSet::available() {
            let mut c = vec![f32::NAN; rows * columns];
            Linear::pack(set, depth, &weights, &bias).apply(rows, &a, &mut c, Activation::Identity);
            near(&c, &expected, 2e-6 * depth as f64);
        }
    }

    #[test]
    fn a_row_does_not_depend_on_the_rows_around_it(rows in 1..60_usize, seed: u64) {
        let (depth, columns) = (416, 64);
        let (a, weights, bias) = (numbers(seed, rows * depth), numbers(seed ^ 1, columns * depth), numbers(seed ^ 2, columns));
        for set in InstructionSet::available() {
            let (plain, bytes) = (Linear::pack(set, depth, &weights, &bias), LinearInt8::pack(set, depth, &weights, &bias));
            let (mut all, mut one) = (vec![0.0; rows * columns], vec![0.0; columns]);
            let (mut all_bytes, mut quantized) = (vec![0.0; rows * columns], ByteRows::default());
            plain.apply(rows, &a, &mut all, Activation::Gelu);
            quantized.quantize(set, rows, depth, &a);
            bytes.apply(&quantized, &mut all_bytes, Activation::Gelu);
            for row in 0..rows {
                let own = &a[row * depth..(row + 1) * depth];
                plain.apply(1, own, &mut one, Activation::Gelu);
                prop_assert_eq!(&one[..], &all[row * columns..(row + 1) * columns]);
                quantized.quantize(set, 1, depth, own);
                bytes.apply(&quantized, &mut one, Activation::Gelu);
                prop_assert_eq!(&one[..], &all_bytes[row * columns..(row + 1) * columns]);
            }
        }
    }

    #[test]
    fn int8_products_are_those_of_the_rounded_numbers(rows in 1..30_usize, depth in 1..50_usize, shift in -2.0_f32..2.0, seed: u64) {
        let (depth, columns) = (depth * 32, 64);
        let a: Vec<f32> = numbers(seed, rows * depth).iter().map(|value| value + shift).collect();
        let (weights, bias) = (numbers(seed ^ 1, columns * depth), numbers(seed ^ 2, columns));
        // The same rounding by the definition: 256 levels from the least to the greatest and 0; 255 levels a channel.
        let rounded_a: Vec<f32> = a.chunks(depth).flat_map(|row| {
            let (low, high) = row.iter().fold((0.0_f32, 0.0_f32), |(low, high), &x| (low.min(x), high.max(x)));
            let scale = (high - low) / 255.0;
            let (inverse, zero) = (1.0 / scale, (-low / scale).round_ties_even());
            row.iter().map(move |x| (((x * inverse).round_ties_even() + zero).clamp(0.0, 255.0) - zero) * scale)
        }).collect();
        let rounded_weights: Vec<f32> = weights.chunks(depth).flat_map(|row| {
            let scale = row.iter().fold(0.0_f32, |most, x| most.max(x.abs())) / 127.0;
            let inverse = 1.0 / scale;
            row.iter().map(move |x| (x * inverse).round_ties_even() * scale)
        }).collect();
        let expected = product(rows, depth, &rounded_a, &rounded_weights, &bias);
        for set in InstructionSet::available() {
            let mut quantized = ByteRows::default();
            quantized.quantize(set, rows, depth, &a);
            let mut c = vec![f32::NAN; rows * columns];
            LinearInt8::pack(set, depth, &weights, &bias).apply(&quantized, &mut c, Activation::Identity);
            near(&c, &expected, 3e-6 * depth as f64);
        }
    }

    #[test]
    fn layer_norms_are_those_of_the_definition(rows in 1..20_usize, width in 1..200_usize, seed: u64) {
        let stride = padded(width);
        let (mut x, mut delta) = (numbers(seed, rows * stride), numbers(seed ^ 1, rows * stride));
        let (gamma, beta) = (numbers(seed ^ 2, width), numbers(seed ^ 3, width));
        for row in 0..rows {
            x[row * stride + width..(row + 1) * stride].fill(0.0);
            delta[row * stride + width..(row + 1) * stride].fill(0.0);
        }
        let mut expected = Vec::new();
        for row in 0..rows {
            let sums: Vec<f64> =
                (0..width).map(|at| f64::from(x[row * stride + at]) + f64::from(delta[row * stride + at])).collect();
            let mean = sums.iter().sum::<f64>() / width as f64;
            let variance = sums.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / width as f64;
            for at in 0..stride {
                expected.push(if at < width {
                    (sums[at] - mean) / (variance + 1e-3).sqrt() * f64::from(gamma[at]) + f64::from(beta[at])
                } else {
                    0.0
                });
            }
        }
        for set in InstructionSet::available() {
            let mut own = x.clone();
            LayerNorm::new(set, gamma.clone(), beta.clone(), 1e-3).apply(rows, &mut own, Some(&delta));
            near(&own, &expected, 2e-5);
        }
    }

    #[test]
    fn attention_is_that_of_the_definition(length in 1..120_usize, heads in 1..4_usize, wide: bool, biased: bool, seed: u64) {
        let head = if wide { 64 } else { 32 };
        let all = heads * head;
        let qkv: Vec<f32> = numbers(seed, length * 3 * all).iter().map(|value| value * 2.0).collect();
        let bias = biased.then(|| DistanceBias { reach: 120, table: numbers(seed ^ 1, heads * 239) });
        let at = |row: usize, column: usize| f64::from(qkv[row * 3 * all + column]);
        let mut expected = vec![0.0; length * all];
        for h in 0..heads {
            for query in 0..length {
                let scores: Vec<f64> = (0..length).map(|key| {
                    let dot: f64 = (0..head).map(|d| at(query, h * head + d) * at(key, all + h * head + d)).sum();
                    dot + bias.as_ref().map_or(0.0, |bias| f64::from(bias.table[h * 239 + 119 + key - query]))
                }).collect();
                let most = scores.iter().copied().fold(f64::MIN, f64::max);
                let total: f64 = scores.iter().map(|score| (score - most).exp()).sum();
                for d in 0..head {
                    expected[query * all + h * head + d] =
                        (0..length).map(|key| (scores[key] - most).exp() / total * at(key, 2 * all + h * head + d)).sum();
                }
            }
        }
        for set in InstructionSet::available() {
            let mut out = vec![f32::NAN; length * all];
            Heads { set, heads, head }.attend(length, 0..length, &qkv, bias.as_ref(), &mut Scratch::default(), &mut out);
            near(&out, &expected, 2e-5);
            // A part of the queries has the same bits.
            let part = length / 3..length - length / 4;
            let mut own = vec![f32::NAN; part.len() * all];
            let heads_of = Heads { set, heads, head };
            heads_of.attend(length, part.clone(), &qkv, bias.as_ref(), &mut Scratch::default(), &mut own);
            prop_assert_eq!(&own[..], &out[part.start * all..part.end * all]);
        }
    }
}

#[test]
fn activations_have_their_published_values() {
    // x Phi(x) with Phi from tables of the normal distribution, and its tanh form by hand.
    let exact = [
        (0.0, 0.0),
        (1.0, 0.841_344_7),
        (-1.0, -0.158_655_25),
        (2.0, 1.954_499_7),
        (-2.0, -0.045_500_26),
        (3.0, 2.995_950_3),
        (8.0, 8.0),
        (-9.0, 0.0),
    ];
    let tanh = [
        (0.0, 0.0),
        (1.0, 0.841_192),
        (-1.0, -0.158_808),
        (2.0, 1.954_597_7),
        (-3.0, -0.003_637_4),
        (20.0, 20.0),
        (-20.0, 0.0),
    ];
    for set in InstructionSet::available() {
        for (activation, values) in [(Activation::Gelu, &exact[..]), (Activation::GeluTanh, &tanh[..])] {
            for &(x, expected) in values {
                let mut found = [x; 32];
                activate(set, activation, &mut found);
                assert!(
                    (found[0] - expected).abs() < 2e-6,
                    "{activation:?} of {x}: {} where {expected} belongs",
                    found[0]
                );
                assert!(found.iter().all(|&value| value == found[0]));
            }
        }
        let mut found = [-1.5; 32];
        found[7] = 2.5;
        activate(set, Activation::Relu, &mut found);
        assert_eq!((found[0], found[7]), (0.0, 2.5));
    }
}

#[test]
fn all_instruction_sets_with_fused_products_give_the_same_bits() {
    let (rows, depth, columns) = (29, 800, 96);
    let (a, weights, bias) = (numbers(1, rows * depth), numbers(2, columns * depth), numbers(3, columns));
    let results: Vec<_> = InstructionSet::available()
        .into_iter()
        .filter(|set| set.name() != "portable")
        .map(|set| {
            let (mut plain, mut bytes, mut context) =
                (vec![0.0; rows * columns], vec![0.0; rows * columns], vec![0.0; rows * 32]);
            Linear::pack(set, depth, &weights, &bias).apply(rows, &a, &mut plain, Activation::Gelu);
            let mut quantized = ByteRows::default();
            quantized.quantize(set, rows, depth, &a);
            LinearInt8::pack(set, depth, &weights, &bias).apply(&quantized, &mut bytes, Activation::GeluTanh);
            Heads { set, heads: 1, head: 32 }.attend(
                rows,
                0..rows,
                &plain,
                None,
                &mut Scratch::default(),
                &mut context,
            );
            LayerNorm::new(set, numbers(4, 96), numbers(5, 96), 1e-5).apply(rows, &mut bytes, Some(&plain));
            (plain, bytes, context)
        })
        .collect();
    assert!(results.windows(2).all(|pair| pair[0] == pair[1]));
    println!("compared {} instruction sets", results.len());
}

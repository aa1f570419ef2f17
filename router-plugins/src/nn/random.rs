//! Random numbers for networks, from a component's own seed stream.

use rand::Rng;
use router_core::SeedStream;

/// A number uniform in [0, 1), on a grid of 2^-24.
pub fn uniform(stream: &mut SeedStream) -> f32 {
    on_unit(stream.next_u32())
}

/// Whether each of `count` numbers is kept that is dropped with probability `rate`: [`uniform`] numbers of at least `rate`.
pub fn kept(count: usize, rate: f32, stream: &mut SeedStream) -> Vec<bool> {
    let mut bytes = vec![0; 4 * count];
    stream.fill_bytes(&mut bytes);
    let (words, _) = bytes.as_chunks::<4>();
    words.iter().map(|&word| on_unit(u32::from_le_bytes(word)) >= rate).collect()
}

fn on_unit(word: u32) -> f32 {
    (word >> 8) as f32 * (1.0 / 16_777_216.0)
}

/// `count` initial weights of a layer of `inputs` inputs: uniform within plus and minus the square root of 6 / `inputs`, which
/// keeps the variance of rectified activations from layer to layer (He et al., arXiv 1502.01852).
pub fn initial_weights(count: usize, inputs: usize, stream: &mut SeedStream) -> Vec<f32> {
    let bound = (6.0 / inputs.max(1) as f32).sqrt();
    (0..count).map(|_| (2.0 * uniform(stream) - 1.0) * bound).collect()
}

/// Shuffles `rows` (Fisher and Yates).
pub fn shuffle(rows: &mut [usize], stream: &mut SeedStream) {
    use rand::seq::SliceRandom;
    rows.shuffle(stream);
}

#[cfg(test)]
mod tests {
    use router_core::Seed;

    use super::*;

    #[test]
    fn what_is_kept_is_told_by_uniform_numbers_one_after_the_other() {
        let stream = || Seed::root(2).stream("mask");
        let (mut many, mut single) = (stream(), stream());
        for (count, rate) in [(7, 0.5), (1000, 0.1), (3, 0.9)] {
            let expected: Vec<bool> = (0..count).map(|_| uniform(&mut single) >= rate).collect();
            assert_eq!(kept(count, rate, &mut many), expected);
        }
    }

    #[test]
    fn initial_weights_have_the_variance_of_he() {
        let weights = initial_weights(20_000, 50, &mut Seed::root(1).stream("w"));
        let mean = weights.iter().sum::<f32>() / 20_000.0;
        let variance = weights.iter().map(|w| (w - mean).powi(2)).sum::<f32>() / 20_000.0;
        assert!(mean.abs() < 0.005, "{mean}");
        assert!((variance - 2.0 / 50.0).abs() < 0.001, "{variance}");
    }
}

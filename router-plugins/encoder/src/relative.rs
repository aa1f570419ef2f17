//! MPNet's bias of attention by relative position.

use router_core::Result;

use crate::architecture::Architecture;
use crate::checkpoint::Checkpoint;
use crate::kernels::attention::DistanceBias;

/// Distances from here on share the last bucket; fixed in MPNet, not part of its configuration.
const FARTHEST: f64 = 128.0;

/// The bucket of a key that stands `distance` positions after its query: half of the buckets for each direction, in each half the
/// nearest distances one by one and the rest on a logarithmic scale (Raffel et al. 2020, section 2.1, both directions).
pub fn bucket(distance: isize, buckets: usize) -> usize {
    let half = buckets / 2;
    let exact = half / 2;
    let side = if distance > 0 { half } else { 0 };
    let far = distance.unsigned_abs();
    if far < exact {
        return side + far;
    }
    let share = (far as f64 / exact as f64).ln() / (FARTHEST / exact as f64).ln();
    side + (exact + (share * (half - exact) as f64) as usize).min(half - 1)
}

/// The table of the model's biases, by head and distance.
pub(crate) fn distance_bias(architecture: &Architecture, checkpoint: &Checkpoint) -> Result<DistanceBias> {
    let Architecture { relative_buckets: buckets, heads, .. } = *architecture;
    let weights = checkpoint.tensor("encoder.relative_attention_bias.weight", &[buckets, heads])?;
    let reach = architecture.maximum_tokens();
    let mut table = Vec::with_capacity(heads * (2 * reach - 1));
    for head in 0..heads {
        for at in 0..2 * reach - 1 {
            let bucket = bucket(at as isize - (reach as isize - 1), buckets);
            table.push(weights.get(bucket * heads + head).copied().unwrap_or_default());
        }
    }
    Ok(DistanceBias { reach, table })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_those_of_the_paper() {
        // From the formula by hand, 32 buckets: 16 a side, 8 of them exact; the last begins at 8 * 16^(7/8) = 90.5.
        for (distance, expected) in [
            (0, 0),
            (-1, 1),
            (-7, 7),
            (-8, 8),
            (-11, 8),
            (-12, 9),
            (-90, 14),
            (-91, 15),
            (-5000, 15),
            (1, 17),
            (7, 23),
            (8, 24),
            (128, 31),
        ] {
            assert_eq!(bucket(distance, 32), expected, "{distance}");
        }
    }
}

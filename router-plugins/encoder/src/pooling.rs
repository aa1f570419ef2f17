//! From the vectors of tokens to the vector of a sequence.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the vectors of a sequence's tokens become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Pooling {
    /// Their mean, special tokens included.
    #[default]
    Mean,
    /// The first token's.
    Cls,
    /// The last token's.
    Last,
    /// The greatest number of every dimension.
    Max,
    /// Their sum over the square root of their number.
    MeanSqrtLength,
}

impl Pooling {
    /// Pools `tokens` (tokens x stride, of which `out.len()` count) into `out`. Sums run in the order of the tokens.
    pub(crate) fn apply(self, tokens: &[f32], stride: usize, out: &mut [f32]) {
        let mut rows = tokens.chunks_exact(stride);
        match self {
            Self::Cls => copy(out, rows.next()),
            Self::Last => copy(out, rows.next_back()),
            Self::Max => {
                copy(out, rows.next());
                for row in rows {
                    out.iter_mut().zip(row).for_each(|(most, &value)| *most = most.max(value));
                }
            }
            Self::Mean | Self::MeanSqrtLength => {
                let count = (tokens.len() / stride) as f32;
                out.fill(0.0);
                for row in rows {
                    out.iter_mut().zip(row).for_each(|(sum, &value)| *sum += value);
                }
                let factor = if self == Self::Mean { 1.0 / count } else { 1.0 / count.sqrt() };
                for value in out.iter_mut() {
                    *value *= factor;
                }
            }
        }
    }
}

fn copy(out: &mut [f32], row: Option<&[f32]>) {
    if let Some(row) = row {
        out.iter_mut().zip(row).for_each(|(to, &from)| *to = from);
    }
}

/// Brings `vector` to length 1; a vector of zeros stays.
pub(crate) fn normalize(vector: &mut [f32]) {
    let square: f32 = vector.iter().map(|value| value * value).sum();
    if square > 0.0 {
        let factor = 1.0 / square.sqrt();
        for value in vector.iter_mut() {
            *value *= factor;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pooling_by_hand() {
        let tokens = [1.0, -2.0, 9.0, 3.0, 4.0, 9.0, -1.0, 1.0, 9.0, 1.0, 1.0, 9.0];
        for (pooling, expected) in [
            (Pooling::Mean, [1.0, 1.0]),
            (Pooling::MeanSqrtLength, [2.0, 2.0]),
            (Pooling::Cls, [1.0, -2.0]),
            (Pooling::Last, [1.0, 1.0]),
            (Pooling::Max, [3.0, 4.0]),
        ] {
            let mut out = [0.0; 2];
            pooling.apply(&tokens, 3, &mut out);
            assert_eq!(out, expected, "{pooling:?}");
        }
    }
}

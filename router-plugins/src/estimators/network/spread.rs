//! The variance between networks that were trained apart.

use router_core::prelude::*;

/// The variance between members, gathered while the mean of them is summed up, so that the mean stays what it is bit for bit.
#[derive(Debug, Default)]
pub(in crate::estimators) struct Spread {
    members: usize,
    /// The sum so far.
    before: Matrix,
    /// The first member's estimates: deviations are taken from these, so that squares lose no digits.
    first: Matrix,
    /// Of the deviations: their sum and the sum of their squares.
    sum: Matrix,
    squares: Matrix,
}

impl Spread {
    pub(in crate::estimators) fn begin(&mut self, prompts: usize, models: usize) {
        self.members = 0;
        for matrix in [&mut self.before, &mut self.first, &mut self.sum, &mut self.squares] {
            matrix.reset(prompts, models);
        }
    }

    /// Sees the sum after one member more, of which `scale` times the increase is that member's estimate.
    pub(in crate::estimators) fn see(&mut self, after: MatrixView<'_>, scale: f32) {
        let deviations = self.sum.as_mut_slice().iter_mut().zip(self.squares.as_mut_slice());
        let sums = self.before.as_mut_slice().iter_mut().zip(after.as_slice()).zip(self.first.as_mut_slice());
        for (((before, &after), first), (sum, squares)) in sums.zip(deviations) {
            let estimate = (after - *before) * scale;
            *before = after;
            if self.members == 0 {
                *first = estimate;
            }
            *sum += estimate - *first;
            *squares += (estimate - *first) * (estimate - *first);
        }
        self.members += 1;
    }

    /// The unbiased variance of one member.
    pub(in crate::estimators) fn write_variance(&self, out: &mut Matrix) {
        let count = self.members as f32;
        for ((out, sum), squares) in out.as_mut_slice().iter_mut().zip(self.sum.as_slice()).zip(self.squares.as_slice())
        {
            *out = ((squares - sum * sum / count) / (count - 1.0)).max(0.0);
        }
    }
}

//! Plain f32 kernels of inference. Sequential: the same numbers at any thread count.
#![allow(clippy::indexing_slicing, reason = "indices run over the chunk they index")]
#![allow(clippy::inline_always, reason = "what is called instead of inlined is compiled for the narrowest vectors")]

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};

/// Independent sums that [`dot`] keeps, so that the compiler can use vector registers.
const LANES: usize = 16;

/// A row-major matrix, to be read as itself or transposed.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    /// `rows x cols` numbers, row by row.
    pub(crate) data: &'a [f32],
    /// Rows as stored.
    pub(crate) rows: usize,
    /// Columns as stored.
    pub(crate) cols: usize,
    /// Whether it is read transposed.
    pub(crate) transposed: bool,
}

impl<'a> View<'a> {
    /// Rows and columns as read.
    pub(crate) fn shape(&self) -> (usize, usize) {
        if self.transposed { (self.cols, self.rows) } else { (self.rows, self.cols) }
    }

    fn read(&self) -> MatRef<'a, f32> {
        let stored = MatRef::from_row_major_slice(self.data, self.rows, self.cols);
        if self.transposed { stored.transpose() } else { stored }
    }
}

/// Writes or adds `a * b` to the row-major `out`, on this thread.
///
/// # Panics
/// If the dimensions disagree.
pub(crate) fn product(a: View<'_>, b: View<'_>, accumulate: Accum, out: &mut [f32]) {
    let (rows, cols) = (a.shape().0, b.shape().1);
    matmul(MatMut::from_row_major_slice_mut(out, rows, cols), accumulate, a.read(), b.read(), 1.0, Par::Seq);
}

/// [`dot`] by vectors as wide as the processor has, with the same bits.
pub(crate) fn inner_product(a: &[f32], b: &[f32]) -> f32 {
    struct InnerProduct<'a>(&'a [f32], &'a [f32]);
    impl pulp::WithSimd for InnerProduct<'_> {
        type Output = f32;

        #[inline(always)]
        fn with_simd<S: pulp::Simd>(self, _: S) -> f32 {
            dot(self.0, self.1)
        }
    }
    pulp::Arch::new().dispatch(InnerProduct(a, b))
}

/// The dot product of two vectors of the same length (the shorter one's, if they differ).
#[inline(always)]
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a_chunks, a_rest) = a.as_chunks::<LANES>();
    let (b_chunks, b_rest) = b.as_chunks::<LANES>();
    let mut sums = [0.0f32; LANES];
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}

/// `to += factor * from`, over the shorter length.
pub fn add_scaled(to: &mut [f32], factor: f32, from: &[f32]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to += factor * from;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inner_product_is_the_dot_product_to_the_bit() {
        let value = |at: usize| ((at * 37 % 101) as f32 - 50.0) / 7.0;
        for len in [0, 1, 16, 83] {
            let (a, b): (Vec<f32>, Vec<f32>) = (0..len).map(|at| (value(at), value(at + 11))).unzip();
            assert_eq!(inner_product(&a, &b).to_bits(), dot(&a, &b).to_bits());
        }
    }

    #[test]
    fn dot_adds_every_element() {
        for len in [0, 1, 15, 16, 17, 50] {
            let a: Vec<f32> = (0..len).map(|i| i as f32).collect();
            let expected: f32 = (0..len).map(|i| (i * i) as f32).sum();
            assert_eq!(dot(&a, &a), expected);
        }
    }
}

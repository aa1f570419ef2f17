//! Plain f32 kernels of inference. Sequential: the same numbers at any thread count.
#![allow(clippy::indexing_slicing, reason = "indices run over the chunk they index")]
#![allow(clippy::inline_always, reason = "what is called instead of inlined is compiled for the narrowest vectors")]

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use router_core::{Matrix, MatrixView};

/// Independent sums that [`dot`] keeps, so that the compiler can use vector registers.
const LANES: usize = 16;

/// `out = input * weights' + bias`: `input` is n x i, `weights` o x i, `bias` o, and `out` is reset to n x o. O(n i o).
///
/// # Panics
/// If the dimensions disagree.
pub fn affine(input: MatrixView<'_>, weights: &Matrix, bias: &[f32], out: &mut Matrix) {
    let (n, outputs) = (input.rows(), weights.rows());
    out.reset(n, outputs);
    for row in 0..n {
        out.row_mut(row).copy_from_slice(bias);
    }
    product(
        View { data: input.as_slice(), rows: n, cols: input.cols(), transposed: false },
        View { data: weights.as_slice(), rows: outputs, cols: weights.cols(), transposed: true },
        Accum::Add,
        out.as_mut_slice(),
    );
}

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

/// `out = weights * input + bias` for one input: every number is [`dot`]'s to the bit, by vectors as wide as the processor has.
/// `weights` is o x i; `bias` and `out` have o numbers. O(i o).
pub(crate) fn affine_one(weights: &Matrix, bias: &[f32], input: &[f32], out: &mut [f32]) {
    struct AffineOne<'a>(&'a Matrix, &'a [f32], &'a [f32], &'a mut [f32]);
    impl pulp::WithSimd for AffineOne<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: pulp::Simd>(self, _: S) {
            let Self(weights, bias, input, out) = self;
            for (row, (out, bias)) in out.iter_mut().zip(bias).enumerate() {
                *out = dot(weights.row(row), input) + bias;
            }
        }
    }
    pulp::Arch::new().dispatch(AffineOne(weights, bias, input, out));
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

/// Turns logits, divided by `temperature`, into probabilities, in place, and gives the most likely place (ties to the lowest) and its probability.
/// There is at least one.
pub fn softmax(logits: &mut [f32], temperature: f32) -> (usize, f32) {
    let mut best = (0, f32::NEG_INFINITY);
    for (at, &logit) in logits.iter().enumerate() {
        if logit > best.1 {
            best = (at, logit);
        }
    }
    let mut total = 0.0f32;
    for logit in logits.iter_mut() {
        *logit = ((*logit - best.1) / temperature).exp();
        total += *logit;
    }
    for probability in logits {
        *probability /= total;
    }
    (best.0, 1.0 / total)
}

/// The logistic function, 1 / (1 + exp(-z)). In [0, 1] for every z that is a number.
pub fn sigmoid(logit: f32) -> f32 {
    // Of the two forms, the one whose exponential cannot overflow.
    if logit >= 0.0 {
        1.0 / (1.0 + (-logit).exp())
    } else {
        let small = logit.exp();
        small / (1.0 + small)
    }
}

/// Cross-entropy of the target `quality` in [0, 1] under the logit: log(1 + exp(z)) - quality * z, without overflow.
pub fn cross_entropy(logit: f32, quality: f32) -> f32 {
    logit.max(0.0) - quality * logit + (-logit.abs()).exp().ln_1p()
}

/// exp(x) of numbers that are not above 0, at most an ulp or two off; 0 below -708, where exp is all but 0. No call and no branch, so that the compiler can take several at once, and
/// the same bits on every machine, which the C library's does not promise.
///
/// exp(x) = 2^n exp(r), n being x / ln 2 rounded and r what is left, at most half of ln 2 (Cody and Waite, Software Manual for the Elementary Functions, 1980, chapter 6); exp(r) by
/// Taylor's series up to r^13.
#[inline(always)]
pub(crate) fn exp_of_negative(x: f64) -> f64 {
    /// ln 2 in two parts, of which the first has enough zeros that n times it is exact.
    const LN_2: (f64, f64) = (6.931_471_803_691_238e-1, 1.908_214_929_270_587_7e-10);
    /// Adding and taking off 1.5 * 2^52 rounds to a whole number, which its lowest bits then hold.
    const ROUND: f64 = 6_755_399_441_055_744.0;
    const TAYLOR: [f64; 12] = [
        1.0 / 6_227_020_800.0,
        1.0 / 479_001_600.0,
        1.0 / 39_916_800.0,
        1.0 / 3_628_800.0,
        1.0 / 362_880.0,
        1.0 / 40_320.0,
        1.0 / 5_040.0,
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
    ];
    let bounded = x.max(-708.0);
    let shifted = bounded * std::f64::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (bounded - n * LN_2.0) - n * LN_2.1;
    let mut series = TAYLOR[0];
    for &coefficient in &TAYLOR[1..] {
        series = series * r + coefficient;
    }
    let power = (shifted.to_bits().wrapping_add(1023)) << 52;
    let value = (1.0 + (r + r * r * series)) * f64::from_bits(power);
    if x < -708.0 { 0.0 } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponentials_are_those_of_the_library() {
        for at in 0..199_900 {
            let x = -f64::from(at) * 0.003_541_7;
            let (found, expected) = (exp_of_negative(x), x.exp());
            assert!((found - expected).abs() <= 1e-15 * expected, "{x}: {found} {expected}");
        }
        assert_eq!(exp_of_negative(0.0).to_bits(), 1.0f64.to_bits());
        assert_eq!(exp_of_negative(-0.0).to_bits(), 1.0f64.to_bits());
        assert_eq!(exp_of_negative(f64::NEG_INFINITY), 0.0);
        assert_eq!(exp_of_negative(-1e300), 0.0);
        assert!((exp_of_negative(-1.0) - 0.367_879_441_171_442_33).abs() < 1e-16);
    }

    #[test]
    fn affine_agrees_with_numbers_worked_out_by_hand() {
        let x = Matrix::from_vec(2, 2, vec![1.0, 2.0, 3.0, 4.0]).unwrap();
        let w = Matrix::from_vec(3, 2, vec![1.0, 0.0, 0.0, 1.0, 1.0, -1.0]).unwrap();
        let mut out = Matrix::default();
        affine(x.view(), &w, &[10.0, 20.0, 30.0], &mut out);
        assert_eq!(out.as_slice(), [11.0, 22.0, 29.0, 13.0, 24.0, 29.0]);
    }

    #[test]
    fn one_input_is_as_many_to_the_bit() {
        let value = |at: usize| ((at * 37 % 101) as f32 - 50.0) / 7.0;
        let weights = Matrix::from_vec(5, 83, (0..5 * 83).map(value).collect()).unwrap();
        let input: Vec<f32> = (0..83).map(|at| value(at + 11)).collect();
        let mut out = [0.0; 5];
        affine_one(&weights, &[1.0, -2.0, 0.5, 0.0, 3.0], &input, &mut out);
        for (row, bias) in [1.0, -2.0, 0.5, 0.0, 3.0].into_iter().enumerate() {
            assert_eq!(out[row].to_bits(), (dot(weights.row(row), &input) + bias).to_bits());
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

    #[test]
    fn extreme_logits_stay_finite() {
        for z in [-1e30f32, -200.0, 0.0, 200.0, 1e30] {
            assert!((0.0..=1.0).contains(&sigmoid(z)));
            assert!(cross_entropy(z, 0.5).is_finite());
        }
        assert_eq!(cross_entropy(0.0, 0.3), 2f32.ln());
        assert_eq!(cross_entropy(50.0, 1.0), (-50f32).exp());
    }
}

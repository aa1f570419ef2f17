//! Affine maps that are applied many times: weights laid out once, in the order in which they are multiplied.
//!
//! A general matrix product lays out its operands anew at every call, which for one prompt costs more than the product, and may
//! add up in another order for one row than for many. Here weights stand in panels of as many outputs as two vector registers hold,
//! input by input, and a call only reads them. A processor without fused multiplication and addition (x86 before 2013) computes each
//! of them in software, slowly, to the same bits.
#![allow(clippy::indexing_slicing, reason = "rows and panels are cut to one length before their numbers are indexed")]
#![allow(clippy::inline_always, reason = "what is called instead of inlined is compiled for the narrowest vectors")]
#![allow(clippy::needless_range_loop, reason = "closures, iterators' too, are compiled for the narrowest vectors")]

use pulp::{Arch, Simd, WithSimd};
use router_core::{Matrix, MatrixView};

/// Vector registers across a panel.
const VECTORS: usize = 2;
/// Rows that are multiplied at once: with [`VECTORS`] their sums fill the registers of AVX2 but for four.
const ROWS: usize = 6;
/// Panels at once for a single row, so that its sums do not wait for each other.
const PANELS: usize = 4;
/// Rows for which a panel is read before the next one is.
const BLOCK: usize = 16 * ROWS;

/// The weights of an affine map, o x i, in panels.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Panels {
    inputs: usize,
    outputs: usize,
    /// Outputs of a panel: as many as [`VECTORS`] registers of this processor hold.
    width: usize,
    /// Panel by panel, input by input, output by output; outputs beyond the last have weights of zero.
    weights: Vec<f32>,
}

impl Panels {
    /// Lays out `weights`, o x i. O(i o).
    pub(crate) fn new(weights: &Matrix) -> Self {
        let (outputs, inputs) = (weights.rows(), weights.cols());
        let width = VECTORS * Arch::new().dispatch(Lanes);
        let mut panels = vec![0.0; outputs.next_multiple_of(width) * inputs];
        for output in 0..outputs {
            let panel = &mut panels[(output / width) * width * inputs..];
            for (input, &weight) in weights.row(output).iter().enumerate() {
                panel[input * width + output % width] = weight;
            }
        }
        Self { inputs, outputs, width, weights: panels }
    }

    /// `out = input * weights' + bias`: `input` is n x i, `bias` o, and `out` n x o, row by row. O(n i o), without allocation.
    ///
    /// Every number is its products added up input by input, each rounded once, and then the bias: the same bits for a row alone as
    /// for the same row among others, on any processor.
    ///
    /// # Panics
    /// If the dimensions disagree.
    pub(crate) fn affine(&self, input: MatrixView<'_>, bias: &[f32], out: &mut [f32]) {
        assert_eq!(
            (input.cols(), bias.len(), out.len()),
            (self.inputs, self.outputs, input.rows() * self.outputs),
            "inputs, outputs and results of an affine map"
        );
        Arch::new().dispatch(Affine { panels: self, input, bias, out });
    }
}

/// How many numbers a vector register holds.
struct Lanes;

impl WithSimd for Lanes {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> usize {
        S::F32_LANES
    }
}

/// [`Panels::affine`], to be compiled for each width of vectors.
struct Affine<'a> {
    panels: &'a Panels,
    input: MatrixView<'a>,
    bias: &'a [f32],
    out: &'a mut [f32],
}

impl WithSimd for Affine<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let panels = self.panels.outputs.div_ceil(self.panels.width);
        let rows = self.input.rows();
        let mut row = 0;
        while row < rows {
            let block = (rows - row).min(BLOCK);
            let end = row + block - block % ROWS;
            for panel in 0..panels {
                let mut row = row;
                while row < end {
                    self.tile::<S, ROWS, 1>(simd, row, panel);
                    row += ROWS;
                }
            }
            self.rest(simd, end, block % ROWS, panels);
            row += block;
        }
    }
}

impl Affine<'_> {
    /// All panels by the `count` rows from `row` on, fewer than [`ROWS`].
    #[inline(always)]
    fn rest<S: Simd>(&mut self, simd: S, mut row: usize, count: usize, panels: usize) {
        if count >= 4 {
            for panel in 0..panels {
                self.tile::<S, 4, 1>(simd, row, panel);
            }
            row += 4;
        }
        if count % 4 >= 2 {
            for panel in 0..panels {
                self.tile::<S, 2, 1>(simd, row, panel);
            }
            row += 2;
        }
        if count % 2 == 1 {
            let together = panels - panels % PANELS;
            let mut panel = 0;
            while panel < together {
                self.tile::<S, 1, PANELS>(simd, row, panel);
                panel += PANELS;
            }
            for panel in together..panels {
                self.tile::<S, 1, 1>(simd, row, panel);
            }
        }
    }

    /// `R` rows from `row` on by `P` panels from `panel` on.
    #[inline(always)]
    fn tile<S: Simd, const R: usize, const P: usize>(&mut self, simd: S, row: usize, panel: usize) {
        let Panels { inputs, outputs, width, ref weights } = *self.panels;
        let mut rows: [&[f32]; R] = [&[]; R];
        for at in 0..R {
            rows[at] = &self.input.row(row + at)[..inputs];
        }
        let mut panels: [&[[S::f32s; VECTORS]]; P] = [&[]; P];
        for at in 0..P {
            let weights = &weights[(panel + at) * width * inputs..][..width * inputs];
            panels[at] = &S::as_simd_f32s(weights).0.as_chunks::<VECTORS>().0[..inputs];
        }
        let mut sums = [[[simd.splat_f32s(0.0); VECTORS]; P]; R];
        for input in 0..inputs {
            for at in 0..P {
                let weights = panels[at][input];
                for of in 0..R {
                    let value = simd.splat_f32s(rows[of][input]);
                    for vector in 0..VECTORS {
                        sums[of][at][vector] = simd.mul_add_f32s(value, weights[vector], sums[of][at][vector]);
                    }
                }
            }
        }
        for of in 0..R {
            for at in 0..P {
                let first = (panel + at) * width;
                let last = (first + width).min(outputs);
                let sums: &[f32] = pulp::bytemuck::cast_slice(&sums[of][at]);
                let out = &mut self.out[(row + of) * outputs..][first..last];
                for ((out, sum), bias) in out.iter_mut().zip(sums).zip(&self.bias[first..last]) {
                    *out = sum + bias;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The documented order of additions, one number at a time.
    fn plain(input: &[f32], weights: &[f32], bias: f32) -> f32 {
        input.iter().zip(weights).fold(0.0f32, |sum, (&value, &weight)| value.mul_add(weight, sum)) + bias
    }

    #[test]
    fn every_number_is_the_plain_sum_to_the_bit_at_any_number_of_rows() {
        let value = |at: usize| ((at * 37 % 101) as f32 - 50.0) / 7.0;
        for (inputs, outputs) in [(1, 1), (5, 3), (7, 16), (33, 17), (64, 130), (3, 100), (4, 0)] {
            let weights = Matrix::from_vec(outputs, inputs, (0..outputs * inputs).map(value).collect()).unwrap();
            let bias: Vec<f32> = (0..outputs).map(|at| value(at + 3)).collect();
            let panels = Panels::new(&weights);
            for rows in (0..15).chain([BLOCK - 1, BLOCK, BLOCK + 7]) {
                let input = (0..rows * inputs).map(|at| value(at + 11)).collect();
                let input = Matrix::from_vec(rows, inputs, input).unwrap();
                let mut out = vec![f32::NAN; rows * outputs];
                panels.affine(input.view(), &bias, &mut out);
                for (at, found) in out.iter().enumerate() {
                    let (row, output) = (at / outputs, at % outputs);
                    let expected = plain(input.row(row), weights.row(output), bias[output]);
                    assert_eq!(found.to_bits(), expected.to_bits(), "{inputs} {outputs} {rows}");
                }
            }
        }
    }

    #[test]
    fn numbers_worked_out_by_hand() {
        let input = Matrix::from_vec(2, 2, vec![1.0, 2.0, 3.0, 4.0]).unwrap();
        let weights = Matrix::from_vec(3, 2, vec![1.0, 0.0, 0.0, 1.0, 1.0, -1.0]).unwrap();
        let mut out = [0.0; 6];
        Panels::new(&weights).affine(input.view(), &[10.0, 20.0, 30.0], &mut out);
        assert_eq!(out, [11.0, 22.0, 29.0, 13.0, 24.0, 29.0]);
    }

    #[test]
    fn without_inputs_the_bias_is_left() {
        let mut out = [0.0; 6];
        Panels::new(&Matrix::zeros(2, 0)).affine(Matrix::zeros(3, 0).view(), &[1.0, -2.0], &mut out);
        assert_eq!(out, [1.0, -2.0, 1.0, -2.0, 1.0, -2.0]);
    }
}

//! Products of activations and packed weights.

use super::buffer::Buffer;
use super::generic::{Product, ProductInt8, Quantize};
use super::instruction_set::dispatch;
use super::{InstructionSet, padded};

pub use super::generic::Activation;

dispatch! {
    /// c = activation(a b + bias).
    fn product(product: Product)
}
dispatch! {
    /// c = activation(a b + bias) over bytes.
    fn product_int8(product: ProductInt8)
}
dispatch! {
    /// Rows to bytes.
    fn quantize(quantize: Quantize)
}

/// A linear layer in f32, packed once: panels of two registers of columns, each with the whole depth in order of use.
pub(crate) struct Linear {
    set: InstructionSet,
    depth: usize,
    columns: usize,
    panels: Buffer<f32>,
    bias: Buffer<f32>,
}

impl Linear {
    /// Packs `weights`, columns x depth row by row (the layout of a checkpoint), both multiples of [`super::PADDING`].
    ///
    /// Costs one pass over the weights.
    pub(crate) fn pack(set: InstructionSet, depth: usize, weights: &[f32], bias: &[f32]) -> Self {
        let columns = bias.len();
        assert!(
            columns == padded(columns) && depth == padded(depth) && weights.len() == columns * depth,
            "padded weights"
        );
        let panel = set.panel();
        let mut packed =
            Self { set, depth, columns, panels: Buffer::zeros(columns * depth), bias: Buffer::zeros(columns) };
        packed.bias.as_mut_slice().copy_from_slice(bias);
        for (to, from) in
            packed.panels.as_mut_slice().chunks_exact_mut(panel * depth).zip(weights.chunks_exact(panel * depth))
        {
            // Sixteen of the depth at a time, so that what is read is used while its cache lines are at hand.
            for start in (0..depth).step_by(16) {
                for (column, row) in from.chunks_exact(depth).enumerate() {
                    for (k, &weight) in row[start..start + 16].iter().enumerate() {
                        to[(start + k) * panel + column] = weight;
                    }
                }
            }
        }
        packed
    }

    /// Numbers of an output row, padding included.
    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    /// c = activation(a W' + bias) for `rows` rows, `a` rows x depth and `c` rows x columns.
    pub(crate) fn apply(&self, rows: usize, a: &[f32], c: &mut [f32], activation: Activation) {
        assert!(a.len() >= rows * self.depth && c.len() >= rows * self.columns, "extents of a product");
        let product = Product {
            a: a.as_ptr(),
            a_stride: self.depth,
            rows,
            depth: self.depth,
            b: self.panels.as_slice().as_ptr(),
            columns: self.columns,
            bias: self.bias.as_slice().as_ptr(),
            c: c.as_mut_ptr(),
            c_stride: self.columns,
            activation,
        };
        // SAFETY: the extents were checked; panels and bias have theirs by construction.
        unsafe { self::product(self.set, product) }
    }
}

/// Rows of activations, quantized to 256 levels.
#[derive(Default)]
pub(crate) struct ByteRows {
    cells: Buffer<u8>,
    scale: Buffer<f32>,
    zero: Buffer<i32>,
    rows: usize,
    width: usize,
}

impl ByteRows {
    /// Takes over `rows` rows of `width` numbers, a multiple of [`super::PADDING`].
    pub(crate) fn quantize(&mut self, set: InstructionSet, rows: usize, width: usize, x: &[f32]) {
        assert!(width == padded(width) && x.len() >= rows * width, "extents of rows");
        self.cells.resize(rows * width * set.cell());
        self.scale.resize(rows);
        self.zero.resize(rows);
        self.rows = rows;
        self.width = width;
        let quantize = Quantize {
            x: x.as_ptr(),
            stride: width,
            rows,
            width,
            cells: self.cells.as_mut_slice().as_mut_ptr(),
            scale: self.scale.as_mut_slice().as_mut_ptr(),
            zero: self.zero.as_mut_slice().as_mut_ptr(),
        };
        // SAFETY: the extents were checked or made.
        unsafe { self::quantize(set, quantize) }
    }
}

/// The greatest magnitude of a quantized weight.
const GREATEST: f32 = 127.0;

/// A linear layer in int8, packed once: a scale a column; panels of two registers of columns, a group of the depth side by side.
pub(crate) struct LinearInt8 {
    set: InstructionSet,
    depth: usize,
    columns: usize,
    panels: Buffer<u8>,
    scale: Buffer<f32>,
    sum: Buffer<i32>,
    bias: Buffer<f32>,
}

impl LinearInt8 {
    /// Rounds and packs `weights`, columns x depth row by row, both multiples of [`super::PADDING`].
    pub(crate) fn pack(set: InstructionSet, depth: usize, weights: &[f32], bias: &[f32]) -> Self {
        let columns = bias.len();
        assert!(
            columns == padded(columns) && depth == padded(depth) && weights.len() == columns * depth,
            "padded weights"
        );
        let panel = set.panel();
        let mut packed = Self {
            set,
            depth,
            columns,
            panels: Buffer::zeros(columns * depth * set.cell()),
            scale: Buffer::zeros(columns),
            sum: Buffer::zeros(columns),
            bias: Buffer::zeros(columns),
        };
        packed.bias.as_mut_slice().copy_from_slice(bias);
        let (scales, sums) = (packed.scale.as_mut_slice(), packed.sum.as_mut_slice());
        let panels = packed.panels.as_mut_slice();
        for (column, row) in weights.chunks_exact(depth).enumerate() {
            let most = row.iter().fold(0.0_f32, |most, weight| most.max(weight.abs()));
            let scale = if most > 0.0 { most / GREATEST } else { 1.0 };
            let inverse = 1.0 / scale;
            scales[column] = scale;
            // A group is 32 bits: four cells of one byte, or two of two.
            let cell = set.cell();
            let base = (column / panel) * panel * depth * cell + (column % panel) * 4;
            let mut sum = 0;
            for (group, weights) in row.chunks_exact(4 / cell).enumerate() {
                let to = base + group * panel * 4;
                for (place, weight) in panels[to..to + 4].chunks_exact_mut(cell).zip(weights) {
                    let whole = (weight * inverse).round_ties_even().clamp(-GREATEST, GREATEST) as i16;
                    sum += i32::from(whole);
                    place.copy_from_slice(
                        &whole.to_ne_bytes()[if cfg!(target_endian = "big") { 2 - cell..2 } else { 0..cell }],
                    );
                }
            }
            sums[column] = sum;
        }
        packed
    }

    /// Numbers of an output row, padding included.
    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    /// c = activation(a W' + bias) for the rows of `a`; `c` is rows x columns.
    pub(crate) fn apply(&self, a: &ByteRows, c: &mut [f32], activation: Activation) {
        assert!(a.width == self.depth && c.len() >= a.rows * self.columns, "extents of a product");
        let product = ProductInt8 {
            a: a.cells.as_slice().as_ptr(),
            a_scale: a.scale.as_slice().as_ptr(),
            a_zero: a.zero.as_slice().as_ptr(),
            rows: a.rows,
            depth: self.depth,
            b: self.panels.as_slice().as_ptr(),
            b_scale: self.scale.as_slice().as_ptr(),
            b_sum: self.sum.as_slice().as_ptr(),
            bias: self.bias.as_slice().as_ptr(),
            columns: self.columns,
            c: c.as_mut_ptr(),
            c_stride: self.columns,
            activation,
        };
        // SAFETY: the extents were checked; the packed weights have theirs by construction.
        unsafe { product_int8(self.set, product) }
    }
}

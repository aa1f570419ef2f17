//! The numeric kernels: the one place of this project with unsafe code.
//!
//! What is safe about it: everything that leaves this module is a safe function over slices that checks every extent before a
//! kernel runs ([`matmul`], [`rows`], [`attention`]); a kernel for an instruction set can only be reached through an
//! [`InstructionSet`], which only exists where the processor has it. What is unsafe: pointer arithmetic inside checked extents, in
//! [`generic`], and the intrinsics of [`x86`]. [`simd`] says what an instruction set must offer.
//!
//! # One result
//!
//! Every sum has one order, whatever the instruction set, the batch and the place of a row in it: matrix products add along the depth,
//! element by element, fused; sums over a row have sixteen virtual lanes that are added as a tree. AVX2 and AVX-512 therefore give
//! the same bits, in f32 and in int8, with and without VNNI. (The portable kernels do not fuse on targets without a fused
//! multiply-add and agree up to rounding.)
//!
//! # int8
//!
//! Activations have 256 levels a row with a zero point, weights 255 a channel. VNNI multiplies bytes exactly. AVX2's product of
//! bytes saturates, so there both are kept in 16 bits, whose product is exact; all processors give the same sums.
#![allow(unsafe_code, clippy::undocumented_unsafe_blocks, reason = "see the module's documentation")]
#![allow(clippy::inline_always, reason = "kernels are written once and must be inlined under each instruction set")]
#![allow(clippy::indexing_slicing, reason = "extents are checked where a kernel is entered")]
#![allow(clippy::needless_range_loop, reason = "registers and pointers are walked by one index")]
#![allow(clippy::wildcard_imports, reason = "intrinsics")]

pub(crate) mod attention;
pub(crate) mod buffer;
mod generic;
mod instruction_set;
pub(crate) mod matmul;
pub(crate) mod rows;
mod simd;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use instruction_set::InstructionSet;

/// Rows of floats and columns of weights are padded to a multiple of this many numbers: two registers of AVX-512.
pub(crate) const PADDING: usize = 32;

/// `length` rounded up to whole [`PADDING`].
pub(crate) const fn padded(length: usize) -> usize {
    length.div_ceil(PADDING) * PADDING
}

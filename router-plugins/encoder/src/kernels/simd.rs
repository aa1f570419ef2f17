//! What an instruction set must offer, and the portable one.
//!
//! Kernels are written once over [`Simd`] and instantiated per instruction set. Where the order of additions matters, it is that of
//! sixteen virtual lanes whatever the width of a register (see [`super::elementwise`]), and products are always fused, so that
//! AVX2 and AVX-512 give the same bits.

/// One instruction set: registers of f32, and of bytes and 32-bit integers for the int8 kernels.
///
/// # Safety
/// Every method may be called only where the instruction set is available; loads and stores touch exactly the stated elements.
pub(super) trait Simd: Copy {
    /// A register of [`WIDTH`](Self::WIDTH) f32.
    type F: Copy;
    /// A register of `WIDTH` i32, each of which can also be a group of cells.
    type I: Copy;
    /// f32 numbers in a register: 8 or 16.
    const WIDTH: usize;
    /// Rows of a tile of the f32 matrix product.
    const ROWS: usize;
    /// Rows of a tile of the int8 matrix product.
    const ROWS_INT8: usize;
    /// Bytes of a cell, a quantized number in a product: 1 where there is an exact inner product of bytes, otherwise 2.
    const CELL: usize;

    unsafe fn splat(value: f32) -> Self::F;
    unsafe fn load(from: *const f32) -> Self::F;
    unsafe fn store(to: *mut f32, value: Self::F);
    /// Asks for the cache line at `from`, which may be anywhere.
    unsafe fn prefetch(from: *const u8);
    unsafe fn add(a: Self::F, b: Self::F) -> Self::F;
    unsafe fn sub(a: Self::F, b: Self::F) -> Self::F;
    unsafe fn mul(a: Self::F, b: Self::F) -> Self::F;
    unsafe fn div(a: Self::F, b: Self::F) -> Self::F;
    unsafe fn max(a: Self::F, b: Self::F) -> Self::F;
    unsafe fn min(a: Self::F, b: Self::F) -> Self::F;
    /// `a * b + c`.
    unsafe fn fma(a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// The nearest integer, ties to even.
    unsafe fn round(a: Self::F) -> Self::F;
    /// 2 to the power of an integer-valued `a` in [-126, 127].
    unsafe fn power_of_two(a: Self::F) -> Self::F;

    unsafe fn splat_i32(value: i32) -> Self::I;
    unsafe fn load_i32(from: *const i32) -> Self::I;
    /// `WIDTH` groups of cells, 32 bits each.
    unsafe fn load_cells(from: *const u8) -> Self::I;
    /// The same group of cells in every lane.
    unsafe fn splat_cells(from: *const u8) -> Self::I;
    /// Adds to every lane of `sum` the inner product of its cells of `a`, activations, and of `b`, weights.
    unsafe fn dot_cells(sum: Self::I, a: Self::I, b: Self::I) -> Self::I;
    /// `a * b`, low 32 bits.
    unsafe fn mul_i32(a: Self::I, b: Self::I) -> Self::I;
    unsafe fn sub_i32(a: Self::I, b: Self::I) -> Self::I;
    unsafe fn to_f32(a: Self::I) -> Self::F;
    /// Writes `WIDTH` cells, each an integer-valued number: in [0, 255] if cells are bytes, in [-255, 255] if they are words.
    unsafe fn store_cells(to: *mut u8, value: Self::F);
}

/// Plain arrays that the compiler turns into what the target has (SSE2, NEON...).
#[derive(Clone, Copy)]
pub(super) struct Portable;

/// `a * b + c`, fused where the target always can.
#[inline(always)]
fn multiply_add(a: f32, b: f32, c: f32) -> f32 {
    if cfg!(any(target_feature = "fma", target_arch = "aarch64")) { a.mul_add(b, c) } else { a * b + c }
}

macro_rules! lanes {
    ($at:ident => $value:expr) => {{
        let mut out = [Default::default(); 8];
        for $at in 0..8 {
            out[$at] = $value;
        }
        out
    }};
}

impl Simd for Portable {
    type F = [f32; 8];
    type I = [i32; 8];
    const WIDTH: usize = 8;
    const ROWS: usize = if cfg!(target_arch = "aarch64") { 4 } else { 1 };
    const ROWS_INT8: usize = 1;
    const CELL: usize = 1;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self::F {
        [value; 8]
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::F {
        // SAFETY: the caller vouches for eight numbers.
        unsafe { from.cast::<[f32; 8]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, value: Self::F) {
        // SAFETY: the caller vouches for eight numbers.
        unsafe { to.cast::<[f32; 8]>().write_unaligned(value) }
    }
    #[inline(always)]
    unsafe fn prefetch(_from: *const u8) {}
    #[inline(always)]
    unsafe fn add(a: Self::F, b: Self::F) -> Self::F {
        lanes!(at => a[at] + b[at])
    }
    #[inline(always)]
    unsafe fn sub(a: Self::F, b: Self::F) -> Self::F {
        lanes!(at => a[at] - b[at])
    }
    #[inline(always)]
    unsafe fn mul(a: Self::F, b: Self::F) -> Self::F {
        lanes!(at => a[at] * b[at])
    }
    #[inline(always)]
    unsafe fn div(a: Self::F, b: Self::F) -> Self::F {
        lanes!(at => a[at] / b[at])
    }
    #[inline(always)]
    unsafe fn max(a: Self::F, b: Self::F) -> Self::F {
        lanes!(at => if a[at] > b[at] { a[at] } else { b[at] })
    }
    #[inline(always)]
    unsafe fn min(a: Self::F, b: Self::F) -> Self::F {
        lanes!(at => if a[at] < b[at] { a[at] } else { b[at] })
    }
    #[inline(always)]
    unsafe fn fma(a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        lanes!(at => multiply_add(a[at], b[at], c[at]))
    }
    #[inline(always)]
    unsafe fn round(a: Self::F) -> Self::F {
        // Adding and taking away 1.5 * 2^23 rounds to even; the numbers here are far below 2^22.
        lanes!(at => (a[at] + 12_582_912.0) - 12_582_912.0)
    }
    #[inline(always)]
    unsafe fn power_of_two(a: Self::F) -> Self::F {
        lanes!(at => f32::from_bits(((a[at] as i32 + 127) << 23) as u32))
    }
    #[inline(always)]
    unsafe fn splat_i32(value: i32) -> Self::I {
        [value; 8]
    }
    #[inline(always)]
    unsafe fn load_i32(from: *const i32) -> Self::I {
        // SAFETY: the caller vouches for eight numbers.
        unsafe { from.cast::<[i32; 8]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn load_cells(from: *const u8) -> Self::I {
        // SAFETY: the caller vouches for 32 bytes.
        unsafe { from.cast::<[i32; 8]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn splat_cells(from: *const u8) -> Self::I {
        // SAFETY: the caller vouches for four bytes.
        [unsafe { from.cast::<i32>().read_unaligned() }; 8]
    }
    #[inline(always)]
    unsafe fn dot_cells(sum: Self::I, a: Self::I, b: Self::I) -> Self::I {
        lanes!(at => {
            let (a, b) = (a[at].to_ne_bytes(), b[at].to_ne_bytes());
            let mut total: i32 = sum[at];
            for byte in 0..4 {
                total += i32::from(a[byte]) * i32::from(b[byte].cast_signed());
            }
            total
        })
    }
    #[inline(always)]
    unsafe fn mul_i32(a: Self::I, b: Self::I) -> Self::I {
        lanes!(at => a[at].wrapping_mul(b[at]))
    }
    #[inline(always)]
    unsafe fn sub_i32(a: Self::I, b: Self::I) -> Self::I {
        lanes!(at => a[at].wrapping_sub(b[at]))
    }
    #[inline(always)]
    unsafe fn to_f32(a: Self::I) -> Self::F {
        lanes!(at => a[at] as f32)
    }
    #[inline(always)]
    unsafe fn store_cells(to: *mut u8, value: Self::F) {
        let bytes: [u8; 8] = lanes!(at => value[at] as u8);
        // SAFETY: the caller vouches for eight bytes.
        unsafe { to.cast::<[u8; 8]>().write_unaligned(bytes) }
    }
}

//! AVX2 with FMA, AVX-512, and AVX-512 with VNNI.

use std::arch::x86_64::*;

use super::simd::Simd;

/// AVX2 and FMA: Haswell, Zen and later.
#[derive(Clone, Copy)]
pub(super) struct Avx2;

/// AVX-512 F, BW, DQ and VL: Skylake-X and later.
#[derive(Clone, Copy)]
pub(super) struct Avx512;

/// AVX-512 with byte inner products: Cascade Lake, Zen 4 and later.
#[derive(Clone, Copy)]
pub(super) struct Avx512Vnni;

impl Simd for Avx2 {
    type F = __m256;
    type I = __m256i;
    const WIDTH: usize = 8;
    // 6 x 2 sums, two registers of weights, one of activations: 15 of 16 registers.
    const ROWS: usize = 6;
    // 6 x 2 sums, two of weights, one of activations, one product: all 16.
    const ROWS_INT8: usize = 6;
    // The byte product of AVX2 adds pairs in 16 bits and saturates: 2 * 255 * 127 does not fit.
    const CELL: usize = 2;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self::F {
        unsafe { _mm256_set1_ps(value) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::F {
        unsafe { _mm256_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, value: Self::F) {
        unsafe { _mm256_storeu_ps(to, value) }
    }
    #[inline(always)]
    unsafe fn prefetch(from: *const u8) {
        unsafe { _mm_prefetch::<_MM_HINT_T0>(from.cast()) }
    }
    #[inline(always)]
    unsafe fn add(a: Self::F, b: Self::F) -> Self::F {
        unsafe { _mm256_add_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sub(a: Self::F, b: Self::F) -> Self::F {
        unsafe { _mm256_sub_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn mul(a: Self::F, b: Self::F) -> Self::F {
        unsafe { _mm256_mul_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn div(a: Self::F, b: Self::F) -> Self::F {
        unsafe { _mm256_div_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn max(a: Self::F, b: Self::F) -> Self::F {
        unsafe { _mm256_max_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn min(a: Self::F, b: Self::F) -> Self::F {
        unsafe { _mm256_min_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn fma(a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    unsafe fn round(a: Self::F) -> Self::F {
        unsafe { _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a) }
    }
    #[inline(always)]
    unsafe fn power_of_two(a: Self::F) -> Self::F {
        unsafe {
            let exponent = _mm256_add_epi32(_mm256_cvtps_epi32(a), _mm256_set1_epi32(127));
            _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponent))
        }
    }
    #[inline(always)]
    unsafe fn splat_i32(value: i32) -> Self::I {
        unsafe { _mm256_set1_epi32(value) }
    }
    #[inline(always)]
    unsafe fn load_i32(from: *const i32) -> Self::I {
        unsafe { _mm256_loadu_si256(from.cast()) }
    }
    #[inline(always)]
    unsafe fn load_cells(from: *const u8) -> Self::I {
        unsafe { _mm256_loadu_si256(from.cast()) }
    }
    #[inline(always)]
    unsafe fn splat_cells(from: *const u8) -> Self::I {
        unsafe { _mm256_set1_epi32(from.cast::<i32>().read_unaligned()) }
    }
    #[inline(always)]
    unsafe fn dot_cells(sum: Self::I, a: Self::I, b: Self::I) -> Self::I {
        unsafe { _mm256_add_epi32(sum, _mm256_madd_epi16(a, b)) }
    }
    #[inline(always)]
    unsafe fn mul_i32(a: Self::I, b: Self::I) -> Self::I {
        unsafe { _mm256_mullo_epi32(a, b) }
    }
    #[inline(always)]
    unsafe fn sub_i32(a: Self::I, b: Self::I) -> Self::I {
        unsafe { _mm256_sub_epi32(a, b) }
    }
    #[inline(always)]
    unsafe fn to_f32(a: Self::I) -> Self::F {
        unsafe { _mm256_cvtepi32_ps(a) }
    }
    #[inline(always)]
    unsafe fn store_cells(to: *mut u8, value: Self::F) {
        unsafe {
            let whole = _mm256_cvtps_epi32(value);
            let words = _mm_packs_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256::<1>(whole));
            _mm_storeu_si128(to.cast(), words);
        }
    }
}

/// What AVX-512 has with and without VNNI: all but the byte inner product.
macro_rules! avx512 {
    ($name:ident, $cell:literal, $sum:ident, $a:ident, $b:ident => $dot:expr, $to:ident, $whole:ident => $store:expr) => {
        impl Simd for $name {
            type F = __m512;
            type I = __m512i;
            const WIDTH: usize = 16;
            // 12 x 2 sums, two registers of weights, one of activations: 27 of 32 registers.
            const ROWS: usize = 12;
            const ROWS_INT8: usize = 12;
            const CELL: usize = $cell;

            #[inline(always)]
            unsafe fn splat(value: f32) -> Self::F {
                unsafe { _mm512_set1_ps(value) }
            }
            #[inline(always)]
            unsafe fn load(from: *const f32) -> Self::F {
                unsafe { _mm512_loadu_ps(from) }
            }
            #[inline(always)]
            unsafe fn store(to: *mut f32, value: Self::F) {
                unsafe { _mm512_storeu_ps(to, value) }
            }
            #[inline(always)]
            unsafe fn prefetch(from: *const u8) {
                unsafe { _mm_prefetch::<_MM_HINT_T0>(from.cast()) }
            }
            #[inline(always)]
            unsafe fn add(a: Self::F, b: Self::F) -> Self::F {
                unsafe { _mm512_add_ps(a, b) }
            }
            #[inline(always)]
            unsafe fn sub(a: Self::F, b: Self::F) -> Self::F {
                unsafe { _mm512_sub_ps(a, b) }
            }
            #[inline(always)]
            unsafe fn mul(a: Self::F, b: Self::F) -> Self::F {
                unsafe { _mm512_mul_ps(a, b) }
            }
            #[inline(always)]
            unsafe fn div(a: Self::F, b: Self::F) -> Self::F {
                unsafe { _mm512_div_ps(a, b) }
            }
            #[inline(always)]
            unsafe fn max(a: Self::F, b: Self::F) -> Self::F {
                unsafe { _mm512_max_ps(a, b) }
            }
            #[inline(always)]
            unsafe fn min(a: Self::F, b: Self::F) -> Self::F {
                unsafe { _mm512_min_ps(a, b) }
            }
            #[inline(always)]
            unsafe fn fma(a: Self::F, b: Self::F, c: Self::F) -> Self::F {
                unsafe { _mm512_fmadd_ps(a, b, c) }
            }
            #[inline(always)]
            unsafe fn round(a: Self::F) -> Self::F {
                unsafe { _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a) }
            }
            #[inline(always)]
            unsafe fn power_of_two(a: Self::F) -> Self::F {
                unsafe {
                    let exponent = _mm512_add_epi32(_mm512_cvtps_epi32(a), _mm512_set1_epi32(127));
                    _mm512_castsi512_ps(_mm512_slli_epi32::<23>(exponent))
                }
            }
            #[inline(always)]
            unsafe fn splat_i32(value: i32) -> Self::I {
                unsafe { _mm512_set1_epi32(value) }
            }
            #[inline(always)]
            unsafe fn load_i32(from: *const i32) -> Self::I {
                unsafe { _mm512_loadu_si512(from.cast()) }
            }
            #[inline(always)]
            unsafe fn load_cells(from: *const u8) -> Self::I {
                unsafe { _mm512_loadu_si512(from.cast()) }
            }
            #[inline(always)]
            unsafe fn splat_cells(from: *const u8) -> Self::I {
                unsafe { _mm512_set1_epi32(from.cast::<i32>().read_unaligned()) }
            }
            #[inline(always)]
            unsafe fn dot_cells($sum: Self::I, $a: Self::I, $b: Self::I) -> Self::I {
                unsafe { $dot }
            }
            #[inline(always)]
            unsafe fn mul_i32(a: Self::I, b: Self::I) -> Self::I {
                unsafe { _mm512_mullo_epi32(a, b) }
            }
            #[inline(always)]
            unsafe fn sub_i32(a: Self::I, b: Self::I) -> Self::I {
                unsafe { _mm512_sub_epi32(a, b) }
            }
            #[inline(always)]
            unsafe fn to_f32(a: Self::I) -> Self::F {
                unsafe { _mm512_cvtepi32_ps(a) }
            }
            #[inline(always)]
            unsafe fn store_cells($to: *mut u8, value: Self::F) {
                unsafe {
                    let $whole = _mm512_cvtps_epi32(value);
                    $store;
                }
            }
        }
    };
}

avx512!(
    Avx512, 2,
    sum, a, b => _mm512_add_epi32(sum, _mm512_madd_epi16(a, b)),
    to, whole => _mm256_storeu_si256(to.cast(), _mm512_cvtepi32_epi16(whole))
);
avx512!(
    Avx512Vnni, 1,
    sum, a, b => _mm512_dpbusd_epi32(sum, a, b),
    to, whole => _mm_storeu_si128(to.cast(), _mm512_cvtepi32_epi8(whole))
);

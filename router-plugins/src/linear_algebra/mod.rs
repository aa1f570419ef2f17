//! Linear algebra: large sparse matrices, which discovery and the learned lexical embedder share, and small dense ones.
//!
//! - [`panels`]: tall dense matrices in panels of columns
//! - [`sparse`]: sparse matrices in compressed rows, and their products with tall dense ones
//! - [`orthonormal`]: orthonormal bases by Householder QR
//! - [`dominant`]: the leading eigenpairs of a dense symmetric matrix of any rank
//! - [`eigen`]: the leading eigenpairs of a sparse symmetric matrix
//! - [`cholesky`]: factors of dense symmetric positive definite matrices
//! - [`dense`]: leading singular vectors and orthonormal factors of small dense matrices
//! - [`singular`]: the leading singular values and right vectors of a sparse matrix
//!
//! All of it repeats bit for bit at any thread count: threads own disjoint outputs, and faer runs on one.

#![allow(clippy::inline_always, reason = "what is called instead of inlined is compiled for the narrowest vectors")]

use pulp::Simd;

pub(crate) mod cholesky;
pub(crate) mod dense;
pub(crate) mod dominant;
pub(crate) mod eigen;
pub(crate) mod orthonormal;
pub(crate) mod panels;
pub(crate) mod singular;
pub(crate) mod sparse;

/// The numbers that matrices are made of: f32 where memory counts, f64 where digits do.
pub(crate) trait Scalar: faer::traits::RealField + Copy + Send + Sync {
    const ZERO: Self;
    const ONE: Self;
    fn from_f64(value: f64) -> Self;
    fn to_f64(self) -> f64;

    /// Adds `value` times `from` to `to` in vectors, a product and an addition each: the same bits at every width.
    fn add_scaled<S: Simd>(simd: S, to: &mut [Self], value: Self, from: &[Self]);
}

impl Scalar for f32 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    fn from_f64(value: f64) -> Self {
        value as Self
    }
    fn to_f64(self) -> f64 {
        f64::from(self)
    }

    #[inline(always)]
    fn add_scaled<S: Simd>(simd: S, to: &mut [Self], value: Self, from: &[Self]) {
        let ((to, to_rest), (from, from_rest)) = (S::as_mut_simd_f32s(to), S::as_simd_f32s(from));
        let values = simd.splat_f32s(value);
        for (to, &from) in to.iter_mut().zip(from) {
            *to = simd.add_f32s(*to, simd.mul_f32s(values, from));
        }
        for (to, &from) in to_rest.iter_mut().zip(from_rest) {
            *to += value * from;
        }
    }
}

impl Scalar for f64 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    fn from_f64(value: f64) -> Self {
        value
    }
    fn to_f64(self) -> f64 {
        self
    }

    #[inline(always)]
    fn add_scaled<S: Simd>(simd: S, to: &mut [Self], value: Self, from: &[Self]) {
        let ((to, to_rest), (from, from_rest)) = (S::as_mut_simd_f64s(to), S::as_simd_f64s(from));
        let values = simd.splat_f64s(value);
        for (to, &from) in to.iter_mut().zip(from) {
            *to = simd.add_f64s(*to, simd.mul_f64s(values, from));
        }
        for (to, &from) in to_rest.iter_mut().zip(from_rest) {
            *to += value * from;
        }
    }
}

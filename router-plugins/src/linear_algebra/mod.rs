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
}

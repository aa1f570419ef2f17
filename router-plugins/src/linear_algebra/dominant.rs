//! The leading eigenpairs of a dense positive semidefinite matrix, of any rank.
#![allow(
    clippy::indexing_slicing,
    clippy::many_single_char_names,
    reason = "rows and columns of square matrices; the terms of the books"
)]

use faer::{Mat, MatRef};
use rand::RngExt;
use router_core::{FitContext, Result};

use super::eigen::times;
use super::orthonormal::thin_qr;

/// Vectors at least that the block has beyond those wanted.
const OVERSAMPLING: usize = 10;
/// Products with the matrix. What is left of a direction whose eigenvalue is 0.8 of a wanted one is then 0.8^30, a thousandth.
const ITERATIONS: usize = 30;
/// Sweeps of the Jacobi method at most; it takes fewer than ten.
const SWEEPS: usize = 60;

/// The `count` largest eigenvalues of `matrix` (p x p), descending, and their vectors (p x count).
///
/// Orthogonal iteration of a block of random vectors, then Rayleigh and Ritz (Golub and Van Loan, Matrix Computations, 4th
/// edition, 8.2.4), the small matrix within the block by Jacobi's method (8.5), which converges whatever the rank. 2 p^2 l flops a product,
/// l = `count` and ten more; exact where that is all of p.
///
/// # Errors
/// [`router_core::ErrorKind::Cancelled`]; [`router_core::ErrorKind::Shape`] for a matrix that is not square.
pub(crate) fn dominant_eigen(matrix: MatRef<'_, f64>, count: usize, cx: &FitContext) -> Result<(Vec<f64>, Mat<f64>)> {
    let p = matrix.nrows();
    let l = (count + OVERSAMPLING).min(p);
    let mut stream = cx.stream("block");
    let signs = Mat::from_fn(p, l, |_, _| if stream.random::<bool>() { 1.0 } else { -1.0 });
    let mut block = thin_qr(signs)?.0;
    let iterations = if l < p { ITERATIONS } else { 1 };
    for _ in 0..iterations {
        cx.check_cancelled()?;
        block = thin_qr(times(matrix, block.as_ref()))?.0;
    }
    let image = times(matrix, block.as_ref());
    let (values, rotation) = jacobi(times(block.transpose(), image.as_ref()));
    let vectors = times(block.as_ref(), rotation.as_ref());
    let kept = count.min(l);
    Ok((values.into_iter().take(kept).collect(), Mat::from_fn(p, kept, |row, col| vectors[(row, col)])))
}

/// All eigenvalues of a small symmetric matrix, descending, and their vectors: cyclic Jacobi rotations until nothing is left
/// beside the diagonal.
fn jacobi(mut a: Mat<f64>) -> (Vec<f64>, Mat<f64>) {
    let l = a.nrows();
    let mut vectors = Mat::<f64>::identity(l, l);
    let norm: f64 = (0..l).flat_map(|row| (0..l).map(move |col| (row, col))).map(|at| a[at] * a[at]).sum();
    for _ in 0..SWEEPS {
        let beside: f64 = (0..l).flat_map(|row| (0..row).map(move |col| (row, col))).map(|at| a[at] * a[at]).sum();
        // Written so that a NaN ends it.
        let more = beside > 1e-30 * norm;
        if !more {
            break;
        }
        for p in 0..l {
            for q in p + 1..l {
                if a[(p, q)] == 0.0 {
                    continue;
                }
                let tau = (a[(q, q)] - a[(p, p)]) / (2.0 * a[(p, q)]);
                let t = tau.signum() / (tau.abs() + tau.hypot(1.0));
                let c = t.hypot(1.0).recip();
                let s = t * c;
                let turn = |x: f64, y: f64| (c * x - s * y, s * x + c * y);
                for k in 0..l {
                    (a[(k, p)], a[(k, q)]) = turn(a[(k, p)], a[(k, q)]);
                }
                for k in 0..l {
                    (a[(p, k)], a[(q, k)]) = turn(a[(p, k)], a[(q, k)]);
                    (vectors[(k, p)], vectors[(k, q)]) = turn(vectors[(k, p)], vectors[(k, q)]);
                }
            }
        }
    }
    let mut order: Vec<usize> = (0..l).collect();
    order.sort_by(|&i, &j| a[(j, j)].total_cmp(&a[(i, i)]).then(i.cmp(&j)));
    let values = order.iter().map(|&at| a[(at, at)]).collect();
    (values, Mat::from_fn(l, l, |row, col| vectors[(row, order[col])]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Eigenvalues 2 - 2 cos(k pi / (n + 1)) of the second difference.
    #[test]
    fn eigenvalues_of_the_second_difference() {
        let n = 12;
        let matrix = Mat::from_fn(n, n, |row, col| match row.abs_diff(col) {
            0 => 2.0,
            1 => -1.0,
            _ => 0.0,
        });
        let (values, vectors) = dominant_eigen(matrix.as_ref(), n, &FitContext::new(1)).unwrap();
        for (at, &value) in values.iter().enumerate() {
            let k = (n - at) as f64;
            let expected = 2.0 - 2.0 * (k * std::f64::consts::PI / (n as f64 + 1.0)).cos();
            assert!((value - expected).abs() < 1e-12, "{value} {expected}");
            let image = times(matrix.as_ref(), vectors.as_ref());
            for row in 0..n {
                assert!((image[(row, at)] - value * vectors[(row, at)]).abs() < 1e-10);
            }
        }
    }

    #[test]
    fn a_matrix_of_low_rank_has_zeros_behind() {
        // 3 u u' + v v' of 400 dimensions, and the zero matrix.
        let unit = |at: usize| move |row: usize| if row % 2 == at { (200f64).sqrt().recip() } else { 0.0 };
        let (u, v) = (unit(0), unit(1));
        let matrix = Mat::from_fn(400, 400, |row, col| 3.0 * u(row) * u(col) + v(row) * v(col));
        let (values, vectors) = dominant_eigen(matrix.as_ref(), 4, &FitContext::new(1)).unwrap();
        for (value, expected) in values.iter().zip([3.0, 1.0, 0.0, 0.0]) {
            assert!((value - expected).abs() < 1e-12, "{values:?}");
        }
        assert!((vectors[(0, 0)].abs() - u(0)).abs() < 1e-10 && vectors[(1, 0)].abs() < 1e-10);
        let zero = Mat::<f64>::zeros(50, 50);
        let (values, vectors) = dominant_eigen(zero.as_ref(), 3, &FitContext::new(1)).unwrap();
        assert!(values.iter().all(|&value| value == 0.0) && vectors[(0, 0)].is_finite());
    }
}

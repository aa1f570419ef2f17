//! Weighted normal equations: sums over outcomes that can be added and taken apart, and their solution by Cholesky.
#![allow(clippy::indexing_slicing, reason = "all sizes follow from the dimension and the number of responses")]

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use router_core::prelude::*;

use crate::linear_algebra::cholesky::Factor;

/// Rows whose product is taken at once.
const BLOCK: usize = 256;

/// Sums over weighted rows of (z, 1, y), z of d features, y of k responses.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::estimators) struct Sums {
    d: usize,
    responses: usize,
    /// Sum of weight * (z, 1)' (z, 1, y), (d + 1) x (d + 1 + k), column by column.
    products: Vec<f64>,
    /// Sum of weight * y^2 of every response.
    squares: Vec<f64>,
    /// Summed squared weights.
    squared_weight: f64,
}

impl Sums {
    pub(in crate::estimators) fn new(d: usize, responses: usize) -> Self {
        Self {
            d,
            responses,
            products: vec![0.0; (d + 1) * (d + 1 + responses)],
            squares: vec![0.0; responses],
            squared_weight: 0.0,
        }
    }

    /// Adds `rows`, one after another: `write` fills in the features and the responses of a row, and gives its weight.
    pub(in crate::estimators) fn add_rows(
        &mut self,
        rows: &[usize],
        mut write: impl FnMut(usize, &mut [f64], &mut [f64]) -> f64,
        check_cancelled: impl Fn() -> Result<()>,
    ) -> Result<()> {
        let (left, width) = (self.d + 1, self.d + 1 + self.responses);
        let mut buffer = vec![0.0; BLOCK * width];
        for block in rows.chunks(BLOCK) {
            check_cancelled()?;
            for (&row, line) in block.iter().zip(buffer.chunks_exact_mut(width)) {
                let (features, rest) = line.split_at_mut(self.d);
                let weight = write(row, features, &mut rest[1..]);
                rest[0] = 1.0;
                for (square, response) in self.squares.iter_mut().zip(&rest[1..]) {
                    *square += weight * response * response;
                }
                self.squared_weight += weight * weight;
                let root = weight.sqrt();
                for value in line {
                    *value *= root;
                }
            }
            let lines = MatRef::from_row_major_slice(&buffer[..block.len() * width], block.len(), width);
            matmul(
                MatMut::from_column_major_slice_mut(&mut self.products, left, width),
                Accum::Add,
                lines.subcols(0, left).transpose(),
                lines,
                1.0,
                Par::Seq,
            );
        }
        Ok(())
    }

    /// These sums with `sign` times those of `other` added.
    pub(in crate::estimators) fn plus(mut self, sign: f64, other: &Self) -> Self {
        let add = |to: &mut [f64], from: &[f64]| to.iter_mut().zip(from).for_each(|(to, from)| *to += sign * from);
        add(&mut self.products, &other.products);
        add(&mut self.squares, &other.squares);
        self.squared_weight += sign * other.squared_weight;
        self
    }

    pub(in crate::estimators) fn weight(&self) -> f64 {
        self.column(self.d)[self.d]
    }

    /// How many rows of equal weight would be worth as much (Kish's effective sample size).
    pub(in crate::estimators) fn count(&self) -> f64 {
        if self.squared_weight > 0.0 { self.weight() * self.weight() / self.squared_weight } else { 0.0 }
    }

    fn column(&self, at: usize) -> &[f64] {
        &self.products[at * (self.d + 1)..(at + 1) * (self.d + 1)]
    }

    /// The weighted mean of the features.
    pub(in crate::estimators) fn mean(&self) -> Vec<f64> {
        let weight = self.weight();
        self.column(self.d)[..self.d].iter().map(|sum| if weight > 0.0 { sum / weight } else { 0.0 }).collect()
    }

    /// The Cholesky factor of the centered Gram matrix plus `penalty` on its diagonal.
    pub(in crate::estimators) fn factor(&self, penalty: f64) -> Result<Factor> {
        let (d, weight, mean) = (self.d, self.weight(), self.mean());
        let mut matrix = vec![0.0; d * d];
        for (column, to) in matrix.chunks_exact_mut(d.max(1)).enumerate() {
            for (row, (to, sum)) in to.iter_mut().zip(self.column(column)).enumerate() {
                *to = sum - weight * mean[row] * mean[column];
            }
            to[column] += penalty;
        }
        Factor::new(matrix, d)
    }

    /// The weights (d x k, column by column) and intercepts of all responses.
    pub(in crate::estimators) fn solve(&self, factor: &Factor) -> Solution {
        let (d, weight, mean) = (self.d, self.weight(), self.mean());
        let mut weights = Vec::with_capacity(d * self.responses);
        let mut intercepts = Vec::with_capacity(self.responses);
        for response in 0..self.responses {
            let column = self.column(d + 1 + response);
            let of_response = if weight > 0.0 { column[d] / weight } else { 0.0 };
            weights.extend(column[..d].iter().zip(&mean).map(|(sum, mean)| sum - weight * mean * of_response));
            intercepts.push(of_response);
        }
        factor.solve(&mut weights, self.responses);
        for (intercept, weights) in intercepts.iter_mut().zip(weights.chunks_exact(d.max(1))) {
            *intercept -= dot(weights, &mean);
        }
        Solution { weights, intercepts }
    }

    /// The weighted sum of the squared errors of `solution` on these rows, a response.
    pub(in crate::estimators) fn squared_errors(&self, solution: &Solution) -> Vec<f64> {
        let d = self.d;
        // The Gram matrix times the weights of all responses.
        let mut images = vec![0.0; d * self.responses];
        if d > 0 {
            let products = MatRef::from_column_major_slice(&self.products[..(d + 1) * d], d + 1, d);
            matmul(
                MatMut::from_column_major_slice_mut(&mut images, d, self.responses),
                Accum::Replace,
                products.subrows(0, d),
                MatRef::from_column_major_slice(&solution.weights, d, self.responses),
                1.0,
                Par::Seq,
            );
        }
        (0..self.responses)
            .map(|response| {
                let weights = &solution.weights[response * d..(response + 1) * d];
                let intercept = solution.intercepts[response];
                let column = self.column(d + 1 + response);
                let quadratic = dot(weights, &images[response * d..(response + 1) * d]);
                let linear = dot(weights, &self.column(d)[..d]) * intercept - dot(weights, &column[..d]);
                let constant = intercept * (intercept * self.weight() - 2.0 * column[d]);
                (self.squares[response] + quadratic + 2.0 * linear + constant).max(0.0)
            })
            .collect()
    }
}

/// What minimises a penalised sum of squares.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::estimators) struct Solution {
    /// d x k, column by column.
    pub(in crate::estimators) weights: Vec<f64>,
    /// One a response.
    pub(in crate::estimators) intercepts: Vec<f64>,
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

//! One scale for every embedder.

use router_core::prelude::*;

/// z = (x - mean) * factor, such that the mean squared length of z is 1 over the rows it was made from.
pub(in crate::estimators) struct Scaling {
    pub(in crate::estimators) mean: Vec<f64>,
    pub(in crate::estimators) factor: f64,
}

impl Scaling {
    pub(in crate::estimators) fn of(embeddings: MatrixView<'_>) -> Self {
        let (n, d) = (embeddings.rows(), embeddings.cols());
        let mut mean = vec![0.0f64; d];
        for row in 0..n {
            mean.iter_mut().zip(embeddings.row(row)).for_each(|(sum, &value)| *sum += f64::from(value));
        }
        // What is stored is the rounded mean, and it is that which must be taken off here too.
        for sum in &mut mean {
            *sum = f64::from((*sum / n as f64) as f32);
        }
        let squared: f64 = (0..n)
            .map(|row| {
                let off = embeddings.row(row).iter().zip(&mean).map(|(&value, mean)| (f64::from(value) - mean).powi(2));
                off.sum::<f64>()
            })
            .sum();
        let squared = squared / n as f64;
        // Embeddings that are all the same tell nothing.
        let factor = if squared > 1e-20 { f64::from((1.0 / squared.sqrt()) as f32) } else { 0.0 };
        Self { mean, factor }
    }

    pub(in crate::estimators) fn write(&self, embedding: &[f32], out: &mut [f64]) {
        for ((to, &value), mean) in out.iter_mut().zip(embedding).zip(&self.mean) {
            *to = (f64::from(value) - mean) * self.factor;
        }
    }
}

//! The contrastive loss of both kinds of terms, and its gradient.
#![allow(clippy::indexing_slicing, reason = "terms name rows of the two matrices, made together with them")]

use candle_core::{CpuStorage, CustomOp2, Device, Layout, Shape, Tensor};

use crate::nn::autodiff::{TensorResult, contiguous, flat};
use crate::nn::kernels::{add_scaled, dot};

/// A vector that takes part in a term.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// A row of the batch.
    Prompt(usize),
    Model(usize),
}

/// Weight times -ln(e^p / (e^p + sum of e^n)), p and n being the cosines of the anchor with the positive and the negatives over the
/// temperature.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Term {
    /// A row of the batch.
    pub(super) anchor: usize,
    pub(super) positive: Side,
    pub(super) negatives: Vec<Side>,
    pub(super) weight: f32,
}

/// The sum of all terms times `scale`, a scalar, for projected prompts (n x r) and the models' vectors (m x r).
pub(super) fn contrastive_loss(
    prompts: &Tensor,
    models: &Tensor,
    terms: Vec<Term>,
    temperature: f32,
    scale: f32,
) -> TensorResult<Tensor> {
    prompts.apply_op2(models, Contrast { terms, temperature, scale })
}

struct Contrast {
    terms: Vec<Term>,
    temperature: f32,
    scale: f32,
}

/// Vectors of unit length with the lengths that they had; one of zeros stays so.
struct Units {
    rows: Vec<f32>,
    lengths: Vec<f32>,
    width: usize,
}

impl Units {
    fn of(values: &[f32], width: usize) -> Self {
        let mut rows = values.to_vec();
        let lengths = rows
            .chunks_exact_mut(width)
            .map(|row| {
                let length = dot(row, row).sqrt();
                let factor = if length > 0.0 { length.recip() } else { 0.0 };
                for value in row.iter_mut() {
                    *value *= factor;
                }
                length
            })
            .collect();
        Self { rows, lengths, width }
    }

    fn row(&self, at: usize) -> &[f32] {
        &self.rows[at * self.width..(at + 1) * self.width]
    }

    /// The gradient by the vectors as they came, of one by the unit vectors: what lies along a vector changes its length alone.
    fn by_values(&self, mut gradient: Vec<f32>) -> Vec<f32> {
        for (at, row) in gradient.chunks_exact_mut(self.width).enumerate() {
            let (unit, length) = (self.row(at), self.lengths[at]);
            let along = dot(row, unit);
            let factor = if length > 0.0 { length.recip() } else { 0.0 };
            row.iter_mut().zip(unit).for_each(|(value, unit)| *value = (*value - along * unit) * factor);
        }
        gradient
    }
}

impl Contrast {
    /// The loss; `see` gets every anchor, its partner and the derivative of the loss by their cosine.
    fn evaluate(&self, prompts: &Units, models: &Units, mut see: impl FnMut(usize, Side, f32)) -> f64 {
        let mut loss = 0.0f64;
        let mut scores = Vec::new();
        for term in &self.terms {
            let partners = || std::iter::once(term.positive).chain(term.negatives.iter().copied());
            scores.clear();
            scores.extend(partners().map(|partner| {
                let other = match partner {
                    Side::Prompt(row) => prompts.row(row),
                    Side::Model(model) => models.row(model),
                };
                dot(prompts.row(term.anchor), other) / self.temperature
            }));
            let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let sum: f32 = scores.iter().map(|score| (score - largest).exp()).sum();
            loss += f64::from(term.weight) * f64::from(sum.ln() + largest - scores[0]);
            for (at, (partner, score)) in partners().zip(&scores).enumerate() {
                let share = (score - largest).exp() / sum - if at == 0 { 1.0 } else { 0.0 };
                see(term.anchor, partner, term.weight * share / self.temperature);
            }
        }
        loss
    }
}

impl CustomOp2 for Contrast {
    fn name(&self) -> &'static str {
        "contrastive-loss"
    }

    fn cpu_fwd(&self, s1: &CpuStorage, l1: &Layout, s2: &CpuStorage, l2: &Layout) -> TensorResult<(CpuStorage, Shape)> {
        let ((_, width), (_, other)) = (l1.shape().dims2()?, l2.shape().dims2()?);
        if width != other || width == 0 {
            return Err(candle_core::Error::Msg(format!("vectors of {width} and of {other} numbers")));
        }
        let (prompts, models) = (Units::of(contiguous(s1, l1)?, width), Units::of(contiguous(s2, l2)?, width));
        let loss = self.evaluate(&prompts, &models, |_, _, _| {});
        Ok((CpuStorage::F32(vec![(loss * f64::from(self.scale)) as f32]), Shape::from(())))
    }

    fn bwd(
        &self,
        prompts: &Tensor,
        models: &Tensor,
        _result: &Tensor,
        gradient: &Tensor,
    ) -> TensorResult<(Option<Tensor>, Option<Tensor>)> {
        let scale = gradient.to_scalar::<f32>()? * self.scale;
        let (_, width) = prompts.dims2()?;
        let of_prompts = Units::of(&flat(prompts)?, width);
        let of_models = Units::of(&flat(models)?, width);
        let mut by_prompts = vec![0.0f32; of_prompts.rows.len()];
        let mut by_models = vec![0.0f32; of_models.rows.len()];
        let range = |at: usize| at * width..(at + 1) * width;
        self.evaluate(&of_prompts, &of_models, |anchor, partner, by_cosine| {
            let factor = scale * by_cosine;
            match partner {
                Side::Prompt(row) => {
                    add_scaled(&mut by_prompts[range(anchor)], factor, of_prompts.row(row));
                    add_scaled(&mut by_prompts[range(row)], factor, of_prompts.row(anchor));
                }
                Side::Model(model) => {
                    add_scaled(&mut by_prompts[range(anchor)], factor, of_models.row(model));
                    add_scaled(&mut by_models[range(model)], factor, of_prompts.row(anchor));
                }
            }
        });
        let tensor = |values, like: &Tensor| Tensor::from_vec(values, like.shape(), &Device::Cpu);
        Ok((
            Some(tensor(of_prompts.by_values(by_prompts), prompts)?),
            Some(tensor(of_models.by_values(by_models), models)?),
        ))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Var;

    use super::*;

    fn terms() -> Vec<Term> {
        let term = |anchor, positive, negatives: &[Side], weight| Term {
            anchor,
            positive,
            negatives: negatives.to_vec(),
            weight,
        };
        vec![
            term(0, Side::Model(1), &[Side::Model(0), Side::Model(2)], 1.0),
            term(1, Side::Model(2), &[Side::Model(1)], 0.5),
            term(1, Side::Prompt(2), &[Side::Prompt(0)], 2.0),
        ]
    }

    fn loss(prompts: &[f32], models: &[f32], temperature: f32) -> (f64, Vec<f32>, Vec<f32>) {
        let var = |values: &[f32]| {
            let rows = values.len() / 2;
            Var::from_tensor(&Tensor::from_vec(values.to_vec(), (rows, 2), &Device::Cpu).unwrap()).unwrap()
        };
        let (prompts, models) = (var(prompts), var(models));
        let loss = contrastive_loss(prompts.as_tensor(), models.as_tensor(), terms(), temperature, 0.25).unwrap();
        let store = loss.backward().unwrap();
        let of = |var: &Var| flat(store.get(var).unwrap()).unwrap();
        (f64::from(loss.to_scalar::<f32>().unwrap()), of(&prompts), of(&models))
    }

    #[test]
    fn a_loss_worked_out_by_hand() {
        // Lengths do not count. Anchor 0 looks along x: its cosine is 0 with model 1, 1 with model 0, -1 with model 2. Anchor 1 looks along y: 0 with model 2, 1 with
        // model 1; 0.6 with prompt 2, 0 with prompt 0.
        let prompts = [2.0, 0.0, 0.0, 1.0, 4.0, 3.0];
        let models = [3.0, 0.0, 0.0, 0.5, -1.0, 0.0];
        let t = 0.5f64;
        let first = (1.0 + (1.0 / t).exp() + (-1.0 / t).exp()).ln();
        let second = (1.0 + (1.0 / t).exp()).ln();
        let third = (1.0 + (-0.6 / t).exp()).ln();
        let expected = 0.25 * (first + 0.5 * second + 2.0 * third);
        assert!((loss(&prompts, &models, 0.5).0 - expected).abs() < 1e-5);
    }

    #[test]
    fn the_gradient_agrees_with_finite_differences() {
        let prompts = [0.3f32, -1.0, 0.8, 0.4, -0.9, 0.7];
        let models = [1.1f32, 0.2, -0.5, 0.9, 0.4, -1.2];
        let (_, by_prompts, by_models) = loss(&prompts, &models, 0.7);
        for at in 0..6 {
            let moved = |which: usize, by: f32| {
                let mut both = [prompts, models];
                both[which][at] += by;
                loss(&both[0], &both[1], 0.7).0
            };
            for (which, gradient) in [(0, &by_prompts), (1, &by_models)] {
                let numeric = (moved(which, 5e-3) - moved(which, -5e-3)) / 1e-2;
                assert!((numeric - f64::from(gradient[at])).abs() < 1e-3, "{which} {at}: {numeric} {}", gradient[at]);
            }
        }
    }

    #[test]
    fn vectors_of_zeros_teach_nothing_and_break_nothing() {
        let (value, by_prompts, _) = loss(&[0.0; 6], &[0.0; 6], 1.0);
        assert!(value.is_finite() && by_prompts.iter().all(|&value| value == 0.0));
    }
}

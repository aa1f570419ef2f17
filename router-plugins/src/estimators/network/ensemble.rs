//! Several networks that are trained apart, each holding out other prompts, and their mean.

use router_core::Folds;
use router_core::prelude::*;

use super::spread::Spread;
use super::training::{Answer, Scratch};
use crate::nn::exponential::add_sigmoids;

/// Fits `members` networks, at least one, each in a context of its own: `fit` gets the rows to train on and the rows that the member
/// holds out, a share of `held_out` of all (none where that is 0 or there is too little to be split); near duplicates stay together.
pub(in crate::estimators) fn ensemble<T>(
    members: usize,
    held_out: f64,
    set: &TrainingSet,
    cx: &FitContext,
    fit: impl Fn(&[usize], &[usize], &FitContext) -> Result<T>,
) -> Result<Vec<T>> {
    let folds = held_out_folds(held_out, set, cx);
    (0..members.max(1))
        .map(|member| {
            let cx = cx.child(&format!("member/{member}"));
            let (train, held_out) = match &folds {
                Some(folds) => folds.split(member % folds.count()),
                None => ((0..set.len()).collect(), Vec::new()),
            };
            fit(&train, &held_out, &cx)
        })
        .collect()
}

/// Folds of which each member holds out one; none if nothing is to be held out, or too little is there to be split.
fn held_out_folds(share: f64, set: &TrainingSet, cx: &FitContext) -> Option<Folds> {
    if share <= 0.0 {
        return None;
    }
    let count = (share.recip().round() as usize).max(2);
    let folds = set.folds(count, &cx.seed().child("held-out"))?;
    let told = |rows: &[usize]| rows.iter().any(|&row| set.outcomes().row(row).iter().any(|o| o.weight > 0.0));
    let usable = |fold| {
        let (train, held_out) = folds.split(fold);
        told(&train) && told(&held_out)
    };
    (0..folds.count()).all(usable).then_some(folds)
}

/// Networks that answer together: their mean, and with two or more the variance between them.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::estimators) struct Ensemble<N> {
    first: N,
    others: Vec<N>,
}

impl<N: Answer> Ensemble<N> {
    /// # Errors
    /// [`ErrorKind::Shape`] without a member, or if they disagree about inputs or models.
    pub(in crate::estimators) fn new(members: Vec<N>) -> Result<Self> {
        let shape = |network: &N| (network.inputs(), network.models());
        let mut members = members.into_iter();
        let Some(first) = members.next() else {
            return Err(Error::shape("members of an ensemble", "at least 1", 0));
        };
        let others: Vec<N> = members.collect();
        if let Some(other) = others.iter().map(shape).find(|&other| other != shape(&first)) {
            return Err(Error::shape(
                "inputs and models of a member",
                format!("{:?}", shape(&first)),
                format!("{other:?}"),
            ));
        }
        Ok(Self { first, others })
    }

    /// The first network.
    pub(in crate::estimators) fn first(&self) -> &N {
        &self.first
    }

    fn members(&self) -> impl Iterator<Item = &N> {
        std::iter::once(&self.first).chain(&self.others)
    }

    fn count(&self) -> usize {
        1 + self.others.len()
    }

    /// Number of models.
    pub(in crate::estimators) fn models(&self) -> usize {
        self.first.models()
    }

    /// Number of inputs, d.
    pub(in crate::estimators) fn inputs(&self) -> usize {
        self.first.inputs()
    }

    /// Writes the mean of the members' estimates, and their variance if there are two or more.
    ///
    /// # Errors
    /// [`ErrorKind::Shape`] for another dimension; [`ErrorKind::NonFinite`].
    pub(in crate::estimators) fn estimate(&self, embeddings: MatrixView<'_>, out: &mut Estimates) -> Result<()> {
        let (n, m) = (embeddings.rows(), self.models());
        if embeddings.cols() != self.inputs() {
            return Err(Error::shape("dimension of embeddings", self.inputs(), embeddings.cols()));
        }
        out.reset(n, m);
        let share = (self.count() as f32).recip();
        let (mut scratch, mut logits) = (Scratch::default(), Matrix::default());
        let mut spread = (self.count() > 1).then(Spread::default);
        if let Some(spread) = &mut spread {
            spread.begin(n, m);
        }
        for member in self.members() {
            member.answer(embeddings, &mut scratch, &mut logits);
            add_sigmoids(out.quality_mut().as_mut_slice(), share, logits.as_slice());
            if let Some(spread) = &mut spread {
                spread.see(out.quality(), share.recip());
            }
        }
        if let Some(spread) = spread {
            spread.write_variance(out.variance_mut());
        }
        out.quality().check_finite("estimates of a network")
    }

    /// Writes all members.
    ///
    /// # Errors
    /// As the writer's.
    pub(in crate::estimators) fn save(&self, writer: &mut SlotWriter) -> Result<()> {
        writer.put_json("members", &self.count())?;
        writer.put_json("inputs", &self.inputs())?;
        self.members().enumerate().try_for_each(|(at, member)| member.save(writer, &format!("member/{at}")))
    }

    /// Reads what [`save`](Self::save) wrote.
    ///
    /// # Errors
    /// [`ErrorKind::Artifact`].
    pub(in crate::estimators) fn load(reader: &SlotReader<'_>) -> Result<Self> {
        let (count, inputs): (usize, usize) = (reader.get_json("members")?, reader.get_json("inputs")?);
        let mut members = Vec::new();
        for at in 0..count {
            members.push(N::load(reader, &format!("member/{at}"), inputs)?);
        }
        Self::new(members).map_err(|error| reader.corrupt(&error.to_string()))
    }
}

/// Makes a tuple struct around an [`Ensemble`] an estimator that is stored as `format`, version 1.
macro_rules! ensemble_estimator {
    ($estimator:ident, $format:literal) => {
        impl FittedEstimator for $estimator {
            fn models(&self) -> usize {
                self.0.models()
            }

            fn estimate(&self, batch: &QueryBatch<'_>, out: &mut Estimates) -> Result<()> {
                self.0.estimate(batch.embeddings, out)
            }
        }

        impl Persist for $estimator {
            const FORMAT: &'static str = $format;
            const VERSION: u32 = 1;

            fn save(&self, writer: &mut SlotWriter) -> Result<()> {
                self.0.save(writer)
            }

            fn load(reader: &SlotReader<'_>) -> Result<Self> {
                Ok(Self(Ensemble::load(reader)?))
            }
        }
    };
}

pub(in crate::estimators) use ensemble_estimator;

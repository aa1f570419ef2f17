//! References in an artifact.

use std::collections::{BTreeMap, BTreeSet};

use router_core::{EstimatorRole, Model, ModelPool, Persist, Result, SlotReader, SlotWriter};
use serde::{Deserialize, Serialize};

use crate::references::{NEIGHBORS, References};
use crate::summary::DataSummary;

#[derive(Serialize, Deserialize)]
struct Stored {
    models: Vec<Model>,
    nominal_output_tokens: u32,
    mean_quality: Vec<Option<f64>>,
    mean_cost: Vec<Option<f64>>,
    benchmarks: BTreeMap<String, Vec<Option<f64>>>,
    best_single: usize,
    train: DataSummary,
}

impl Persist for References {
    const FORMAT: &'static str = "references";
    const VERSION: u32 = 1;

    fn save(&self, writer: &mut SlotWriter) -> Result<()> {
        let stored = Stored {
            models: self.models.models().to_vec(),
            nominal_output_tokens: self.nominal_output_tokens,
            mean_quality: self.mean_quality.clone(),
            mean_cost: self.mean_cost.clone(),
            benchmarks: self.benchmarks.clone(),
            best_single: self.best_single,
            train: self.train.clone(),
        };
        writer.put_json("references", &stored)?;
        let halves: Vec<u32> = self.texts.iter().flat_map(|&hash| [(hash >> 32) as u32, hash as u32]).collect();
        writer.put_u32("training_texts", &halves)?;
        writer.put_nested("knn", &*self.knn)
    }

    fn load(reader: &SlotReader<'_>) -> Result<Self> {
        let stored: Stored = reader.get_json("references")?;
        let models = ModelPool::new(stored.models).map_err(|error| reader.corrupt(&error.to_string()))?;
        let m = models.len();
        let finite = |means: &Vec<Option<f64>>| means.len() == m && means.iter().flatten().all(|mean| mean.is_finite());
        if !finite(&stored.mean_quality)
            || !finite(&stored.mean_cost)
            || !stored.benchmarks.values().all(finite)
            || stored.best_single >= m
        {
            return Err(reader.corrupt("its means do not belong to its models"));
        }
        let knn = reader.registry().load::<EstimatorRole>(NEIGHBORS, &reader.nested("knn")?)?;
        if knn.models() != m {
            return Err(reader.corrupt("its nearest neighbors do not belong to its models"));
        }
        let halves = reader.get_u32("training_texts")?;
        let texts: BTreeSet<u64> =
            halves.as_chunks::<2>().0.iter().map(|&[high, low]| (u64::from(high) << 32) | u64::from(low)).collect();
        Ok(Self {
            models,
            nominal_output_tokens: stored.nominal_output_tokens,
            mean_quality: stored.mean_quality,
            mean_cost: stored.mean_cost,
            benchmarks: stored.benchmarks,
            best_single: stored.best_single,
            texts,
            train: stored.train,
            knn,
        })
    }
}

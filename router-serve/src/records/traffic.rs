//! Recorded decisions as calls whose policy can be evaluated.

use std::collections::{BTreeMap, BTreeSet};

use router_core::{Model, ModelPool, Result};
use router_eval::off_policy::Call;

use super::{Record, Recorded, Records};

/// Recorded calls, and the models that they are about.
#[derive(Debug, Clone)]
pub struct Traffic {
    /// The models, by name, with the prices that they had last.
    pub models: ModelPool,
    /// The calls, in the order of time.
    pub calls: Vec<Call>,
    /// The routers that decided, or decided beside, by their fingerprints.
    pub routers: Vec<String>,
    /// When the first and the last were decided, in milliseconds since 1970.
    pub period: Option<[i64; 2]>,
}

impl Traffic {
    /// The decisions in `records` from `since` on (milliseconds since 1970) after which a model was asked, or that have a quality.
    ///
    /// # Errors
    /// What the database reports; [`router_core::ErrorKind::EmptyPool`] if no gateway has kept anything there.
    pub fn read(records: &mut Records, since: i64) -> Result<Self> {
        let mut models: BTreeMap<String, Model> =
            records.models()?.into_iter().map(|model| (model.name.clone(), model)).collect();
        let mut kept = Vec::new();
        let mut routers = BTreeSet::new();
        let mut period: Option<[i64; 2]> = None;
        records.each(since, &mut |recorded| {
            let Recorded { record, quality, shadow } = recorded;
            if record.attempts.is_empty() && quality.is_none() {
                return Ok(());
            }
            let time = record.time_milliseconds();
            period = Some(period.map_or([time, time], |[first, last]| [first.min(time), last.max(time)]));
            for name in record.eligible.iter().chain(&record.answered_by).chain(&record.instead_of) {
                models.entry(name.clone()).or_insert_with(|| Model::new(name.clone()));
            }
            routers.extend(record.router.iter().chain(shadow.as_ref().map(|shadow| &shadow.router)).cloned());
            if let Some(shadow) = &shadow {
                models.entry(shadow.model.clone()).or_insert_with(|| Model::new(shadow.model.clone()));
            }
            let record = Record { prompt: None, attempts: Vec::new(), ..record };
            kept.push(Recorded { record, quality, shadow });
            Ok(())
        })?;
        let models = ModelPool::new(models.into_values().collect())?;
        let routers: Vec<String> = routers.into_iter().collect();
        let calls = kept.into_iter().map(|kept| call(kept, &models, &routers)).collect::<Result<_>>()?;
        Ok(Self { models, calls, routers, period })
    }
}

fn call(recorded: Recorded, models: &ModelPool, routers: &[String]) -> Result<Call> {
    let Recorded { record, quality, shadow } = recorded;
    let router = |name: &String| routers.iter().position(|known| known == name);
    let index = |name: &String| models.index_of(name);
    let asked = index(&record.model)?;
    let tokens = record.input_tokens.zip(record.output_tokens);
    Ok(Call {
        eligible: record.eligible.iter().map(index).collect::<Result<_>>()?,
        chosen: record.instead_of.as_ref().map_or(Ok(asked), index)?,
        asked,
        propensity: record.propensity,
        answered_by: record.answered_by.as_ref().map(index).transpose()?,
        quality,
        cost_usd: record.cost_usd,
        tokens: tokens.map(|(input, output)| (input as f64, output as f64)),
        router: record.router.as_ref().and_then(router),
        shadow: match &shadow {
            Some(shadow) => router(&shadow.router).zip(Some(index(&shadow.model)?)),
            None => None,
        },
    })
}

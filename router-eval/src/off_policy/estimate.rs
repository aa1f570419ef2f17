//! The estimates.
#![allow(clippy::indexing_slicing, reason = "models are those of the pool, checked when calls are taken in")]

use router_core::{Error, ErrorKind, ModelPool, Result, Seed};

use crate::bootstrap::{Column, Mean, Stratum, Sums, resample};
use crate::off_policy::{Call, Estimate, GROUPS, OfModel, OfRouter, OffPolicyOptions, Quality, Report, Saving};

/// An effective number of calls below which an estimate is not worth much.
const FEW: f64 = 30.0;

/// The columns of one model as the one for all.
struct Columns {
    quality: Mean,
    router: Mean,
    cost: Mean,
    saved: Mean,
}

impl Report {
    /// What `calls` of `models`, decided by `routers`, say.
    ///
    /// # Errors
    /// [`ErrorKind::Shape`] for a call of a model that is not there; [`ErrorKind::Data`] for a propensity outside (0, 1].
    pub fn of(calls: &[Call], models: &ModelPool, routers: &[String], options: &OffPolicyOptions) -> Result<Self> {
        check(calls, models)?;
        let all = calls.len();
        let calls: Vec<&Call> = calls.iter().filter(|call| call.eligible.len() > 1).collect();
        let groups: Vec<u32> = (0..calls.len()).map(|at| (at % GROUPS) as u32).collect();
        let mut stratum = Stratum::new(&groups);
        let mut mean = |value: &dyn Fn(&Call) -> Option<(f64, f64)>| {
            let terms: Vec<(f64, f64)> = calls
                .iter()
                .map(|call| value(call).map_or((0.0, 0.0), |(value, weight)| (value * weight, weight)))
                .collect();
            let (values, weights): (Column, Column) =
                (stratum.column(terms.iter().map(|term| term.0)), stratum.column(terms.iter().map(|term| term.1)));
            Mean(vec![Some((values, weights))])
        };
        let quality = mean(&|call| Some((call.quality?, 1.0)));
        let cost = mean(&|call| Some((billed(call)?, 1.0)));
        let columns: Vec<Columns> = (0..models.len())
            .map(|model| Columns {
                quality: mean(&|call| Some((call.quality?, agrees(call, model, model)?))),
                router: mean(&|call| Some((call.quality?, agrees(call, model, call.chosen)?))),
                cost: mean(&|call| Some((call.cost_usd?, agrees(call, model, model)?))),
                saved: mean(&|call| Some((repriced(call, model, models)? - billed(call)?, 1.0))),
            })
            .collect();
        let of_routers: Vec<(Mean, Mean)> = (0..routers.len())
            .map(|router| {
                let own = move |call: &Call| call.router == Some(router);
                let quality = mean(&|call| call.quality.filter(|_| own(call)).map(|quality| (quality, 1.0)));
                let cost = mean(&|call| billed(call).filter(|_| own(call)).map(|cost| (cost, 1.0)));
                (quality, cost)
            })
            .collect();
        let sums = resample(&[stratum], options.resamples, &Seed::root(options.seed).child("off policy"));
        let of = |mean: &Mean| estimate(&sums, mean, options.confidence);
        let described: Vec<OfModel> = columns
            .iter()
            .enumerate()
            .map(|(model, columns)| of_model(model, columns, &calls, models, &sums, options))
            .collect();
        let best_estimated = described
            .iter()
            .filter_map(|model| Some((model.quality?.estimate.value, &model.model)))
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .map(|(_, name)| name.clone());
        let named = options.best.map(|model| models.name(model).to_owned());
        let best_source = match (&named, &best_estimated) {
            (Some(_), _) => "named",
            (None, Some(_)) => "estimated",
            (None, None) => "unknown",
        };
        let most = described.iter().filter_map(|model| Some(model.saved?.calls)).max().unwrap_or(0);
        let cheapest = described
            .iter()
            // Of one that could take few of the calls, its total says nothing beside the others'.
            .filter_map(|model| Some((model.saved.filter(|saving| 2 * saving.calls > most)?, &model.model)))
            .min_by(|a, b| (a.0.cost_usd / a.0.calls as f64).total_cmp(&(b.0.cost_usd / b.0.calls as f64)))
            .map(|(_, name)| name.clone());
        let count = |holds: &dyn Fn(&Call) -> bool| calls.iter().filter(|call| holds(call)).count();
        let mut report = Self {
            calls: all,
            with_choice: calls.len(),
            drawn: count(&|call| call.propensity < 1.0),
            explored: count(&|call| call.asked != call.chosen),
            fallen_back: count(&has_fallen_back),
            rated: count(&|call| call.quality.is_some()),
            billed: count(&|call| billed(call).is_some()),
            cost_usd: calls.iter().filter_map(|call| billed(call)).sum(),
            quality: of(&quality),
            cost_usd_per_call: of(&cost),
            best: named.or(best_estimated),
            best_source,
            cheapest,
            models: described,
            routers: routers
                .iter()
                .zip(&of_routers)
                .enumerate()
                .map(|(router, (name, (quality, cost)))| {
                    let beside = |call: &&&Call| call.shadow.is_some_and(|(beside, _)| beside == router);
                    let shadowed = calls.iter().filter(beside).count();
                    let agreed = calls.iter().filter(|call| call.shadow == Some((router, call.chosen))).count();
                    OfRouter {
                        router: name.clone(),
                        calls: calls.iter().filter(|call| call.router == Some(router)).count(),
                        quality: of(quality),
                        cost_usd_per_call: of(cost),
                        shadowed,
                        agreement: (shadowed > 0).then(|| agreed as f64 / shadowed as f64),
                    }
                })
                .collect(),
            notes: Vec::new(),
        };
        report.notes = notes(&report);
        Ok(report)
    }
}

fn check(calls: &[Call], models: &ModelPool) -> Result<()> {
    for call in calls {
        let named = call.eligible.iter().chain([&call.chosen, &call.asked]).chain(&call.answered_by);
        if let Some(model) = named.into_iter().find(|&&model| model >= models.len()) {
            return Err(Error::shape("model of a call", format!("below {}", models.len()), model));
        }
        if !(call.propensity > 0.0 && call.propensity <= 1.0) {
            let what = format!("propensity {} is outside (0, 1]", call.propensity);
            return Err(Error::new(ErrorKind::Data, what).at_field("propensity"));
        }
    }
    Ok(())
}

fn has_fallen_back(call: &Call) -> bool {
    call.answered_by.is_some_and(|model| model != call.asked)
}

/// The weight of a drawn call, which `model` could take, under a policy that asks `target`: 1 / propensity where the draw agrees. `None` where
/// nothing was drawn, `model` could not take it, or another one answered.
fn agrees(call: &Call, model: usize, target: usize) -> Option<f64> {
    let counts = call.propensity < 1.0 && call.eligible.contains(&model) && !has_fallen_back(call);
    (counts && call.asked == target).then(|| 1.0 / call.propensity)
}

/// What a call cost, where its tokens are known too.
fn billed(call: &Call) -> Option<f64> {
    call.tokens.and(call.cost_usd)
}

/// What a billed call would have cost at `model`.
fn repriced(call: &Call, model: usize, models: &ModelPool) -> Option<f64> {
    billed(call)?;
    let (input, output) = call.tokens.filter(|_| call.eligible.contains(&model))?;
    models.get(model)?.price(input, output)
}

fn estimate(sums: &Sums, mean: &Mean, confidence: f64) -> Option<Estimate> {
    let value = sums.point(mean)?;
    let ci = sums.interval(&[mean], confidence, |means| means.first().copied())?;
    Some(Estimate { value, ci })
}

fn of_model(
    model: usize,
    columns: &Columns,
    calls: &[&Call],
    models: &ModelPool,
    sums: &Sums,
    options: &OffPolicyOptions,
) -> OfModel {
    let asked = calls.iter().filter(|call| call.asked == model).count();
    let as_sent: Vec<f64> =
        calls.iter().filter(|call| call.answered_by == Some(model)).filter_map(|call| call.quality).collect();
    let weights: Vec<f64> =
        calls.iter().filter(|call| call.quality.is_some()).filter_map(|call| agrees(call, model, model)).collect();
    let quality = estimate(sums, &columns.quality, options.confidence).map(|estimate| {
        let difference = |means: &[f64]| Some(means.first()? - means.get(1)?);
        let both = [&columns.router, &columns.quality];
        let gain = both.map(|mean| sums.point(mean));
        let gain = gain[0].zip(gain[1]).map(|(router, other)| router - other);
        let gain = gain.zip(sums.interval(&both, options.confidence, difference));
        let (sum, squares) =
            weights.iter().fold((0.0, 0.0), |(sum, squares), weight| (sum + weight, squares + weight * weight));
        Quality {
            estimate,
            gain: gain.map(|(value, ci)| Estimate { value, ci }),
            answers: weights.len(),
            effective: if squares > 0.0 { sum * sum / squares } else { 0.0 },
        }
    });
    let prices: Vec<f64> = calls.iter().filter_map(|call| repriced(call, model, models)).collect();
    let saved = estimate(sums, &columns.saved, options.confidence).map(|per_call| {
        let (calls, cost_usd) = (prices.len(), prices.iter().sum::<f64>());
        let total = |value: f64| value * calls as f64;
        Saving {
            calls,
            cost_usd,
            saved_usd: Estimate { value: total(per_call.value), ci: per_call.ci.map(total) },
            share: (cost_usd > 0.0).then(|| total(per_call.value) / cost_usd),
        }
    });
    OfModel {
        model: models.name(model).to_owned(),
        asked: if calls.is_empty() { 0.0 } else { asked as f64 / calls.len() as f64 },
        quality_as_sent: (!as_sent.is_empty()).then(|| as_sent.iter().sum::<f64>() / as_sent.len() as f64),
        quality,
        saved,
        cost_usd_per_call: estimate(sums, &columns.cost, options.confidence),
    }
}

fn notes(report: &Report) -> Vec<String> {
    let mut notes = Vec::new();
    if report.with_choice == 0 {
        notes.push("no recorded call had a choice between models: there is nothing to say of the router".to_owned());
        return notes;
    }
    if report.drawn == 0 {
        notes.push(
            "no call was drawn at random (every propensity is 1): what another model would have answered cannot be estimated, since the prompts \
             that each got differ; `[exploration] share` in the gateway's configuration draws some"
                .to_owned(),
        );
    } else {
        notes.push(format!(
            "qualities on all are self-normalized inverse-propensity estimates over {} drawn calls; they rely on ratings that do not depend on \
             which model answered but for its quality",
            report.drawn
        ));
    }
    if report.rated == 0 {
        notes.push("no call has a quality: POST /v1/feedback brings them".to_owned());
    }
    if report.billed == 0 {
        notes.push("no call has billed tokens and a cost: savings cannot be estimated".to_owned());
    } else {
        notes.push("savings rely on the other model's reading and writing as many tokens".to_owned());
    }
    if report.fallen_back > 0 {
        notes.push(format!(
            "{} calls were answered by a fallback; no draw decided that, so that they enter no estimate of quality",
            report.fallen_back
        ));
    }
    let few: Vec<&str> = report
        .models
        .iter()
        .filter(|model| model.quality.is_some_and(|quality| quality.effective < FEW))
        .map(|model| model.model.as_str())
        .collect();
    if !few.is_empty() {
        notes.push(format!(
            "fewer than {FEW} effective calls are behind the quality of {}: take it for a hint",
            few.join(", ")
        ));
    }
    notes
}

//! Recorded decisions as a data set, so that a team's own traffic trains its next router.

use std::collections::HashMap;
use std::path::Path;

use router_core::types::request::content_of;
use router_core::{Error, Model, Outcome, Prompt, Result};
use router_data::directory::Finding;
use router_data::formats::{Collector, Import, collect};

use super::{Address, Recorded, Records};

/// The decisions at `addresses` whose prompt was kept and whose answer has a quality, as a data set called `name`.
///
/// A prompt is named by its decision. Its one outcome is that of the model that answered, or of the chosen one where the client asked it itself
/// (`POST /v1/route`), with what the upstream billed. The propensity is the one recorded; where a fallback answered there is none, since no draw
/// decided that.
pub fn import(name: &str, addresses: &[Address]) -> Import {
    let shown: Vec<String> = addresses.iter().map(Address::to_string).collect();
    let place = shown.first().cloned().unwrap_or_default();
    collect(name, Path::new(&place), |collector| {
        for (address, place) in addresses.iter().zip(&shown) {
            let place = Path::new(place);
            if let Err(error) = read(address, place, collector) {
                collector.fault(finding(place, 1, &error));
            }
        }
    })
}

fn read(address: &Address, place: &Path, collector: &mut Collector) -> Result<()> {
    let mut records = Records::open_to_read(address)?;
    let known: HashMap<String, Model> =
        records.models()?.into_iter().map(|model| (model.name.clone(), model)).collect();
    let mut row = 0;
    records.each(0, &mut |recorded| {
        row += 1;
        take(recorded, &known, place, row, collector);
        Ok(())
    })?;
    let mut names: Vec<&String> = known.keys().collect();
    names.sort();
    collector
        .order_models(|name| names.binary_search_by(|known| known.as_str().cmp(name)).ok().map(|rank| rank as u64));
    Ok(())
}

fn take(recorded: Recorded, known: &HashMap<String, Model>, place: &Path, row: usize, collector: &mut Collector) {
    let Recorded { record, quality, .. } = recorded;
    let Some(quality) = quality else {
        collector.remark(place, row, "quality", "nobody said how good the answer was; the decision is left out");
        return;
    };
    let answered_by = match &record.answered_by {
        Some(model) => model.clone(),
        None if record.attempts.is_empty() => record.model.clone(),
        None => {
            collector.remark(place, row, "answered_by", "no model answered; the decision is left out");
            return;
        }
    };
    let Some(prompt) = &record.prompt else {
        let words = "the prompt was not kept ([records] store_prompts); the decision is left out";
        collector.remark(place, row, "prompt", words);
        return;
    };
    let content = serde_json::from_str(prompt)
        .map_err(|error| Error::new(router_core::ErrorKind::Data, format!("not JSON: {error}")))
        .and_then(|value| content_of(&value));
    let content = match content {
        Ok(content) => content,
        Err(error) => {
            collector.malformed(finding(place, row, &error).at_field("prompt"));
            return;
        }
    };
    let id = record.id.to_string();
    let (at, _) = collector.prompt(id.clone(), |_| Prompt { content, ..Prompt::new(id, "") });
    let model = collector.model(&answered_by);
    if let (Some(known), Some(model)) = (known.get(&answered_by), collector.model_mut(model)) {
        model.clone_from(known);
    }
    let tokens = |count: Option<u64>| count.map(|count| u32::try_from(count).unwrap_or(u32::MAX));
    let outcome = Outcome {
        propensity: (answered_by == record.model).then_some(record.propensity as f32),
        cost_usd: record.cost_usd,
        input_tokens: tokens(record.input_tokens),
        output_tokens: tokens(record.output_tokens),
        ..Outcome::new(model, quality as f32)
    };
    collector.outcome(at, outcome, place, row);
}

fn finding(place: &Path, row: usize, error: &Error) -> Finding {
    Finding::error(place, row, error.message())
}

//! Tiny worlds and routers by script.

use std::sync::Arc;

use router_core::{ComponentConfig, Dataset, Model, ModelPool, Outcome, Outcomes, Prompt, RouterConfig};
use router_eval::NamedConfig;
use router_eval::summary::Entry;
use serde_json::json;

/// A prompt, its benchmark, and the outcomes of its models: quality, or `None` where missing.
pub(crate) type Row<'a> = (&'a str, &'a str, &'a [Option<f32>]);

/// A data set in which model i costs `costs[i]` dollars a call, measured; `None` for a model of unknown price.
pub(crate) fn world(name: &str, costs: &[Option<f64>], rows: &[Row<'_>]) -> Dataset {
    let models = (0..costs.len()).map(|model| Model::new(format!("{}", (b'a' + model as u8) as char))).collect();
    let prompts = rows.iter().map(|(text, benchmark, _)| {
        let id = text.split_whitespace().next().unwrap();
        let prompt = Prompt::new(id, *text);
        if benchmark.is_empty() { prompt } else { prompt.with_benchmark(*benchmark) }
    });
    let outcomes = rows.iter().map(|(_, _, qualities)| {
        qualities
            .iter()
            .enumerate()
            .filter_map(|(model, quality)| Some(Outcome { cost_usd: costs[model], ..Outcome::new(model, (*quality)?) }))
            .collect()
    });
    let outcomes = Outcomes::from_rows(costs.len(), outcomes.collect()).unwrap();
    Dataset::new(name, prompts.collect(), ModelPool::new(models).unwrap(), outcomes).unwrap()
}

const YES: Option<f32> = Some(1.0);
const NO: Option<f32> = Some(0.0);

/// What the hand-computed numbers are made from: a costs 1, b 3, c an unknown price; best single is b (0.75), a has 0.5.
pub(crate) fn train() -> Arc<Dataset> {
    Arc::new(world(
        "train",
        &[Some(1.0), Some(3.0), None],
        &[
            ("t0 abc", "x", &[YES, NO, NO]),
            ("t1 bcd", "x", &[YES, YES, NO]),
            ("t2 cde", "y", &[NO, YES, YES]),
            ("t3 def", "y", &[NO, YES, NO]),
        ],
    ))
}

pub(crate) fn test() -> Arc<Dataset> {
    Arc::new(world(
        "test",
        &[Some(1.0), Some(3.0), None],
        &[
            ("p0 abc", "x", &[YES, NO, YES]),
            ("p1 def", "y", &[NO, YES, NO]),
            ("p2 ggg", "z", &[NO, NO, YES]),
            ("p3 bcd", "x", &[YES, YES, None]),
        ],
    ))
}

/// A router that follows a script.
pub(crate) fn script(name: &str, choices: &[(&str, usize)], otherwise: usize) -> NamedConfig {
    let choices: serde_json::Map<String, serde_json::Value> =
        choices.iter().map(|&(id, model)| (id.to_owned(), json!(model))).collect();
    let script = ComponentConfig::new("script").with("choices", choices).with("otherwise", otherwise);
    with_estimators(name, "letters", vec![script])
}

pub(crate) fn with_estimators(name: &str, embedder: &str, estimators: Vec<ComponentConfig>) -> NamedConfig {
    NamedConfig::new(name, RouterConfig { estimators, ..RouterConfig::new(ComponentConfig::new(embedder)) })
}

pub(crate) fn find<'a>(entries: &'a [Entry], name: &str) -> &'a Entry {
    entries.iter().find(|entry| entry.name == name).unwrap()
}

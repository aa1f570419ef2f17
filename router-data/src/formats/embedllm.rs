//! EmbedLLM (Zhuang et al., 2025): a CSV table, a row a prompt and model, answers right or wrong.
//!
//! `prompt_id,model_id,category_id,label,model_name,category,prompt`, ids whole numbers.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use router_core::{Dataset, Outcome, Prompt, Result};

use super::{Collector, Fields, Format, Loss, Output, Part, TableEvent, parts, table_rows};
use crate::directory::Finding;
use crate::table::{Cell, Table, Values};

/// The format.
#[derive(Debug)]
pub(super) struct EmbedLlm;

const COLUMNS: [&str; 7] = ["prompt_id", "model_id", "category_id", "label", "model_name", "category", "prompt"];
/// These must be in the header.
const REQUIRED: [&str; 4] = ["prompt_id", "label", "model_name", "prompt"];

impl Format for EmbedLlm {
    fn name(&self) -> &'static str {
        "embedllm"
    }

    fn summary(&self) -> &'static str {
        "EmbedLLM's csv: a row a prompt and model, label 0 or 1"
    }

    fn carries(&self) -> &'static [Part] {
        &[Part::PromptOrder, Part::ModelOrder, Part::Benchmarks]
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["csv"]
    }

    fn read(&self, files: &[PathBuf], collector: &mut Collector) {
        let mut ranks = HashMap::new();
        for path in files {
            read_file(path, collector, &mut ranks);
        }
        collector.order_models(|name| ranks.get(name).copied());
    }

    fn write(&self, dataset: &Dataset, _: &Path) -> Result<Output> {
        write(dataset).map(Output::File)
    }

    fn losses(&self, dataset: &Dataset) -> Vec<Loss> {
        let mut losses = parts::losses(self.carries(), dataset);
        if numbered(dataset) {
            losses.retain(|loss| loss.part != Part::PromptIds);
        }
        losses
    }
}

fn read_file(path: &Path, collector: &mut Collector, ranks: &mut HashMap<String, u64>) {
    // The place of every known column in the header.
    let mut places = [None; COLUMNS.len()];
    let wanted = |name: &str| COLUMNS.contains(&name);
    table_rows(path, &wanted, collector, &mut |event, collector| match event {
        TableEvent::Header(line, names) => {
            for (place, column) in places.iter_mut().zip(COLUMNS) {
                *place = names.iter().position(|name| name == column);
            }
            let missing: Vec<&str> = REQUIRED.into_iter().filter(|column| !names.iter().any(|n| n == column)).collect();
            for column in &missing {
                collector.fault(
                    Finding::error(path, line, "the column is missing")
                        .at_field(*column)
                        .help(format!("the header is {}", COLUMNS.join(","))),
                );
            }
            missing.is_empty()
        }
        TableEvent::Row(line, cells) => {
            let cell =
                |at: usize| places.get(at).copied().flatten().and_then(|at| cells.get(at)).unwrap_or(&Cell::Empty);
            let mut row = Fields::new(path, line);
            let id = row.text("prompt_id", cell(0));
            let rank = row.count("model_id", cell(1));
            let label = row.quality("label", cell(3));
            let model = row.text("model_name", cell(4));
            let category = row.optional_text("category", cell(5));
            let text = row.text("prompt", cell(6));
            if let (true, Some(id), Some(model), Some(text)) = (collector.close(row), id, model, text) {
                if let Some(rank) = rank {
                    ranks.entry(model.clone()).or_insert(u64::from(rank));
                }
                let (row, _) = collector.prompt(id.clone(), |_| Prompt {
                    benchmark: category.clone(),
                    ..Prompt::new(id.clone(), text.clone())
                });
                if let Some(known) = collector.prompt_at(row) {
                    if known.text() != text {
                        collector.remark(
                            path,
                            line,
                            "prompt",
                            "another text than the prompt of this id had first; the first is kept",
                        );
                    } else if known.benchmark != category {
                        collector.remark(
                            path,
                            line,
                            "category",
                            "another category than the prompt had first; the first is kept",
                        );
                    }
                }
                let model = collector.model(&model);
                if let Some(label) = label {
                    collector.outcome(row, Outcome::new(model, label), path, line);
                }
            }
            true
        }
    });
}

/// Whether every prompt id is a whole number as EmbedLLM has them.
fn numbered(dataset: &Dataset) -> bool {
    dataset
        .prompts()
        .iter()
        .all(|prompt| prompt.id.parse::<i64>().is_ok_and(|number| number >= 0 && number.to_string() == prompt.id))
}

fn write(dataset: &Dataset) -> Result<Vec<u8>> {
    let numbered = numbered(dataset);
    let whole = dataset.outcomes().iter().all(|(_, outcome)| outcome.quality == 0.0 || outcome.quality == 1.0);
    let mut categories: HashMap<&str, i64> = HashMap::new();
    let (mut ids, mut models, mut category_ids) = (Vec::new(), Vec::new(), Vec::new());
    let (mut labels, mut names, mut benchmarks, mut texts) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (row, prompt) in dataset.prompts().iter().enumerate() {
        let next = categories.len() as i64;
        let category = prompt.benchmark.as_deref().unwrap_or_default();
        let category_id = *categories.entry(category).or_insert(next);
        for outcome in dataset.outcomes().row(row) {
            ids.push(Some(if numbered { prompt.id.clone() } else { row.to_string() }));
            models.push(Some(outcome.model as i64));
            category_ids.push(Some(category_id));
            labels.push(Some(super::shortest(outcome.quality)));
            names.push(Some(dataset.models().name(outcome.model).to_owned()));
            benchmarks.push(prompt.benchmark.clone());
            texts.push(Some(prompt.text().into_owned()));
        }
    }
    let labels = if whole {
        Values::Integer(labels.into_iter().map(|label| label.map(|label| label as i64)).collect())
    } else {
        Values::Number(labels)
    };
    let mut table = Table::new(ids.len());
    table.push("prompt_id", Values::Text(ids))?;
    table.push("model_id", Values::Integer(models))?;
    table.push("category_id", Values::Integer(category_ids))?;
    table.push("label", labels)?;
    table.push("model_name", Values::Text(names))?;
    table.push("category", Values::Text(benchmarks))?;
    table.push("prompt", Values::Text(texts))?;
    table.csv()
}

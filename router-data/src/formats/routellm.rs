//! RouteLLM (Ong et al., 2024): a CSV table of two models, a weak one and a strong one: `prompt,<weak>,<strong>`.

use std::path::{Path, PathBuf};

use router_core::{Dataset, Error, ErrorKind, Outcome, Prompt, Result};

use super::{Collector, Fields, Format, Output, Part, TableEvent, routerbench, table_rows};
use crate::directory::Finding;
use crate::table::{Cell, Table, Values};

/// The format.
#[derive(Debug)]
pub(super) struct RouteLlm;

impl Format for RouteLlm {
    fn name(&self) -> &'static str {
        "routellm"
    }

    fn summary(&self) -> &'static str {
        "RouteLLM's csv: prompt, weak model, strong model"
    }

    fn carries(&self) -> &'static [Part] {
        &[Part::PromptOrder, Part::PromptsWithoutOutcomes, Part::ModelsWithoutOutcomes]
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["csv"]
    }

    fn read(&self, files: &[PathBuf], collector: &mut Collector) {
        for path in files {
            read_file(path, files.len() > 1, collector);
        }
    }

    fn write(&self, dataset: &Dataset, _: &Path) -> Result<Output> {
        write(dataset).map(Output::File)
    }
}

/// Reads one file. Where there are several, each is a benchmark, as in RouteLLM's own folder of MMLU domains.
fn read_file(path: &Path, several: bool, collector: &mut Collector) {
    let stem = path.file_stem().map_or_else(|| "prompt".to_owned(), |stem| stem.to_string_lossy().into_owned());
    let mut prompt_at = 0;
    let mut models = Vec::new();
    table_rows(path, &|name| !is_index(name), collector, &mut |event, collector| match event {
        TableEvent::Header(line, names) => {
            let columns: Vec<(usize, &String)> =
                names.iter().enumerate().filter(|(_, name)| !is_index(name) && *name != "prompt").collect();
            let Some(at) = names.iter().position(|name| name == "prompt") else {
                let fault = Finding::error(path, line, "the column is missing").at_field("prompt");
                collector.fault(fault.help("the header is prompt,<weak model>,<strong model>"));
                return false;
            };
            if columns.len() != 2 || columns.first().map(|(_, name)| name) == columns.last().map(|(_, name)| name) {
                let message = format!("columns of models beside `prompt`: {}", columns.len());
                let fault = Finding::error(path, line, message);
                collector
                    .fault(fault.help("two are expected, a weak and a strong one; for more there is `routerbench`"));
                return false;
            }
            prompt_at = at;
            models = columns.into_iter().map(|(at, name)| (at, name.clone(), collector.model(name))).collect();
            true
        }
        TableEvent::Row(line, cells) => {
            let mut row = Fields::new(path, line);
            let text = row.text("prompt", cells.get(prompt_at).unwrap_or(&Cell::Empty));
            let mut outcomes = Vec::new();
            for (at, name, model) in &models {
                if let Some(quality) = row.quality(name, cells.get(*at).unwrap_or(&Cell::Empty)) {
                    outcomes.push(Outcome::new(*model, quality));
                }
            }
            if let (true, Some(text)) = (collector.close(row), text) {
                let id = collector.next_id(&stem);
                let benchmark = several.then(|| stem.clone());
                let (row, _) = collector.prompt(id.clone(), |_| Prompt { benchmark, ..Prompt::new(id, text) });
                for outcome in outcomes {
                    collector.outcome(row, outcome, path, line);
                }
            }
            true
        }
    });
}

/// Whether a column is the row number that pandas puts in front.
pub(super) fn is_index(name: &str) -> bool {
    name.is_empty() || name.starts_with("Unnamed: ") || name.starts_with("__index_level_")
}

fn write(dataset: &Dataset) -> Result<Vec<u8>> {
    if dataset.models().len() != 2 {
        let message = format!("routellm holds two models, the pool has {}", dataset.models().len());
        return Err(Error::new(ErrorKind::Unsupported, message)
            .at_field("--format")
            .help("name two of them with --models, or export as routerbench"));
    }
    routerbench::check_columns(dataset)?;
    // The weak model comes first: that of the lower mean quality.
    let means = dataset.outcomes().mean_quality();
    let mean = |model: usize| means.get(model).copied().flatten().map_or(0.0, |(mean, _)| mean);
    let order = if mean(0) <= mean(1) { [0, 1] } else { [1, 0] };
    let prompts = dataset.prompts();
    let whole = dataset.outcomes().iter().all(|(_, outcome)| outcome.quality == 0.0 || outcome.quality == 1.0);
    let mut table = Table::new(prompts.len());
    table.push("prompt", Values::Text(prompts.iter().map(|prompt| Some(prompt.text().into_owned())).collect()))?;
    for model in order {
        let quality = |row: usize| dataset.outcomes().get(row, model).map(|outcome| outcome.quality);
        let rows = 0..prompts.len();
        let values = if whole {
            Values::Truth(rows.map(|row| quality(row).map(|quality| quality == 1.0)).collect())
        } else {
            Values::Number(rows.map(|row| quality(row).map(super::shortest)).collect())
        };
        table.push(dataset.models().name(model), values)?;
    }
    table.csv()
}

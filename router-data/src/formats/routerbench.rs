//! RouterBench (Hu et al., 2024): a wide table, a row a prompt, as CSV or Parquet.
//!
//! `sample_id`, `prompt` (a Python list of turns), `eval_name`; for every model `<model>` (its quality), `<model>|model_response` and
//! `<model>|total_cost` (US dollars); `oracle_model_to_route_to`.

use std::path::{Path, PathBuf};

use router_core::{Dataset, Error, ErrorKind, Message, MessageRole, Outcome, Prompt, PromptContent, Result};

use super::routellm::is_index;
use super::{Collector, Fields, Format, Output, Part, TableEvent, long, python_list, table_rows};
use crate::directory::Finding;
use crate::table::{Cell, Table, Values};

/// The format.
#[derive(Debug)]
pub(super) struct RouterBench;

const ID: &str = "sample_id";
const PROMPT: &str = "prompt";
const BENCHMARK: &str = "eval_name";
const ORACLE: &str = "oracle_model_to_route_to";
const RESPONSE: &str = "|model_response";
const COST: &str = "|total_cost";
/// The oracle's model where no answer is right.
const NO_MODEL: &str = "no_model_correct";

impl Format for RouterBench {
    fn name(&self) -> &'static str {
        "routerbench"
    }

    fn summary(&self) -> &'static str {
        "RouterBench's wide table, csv or parquet: a row a prompt"
    }

    fn carries(&self) -> &'static [Part] {
        &[
            Part::PromptIds,
            Part::PromptOrder,
            Part::ModelOrder,
            Part::Benchmarks,
            Part::Costs,
            Part::PromptsWithoutOutcomes,
            Part::ModelsWithoutOutcomes,
        ]
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["csv", "parquet"]
    }

    fn read(&self, files: &[PathBuf], collector: &mut Collector) {
        for path in files {
            read_file(path, collector);
        }
    }

    fn write(&self, dataset: &Dataset, out: &Path) -> Result<Output> {
        long::encode(&table(dataset)?, out, &["csv", "parquet"]).map(Output::File)
    }
}

/// A model's columns: its name, and where its quality and its cost stand.
struct Columns {
    model: usize,
    name: String,
    quality: usize,
    cost: Option<usize>,
}

fn read_file(path: &Path, collector: &mut Collector) {
    let wanted = |name: &str| !is_index(name) && name != ORACLE && !name.ends_with(RESPONSE);
    let mut places = (0, 0, None);
    let mut models: Vec<Columns> = Vec::new();
    table_rows(path, &wanted, collector, &mut |event, collector| match event {
        TableEvent::Header(line, names) => match header(path, line, names, &wanted, collector) {
            Some(found) => {
                (places, models) = found;
                true
            }
            None => false,
        },
        TableEvent::Row(line, cells) => {
            let cell = |at: usize| cells.get(at).unwrap_or(&Cell::Empty);
            let mut row = Fields::new(path, line);
            let id = row.text(ID, cell(places.0));
            let text = row.text(PROMPT, cell(places.1));
            let benchmark = places.2.and_then(|at| row.optional_text(BENCHMARK, cell(at)));
            let mut outcomes = Vec::with_capacity(models.len());
            for columns in &models {
                let quality = row.quality(&columns.name, cell(columns.quality));
                let field = format!("{}{COST}", columns.name);
                let cost_usd = columns.cost.and_then(|at| row.amount(&field, cell(at)));
                if let Some(quality) = quality {
                    outcomes.push(Outcome { cost_usd, ..Outcome::new(columns.model, quality) });
                }
            }
            if let Some(id) = &id
                && !collector.is_free(id)
            {
                row.wrong(ID, format!("sample id `{id}` stands twice"), "");
            }
            if let (true, Some(id), Some(text)) = (collector.close(row), id, text) {
                let content = content(text);
                let prompt = Prompt { content, benchmark, ..Prompt::new(id.clone(), "") };
                let (row, _) = collector.prompt(id, |_| prompt);
                for outcome in outcomes {
                    collector.outcome(row, outcome, path, line);
                }
            }
            true
        }
    });
}

type Header = ((usize, usize, Option<usize>), Vec<Columns>);

/// Where the columns stand; none once a fault says what is missing.
fn header(
    path: &Path,
    line: usize,
    names: &[String],
    wanted: &dyn Fn(&str) -> bool,
    collector: &mut Collector,
) -> Option<Header> {
    let find = |name: &str| names.iter().position(|known| known == name);
    let mut models = Vec::new();
    for (at, name) in names.iter().enumerate() {
        if !wanted(name) || [ID, PROMPT, BENCHMARK].contains(&name.as_str()) || name.ends_with(COST) {
            continue;
        }
        if name.contains('|') {
            collector.remark(path, line, name, "the column is not read");
        } else if find(name) == Some(at) {
            let cost = find(&format!("{name}{COST}"));
            models.push(Columns { model: collector.model(name), name: name.clone(), quality: at, cost });
        } else {
            collector.fault(Finding::error(path, line, "the column stands twice").at_field(name.as_str()));
            return None;
        }
    }
    let (id, prompt) = (find(ID), find(PROMPT));
    for (column, place) in [(ID, id), (PROMPT, prompt)] {
        if place.is_none() {
            let fault = Finding::error(path, line, "the column is missing").at_field(column);
            collector.fault(fault.help("a wide table has sample_id, prompt, eval_name and a column a model"));
        }
    }
    if models.is_empty() {
        let fault = Finding::error(path, line, "there is no column of a model");
        collector.fault(fault.help("a model's column is its name, and `<model>|total_cost` beside it"));
        return None;
    }
    Some(((id?, prompt?, find(BENCHMARK)), models))
}

/// The prompt that `text` is: RouterBench prints a list of turns, other tables of its shape the text itself.
fn content(text: String) -> PromptContent {
    match python_list::parse(&text) {
        None => PromptContent::Text(text),
        Some(turns) => match <[String; 1]>::try_from(turns) {
            Ok([only]) => PromptContent::Text(only),
            Err(turns) => {
                PromptContent::Messages(turns.into_iter().map(|turn| Message::new(MessageRole::User, turn)).collect())
            }
        },
    }
}

/// Refuses a model whose name would not be read back as that of a column.
pub(super) fn check_columns(dataset: &Dataset) -> Result<()> {
    let fits = |name: &str| !name.contains('|') && !is_index(name) && name.trim() == name;
    match dataset.models().models().iter().find(|model| !fits(&model.name)) {
        None => Ok(()),
        Some(model) => {
            Err(Error::new(ErrorKind::Unsupported, format!("`{}` cannot be the name of a column", model.name))
                .at_field("--format")
                .help("rename the model, or export as long"))
        }
    }
}

fn table(dataset: &Dataset) -> Result<Table> {
    check_columns(dataset)?;
    let (prompts, outcomes, pool) = (dataset.prompts(), dataset.outcomes(), dataset.models());
    let mut table = Table::new(prompts.len());
    table.push(ID, Values::Text(prompts.iter().map(|prompt| Some(prompt.id.clone())).collect()))?;
    let printed = prompts.iter().map(|prompt| {
        Some(match &prompt.content {
            PromptContent::Text(text) => python_list::print(std::iter::once(text.as_str())),
            PromptContent::Messages(messages) => {
                python_list::print(messages.iter().map(|message| message.content.as_str()))
            }
        })
    });
    table.push(PROMPT, Values::Text(printed.collect()))?;
    table.push(BENCHMARK, Values::Text(prompts.iter().map(|prompt| prompt.benchmark.clone()).collect()))?;
    for (at, model) in pool.models().iter().enumerate() {
        let quality = |row: usize| outcomes.get(row, at).map(|outcome| super::shortest(outcome.quality));
        table.push(&model.name, Values::Number((0..prompts.len()).map(quality).collect()))?;
    }
    for (at, model) in pool.models().iter().enumerate() {
        let cost = |row: usize| outcomes.get(row, at).and_then(|outcome| outcome.cost_usd);
        table.push(format!("{}{COST}", model.name), Values::Number((0..prompts.len()).map(cost).collect()))?;
    }
    let oracle = |row: usize| Some(oracle(outcomes.row(row)).map_or(NO_MODEL, |model| pool.name(model)).to_owned());
    table.push(ORACLE, Values::Text((0..prompts.len()).map(oracle).collect()))?;
    Ok(table)
}

/// The best model, the cheapest of several; none where nothing is right.
fn oracle(outcomes: &[Outcome]) -> Option<usize> {
    let cost = |outcome: &Outcome| outcome.cost_usd.unwrap_or(f64::INFINITY);
    let best = outcomes
        .iter()
        .filter(|outcome| outcome.quality > 0.0)
        .min_by(|a, b| b.quality.total_cmp(&a.quality).then(cost(a).total_cmp(&cost(b))).then(a.model.cmp(&b.model)));
    best.map(|outcome| outcome.model)
}

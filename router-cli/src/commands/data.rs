//! `router data`: dataset directories checked, described, converted and split.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use router_core::{Dataset, Error, ErrorKind, Result, Seed};
use router_data::directory::{self, Findings, Format};
use router_data::formats::{self, folder_name};
use router_data::split::{self, Split};
use router_data::stats::{Distribution, ModelStats, Stats};
use router_serve::records::{self, Address};
use serde_json::json;

use super::{BAD_INPUT, Session, read};
use crate::arguments::{Data, DataCheck, DataExport, DataImport, DataSplit, DataStats, SplitBy};
use crate::table::{Align, Table, count, interval, percent, plural, score, short_score, usd};

/// Most findings that are shown to people; programs get all.
const SHOWN: usize = 100;
/// The format of what `router serve` records.
const RECORDS: &str = "records";
/// Most benchmarks that are shown to people.
const BENCHMARKS_SHOWN: usize = 20;

pub(super) fn run(arguments: &Data, session: &mut Session) -> Result<u8> {
    match arguments {
        Data::Check(arguments) => check(arguments, session),
        Data::Stats(arguments) => stats(arguments, session).map(|()| 0),
        Data::Import(arguments) => import(arguments, session),
        Data::Export(arguments) => export(arguments, session).map(|()| 0),
        Data::Split(arguments) => split(arguments, session).map(|()| 0),
    }
}

fn check(arguments: &DataCheck, session: &mut Session) -> Result<u8> {
    let findings: Findings = directory::check(&arguments.directory);
    let (errors, warnings) = (findings.errors().count(), findings.warnings().count());
    let output = &mut session.output;
    output.document(&json!({ "errors": errors, "warnings": warnings, "findings": findings }))?;
    show(&findings, errors + warnings, session)?;
    session.output.line(format_args!("{}, {}", plural(errors, "error"), plural(warnings, "warning")))?;
    Ok(if errors > 0 { BAD_INPUT } else { 0 })
}

/// Shows the first of `findings`, of which there are `all` together.
fn show(findings: &Findings, all: usize, session: &mut Session) -> Result<()> {
    // Errors are what must be mended: a hundred warnings before them would hide them.
    for finding in findings.errors().chain(findings.warnings()).take(SHOWN) {
        session.output.line(finding)?;
    }
    if all > SHOWN {
        session.output.line(format_args!("... and {} more", all - SHOWN))?;
    }
    Ok(())
}

fn import(arguments: &DataImport, session: &mut Session) -> Result<u8> {
    for input in &arguments.inputs {
        refuse_same_place(input, &arguments.out)?;
    }
    let name = arguments.out.file_name().map_or_else(|| "data".to_owned(), |name| name.to_string_lossy().into_owned());
    let import = if arguments.format == RECORDS {
        // What the gateway keeps is no file of a format: it may be a database elsewhere.
        let address = |input: &PathBuf| Address::read(&input.to_string_lossy());
        records::import(&name, &arguments.inputs.iter().map(address).collect::<Result<Vec<_>>>()?)
    } else {
        let format = formats::find(&arguments.format).map_err(|error| {
            let known: Vec<&str> = formats::FORMATS.iter().map(|format| format.name()).chain([RECORDS]).collect();
            error.help(format!("the formats are {}", known.join(", ")))
        })?;
        formats::import(format, &name, &arguments.inputs)
    };
    let warnings = import.findings.warnings().count();
    let written = import.dataset.as_ref().filter(|_| import.errors == 0 || arguments.lenient);
    if let Some(dataset) = written {
        directory::write(dataset, &arguments.out)?;
    }
    let shown = arguments.out.display().to_string();
    let size = written.map(|set| (set.prompts().len(), set.models().len(), set.outcomes().len()));
    session.output.document(&json!({
        "format": arguments.format,
        "directory": size.map(|_| &shown),
        "prompts": size.map(|(prompts, ..)| prompts),
        "models": size.map(|(_, models, _)| models),
        "outcomes": size.map(|(.., outcomes)| outcomes),
        "rows": import.rows,
        "skipped": import.skipped,
        "errors": import.errors,
        "warnings": warnings,
        "findings": import.findings,
    }))?;
    show(&import.findings, import.errors + warnings, session)?;
    let Some((prompts, models, outcomes)) = size else {
        let help = if arguments.lenient { "nothing sound is left" } else { "--lenient leaves out malformed rows" };
        session.output.line(format_args!("nothing was written: {} ({help})", plural(import.errors, "error")))?;
        return Ok(BAD_INPUT);
    };
    if import.skipped > 0 {
        let (skipped, rows) = (count(import.skipped), plural(import.rows, "row"));
        session.output.line(format_args!("left out {skipped} of {rows}"))?;
    }
    session.output.line(format_args!(
        "wrote {shown}: {}, {}, {}",
        plural(prompts, "prompt"),
        plural(models, "model"),
        plural(outcomes, "outcome")
    ))?;
    Ok(0)
}

fn stats(arguments: &DataStats, session: &mut Session) -> Result<()> {
    let dataset = read(&arguments.directory)?;
    let stats = Stats::of(&dataset);
    let output = &mut session.output;
    output.document(&stats)?;
    output.line(format_args!(
        "{}: {}, {}, {}\n",
        stats.name,
        plural(stats.prompts, "prompt"),
        plural(stats.models.len(), "model"),
        plural(stats.outcomes, "outcome"),
    ))?;
    for (what, told) in glance(&stats) {
        output.line(format_args!("{what:<16}{told}"))?;
    }
    output.line(format_args!("\n{}", model_table(&stats).render()))?;
    if !stats.benchmarks.is_empty() {
        output.line(format_args!("\n{}", benchmark_table(&stats).render()))?;
    }
    if stats.benchmarks.len() > BENCHMARKS_SHOWN {
        output.line(format_args!("... and {} more; --json has all", stats.benchmarks.len() - BENCHMARKS_SHOWN))?;
    }
    Ok(())
}

/// What there is to know before the tables: a name and a line each.
fn glance(stats: &Stats) -> Vec<(&'static str, String)> {
    let spread = |spread: Option<Distribution>| match spread {
        Some(spread) => format!(
            "median {}, mean {:.0}, 90% up to {}, at most {}",
            count(spread.median as usize),
            spread.mean,
            count(spread.ninetieth as usize),
            count(spread.maximum as usize)
        ),
        None => "not measured".to_owned(),
    };
    let mut lines = vec![("coverage", format!("{} of pairs have an outcome", percent(stats.coverage)))];
    if let Some(each) = stats.outcomes_per_prompt {
        lines.push(("a prompt has", format!("{} to {} outcomes, median {}", each.minimum, each.maximum, each.median)));
    }
    lines.push(("costs", format!("measured in {} of outcomes", percent(stats.cost_known))));
    if stats.propensity_known > 0.0 {
        lines.push((
            "propensities",
            format!("known in {} of outcomes; the means below use them", percent(stats.propensity_known)),
        ));
    }
    lines.push((
        "best of all",
        format!("{} mean of each prompt's best outcome", stats.oracle.map_or_else(|| "-".to_owned(), score)),
    ));
    lines.push(("prompt tokens", format!("{} (four bytes a token)", spread(stats.prompt_tokens))));
    lines.push(("output tokens", spread(stats.output_tokens)));
    lines.push((
        "duplicates",
        match stats.near_duplicates {
            0 => "none, and no near duplicates".to_owned(),
            near => format!(
                "{} of an earlier text; {} with near duplicates, at most {} alike",
                plural(stats.duplicate_texts, "prompt"),
                plural(near, "prompt"),
                stats.largest_group
            ),
        },
    ));
    lines
}

/// The models, best first.
fn model_table(stats: &Stats) -> Table {
    let mut table = Table::new([
        ("model", Align::Left),
        ("outcomes", Align::Right),
        ("mean quality", Align::Right),
        ("95% interval", Align::Right),
        ("mean cost", Align::Right),
    ]);
    let mut models: Vec<&ModelStats> = stats.models.iter().collect();
    let quality = |model: &ModelStats| model.mean_quality.unwrap_or(-1.0);
    models.sort_by(|a, b| quality(b).total_cmp(&quality(a)));
    for model in models {
        table.row([
            model.model.clone(),
            count(model.outcomes),
            model.mean_quality.map_or_else(|| "-".to_owned(), score),
            model.quality_ci.map_or_else(|| "-".to_owned(), |ci| interval(ci, short_score)),
            usd(model.mean_cost_usd),
        ]);
    }
    table
}

/// The benchmarks, largest first.
fn benchmark_table(stats: &Stats) -> Table {
    let mut table = Table::new([
        ("benchmark", Align::Left),
        ("prompts", Align::Right),
        ("best model", Align::Left),
        ("its quality", Align::Right),
    ]);
    let mut benchmarks: Vec<_> = stats.benchmarks.iter().collect();
    benchmarks.sort_by_key(|(_, benchmark)| std::cmp::Reverse(benchmark.prompts));
    for (name, benchmark) in benchmarks.into_iter().take(BENCHMARKS_SHOWN) {
        table.row([
            name.clone(),
            count(benchmark.prompts),
            benchmark.best_model.clone().unwrap_or_else(|| "-".to_owned()),
            benchmark.best_quality.map_or_else(|| "-".to_owned(), score),
        ]);
    }
    table
}

fn export(arguments: &DataExport, session: &mut Session) -> Result<()> {
    let directory_format = match arguments.format.as_str() {
        "jsonl" => Some(Format::Text),
        "parquet" => Some(Format::Parquet),
        _ => None,
    };
    let foreign = match directory_format {
        Some(_) => None,
        None => Some(formats::find(&arguments.format).map_err(|error| {
            let known: Vec<&str> = formats::FORMATS.iter().map(|format| format.name()).collect();
            error.help(format!("the formats are jsonl, parquet, {}", known.join(", ")))
        })?),
    };
    refuse_same_place(&arguments.data, &arguments.out)?;
    let mut dataset = read(&arguments.data)?;
    if !arguments.models.is_empty() {
        dataset = Arc::new(formats::only_models(&dataset, &arguments.models)?);
    }
    let mut losses = Vec::new();
    if let Some(format) = directory_format {
        directory::write_as(&dataset, &arguments.out, format)?;
    } else if let Some(format) = foreign {
        losses = formats::export(format, &dataset, &arguments.out)?;
    }
    let shown = arguments.out.display().to_string();
    let (prompts, outcomes) = (dataset.prompts().len(), dataset.outcomes().len());
    session.output.line(format_args!(
        "wrote {shown}: {}, {}",
        plural(prompts, "prompt"),
        plural(outcomes, "outcome")
    ))?;
    for loss in &losses {
        session.output.remark(format_args!(
            "lost in {}: {}, {}",
            arguments.format,
            loss.part.words(),
            count(loss.count)
        ));
    }
    let lost: serde_json::Map<_, _> =
        losses.iter().map(|loss| (loss.part.words().to_owned(), json!(loss.count))).collect();
    let place = if directory_format.is_some() { "directory" } else { "out" };
    session.output.document(&json!({ place: shown, "prompts": prompts, "outcomes": outcomes, "lost": lost }))
}

/// Nothing is ever written into an input, whatever it is.
fn refuse_same_place(input: &Path, out: &Path) -> Result<()> {
    if matches!((input.canonicalize(), out.canonicalize()), (Ok(a), Ok(b)) if a == b) {
        return Err(Error::new(ErrorKind::Usage, "what is read is not written over")
            .in_file(out)
            .help("name another place"));
    }
    Ok(())
}

/// The share of prompts in the test part where none is given.
const TEST_SHARE: f64 = 0.2;

fn split(arguments: &DataSplit, session: &mut Session) -> Result<()> {
    let share = arguments.test.unwrap_or(TEST_SHARE);
    if !(share > 0.0 && share < 1.0) {
        return Err(Error::new(ErrorKind::Usage, format!("{share} is not a share of the prompts"))
            .at_field("--test")
            .help("above 0 and below 1, as 0.2"));
    }
    if arguments.by == SplitBy::Benchmark && arguments.test.is_some() {
        return Err(Error::new(ErrorKind::Usage, "a benchmark that is left out is the test part, whatever its share")
            .at_field("--test")
            .help("leave it out, or split --by stratified"));
    }
    let dataset = read(&arguments.directory)?;
    let seed = Seed::root(session.seed.unwrap_or(0)).child("data split");
    if let Some(benchmark) = &arguments.leave_out {
        let split = split::leave_out(&dataset, benchmark).map_err(|error| error.at_field("--leave-out"))?;
        let document = write_split(&dataset, &split, &arguments.out, session)?;
        return session.output.document(&document);
    }
    let split = match arguments.by {
        SplitBy::Random => split::random(&dataset, 1.0 - share, &seed)?,
        SplitBy::Stratified => split::stratified(&dataset, 1.0 - share, &seed)?,
        SplitBy::Benchmark => return leave_each_out(&dataset, &arguments.out, session),
    };
    let document = write_split(&dataset, &split, &arguments.out, session)?;
    session.output.document(&document)
}

fn leave_each_out(dataset: &Dataset, out: &Path, session: &mut Session) -> Result<()> {
    let mut documents = Vec::new();
    let mut taken = BTreeSet::new();
    for (benchmark, split) in split::leave_one_benchmark_out(dataset)? {
        let mut folder = folder_name(&benchmark);
        while !taken.insert(folder.clone()) {
            folder.push('_');
        }
        let mut document = write_split(dataset, &split, &out.join(folder), session)?;
        document.insert("benchmark".into(), json!(benchmark));
        documents.push(document);
    }
    session.output.document(&json!({ "splits": documents }))
}

/// Writes both parts, tells where, and returns what is to be known of them.
fn write_split(
    dataset: &Dataset,
    split: &Split,
    out: &Path,
    session: &mut Session,
) -> Result<serde_json::Map<String, serde_json::Value>> {
    let mut document = serde_json::Map::new();
    for (name, rows) in [("train", &split.train), ("test", &split.test)] {
        let path = out.join(name);
        directory::write(&dataset.subset(rows), &path)?;
        let shown = path.display().to_string();
        session.output.line(format_args!("wrote {shown}: {}", plural(rows.len(), "prompt")))?;
        document.insert(name.into(), json!({ "directory": shown, "prompts": rows.len() }));
    }
    let dropped = dataset.prompts().len() - split.train.len() - split.test.len();
    if dropped > 0 {
        session
            .output
            .line(format_args!("left out of both: {}, near duplicates of the test part", plural(dropped, "prompt")))?;
    }
    document.insert("left_out".into(), json!(dropped));
    Ok(document)
}

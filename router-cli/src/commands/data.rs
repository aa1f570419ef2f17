//! `router data`: dataset directories checked, described, converted and split.

use std::collections::BTreeSet;
use std::path::Path;

use router_core::{Dataset, Error, ErrorKind, Result, Seed};
use router_data::directory::{self, Findings, Format};
use router_data::split::{self, Split};
use router_data::stats::{Distribution, ModelStats, Stats};
use serde_json::json;

use super::{BAD_INPUT, Session, read};
use crate::arguments::{Data, DataCheck, DataExport, DataSplit, DataStats, ExportFormat, SplitBy};
use crate::table::{Align, Table, count, interval, percent, plural, score, short_score, usd};

/// Most findings that are shown to people; programs get all.
const SHOWN: usize = 100;
/// Most benchmarks that are shown to people.
const BENCHMARKS_SHOWN: usize = 20;

pub(super) fn run(arguments: &Data, session: &mut Session) -> Result<u8> {
    match arguments {
        Data::Check(arguments) => check(arguments, session),
        Data::Stats(arguments) => stats(arguments, session).map(|()| 0),
        Data::Export(arguments) => export(arguments, session).map(|()| 0),
        Data::Split(arguments) => split(arguments, session).map(|()| 0),
    }
}

fn check(arguments: &DataCheck, session: &mut Session) -> Result<u8> {
    let findings: Findings = directory::check(&arguments.directory);
    let (errors, warnings) = (findings.errors().count(), findings.warnings().count());
    let output = &mut session.output;
    output.document(&json!({ "errors": errors, "warnings": warnings, "findings": findings }))?;
    // Errors are what must be mended: a hundred warnings before them would hide them.
    for finding in findings.errors().chain(findings.warnings()).take(SHOWN) {
        output.line(finding)?;
    }
    if findings.len() > SHOWN {
        output.line(format_args!("... and {} more", findings.len() - SHOWN))?;
    }
    output.line(format_args!("{}, {}", plural(errors, "error"), plural(warnings, "warning")))?;
    Ok(if errors > 0 { BAD_INPUT } else { 0 })
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
    let dataset = read(&arguments.data)?;
    let format = match arguments.format {
        ExportFormat::Jsonl => Format::Text,
        ExportFormat::Parquet => Format::Parquet,
    };
    // Nothing is ever written into an input directory, the one that is read here included.
    if same_place(&arguments.data, &arguments.out) {
        return Err(Error::new(ErrorKind::Usage, "the data set that is read is not written over")
            .in_file(&arguments.out)
            .help("name another place"));
    }
    directory::write_as(&dataset, &arguments.out, format)?;
    let shown = arguments.out.display().to_string();
    let (prompts, outcomes) = (dataset.prompts().len(), dataset.outcomes().len());
    session.output.line(format_args!(
        "wrote {shown}: {}, {}",
        plural(prompts, "prompt"),
        plural(outcomes, "outcome")
    ))?;
    session.output.document(&json!({ "directory": shown, "prompts": prompts, "outcomes": outcomes }))
}

fn same_place(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
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

/// A benchmark's name as the name of a folder, on any system: letters, digits, `.`, `-` and `_`.
fn folder_name(benchmark: &str) -> String {
    let safe = |letter: char| if letter.is_alphanumeric() || "-_.".contains(letter) { letter } else { '_' };
    let name: String = benchmark.chars().map(safe).collect();
    let name = name.trim_matches('.');
    if name.is_empty() { "_".to_owned() } else { name.to_owned() }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_stay_below_the_place_that_was_named() {
        let cases = [
            ("gsm8k", "gsm8k"),
            ("MMLU-Pro: law", "MMLU-Pro__law"),
            ("../up", "_up"),
            ("a/b\\c", "a_b_c"),
            ("..", "_"),
            ("", "_"),
        ];
        for (benchmark, folder) in cases {
            assert_eq!(folder_name(benchmark), folder);
        }
    }
}

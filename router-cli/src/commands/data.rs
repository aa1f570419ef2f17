//! `router data`: dataset directories checked, described and split.

use router_core::{Error, ErrorKind, Result, Seed};
use router_data::directory::{self, Findings};
use router_data::split;
use router_data::stats::Stats;
use serde_json::json;

use super::{BAD_INPUT, Session, read};
use crate::arguments::{Data, DataCheck, DataSplit, DataStats};
use crate::table::{Align, Table, count, percent, plural, score, usd};

/// Most findings that are shown to people; programs get all.
const SHOWN: usize = 100;

pub(super) fn run(arguments: &Data, session: &mut Session) -> Result<u8> {
    match arguments {
        Data::Check(arguments) => check(arguments, session),
        Data::Stats(arguments) => stats(arguments, session).map(|()| 0),
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
    let mut models = Table::new([
        ("model", Align::Left),
        ("outcomes", Align::Right),
        ("mean quality", Align::Right),
        ("mean cost", Align::Right),
    ]);
    for model in &stats.models {
        models.row([
            model.model.clone(),
            count(model.outcomes),
            model.mean_quality.map_or_else(|| "-".to_owned(), score),
            usd(model.mean_cost_usd),
        ]);
    }
    output.line(models.render())?;
    if !stats.benchmarks.is_empty() {
        let mut benchmarks = Table::new([("benchmark", Align::Left), ("prompts", Align::Right)]);
        for (benchmark, &prompts) in &stats.benchmarks {
            benchmarks.row([benchmark.clone(), count(prompts)]);
        }
        output.line(format_args!("\n{}", benchmarks.render()))?;
    }
    output.line(format_args!(
        "\npairs with an outcome    {}\noutcomes with a cost     {}\nbest of all models       {}\nnear-duplicate groups    {}",
        percent(stats.coverage),
        percent(stats.cost_known),
        stats.oracle.map_or_else(|| "-".to_owned(), score),
        count(stats.near_duplicate_groups),
    ))
}

fn split(arguments: &DataSplit, session: &mut Session) -> Result<()> {
    if !(arguments.test > 0.0 && arguments.test < 1.0) {
        return Err(Error::new(ErrorKind::Usage, format!("{} is not a share of the prompts", arguments.test))
            .at_field("--test")
            .help("above 0 and below 1, as 0.2"));
    }
    let dataset = read(&arguments.directory)?;
    let seed = Seed::root(session.seed.unwrap_or(0)).child("data split");
    let split = split::stratified(&dataset, 1.0 - arguments.test, &seed)?;
    let mut document = serde_json::Map::new();
    for (name, rows) in [("train", &split.train), ("test", &split.test)] {
        let path = arguments.out.join(name);
        directory::write(&dataset.subset(rows), &path)?;
        let shown = path.display().to_string();
        session.output.line(format_args!("wrote {shown}: {}", plural(rows.len(), "prompt")))?;
        document.insert(name.into(), json!({ "directory": shown, "prompts": rows.len() }));
    }
    session.output.document(&document)
}

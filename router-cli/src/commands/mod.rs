//! The commands, a file each.

mod bench_report;
mod compare;
mod data;
mod demo;
mod drift;
mod embedder;
mod eval;
mod experiment;
mod new;
pub(crate) mod onboard;
mod plugins;
mod report;
mod requests;
mod route;
mod schema;
mod serve;
mod tasks;
mod train;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use router_core::{Dataset, FitContext, Progress, Prompt, Registry, Result, RouterConfig};
use router_data::cache::{Counts, DiskCache};
use router_data::{directory, near_duplicates};

use crate::arguments::{Arguments, Command, Global};
use crate::output::Output;
use crate::progress::progress;
use crate::table::{count, plural};

/// The status of a command that did its work and found the input at fault.
const BAD_INPUT: u8 = 2;

/// What a command works with.
struct Session {
    output: Output,
    registry: Registry,
    progress: Arc<dyn Progress>,
    seed: Option<u64>,
    /// The cache of embeddings of the work that is under way.
    cache: Option<Arc<DiskCache>>,
}

impl Session {
    /// A context under `seed` that shows progress.
    fn context(&self, seed: u64) -> FitContext {
        FitContext::new(seed).with_progress(Arc::clone(&self.progress))
    }

    /// A context under `seed` that shows progress and keeps embeddings in the user's cache, unless `no_cache` says otherwise.
    fn caching(&mut self, seed: u64, no_cache: bool) -> FitContext {
        let cx = self.context(seed);
        if no_cache {
            return cx;
        }
        match DiskCache::of_user() {
            Ok(cache) => {
                let cache = Arc::new(cache);
                self.cache = Some(Arc::clone(&cache));
                cx.with_embedding_cache(cache)
            }
            Err(error) => {
                self.output.remark(format_args!("no cache of embeddings: {error}"));
                cx
            }
        }
    }

    /// Remarks on what went through the cache since [`caching`](Self::caching), and on what was wrong with it.
    fn tell_cache(&mut self) {
        let Some(cache) = self.cache.take() else { return };
        let folder = cache.folder().display();
        let Counts { found, stored, damaged } = cache.counts();
        if found + stored > 0 {
            let (found, stored) = (count(found as usize), count(stored as usize));
            self.output
                .remark(format_args!("embeddings: {found} from the cache, {stored} computed and kept in {folder}"));
        }
        if damaged > 0 {
            let damaged = plural(damaged as usize, "damaged embedding");
            self.output.remark(format_args!("warning: {damaged} in the cache, computed anew"));
        }
        if let Some(problem) = cache.problem() {
            self.output.remark(format_args!("warning: the cache of embeddings: {problem}"));
        }
    }

    /// `config` under the seed of the command line, where one was given.
    fn seeded(&self, mut config: RouterConfig) -> RouterConfig {
        config.seed = self.seed.unwrap_or(config.seed);
        config
    }
}

/// The data set in directory `path`.
fn read(path: &Path) -> Result<Arc<Dataset>> {
    directory::read(path).map(Arc::new)
}

/// Finds near duplicates among any prompts.
fn near_duplicate_groups(prompts: &[&Prompt]) -> Vec<u32> {
    let texts: Vec<_> = prompts.iter().map(|prompt| prompt.text()).collect();
    let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
    near_duplicates::groups(&texts)
}

/// Runs the command and gives the status to exit with.
pub(crate) fn run(arguments: Arguments) -> ExitCode {
    let Arguments { global, command } = arguments;
    let mut output = Output::new(global.json, global.quiet);
    let threads = global.threads;
    let work = || {
        let registry = match Registry::collected() {
            Ok(registry) => registry,
            Err(error) => return fail(&mut output, &error),
        };
        let Global { quiet, seed, .. } = global;
        let mut session = Session { output, registry, progress: progress(quiet), seed, cache: None };
        let done = dispatch(&command, &mut session).and_then(|status| session.output.flush().map(|()| status));
        done.unwrap_or_else(|error| fail(&mut session.output, &error))
    };
    let status = router_core::parallel::with_threads(threads, work)
        .unwrap_or_else(|error| fail(&mut Output::new(global.json, global.quiet), &error));
    ExitCode::from(status)
}

fn fail(output: &mut Output, error: &router_core::Error) -> u8 {
    output.error(error);
    error.exit_status()
}

fn dispatch(command: &Command, session: &mut Session) -> Result<u8> {
    match command {
        Command::Demo(arguments) => demo::run(arguments, session)?,
        Command::Data(arguments) => return data::run(arguments, session),
        Command::Train(arguments) => train::run(arguments, session)?,
        Command::Eval(arguments) => eval::run(arguments, session)?,
        Command::Experiment(arguments) => return experiment::run(arguments, session),
        Command::Route(arguments) => return route::run(arguments, session),
        Command::Tasks(arguments) => tasks::run(arguments, session)?,
        Command::Embedder(arguments) => return embedder::run(arguments, session),
        Command::Compare(arguments) => compare::run(arguments, session)?,
        Command::Drift(arguments) => return drift::run(arguments, session),
        Command::Onboard(arguments) => onboard::run(arguments, session)?,
        Command::BenchReport(arguments) => bench_report::run(arguments, session)?,
        Command::New(arguments) => new::run(arguments, session)?,
        Command::Plugins(arguments) => plugins::run(arguments, session)?,
        Command::Schema(arguments) => schema::run(arguments, session)?,
        Command::Serve(arguments) => serve::run(arguments, session)?,
        Command::Report(arguments) => report::run(arguments, session)?,
    }
    Ok(0)
}

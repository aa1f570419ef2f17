//! The commands, a file each.

mod data;
mod demo;
mod eval;
mod plugins;
mod route;
mod schema;
mod tasks;
mod train;

use std::process::ExitCode;
use std::sync::Arc;

use router_core::{FitContext, Progress, Registry, Result};

use crate::arguments::{Arguments, Command, Global};
use crate::output::Output;
use crate::progress::progress;

/// The status of a command that did its work and found the input at fault.
const BAD_INPUT: u8 = 2;

/// What a command works with.
struct Session {
    output: Output,
    registry: Registry,
    progress: Arc<dyn Progress>,
    seed: Option<u64>,
}

impl Session {
    /// A context under `seed` that shows progress.
    fn context(&self, seed: u64) -> FitContext {
        FitContext::new(seed).with_progress(Arc::clone(&self.progress))
    }
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
        let mut session = Session { output, registry, progress: progress(quiet), seed };
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
        Command::Route(arguments) => return route::run(arguments, session),
        Command::Tasks(arguments) => tasks::run(arguments, session)?,
        Command::Plugins(arguments) => plugins::run(arguments, session)?,
        Command::Schema(arguments) => schema::run(arguments, session)?,
    }
    Ok(0)
}

//! What a command that runs for long says while it does, on stderr.

use std::io;

use tracing_subscriber::filter::LevelFilter;

/// Writes what happens to stderr, a line each: from remarks on, or with `quiet` from warnings on.
pub(crate) fn start(quiet: bool) {
    let level = if quiet { LevelFilter::WARN } else { LevelFilter::INFO };
    // Where a program has its own already, that one stays.
    let _ = tracing_subscriber::fmt().with_max_level(level).with_ansi(false).with_writer(io::stderr).try_init();
}

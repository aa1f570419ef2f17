//! The command line of the prompt router.
//!
//! Thin on purpose: arguments in, library calls, text or JSON out. What the commands do lives in the library crates.

// The linker drops a crate that nothing mentions, and its registered plugins with it.
use router_plugins as _;

mod arguments;
mod bars;
mod commands;
mod logging;
mod output;
mod progress;
mod table;

use std::process::ExitCode;

fn main() -> ExitCode {
    match arguments::parse() {
        Ok(arguments) => commands::run(arguments),
        Err(status) => status,
    }
}

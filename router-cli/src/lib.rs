//! The command line of the prompt router.
//!
//! Thin on purpose: arguments in, library calls, text or JSON out. What the commands do lives in the library crates.
//!
//! A crate of plugins makes a `router` of its own, with these plugins beside the built-in ones, by two lines; `router new` writes them:
//!
//! ```no_run
//! // In place of `router_plugins`, the crate whose plugins are to be linked: the linker drops a crate that nothing mentions.
//! use router_plugins as _;
//!
//! fn main() -> std::process::ExitCode {
//!     router_cli::main()
//! }
//! ```

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

/// The program: reads the process's arguments, runs the command with every plugin that is linked in, and gives the status to exit with.
pub fn main() -> ExitCode {
    match arguments::parse() {
        Ok(arguments) => commands::run(arguments),
        Err(status) => status,
    }
}

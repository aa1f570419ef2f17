//! `router` with the {{role}} `my-idea` in it: every command, report and bench knows it by its name.

// The linker drops a crate that nothing mentions, and its registered plugin with it.
use my_idea as _;

fn main() -> std::process::ExitCode {
    router_cli::main()
}

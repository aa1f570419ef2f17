//! The binary `router`: the command line with the built-in plugins.

fn main() -> std::process::ExitCode {
    router_cli::main()
}

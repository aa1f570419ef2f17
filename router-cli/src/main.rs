//! The command line of the prompt router.
fn main() {}

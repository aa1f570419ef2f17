//! Help texts are the reference of the program: a change of one shows here.

use std::path::Path;

use crate::world::router_in;

fn help(arguments: &[&str]) -> String {
    let output = router_in(Path::new(".")).args(arguments).arg("--help").output().unwrap();
    assert!(output.status.success());
    assert!(output.stderr.is_empty());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_command_helps() {
    insta::assert_snapshot!("router", help(&[]));
    let commands: [&[&str]; 28] = [
        &["bench-report"],
        &["compare"],
        &["data"],
        &["data", "check"],
        &["data", "export"],
        &["data", "import"],
        &["data", "split"],
        &["data", "stats"],
        &["demo"],
        &["drift"],
        &["embedder"],
        &["embedder", "check"],
        &["embedder", "fetch"],
        &["embedder", "list"],
        &["eval"],
        &["experiment"],
        &["experiment", "compare"],
        &["new"],
        &["onboard"],
        &["onboard", "choose"],
        &["onboard", "place"],
        &["plugins"],
        &["report"],
        &["route"],
        &["schema"],
        &["serve"],
        &["tasks"],
        &["train"],
    ];
    for command in commands {
        insta::assert_snapshot!(format!("router_{}", command.join("_")), help(command));
    }
}

#[test]
fn help_lists_no_command_that_is_not_there() {
    let help = help(&[]);
    let commands = help.split("Commands:").nth(1).unwrap().split("Options:").next().unwrap();
    let names: Vec<&str> = commands.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(
        names,
        [
            "demo",
            "data",
            "train",
            "eval",
            "experiment",
            "route",
            "serve",
            "report",
            "tasks",
            "compare",
            "drift",
            "onboard",
            "embedder",
            "bench-report",
            "new",
            "plugins",
            "schema"
        ]
    );
}

#[test]
fn nothing_at_all_is_wrong_usage() {
    let output = router_in(Path::new(".")).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    assert!(String::from_utf8(output.stderr).unwrap().contains("Usage: router"));
}

#[test]
fn the_version_is_the_crate_s() {
    let output = router_in(Path::new(".")).arg("--version").output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("router {}\n", env!("CARGO_PKG_VERSION")));
}

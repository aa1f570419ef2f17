//! The reference pages of docs/ say what the plugins say.

use std::path::Path;

use tempfile::TempDir;

use crate::world::{files, router_in};

#[test]
fn the_reference_pages_are_current() {
    let directory = TempDir::new().unwrap();
    router_in(directory.path()).args(["plugins", "--markdown", "pages"]).assert().success();
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("docs/reference");
    let (written, kept) = (files(&directory.path().join("pages")), files(&kept));
    let names = |pages: &[(String, Vec<u8>)]| pages.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&written), names(&kept));
    for ((name, written), (_, kept)) in written.iter().zip(&kept) {
        assert!(
            written == kept,
            "docs/reference/{name} is out of date: run `router plugins --markdown docs/reference`"
        );
    }
}

#[test]
fn a_page_tells_everything_of_a_plugin() {
    let directory = TempDir::new().unwrap();
    router_in(directory.path()).args(["plugins", "--markdown", "."]).assert().success();
    let read = |file: &str| std::fs::read_to_string(directory.path().join(file)).unwrap();
    let page = read("policies.md");
    let section = page.split("\n## utility\n").nth(1).unwrap().split("\n## ").next().unwrap();
    for part in [
        "**Source**: Hu et al., RouterBench",
        "**Cost**: nothing to fit; O(m log m) a prompt",
        "| `lambda` | number, 0 to 1000000000000 | 0.0 |",
        "[policy]\nuse = \"utility\"\nlambda = 0.5",
    ] {
        assert!(section.contains(part), "{part} is not in\n{section}");
    }
    let index = read("README.md");
    for line in ["## [Policies](policies.md)", "[`moe`](estimators.md#moe)", "[`hashing`](embedders.md#hashing)"] {
        assert!(index.contains(line), "{line} is not in\n{index}");
    }
}

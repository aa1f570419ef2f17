//! `router new`: a crate for a plugin of one's own, which compiles, registers itself, passes the conformance suite and is measured.
//!
//! The sources of such a crate lie in `templates/` of this crate, as the plugin `my-idea`; a new crate is these with its own names in place of
//! `my-idea`, `my_idea` and `MyIdea`, and with what differs by role in place of `{{...}}`.

mod framework;
mod name;
mod roles;

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use router_core::{Error, ErrorKind, Result};
use serde_json::json;

use self::framework::Framework;
use self::name::Name;
use self::roles::Template;
use super::Session;
use crate::arguments::New;
use crate::table::plural;

/// The files that are the same for every role: where they go, and their text.
const COMMON: [(&str, &str); 7] = [
    (".gitignore", include_str!("../../../templates/gitignore")),
    ("Cargo.toml", include_str!("../../../templates/manifest.toml")),
    ("README.md", include_str!("../../../templates/README.md")),
    ("benches/speed.rs", include_str!("../../../templates/speed.rs")),
    ("experiment.toml", include_str!("../../../templates/experiment.toml")),
    ("src/main.rs", include_str!("../../../templates/main.rs")),
    ("tests/promises.rs", include_str!("../../../templates/promises.rs")),
];

pub(super) fn run(arguments: &New, session: &mut Session) -> Result<()> {
    let template = Template::of(arguments.role);
    let name = Name::parse(&arguments.name)?;
    if session.registry.list().iter().any(|plugin| plugin.role == template.role && plugin.name == name.hyphens()) {
        return Err(Error::new(
            ErrorKind::Usage,
            format!("there is {} of the name `{}` already", article(template.role), name.hyphens()),
        )
        .at_field("NAME")
        .help("choose another name; `router plugins` lists those that are taken"));
    }
    let framework = arguments.framework.as_deref().map_or(Ok(Framework::Published), Framework::checkout)?;
    let directory = arguments.out.clone().unwrap_or_else(|| name.hyphens().into());
    let mut files: Vec<(&str, String)> = COMMON
        .iter()
        .chain(&[("config.toml", template.config), ("src/lib.rs", template.library)])
        .map(|(file, text)| (*file, fill(text, template, &name, &framework)))
        .collect();
    if let Some(lock) = framework.lock()? {
        // The versions that the framework was tested with, and what is built of them already.
        files.push(("Cargo.lock", lock));
    }
    files.sort_unstable();
    write(&directory, &files)?;

    let shown = directory.display();
    let next =
        ["cargo test --release", "cargo run --release -- demo", "cargo run --release -- experiment experiment.toml"];
    session.output.document(&json!({
        "role": template.role,
        "name": name.hyphens(),
        "directory": directory,
        "framework": framework.path(),
        "files": files.iter().map(|(file, _)| file).collect::<Vec<_>>(),
        "next": next,
    }))?;
    let output = &mut session.output;
    output.line(format_args!(
        "{shown}: {} of the {} `{}`\n",
        plural(files.len(), "file"),
        template.role,
        name.hyphens()
    ))?;
    output.line("your idea goes into src/lib.rs; what is there is a small method that works\n")?;
    output.line(format_args!("  cd {shown}"))?;
    next.iter().try_for_each(|command| output.line(format_args!("  {command}")))
}

/// `an estimator`, `a policy`.
fn article(noun: &str) -> String {
    let vowel = noun.starts_with(['a', 'e', 'i', 'o', 'u']);
    format!("{} {noun}", if vowel { "an" } else { "a" })
}

/// The text of a template with a plugin's own names and role.
fn fill(text: &str, template: &Template, name: &Name, framework: &Framework) -> String {
    let rivals: Vec<String> = template.rivals.iter().map(|rival| format!("\"{rival}\"")).collect();
    let rivals_in_words: Vec<String> = template.rivals.iter().map(|rival| format!("`{rival}`")).collect();
    let replacements = [
        ("{{own}}", template.own.trim_end().to_owned()),
        ("{{config}}", template.config.trim_end().to_owned()),
        // Before what may hold these words by accident: a path, for one.
        ("my-idea", name.hyphens().to_owned()),
        ("my_idea", name.underscores()),
        ("MyIdea", name.capitals()),
        ("{{method}}", template.method.to_owned()),
        ("{{summary}}", template.summary.to_owned()),
        ("{{source}}", template.source.to_owned()),
        ("{{cost}}", template.cost.to_owned()),
        ("{{role_type}}", format!("router_core::{}", template.role_type)),
        ("{{excusable}}", template.excusable.to_owned()),
        ("{{role}}", template.role.to_owned()),
        ("{{rivals}}", rivals.join(", ")),
        ("{{rivals_in_words}}", rivals_in_words.join(" and ")),
        ("{{dependencies}}", template.dependencies.to_owned()),
        ("{{router-core-testkit}}", framework.dependency("router-core", "router-core", Some("testkit"))),
        ("{{router-cli}}", framework.dependency("router-cli", "router-cli", None)),
        ("{{router-benches}}", framework.dependency("router-benches", "benches", None)),
    ];
    replacements.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

/// Writes the files into `directory`, which must not be there or be empty. What is there is never written over.
fn write(directory: &Path, files: &[(&str, String)]) -> Result<()> {
    match fs::read_dir(directory).map(|mut entries| entries.next().is_none()) {
        Ok(true) => {}
        Ok(false) => {
            return Err(Error::new(ErrorKind::Usage, "the directory is there already, and not empty")
                .in_file(directory)
                .help("nothing is written over; choose another with --out"));
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(source) => return Err(Error::io(directory, source)),
    }
    for (file, text) in files {
        let path = directory.join(file);
        let folder = path.parent().unwrap_or(directory);
        fs::create_dir_all(folder).map_err(|source| Error::io(folder, source))?;
        let mut opened =
            OpenOptions::new().write(true).create_new(true).open(&path).map_err(|source| Error::io(&path, source))?;
        opened.write_all(text.as_bytes()).map_err(|source| Error::io(&path, source))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;
    use crate::arguments::NewRole;

    #[test]
    fn nothing_is_left_to_fill_in() {
        let name = Name::parse("other-2").unwrap();
        for role in NewRole::value_variants() {
            let template = Template::of(*role);
            for told in [template.summary, template.source, template.cost] {
                assert!(
                    template.library.contains(&format!("\"{told}\"")),
                    "{role:?}: the library says otherwise: {told}"
                );
            }
            for (file, text) in
                COMMON.iter().chain(&[("config.toml", template.config), ("src/lib.rs", template.library)])
            {
                let text = fill(text, template, &name, &Framework::Published);
                for left in ["{{", "}}\n", "my-idea", "my_idea", "MyIdea"] {
                    assert!(!text.contains(left), "{role:?} {file}: {left}\n{text}");
                }
            }
        }
    }

    #[test]
    fn the_published_version_is_this_one() {
        let name = Name::parse("other").unwrap();
        let manifest = fill(COMMON[1].1, Template::of(NewRole::Embedder), &name, &Framework::Published);
        let version = env!("CARGO_PKG_VERSION");
        for line in [
            format!("router-core = {{ version = \"{version}\", features = [\"testkit\"] }}\n"),
            format!("router-benches = \"{version}\"\n"),
        ] {
            assert!(manifest.contains(&line), "{line} is not in\n{manifest}");
        }
    }
}

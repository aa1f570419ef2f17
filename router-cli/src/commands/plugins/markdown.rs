//! The reference pages: a page a role, with every plugin of it, and a list of all.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use router_core::registry::PluginInfo;
use router_core::{Error, Registry, Result};
use serde_json::json;

use super::{example, parameters_of};
use crate::commands::Session;
use crate::table::plural;

/// What every page says first.
const NOTICE: &str = "<!-- Written by `router plugins --markdown`; a change belongs into the plugin. -->\n\n";

pub(super) fn write(directory: &Path, session: &mut Session) -> Result<()> {
    let pages = pages(&session.registry);
    fs::create_dir_all(directory).map_err(|source| Error::io(directory, source))?;
    for (file, text) in &pages {
        let path = directory.join(file);
        fs::write(&path, text).map_err(|source| Error::io(&path, source))?;
    }
    let files: Vec<&String> = pages.iter().map(|(file, _)| file).collect();
    session.output.document(&json!({ "directory": directory, "files": files }))?;
    session.output.remark(format_args!("wrote {} into {}", plural(pages.len(), "page"), directory.display()));
    Ok(())
}

/// Every page: its file and its text.
fn pages(registry: &Registry) -> Vec<(String, String)> {
    let plugins = registry.list();
    let mut index = format!(
        "{NOTICE}# Plugins\n\nEvery registered plugin by role, in the order in which a prompt meets them. `router plugins NAME` prints the same of one, \
         `router schema` all of it as a JSON Schema.\n"
    );
    let mut pages = Vec::new();
    for of_role in plugins.chunk_by(|a, b| a.role == b.role) {
        let Some(first) = of_role.first() else { continue };
        let (file, title) = page_of(first.role);
        let _ = write!(index, "\n## [{title}]({file})\n\n| name | summary |\n|---|---|\n");
        let mut page = format!("{NOTICE}# {title}\n");
        for plugin in of_role {
            let _ = writeln!(index, "| [`{0}`]({file}#{0}) | {1} |", plugin.name, cell(plugin.summary));
            page.push_str(&section(plugin, registry));
        }
        pages.push((file, page));
    }
    pages.push(("README.md".to_owned(), index));
    pages
}

/// The file and the title of a role's page.
fn page_of(role: &str) -> (String, String) {
    let plural = role.strip_suffix('y').map_or_else(|| format!("{role}s"), |stem| format!("{stem}ies"));
    let (first, rest) = plural.split_at(1);
    (format!("{plural}.md"), format!("{}{rest}", first.to_uppercase()))
}

/// What a page says of one plugin.
fn section(plugin: &PluginInfo, registry: &Registry) -> String {
    let mut text = format!(
        "\n## {}\n\n{}.\n\n- **Source**: {}\n- **Cost**: {}\n- **Crate**: `{}`\n",
        plugin.name,
        plugin.summary.trim_end_matches('.'),
        plugin.source,
        plugin.cost,
        plugin.origin
    );
    let parameters = parameters_of(plugin, registry);
    if parameters.is_empty() {
        text.push_str("\nNo parameters.\n");
    } else {
        text.push_str("\n| parameter | type and range | default | description |\n|---|---|---|---|\n");
    }
    for parameter in parameters {
        let (kind, default) = (cell(&parameter.kind_and_range()), cell(&parameter.shown_default()));
        let _ = writeln!(text, "| `{}` | {kind} | {default} | {} |", parameter.name, cell(&parameter.description));
    }
    let _ = write!(text, "\n```toml\n{}\n```\n", example(plugin));
    text
}

/// A text within a cell of a table.
fn cell(text: &str) -> String {
    text.replace('\n', " ").replace('|', "\\|")
}

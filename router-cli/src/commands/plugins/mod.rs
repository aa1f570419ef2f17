//! `router plugins`: what is registered, the parameters of one, and the reference pages of all.

mod markdown;
mod parameters;

use router_core::registry::PluginInfo;
use router_core::{Error, ErrorKind, Registry, Result};
use serde_json::{Map, Value, json};

use self::parameters::{Parameter, parameters};
use super::Session;
use crate::arguments::Plugins;
use crate::table::{Align, Table};

pub(super) fn run(arguments: &Plugins, session: &mut Session) -> Result<()> {
    if let Some(directory) = &arguments.markdown {
        return markdown::write(directory, session);
    }
    match &arguments.name {
        Some(name) => one(find(name, &session.registry.list())?, session),
        None => list(session),
    }
}

fn list(session: &mut Session) -> Result<()> {
    let plugins = session.registry.list();
    let brief: Vec<_> = plugins.iter().map(brief).collect();
    session.output.document(&json!({ "plugins": brief }))?;
    let mut table = Table::new(["role", "name", "summary", "origin"].map(|name| (name, Align::Left)));
    let mut role = "";
    for plugin in &plugins {
        if !role.is_empty() && role != plugin.role {
            table.rule();
        }
        table.row([if role == plugin.role { "" } else { plugin.role }, plugin.name, plugin.summary, plugin.origin]);
        role = plugin.role;
    }
    session.output.line(table.render())
}

/// What both documents say of a plugin.
fn brief(plugin: &PluginInfo) -> Map<String, Value> {
    [
        ("role", plugin.role),
        ("name", plugin.name),
        ("summary", plugin.summary),
        ("origin", plugin.origin),
        ("source", plugin.source),
        ("cost", plugin.cost),
    ]
    .map(|(field, text)| (field.to_owned(), json!(text)))
    .into_iter()
    .collect()
}

/// The plugin that `name` or `role/name` means.
fn find(name: &str, plugins: &[PluginInfo]) -> Result<PluginInfo> {
    let full = |plugin: &PluginInfo| format!("{}/{}", plugin.role, plugin.name);
    let mut found = plugins.iter().filter(|plugin| plugin.name == name || full(plugin) == name);
    match (found.next(), found.next()) {
        (Some(plugin), None) => Ok(*plugin),
        (Some(first), Some(second)) => {
            let all: Vec<String> = [first, second].into_iter().chain(found).map(full).collect();
            Err(Error::new(ErrorKind::Usage, format!("several roles have a plugin `{name}`"))
                .help(format!("say which: {}", all.join(" or "))))
        }
        (None, _) => {
            let all: Vec<String> = plugins.iter().map(full).collect();
            Err(Error::new(ErrorKind::UnknownPlugin, format!("unknown plugin `{name}`"))
                .help(format!("registered: {}", all.join(", "))))
        }
    }
}

fn one(plugin: PluginInfo, session: &mut Session) -> Result<()> {
    let schema = session.registry.schema(plugin.role, plugin.name).unwrap_or_default();
    let parameters = parameters_of(&plugin, &session.registry);
    let example = example(&plugin);
    let mut document = brief(&plugin);
    document.insert("parameters".to_owned(), json!(parameters));
    document.insert("example".to_owned(), json!(example));
    document.insert("schema".to_owned(), schema);
    session.output.document(&document)?;
    let output = &mut session.output;
    output.line(format_args!("{}/{}: {}", plugin.role, plugin.name, plugin.summary))?;
    output.line(format_args!("source  {}\ncost    {}\norigin  {}\n", plugin.source, plugin.cost, plugin.origin))?;
    if parameters.is_empty() {
        output.line("no parameters\n")?;
    } else {
        let mut table = Table::new([
            ("parameter", Align::Left),
            ("type", Align::Left),
            ("default", Align::Right),
            ("description", Align::Left),
        ]);
        for parameter in parameters {
            let (kind, default) = (parameter.kind_and_range(), parameter.shown_default());
            table.row([parameter.name, kind, default, parameter.description]);
        }
        output.line(table.render())?;
        output.line("")?;
    }
    output.line(format_args!("Example\n\n{example}"))
}

/// The parameters of a plugin of `registry`.
fn parameters_of(plugin: &PluginInfo, registry: &Registry) -> Vec<Parameter> {
    let schema = registry.schema(plugin.role, plugin.name).unwrap_or_default();
    // The resolved empty configuration holds every default; a plugin that needs a parameter has none.
    let defaults = registry.resolve(plugin.role, plugin.name, json!({})).unwrap_or_default();
    parameters(&schema, &defaults)
}

/// The plugin's example as it would stand in a configuration: its tables are tables of the component.
fn example(plugin: &PluginInfo) -> String {
    let (section, place) = match plugin.role {
        "estimator" => ("[[estimators]]".to_owned(), "estimators"),
        role => (format!("[{role}]"), role),
    };
    let mut text = format!("{section}\nuse = \"{}\"\n", plugin.name);
    for line in plugin.example.trim().lines() {
        let line = match (line.strip_prefix("[["), line.strip_prefix('[')) {
            (Some(table), _) => format!("[[{place}.{table}"),
            (None, Some(table)) => format!("[{place}.{table}"),
            (None, None) => line.to_owned(),
        };
        text.push_str(&line);
        text.push('\n');
    }
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_two_roles_needs_its_role() {
        let plugin = |role, name| PluginInfo {
            role,
            name,
            summary: "",
            source: "",
            cost: "",
            origin: "",
            example: "",
            format: None,
        };
        let plugins = [plugin("classifier", "neighbors"), plugin("estimator", "neighbors"), plugin("estimator", "moe")];
        assert_eq!(find("moe", &plugins).unwrap().role, "estimator");
        assert_eq!(find("estimator/neighbors", &plugins).unwrap().role, "estimator");
        let error = find("neighbors", &plugins).unwrap_err();
        assert_eq!((error.kind(), error.exit_status()), (ErrorKind::Usage, 2));
        assert!(error.to_string().contains("classifier/neighbors or estimator/neighbors"), "{error}");
        let error = find("policy/moe", &plugins).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnknownPlugin);
        assert!(error.to_string().contains("estimator/moe"), "{error}");
    }
}

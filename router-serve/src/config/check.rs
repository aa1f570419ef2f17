//! What a schema cannot say of a configuration.

use std::collections::BTreeSet;
use std::fmt::Display;

use hyper::Uri;
use router_core::{Error, ErrorKind, Result};

use crate::config::{AUTO, ServeConfig};

impl ServeConfig {
    /// Holds names against each other, and addresses against what an address is.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] with the field.
    pub fn check(&self) -> Result<()> {
        let mut upstreams = BTreeSet::new();
        for (at, upstream) in self.upstreams.iter().enumerate() {
            let field = |name: &str| format!("upstreams[{at}].{name}");
            name(&upstream.name, &field("name"))?;
            if !upstreams.insert(upstream.name.as_str()) {
                return Err(wrong(format!("upstream `{}` stands twice", upstream.name), field("name")));
            }
            address(&upstream.base_url).map_err(|what| {
                wrong(format!("`{}` {what}", upstream.base_url), field("base_url")).help("https://api.example.com/v1")
            })?;
            if upstream.key_environment.is_some() && upstream.key_file.is_some() {
                return Err(wrong("the key has two places", field("key_file"))
                    .help("give `key_environment` or `key_file`, not both"));
            }
        }
        let mut models = BTreeSet::new();
        for (at, model) in self.models.iter().enumerate() {
            name(&model.model, &format!("models[{at}].model"))?;
            if !models.insert(model.model.as_str()) {
                return Err(wrong(format!("model `{}` stands twice", model.model), format!("models[{at}].model"))
                    .help("list the places it is served by under one entry"));
            }
            for (place, served) in model.served_by.iter().enumerate() {
                if !upstreams.contains(served.upstream.as_str()) {
                    let field = format!("models[{at}].served_by[{place}].upstream");
                    return Err(unknown("upstream", &served.upstream, &upstreams, field));
                }
            }
        }
        let mut pools = BTreeSet::new();
        for (at, pool) in self.pools.iter().enumerate() {
            let field = format!("pools[{at}].name");
            name(&pool.name, &field)?;
            if models.contains(pool.name.as_str()) || !pools.insert(pool.name.as_str()) {
                return Err(wrong(format!("the name `{}` stands for something already", pool.name), field));
            }
            for (place, model) in pool.models.iter().flatten().enumerate() {
                let known = self.models.iter().find(|known| known.model == *model);
                let field = format!("pools[{at}].models[{place}]");
                match known {
                    None => return Err(unknown("model", model, &models, field)),
                    Some(known) if !known.routed => {
                        return Err(wrong(format!("`{model}` is not routed"), field)
                            .help("the router chooses among routed models alone"));
                    }
                    Some(_) => {}
                }
            }
        }
        let (mut clients, mut hashes) = (BTreeSet::new(), BTreeSet::new());
        for (at, client) in self.clients.iter().enumerate() {
            name(&client.name, &format!("clients[{at}].name"))?;
            if !clients.insert(client.name.as_str()) {
                return Err(wrong(format!("client `{}` stands twice", client.name), format!("clients[{at}].name")));
            }
            let field = format!("clients[{at}].key_sha256");
            let Some(hash) = client.hash() else {
                return Err(
                    wrong("is no SHA-256 hash", field).help("64 hexadecimal digits: printf %s \"$KEY\" | sha256sum")
                );
            };
            if !hashes.insert(hash) {
                return Err(wrong("two clients have the same key", field));
            }
        }
        if let Some(records) = &self.records
            && records.url_environment.is_some()
            && records.url_file.is_some()
        {
            return Err(wrong("the address has two places", "records.url_file")
                .help("give `url_environment` or `url_file`, not both"));
        }
        Ok(())
    }
}

fn wrong(what: impl Into<String>, field: impl Into<String>) -> Error {
    Error::new(ErrorKind::Config, what).at_field(field)
}

fn unknown(what: &str, found: &str, known: &BTreeSet<&str>, field: String) -> Error {
    let known: Vec<&str> = known.iter().copied().collect();
    wrong(format!("there is no {what} `{found}`"), field).help(format!("there are {}", known.join(", ")))
}

/// A name goes into headers, labels and addresses.
fn name(name: &str, field: &str) -> Result<()> {
    if name.is_empty() || name == AUTO || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(wrong(format!("`{name}` is not a name here"), field)
            .help(format!("letters, digits and signs without white space; `{AUTO}` is the choice among all models")));
    }
    Ok(())
}

/// # Errors
/// What is wrong with `url`.
fn address(url: &str) -> std::result::Result<(), impl Display> {
    let Ok(uri) = url.parse::<Uri>() else { return Err("is not an address") };
    match (uri.scheme_str(), uri.host()) {
        (Some("http" | "https"), Some(host)) if !host.is_empty() => {}
        _ => return Err("is not an address of http or https"),
    }
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err("holds a user: keys come from `key_environment` or `key_file`");
    }
    if uri.query().is_some() {
        return Err("has a query");
    }
    Ok(())
}

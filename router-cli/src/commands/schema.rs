//! `router schema`.

use router_core::{Error, Result};
use serde_json::json;

use super::Session;
use crate::arguments::Schema;

pub(super) fn run(arguments: &Schema, session: &mut Session) -> Result<()> {
    let schema = router_core::config::router_schema(&session.registry);
    let Some(path) = &arguments.out else {
        return session.output.print_document(&schema);
    };
    // `{:#}` is the indented form.
    std::fs::write(path, format!("{schema:#}\n")).map_err(|source| Error::io(path, source))?;
    session.output.document(&json!({ "written": path.display().to_string() }))?;
    session.output.remark(format_args!("wrote {}", path.display()));
    Ok(())
}

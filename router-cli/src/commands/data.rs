//! `router data`: dataset directories checked, described and split.

use router_core::Result;
use router_data::directory::{self, Findings};
use serde_json::json;

use super::{BAD_INPUT, Session};
use crate::arguments::{Data, DataCheck};
use crate::table::plural;

/// Most findings that are shown to people; programs get all.
const SHOWN: usize = 100;

pub(super) fn run(arguments: &Data, session: &mut Session) -> Result<u8> {
    match arguments {
        Data::Check(arguments) => check(arguments, session),
        _ => Ok(0),
    }
}

fn check(arguments: &DataCheck, session: &mut Session) -> Result<u8> {
    let findings: Findings = directory::check(&arguments.directory);
    let (errors, warnings) = (findings.errors().count(), findings.warnings().count());
    let output = &mut session.output;
    output.document(&json!({ "errors": errors, "warnings": warnings, "findings": findings }))?;
    // Errors are what must be mended: a hundred warnings before them would hide them.
    for finding in findings.errors().chain(findings.warnings()).take(SHOWN) {
        output.line(finding)?;
    }
    if findings.len() > SHOWN {
        output.line(format_args!("... and {} more", findings.len() - SHOWN))?;
    }
    output.line(format_args!("{}, {}", plural(errors, "error"), plural(warnings, "warning")))?;
    Ok(if errors > 0 { BAD_INPUT } else { 0 })
}

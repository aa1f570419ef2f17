//! The HTML report.

use router_core::Result;

use crate::evaluation::Evaluation;

pub(crate) fn render(evaluation: &Evaluation, command: &str) -> Result<String> {
    let _ = (evaluation, command);
    Ok(String::new())
}

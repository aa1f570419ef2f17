//! `router drift`: a stream of prompts, window by window, against training.

use std::path::Path;

use router_core::drift::{DriftMonitor, DriftReference, Window};
use router_core::{Prompt, Result, Router};
use serde_json::{Value, json};

use super::Session;
use super::requests::{Lines, STDIN};
use crate::arguments::Drift;
use crate::table::{count, percent, plural, short_score};

/// Prompts that are embedded together, at most: a window is reported as soon as it is full.
const BATCH: usize = router_core::pipeline::BATCH;

/// The status of a stream with a warning, where the caller asked for one.
const WARNED: u8 = 1;

pub(super) fn run(arguments: &Drift, session: &mut Session) -> Result<u8> {
    let router = Router::load(&arguments.router, &session.registry)?;
    // Says why, for a router without a reference, before anything is read.
    router.observe_blocking(&[])?;
    let Some(reference) = router.drift_reference() else { return Ok(0) };
    let mut monitor = DriftMonitor::new(reference, arguments.window, arguments.level)?;
    let mut lines = Lines::open(arguments.file.as_deref().unwrap_or(Path::new(STDIN)))?;
    let mut report = Report { windows: Vec::new(), warnings: 0, prompts: 0 };
    session.output.line(heading(reference, arguments))?;

    let batch = BATCH.min(usize::try_from(arguments.window).unwrap_or(BATCH));
    let mut prompts: Vec<Prompt> = Vec::with_capacity(batch);
    let mut more = true;
    while more && !session.output.is_closed() {
        prompts.clear();
        // A batch ends with the window, so that a window never waits for prompts of the next one.
        let left = arguments.window - report.prompts % arguments.window;
        let wanted = batch.min(usize::try_from(left).unwrap_or(batch));
        while prompts.len() < wanted {
            match lines.next()? {
                Some((prompt, _)) => prompts.push(prompt),
                None => {
                    more = false;
                    break;
                }
            }
        }
        report.prompts += prompts.len() as u64;
        for observation in router.observe_blocking(&prompts)? {
            if let Some(window) = monitor.observe(observation) {
                report.add(&window, session)?;
            }
        }
    }
    if let Some(window) = monitor.finish() {
        report.add(&window, session)?;
    }
    let document = json!({
        "level": arguments.level,
        "window": arguments.window,
        "training": {
            "prompts": reference.prompts(),
            "without_task": reference.without_task(),
            "share_without_task": reference.without_task() as f64 / reference.prompts().max(1) as f64,
        },
        "prompts": report.prompts,
        "warnings": report.warnings,
        "windows": report.windows,
    });
    session.output.document(&document)?;
    session.output.line(report.summary())?;
    Ok(if arguments.fail_on_warning && report.warnings > 0 { WARNED } else { 0 })
}

/// What was found so far.
struct Report {
    /// The windows, where they become one document.
    windows: Vec<Value>,
    warnings: usize,
    prompts: u64,
}

impl Report {
    fn add(&mut self, window: &Window, session: &mut Session) -> Result<()> {
        self.warnings += usize::from(window.warning);
        if session.output.json() {
            self.windows.push(as_json(window)?);
            return Ok(());
        }
        session.output.line(line(window))?;
        session.output.flush()
    }

    fn summary(&self) -> String {
        match (self.prompts, self.warnings) {
            (0, _) => "no prompt was read".to_owned(),
            (prompts, 0) => format!("\nno warning in {}", plural(prompts as usize, "prompt")),
            (prompts, warnings) => {
                format!("\n{} in {}", plural(warnings, "warning"), plural(prompts as usize, "prompt"))
            }
        }
    }
}

fn as_json(window: &Window) -> Result<Value> {
    serde_json::to_value(window).map_err(|source| {
        router_core::Error::new(router_core::ErrorKind::Internal, "a window is not JSON").caused_by(source)
    })
}

fn heading(reference: &DriftReference, arguments: &Drift) -> String {
    let share = reference.without_task() as f64 / reference.prompts().max(1) as f64;
    format!(
        "training    {}, {} without a task; windows of {}, level {}\n\n{:<19} {:>16} {:>17} {:>19}  {:>8}",
        plural(reference.prompts() as usize, "held-out prompt"),
        percent(share),
        count(arguments.window as usize),
        arguments.level,
        "prompts",
        "no task (p)",
        "further away (p)",
        "less confident (p)",
        "together",
    )
}

/// A window on a line; a stream is no table, its lines come one by one.
fn line(window: &Window) -> String {
    let place = format!("{}-{}", count(window.start as usize + 1), count((window.start + window.prompts) as usize));
    let with_p = |number: String, p_value: f64| format!("{number} ({})", p(p_value));
    format!(
        "{place:<19} {:>16} {:>17} {:>19}  {:>8}{}",
        with_p(percent(window.no_task.share), window.no_task.p_value),
        with_p(short_score(window.similarity.statistic), window.similarity.p_value),
        with_p(short_score(window.confidence.statistic), window.confidence.p_value),
        p(window.p_value),
        if window.warning { "  WARNING" } else { "" },
    )
}

/// A p-value: four decimals with no leading zero.
fn p(value: f64) -> String {
    if value < 0.000_05 { "<.0001".to_owned() } else { format!("{value:.4}").trim_start_matches('0').to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_probabilities_are_not_called_zero() {
        assert_eq!([1.0, 0.5, 0.0123, 0.000_049, 0.0].map(p), ["1.0000", ".5000", ".0123", "<.0001", "<.0001"]);
    }
}

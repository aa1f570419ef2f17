//! The result of an evaluation, and its files.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use router_core::{Error, ErrorKind, Result, TaskCards};
use serde::Serialize;

use crate::decisions::{DecisionRow, to_csv};
use crate::report;
use crate::summary::Summary;

/// The result of an evaluation.
#[derive(Debug, Clone)]
pub struct Evaluation {
    /// Everything that was measured.
    pub summary: Summary,
    /// Every single decision.
    pub decisions: Vec<DecisionRow>,
    /// The tasks that the first router discovered; `None` for cross-validation, where every fold has its own.
    pub tasks: Option<TaskCards>,
    /// The resolved configuration of every router, as JSON, by name.
    pub configs: Vec<(String, serde_json::Value)>,
}

impl Evaluation {
    /// The same evaluation with these tasks in its report.
    pub fn with_tasks(mut self, tasks: TaskCards) -> Self {
        self.tasks = Some(tasks);
        self
    }

    /// The same evaluation without the training prompts that its task cards show.
    pub fn without_exemplars(mut self) -> Self {
        self.tasks = self.tasks.map(TaskCards::without_exemplars);
        self
    }

    /// Writes `summary.json`, `decisions.csv` and `report.html` into `dir`, which is made if it is not there. Files of these
    /// names are replaced, each by a rename, so that none is ever half written. `command` is the command line that reproduces
    /// the evaluation; the report shows it.
    ///
    /// # Errors
    /// [`ErrorKind::Io`].
    pub fn write(&self, dir: &Path, command: &str) -> Result<()> {
        let html = report::render(self, command)?;
        fs::create_dir_all(dir).map_err(|source| Error::io(dir, source))?;
        replace(&dir.join("summary.json"), &json(&self.summary)?)?;
        replace(&dir.join("decisions.csv"), &to_csv(&self.decisions)?)?;
        replace(&dir.join("report.html"), html.as_bytes())
    }
}

pub(crate) fn json(value: &impl Serialize) -> Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(value)
        .map_err(|source| Error::new(ErrorKind::Internal, "cannot write JSON").caused_by(source))?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Puts `bytes` at `path` through a temporary file beside it.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let parent = path.parent().unwrap_or(Path::new("."));
    let failed = |source: std::io::Error| Error::io(path, source);
    let mut file = tempfile::Builder::new().prefix(".router-eval-").tempfile_in(parent).map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    let file = file.into_temp_path();
    readable(&file).map_err(failed)?;
    file.persist(path).map_err(|error| Error::io(path, error.error))
}

/// Temporary files are private to their owner; a report is not.
#[cfg(unix)]
fn readable(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn readable(_path: &Path) -> std::io::Result<()> {
    Ok(())
}

//! The cells of a stored experiment that came to something, with the prompts they were scored on.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use router_core::{Error, ErrorKind, Result};
use serde_json::Value;

use super::store::{CellFile, PromptsFile, Store};

/// A finished cell with the prompts it was scored on.
pub(super) struct Finished {
    pub(super) file: CellFile,
    pub(super) prompts: Arc<PromptsFile>,
}

impl Finished {
    /// Those of the table in `directory`, in its order.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] where there is no table; [`ErrorKind::Data`] for a damaged one, or the file of a cell that is gone.
    pub(super) fn all(directory: &Path) -> Result<Vec<Self>> {
        let store = Store::at(directory);
        let table = store.read_table()?;
        let damaged =
            |what: String| Error::new(ErrorKind::Data, what).in_file(directory).help("run the experiment again");
        let rows =
            table.get("rows").and_then(Value::as_array).ok_or_else(|| damaged("the table has no rows".to_owned()))?;
        let mut known: BTreeMap<String, Arc<PromptsFile>> = BTreeMap::new();
        let mut cells = Vec::new();
        for row in rows.iter().filter(|row| row.get("reference") == Some(&Value::Bool(false))) {
            let digest = row.get("cell").and_then(Value::as_str).unwrap_or_default();
            let file =
                store.read(digest).ok_or_else(|| damaged(format!("the file of cell `{digest}` is gone or damaged")))?;
            let prompts = match known.get(&file.prompts) {
                Some(prompts) => Arc::clone(prompts),
                None => {
                    let prompts = Arc::new(store.read_prompts(&file.prompts)?);
                    known.insert(file.prompts.clone(), Arc::clone(&prompts));
                    prompts
                }
            };
            cells.push(Self { file, prompts });
        }
        Ok(cells)
    }

    /// What tells it from other cells, in the order of the table.
    pub(super) fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.file.cell.iter().filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)))
    }

    /// A field's value.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.fields().find(|(field, _)| *field == name).map(|(_, value)| value)
    }
}

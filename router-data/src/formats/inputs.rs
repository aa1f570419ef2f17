//! What the command line names: files, or directories that hold them.

use std::fs;
use std::path::{Path, PathBuf};

use router_core::ErrorKind;

use super::Collector;
use crate::directory::Finding;

/// Directories are read so deep.
const DEPTH: usize = 12;

/// The files that `inputs` name, those of a directory sorted by path. A directory gives the files that end in one of `extensions`
/// (or that and `.gz`); a file is taken whatever it is called.
pub(super) fn expand(inputs: &[PathBuf], extensions: &[&str], collector: &mut Collector) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for input in inputs {
        if input.is_dir() {
            let mut found = Vec::new();
            walk(input, extensions, DEPTH, &mut found, collector);
            found.sort();
            if found.is_empty() {
                let endings: Vec<String> = extensions.iter().map(|extension| format!(".{extension}")).collect();
                collector.fault(
                    Finding::error(input, 1, "there is no file to read")
                        .help(format!("files that end in {} are looked for", endings.join(" or "))),
                );
            }
            files.append(&mut found);
        } else if input.exists() {
            files.push(input.clone());
        } else {
            collector.fault(Finding::error(input, 1, "there is no such file or directory").help("check the path"));
        }
    }
    files
}

fn walk(directory: &Path, extensions: &[&str], depth: usize, found: &mut Vec<PathBuf>, collector: &mut Collector) {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(source) => {
            let message = format!("cannot be read: {source}");
            collector.fault(Finding::error(directory, 1, message).of_kind(ErrorKind::Io).help("check the permissions"));
            return;
        }
    };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            if depth > 0 {
                walk(&path, extensions, depth - 1, found, collector);
            }
        } else if extension(&path).is_some_and(|extension| extensions.contains(&extension.as_str())) {
            found.push(path);
        }
    }
}

/// The ending of a file's name without the dot, `.gz` behind it passed over.
pub(super) fn extension(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_string_lossy().to_ascii_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    name.rsplit_once('.').map(|(_, extension)| extension.to_owned())
}

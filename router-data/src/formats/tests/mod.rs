//! The formats against small files in their own shape, generated data sets there and back, and damaged bytes.
#![allow(clippy::format_push_string, reason = "small texts, made plainly")]

mod damage;
mod fixtures;
mod round_trips;
mod shapes;

use std::fs;
use std::path::{Path, PathBuf};

use super::*;

/// Writes `files` below `directory`.
fn put(directory: &Path, files: &[(&str, &[u8])]) {
    for (name, bytes) in files {
        let path = directory.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

/// Imports `files` as the directory that they are written to, or as themselves if there is one.
fn import_files(format: &str, files: &[(&str, &[u8])]) -> (Import, String) {
    let place = tempfile::tempdir().unwrap();
    put(place.path(), files);
    let input = match files {
        [(only, _)] => place.path().join(only),
        _ => place.path().to_path_buf(),
    };
    let import = import(find(format).unwrap(), "set", &[input]);
    let root = format!("{}/", place.path().display());
    let told = import.findings.to_string().replace(&root, "").replace(root.trim_end_matches('/'), ".");
    (import, told)
}

/// What `dataset` says, a line a prompt, to be compared by eye.
fn told(dataset: &Dataset) -> String {
    let mut text = String::new();
    for model in dataset.models().models() {
        text.push_str(&format!("{} {:?} {:?}\n", model.name, model.input_usd_per_mtok, model.output_usd_per_mtok));
    }
    for (row, prompt) in dataset.prompts().iter().enumerate() {
        let benchmark = prompt.benchmark.as_deref().unwrap_or("-");
        text.push_str(&format!("{} [{benchmark}] {:?}\n", prompt.id, prompt.text()));
        for outcome in dataset.outcomes().row(row) {
            text.push_str(&format!(
                "  {} {} cost {:?} tokens {:?} {:?}\n",
                dataset.models().name(outcome.model),
                outcome.quality,
                outcome.cost_usd,
                outcome.input_tokens,
                outcome.output_tokens
            ));
        }
    }
    text
}

#[test]
fn an_unknown_format_lists_the_known() {
    let error = find("routerbunch").err().unwrap();
    assert_eq!(error.exit_status(), 2);
    let text = error.to_string();
    for format in FORMATS {
        assert!(text.contains(format.name()), "{text}");
        assert_eq!(find(format.name()).unwrap().summary(), format.summary());
    }
    let names: Vec<&str> = FORMATS.iter().map(|format| format.name()).collect();
    assert!(names.is_sorted(), "{names:?}");
}

#[test]
fn the_documentation_says_what_is_carried() {
    let document = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/formats.md")).unwrap();
    let names: Vec<&str> = FORMATS.iter().map(|format| format.name()).collect();
    let mut expected = vec![format!("| | {} |", names.join(" | "))];
    for part in Part::ALL {
        let cells: Vec<&str> =
            FORMATS.iter().map(|format| if format.carries().contains(&part) { "yes" } else { "-" }).collect();
        expected.push(format!("| {} | {} |", part.words(), cells.join(" | ")));
    }
    for line in expected {
        assert!(document.lines().any(|found| found == line), "docs/formats.md lacks the line\n{line}");
    }
    for format in FORMATS {
        assert!(document.contains(&format!("### `{}`", format.name())), "no section of {}", format.name());
    }
}

#[test]
fn nothing_is_written_over() {
    let place = tempfile::tempdir().unwrap();
    let (import, _) = import_files("routellm", fixtures::ROUTELLM);
    let dataset = import.dataset.unwrap();
    for (format, out) in [("routellm", "there.csv"), ("llmrouter", "there")] {
        let out = place.path().join(out);
        fs::write(&out, "mine").unwrap();
        let error = export(find(format).unwrap(), &dataset, &out).unwrap_err();
        assert_eq!((error.kind(), error.exit_status()), (ErrorKind::Usage, 2));
        assert_eq!(fs::read_to_string(&out).unwrap(), "mine");
    }
    let out = place.path().join("table.xlsx");
    assert_eq!(export(find("long").unwrap(), &dataset, &out).unwrap_err().kind(), ErrorKind::Usage);
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 2, "nothing is left beside");
}

#[test]
fn missing_inputs_are_faults() {
    let import = import(find("long").unwrap(), "set", &[PathBuf::from("/no/such/file.csv")]);
    assert_eq!((import.dataset, import.rows), (None, 0));
    assert!(import.findings.to_string().contains("there is no such file"), "{}", import.findings);
    let place = tempfile::tempdir().unwrap();
    let import = super::import(find("long").unwrap(), "set", &[place.path().to_path_buf()]);
    assert!(import.findings.to_string().contains(".csv or .jsonl or .parquet"), "{}", import.findings);
}

#[test]
fn errors_are_kept_up_to_a_bound_and_counted_beyond() {
    let rows = MOST_FINDINGS + 50;
    let text = format!("prompt_id,prompt,model,quality\n{}", "a,hello,m,2\n".repeat(rows));
    let (import, _) = import_files("long", &[("table.csv", text.as_bytes())]);
    assert_eq!((import.rows, import.skipped), (rows, rows));
    // One more: nothing sound is left.
    assert_eq!(import.errors, rows + 1);
    assert_eq!(import.findings.errors().count(), MOST_FINDINGS);
}

#[test]
fn models_can_be_chosen() {
    let (import, _) = import_files("routerbench", fixtures::ROUTERBENCH);
    let dataset = import.dataset.unwrap();
    let two = only_models(&dataset, &["small".to_owned(), "org/big".to_owned()]).unwrap();
    assert_eq!(two.models().models().iter().map(|model| model.name.as_str()).collect::<Vec<_>>(), ["small", "org/big"]);
    for row in 0..dataset.prompts().len() {
        for (new, old) in [(0, 1), (1, 0)] {
            let quality = |set: &Dataset, model| set.outcomes().get(row, model).map(|outcome| outcome.quality);
            assert_eq!(quality(&two, new), quality(&dataset, old));
        }
    }
    assert_eq!(only_models(&dataset, &["nobody".to_owned()]).unwrap_err().kind(), ErrorKind::UnknownModel);
    assert!(only_models(&dataset, &["small".to_owned(), "small".to_owned()]).is_err());
    assert_eq!(only_models(&dataset, &[]).unwrap_err().kind(), ErrorKind::EmptyPool);
}

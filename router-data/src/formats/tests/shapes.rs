//! What comes of small files in every format's own shape.

use super::*;

#[test]
fn sound_files() {
    for (format, files, _) in fixtures::ALL {
        let (import, findings) = import_files(format, files);
        assert_eq!((import.errors, import.skipped), (0, 0), "{format}: {findings}");
        let text = format!("{}\nrows {}\n\n{findings}", told(&import.dataset.unwrap()), import.rows);
        insta::assert_snapshot!(format!("sound_{format}"), text);
    }
}

#[test]
fn faulty_files_keep_what_is_sound() {
    for (format, _, files) in fixtures::ALL {
        let (import, findings) = import_files(format, files);
        assert!(import.errors > 0, "{format}");
        let kept = import.dataset.as_ref().map_or_else(|| "nothing\n".to_owned(), told);
        let text =
            format!("{kept}\nrows {}, skipped {}, errors {}\n\n{findings}", import.rows, import.skipped, import.errors);
        insta::assert_snapshot!(format!("faulty_{format}"), text);
    }
}

#[test]
fn several_files_of_routellm_are_benchmarks() {
    let (import, findings) = import_files("routellm", fixtures::ROUTELLM_FOLDER);
    assert!(findings.is_empty(), "{findings}");
    let dataset = import.dataset.unwrap();
    let benchmarks: Vec<_> = dataset.prompts().iter().map(|prompt| prompt.benchmark.as_deref()).collect();
    assert_eq!(benchmarks, [Some("mmlu_art"), Some("mmlu_law")]);
    assert_eq!(dataset.models().len(), 2);
}

#[test]
fn headers_that_do_not_fit_are_told() {
    let cases = [
        ("routellm", "text,a,b\nx,1,0\n", "`prompt`: the column is missing"),
        ("routellm", "prompt,a\nx,1\n", "columns of models beside `prompt`: 1"),
        ("routellm", "prompt,a,b,c\nx,1,0,1\n", "columns of models beside `prompt`: 3"),
        ("embedllm", "prompt_id,prompt\n1,x\n", "`label`: the column is missing"),
        ("routerbench", "sample_id,prompt,eval_name\na,x,y\n", "there is no column of a model"),
        ("routerbench", "prompt,m\nx,1\n", "`sample_id`: the column is missing"),
        ("long", "prompt,model,quality\nx,m,1\n", "`prompt_id`: the column is missing"),
        ("long", "prompt_id,model,quality,quality\nx,m,1,1\n", "`quality`: the column stands twice"),
        ("long", "", "the file is empty"),
        ("long", "\"a\nb", "malformed header"),
    ];
    for (format, text, expected) in cases {
        let (import, findings) = import_files(format, &[("table.csv", text.as_bytes())]);
        assert!(import.dataset.is_none());
        assert!(findings.contains(expected), "{format}: {findings}");
    }
}

#[test]
fn a_model_that_cannot_be_a_column_is_refused() {
    let text = "prompt_id,prompt,model,quality\na,x,one|two,1\na,x,three,0\n";
    let (import, _) = import_files("long", &[("table.csv", text.as_bytes())]);
    let dataset = import.dataset.unwrap();
    for format in ["routerbench", "routellm"] {
        let error = find(format).unwrap().write(&dataset, Path::new("out.csv")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(error.to_string().contains("one|two"), "{error}");
    }
    let one = only_models(&dataset, &["three".to_owned()]).unwrap();
    let error = find("routellm").unwrap().write(&one, Path::new("out.csv")).unwrap_err();
    assert!(error.to_string().contains("routellm holds two models, the pool has 1"), "{error}");
}

#[test]
fn the_oracle_of_routerbench_is_the_cheapest_of_the_best() {
    let text =
        "prompt_id,prompt,model,quality,cost_usd\na,x,one,1,0.2\na,x,two,1,0.1\na,x,three,0.5,0\nb,y,one,0,0.2\n";
    let (import, _) = import_files("long", &[("table.csv", text.as_bytes())]);
    let Output::File(bytes) = find("routerbench").unwrap().write(&import.dataset.unwrap(), Path::new("o.csv")).unwrap()
    else {
        panic!("a file")
    };
    let written = String::from_utf8(bytes).unwrap();
    let lines: Vec<&str> = written.lines().collect();
    assert!(lines[1].ends_with(",two"), "{written}");
    assert!(lines[2].ends_with(",no_model_correct"), "{written}");
    assert_eq!(lines[1], "a,['x'],,1,1,0.5,0.2,0.1,0,two");
}

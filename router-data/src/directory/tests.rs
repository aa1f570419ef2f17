#![allow(clippy::format_collect, clippy::format_push_string, reason = "small texts, made plainly")]

use std::fs;
use std::io::Write as _;

use proptest::prelude::*;
use router_core::{Message, MessageRole, Model, ModelPool, Outcome, Outcomes, Prompt, PromptContent};

use super::*;

mod parquet;

const MODELS_JSON: &str = r#"[
  {"model": "big", "input_usd_per_mtok": 1.0, "output_usd_per_mtok": 4.0, "context_window": 8000, "tags": ["tools"]},
  {"model": "small", "input_usd_per_mtok": null, "output_usd_per_mtok": null}
]
"#;
const PROMPTS_JSONL: &str = r#"{"prompt_id": "a", "prompt": "How many apples are left?", "benchmark": "sums"}
{"prompt_id": "b", "prompt": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]}
{"prompt_id": "c", "prompt": "Write a poem.", "description": "poetry", "tags": ["long"]}
"#;
const OUTCOMES_CSV: &str = "prompt_id,model,quality,cost_usd,input_tokens,output_tokens
a,big,1,0.001,10,20
a,small,0.5,0.0001,10,15
b,big,0,0.002,3,40
b,small,1,0.0002,3,12
c,big,0.25,0.004,4.0,90
c,small,0,0.0003,4,80
";

/// A directory of these files.
fn directory(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        fs::write(place.path().join(name), bytes).unwrap();
    }
    place
}

fn sound() -> [(&'static str, &'static [u8]); 3] {
    [
        ("models.json", MODELS_JSON.as_bytes()),
        ("prompts.jsonl", PROMPTS_JSONL.as_bytes()),
        ("outcomes.csv", OUTCOMES_CSV.as_bytes()),
    ]
}

/// The sound directory with some files in the place of others.
fn with(changed: &[(&'static str, &[u8])]) -> tempfile::TempDir {
    let place = directory(&sound());
    for (name, bytes) in changed {
        fs::write(place.path().join(name), bytes).unwrap();
    }
    place
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// All findings, with the place of the directory taken out; and reading agrees with checking.
fn told(place: &tempfile::TempDir) -> String {
    let findings = check(place.path());
    match read(place.path()) {
        Ok(_) => assert!(!findings.has_errors(), "{findings}"),
        Err(error) => {
            assert!(
                findings.errors().any(|f| error.file() == Some(&f.file) && error.message() == f.message),
                "{error}"
            );
            assert!(error.exit_status() == 2, "{error:?}");
        }
    }
    findings
        .to_string()
        .replace(&format!("{}/", place.path().display()), "")
        .replace(&place.path().display().to_string(), "DIR")
}

#[test]
fn a_sound_directory_reads() {
    let place = directory(&sound());
    assert_eq!(told(&place), "");
    let data = read(place.path()).unwrap();
    assert_eq!(data.prompts().len(), 3);
    assert_eq!(data.prompts()[1].text(), "Be brief.\n\nHi");
    assert_eq!(data.prompts()[2].description.as_deref(), Some("poetry"));
    assert_eq!(data.models().get(0).unwrap().context_window, Some(8_000));
    let outcome = data.outcomes().get(2, 0).unwrap();
    assert_eq!((outcome.quality, outcome.cost_usd, outcome.input_tokens), (0.25, Some(0.004), Some(4)));
    assert_eq!(outcome.weight, 1.0);
}

#[test]
fn every_format_of_outcomes_gives_the_same_data() {
    let lines: String = OUTCOMES_CSV
        .lines()
        .skip(1)
        .map(|row| {
            let c: Vec<&str> = row.split(',').collect();
            format!(
                "{{\"prompt_id\":\"{}\",\"model\":\"{}\",\"quality\":{},\"cost_usd\":{},\"input_tokens\":{},\"output_tokens\":{}}}\n",
                c[0], c[1], c[2], c[3], c[4], c[5]
            )
        })
        .collect();
    let expected = read(directory(&sound()).path()).unwrap().fingerprint();
    for (name, bytes) in [("outcomes.csv.gz", gzip(OUTCOMES_CSV.as_bytes())), ("outcomes.jsonl", lines.into_bytes())] {
        let place = directory(&[sound()[0], sound()[1], (name, &bytes)]);
        assert_eq!(told(&place), "");
        assert_eq!(read(place.path()).unwrap().fingerprint(), expected, "{name}");
    }
}

#[test]
fn line_ends_byte_order_marks_and_blank_lines_do_not_matter() {
    let expected = read(directory(&sound()).path()).unwrap().fingerprint();
    let dress = |text: &str| format!("\u{feff}{}\r\n\r\n", text.replace('\n', "\r\n")).into_bytes();
    let (models, prompts, outcomes) = (dress(MODELS_JSON), dress(PROMPTS_JSONL), dress(OUTCOMES_CSV));
    let place = directory(&[("models.json", &models), ("prompts.jsonl", &prompts), ("outcomes.csv", &outcomes)]);
    let found = told(&place);
    let marked = |line: &str| line.contains(":1: warning: the file begins with a byte order mark");
    assert!(found.lines().count() == 3 && found.lines().all(marked), "{found}");
    assert_eq!(read(place.path()).unwrap().fingerprint(), expected);
}

/// Every kind of finding the guide names, planted alone into the sound directory: it is found where it was planted, as an error or
/// a warning, and nothing else is.
#[test]
fn every_planted_fault_is_found_where_it_is() {
    let edit = |text: &str, from: &str, to: &str| -> Vec<u8> {
        assert_eq!(text.matches(from).count(), 1, "{from}");
        text.replacen(from, to, 1).into_bytes()
    };
    let models = |from: &str, to: &str| ("models.json", edit(MODELS_JSON, from, to));
    let prompts = |from: &str, to: &str| ("prompts.jsonl", edit(PROMPTS_JSONL, from, to));
    let outcomes = |from: &str, to: &str| ("outcomes.csv", edit(OUTCOMES_CSV, from, to));
    let raw = |name: &'static str, bytes: &[u8]| (name, bytes.to_vec());
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let latin1: Vec<u8> = PROMPTS_JSONL.replace("apples", "p\u{e2}t\u{e9}s").chars().map(|c| c as u8).collect();
    let cases: Vec<((&'static str, Vec<u8>), &str)> = vec![
        // Duplicates.
        (
            prompts("{\"prompt_id\": \"c\"", "{\"prompt_id\": \"a\", \"prompt\": \"x\"}\n{\"prompt_id\": \"c\""),
            "prompts.jsonl:3: error: `prompt_id`: prompt id `a` stands twice, first in line 1",
        ),
        (
            prompts("Write a poem.", "how many  apples are left?"),
            "prompts.jsonl:3: warning: near duplicate of `a` in line 1; 2 prompts are alike",
        ),
        (
            prompts("Write a poem.", "How many apples are left?"),
            "prompts.jsonl:3: warning: the text is a duplicate of `a` in line 1; 2 prompts are alike",
        ),
        (
            outcomes("c,big,0.25", "b,big,0.25"),
            "outcomes.csv:6: error: prompt `b` and model `big` stand together twice, first in line 4",
        ),
        (
            models("{\"model\": \"small\"", "{\"model\": \"big\"},\n  {\"model\": \"small\""),
            "models.json:3: error: `model`: model `big` stands twice, first in line 2",
        ),
        // What is not known.
        (outcomes("a,small", "a,tiny"), "outcomes.csv:3: error: `model`: unknown model `tiny`"),
        (outcomes("a,small", "z,small"), "outcomes.csv:3: error: `prompt_id`: unknown prompt `z`"),
        // Numbers.
        (outcomes("c,big,0.25", "c,big,1.25"), "outcomes.csv:6: error: `quality`: 1.25 is outside [0, 1]"),
        (outcomes("c,big,0.25", "c,big,-0.25"), "outcomes.csv:6: error: `quality`: -0.25 is outside [0, 1]"),
        (outcomes("c,big,0.25", "c,big,NaN"), "outcomes.csv:6: error: `quality`: the number is NaN"),
        (outcomes("c,big,0.25", "c,big,inf"), "outcomes.csv:6: error: `quality`: the number is infinite"),
        (outcomes("c,big,0.25", "c,big,good"), "outcomes.csv:6: error: `quality`: `good` is not a number"),
        (outcomes("0.004", "-0.004"), "outcomes.csv:6: error: `cost_usd`: -0.004 is negative"),
        (outcomes("0.004", "nan"), "outcomes.csv:6: error: `cost_usd`: the number is NaN"),
        (outcomes(",90", ",-90"), "outcomes.csv:6: error: `output_tokens`: -90 is negative"),
        (outcomes(",90", ",9.5"), "outcomes.csv:6: error: `output_tokens`: 9.5 is not a count of tokens"),
        (models("1.0", "-1.0"), "models.json:2: error: `input_usd_per_mtok`: -1.0 is not a price"),
        (
            (
                "outcomes.csv",
                OUTCOMES_CSV
                    .replace('\n', ",1\n")
                    .replacen(",1\n", ",propensity\n", 1)
                    .replacen("15,1\n", "15,0\n", 1)
                    .into_bytes(),
            ),
            "outcomes.csv:3: error: `propensity`: what has propensity 0 cannot have happened",
        ),
        (
            (
                "outcomes.csv",
                OUTCOMES_CSV
                    .replace('\n', ",1\n")
                    .replacen(",1\n", ",propensity\n", 1)
                    .replacen("15,1\n", "15,\n", 1)
                    .into_bytes(),
            ),
            "outcomes.csv:3: warning: `propensity`: the propensity is empty in 1 of 6 outcomes",
        ),
        // Nothing where something must be.
        (prompts("Write a poem.", " \\n "), "prompts.jsonl:3: error: `prompt`: the prompt is empty"),
        (prompts("\"prompt\": \"Write a poem.\", ", ""), "prompts.jsonl:3: error: `prompt`: the field is missing"),
        (outcomes("a,big,", ",big,"), "outcomes.csv:2: error: `prompt_id`: the cell is empty"),
        // Encodings.
        (
            raw("prompts.jsonl", &latin1),
            "prompts.jsonl:1: error: byte 0xE2 behind ` \"How many p` is not UTF-8, in Latin-1 it is `\u{e2}`",
        ),
        (raw("prompts.jsonl", &utf16(PROMPTS_JSONL)), "prompts.jsonl:1: error: the file is UTF-16"),
        (
            raw("outcomes.csv", &[b"\xff\xfe", &*utf16(OUTCOMES_CSV)].concat()),
            "outcomes.csv:1: error: the file is UTF-16",
        ),
        (
            raw("models.json", &[b"\xef\xbb\xbf", MODELS_JSON.as_bytes()].concat()),
            "models.json:1: warning: the file begins with a byte order mark",
        ),
        (
            prompts("Write a poem.", "Write a po\u{c3}\u{a8}me."),
            "prompts.jsonl:3: warning: `prompt`: `\u{c3}\u{a8}` looks like UTF-8 that was read in another encoding",
        ),
        (
            prompts("Write a poem.", "Write a po\u{fffd}me."),
            "prompts.jsonl:3: warning: `prompt`: `\u{fffd}` looks like UTF-8 that was read in another encoding",
        ),
        (
            outcomes("b,big,0,0.002,3,40\n", "b,big,0,0.002,3,40\r\n"),
            "outcomes.csv:4: warning: CRLF and LF are mixed; lines that end otherwise than the first: 1",
        ),
        // Malformed rows.
        (outcomes("c,big,0.25", "c,big,0.25,7"), "outcomes.csv:6: error: the row has 7 cells, the header 6"),
        (
            outcomes("c,big,0.25", "c,\"big,0.25"),
            "outcomes.csv:6: error: malformed row: a quote is opened here or later in the row and never closed",
        ),
        (prompts("\"Write a poem.\"", "\"Write a poem."), "prompts.jsonl:3: error: malformed JSON at column"),
        (models("\"output_usd_per_mtok\": 4.0,", ""), ""),
        // What nobody answered, and what nobody was asked.
        (
            models("{\"model\": \"small\"", "{\"model\": \"new\"}, {\"model\": \"small\""),
            "models.json:3: warning: model `new` has no outcome",
        ),
        (
            outcomes("b,big,0,0.002,3,40\nb,small,1,0.0002,3,12\n", ""),
            "prompts.jsonl:2: warning: prompt `b` has no outcome",
        ),
        (
            outcomes("b,big,0,0.002", "b,big,,0.002"),
            "outcomes.csv:4: warning: `quality`: model `big` has no outcome for 1 of 3 prompts, first `b`",
        ),
        (outcomes("0.004", ""), "outcomes.csv:6: warning: `cost_usd`: the cost is empty in 1 of 6 outcomes"),
        (outcomes("a,small,0.5", "a,small,0"), ""),
        (outcomes("b,small,1", "b,small,0"), ""),
    ];
    let mut wrong = String::new();
    for ((name, bytes), expected) in cases {
        let found = told(&with(&[(name, &bytes)]));
        let lines = usize::from(!expected.is_empty());
        if !found.starts_with(expected) || found.lines().count() != lines {
            wrong.push_str(&format!("{name}: expected {expected}\nfound {found}\n"));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn weights_and_propensities() {
    let csv = b"model,prompt_id,quality,cost_usd,input_tokens,output_tokens,weight,propensity\nbig,a,1,,,,2.5,\nbig,b,1,,,,,0.25\nbig,c,1,,,,3,1\n";
    let data = read(with(&[("outcomes.csv", csv)]).path()).unwrap();
    let read_as: Vec<_> = data.outcomes().iter().map(|(_, outcome)| (outcome.weight, outcome.propensity)).collect();
    assert_eq!(read_as, [(2.5, None), (1.0, Some(0.25)), (3.0, Some(1.0))]);
    let place = tempfile::tempdir().unwrap();
    write(&data, place.path().join("copy")).unwrap();
    assert_eq!(read(place.path().join("copy")).unwrap().fingerprint(), data.fingerprint());
}

#[test]
fn the_name_of_a_half_says_what_it_is_half_of() {
    let place = tempfile::tempdir().unwrap();
    let data = read(directory(&sound()).path()).unwrap();
    for (path, name) in [("world/train", "world/train"), ("world/test", "world/test"), ("other", "other")] {
        write(&data, place.path().join(path)).unwrap();
        assert_eq!(read(place.path().join(path)).unwrap().name(), name);
    }
}

#[test]
fn missing_files() {
    let only = |names: &[&str]| -> String {
        let files: Vec<_> = sound().into_iter().filter(|(name, _)| names.contains(name)).collect();
        told(&directory(&files))
    };
    insta::assert_snapshot!("no_files", only(&[]));
    insta::assert_snapshot!("no_models", only(&["prompts.jsonl", "outcomes.csv"]));
    insta::assert_snapshot!("no_prompts", only(&["models.json", "outcomes.csv"]));
    insta::assert_snapshot!("no_outcomes", only(&["models.json", "prompts.jsonl"]));
    insta::assert_snapshot!(
        "only_parquet",
        told(&directory(&[sound()[0], ("prompts.parquet", b"PAR1"), ("outcomes.parquet", b"PAR1")]))
    );
    insta::assert_snapshot!("two_outcome_files", told(&with(&[("outcomes.csv.gz", &gzip(OUTCOMES_CSV.as_bytes()))])));
    let place = tempfile::tempdir().unwrap();
    let error = read(place.path().join("nowhere")).unwrap_err();
    assert!(
        error.to_string().ends_with("nowhere:1: there is no such directory (name a data set directory)"),
        "{error}"
    );
    assert_eq!(error.exit_status(), 2);
}

#[test]
fn faults_in_models() {
    let models = |text: &str| told(&with(&[("models.json", text.as_bytes())]));
    insta::assert_snapshot!("models_empty_pool", models("[]"));
    insta::assert_snapshot!("models_empty_file", models(""));
    insta::assert_snapshot!("models_malformed", models("[\n{\"model\": \"big\",}\n]"));
    insta::assert_snapshot!("models_no_list", models("{\"model\": \"big\"}"));
    insta::assert_snapshot!(
        "models_every_fault",
        models(
            r#"[
  {"model": "big", "input_usd_per_mtok": -1, "output_usd_per_mtok": "4"},
  {"model": "small"},
  {"model": "small"},
  {"model": "odd",
   "context_window": 1.5,
   "tags": "tools",
   "price": 3,
   "latency_seconds": -1,
   "output_tokens_per_second": "fast"}
]"#
        )
    );
    insta::assert_snapshot!(
        "models_without_names",
        models(
            "[\n{\"input_usd_per_mtok\": 1},\n{\"model\": \"\"},\n{\"model\": 3},\n7,\n{\"model\": \"x\", \"model\": \"y\"}\n]"
        )
    );
}

#[test]
fn faults_in_prompts() {
    let mut bytes = br#"{"prompt_id": "a", "prompt": "fine"}
{"prompt_id": "a", "prompt": "again"}
{"prompt_id": "b", "prompt": "   "}
{"prompt_id": "c", "prompt": []}
{"prompt_id": "d", "prompt": 3}
{"prompt_id": "e"}
{"prompt": "no id"}
{"prompt_id": 7, "prompt": "a number"}
{"prompt_id": "f", "prompt": "cut
{"prompt_id": "g", "prompt": "x", "benchmrk": "sums"}
{"prompt_id": "h", "prompt": "x", "source": "web"}
{"prompt_id": "i", "prompt": "x", "benchmark": 3, "tags": "one"}
{"prompt_id": "j", "prompt": [{"role": "user", "content": "fine"}, {"role": "robot", "content": "x"}]}
{"prompt_id": "k", "prompt": [{"role": "user", "content": null}]}
{"prompt_id": "l", "prompt": "x", "prompt": "y"}
["not an object"]
"#
    .to_vec();
    bytes.extend_from_slice(b"{\"prompt_id\": \"m\", \"prompt\": \"caf\xe9 and caf\xc3\xa9\"}\n");
    insta::assert_snapshot!("prompts_every_fault", told(&with(&[("prompts.jsonl", &bytes)])));
    insta::assert_snapshot!("prompts_none", told(&with(&[("prompts.jsonl", b"\n\n")])));
    insta::assert_snapshot!("prompts_utf16", told(&with(&[("prompts.jsonl", b"\xff\xfe{\0")])));
}

#[test]
fn faults_in_outcomes() {
    let outcomes = |text: &[u8]| told(&with(&[("outcomes.csv", text)]));
    let head = "prompt_id,model,quality,cost_usd,input_tokens,output_tokens\n";
    let rows = "a,big,1.5,,,
a,small,nan,,,
b,big,-0.1,,,
b,small,inf,,,
c,big,good,,,
c,small,1,-2,,
a,other,1,,,
z,big,1,,,
c,big,1,nan,-3,2.5
c,big,1
,big,1,,,
\"a\"x,big,1,,,
c,\"big,1,,,
c,big,1,,,
";
    insta::assert_snapshot!("outcomes_every_fault", outcomes(format!("{head}{rows}").as_bytes()));
    insta::assert_snapshot!(
        "outcomes_twice",
        outcomes(format!("{head}a,big,1,,,\na,small,1,,,\na,big,0,,,\na,big,,,,\n").as_bytes())
    );
    insta::assert_snapshot!("outcomes_empty", outcomes(b""));
    insta::assert_snapshot!(
        "outcomes_columns",
        outcomes(b"prompt_id,model,qualty,cost_usd,latency,cost_usd\na,big,1,,,\n")
    );
    insta::assert_snapshot!(
        "outcomes_encoding",
        outcomes(&[head.as_bytes(), b"a,big,1,,,\ncaf\xe9,big,1,,,\n"].concat())
    );
    insta::assert_snapshot!(
        "outcomes_weights",
        outcomes(
            b"prompt_id,model,quality,cost_usd,input_tokens,output_tokens,weight,propensity\na,big,1,,,,1,0.5\na,small,1,,,,-1,\nb,big,1,,,,,0\nb,small,1,,,,,2\n"
        )
    );
    // What stands before the cut is checked, so there is nothing wrong with it.
    let packed = gzip((OUTCOMES_CSV.to_owned() + &"\n".repeat(350)).as_bytes());
    let cut = directory(&[sound()[0], sound()[1], ("outcomes.csv.gz", &packed[..packed.len() - 12])]);
    insta::assert_snapshot!("outcomes_truncated", told(&cut));
    let plain = directory(&[sound()[0], sound()[1], ("outcomes.csv.gz", OUTCOMES_CSV.as_bytes())]);
    insta::assert_snapshot!("outcomes_not_gzip", told(&plain));
    let lines = br#"{"prompt_id": "a", "model": "big", "quality": "1"}
{"prompt_id": "a", "model": 3, "quality": 1}
{"prompt_id": "b", "model": "big", "qualitty": 1}
{"prompt_id": "b", "model": "small", "quality": 2, "input_tokens": 1.5}
{"prompt_id": "c", "model": "big", "quality": NaN}
{"model": "big", "quality": 1, "latency": 3}
"#;
    insta::assert_snapshot!(
        "outcomes_json_lines",
        told(&directory(&[sound()[0], sound()[1], ("outcomes.jsonl", lines)]))
    );
}

#[test]
fn what_is_worth_a_second_look() {
    let long = "The quick brown fox jumps over the lazy dog while the cat sleeps in the warm sun near the old barn";
    let prompts = format!(
        "{{\"prompt_id\": \"a\", \"prompt\": \"{long}\"}}\n{{\"prompt_id\": \"b\", \"prompt\": \"Hi\"}}\n{{\"prompt_id\": \"c\", \"prompt\": \"{long}!\"}}\n{{\"prompt_id\": \"d\", \"prompt\": \"Alone\"}}\n"
    );
    let outcomes = b"prompt_id,model,quality,cost_usd,input_tokens,output_tokens,latency\na,big,1,0.1,,,3\nb,big,1,,,,3\nc,big,1,,,,3\nb,small,,,,,3\nc,small,0,0.1,,,3\n";
    let place = with(&[("prompts.jsonl", prompts.as_bytes()), ("outcomes.csv", outcomes)]);
    insta::assert_snapshot!("warnings", told(&place));
    let data = read(place.path()).unwrap();
    assert_eq!(data.groups(), [0, 1, 0, 2]);
}

#[test]
fn hundreds_of_near_duplicates_make_few_findings() {
    let mut prompts = String::new();
    for pair in 0..60 {
        let words: String = (0..12).map(|word| format!("word{pair}x{word} ")).collect();
        for (twin, end) in ["", "!"].iter().enumerate() {
            prompts.push_str(&format!("{{\"prompt_id\": \"{pair}-{twin}\", \"prompt\": \"{words}{end}\"}}\n"));
        }
    }
    let head = b"prompt_id,model,quality,cost_usd,input_tokens,output_tokens\n";
    let findings = check(with(&[("prompts.jsonl", prompts.as_bytes()), ("outcomes.csv", head)]).path());
    let near: Vec<String> = findings.iter().map(ToString::to_string).filter(|f| f.contains("near dup")).collect();
    assert_eq!(near.len(), 21);
    assert!(near[20].contains(":42: warning: 40 more groups of near duplicates"), "{}", near[20]);
}

fn written() -> Dataset {
    let say = |role, content: &str| Message::new(role, content);
    let mut tagged =
        Prompt::new("quote\" comma, line\nend", "text \u{1F600} with \"quotes\"\nand lines").with_benchmark("x");
    tagged.tags = vec!["one".into(), "two".into()];
    tagged.description = Some("described".into());
    let chat = Prompt::chat("chat", vec![say(MessageRole::System, ""), say(MessageRole::User, "Hello")]);
    let pool = ModelPool::new(vec![Model::new("m, n").with_price(0.1, 1e-9), Model::new("o")]).unwrap();
    let rich = Outcome {
        quality: 0.333_333_34,
        weight: 1.5,
        propensity: Some(0.1),
        cost_usd: Some(1.234e-7),
        input_tokens: Some(0),
        output_tokens: Some(u32::MAX),
        ..Outcome::new(0, 0.0)
    };
    let outcomes = Outcomes::from_rows(2, vec![vec![rich, Outcome::new(1, 1.0)], vec![]]).unwrap();
    Dataset::new("written", vec![tagged, chat], pool, outcomes).unwrap()
}

#[test]
fn content_may_be_a_list_of_parts() {
    let line = |content: &str| format!(r#"{{"prompt_id": "p", "prompt": [{{"role": "user", "content": {content}}}]}}"#);
    let parts = r#"[{"type": "text", "text": "What is"}, {"type": "image_url"}, {"type": "text", "text": "this?"}]"#;
    let head = b"prompt_id,model,quality,cost_usd,input_tokens,output_tokens\n";
    let place = with(&[("prompts.jsonl", line(parts).as_bytes()), ("outcomes.csv", head)]);
    let data = read(place.path()).unwrap();
    let prompt = &data.prompts()[0];
    assert_eq!((&*prompt.text(), prompt.parts_not_read()), ("What is\nthis?", 1));
    for wrong in [r#"[{"type": "image_url"}]"#, "null", "3"] {
        let place = with(&[("prompts.jsonl", line(wrong).as_bytes()), ("outcomes.csv", head)]);
        assert!(check(place.path()).errors().count() > 0, "{wrong}");
    }
}

#[test]
fn what_is_written_is_read_back_and_written_the_same() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("written");
    let data = written();
    write(&data, &path).unwrap();
    assert_eq!(read(&path).unwrap(), data);
    let bytes = || -> Vec<Vec<u8>> {
        ["models.json", "prompts.jsonl", "outcomes.csv.gz"]
            .iter()
            .map(|file| fs::read(path.join(file)).unwrap())
            .collect()
    };
    let first = bytes();
    write(&data, &path).unwrap();
    assert_eq!(bytes(), first);
    // Bytes 4 to 7 of a gzip file are its time.
    assert_eq!(first[2][4..8], [0; 4]);
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1, "nothing is left beside it");
}

#[test]
fn nothing_but_a_data_set_is_written_over() {
    let data = written();
    let place = tempfile::tempdir().unwrap();
    let refused = |path: &Path| {
        let error = write(&data, path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
        error.message().to_owned()
    };
    let file = place.path().join("file");
    fs::write(&file, "mine").unwrap();
    assert_eq!(refused(&file), "exists and is not a directory; it is left as it is");
    assert_eq!(refused(place.path()), "holds `file`, which is no part of a data set; it is left as it is");
    let half = directory(&[("models.json", b"[]")]);
    assert_eq!(refused(half.path()), "exists and is not a data set directory; it is left as it is");
    let noted = with(&[("notes.txt", b"mine")]);
    assert!(refused(noted.path()).contains("notes.txt"));
    assert_eq!(fs::read(noted.path().join("notes.txt")).unwrap(), b"mine");
    // A data set in another format is replaced whole, so that no two files of outcomes are left.
    let old = directory(&sound());
    write(&data, old.path()).unwrap();
    assert!(!old.path().join("outcomes.csv").exists());
    // An empty directory is taken.
    let empty = tempfile::tempdir().unwrap();
    write(&data, empty.path()).unwrap();
}

#[test]
fn what_would_not_be_read_back_is_not_written() {
    let place = tempfile::tempdir().unwrap();
    let pool = || ModelPool::new(vec![Model::new("m")]).unwrap();
    let one = |prompt| Dataset::new("d", vec![prompt], pool(), Outcomes::from_rows(1, vec![vec![]]).unwrap()).unwrap();
    let none = Dataset::new("d", vec![], pool(), Outcomes::from_rows(1, vec![]).unwrap()).unwrap();
    for data in [one(Prompt::new("", "text")), one(Prompt::new("a", " \n")), one(Prompt::chat("a", vec![])), none] {
        assert_eq!(write(&data, place.path().join("d")).unwrap_err().kind(), ErrorKind::Data);
    }
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
}

/// Reading never panics, agrees with checking, and every error names a file.
fn survives(files: &[(&str, &[u8])]) -> Result<(), TestCaseError> {
    let place = directory(files);
    let findings = check(place.path());
    match read(place.path()) {
        Ok(_) => prop_assert!(!findings.has_errors(), "read accepts what check refuses: {}", findings),
        Err(error) => {
            prop_assert!(findings.has_errors(), "read refuses what check accepts: {}", error);
            prop_assert!(error.file().is_some_and(|file| file.starts_with(place.path())), "{:?}", error);
            prop_assert!(error.line().is_some_and(|line| line >= 1));
        }
    }
    for finding in &findings {
        prop_assert!(!finding.to_string().contains('\n') || files.iter().any(|(_, bytes)| bytes.contains(&b'"')));
    }
    Ok(())
}

/// One change to a text: bytes put in, taken out, or exchanged.
fn mutate(text: &[u8], changes: &[(prop::sample::Index, u8, u8)]) -> Vec<u8> {
    let mut bytes = text.to_vec();
    for &(at, how, byte) in changes {
        let at = at.index(bytes.len().max(1));
        match how {
            0 => bytes.insert(at.min(bytes.len()), byte),
            1 if at < bytes.len() => {
                bytes.remove(at);
            }
            2 => bytes.truncate(at),
            3 => {
                let tail = bytes.get(at..).unwrap_or_default().to_vec();
                bytes.extend(tail);
            }
            _ if at < bytes.len() => bytes[at] = byte,
            _ => {}
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]
    #[test]
    fn garbage_never_panics(garbage in prop::collection::vec(any::<u8>(), 0..200), which in 0usize..5) {
        let name = ["models.json", "prompts.jsonl", "outcomes.csv", "outcomes.csv.gz", "outcomes.jsonl"][which];
        let files: Vec<_> = sound().into_iter().filter(|(file, _)| file.split('.').next() != name.split('.').next())
            .chain([(name, garbage.as_slice())]).collect();
        survives(&files)?;
    }

    #[test]
    fn mutations_never_panic(
        changes in prop::collection::vec(
            (any::<prop::sample::Index>(), 0u8..8, prop_oneof![Just(b'"'), Just(b','), Just(b'\n'), Just(b'{'), Just(b']'), any::<u8>()]), 1..6
        ),
        which in 0usize..5,
    ) {
        let lines = b"{\"prompt_id\":\"a\",\"model\":\"big\",\"quality\":1,\"propensity\":0.5}\n{\"prompt_id\":\"b\",\"model\":\"small\"}\n";
        let packed = gzip(OUTCOMES_CSV.as_bytes());
        let (name, whole): (&str, &[u8]) = [
            ("models.json", MODELS_JSON.as_bytes()),
            ("prompts.jsonl", PROMPTS_JSONL.as_bytes()),
            ("outcomes.csv", OUTCOMES_CSV.as_bytes()),
            ("outcomes.csv.gz", &packed),
            ("outcomes.jsonl", lines),
        ][which];
        let changed = mutate(whole, &changes);
        let files: Vec<_> = sound().into_iter().filter(|(file, _)| file.split('.').next() != name.split('.').next())
            .chain([(name, changed.as_slice())]).collect();
        survives(&files)?;
    }
}

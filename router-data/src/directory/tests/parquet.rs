//! Parquet: what other programs write is read, what is written is read back, and what is wrong is told by row and column.

use std::sync::Arc;

use ::parquet::basic::Compression;
use ::parquet::column::writer::ColumnWriter;
use ::parquet::data_type::ByteArray;
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::SerializedFileWriter;
use ::parquet::schema::parser::parse_message_type;

use super::*;

/// One column of a file made by hand: how it stands in the schema, and its cells; all of a column or none may be optional.
enum Cells {
    Text(Vec<Option<&'static str>>),
    Bytes(Vec<&'static [u8]>),
    Double(Vec<Option<f64>>),
    Int(Vec<i32>),
    Bool(Vec<bool>),
}

/// A Parquet file of flat columns.
fn file(schema: &str, columns: Vec<Cells>) -> Vec<u8> {
    let schema = Arc::new(parse_message_type(&format!("message made {{ {schema} }}")).unwrap());
    let properties = WriterProperties::builder().set_compression(Compression::UNCOMPRESSED).build();
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties)).unwrap();
    let mut group = writer.next_row_group().unwrap();
    for cells in columns {
        let mut column = group.next_column().unwrap().unwrap();
        let defined = |cells: &[bool]| cells.iter().map(|&cell| i16::from(cell)).collect::<Vec<_>>();
        match (column.untyped(), cells) {
            (ColumnWriter::ByteArrayColumnWriter(column), Cells::Text(cells)) => {
                let levels = defined(&cells.iter().map(Option::is_some).collect::<Vec<_>>());
                let values: Vec<ByteArray> = cells.into_iter().flatten().map(ByteArray::from).collect();
                column.write_batch(&values, Some(&levels), None).unwrap();
            }
            (ColumnWriter::ByteArrayColumnWriter(column), Cells::Bytes(cells)) => {
                let values: Vec<ByteArray> = cells.into_iter().map(|cell| ByteArray::from(cell.to_vec())).collect();
                column.write_batch(&values, Some(&vec![1; values.len()]), None).unwrap();
            }
            (ColumnWriter::DoubleColumnWriter(column), Cells::Double(cells)) => {
                let levels = defined(&cells.iter().map(Option::is_some).collect::<Vec<_>>());
                let values: Vec<f64> = cells.into_iter().flatten().collect();
                column.write_batch(&values, Some(&levels), None).unwrap();
            }
            (ColumnWriter::Int32ColumnWriter(column), Cells::Int(cells)) => {
                column.write_batch(&cells, Some(&vec![1; cells.len()]), None).unwrap();
            }
            (ColumnWriter::BoolColumnWriter(column), Cells::Bool(cells)) => {
                column.write_batch(&cells, Some(&vec![1; cells.len()]), None).unwrap();
            }
            _ => panic!("a column of another type than its cells"),
        }
        column.close().unwrap();
    }
    group.close().unwrap();
    writer.into_inner().unwrap()
}

fn prompts() -> Vec<u8> {
    file(
        "optional binary prompt_id (STRING); optional binary prompt;",
        vec![
            Cells::Text(vec![Some("a"), Some("b"), Some("c")]),
            Cells::Text(vec![Some("How many apples are left?"), Some("Hi"), Some("Write a poem.")]),
        ],
    )
}

fn outcomes(quality: Vec<Option<f64>>) -> Vec<u8> {
    file(
        "optional binary prompt_id (STRING); optional binary model (STRING); optional double quality;",
        vec![
            Cells::Text(vec![Some("a"), Some("a"), Some("b"), Some("b"), Some("c"), Some("c")]),
            Cells::Text(vec![Some("big"), Some("small"), Some("big"), Some("small"), Some("big"), Some("small")]),
            Cells::Double(quality),
        ],
    )
}

const QUALITY: [Option<f64>; 6] = [Some(1.0), Some(0.5), Some(0.0), Some(1.0), Some(0.25), Some(0.0)];

fn with_parquet(prompts: &[u8], outcomes: &[u8]) -> tempfile::TempDir {
    directory(&[sound()[0], ("prompts.parquet", prompts), ("outcomes.parquet", outcomes)])
}

/// Written by pyarrow 26 (snappy, dictionaries, decimal qualities, every prompt a conversation, two row groups) and polars 2.1
/// (zstd, a column of texts and one of messages) from the data of [`sound`].
#[test]
fn what_other_programs_write_is_the_same_data() {
    let expected = read(directory(&sound()).path()).unwrap();
    for origin in ["pyarrow", "polars"] {
        let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(origin);
        let findings = check(&place);
        assert!(findings.is_empty(), "{findings}");
        let found = read(&place).unwrap();
        assert_eq!(found.fingerprint(), expected.fingerprint(), "{origin}");
        for (found, expected) in found.prompts().iter().zip(expected.prompts()) {
            assert_eq!((&found.benchmark, &found.tags), (&expected.benchmark, &expected.tags), "{origin}");
        }
    }
}

#[test]
fn columns_of_other_types_are_read_too() {
    let place = with_parquet(
        &prompts(),
        &file(
            "optional binary prompt_id; optional binary model; optional int32 quality; optional int32 input_tokens;",
            vec![
                Cells::Text(vec![Some("a"), Some("b")]),
                Cells::Text(vec![Some("big"), Some("big")]),
                Cells::Int(vec![1, 0]),
                Cells::Int(vec![7, 9]),
            ],
        ),
    );
    let data = read(place.path()).unwrap();
    let outcome = data.outcomes().get(0, 0).unwrap();
    assert_eq!((outcome.quality, outcome.input_tokens, outcome.cost_usd), (1.0, Some(7), None));
}

#[test]
fn faults_name_row_and_column() {
    let edited = |at: usize, value: Option<f64>| {
        let mut quality = QUALITY.to_vec();
        quality[at] = value;
        outcomes(quality)
    };
    let cells = |schema: &str, column: Cells| {
        file(
            &format!("optional binary prompt_id (STRING); optional binary model (STRING); {schema};"),
            vec![Cells::Text(vec![Some("a"), Some("b")]), Cells::Text(vec![Some("big"), Some("big")]), column],
        )
    };
    let whole = outcomes(QUALITY.to_vec());
    let cases: [(Vec<u8>, &str); 9] = [
        (edited(4, Some(1.5)), "outcomes.parquet:5: error: `quality`: 1.5 is outside [0, 1]"),
        (edited(2, Some(f64::NAN)), "outcomes.parquet:3: error: `quality`: the number is NaN"),
        (
            cells("optional binary quality (STRING)", Cells::Text(vec![Some("good"), Some("1")])),
            "outcomes.parquet:1: error: `quality`: `good` is not a number",
        ),
        (
            cells("optional boolean quality", Cells::Bool(vec![true, false])),
            "outcomes.parquet:1: error: `quality`: expected a number, found a truth value",
        ),
        (
            cells("optional binary quality", Cells::Bytes(vec![b"1", b"\xff"])),
            "outcomes.parquet:2: error: `quality`: expected a number, found bytes that are not UTF-8",
        ),
        (
            cells("optional double qualty", Cells::Double(vec![Some(1.0), Some(0.0)])),
            "outcomes.parquet:1: error: `qualty`: unknown column (did you mean `quality`?)",
        ),
        (
            cells("optional double grade", Cells::Double(vec![Some(1.0), Some(0.0)])),
            "outcomes.parquet:1: error: `quality`: the column is missing",
        ),
        (whole[..whole.len() - 9].to_vec(), "outcomes.parquet:1: error: not a whole Parquet file"),
        (b"prompt_id,model,quality\n".to_vec(), "outcomes.parquet:1: error: not a whole Parquet file"),
    ];
    for (outcomes, expected) in cases {
        let found = told(&with_parquet(&prompts(), &outcomes));
        assert!(found.starts_with(expected), "expected {expected}\nfound {found}");
    }
    let twice = file(
        "optional binary prompt_id (STRING); optional binary prompt (STRING);",
        vec![Cells::Text(vec![Some("a"), Some("a"), None]), Cells::Text(vec![Some("x"), Some("y"), Some("z")])],
    );
    let found = told(&with_parquet(&twice, &whole));
    assert!(
        found.contains("prompts.parquet:2: error: `prompt_id`: prompt id `a` stands twice, first in line 1"),
        "{found}"
    );
    assert!(found.contains("prompts.parquet:3: error: `prompt_id`: the field is missing"), "{found}");
    let both = directory(&[sound()[0], sound()[1], sound()[2], ("prompts.parquet", &prompts())]);
    assert!(told(&both).contains("prompts.jsonl and prompts.parquet are both here"));
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![Just("x".to_owned()), "[a-z\"\\\\,\n\r\té中\u{1F600} ]{1,20}"]
}

prop_compose! {
    fn prompt()(
        content in prop_oneof![
            text().prop_map(PromptContent::Text),
            prop::collection::vec((0u8..4, text()), 1..4).prop_map(|messages| {
                let role = |role| [MessageRole::System, MessageRole::User, MessageRole::Assistant, MessageRole::Tool][role as usize];
                PromptContent::Messages(messages.into_iter().map(|(r, content)| Message::new(role(r), content)).collect())
            }),
        ],
        benchmark in prop::option::of(text()), description in prop::option::of(text()),
        tags in prop::collection::vec(text(), 0..3)
    ) -> Prompt {
        Prompt { content, benchmark, description, tags, ..Prompt::new("", "") }
    }
}

prop_compose! {
    fn outcome()(
        quality in 0f32..=1.0, weight in prop_oneof![Just(1.0f32), 0f32..100.0],
        propensity in prop::option::of(prop_oneof![Just(1.0f32), 1e-6f32..1.0]),
        cost_usd in prop::option::of(0f64..10.0), input_tokens: Option<u32>, output_tokens: Option<u32>
    ) -> Outcome {
        Outcome { quality, weight, propensity, cost_usd, input_tokens, output_tokens, ..Outcome::new(0, 0.0) }
    }
}

prop_compose! {
    fn dataset()(
        rows in prop::collection::vec((prompt(), prop::collection::vec(prop::option::of(outcome()), 3)), 1..12),
        names in prop::collection::btree_set(text(), 3)
    ) -> Dataset {
        let pool = ModelPool::new(names.into_iter().map(Model::new).collect()).unwrap();
        let (mut prompts, mut outcomes) = (Vec::new(), Vec::new());
        for (at, (prompt, cells)) in rows.into_iter().enumerate() {
            // Reading refuses an empty prompt.
            let content = if prompt.text().trim().is_empty() { PromptContent::Text("y".to_owned()) } else { prompt.content };
            prompts.push(Prompt { id: format!("p{at}"), content, ..prompt });
            let cells = cells.into_iter().enumerate();
            outcomes.push(cells.filter_map(|(model, cell)| cell.map(|cell| Outcome { model, ..cell })).collect());
        }
        Dataset::new("copy", prompts, pool, Outcomes::from_rows(3, outcomes).unwrap()).unwrap()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    #[test]
    fn both_formats_lose_nothing(data in dataset()) {
        let place = tempfile::tempdir().unwrap();
        for format in [Format::Text, Format::Parquet] {
            let path = place.path().join("copy");
            write_as(&data, &path, format).unwrap();
            let again = read(&path).unwrap();
            prop_assert_eq!(again.prompts(), data.prompts());
            prop_assert_eq!(again.models(), data.models());
            prop_assert_eq!(again.outcomes(), data.outcomes());
            let bytes = || -> Vec<Vec<u8>> {
                let mut files: Vec<_> = fs::read_dir(&path).unwrap().map(|file| file.unwrap().path()).collect();
                files.sort();
                files.iter().map(|file| fs::read(file).unwrap()).collect()
            };
            let first = bytes();
            prop_assert_eq!(first.len(), 3);
            write_as(&data, &path, format).unwrap();
            prop_assert_eq!(bytes(), first);
        }
    }

    #[test]
    fn damaged_parquet_never_panics(
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0u8..8, any::<u8>()), 1..6), which in 0usize..4
    ) {
        let place = tempfile::tempdir().unwrap();
        write_as(&written(), place.path().join("w"), Format::Parquet).unwrap();
        let ours = |name: &str| fs::read(place.path().join("w").join(name)).unwrap();
        let theirs = |name: &str| fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)).unwrap();
        let (prompts, outcomes) = match which {
            0 => (mutate(&ours("prompts.parquet"), &changes), ours("outcomes.parquet")),
            1 => (ours("prompts.parquet"), mutate(&ours("outcomes.parquet"), &changes)),
            2 => (mutate(&theirs("polars/prompts.parquet"), &changes), theirs("polars/outcomes.parquet")),
            _ => (theirs("pyarrow/prompts.parquet"), mutate(&theirs("pyarrow/outcomes.parquet"), &changes)),
        };
        survives(&[sound()[0], ("prompts.parquet", &prompts), ("outcomes.parquet", &outcomes)])?;
    }

    #[test]
    fn bytes_that_look_like_parquet_never_panic(garbage in prop::collection::vec(any::<u8>(), 0..300), length in 0u32..400) {
        // The magic number at both ends, and a length of metadata that may be true.
        let bytes = [b"PAR1", garbage.as_slice(), &length.to_le_bytes(), b"PAR1"].concat();
        survives(&[sound()[0], ("prompts.parquet", &bytes), ("outcomes.parquet", &bytes)])?;
    }
}

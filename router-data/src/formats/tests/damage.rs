//! Readers on damaged bytes: no panic, and what is built is sound. `PROPTEST_CASES=20000 cargo test --release -p router-data damage`
//! runs for minutes.

use proptest::prelude::*;

use super::*;

/// One way of damaging bytes; places and lengths are taken modulo what is there.
#[derive(Debug, Clone)]
enum Damage {
    Flip(usize, u8),
    Remove(usize, usize),
    Insert(usize, Vec<u8>),
    Repeat(usize, usize),
    Cut(usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    // What the formats are made of, so that the damage reaches beyond the first syntax error.
    let piece = prop::sample::select(vec![
        &b"\""[..],
        b",",
        b"\n",
        b"\r\n",
        b"{",
        b"}",
        b"[",
        b"]",
        b"null",
        b"NaN",
        b"-1",
        b"1e999",
        b"\\",
        b"\xFF",
        b"\0",
        b":",
        b"'",
        b"\"records\": [",
        b"|",
        b"\xEF\xBB\xBF",
        b"true",
        b"\\u0000",
        b"\xF0\x9F",
    ])
    .prop_map(<[u8]>::to_vec);
    prop_oneof![
        3 => (any::<usize>(), any::<u8>()).prop_map(|(at, bits)| Damage::Flip(at, bits)),
        3 => (any::<usize>(), 1usize..40).prop_map(|(at, length)| Damage::Remove(at, length)),
        4 => (any::<usize>(), piece).prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        2 => (any::<usize>(), 1usize..200).prop_map(|(at, length)| Damage::Repeat(at, length)),
        1 => any::<usize>().prop_map(Damage::Cut),
    ]
}

impl Damage {
    fn apply(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let size = bytes.len();
        let range = |at: usize, length: usize| (at % size)..(at % size + length).min(size);
        match self {
            Self::Flip(at, bits) => bytes[at % size] ^= bits,
            Self::Remove(at, length) => drop(bytes.drain(range(*at, *length))),
            Self::Insert(at, piece) => drop(bytes.splice(at % size..at % size, piece.iter().copied())),
            Self::Repeat(at, length) => {
                let piece = bytes[range(*at, *length)].to_vec();
                bytes.splice(at % size..at % size, piece);
            }
            Self::Cut(at) => bytes.truncate(at % size),
        }
    }
}

/// Imports damaged `files` and holds that the outcome is either a sound data set or told faults.
fn survives(format: &str, files: &[(&str, Vec<u8>)]) {
    let borrowed: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (*name, bytes.as_slice())).collect();
    let (import, findings) = import_files(format, &borrowed);
    assert!(import.skipped <= import.rows, "{findings}");
    match &import.dataset {
        None => assert!(import.errors > 0, "nothing came of it and nothing is told"),
        Some(dataset) => {
            assert!(!dataset.outcomes().is_empty());
            // What was kept can be written and read again.
            let place = tempfile::tempdir().unwrap();
            crate::directory::write(dataset, place.path().join("out")).unwrap();
        }
    }
    for finding in import.findings.errors() {
        assert!(finding.line >= 1);
        assert!(!finding.message.is_empty());
    }
}

/// The fixture files of `format`, sound and faulty, and a Parquet file where the format has one.
fn victims(format: &str) -> Vec<Vec<(&'static str, Vec<u8>)>> {
    let owned = |files: fixtures::Files| files.iter().map(|(name, bytes)| (*name, bytes.to_vec())).collect::<Vec<_>>();
    let (_, sound, faulty) = fixtures::ALL.into_iter().find(|(name, ..)| *name == format).unwrap();
    let mut victims = vec![owned(sound), owned(faulty)];
    if matches!(format, "long" | "routerbench") {
        let dataset = import_files("routerbench", fixtures::ROUTERBENCH).0.dataset.unwrap();
        let Output::File(bytes) = find(format).unwrap().write(&dataset, Path::new("out.parquet")).unwrap() else {
            panic!("a file")
        };
        victims.push(vec![("table.parquet", bytes)]);
    }
    victims
}

proptest! {
    #[test]
    fn any_damage_is_survived(
        which in prop::sample::select(fixtures::ALL.map(|(name, ..)| name).to_vec()),
        victim in any::<prop::sample::Index>(),
        file in any::<prop::sample::Index>(),
        damages in prop::collection::vec(damage(), 1..6),
    ) {
        let mut victims = victims(which);
        let at = victim.index(victims.len());
        let files = &mut victims[at];
        let at = file.index(files.len());
        for damage in &damages {
            damage.apply(&mut files[at].1);
        }
        survives(which, files);
    }

    #[test]
    fn any_bytes_are_survived(
        which in prop::sample::select(fixtures::ALL.map(|(name, ..)| name).to_vec()),
        name in prop::sample::select(vec!["a.csv", "a.json", "a.jsonl", "a.parquet", "a.csv.gz", "a"]),
        bytes in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        survives(which, &[(name, bytes)]);
    }
}

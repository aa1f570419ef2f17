//! Components inside components: their formats and versions are checked like any slot's.

use router_core::artifact::{Persist, SlotReader, SlotWriter};
use router_core::{Error, ErrorKind, Registry, Result};

struct Inner;

impl Persist for Inner {
    const FORMAT: &'static str = "inner";
    const VERSION: u32 = 3;

    fn save(&self, writer: &mut SlotWriter) -> Result<()> {
        writer.put_json("value", &1)
    }

    fn load(reader: &SlotReader<'_>) -> Result<Self> {
        reader.get_json::<u32>("value").map(|_| Self)
    }
}

struct Outer;

impl Persist for Outer {
    const FORMAT: &'static str = "outer";
    const VERSION: u32 = 1;

    fn save(&self, writer: &mut SlotWriter) -> Result<()> {
        writer.put_nested("part", &Inner)
    }

    fn load(reader: &SlotReader<'_>) -> Result<Self> {
        reader.nested("part")?.load::<Inner>().map(|_| Self)
    }
}

/// The error of loading an [`Outer`] in whose bytes `from` became `to`, of the same length.
fn altered(from: &str, to: &str) -> Option<Error> {
    let mut bytes = SlotWriter::serialize(&Outer).unwrap();
    let places: Vec<usize> = bytes
        .windows(from.len())
        .enumerate()
        .filter(|(_, window)| *window == from.as_bytes())
        .map(|(place, _)| place)
        .collect();
    assert_eq!((places.len(), from.len()), (1, to.len()));
    bytes[places[0]..places[0] + to.len()].copy_from_slice(to.as_bytes());
    SlotReader::open("slot", &bytes, &Registry::new(), |_, reader| reader.load::<Outer>().map(drop)).err()
}

#[test]
fn the_version_and_the_format_of_a_nested_part_are_checked() {
    let stored = r#"[\"inner\",3]"#;
    assert!(altered(stored, stored).is_none());
    assert!(altered(stored, r#"[\"inner\",2]"#).is_none(), "an older version is the component's to read");
    let newer = altered(stored, r#"[\"inner\",4]"#).unwrap();
    assert_eq!(newer.kind(), ErrorKind::Incompatible);
    assert!(newer.to_string().contains("slot `slot/part`: `inner` version 4"), "{newer}");
    let other = altered(stored, r#"[\"outer\",3]"#).unwrap();
    assert_eq!(other.kind(), ErrorKind::Artifact);
    assert!(other.to_string().contains("it holds `outer` where `inner` belongs"), "{other}");
}
